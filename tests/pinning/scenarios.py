"""Stories of a client that has written, and of replicas that have not heard of it yet.

Each is told with replay paused on both replicas, and says how it ended. "stale" is a client that
did not find what it had written. The client writes on one node and reads on another, which hears of
the first by no bus.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.pinning.browser import Browser
from tests.pinning.stage import Stage

__all__ = ["LONGER_THAN_ANY_TIME_OUT", "SCENARIOS", "cached_then_written", "play"]

LONGER_THAN_ANY_TIME_OUT = 600.0


def found(stage: Stage, title: str, browser: Browser | None = None) -> str:
    reply = (browser or stage.browser).get(stage.two, f"/read/{title}/")
    return "fresh" if reply.json["found"] else "stale"


def written(stage: Stage, how: str, query: str = "") -> str:
    title = stage.title()
    reply = stage.browser.post(stage.one, f"/write/{how}/{title}/{query}")
    assert reply.status in (200, 302, 500), reply.body
    return title


def post_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "orm"))


def post_that_redirects_then_two_gets(stage: Stage) -> str:
    title = written(stage, "orm", "?redirect")
    return f"{found(stage, title)}, {found(stage, title)}"


def get_that_writes_then_get(stage: Stage) -> str:
    title = stage.title()
    stage.browser.get(stage.one, f"/write/orm/{title}/")
    return found(stage, title)


def get_that_writes_and_reads(stage: Stage) -> str:
    reply = stage.browser.get(stage.two, f"/write-and-read/orm/{stage.title()}/")
    return "fresh" if reply.json["found"] else "stale"


def post_by_raw_sql_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "raw"))


def get_that_writes_and_reads_in_a_transaction(stage: Stage) -> str:
    reply = stage.browser.get(stage.two, f"/write-and-read-in-atomic/{stage.title()}/")
    return "fresh" if reply.json["found"] else "stale"


def post_by_using_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "using"))


def post_that_writes_on_commit_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "on-commit"))


def post_then_get_after_any_time_out(stage: Stage) -> str:
    title = written(stage, "orm")
    stage.browser.wait(LONGER_THAN_ANY_TIME_OUT)
    return found(stage, title)


def post_without_a_write_then_get(stage: Stage) -> str:
    stage.browser.post(stage.one, "/write-nothing/")
    reply = stage.browser.get(stage.two, "/read/nothing/")
    return " ".join(map(stage.server, reply.served))


def post_then_get_when_replicas_have_caught_up(stage: Stage) -> str:
    title = written(stage, "orm")
    stage.resume()
    reply = stage.browser.get(stage.two, f"/read/{title}/")
    assert reply.json["found"]
    return " ".join(map(stage.server, reply.served))


def login_then_get_after_any_time_out(stage: Stage) -> str:
    stage.browser.post(stage.one, "/login/")
    assert "sessionid" in stage.browser.cookies
    stage.browser.wait(LONGER_THAN_ANY_TIME_OUT)
    reply = stage.browser.get(stage.two, "/who/")
    assert reply.status == 200, reply.body
    stayed = "sessionid" in stage.browser.cookies
    return f"{reply.json['user'] or 'nobody'}, session {'kept' if stayed else 'deleted'}"


def get_that_writes_while_streaming_then_get(stage: Stage) -> str:
    title = stage.title()
    stage.browser.get(stage.one, f"/write-while-streaming/{title}/")
    return found(stage, title)


def post_that_writes_while_streaming_then_get(stage: Stage) -> str:
    title = stage.title()
    stage.browser.post(stage.one, f"/write-while-streaming/{title}/")
    return found(stage, title)


def write_outside_of_a_request(stage: Stage) -> str:
    return "fresh" if stage.one.run("write_and_read", stage.title()) else "stale"


def overtaking_responses(stage: Stage) -> str:
    """The replicas have the first write, not the second, whose response arrives first."""
    stage.resume()
    browser, titles = stage.browser, [stage.title(), stage.title()]
    first = browser.send(stage.one, "POST", f"/write/orm/{titles[0]}/?redirect")
    stage.pause()
    second = browser.send(stage.one, "POST", f"/write/orm/{titles[1]}/?redirect")
    browser.take_in(second)
    browser.take_in(first)
    return ", ".join(found(stage, title) for title in titles)


def error_after_a_commit_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "orm", "?fail"))


def post_with_asynchronous_commit_then_get(stage: Stage) -> str:
    return found(stage, written(stage, "async-commit"))


def asynchronous_orm(stage: Stage) -> str:
    title = stage.title()
    stage.browser.post(stage.one, f"/awrite/{title}/")
    reply = stage.browser.get(stage.two, f"/aread/{title}/")
    return "fresh" if reply.json["found"] else "stale"


def cached_then_written(stage: Stage, page: str) -> str:
    """Cache a page from a replica, on a connection that has never met the primary; then write."""
    title = stage.title()
    stage.one.run("make_book", title)
    stage.resume()
    stage.pause()
    for copies in (1, 2):
        stranger = Browser()
        stranger.get(stage.two, f"/{page}/{title}/")
        stranger.close()
        stage.browser.post(stage.one, f"/set-copies/{title}/{copies}/")
        seen = stage.browser.get(stage.two, f"/{page}/{title}/").json["copies"]
        if seen != copies:
            return f"stale: {seen} for {copies}"
    return "fresh"


SCENARIOS: dict[str, Callable[[Stage], str]] = {
    "1 POST, then GET": post_then_get,
    "2 POST that redirects, then two GETs": post_that_redirects_then_two_gets,
    "3 GET that writes, then GET": get_that_writes_then_get,
    "4 GET that writes and reads": get_that_writes_and_reads,
    "5 POST by raw SQL, then GET": post_by_raw_sql_then_get,
    "6 GET that writes and reads in a transaction": get_that_writes_and_reads_in_a_transaction,
    "7 POST by using(), then GET": post_by_using_then_get,
    "8 POST that writes on commit, then GET": post_that_writes_on_commit_then_get,
    "9 POST, then GET after any time-out": post_then_get_after_any_time_out,
    "10 POST without a write, then GET": post_without_a_write_then_get,
    "11 POST, then GET when replicas have caught up": post_then_get_when_replicas_have_caught_up,
    "12 login, then GET after any time-out": login_then_get_after_any_time_out,
    "13 GET that writes while streaming, then GET": get_that_writes_while_streaming_then_get,
    "13 POST that writes while streaming, then GET": post_that_writes_while_streaming_then_get,
    "14 write and read outside of a request": write_outside_of_a_request,
    "15 POST with asynchronous commit, then GET": post_with_asynchronous_commit_then_get,
    "16 two writes whose responses overtake each other": overtaking_responses,
    "17 error after a commit, then GET": error_after_a_commit_then_get,
    "18 asynchronous ORM": asynchronous_orm,
}


def play(stage: Stage, scenario: Callable[[Stage], str]) -> str:
    """Tell one story from its beginning."""
    stage.resume()
    stage.browser = Browser()
    stage.pause()
    try:
        return scenario(stage)
    finally:
        stage.browser.close()
        stage.resume()
