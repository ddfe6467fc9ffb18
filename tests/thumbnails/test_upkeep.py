from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.node import agent, process
from nothing_shared.thumbnails import upkeep, workshop
from nothing_shared.thumbnails.entries import Entry, key_of
from tests.wait import wait_until


def test_the_agent_keeps_the_bound_and_clears_what_killed_writers_left(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {"DIRECTORY": tmp_path / "drawn", "CACHE_BYTES": 2**20}
    monkeypatch.setattr(upkeep, "INTERVAL", 0.01)
    disk = workshop.current().disk
    for number in range(100):
        key = key_of(str(number))
        entry = Entry(1, 2, "", file=f"{key}.x.jpeg", size=8000)
        assert disk.put(key, entry, bytes(8000))
    shelf = next(disk.directory.glob("??"))
    for number in range(100):  # behind its back
        (shelf / f"{key_of('x', str(number))}.x.jpeg").write_bytes(bytes(8000))
    draft = shelf / "killed.new"
    draft.touch()
    os.utime(draft, (1, 1))
    assert disk.usage().bytes > 2**20

    async def main() -> None:
        duty = asyncio.ensure_future(agent.duties["thumbnails"](process.current()))
        await asyncio.to_thread(
            wait_until, lambda: disk.usage().bytes <= 2**20 and not draft.exists()
        )
        duty.cancel()

    asyncio.run(main())
