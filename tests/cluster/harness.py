"""Real worker processes of real nodes, driven by a test."""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal as signals
import threading
from pathlib import Path
from typing import Any

from tests.cluster.zygote import Zygote

__all__ = ["Answer", "Cluster", "WorkerProcess"]

PATIENCE = 40.0


class Answer:
    """What a worker will say."""

    def __init__(self) -> None:
        self._box: queue.Queue[dict[str, Any]] = queue.Queue()

    def put(self, said: dict[str, Any]) -> None:
        self._box.put(said)

    def get(self, timeout: float = PATIENCE) -> Any:
        said = self._box.get(timeout=timeout)
        if "error" in said:
            raise AssertionError(said["error"])
        return said["result"]


class WorkerProcess:
    """One worker of one node."""

    def __init__(self, zygote: Zygote, environment: dict[str, str]) -> None:
        self._ids = itertools.count(1)
        self._answers: dict[int, Answer] = {0: Answer()}
        self.process = zygote.fork(environment)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.pid: int = self._answers[0].get()

    def _listen(self) -> None:
        with self.process.stdout:
            for line in self.process.stdout:
                said = json.loads(line)
                self._answers[said["id"]].put(said)

    def _tell(self, kind: str, code: str) -> Answer:
        id = next(self._ids)
        answer = self._answers[id] = Answer()
        self.process.stdin.write(json.dumps({"id": id, "kind": kind, "code": code}) + "\n")
        self.process.stdin.flush()
        return answer

    def __call__(self, code: str) -> Any:
        """Run code in the worker's main thread and return its last expression's value."""
        return self._tell("main", code).get()

    def start(self, code: str) -> Answer:
        """Run code in a thread of its own."""
        return self._tell("thread", code)

    def reached(self, name: str) -> None:
        """Wait until some code of this worker stands at ``wait(name)``."""
        assert self._tell("reached", name).get()

    def signal(self, name: str) -> None:
        """Let the code that stands at ``wait(name)`` go on."""
        self._tell("signal", name).get()

    def kill(self, number: signals.Signals = signals.SIGKILL) -> None:
        os.kill(self.pid, number)
        if number == signals.SIGKILL:
            self.process.wait()

    def wait_for_end(self) -> None:
        """Wait for a worker that was told to kill itself."""
        self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.stdin.close()
        if self.process.poll() is None:
            os.kill(self.pid, signals.SIGCONT)
            try:
                self.process.wait(10)
            except AssertionError:
                self.process.kill()
                self.process.wait()
        self._listener.join(10)


class Cluster:
    """The nodes of one test: separate directories, one database, one bus."""

    def __init__(self, zygote: Zygote, directory: Path, **environment: str) -> None:
        self._zygote = zygote
        self.directory = directory
        self._environment = environment
        self._workers: list[WorkerProcess] = []
        self.worker("maker")(
            """
            from django.core.management import call_command
            call_command("migrate", run_syncdb=True, verbosity=0)
            for number in range(1, 6): Stall.objects.create(name=f"stall {number}")
            process.close()
        """.replace("\n            ", "\n")
        )
        self._workers.pop().close()

    def worker(self, node: str, **environment: str) -> WorkerProcess:
        """Start a worker of a node."""
        full = {**os.environ, **self.environment(node), **environment}
        worker = WorkerProcess(self._zygote, full)
        self._workers.append(worker)
        return worker

    def environment(self, node: str) -> dict[str, str]:
        """Return what makes a process one of a node of this cluster."""
        return {
            "DJANGO_SETTINGS_MODULE": "tests.cluster.settings",
            "CLUSTER_DIRECTORY": str(self.directory),
            "CLUSTER_NODE": node,
            **self._environment,
        }

    def close(self) -> None:
        """End all workers; others may be started after that."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()
