"""How long a session lasts, judged by nodes whose clocks differ a little."""

from __future__ import annotations

from dataclasses import dataclass

from nothing_shared.sessions.header import Header

__all__ = ["Limits"]

NEAR = 20
"""A twentieth of its life more or less is no reason to issue a token again."""
MOST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """All in seconds."""

    absolute: int
    """From the session's birth on."""
    leeway: int = 60
    """By how much the clocks of two nodes may differ."""
    idle: int | None = None
    """Without a request."""
    refresh: int | None = None
    """After which a session in use is issued anew."""

    def expiry(self, born: int, now: int, age: float) -> int:
        """Return when a token issued now ends by itself."""
        ends = min(now + age, born + self.absolute)
        if self.idle is not None:
            ends = min(ends, now + self.idle)
        return max(0, min(int(ends), MOST))

    def is_alive(self, header: Header, now: float) -> bool:
        """Say whether a token counts; one that was born expired never does."""
        lifetime = header.expires - header.issued
        leeway = min(self.leeway, lifetime)
        return (
            lifetime > 0
            and header.issued <= now + self.leeway
            and header.born <= now + self.leeway
            and now <= header.expires + leeway
            and now <= header.born + self.absolute + self.leeway
            and (self.idle is None or now <= header.issued + self.idle + leeway)
        )

    def is_due(self, header: Header, now: float) -> bool:
        """Say whether a session that is merely used is to be issued anew."""
        refresh = self.refresh
        if refresh is None:
            if self.idle is None:
                return False
            refresh = self.idle // 10
        return now >= header.issued + refresh

    def is_near(self, header: Header, expires: int) -> bool:
        """Say whether a token ends about when a new one would, so that no new one is needed."""
        return abs(expires - header.expires) * NEAR <= header.expires - header.issued
