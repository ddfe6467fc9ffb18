"""Sessions in cookies beside Django's: bytes, microseconds, queries, and how fast a sign-out travels."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from tests.benchmarks.measuring import Batch, Times, quantile, race
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import describe, home

TITLE = "Sessions in cookies, beside Django's signed_cookies: bytes and microseconds"

UNIT = 100
"""Operations in a batch."""

USER = {
    "_auth_user_id": "12345",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
CART = {"cart": [{"event": number, "seats": [f"A{number}", f"B{number}"]} for number in range(40)]}
CONTENTS = {"a login": USER, "a login and a cart of 2 kB": {**USER, **CART}}

SIGN_OUTS = 200


def run(report: Report, quick: bool) -> None:
    with home() as directory:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.cluster.settings",
            CLUSTER_DIRECTORY=str(directory),
            CLUSTER_SESSIONS="{}",
        )
        import django
        from django.core.management import call_command

        django.setup()
        report.say(describe(directory))
        call_command("migrate", run_syncdb=True, verbosity=0)
        for name, content in CONTENTS.items():
            compare(report, name, content, rounds=2 if quick else 60)
        check_revocations(report, rounds=2 if quick else 60)
    with home() as directory:
        travel(report, directory, 5 if quick else SIGN_OUTS)


def compare(report: Report, name: str, content: dict[str, Any], *, rounds: int) -> None:
    from django.contrib.sessions.backends.signed_cookies import SessionStore as Djangos
    from django.contrib.sessions.serializers import JSONSerializer

    from nothing_shared.sessions.backends.signed_cookies import SessionStore as Ours
    from nothing_shared.sessions.packing import pack, unpack
    from nothing_shared.sessions.terms import terms

    serializer, codec = JSONSerializer(), terms().codec
    ours, djangos = made(Ours, content), made(Djangos, content)
    head = ours.tokens[0].header

    def resave(store: Any) -> Callable[[], Any]:
        def save() -> None:
            store["seen"] = perf_counter_ns()
            store.save()

        return save

    operations = {
        "encode": (
            lambda: codec.encode(head, pack(content, serializer.dumps)),
            djangos._get_session_key,
        ),
        "decode": (
            lambda: unpack(codec.decode(ours.session_key).packed, serializer.loads),
            djangos.load,
        ),
        "store: load, revocation checked": (
            lambda: Ours(ours.session_key).load(),
            lambda: Djangos(djangos.session_key).load(),
        ),
        "store: change and save": (
            resave(made(Ours, content)),
            resave(made(Djangos, content)),
        ),
    }
    batches = {
        f"{operation}: {whose}": batch(run)
        for operation, both in operations.items()
        for whose, run in zip(("ours", "Django's"), both, strict=True)
    }
    times = race(batches, rounds=rounds, turn=3)
    sizes = len(ours.session_key), len(djangos.session_key)
    rows = [
        [
            operation,
            *(f"{times[f'{operation}: {whose}'].best:.1f}" for whose in ("ours", "Django's")),
        ]
        for operation in operations
    ]
    report.say(
        "", *table([f"µs, {name}", "ours", "Django's"], [["bytes", *map(str, sizes)], *rows]), ""
    )
    report.figures[name] = {"rows": rows, "bytes": sizes}
    if content is USER:
        cookie = len("sessionid=") + sizes[0]
        report.judge(Target("bytes of a login's cookie, with its name", cookie, 180))
        for operation in ("encode", "decode"):
            report.judge(Target(f"{operation}, by Django's", ratio(times, operation), 0.7))


def ratio(times: dict[str, Times], operation: str) -> float:
    return times[f"{operation}: ours"].ratio(times[f"{operation}: Django's"])


def made(store: Callable[[], Any], content: dict[str, Any]) -> Any:
    session = store()
    session._session_cache = dict(content)
    session.save()
    return session


def batch(operate: Callable[[], Any]) -> Batch:
    def timed(number: int) -> float:
        begun = perf_counter_ns()
        for _ in range(UNIT):
            operate()
        return (perf_counter_ns() - begun) / UNIT / 1000

    return timed


def check_revocations(report: Report, *, rounds: int) -> None:
    """Time the check with a hundred thousand revocations in memory."""
    from nothing_shared.node import process
    from nothing_shared.sessions import revocations
    from nothing_shared.sessions.models import Revocation
    from nothing_shared.sessions.revoked import Bearer

    ends = 2**32 - 1
    rows = (Revocation(name=f"session:{number:032x}", expires=ends) for number in range(100_000))
    Revocation.objects.bulk_create(rows, batch_size=5000)
    process.current().table.forget_everything()
    bearers = [
        Bearer(f"{number:032x}", str(number), 0) for number in range(200_000, 200_000 + UNIT)
    ]
    for bearer in bearers:
        revocations.is_revoked(bearer)

    def check(number: int) -> float:
        begun = perf_counter_ns()
        for bearer in bearers:
            revocations.is_revoked(bearer)
        return (perf_counter_ns() - begun) / UNIT / 1000

    times = race({"check": check}, rounds=rounds, turn=3)
    revocations.end_session(f"{1:032x}", until=ends)
    for bearer in bearers:
        revocations.is_revoked(bearer)
    after = race({"check": check}, rounds=rounds, turn=3)
    report.judge(
        Target("revocation check, 100,000 known", times["check"].best, 1, " µs"),
        Target("the same once somebody else has signed out", after["check"].best, 2, " µs"),
    )


WORKER = """
from django.contrib.auth.models import User
from django.test.utils import CaptureQueriesContext
from nothing_shared.clock import boottime_ns
from nothing_shared.sessions import revocations
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from tests.sessions.browser import Browser
from tests.wait import wait_until

def sign_in(user):
    store = SessionStore()
    store["_auth_user_id"] = str(user)
    store.save()
    return store.session_key

def sign_out(key):
    begun = boottime_ns()
    SessionStore(key).flush()
    return begun

def is_in(key):
    return "_auth_user_id" in SessionStore(key)

def refused(key):
    wait_until(lambda: not is_in(key), 20, interval=0.0005)
    return boottime_ns()

def queries(cookies):
    browser = Browser()
    browser.cookies = dict(cookies)
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get("/permitted/")
    assert '"user": "ada"' in answer.text, answer.text
    return len(captured)

def visit(path, **form):
    browser = Browser()
    browser.post(path, **form)
    return browser.cookies
"""


def travel(report: Report, directory: Path, rounds: int) -> None:
    """Sign out on one node, and see when another one refuses the cookie."""
    from tests.cluster.harness import Cluster
    from tests.cluster.zygote import Zygote
    from tests.wait import wait_until

    zygote = Zygote()
    cluster = Cluster(zygote, directory, CLUSTER_SESSIONS="{}")
    try:
        here, there = cluster.worker("a"), cluster.worker("b")
        for worker in (here, there):
            worker(WORKER)
        delays = [delay(here, there, user) for user in range(rounds)]
        cuts = range(rounds, rounds + max(1, rounds // 20))
        cut = [deaf_delay(here, cluster, user) for user in cuts]
        here("User.objects.create(username='ada')")
        cookies = here("visit('/in/', user='ada')")
        wait_until(lambda: there(f"queries({cookies!r})") == 0, 20, what="the node to have settled")
        asked = max(there(f"queries({cookies!r})") for _ in range(10))
    finally:
        cluster.close()
        zygote.close()
    figures = [quantile(delays, part) for part in (0.5, 0.99, 1)]
    report.say(
        "",
        f"From a sign-out on one node to refused on another, {rounds} times: "
        f"p50 {figures[0]:.1f}, p99 {figures[1]:.1f}, most {figures[2]:.1f} ms; "
        f"with the other's bus cut just before, {len(cut)} times: most {max(cut):.0f} ms",
        "",
    )
    report.judge(
        Target("p99, bus up", figures[1], 100, " ms"),
        Target("most, bus down", max(cut) / 1000, 5, " s"),
        Target("queries of a signed-in page on a warm node", asked, 0),
    )


def delay(here: Any, there: Any, user: int) -> float:
    key = here(f"sign_in({user})")
    assert there(f"is_in({key!r})")
    waiting = there.start(f"refused({key!r})")
    begun = here(f"sign_out({key!r})")
    return float(waiting.get() - begun) / 1e6


def deaf_delay(here: Any, cluster: Any, user: int) -> float:
    """Do so with nobody left on the other node who hears the bus."""
    there = cluster.worker(f"c{user}")
    there(WORKER)
    there(f"is_in({here(f'sign_in({user})')!r})")
    there("process.current().agent.stop()")
    taken = delay(here, there, user)
    there("process.close()")
    return taken


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
