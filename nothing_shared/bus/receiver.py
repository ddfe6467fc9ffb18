"""The agent's side of any bus: believe, number, apply, deliver."""

from __future__ import annotations

import logging

from itsdangerous import Signer

from nothing_shared.bus import changes
from nothing_shared.bus.delivery import Delivery
from nothing_shared.bus.lease import Lease
from nothing_shared.bus.ledger import Gap, Ledger
from nothing_shared.bus.message import Kind, Message, Unreadable, unseal
from nothing_shared.bus.signals import gap_detected, message_dropped
from nothing_shared.node import layout
from nothing_shared.node.peers import Peers
from nothing_shared.node.process import Node

__all__ = ["Receiver"]

logger = logging.getLogger("nothing_shared.bus")


class Receiver:
    """Takes packets in the order in which the backend has them."""

    def __init__(
        self, node: Node, signer: Signer, *, max_pending: int, is_one_machine: bool = True
    ) -> None:
        self.node = node
        self.ledger = Ledger(Peers(node.table))
        self.lease = Lease(node.lease, node.table.id)
        self.delivery = Delivery(node.table.words, max_pending)
        self.signer = signer
        self._is_one_machine = is_one_machine
        self._warned: set[str] = set()
        self._term = node.agent.term
        self.echoes: dict[int, int] = {}
        """When each other node said the last thing that was heard of it, on its own clock."""
        self._joining_until = 0
        self.was_greeted = False
        """Whether a new node waits to hear that this one lives."""

    def begin(self) -> None:
        """Begin to listen: what others have said before is nothing that this node has missed."""
        self._joining_until = self.node.table.clock() + self.node.lease

    @property
    def is_joining(self) -> bool:
        """Whether nodes may be unknown because this one has only begun to listen."""
        return self.node.table.clock() < self._joining_until

    @property
    def is_in_office(self) -> bool:
        """Say whether this is the agent still: one that was stopped, and replaced meanwhile, isn't.

        What it would take in now counted as heard, and nobody would be handed it.
        """
        return self.node.table.words[layout.AGENT_TERM] == self._term

    def packet(self, packet: bytes) -> None:
        """Act on one packet; what this site did not sign changes nothing."""
        try:
            message = unseal(packet, self.signer)
        except (Unreadable, ValueError, RecursionError) as failure:
            self._drop(str(failure))
            return
        if message.kind is Kind.STORED:
            self.delivery.message(message)
            return
        if not self.ledger.is_new(message):
            return
        gap = self.ledger.gap_before(message)
        if gap is not None and self.is_joining and self.ledger.is_unknown(message.origin):
            self.node.table.forget_everything()
        elif gap is not None:
            self.gap(gap)
        self._act(message)
        self.ledger.heard(message)

    def _act(self, message: Message) -> None:
        if message.kind in (Kind.HEARTBEAT, Kind.HELLO):
            self._note_life(message)
            self.was_greeted |= message.kind is Kind.HELLO
        elif message.topic == changes.TOPIC:
            self._take_change(message)
        elif message.kind is Kind.MESSAGE:
            self.delivery.message(message)

    def _note_life(self, message: Message) -> None:
        """Note when a node has shown life, on this node's clock.

        The clocks of other machines say nothing here. But a heartbeat that answers one of this
        node's own was sent after that.
        """
        if self._is_one_machine or message.origin == self.node.table.id:
            self.lease.beat(message.origin, message.sent)
            return
        self.echoes[message.origin] = max(message.sent, self.echoes.get(message.origin, 0))
        answers = message.payload if isinstance(message.payload, dict) else {}
        answered = answers.get(f"{self.node.table.id:x}", 0)
        if answered:
            self.lease.beat(message.origin, answered)

    def _take_change(self, message: Message) -> None:
        try:
            changes.take(self.node, message.payload)
        except (AttributeError, LookupError, TypeError, ValueError):
            self.gap(Gap("a change of another release", message.origin))

    def gap(self, gap: Gap) -> None:
        """Answer a gap soundly: this node's caches forget everything, the site's topics are told."""
        self.node.table.forget_everything()
        self.node.table.words[layout.GAPS] += 1
        logger.warning("node %s missed messages (%s): its caches start over", self.node.name, gap)
        self.delivery.gap(gap)
        gap_detected.send_robust(sender=type(self), node=self.node, gap=gap)

    def extend_lease(self) -> None:
        until = self.lease.until()
        words = self.node.table.words
        if until > words[layout.LEASE_UNTIL]:
            words[layout.LEASE_UNTIL] = until

    def _drop(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            logger.warning("node %s dropped a packet: %s", self.node.name, reason)
        message_dropped.send_robust(sender=type(self), node=self.node, reason=reason)
