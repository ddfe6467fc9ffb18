from __future__ import annotations

import asyncio
import secrets

import pytest

from nothing_shared.bus.kick import KICKED, POLLING, ear, hush, kick


@pytest.fixture
def name() -> str:
    return f"nothing_shared/tests/{secrets.token_hex(8)}"


def test_a_kick_wakes_who_listens(name: str) -> None:
    async def listen() -> float:
        woken = asyncio.Event()
        with ear(name, woken) as longest_nap:
            kick([name])
            async with asyncio.timeout(10):
                await woken.wait()
        return longest_nap

    assert asyncio.run(listen()) == KICKED
    hush()


def test_many_kicks_before_one_looks_are_one(name: str) -> None:
    async def listen() -> bool:
        woken = asyncio.Event()
        with ear(name, woken):
            kick([name] * 5_000)
            async with asyncio.timeout(10):
                await woken.wait()
            woken.clear()
            kick([name])
            async with asyncio.timeout(10):
                return await woken.wait()

    assert asyncio.run(listen())
    hush()


def test_kicking_where_nobody_listens_is_no_failure(name: str) -> None:
    kick([name, name])
    hush()
    kick([name])
    hush()
    hush()


def test_where_the_name_is_taken_the_reader_polls_and_finds_it_free_later(name: str) -> None:
    async def listen() -> list[float]:
        with ear(name, asyncio.Event()) as first, ear(name, asyncio.Event()) as second:
            naps = [first, second]
        with ear(name, asyncio.Event()) as third:
            return [*naps, third]

    assert asyncio.run(listen()) == [KICKED, POLLING, KICKED]
