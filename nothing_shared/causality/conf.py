"""The settings of causality: ``NOTHING_SHARED_CAUSALITY``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nothing_shared.conf import option, read

__all__ = ["SETTING", "CausalitySettings", "causality_settings"]

SETTING = "NOTHING_SHARED_CAUSALITY"


@dataclass(frozen=True)
class CausalitySettings:
    tickets: bool = option(
        True, "Whether a client that wrote carries the news itself, in a signed cookie."
    )
    ticket_name: str = option(
        "ns_ticket",
        "What the names of ticket cookies begin with.",
        rule=("letters, digits, - and _", lambda name: bool(re.fullmatch(r"[A-Za-z0-9_-]+", name))),
    )
    ticket_header: str = option(
        "NS-Ticket",
        "The header in which a client without cookies carries its ticket. Who sends it, empty at first, "
        "gets the next one back in it, and no cookie.",
        rule=("letters, digits and -", lambda name: bool(re.fullmatch(r"[A-Za-z0-9-]+", name))),
    )
    clock_skew: float = option(
        10.0,
        "Seconds by which the wall clocks of nodes may differ. Tickets live that much longer.",
        minimum=0,
        maximum=600,
    )
    same_database: Mapping[str, str] = option(
        {},
        "Aliases of `DATABASES` that reach the same data as another: "
        '`{"replica": "default"}`. What is written through one is then read through the other.',
    )
    unobserved_tables: tuple[str, ...] = option(
        (),
        "Tables of which nothing cached depends by itself, such as `django_session` where no cached "
        "fragment shows what is in a session.",
    )


def causality_settings() -> CausalitySettings:
    return read(SETTING, CausalitySettings)
