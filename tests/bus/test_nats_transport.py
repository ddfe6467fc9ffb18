"""One connection to a real NATS server: what is stored, read and refused, and how it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from nats.js.api import DiscardPolicy, StreamConfig

from nothing_shared.bus.backends.jetstream import JetStreamTransport, Stream, nanoseconds
from nothing_shared.bus.backends.nats_connection import connected, token
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Place
from tests.servers import NATSServer, nats

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[NATSServer]:
    with nats() as running:
        yield running


@asynccontextmanager
async def stream_on(server: NATSServer, namespace: str) -> AsyncIterator[Stream]:
    async with connected([server.url], "test") as connection:
        yield Stream(connection, namespace, 1000)


class TestTransport:
    def test_a_hole_ends_the_connection_and_is_no_place_to_go_on_from(
        self, server: NATSServer
    ) -> None:
        async def run() -> None:
            async with stream_on(server, "hole") as stream:
                begin = await stream.head()
                transport = await JetStreamTransport.open(stream, begin, {})
                await transport.send([Parcel("", b"%d" % number) for number in range(5)])
                await transport.receive()
                await stream.connection.client.jsm().delete_msg(stream.name, 3)
            async with stream_on(server, "hole") as stream:
                transport = await JetStreamTransport.open(stream, begin, {})
                assert transport.resumes
                read = []
                with pytest.raises(OSError, match="goes on at 4, and 2 was read"):
                    while True:
                        read += await transport.receive()
                assert read == [(b"0", 1), (b"1", 2)], "what came before it counts"
            async with stream_on(server, "hole") as stream:
                transport = await JetStreamTransport.open(stream, Place(begin.history, 2), {})
                assert not transport.resumes
                assert transport.start == Place(begin.history, 5)

        asyncio.run(run())

    def test_what_is_sent_twice_is_stored_once(self, server: NATSServer) -> None:
        async def run() -> None:
            async with stream_on(server, "twice") as stream:
                transport = await JetStreamTransport.open(stream, None, {})
                for _ in range(2):
                    await transport.send([Parcel("sold", b"one"), Parcel("", b"two")])
                assert (await stream.head()).cursor == 2

        asyncio.run(run())

    def test_a_stream_that_would_lose_messages_is_refused(self, server: NATSServer) -> None:
        config = StreamConfig(
            name="nothing_shared_other",
            subjects=["nothing_shared.other.>"],
            discard=DiscardPolicy.NEW,
        )

        async def run() -> None:
            async with stream_on(server, "other") as stream:
                await stream.connection.client.jsm().add_stream(config)
                with pytest.raises(OSError, match="discard = new"):
                    await JetStreamTransport.open(stream, None, {})

        asyncio.run(run())

    def test_a_connection_to_a_server_that_hangs_is_closed_at_once(
        self, server: NATSServer
    ) -> None:
        async def run() -> float:
            async with connected([server.url], "test") as connection:
                server.freeze()
                for _ in range(20):
                    await connection.client.publish("much", b"x" * 1_000_000)
                    await asyncio.sleep(0)
                began = monotonic()
            return monotonic() - began

        try:
            assert asyncio.run(run()) < 5, "nobody waits for its answer"
        finally:
            server.thaw()

    def test_a_server_that_is_not_there_is_an_error_at_once(self, server: NATSServer) -> None:
        async def run() -> None:
            async with connected(["nats://127.0.0.1:1"], "test"):
                raise AssertionError

        began = monotonic()
        with pytest.raises(OSError, match="no NATS server answers"):
            asyncio.run(run())
        assert monotonic() - began < 5

    def test_one_server_of_several_is_enough(self, server: NATSServer) -> None:
        async def run() -> bool:
            async with connected(["nats://127.0.0.1:1", server.url], "test") as connection:
                return bool(connection.client.is_connected)

        assert asyncio.run(run())


def test_a_token_is_safe_and_no_other_texts() -> None:
    texts = [
        "",
        "a",
        "A",
        "a.b",
        "a=2Eb",
        "ä",
        "a b",
        ">",
        "*",
        "+",
        "x" * 100,
        "x" * 101,
        "x" * 102,
    ]
    tokens = [token(text) for text in texts]
    assert len({*tokens}) == len(texts)
    assert token("orders-1_b") == "orders-1_b"
    assert not any({*".*>+ "} & {*token} for token in tokens)


@pytest.mark.parametrize(
    ("moment", "ns"),
    [("1970-01-01T00:00:01Z", 10**9), ("1970-01-01T00:00:00.0000005Z", 500),
     ("2026-11-23T02:57:25.093949123Z", 1_795_402_645_093_949_123)],
)  # fmt: skip
def test_when_a_stream_was_made_is_read_to_the_nanosecond(moment: str, ns: int) -> None:
    assert nanoseconds(moment) == ns


def test_without_nats_py_the_error_names_the_extra() -> None:
    program = "import sys; sys.modules['nats'] = None; import nothing_shared.bus.backends.nats"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert "pip install 'nothing-shared[nats]'" in done.stderr
