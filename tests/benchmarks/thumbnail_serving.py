"""What a tag costs a page, and what a warm thumbnail costs beside a static file through whitenoise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from tests.benchmarks.measuring import Batch, race
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import home

TITLE = "Thumbnails: a tag in a page, and a warm hit beside whitenoise"

PATH_OF_HOME = "THUMBNAIL_SERVING_HOME"
TAGS = {
    "thumbnail, its URL": '{% thumbnail name "300x200 cover" %}',
    "thumbnail, an <img>": '{% thumbnail name "300x200 cover" alt="" %}',
    "picture, 3 srcsets of 2": '{% picture name "300x200 cover" alt="" %}',
}
MOST_PER_TAG = 20.0
MOST_OF_WHITENOISE = 1.5


def run(report: Report, quick: bool) -> None:
    with home() as directory:
        set_up(directory)
        measure_tags(report, rounds=3 if quick else 40)
        measure_hits(report, directory, rounds=3 if quick else 60)


def set_up(directory: Path) -> None:
    """Set up Django with both: static files through whitenoise, thumbnails by either way."""
    import django
    from django.conf import settings

    (directory / "static").mkdir(exist_ok=True)
    settings.configure(
        SECRET_KEY="for benchmarks only, and long enough to pass every check that Django makes",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        ROOT_URLCONF="tests.urls",
        INSTALLED_APPS=[
            "nothing_shared.node",
            "nothing_shared.bus",
            "nothing_shared.causality",
            "nothing_shared.thumbnails",
        ],
        MIDDLEWARE=[
            "nothing_shared.causality.middleware.CausalityMiddleware",
            "django.middleware.security.SecurityMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            *(
                ["nothing_shared.thumbnails.middleware.ThumbnailMiddleware"]
                if os.environ.get("THUMBNAIL_MIDDLEWARE")
                else []
            ),
        ],
        STATIC_URL="/static/",
        STATIC_ROOT=str(directory / "static"),
        MEDIA_ROOT=str(directory / "media"),
        STORAGES={
            "default": {"BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        NOTHING_SHARED_NODE={"DIRECTORY": str(directory / "node")},
        NOTHING_SHARED_THUMBNAILS={"SPECS": {"card": "300x200 cover"}},
    )
    django.setup()


def measure_tags(report: Report, *, rounds: int) -> None:
    """Render pages of a hundred tags, of a hundred sources, beside pages without them."""
    from django.template import Context, Template
    from django.urls import set_script_prefix, set_urlconf

    set_script_prefix("/")  # as in a request
    set_urlconf("tests.urls")
    names = [f"photos/{number:04}-of-the-larch.jpg" for number in range(100)]

    def page(tag: str) -> Batch:
        source = "{% load thumbnails %}{% for name in names %}" + tag + "{% endfor %}"
        template = Template(source)

        def batch(number: int) -> float:
            context = Context({"names": names})
            start = perf_counter_ns()
            template.render(context)
            return (perf_counter_ns() - start) / 1000 / len(names)

        return batch

    batches = {"nothing": page("{{ name }}")} | {name: page(tag) for name, tag in TAGS.items()}
    times = race(batches, rounds=rounds, turn=3)
    rows = [[name, f"{t.best:.1f}", f"{t.median:.1f}"] for name, t in times.items()]
    report.say(*table(["microseconds per tag, of 100 in a page", "best", "median"], rows), "")
    report.judge(
        *(
            Target(f"a tag ({name})", times[name].best, MOST_PER_TAG, " µs")
            for name in list(TAGS)[:2]
        )
    )
    report.figures["tags"] = {name: times[name].best for name in times}


def measure_hits(report: Report, directory: Path, *, rounds: int) -> None:
    """Ask real servers, one request after the other, each over a connection of its own."""
    path, size = draw_and_copy(directory)
    report.say("", f"Both files have {size:,} bytes; gunicorn, one sync worker.", "")
    targets = []
    for way, variable in (("a view", ""), ("the middleware", "1")):
        with serving(directory, THUMBNAIL_MIDDLEWARE=variable) as port:
            batches = {
                "static file, whitenoise": asking(port, "/static/a.webp", size),
                "thumbnail": asking(port, path, size),
            }
            times = race(batches, rounds=rounds, turn=3)
        rows = [[name, f"{t.best:.0f}", f"{t.median:.0f}"] for name, t in times.items()]
        head = [f"microseconds per request, by {way}", "best", "median"]
        report.say(*table(head, rows), "")
        ratio = times["thumbnail"].median_ratio(times["static file, whitenoise"])
        targets.append(
            Target(f"a warm hit by {way}, of whitenoise's", ratio, MOST_OF_WHITENOISE, "x")
        )
        report.figures[way] = {name: t.best for name, t in times.items()}
    report.judge(*targets)


def draw_and_copy(directory: Path) -> tuple[str, int]:
    """Draw one thumbnail, put a copy of it where static files are, and return its path and size."""
    from django.test import Client

    from nothing_shared.thumbnails import thumbnail_url
    from tests.thumbnails.pictures import noise, upload

    upload("a.jpg", noise((1200, 900)))
    path = thumbnail_url("a.jpg", "300x200 cover webp")
    data = Client().get(path).content
    (directory / "static" / "a.webp").write_bytes(data)
    return path, len(data)


def asking(port: int, path: str, size: int) -> Batch:
    def batch(number: int) -> float:
        start = perf_counter_ns()
        for _ in range(20):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path, headers={"Accept": "image/avif,image/webp,*/*"})
            response = connection.getresponse()
            assert response.status == 200 and len(response.read()) == size
            connection.close()
        return (perf_counter_ns() - start) / 1000 / 20

    return batch


@contextmanager
def serving(directory: Path, **environment: str) -> Iterator[int]:
    """Run gunicorn on the site of this benchmark."""
    from tests.servers import free_port
    from tests.servers.running import greeting
    from tests.wait import wait_until

    port = free_port()
    command = ["gunicorn", "tests.benchmarks.thumbnail_serving:application()", "--workers", "1",
               "--log-level", "error", "--bind", f"127.0.0.1:{port}"]  # fmt: skip
    known: dict[str, str] = {**os.environ, **environment, PATH_OF_HOME: str(directory)}
    server = subprocess.Popen([sys.executable, "-m", *command], env=known)
    try:
        wait_until(lambda: greeting(port, b"GET /x HTTP/1.0\r\n\r\n"), 60, what="gunicorn")
        yield port
    finally:
        server.terminate()
        server.wait(30)


def application() -> Any:
    """Return the WSGI application that gunicorn serves."""
    from django.core.wsgi import get_wsgi_application

    set_up(Path(os.environ[PATH_OF_HOME]))
    return get_wsgi_application()


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
