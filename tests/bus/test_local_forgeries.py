"""What is on the ring and was not put there by this release of this site."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.ring import Ring
from nothing_shared.bus.roster import SIZE
from nothing_shared.node import slots
from nothing_shared.signing import signer
from tests.bus import acts
from tests.bus.cluster import Cluster
from tests.node import acts as node_acts
from tests.wait import wait_until

EVENT = slots.table("db", "event")


def put_on_ring(location: Path, *packets: bytes) -> None:
    ring = Ring(location, extra=SIZE)
    with ring.lock.held(5):
        for packet in packets:
            ring.append(packet)


@pytest.mark.parametrize(
    "packet", [b"", b"noise", b"{}" * 500, b"a.b.c", os.urandom(300)],
    ids=["empty", "short", "long", "dots", "random"],
)  # fmt: skip
def test_a_packet_that_nobody_signed_changes_nothing_and_is_counted(
    cluster: Cluster, location: Path, packet: bytes
) -> None:
    node = cluster.node("north", "sold")
    epochs = node.run(node_acts.epochs)
    put_on_ring(location, packet)
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")
    assert len(node.run(acts.drops)) == 1
    assert node.gaps() == []
    assert node.run(node_acts.epochs) == epochs


def test_a_change_in_another_sites_name_changes_nothing(
    cluster: Cluster, location: Path, settings: Any
) -> None:
    node = cluster.node("north", "sold")
    before = node.run(node_acts.now)
    settings.SECRET_KEY = "the key of another site on this machine, which is long enough"
    payload = {"id": 1, "slots": [slots.EPOCH]}
    forged = Message(7, 1, 0, Kind.MESSAGE, "nothing_shared.change", payload)
    put_on_ring(location, seal(forged, signer("bus.default", is_short=True)))
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")
    assert node.run(node_acts.changed, EVENT) < before


def signed(*fields: Any) -> bytes:
    return signer("bus.default", is_short=True).sign(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "packet",
    [
        signed(2, 7, 1, 0, "message", "sold", None),
        signed(1, 7, 1, 0, "shout", "sold", None),
        signed(1, 7),
        signer("bus.default", is_short=True).sign(b"[" * 100_000),
        signer("bus.default", is_short=True).sign(b"not json"),
    ],
    ids=["version", "kind", "short", "deep", "text"],
)
def test_a_message_of_another_release_is_passed_over_and_its_number_is_missed(
    cluster: Cluster, location: Path, packet: bytes
) -> None:
    node = cluster.node("north", "sold")
    hello = signed(1, 7, 0, 0, "hello", "", None)
    put_on_ring(location, hello, packet, signed(1, 7, 2, 0, "message", "sold", "the next"))
    wait_until(lambda: node.heard() == ["the next"], what="the next was heard")
    assert [gap.reason for gap in node.gaps()][:1] == ["missing numbers"]


@pytest.mark.parametrize(
    "payload",
    [None, 5, {}, {"id": 1}, {"id": 1, "slots": 5}, {"id": 2**65, "slots": [5]},
     {"id": 1, "slots": [-(2**40)]}, {"id": 1, "slots": ["five"]}],
)  # fmt: skip
def test_a_change_that_cannot_be_understood_changes_everything(
    cluster: Cluster, location: Path, payload: Any
) -> None:
    node = cluster.node("north", "sold")
    before = node.run(node_acts.now)
    put_on_ring(location, signed(1, 7, 1, 0, "hello", "", None))
    put_on_ring(location, signed(1, 7, 2, 0, "message", "nothing_shared.change", payload))
    wait_until(lambda: node.run(node_acts.changed, EVENT) > before, what="all is forgotten")
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")
