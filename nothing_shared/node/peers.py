"""Which message of each node was heard last, kept in the change table so that a new agent knows too."""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.node import layout
from nothing_shared.node.table import ChangeTable

__all__ = ["Peers"]


class Peers:
    """A small map of origin → last sequence number; only the agent writes it.

    An agent that was stopped and wakes up in an old term may yet store a number in a cell that has
    become another node's. So each number stands there twice, the second time combined with its
    origin, and one that doesn't fit is not believed: it counts as nothing heard.
    """

    def __init__(self, table: ChangeTable) -> None:
        self._words = table.words
        self._cells: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        for at in self._all_cells():
            origin, sequence, check = self._words[at : at + layout.PEER_WORDS]
            if origin:
                self._cells[origin] = at
                self._numbers[origin] = sequence if check == origin ^ sequence else 0

    @staticmethod
    def _all_cells() -> range:
        end = layout.PEERS + layout.PEER_CELLS * layout.PEER_WORDS
        return range(layout.PEERS, end, layout.PEER_WORDS)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._numbers))

    def __contains__(self, origin: int) -> bool:
        return origin in self._numbers

    def get(self, origin: int) -> int | None:
        at = self._cells.get(origin)
        if at is None:
            return None
        sequence, check = self._words[at + 1], self._words[at + 2]
        return sequence if check == origin ^ sequence else self._numbers[origin]

    def __setitem__(self, origin: int, sequence: int) -> None:
        at = self._cells.get(origin)
        if at is None or self._words[at] != origin:
            at = self._cells[origin] = self._free_cell()
            self._words[at] = origin
        self._words[at + 1] = self._numbers[origin] = sequence
        self._words[at + 2] = origin ^ sequence

    def _free_cell(self) -> int:
        for at in self._all_cells():
            if not self._words[at]:
                return at
        raise OverflowError(f"more than {layout.PEER_CELLS} nodes on one bus")

    def discard(self, origin: int) -> None:
        self._numbers.pop(origin, None)
        at = self._cells.pop(origin, None)
        if at is not None and self._words[at] == origin:
            self._words[at] = 0
