"""What befalls an estate while its clients go on: one fault after the other, and the end of each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from threading import Event, Thread
from typing import Self

from tests.pinning.estate import Estate
from tests.servers.replicas import ReplicaServer

__all__ = ["FAULTS", "Misfortunes"]


class Misfortunes:
    """A thread in which faults happen, at most one of a kind at a time, until the block ends."""

    def __init__(self, estate: Estate, random: Random, kinds: tuple[str, ...]) -> None:
        self.estate, self.random, self.kinds = estate, random, kinds
        self.happened: dict[str, int] = dict.fromkeys(kinds, 0)
        self.diary: deque[str] = deque(maxlen=20)
        self.failure: BaseException | None = None
        self._ends: dict[str, Callable[[], None]] = {}
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="misfortunes")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._is_over.wait(self.random.uniform(0.02, 0.4)):
                kind = self.random.choice(self.kinds)
                has_begun = kind in self._ends
                if has_begun:
                    self._ends.pop(kind)()
                else:
                    self.happened[kind] += 1
                    self._ends[kind] = FAULTS[kind](self)
                self.diary.append(f"{time.monotonic():.3f} {'end of ' * has_begun}{kind}")
        except BaseException as failure:
            self.failure = failure
        finally:
            with ExitStack() as stack:
                for end in self._ends.values():
                    stack.callback(end)

    def any_replica(self) -> ReplicaServer:
        return self.random.choice(self.estate.servers.replicas)


def pause(at: Misfortunes) -> Callable[[], None]:
    paused = at.random.choice([at.estate.servers.replicas, [at.any_replica()]])
    for replica in paused:
        replica.pause()
    return lambda: [is_replica(replica) and replica.resume() for replica in paused] and None


def lag(at: Misfortunes) -> Callable[[], None]:
    replica = at.any_replica()
    replica.lag(at.random.choice([20, 100, 500, 3000]))
    return lambda: is_replica(replica) and replica.lag(0)


def detach(at: Misfortunes) -> Callable[[], None]:
    replica = at.any_replica()
    replica.detach()
    return lambda: is_replica(replica) and replica.attach()


def crash(at: Misfortunes) -> Callable[[], None]:
    at.any_replica().crash()
    return nothing


def rewind(at: Misfortunes) -> Callable[[], None]:
    replica = at.any_replica()
    replica.rewind()
    return lambda: is_replica(replica) and replica.lag(0)


def balance(at: Misfortunes) -> Callable[[], None]:
    """Have one address lead to both replicas in turn."""
    line, ports = at.estate.replica_lines[0], [one.port for one in at.estate.servers.replicas]
    line.lead_to(*ports)
    line.cut()

    def end() -> None:
        line.lead_to(at.estate.servers.replicas[0].port)
        line.cut()

    return end


def cut_bus(at: Misfortunes) -> Callable[[], None]:
    at.estate.bus_line.refuse()
    at.estate.bus_line.cut()
    return at.estate.bus_line.accept


def freeze_bus(at: Misfortunes) -> Callable[[], None]:
    at.estate.bus_line.freeze()
    return at.estate.bus_line.thaw


def kill_node(at: Misfortunes) -> Callable[[], None]:
    at.estate.restart(at.random.randrange(len(at.estate.nodes)))
    return nothing


def fail_over(at: Misfortunes) -> Callable[[], None]:
    for end in list(at._ends.values()):
        end()
    at._ends.clear()
    old = at.estate.servers.primary
    at.estate.fail_over()
    # The other replica shows the old history, and the first address leads to a primary, for a while.
    at._is_over.wait(at.random.uniform(0.3, 1.5))
    at.estate.make_whole(old)
    return nothing


def nothing() -> None:
    pass


def is_replica(server: ReplicaServer) -> bool:
    return server.process is not None and bool(server.ask("SELECT pg_is_in_recovery()"))


FAULTS: dict[str, Callable[[Misfortunes], Callable[[], None]]] = {
    "pause": pause,
    "lag": lag,
    "detach": detach,
    "crash": crash,
    "rewind": rewind,
    "balance": balance,
    "cut bus": cut_bus,
    "freeze bus": freeze_bus,
    "kill node": kill_node,
    "fail over": fail_over,
}
"""Each lets something happen, and returns how it ends."""
