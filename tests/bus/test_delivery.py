from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nothing_shared.bus import Gap, Message, subscribe, topics, unsubscribe
from nothing_shared.bus.delivery import Delivery
from nothing_shared.bus.message import Kind
from nothing_shared.node import layout

pytestmark = pytest.mark.usefixtures("subscriptions")


@pytest.fixture
def words() -> memoryview:
    """The header of a change table."""
    return memoryview(bytearray(8 * layout.PEERS)).cast("Q")


def said(topic: str, payload: Any = None, number: int = 1) -> Message:
    return Message(7, number, 0, Kind.MESSAGE, topic, payload)


def deliver(delivery: Delivery, until: asyncio.Event) -> None:
    """Run a delivery until the event is set, and then stop it as an agent does that steps down."""

    async def run() -> None:
        running = asyncio.ensure_future(delivery.run())
        async with asyncio.timeout(10):
            await until.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_a_handler_gets_the_messages_of_its_topic_in_order(words: memoryview) -> None:
    heard, done = [], asyncio.Event()

    @subscribe("sold")
    async def note(message: Message) -> None:
        heard.append(message.payload)
        if message.payload == "last":
            done.set()

    delivery = Delivery(words, 10)
    for topic, payload in [("sold", 1), ("other", 2), ("sold", 3), ("sold", "last")]:
        delivery.message(said(topic, payload))
    deliver(delivery, done)
    assert heard == [1, 3, "last"]
    assert words[layout.UNDELIVERED] in (0, 1)


def test_sync_handlers_run_off_the_loop_and_async_ones_on_it(words: memoryview) -> None:
    threads, done = {}, asyncio.Event()

    @subscribe("sold")
    def note_sync(message: Message) -> None:
        threads["sync"] = threading.current_thread()

    @subscribe("sold")
    async def note_async(message: Message) -> None:
        threads["async"] = threading.current_thread()
        done.set()

    delivery = Delivery(words, 10)
    delivery.message(said("sold"))
    deliver(delivery, done)
    assert threads["async"] is threading.current_thread()
    assert threads["sync"] is not threading.current_thread()


def test_a_handler_that_raises_keeps_nobody_else_from_hearing(
    words: memoryview, caplog: pytest.LogCaptureFixture
) -> None:
    heard, done = [], asyncio.Event()

    @subscribe("sold")
    def fail(message: Message) -> None:
        raise LookupError("this handler is broken")

    @subscribe("sold")
    async def note(message: Message) -> None:
        heard.append(message.payload)
        if len(heard) == 2:
            done.set()

    delivery = Delivery(words, 10)
    delivery.message(said("sold", 1))
    delivery.message(said("sold", 2))
    deliver(delivery, done)
    assert heard == [1, 2]
    assert "this handler is broken" in caplog.text


def test_a_star_hears_every_topic(words: memoryview) -> None:
    heard, done = [], asyncio.Event()

    @subscribe("*")
    async def note(message: Message) -> None:
        heard.append(message.topic)
        if message.topic == "last":
            done.set()

    delivery = Delivery(words, 10)
    for topic in ("sold", "bought", "last"):
        delivery.message(said(topic))
    deliver(delivery, done)
    assert heard == ["sold", "bought", "last"]


def test_what_finds_the_queue_full_is_a_gap_in_its_place(words: memoryview) -> None:
    heard, done = [], asyncio.Event()

    async def note_gap(gap: Gap) -> None:
        heard.append(gap.reason)

    @subscribe("sold", on_gap=note_gap)
    async def note(message: Message) -> None:
        heard.append(message.payload)
        if message.payload == 3:
            delivery.message(said("sold", "after"))
        if message.payload == "after":
            done.set()

    delivery = Delivery(words, 3)
    for payload in range(1, 8):
        delivery.message(said("sold", payload))
    deliver(delivery, done)
    assert heard == [1, 2, 3, "handlers too slow", "after"]


def test_a_gap_that_finds_the_queue_full_is_told_nevertheless(words: memoryview) -> None:
    heard, done = [], asyncio.Event()

    async def note_gap(gap: Gap) -> None:
        heard.append(gap.reason)
        done.set()

    @subscribe("sold", on_gap=note_gap)
    async def note(message: Message) -> None:
        heard.append(message.payload)

    delivery = Delivery(words, 2)
    for payload in (1, 2):
        delivery.message(said("sold", payload))
    delivery.gap(Gap("missing numbers"))
    deliver(delivery, done)
    assert heard == [1, 2, "missing numbers"]


def test_the_heir_of_an_agent_that_ended_with_messages_in_hand_tells_of_a_gap(
    words: memoryview,
) -> None:
    heard, stuck, told = [], asyncio.Event(), [asyncio.Event(), asyncio.Event()]

    async def note_gap(gap: Gap) -> None:
        told[len(heard)].set()
        heard.append(gap.reason)

    @subscribe("sold", on_gap=note_gap)
    async def get_stuck(message: Message) -> None:
        stuck.set()
        await asyncio.Event().wait()

    first = Delivery(words, 10)
    first.message(said("sold", 1))
    deliver(first, stuck)
    deliver(Delivery(words, 10), told[0])
    assert heard == ["an agent ended before it had handed out all messages"]
    heir = Delivery(words, 10)
    heir.gap(Gap("another"))
    deliver(heir, told[1])
    assert heard[1:] == ["another"]


def test_what_nobody_listens_to_fills_no_queue(words: memoryview) -> None:
    delivery = Delivery(words, 1)
    for _ in range(5):
        delivery.message(said("unheard"))
    assert words[layout.UNDELIVERED] == 0


def test_a_handler_that_is_unsubscribed_is_called_no_more() -> None:
    @subscribe("sold")
    def note(message: Message) -> None: ...

    assert note in [known.handler for known in topics.subscriptions("sold")]
    unsubscribe(note)
    assert note not in [known.handler for known in topics.subscriptions("sold")]


LEFT_BEHIND = "an agent ended before it had handed out all messages"


@pytest.mark.parametrize("waiting", [0, 4], ids=["idle", "busy"])
@pytest.mark.parametrize("when", ["before", "later"])
def test_what_an_earlier_agent_leaves_behind_is_a_gap_before_all_that_waits(
    words: memoryview, when: str, waiting: int
) -> None:
    heard, done = [], asyncio.Event()
    payloads = list(range(waiting)) if when == "before" else list(range(-1, waiting))
    last = payloads[-1] if waiting else LEFT_BEHIND

    def hear(what: object) -> None:
        heard.append(what)
        if what == -1:
            words[layout.LOST] += 1
        if what == last:
            done.set()

    async def note_gap(gap: Gap) -> None:
        hear(gap.reason)

    @subscribe("sold", on_gap=note_gap)
    async def note(message: Message) -> None:
        hear(message.payload)

    delivery = Delivery(words, 10)
    if when == "before":
        words[layout.LOST] += 1
    for payload in payloads:
        delivery.message(said("sold", payload))
    deliver(delivery, done)
    assert heard == [*([-1] if when == "later" else []), LEFT_BEHIND, *range(waiting)]


def test_a_gap_that_is_being_told_when_an_agent_ends_is_left_to_its_heir(words: memoryview) -> None:
    telling = asyncio.Event()

    async def take_long(gap: Gap) -> None:
        telling.set()
        await asyncio.Event().wait()

    @subscribe("sold", on_gap=take_long)
    async def note(message: Message) -> None: ...

    delivery = Delivery(words, 10)
    words[layout.LOST] += 1
    before = words[layout.LOST]
    deliver(delivery, telling)
    assert words[layout.LOST] == before + 1


@pytest.mark.parametrize("group", ["", "mailer\0"])
def test_a_name_that_no_broker_takes_is_refused(group: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        subscribe("sold" if group else "sold\0", group=group)


def test_reserved_topics_can_t_be_subscribed_to() -> None:
    with pytest.raises(ValueError, match="not for sites"):
        subscribe("nothing_shared.change")
