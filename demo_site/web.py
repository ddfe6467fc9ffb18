"""One web node: a gunicorn master and its workers, on listening sockets that it inherits."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import Any

from gunicorn.app.base import BaseApplication

from .lifeline import end_with

THREADS = 8
"""Per worker, so that a client who dawdles over its request holds up nobody else."""


class Node(BaseApplication):  # type: ignore[misc]
    """Serve the site, loaded once before the workers fork."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            if name in self.cfg.settings:  # gunicorn before 25.1 has no control socket to disable
                self.cfg.set(name, value)

    def load(self) -> Any:
        from .wsgi import application

        return application


def join_cluster(ready: int) -> None:
    """Put a new worker on its node and the bus, at nobody's expense, and then say so."""
    from django.core.cache import cache

    cache.get("anything")
    with suppress(BrokenPipeError):  # a worker that replaces another: nobody waits any more
        os.write(ready, b".")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_site.web", description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="end when this process does")
    parser.add_argument("--listener", action="append", required=True, help="a file descriptor")
    parser.add_argument("--ready", type=int, required=True, help="where workers say they are up")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    end_with(given.parent)
    Node(
        bind=[f"fd://{number}" for number in given.listener],
        control_socket_disable=True,
        graceful_timeout=2,
        keepalive=0,  # a connection that is kept stays with one worker, and a reload should wander
        loglevel="error",
        post_fork=lambda master, worker: end_with(master.pid),
        post_worker_init=lambda worker: join_cluster(given.ready),
        preload_app=True,
        proc_name=os.environ.get("DEMO_NODE", "node"),
        threads=THREADS,
        worker_class="gthread",
        workers=given.workers,
    ).run()


if __name__ == "__main__":
    main()
