from __future__ import annotations

import asyncio

import pytest

from nothing_shared.bus.patience import Patience

MOMENT = 0.05


def test_what_takes_too_long_is_told() -> None:
    async def run() -> None:
        patience = Patience(MOMENT)
        patience.begin("sending")
        await patience.watch()

    with pytest.raises(TimeoutError, match="sending took over"):
        asyncio.run(run())


def test_what_begins_while_something_else_is_watched_has_its_own_time() -> None:
    async def run() -> None:
        patience = Patience(MOMENT)
        watching = asyncio.ensure_future(patience.watch())
        for _ in range(4):
            patience.begin("hearing")
            await asyncio.sleep(MOMENT / 4)
            patience.end("hearing")
        patience.begin("sending")
        await watching

    with pytest.raises(TimeoutError, match="sending took over"):
        asyncio.run(run())


def test_what_has_ended_is_no_matter() -> None:
    async def run() -> None:
        patience = Patience(MOMENT)
        patience.begin("sending")
        patience.end("sending")
        async with asyncio.timeout(5 * MOMENT):
            await patience.watch()

    with pytest.raises(TimeoutError) as raised:
        asyncio.run(run())
    assert not str(raised.value), "it was not the watch that ended"
