from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from nothing_shared.node import Change, process, slots
from nothing_shared.node.conf import node_settings
from nothing_shared.node.process import Node
from nothing_shared.node.table import ChangeTable
from tests.node import acts
from tests.node.workers import Workers
from tests.wait import wait_until

ROOT = Path(__file__).parents[2]

SITE = """
SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
INSTALLED_APPS = ["nothing_shared.node", "nothing_shared.bus"]
NOTHING_SHARED_NODE = {"DIRECTORY": %r, "NAME": "north", "SLOTS": 2**16, "LEASE": 0.4}
NOTHING_SHARED_BUS = {"LOCATION": %r}
"""


@pytest.fixture
def site(tmp_path: Path, directory: Path) -> dict[str, str]:
    """The environment of a site whose node is in ``directory``."""
    settings = SITE % (str(directory), str(tmp_path / "bus"))
    (tmp_path / "north_settings.py").write_text(settings, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "north_settings"}


@pytest.fixture
def node_agent(site: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A running ``manage.py node_agent``."""
    command = [sys.executable, "-m", "django", "node_agent"]
    with subprocess.Popen(command, env=site, cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        try:
            assert agent.stdout is not None
            assert "Standing for agent of node north" in agent.stdout.readline()
            yield agent
        finally:
            agent.kill()


def look(*options: str) -> str:
    from io import StringIO

    out = StringIO()
    call_command("node", *options, stdout=out)
    return out.getvalue()


def use(settings: Any, directory: Path) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(directory), "NAME": "north", "SLOTS": 2**16}


def test_node_agent_leads_until_it_is_terminated_and_then_exits_cleanly(
    node_agent: subprocess.Popen[str], settings: Any, directory: Path
) -> None:
    use(settings, directory)
    wait_until(lambda: json.loads(look("--json"))["agent"] == node_agent.pid, what="it leads")
    node_agent.send_signal(signal.SIGTERM)
    assert node_agent.wait(30) == 0
    assert json.loads(look("--json"))["agent"] is None


def test_node_agent_gives_the_workers_a_lease(
    node_agent: subprocess.Popen[str], settings: Any, directory: Path, workers: Workers
) -> None:
    use(settings, directory)
    assert node_agent.poll() is None
    wait_until(lambda: json.loads(look("--json"))["hears_the_bus"], what="the node is leased")


def test_node_shows_what_the_change_table_knows(
    settings: Any, directory: Path, workers: Workers, tmp_path: Path
) -> None:
    use(settings, directory)
    bus = {"LOCATION": str(tmp_path / "bus")}
    worker = workers.start(NOTHING_SHARED_NODE=settings.NOTHING_SHARED_NODE, NOTHING_SHARED_BUS=bus)
    worker.run(acts.join)
    wait_until(lambda: worker.run(acts.is_agent), what="it leads")
    before = json.loads(look("--json"))
    worker.run(acts.change, slots.table("db", "event"))
    worker.run(acts.intend, 5)
    facts = json.loads(look("--json"))
    assert facts["directory"] == str(directory)
    assert facts["name"] == "north"
    assert facts["agent"] == worker.pid
    assert facts["hears_the_bus"]
    assert facts["slots"] == 2**16
    assert facts["slots_changed"] == before["slots_changed"] + 1
    assert facts["intents_standing"] == before["intents_standing"] + 1
    assert facts["messages_sent"] > before["messages_sent"]
    assert 0 <= facts["last_change_ago"] < 60


def test_node_without_options_is_for_people(settings: Any, directory: Path) -> None:
    use(settings, directory)
    ChangeTable(directory, slot_count=2**16).apply(Change((5,)))
    lines = look().splitlines()
    assert any(line.split() == ["name", "north"] for line in lines)
    assert any(line.split() == ["agent", "None"] for line in lines)


def test_node_looks_without_joining(settings: Any, directory: Path) -> None:
    use(settings, directory)
    ChangeTable(directory, slot_count=2**16)
    look()
    assert process._current.get(directory) is None


def test_node_names_the_directory_that_no_node_has_run_in(settings: Any, tmp_path: Path) -> None:
    use(settings, tmp_path / "nowhere")
    with pytest.raises(CommandError, match=r"No node has run in .*nowhere"):
        look()


def test_node_refuses_to_look_into_a_directory_that_others_could_write(
    settings: Any, directory: Path
) -> None:
    use(settings, directory)
    ChangeTable(directory, slot_count=2**16)
    directory.chmod(0o777)
    with pytest.raises(CommandError, match="open to other users"):
        look()


def test_a_node_without_a_name_has_the_hosts(settings: Any, directory: Path) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(directory), "SLOTS": 2**16}
    ChangeTable(directory, slot_count=2**16)
    assert json.loads(look("--json"))["name"] == Node(directory, node_settings()).name
