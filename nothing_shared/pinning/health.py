"""Whether a server is worth asking, as far as this process knows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

__all__ = ["Health", "forget", "health_of"]

LONGEST_REST = 30.0


class Health:
    """Leaves a server alone for a while after it failed, longer each time; never decides what is fresh."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._rests_until = 0.0
        self._lags_until = 0.0

    @property
    def is_up(self) -> bool:
        return self._clock() >= self._rests_until

    @property
    def is_worth_waiting_for(self) -> bool:
        """Whether it has not just been waited for in vain."""
        return self._clock() >= self._lags_until

    def failed(self, retry_after: float) -> None:
        rest = min(retry_after * 2**self._failures, max(LONGEST_REST, retry_after))
        self._failures = min(self._failures + 1, 16)
        self._rests_until = self._clock() + rest

    def answered(self) -> None:
        self._failures = 0
        self._rests_until = 0.0

    def lagged(self, seconds: float) -> None:
        """Note a wait in vain: nobody waits again for ten times as long."""
        self._lags_until = self._clock() + 10 * seconds


_known: dict[str, Health] = {}
_making = threading.Lock()


def health_of(server: str) -> Health:
    """Return what this process knows of a server, by its private alias."""
    with _making:
        return _known.setdefault(server, Health())


def forget() -> None:
    """Know nothing of any server, as a new process does."""
    with _making:
        _known.clear()
