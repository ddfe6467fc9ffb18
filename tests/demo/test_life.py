"""How the demo starts, what it leaves behind, and that it always ends."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from tests.wait import wait_until

from .running import ROOT, Demo, Visitor

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_stops_cleanly_with_all_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    with Demo(tmp_path / "site", "--nodes", "2") as demo:
        demo.ready()
        assert len(demo.processes()) == 6
        Visitor().get(f"{demo.front}/")
        assert demo.stop(number) == 0
        assert demo.processes() == {}
        assert demo.said.endswith("Ready.\n\nStopped.\n"), demo.said


def test_it_can_be_stopped_while_it_starts(tmp_path: Path) -> None:
    with Demo(tmp_path / "site") as demo:
        wait_until(lambda: demo.processes() and "First start" in demo.said, 60)
        assert demo.stop(signal.SIGINT) == 0
        assert demo.processes() == {}
        assert "Traceback" not in demo.said


def dawdle(url: str, sent: bytes) -> socket.socket:
    """Open a connection, send a part of a request, and leave it at that."""
    place = urlsplit(url)
    client = socket.create_connection((str(place.hostname), place.port or 80), timeout=30)
    client.sendall(sent)
    return client


def test_clients_who_dawdle_hold_up_nobody(demo: Demo) -> None:
    with ExitStack() as dawdlers:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: 127.0"):
            for _ in range(3):
                dawdlers.enter_context(dawdle(demo.nodes[0], sent))
        started = monotonic()
        for _ in range(20):
            assert Visitor().get(f"{demo.nodes[0]}/health/").status == 200
        assert monotonic() - started < 4  # gunicorn gives each of them five seconds


def test_it_stops_while_clients_dawdle(tmp_path: Path) -> None:
    with Demo(tmp_path / "site", "--nodes", "1") as demo:
        demo.ready()
        with dawdle(demo.front, b""), dawdle(demo.front, b"GET / HT"):
            assert demo.stop() == 0
        assert demo.processes() == {}
        assert "Traceback" not in demo.said


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    with Demo(tmp_path / "site", "--nodes", "2") as demo:
        demo.ready()
        assert len(demo.processes()) == 6
        demo.process.kill()
        demo.process.wait()
        wait_until(lambda: not demo.processes(), 30)


def test_a_node_that_dies_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    with Demo(tmp_path / "site", "--nodes", "2") as demo:
        demo.ready()
        os.kill(demo.masters()["node-1"], signal.SIGKILL)
        wait_until(lambda: "node-1 is gone (status -9), 1 left." in demo.said, 30)
        wait_until(lambda: set(demo.processes().values()) == {"node-2"}, 30)
        served = {Visitor().get(f"{demo.front}/api/events/1/").node for _ in range(20)}
        assert served == {"node-2"}
        assert demo.stop() == 0


def test_it_ends_when_its_last_node_has(tmp_path: Path) -> None:
    with Demo(tmp_path / "site", "--nodes", "1", "--workers", "1") as demo:
        demo.ready()
        os.kill(demo.masters()["node-1"], signal.SIGKILL)
        assert demo.process.wait(30) == 1


def test_five_nodes_are_five_nodes(tmp_path: Path) -> None:
    with Demo(tmp_path / "site", "--nodes", "5", "--workers", "1") as demo:
        demo.ready()
        names = [Visitor().get(f"{node}/health/").node for node in demo.nodes]
        assert names == ["node-1", "node-2", "node-3", "node-4", "node-5"]
        page = Visitor().get(f"{demo.front}/").text
        assert all(f'<a href="{node}/"' in page for node in demo.nodes)
        buyer = Visitor()
        sold = buyer.post(f"{demo.nodes[4]}/api/events/1/buy/").json["sold"]
        assert [buyer.get(f"{node}/api/events/1/").json["sold"] for node in demo.nodes] == [
            sold
        ] * 5


def test_a_second_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    directory = tmp_path / "site"
    with Demo(directory, "--nodes", "1", "--workers", "1") as demo:
        sold = Visitor().post(f"{demo.ready().front}/api/events/4/buy/").json["sold"]
        key = (directory / "secret.key").read_text()
    with Demo(directory, "--nodes", "2", "--workers", "1") as demo:
        assert Visitor().get(f"{demo.ready().front}/api/events/4/").json["sold"] == sold
        assert "First start" not in demo.said
        assert (directory / "secret.key").read_text() == key


def test_what_it_makes_is_for_its_owner_only(demo: Demo) -> None:
    assert stat.S_IMODE(demo.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((demo.directory / "secret.key").stat().st_mode) == 0o600
    assert {"node-1", "node-2", "node-3"} <= {path.name for path in demo.directory.iterdir()}


def test_every_sold_ticket_of_the_example_data_exists(demo: Demo) -> None:
    database = sqlite3.connect(demo.directory / "demo.sqlite3")
    try:
        counts = database.execute(
            "select sold, (select count(*) from demo_site_ticket where event_id = event.id)"
            " from demo_site_event event"
        ).fetchall()
    finally:
        database.close()
    assert len(counts) == 12
    assert all(sold == tickets for sold, tickets in counts)


def start(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo_site", *options]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("offset", [0, 2], ids=["front", "node"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, offset: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start("--port", str(port - offset), "--directory", str(tmp_path / "site"))
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 can't be had: Address already in use." in done.stderr
    assert "Traceback" not in done.stderr


def test_two_demos_cannot_have_one_directory(demo: Demo) -> None:
    done = start("--port", "0", "--directory", str(demo.directory))
    assert done.returncode == 1
    assert f"Another demo is running in {demo.directory}." in done.stderr


@pytest.mark.parametrize(
    "options",
    [["--nodes", "0"], ["--workers", "0"], ["--port", "65535"], ["--port", "-1"], ["--port", "x"]],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused(options: list[str]) -> None:
    done = start(*options)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    done = start("--port", "0", "--directory", str(place))
    assert done.returncode == 1
    assert "somebody else" in done.stderr
