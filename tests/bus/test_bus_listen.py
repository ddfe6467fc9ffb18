from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bus import acts
from tests.bus.cluster import Cluster
from tests.wait import wait_until

ROOT = Path(__file__).parents[2]
SITE = """
SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
INSTALLED_APPS = ["nothing_shared.node", "nothing_shared.bus"]
NOTHING_SHARED_NODE = {"DIRECTORY": %r, "LEASE": 0.6, "SLOTS": 2**16}
NOTHING_SHARED_BUS = {"LOCATION": %r}
"""


@dataclass
class Listening:
    """A running ``manage.py bus_listen``, and what it has printed so far."""

    process: subprocess.Popen[bytes]
    out: Path

    def lines(self, count: int) -> list[Any]:
        """Return its first lines, once there are so many."""
        wait_until(lambda: self.out.read_text().count("\n") >= count, 30, what="it was printed")
        return [json.loads(line) for line in self.out.read_text().splitlines()[:count]]


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., Listening]]:
    """Starts ``manage.py bus_listen``, and returns once it listens."""
    settings = SITE % (str(tmp_path / "north"), str(tmp_path / "bus"))
    (tmp_path / "listening_settings.py").write_text(settings, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    site = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "listening_settings"}
    with ExitStack() as stack:

        def start(*arguments: str) -> Listening:
            out = stack.enter_context((tmp_path / "out").open("wb"))
            told = stack.enter_context((tmp_path / "told").open("wb"))
            command = [sys.executable, "-m", "django", "bus_listen", *arguments]
            process = subprocess.Popen(command, env=site, cwd=ROOT, stdout=out, stderr=told)
            stack.enter_context(process)
            stack.callback(process.kill)
            wait_until(
                lambda: "Listening." in (tmp_path / "told").read_text(), 30, what="it listens"
            )
            return Listening(process, tmp_path / "out")

        yield start


def test_bus_listen_prints_messages_of_its_topic_until_it_has_counted_enough(
    cluster: Cluster, listen: Callable[..., Listening]
) -> None:
    north = cluster.node("north", "sold", lease=0.6)
    listening = listen("sold", "--count", "2")
    for topic, payload in [("sold", {"event": 5}), ("bought", 1), ("sold", None)]:
        north.run(acts.say, topic, payload)
    lines = listening.lines(2)
    assert [(line["topic"], line["payload"]) for line in lines] == [
        ("sold", {"event": 5}),
        ("sold", None),
    ]
    assert len({line["id"] for line in lines}) == 2
    assert listening.process.wait(30) == 0
    assert north.gaps() == [], "it took its leave"


def test_bus_listen_prints_every_topic_and_each_gap_until_it_is_terminated(
    cluster: Cluster, listen: Callable[..., Listening]
) -> None:
    north, south = cluster.node("north", lease=0.6), cluster.node("south", lease=0.6)
    listening = listen()
    north.run(acts.say, "sold", 1)
    north.run(acts.say, "bought", 2)
    assert [line["topic"] for line in listening.lines(2)] == ["sold", "bought"]
    south.kill()
    assert listening.lines(3)[2]["gap"] == "a node vanished without a goodbye"
    listening.process.send_signal(signal.SIGTERM)
    assert listening.process.wait(30) == 0
