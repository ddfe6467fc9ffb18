"""Three nodes, one S3 bucket, no shared disk: what the README promises of thumbnails, a test each."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from nothing_shared.thumbnails.entries import key_of
from tests.cluster.harness import Cluster, WorkerProcess
from tests.cluster.web import UVICORN, serving
from tests.cluster.zygote import Zygote
from tests.servers import S3Server, s3
from tests.wait import wait_until

pytestmark = pytest.mark.slow

PRELUDE = """
import shutil
from concurrent.futures import ThreadPoolExecutor
from django.conf import settings
from django.core.files.storage import storages
from django.test import Client
from nothing_shared.thumbnails import forget, thumbnail_url, workshop
from nothing_shared.thumbnails.signals import thumbnail_drawn
from tests.thumbnails.pictures import colour_of, jpeg, upload

def note(promise, **kwargs):
    with open(settings.BASE_DIR / f"drawn-by-{settings.NODE}", "a") as file:
        file.write(promise.name + "\\n")
thumbnail_drawn.connect(note)

def ask(url, cookies={}):
    client = Client(raise_request_exception=False)
    for name, value in cookies.items(): client.cookies[name] = value
    return client.get(url)

def seen(url, cookies={}):
    answer = ask(url, cookies)
    return [answer.status_code, answer.headers.get("ETag"), answer.headers.get("Retry-After")]

def crowd(url, size):
    with ThreadPoolExecutor(size) as clients:
        return [list(item) for item in {tuple(item) for item in clients.map(seen, [url] * size)}]

def colour(url, cookies={}):
    red, green, blue = colour_of(ask(url, cookies).content)
    return "red" if red > 200 else "blue" if blue > 200 else "green"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3("originals", "derived") as running:
        yield running


def environment(
    server: S3Server, *, lease: float = 2, silence: float = 30, **options: Any
) -> dict[str, str]:
    """Return what makes clusters sites with their originals in S3."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.thumbnails.site",
        "SITE_S3": json.dumps(server.settings("originals")),
        "SITE_S3_SILENCE": str(silence),
        "SITE_THUMBNAILS": json.dumps({"PATIENCE": 60, "LIMIT_SECONDS": 60, **options}),
        "CLUSTER_LEASE": str(lease),
    }


@pytest.fixture
def site(server: S3Server, make_cluster: Callable[..., Cluster]) -> Callable[..., Cluster]:
    return lambda **options: make_cluster(**environment(server, **options))


class Trio(NamedTuple):
    """Three nodes with a derived storage, for tests that harm none of them."""

    cluster: Cluster
    nodes: list[WorkerProcess]


@pytest.fixture(scope="module")
def trio(
    server: S3Server, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trio]:
    directory = tmp_path_factory.mktemp("trio")
    directory.chmod(0o700)
    cluster = Cluster(zygote, directory, **environment(server, DERIVED_STORAGE="derived"))
    yield Trio(cluster, [worker(cluster, node) for node in "abc"])
    cluster.close()


def fetch(port: int, url: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return body
    finally:
        connection.close()


def worker(cluster: Cluster, node: str) -> WorkerProcess:
    made = cluster.worker(node)
    made(PRELUDE)
    return made


def drawn_by(cluster: Cluster, node: str, name: str) -> int:
    """Count the drawings of a source."""
    file = cluster.directory / f"drawn-by-{node}"
    return file.read_text().splitlines().count(name) if file.exists() else 0


def objects(server: S3Server, name: str) -> list[str]:
    """List what was derived of a source."""
    prefix = f"drawn/{key_of('default', name)}/"
    found = server.client().list_objects_v2(Bucket="derived", Prefix=prefix).get("Contents", [])
    return [known["Key"] for known in found]


def test_any_url_works_on_any_node_and_one_drawing_does_for_all(
    trio: Trio, server: S3Server
) -> None:
    one, *others = trio.nodes
    one("upload('a/b ü.jpg', jpeg())")
    url = one("thumbnail_url('a/b ü.jpg', '30x20')")
    assert {other("thumbnail_url('a/b ü.jpg', '30x20')") for other in others} == {url}
    answers = [worker(f"seen({url!r})") for worker in (one, *others)]
    assert answers[0][0] == 200 and answers[0] == answers[1] == answers[2]
    assert [drawn_by(trio.cluster, node, "a/b ü.jpg") for node in "abc"] == [1, 0, 0]
    assert len(objects(server, "a/b ü.jpg")) == 1


def test_a_crowd_before_a_cold_thumbnail_causes_one_drawing_per_node(
    site: Callable[..., Cluster],
) -> None:
    cluster = site()
    nodes = [worker(cluster, node) for node in "abcabc"]
    nodes[0]("upload('a.jpg', jpeg(size=(3000, 2000)))")
    url = nodes[0]("thumbnail_url('a.jpg', '300x200 png')")
    crowds = [node.start(f"crowd({url!r}, 9)") for node in nodes]  # 54 clients
    answers = {tuple(item) for crowd in crowds for item in crowd.get()}
    assert len(answers) == 1 and answers.pop()[0] == 200
    assert [drawn_by(cluster, node, "a.jpg") for node in "abc"] == [1, 1, 1]


def test_a_node_killed_while_drawing_leaves_nothing_half_written(
    site: Callable[..., Cluster], server: S3Server
) -> None:
    cluster = site(DERIVED_STORAGE="derived", DRAWINGS=1, QUEUE=0)
    one, other = worker(cluster, "a"), worker(cluster, "a")
    one("upload('killed.jpg', jpeg())")
    url = one("thumbnail_url('killed.jpg', '30x20')")
    one("draw = workshop.draw\nworkshop.draw = lambda *a, **k: wait('drawing', draw(*a, **k))")
    one.start(f"ask({url!r})")
    one.reached("drawing")
    elsewhere = other("thumbnail_url('killed.jpg', '60x40')")
    assert other(f"seen({elsewhere!r})") == [503, None, "1"]
    one.kill()
    drawn = cluster.directory / "node-a" / "thumbnails"
    assert not list(drawn.glob("??/*")) and not objects(server, "killed.jpg")
    assert other(f"seen({url!r})")[0] == 200
    assert drawn_by(cluster, "a", "killed.jpg") == len(objects(server, "killed.jpg")) == 1


def test_a_node_killed_while_writing_leaves_nothing_that_is_served(
    site: Callable[..., Cluster],
) -> None:
    cluster = site()
    one, other = worker(cluster, "a"), worker(cluster, "a")
    one("upload('a.jpg', jpeg())")
    url = one("thumbnail_url('a.jpg', '30x20')")
    one("from nothing_shared.thumbnails import disk\nimport signal")
    one.start(f"disk.os.rename = lambda *names: os.kill(os.getpid(), signal.SIGKILL)\nask({url!r})")
    one.wait_for_end()
    drawn = cluster.directory / "node-a" / "thumbnails"
    assert [file.suffix for file in drawn.glob("??/*")] == [".new"]
    assert other(f"colour({url!r})") == "red"
    later = other(
        "shop = workshop.current()\nshop.disk.clock = lambda: time.time() + 700\nshop.disk.trim()"
    )
    assert later and not list(drawn.glob("??/*.new"))
    assert other(f"seen({url!r})")[0] == 200


def test_a_replaced_source_changes_what_all_nodes_serve(trio: Trio) -> None:
    one, *others = trio.nodes
    one("upload('replaced.jpg', jpeg('red'))")
    url = one("thumbnail_url('replaced.jpg', '30x20')")
    for name, rgb in [("red", "red"), ("blue", "#0000ff"), ("green", "#00ff00")]:
        one(f"upload('replaced.jpg', jpeg({rgb!r}))")
        assert one(f"colour({url!r})") == name
        for other in others:
            wait_until(lambda other=other, name=name: other(f"colour({url!r})") == name)
    one("storages['default'].delete('replaced.jpg')")
    assert one(f"seen({url!r})")[0] == 404
    for other in others:
        wait_until(lambda other=other: other(f"seen({url!r})")[0] == 404)


def test_who_replaced_a_picture_sees_it_on_any_node_with_the_bus_cut(
    site: Callable[..., Cluster],
) -> None:
    cluster = site(lease=30)
    agents = [worker(cluster, node) for node in "ab"]
    one, two = worker(cluster, "a"), worker(cluster, "b")
    one("upload('a.jpg', jpeg('red'))")
    url = one("thumbnail_url('a.jpg', '30x20')")
    wait_until(lambda: two(f"colour({url!r})") == "red")
    for agent in agents:
        agent.kill(signal.SIGSTOP)
    cookies = one(
        "answer = ask('/replace/?name=a.jpg&colour=blue')\n"
        "{name: morsel.value for name, morsel in answer.cookies.items() if morsel.value}"
    )
    assert cookies
    assert two(f"colour({url!r})") == "red"
    assert two(f"colour({url!r}, {cookies!r})") == "blue"
    assert two(f"colour({url!r})") == "blue"


def test_a_node_that_hears_nothing_asks_for_the_source(site: Callable[..., Cluster]) -> None:
    cluster = site(lease=0.5)
    writer, agent = worker(cluster, "a"), worker(cluster, "b")
    reader = worker(cluster, "b")
    writer("upload('a.jpg', jpeg('red'))")
    url = writer("thumbnail_url('a.jpg', '30x20')")
    assert reader(f"colour({url!r})") == "red"
    agent.kill(signal.SIGSTOP)
    writer("upload('a.jpg', jpeg('blue'))")
    wait_until(lambda: reader(f"colour({url!r})") == "blue")


def test_derived_files_deleted_behind_our_back_heal_twenty_of_twenty(
    trio: Trio, server: S3Server
) -> None:
    nodes = trio.nodes
    urls = nodes[0](
        "urls = []\n"
        "for number in range(20):\n"
        "    upload(f'{number}.jpg', jpeg())\n"
        "    urls.append(thumbnail_url(f'{number}.jpg', '30x20'))\n"
        "urls"
    )
    everything = f"[seen(url)[0] for url in {urls!r}]"
    assert [node(everything) for node in nodes] == [[200] * 20] * 3
    names = [f"{number}.jpg" for number in range(20)]
    before = [key for name in names for key in objects(server, name)]
    assert len(before) == 20
    for number, key in enumerate(before):
        if number % 2:
            server.client().delete_object(Bucket="derived", Key=key)
        else:
            server.client().put_object(Bucket="derived", Key=key, Body=b"\xff\xd8\xff")
    for node in "abc":
        for file in (trio.cluster.directory / f"node-{node}" / "thumbnails").glob("??/*"):
            file.unlink()
    assert [node(everything) for node in nodes] == [[200] * 20] * 3
    for key in before:
        body = server.client().get_object(Bucket="derived", Key=key)["Body"].read()
        assert body.endswith(b"\xff\xd9")
    drawn = [sum(drawn_by(trio.cluster, node, name) for name in names) for node in "abc"]
    assert drawn == [40, 0, 0]


def test_a_deleted_picture_leaves_no_derived_files(trio: Trio, server: S3Server) -> None:
    one, other, _ = trio.nodes
    one("upload('deleted.jpg', jpeg())\nupload('kept.jpg', jpeg())")
    url = one("thumbnail_url('deleted.jpg', '30x20', version=1)")
    kept = one("thumbnail_url('kept.jpg', '30x20', version=1)")
    assert [other(f"seen({each!r})")[0] for each in (url, kept)] == [200, 200]
    one("storages['default'].delete('deleted.jpg')")
    assert not objects(server, "deleted.jpg") and len(objects(server, "kept.jpg")) == 1
    wait_until(lambda: other(f"seen({url!r})")[0] == 404)
    assert other(f"seen({kept!r})")[0] == 200


def test_with_the_store_silent_what_was_drawn_is_served_and_the_rest_told_to_come_again(
    site: Callable[..., Cluster], server: S3Server
) -> None:
    cluster = site(lease=30, silence=3)
    one = worker(cluster, "a")
    one("upload('a.jpg', jpeg())")
    warm = one("thumbnail_url('a.jpg', '30x20')")
    cold = one("thumbnail_url('a.jpg', '60x40')")
    assert one(f"seen({warm!r})")[0] == 200
    server.freeze()
    try:
        assert one(f"seen({warm!r})")[0] == 200
        assert one(f"seen({cold!r})") == [503, None, "1"]
    finally:
        server.thaw()
    wait_until(lambda: one(f"seen({cold!r})")[0] == 200, 30)


def test_an_original_beyond_the_bound_is_not_read_to_its_end(
    site: Callable[..., Cluster], server: S3Server
) -> None:
    cluster = site(LIMIT_BYTES=5000)
    one = worker(cluster, "a")
    one("upload('a.jpg', jpeg() + bytes(10_000))")
    url = one("thumbnail_url('a.jpg', '30x20')")
    assert one(f"seen({url!r})")[0] == 422


def test_a_server_under_asgi_answers_others_while_it_waits_and_draws(
    site: Callable[..., Cluster], server: S3Server
) -> None:
    cluster = site(DRAWINGS=1)
    one = worker(cluster, "a")
    one("upload('a.jpg', jpeg(size=(3000, 2000)))")
    url = one("thumbnail_url('a.jpg', '300x200')")
    with serving(cluster, "b", UVICORN, SITE_IS_ASYNC="1") as web, web.client() as client:
        server.freeze()
        try:
            with ThreadPoolExecutor(20) as clients:
                drawn = [clients.submit(fetch, web.port, url) for _ in range(20)]
                for _ in range(20):
                    assert client.ask("/stalls/1/a/")["pid"] == web.process.pid
                assert not any(task.done() for task in drawn)
                server.thaw()
                bodies = {task.result() for task in drawn}
        finally:
            server.thaw()
    assert len(bodies) == 1 and bodies.pop().startswith(b"\xff\xd8\xff")
