"""What a bus between machines promises to sites: keys that change, and neighbours on the broker."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from nothing_shared.bus import process
from nothing_shared.bus.backends.network import NetworkBus
from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.outbox import Parcel
from nothing_shared.node import process as node_process, slots
from tests.bus import acts
from tests.bus.cluster import Cluster, Node
from tests.node import acts as node_acts
from tests.wait import wait_until

__all__ = ["PromisesOfSites"]

OLD, NEW = (
    "the key that is on its way out, long enough",
    "the key that takes its place, long enough",
)
EVENT = slots.table("db", "event")

logged: list[str] = []


class Note(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logged.append(record.getMessage())


def note_log() -> None:
    logging.getLogger("nothing_shared.bus").addHandler(Note())


def drops_logged() -> list[str]:
    return [text for text in logged if "dropped a packet" in text]


def put_on_broker(times: int, kind: str) -> None:
    """Send packets as this process's node would, whatever is in them."""
    bus, node = process.current(), node_process.current()
    assert isinstance(bus, NetworkBus)
    parcels = [Parcel("sold", packet_of(kind, number, bus)) for number in range(times)]

    async def send() -> None:
        async with bus.connect(node, None) as transport:
            await transport.send(parcels)

    asyncio.run(send())


def packet_of(kind: str, number: int, bus: NetworkBus) -> bytes:
    payload = {"id": number + 1, "slots": [slots.EPOCH]}
    message = Message(7, number + 1, 0, Kind.MESSAGE, "nothing_shared.change", payload)
    packet = seal(message, bus.signer)
    match kind:
        case "wrong MAC":
            # Not the last letter, of which two bits stand for nothing.
            return packet[:-9] + (b"A" if packet[-9:-8] != b"A" else b"B") + packet[-8:]
        case "another site's":
            return seal(message, bus.signer.__class__("another site's key", salt=b"bus"))
        case "another version":
            return bus.signer.sign(json.dumps([2, 7, number + 1, "something else"]).encode())
        case _:
            return bytes(range(256)) + bytes([number])  # a broker may drop what it has seen


def with_keys(cluster: Cluster, name: str, key: str, fallback: str) -> Node:
    keys = {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": [fallback]}
    cluster.others = {**cluster.others, **keys}
    return cluster.node(name, "sold")


class PromisesOfSites:
    """For the tests of all backends with a broker."""

    @pytest.mark.parametrize("first", ["old", "new"])
    def test_nodes_on_both_sides_of_a_change_of_keys_hear_each_other(
        self, cluster: Cluster, first: str
    ) -> None:
        keys = [(OLD, NEW), (NEW, OLD)] if first == "old" else [(NEW, OLD), (OLD, NEW)]
        nodes = [
            with_keys(cluster, name, *both)
            for name, both in zip(("north", "south"), keys, strict=True)
        ]
        for number, node in enumerate(nodes):
            before = nodes[1 - number].run(node_acts.now)
            node.run(acts.say, "sold", number)
            node.run(node_acts.change, EVENT)
            other = nodes[1 - number]
            wait_until(lambda: other.run(node_acts.changed, EVENT) > before, what="it was applied")  # noqa: B023
        for node in nodes:
            wait_until(lambda node=node: sorted(node.heard()) == [0, 1], what="both were heard")
            node.hears()
            assert node.run(acts.drops) == []
            assert node.gaps() == []

    def test_two_namespaces_on_one_broker_do_not_hear_each_other(self, cluster: Cluster) -> None:
        north = cluster.node("north", "sold")
        cluster.bus = {**cluster.bus, "NAMESPACE": f"{cluster.bus['NAMESPACE']} of a neighbour"}
        south = cluster.node("south", "sold")
        north.run(acts.say, "sold", "north's")
        south.run(acts.say, "sold", "south's")
        for node, heard in ((north, ["north's"]), (south, ["south's"])):
            wait_until(lambda node=node: node.heard(), what="its own was heard")
            node.hears()
            assert node.heard() == heard
            assert node.run(acts.drops) == []
            assert node.gaps() == []

    @pytest.mark.parametrize("kind", ["wrong MAC", "another site's", "another version", "noise"])
    def test_what_this_site_did_not_say_changes_nothing_and_is_counted_and_logged_once(
        self, cluster: Cluster, kind: str
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        south.run(note_log)
        epochs = south.run(node_acts.epochs)
        north.run(put_on_broker, 3, kind)
        wait_until(lambda: len(south.run(acts.drops)) == 3, what="they were counted")
        north.run(acts.say, "sold", 1)
        wait_until(lambda: south.heard() == [1], what="the next message was heard")
        assert len(south.run(drops_logged)) == 1
        assert south.gaps() == []
        assert south.run(node_acts.epochs) == epochs
