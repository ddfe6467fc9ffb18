from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.bus import acts
from tests.bus.cluster import Cluster

ROOT = Path(__file__).parents[2]
SITE = """
SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
INSTALLED_APPS = ["nothing_shared.node", "nothing_shared.bus"]
NOTHING_SHARED_NODE = {"DIRECTORY": %r, "LEASE": 0.6, "SLOTS": 2**16}
NOTHING_SHARED_BUS = {"LOCATION": %r}
"""


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``manage.py bus_listen``, and returns once it listens."""
    settings = SITE % (str(tmp_path / "north"), str(tmp_path / "bus"))
    (tmp_path / "listening_settings.py").write_text(settings, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    site = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "listening_settings"}
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            listening = stack.enter_context(subprocess.Popen(
                [sys.executable, "-m", "django", "bus_listen", *arguments], env=site, cwd=ROOT,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            ))  # fmt: skip
            stack.callback(listening.kill)
            assert listening.stderr is not None
            assert "Listening." in listening.stderr.readline()
            return listening

        yield start


def printed(listening: subprocess.Popen[str], count: int) -> list[Any]:
    assert listening.stdout is not None
    return [json.loads(listening.stdout.readline()) for _ in range(count)]


def test_bus_listen_prints_messages_of_its_topic_until_it_has_counted_enough(
    cluster: Cluster, listen: Callable[..., subprocess.Popen[str]]
) -> None:
    north = cluster.node("north", "sold", lease=0.6)
    listening = listen("sold", "--count", "2")
    for topic, payload in [("sold", {"event": 5}), ("bought", 1), ("sold", None)]:
        north.run(acts.say, topic, payload)
    lines = printed(listening, 2)
    assert [(line["topic"], line["payload"]) for line in lines] == [
        ("sold", {"event": 5}),
        ("sold", None),
    ]
    assert len({line["id"] for line in lines}) == 2
    assert listening.wait(30) == 0
    assert north.gaps() == [], "it took its leave"


def test_bus_listen_prints_every_topic_and_each_gap_until_it_is_terminated(
    cluster: Cluster, listen: Callable[..., subprocess.Popen[str]]
) -> None:
    north, south = cluster.node("north", lease=0.6), cluster.node("south", lease=0.6)
    listening = listen()
    north.run(acts.say, "sold", 1)
    north.run(acts.say, "bought", 2)
    assert [line["topic"] for line in printed(listening, 2)] == ["sold", "bought"]
    south.kill()
    assert printed(listening, 1)[0]["gap"] == "a node vanished without a goodbye"
    listening.send_signal(signal.SIGTERM)
    assert listening.wait(30) == 0
