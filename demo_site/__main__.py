"""Start the demo: ``python -m demo_site [--nodes 3] [--port 8000] [--directory DIR] [--postgres]``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from .cluster import Cluster, prepare
from .directory import Unusable, claim, default_directory, make_directory
from .listeners import HOST, Listeners, open_listeners
from .postgres import Servers, require_wheels


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo_site",
        description="A ticketing site on nodes that share nothing but a database and a bus.",
    )
    parser.add_argument("--nodes", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="processes per node (default: 2)")
    parser.add_argument(
        "--port", type=int, default=8000,
        help="the port of all; node-1 has the next to itself, and so on; 0: any (default: 8000)",
    )  # fmt: skip
    parser.add_argument("--directory", type=Path, help="where the demo keeps its data")
    parser.add_argument(
        "--postgres", action="store_true",
        help="on a PostgreSQL with two replicas, all started here, instead of SQLite",
    )  # fmt: skip
    parser.add_argument(
        "--lag", type=float, default=0.0, metavar="SECONDS",
        help="with --postgres: have the replicas show each write so much later (default: 0)",
    )  # fmt: skip
    parsed = parser.parse_args(given)
    if parsed.nodes < 1 or parsed.workers < 1:
        parser.error("A site has at least one node, and a node at least one worker.")
    if not 0 <= parsed.lag <= 3600 or (parsed.lag and not parsed.postgres):
        parser.error(f"--lag {parsed.lag}: up to an hour, and only with --postgres.")
    if not 0 <= parsed.port <= 65535 - parsed.nodes:
        parser.error(f"--port {parsed.port}: all ports have to lie between 0 and 65535.")
    return parsed


def interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, interrupted)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1


def require_extra() -> None:
    missing = [name for name in ("gunicorn", "whitenoise", "PIL") if find_spec(name) is None]
    if missing:
        raise Unusable(f"{', '.join(missing)} not found. Run: pip install 'nothing-shared[demo]'")


def run(options: argparse.Namespace) -> int:
    require_extra()
    if options.postgres:
        require_wheels()
    directory = make_directory(options.directory or default_directory())
    with ExitStack() as stack:
        stack.enter_context(claim(directory))
        if options.postgres:
            servers = stack.enter_context(Servers(directory, options.lag))
            os.environ["DEMO_POSTGRES"] = servers.environment
        cluster = stack.enter_context(Cluster(directory, options.workers))
        listeners = open_listeners(nodes=options.nodes, port=options.port)
        guide = what_to_try(listeners, directory, options)
        prepare(directory)
        cluster.start(listeners)
        print(guide, flush=True)
        cluster.watch()
    return 1


def what_to_try(listeners: Listeners, directory: Path, options: argparse.Namespace) -> str:
    front, *own = (f"http://{HOST}:{port}" for port in (listeners.port, *listeners.own_ports))
    places = "\n".join(f"  {url}/  node-{number}" for number, url in enumerate(own, start=1))
    return f"""
Standing Room is open.

  {front}/  whichever node the kernel picks
{places}

Look at the foot of every page: it says who served it, and from where. Or ask as a program does:

  curl {own[0]}/api/events/1/               again and again: miss, then l2 and l1
  curl -X POST {own[0]}/api/events/1/buy/   a ticket, bought through node-1
  curl {own[-1]}/api/events/1/               another node has heard of it already
  curl {own[-1]}/api/events/2/               and still has what nobody touched
{about_replicas(options)}
The data is in {directory}. Ctrl-C stops all nodes.
Ready."""


def about_replicas(options: argparse.Namespace) -> str:
    if not options.postgres:
        return ""
    when = f"{options.lag:g} seconds later" if options.lag else "at once; try --lag 20"
    lost = " Root's database is gone when they stop." if os.getuid() == 0 else ""
    return f"""
There is a primary with two replicas, which show each ticket {when}.
Buy one, and the foot of the page says who answered you, and until when it was the primary.{lost}
"""


if __name__ == "__main__":
    sys.exit(main())
