"""How long an agent waits for its broker."""

from __future__ import annotations

import asyncio
from time import monotonic

__all__ = ["Patience"]


class Patience:
    """Watches what should take a moment, with one timer for all instead of one for each message."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[str, float] = {}

    def begin(self, what: str) -> None:
        """Note that something is waited for from now on."""
        self._since[what] = monotonic()

    def end(self, what: str) -> None:
        """Note that it has come."""
        del self._since[what]

    async def watch(self) -> None:
        """Raise TimeoutError once something has been waited for too long; else run until cancelled."""
        while True:
            now = monotonic()
            what, since = min(self._since.items(), key=lambda item: item[1], default=("", now))
            left = since + self.seconds - now
            if left <= 0:
                raise TimeoutError(f"{what} took over {self.seconds:g} s")
            await asyncio.sleep(left)
