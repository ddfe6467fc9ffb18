"""A node: one machine of the site, and what its workers share there and nowhere else."""

from __future__ import annotations

from nothing_shared.node.change import Change
from nothing_shared.node.positions import Position

__all__ = ["Change", "Position"]
