"""The settings of the bus: ``NOTHING_SHARED_BUS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nothing_shared.conf import option, read

__all__ = ["SETTING", "BusSettings", "bus_settings"]

SETTING = "NOTHING_SHARED_BUS"


@dataclass(frozen=True)
class BusSettings:
    backend: str = option(
        "nothing_shared.bus.backends.local.LocalBus",
        "Dotted path of the backend. The default needs no server and joins the nodes of one machine.",
    )
    location: str | Path | None = option(
        None,
        "Where the bus is. `LocalBus`: a directory that all nodes of the machine name alike, by "
        "default one per user and project. `NatsBus` and `RedisBus`: a URL. `ChannelsBus`: an alias "
        "in `CHANNEL_LAYERS`.",
    )
    database: str = option(
        "default",
        "Alias of the database that holds the roster of a bus between machines, and the outbox of "
        "`PostgresBus`.",
    )
    namespace: str = option(
        "default",
        "Sites that share a bus tell their messages apart by this name and their keys.",
        rule=("at most 64 characters", lambda name: len(name) <= 64),  # the roster's column
    )
    max_pending: int = option(
        1000,
        "Messages of the site's own topics that may wait for their handlers on a node; the next one "
        "is a gap.",
        minimum=1,
    )
    options: Mapping[str, Any] = option({}, "Options of the backend.")


def bus_settings() -> BusSettings:
    return read(SETTING, BusSettings)
