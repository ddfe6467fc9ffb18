"""Causality: what was read and written, by whom, and who has to know."""

from __future__ import annotations

from nothing_shared.causality.carrying import ticket, use_ticket
from nothing_shared.causality.scopes import scope

__all__ = ["scope", "ticket", "use_ticket"]
