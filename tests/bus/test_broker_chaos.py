"""Chaos on every backend with a broker. The long form: ``python -m tests.bus.long_chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.bus import broker_chaos
from tests.bus.backends import BACKENDS, opened
from tests.node.workers import Workers


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("name", BACKENDS)
def test_every_message_is_delivered_or_lies_in_a_gap(
    name: str, seed: int, tmp_path: Path, workers: Workers, django_db_blocker: DjangoDbBlocker
) -> None:
    with opened(name, tmp_path, workers, django_db_blocker) as (cluster, server, proxy):
        ease = BACKENDS[name][1].ease
        outcome = broker_chaos.run(cluster, tmp_path, seed, server, proxy, ease=ease)
    print(outcome)
    assert outcome.published
    assert outcome.undetected == []
    assert outcome.false == []
