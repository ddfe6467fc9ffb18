"""What every bus backend does, and the words for what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from django.db.backends.base.base import BaseDatabaseWrapper
from itsdangerous import Signer

from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import MessageTooLarge
from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.receiver import Receiver
from nothing_shared.node.process import Node
from nothing_shared.signing import signer

__all__ = ["BaseBus"]


class BaseBus(ABC):
    """Carries packets between nodes: to every node, its sender included, or a gap is declared.

    Guarantee of all backends: a message is delivered to a node, or the node is told that it missed
    messages; never neither. What more a backend gives is said in its class attributes and docstring.
    """

    delivers: ClassVar[str]
    """``"at most once"`` or ``"at least once"``."""
    replays: ClassVar[bool]
    """Whether a node that was away is given what it missed."""
    has_groups: ClassVar[bool] = False
    """Whether a message can wait for a handler to succeed, and be shared out among nodes."""
    is_one_machine: ClassVar[bool] = True
    """Whether all its nodes have one clock."""
    is_one_process: ClassVar[bool] = False
    """Whether it ends with the process, and so joins nobody."""
    is_transactional: ClassVar[bool]
    """Whether a message exists if and only if the transaction that published it committed."""

    def __init__(self, settings: BusSettings) -> None:
        self.settings = settings
        self._purpose = f"bus.{settings.namespace}"

    @property
    def signer(self) -> Signer:
        return signer(self._purpose, is_short=True)

    def seal(self, message: Message) -> bytes:
        """Sign a message; raises TypeError if its payload is not JSON, or MessageTooLarge."""
        packet = seal(message, self.signer)
        if len(packet) > self.max_packet:
            raise MessageTooLarge(
                f"a message of {len(packet)} bytes on topic {message.topic!r}; "
                f"{self.max_packet} are carried"
            )
        return packet

    def check(self, topic: str, payload: Any) -> None:
        """Raise what :meth:`send` would of a message that is unfit whenever it is sent."""
        self.seal(Message(2**64, 2**64, 2**64, Kind.MESSAGE, topic, payload))

    @property
    @abstractmethod
    def max_packet(self) -> int:
        """Bytes of the largest packet, envelope included."""

    @abstractmethod
    def join(self, node: Node) -> None:
        """Put this process on the bus; called in each process before it sends anything."""

    @abstractmethod
    def introduce(self, node: Node) -> None:
        """Make sure that the others wait to hear of this node; called before it writes, now and then."""

    @abstractmethod
    def send(
        self,
        node: Node,
        topic: str,
        payload: Any,
        *,
        kind: Kind = Kind.MESSAGE,
        may_lap: bool = False,
    ) -> None:
        """Send within a bounded time.

        Raises BusFull where a reader would lose messages by it (unless ``may_lap``),
        MessageTooLarge, or BusUnavailable.
        """

    def store(self, node: Node, connection: BaseDatabaseWrapper, topic: str, payload: Any) -> bool:
        """Make a message a part of the transaction that is open on a connection; say whether it is.

        Only where the bus ``is_transactional``, and only with its own database. Raises
        MessageTooLarge, TypeError or DatabaseError.
        """
        return False

    @abstractmethod
    async def listen(self, node: Node, receiver: Receiver) -> None:
        """Hand every packet to the receiver and keep the lease, until cancelled; in the agent."""

    @abstractmethod
    def leave(self, node: Node) -> None:
        """Take this process off the bus; the last one of a node says goodbye."""
