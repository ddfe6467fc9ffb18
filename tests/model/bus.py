"""The bus: a log of numbered messages per sender, and the roster of who sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .changes import Change

if TYPE_CHECKING:
    from .model import Thread

__all__ = ["Bus", "Lock", "Log", "Message", "Roster"]


@dataclass(eq=False, slots=True)
class Lock:
    """Freed when its holder is killed, and held for ever by one that is stopped."""

    owner: Thread | None = None


class Message(NamedTuple):
    """A numbered change, or a heartbeat that carries the number reached; never heard by ``lost``."""

    sequence: int
    change: Change | None
    sent: int
    lost: frozenset[int]


@dataclass(eq=False, slots=True)
class Log:
    """What one incarnation of a node sent. Everything before ``oldest`` has been overwritten."""

    messages: list[Message] = field(default_factory=list)
    oldest: int = 0


@dataclass(eq=False, slots=True)
class Roster:
    """Who may write: incarnation → when it joined; and who left, with or without a goodbye."""

    members: dict[int, int] = field(default_factory=dict)
    farewells: dict[int, int] = field(default_factory=dict)
    vanished: list[int] = field(default_factory=list)

    def join(self, incarnation: int, now: int) -> None:
        if incarnation not in self.members:
            self.members[incarnation] = now
            self.farewells.pop(incarnation, None)

    def say_goodbye(self, incarnation: int, sequence: int) -> None:
        """Leave, everything said; the last number stays for those who didn't hear it all."""
        if self.members.pop(incarnation, None) is not None:
            self.farewells[incarnation] = sequence

    def strike(self, incarnation: int) -> None:
        """Take a dead node off; the list of the vanished only grows, so nobody can overlook it."""
        if self.members.pop(incarnation, None) is not None:
            self.vanished.append(incarnation)


@dataclass(eq=False, slots=True)
class Bus:
    """Keeps each sender's order and no other; loses, delays, doubles as the schedule says."""

    logs: dict[int, Log] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    roster: Roster = field(default_factory=Roster)
    isolated: set[int] = field(default_factory=set)
    is_down: bool = False
    loses_next: bool = False

    def append(self, incarnation: int, message: Message) -> None:
        if self.loses_next and message.change is not None:
            self.loses_next = False
            return
        self.logs.setdefault(incarnation, Log()).messages.append(message)

    def deaf_to(self, node: int, nodes: int) -> frozenset[int]:
        """Return the nodes that won't hear what this one sends now."""
        if node in self.isolated:
            return frozenset(range(nodes)) - {node}
        return frozenset(self.isolated)
