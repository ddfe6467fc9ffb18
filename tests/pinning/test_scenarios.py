"""Nobody reads older than they have written; and these stories do tell who would."""

from __future__ import annotations

import pytest

from tests.pinning.scenarios import SCENARIOS, play
from tests.pinning.stage import PEERS, staged
from tests.servers import Replication

pytestmark = pytest.mark.slow

FRESH = {
    **dict.fromkeys(SCENARIOS, "fresh"),
    "2 POST that redirects, then two GETs": "fresh, fresh",
    "10 POST without a write, then GET": "replica",
    "11 POST, then GET when replicas have caught up": "replica",
    "12 login, then GET after any time-out": "reader, session kept",
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
        "13 GET that writes while streaming, then GET": "stale",
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


@pytest.mark.parametrize("peer", PEERS)
def test_the_same_stories_find_stale_reads_in_other_packages(
    running_replication: Replication, peer: str
) -> None:
    with staged(running_replication, peer, "wsgi") as stage:
        outcomes = {name: play(stage, scenario) for name, scenario in SCENARIOS.items()}
    assert outcomes == {**FRESH, **OTHERWISE[peer]}
