"""A node: one machine of the site, and what its workers share there and nowhere else."""

from __future__ import annotations

from nothing_shared.node.change import Change, Position

__all__ = ["Change", "Position"]
