"""Whoever a unit of work is done for, as far as it matters which server may answer."""

from __future__ import annotations

from nothing_shared.causality.floors import Floors
from nothing_shared.causality.tickets import Ticket
from nothing_shared.node.change import Change

__all__ = ["Reader"]


class Reader:
    """One client for the time of a request or task; shared by all that works for it."""

    __slots__ = (
        "changes",
        "floors",
        "has_news",
        "may_use_replicas",
        "served",
        "servers",
        "ticket",
        "wrote",
    )

    def __init__(self) -> None:
        self.may_use_replicas = False
        """Whether it is known what this client has written; else only a primary shows all of that."""
        self.ticket = Ticket()
        """What the client brought."""
        self.changes: list[Change] = []
        """What was committed for the client since."""
        self.floors = Floors()
        """What both say of replicas."""
        self.wrote: set[str] = set()
        """Databases that were written here: from then on they are read where they were written."""
        self.servers: dict[str, int] = {}
        """The number of the replica that was chosen for each alias; each thread has its own connection."""
        self.served: dict[str, int] = {}
        """How many statements each server has answered."""
        self.has_news = False
        """Whether floors were replaced, so that the client needs a new ticket."""
