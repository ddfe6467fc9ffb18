"""Tell what was missed from the numbers that every sender gives its messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from nothing_shared.bus.message import Kind, Message

__all__ = ["Gap", "Ledger", "Numbers"]


class Numbers(Protocol):
    """Origin → number of its last message heard."""

    def __iter__(self) -> Iterator[int]: ...
    def get(self, origin: int, /) -> int | None: ...
    def __setitem__(self, origin: int, sequence: int, /) -> None: ...
    def discard(self, origin: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that were sent and not heard; without an origin, any number of anybody's."""

    reason: str
    origin: int | None = None
    first: int | None = None
    last: int | None = None


def _repeats(message: Message) -> bool:
    return message.kind is Kind.HEARTBEAT


class Ledger:
    """Judges each message by its number. None is tolerated: one missing number is a gap."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.departed: set[int] = set()
        """Nodes whose goodbye was heard."""

    def is_new(self, message: Message) -> bool:
        """Say whether the message has not been heard before; a heartbeat repeats the last number."""
        last = self._numbers.get(message.origin)
        return last is None or message.sequence + _repeats(message) > last

    def is_unknown(self, origin: int) -> bool:
        return self._numbers.get(origin) is None

    def gap_before(self, message: Message) -> Gap | None:
        """Return what is missing between the last message heard of this origin and this one."""
        last = self._numbers.get(message.origin)
        before = message.sequence - 1 + _repeats(message)
        if last is None:
            if message.kind is Kind.HELLO:
                return None
            return Gap("an unknown node", message.origin, None, before)
        if before > last:
            return Gap("missing numbers", message.origin, last + 1, before)
        return None

    def heard(self, message: Message) -> None:
        """Note the message as handled: after its effect, so that a killed agent's heir repeats it."""
        if message.kind is Kind.BYE:
            self._numbers.discard(message.origin)
            self.departed.add(message.origin)
        else:
            self._numbers[message.origin] = message.sequence
            self.departed.discard(message.origin)

    def forget(self, origin: int) -> None:
        """Forget a node that has left, and all of whose messages are accounted for."""
        self._numbers.discard(origin)
        self.departed.discard(origin)

    def tail_gap(self, origin: int, sent: int) -> Gap | None:
        """Compare with the number that a sender is known to have reached."""
        last = self._numbers.get(origin)
        if last is not None and sent > last:
            return Gap("missing last numbers", origin, last + 1, sent)
        return None

    def begin(self, reached: dict[int, int]) -> None:
        """Start over from the numbers that all senders have reached: the past is accounted for."""
        for origin in self._numbers:
            if origin not in reached:
                self._numbers.discard(origin)
        for origin, sequence in reached.items():
            self._numbers[origin] = sequence

    def skip_to(self, origin: int, sequence: int) -> None:
        """Count all messages of one sender up to this one as accounted for."""
        self._numbers[origin] = sequence

    def origins(self) -> set[int]:
        """Return the nodes that were heard and have not left."""
        return set(self._numbers)

    def vanished(self, roster: set[int]) -> list[Gap]:
        """Forget, as a gap each, the nodes that left the roster without a goodbye."""
        gone = [origin for origin in self._numbers if origin not in roster]
        for origin in gone:
            self._numbers.discard(origin)
        return [Gap("a node vanished without a goodbye", origin) for origin in gone]
