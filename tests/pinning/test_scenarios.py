"""Nobody reads older than they have written; and these stories do tell who would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pinning import form_stories
from tests.pinning.scenarios import SCENARIOS, cached_then_written, play
from tests.pinning.stage import PEERS, Stage, staged
from tests.servers import Replication

pytestmark = pytest.mark.slow

FRESH = {
    **dict.fromkeys(SCENARIOS, "fresh"),
    "2 POST that redirects, then two GETs": "fresh, fresh",
    "10 POST without a write, then GET": "replica",
    "11 POST, then GET when replicas have caught up": "replica",
    "12 login, then GET after any time-out": "reader, session kept",
    "13 GET that writes while streaming, then GET": "stale",  # the headers had left: the docs say so
    "16 two writes whose responses overtake each other": "fresh, fresh",
}

OTHERWISE = {
    "django-multidb-router": {
        "3 GET that writes, then GET": "stale",
        "4 GET that writes and reads": "stale",
        "6 GET that writes and reads in a transaction": "stale",
        "9 POST, then GET after any time-out": "stale",
        "10 POST without a write, then GET": "primary",
        "11 POST, then GET when replicas have caught up": "primary",
        "12 login, then GET after any time-out": "nobody, session deleted",
        "14 write and read outside of a request": "stale",
    },
    "django_replicated": {
        **dict.fromkeys(SCENARIOS, "stale"),
        "2 POST that redirects, then two GETs": "fresh, stale",
        "10 POST without a write, then GET": "replica",
        "11 POST, then GET when replicas have caught up": "replica",
        "12 login, then GET after any time-out": "nobody, session deleted",
        "14 write and read outside of a request": "fresh",
        "16 two writes whose responses overtake each other": "fresh, stale",
    },
}
"""How other packages end the stories, where that is otherwise: the proof that these see what is stale."""


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def stage(request: pytest.FixtureRequest, running_replication: Replication) -> Iterator[Stage]:
    with staged(running_replication, "ours", request.param) as stage:
        yield stage


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_reads_what_it_has_written(stage: Stage, name: str) -> None:
    assert play(stage, SCENARIOS[name]) == FRESH[name]


@pytest.mark.parametrize("page", ["cached-copies", "copies-page"])
def test_a_client_finds_what_it_has_written_in_what_was_cached_before(
    stage: Stage, page: str
) -> None:
    assert play(stage, lambda stage: cached_then_written(stage, page)) == "fresh"


@pytest.mark.parametrize("form", form_stories.CHANGES)
def test_p19_a_query_that_touches_a_pinned_table_is_fresh_in_every_form(
    stage: Stage, form: str
) -> None:
    assert play(stage, lambda stage: form_stories.tell(stage, form)) == "fresh"


@pytest.mark.parametrize("peer", PEERS)
def test_the_same_stories_find_stale_reads_in_other_packages(
    running_replication: Replication, peer: str
) -> None:
    with staged(running_replication, peer, "wsgi") as stage:
        outcomes = {name: play(stage, scenario) for name, scenario in SCENARIOS.items()}
    assert outcomes == {**FRESH, **OTHERWISE[peer]}
