"""Which message of each node was heard last, kept in the change table so that a new agent knows too."""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.node import layout
from nothing_shared.node.table import ChangeTable

__all__ = ["Peers"]


class Peers:
    """A small map of origin → last sequence number; only the agent writes it."""

    def __init__(self, table: ChangeTable) -> None:
        self._words = table.words
        self._cells = {
            self._words[at]: at for at in self._all_cells() if self._words[at]
        }

    @staticmethod
    def _all_cells() -> range:
        end = layout.PEERS + layout.PEER_CELLS * layout.PEER_WORDS
        return range(layout.PEERS, end, layout.PEER_WORDS)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._cells))

    def __contains__(self, origin: int) -> bool:
        return origin in self._cells

    def get(self, origin: int) -> int | None:
        at = self._cells.get(origin)
        return None if at is None else self._words[at + 1]

    def __setitem__(self, origin: int, sequence: int) -> None:
        at = self._cells.get(origin)
        if at is None:
            at = next((free for free in self._all_cells() if not self._words[free]), None)
            if at is None:
                raise OverflowError(f"more than {layout.PEER_CELLS} nodes on one bus")
            self._words[at + 1] = sequence
            self._words[at] = origin
            self._cells[origin] = at
        self._words[at + 1] = sequence

    def discard(self, origin: int) -> None:
        at = self._cells.pop(origin, None)
        if at is not None:
            self._words[at] = 0
