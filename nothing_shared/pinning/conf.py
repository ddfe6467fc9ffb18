"""The settings of pinning: ``NOTHING_SHARED_PINNING``, and each of the ``REPLICAS`` of a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nothing_shared.conf import InvalidSetting, option, parse, read

__all__ = ["SETTING", "PinningSettings", "ReplicaSettings", "pinning_settings", "replicas_of"]

SETTING = "NOTHING_SHARED_PINNING"


@dataclass(frozen=True)
class PinningSettings:
    freshness: Literal["node", "client"] = option(
        "node",
        "What a replica must have replayed: `node`, all that this node has heard of; `client`, only what "
        "the client itself has written. What is read from an older one than `node` is never cached.",
    )
    wait: float = option(
        0.002,
        "Seconds to wait for a replica that lags, before the primary is used.",
        minimum=0,
        maximum=1,
    )
    retry_after: float = option(
        1.0,
        "Seconds for which a replica that failed is left alone, at first; each failure doubles them.",
        minimum=0.01,
    )
    connect_timeout: int = option(
        3,
        "Seconds to wait for a connection to a replica, where its `OPTIONS` say nothing.",
        minimum=1,
    )


@dataclass(frozen=True)
class ReplicaSettings:
    """One of ``DATABASES["default"]["REPLICAS"]``; what it leaves out is as for the primary."""

    host: str | None = option(None, "Where the replica is.")
    port: str | int | None = option(None, "The port of the replica.")
    weight: float = option(
        1.0, "Its share of the reads, compared with the others'; 0 for none.", minimum=0
    )
    user: str | None = option(None, "The role that reads there.")
    password: str | None = option(None, "That role's password.")
    options: Mapping[str, Any] = option(
        {}, "More of `OPTIONS`, or other ones than the primary has."
    )


def pinning_settings() -> PinningSettings:
    return read(SETTING, PinningSettings)


def replicas_of(alias: str, given: object) -> tuple[ReplicaSettings, ...]:
    """Return the replicas of a database; raises InvalidSetting."""
    where = f'DATABASES["{alias}"]["REPLICAS"]'
    if not isinstance(given, (list, tuple)):
        kind = type(given).__name__
        raise InvalidSetting(f'{where} is of type {kind}; allowed: a list, [{{"HOST": "…"}}].')
    return tuple(
        parse(f"{where}[{number}]", entry, ReplicaSettings) for number, entry in enumerate(given)
    )
