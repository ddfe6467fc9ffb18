"""The weather in which each mutant shows: which knobs are held, for lack of time to try them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .mutants import Mutant

__all__ = ["PROFILES"]

Knobs = Mapping[str, Any]

SOUND = {"serves_stale": False, "serves_partitioned": False, "clients": 5}
PLAIN = {"get": 8, "write": 2, "read": 0, "put": 0, "touch": 0, "scope": 0, "transaction": 0}


def _alone(**knobs: Any) -> Knobs:
    """One node where nothing goes wrong: races between its workers."""
    options = {**SOUND, "nodes": 1, **knobs.pop("options", {})}
    habits = {**PLAIN, **knobs.pop("habits", {})}
    base = {"is_warm": True, "faults": {}, "pages": ("page",), "request_burst": 3}
    return MappingProxyType({**base, **knobs, "options": options, "habits": habits})


def _pair(faults: Mapping[str, float], **knobs: Any) -> Knobs:
    """Two nodes, few pages, many of the given faults."""
    options = {**SOUND, "nodes": 2, **knobs.pop("options", {})}
    habits = {**PLAIN, **knobs.pop("habits", {})}
    base = {"is_warm": True, "faults": faults, "pages": ("page",), "fault_rate": 0.1, "steps": 300}
    return MappingProxyType({**base, **knobs, "options": options, "habits": habits})


ONE_WORKER = {"workers": 1}
DEAF: Knobs = {
    "options": {"serves_partitioned": True},
    "tick_rate": 0.7,
    "interlude_rate": 0,
    "fault_rate": 0.03,
    "request_burst": 20,
    "steps": 800,
}
BUSY: Knobs = {"interlude_rate": 0, "agent_share": 0.1}
SLOW: Knobs = {"interlude_rate": 0.1, "tick_rate": 0.3}
TRANSACTIONS = {"transaction": 6}

PROFILES: Mapping[Mutant, Knobs] = {
    Mutant.BEGUN_AFTER_READ: _alone(tick_rate=0.3, pages=("banner",)),
    Mutant.NO_SNAPSHOT_RULE: _alone(habits={**TRANSACTIONS, "snapshot": 1, "write": 4, "read": 2}),
    Mutant.ROLLBACK_FORGETS: _alone(
        habits={**TRANSACTIONS, "rollback": 1},
        pages=("page", "list"),
        options=ONE_WORKER,
        steps=800,
    ),
    Mutant.SAVEPOINT_FORGETS: _alone(habits={**TRANSACTIONS, "savepoint": 6, "rollback": 0}),
    Mutant.ANY_NOT_PENDING: _alone(habits={**TRANSACTIONS, "write": 6}, pages=("report",)),
    Mutant.OWN_WRITE_KNOWN: _alone(habits={"read": 6, "write": 4}),
    Mutant.PUT_IS_LATE: _alone(habits={"put": 8, "write": 4}),
    Mutant.TOUCH_UNJUDGED: _alone(habits={"touch": 6, "write": 4}),
    Mutant.HIT_KEEPS_BEGUN: _alone(pages=("page", "home")),
    Mutant.DATED_DEAF: _pair(
        {"isolate": 1, "heal": 0.02}, **DEAF, pages=("page", "home", "front"), habits={"write": 1.5}
    ),
    Mutant.TOUCH_DEAF: _pair({"isolate": 1, "heal": 0.02}, **DEAF, habits={"touch": 8}),
    Mutant.COARSE_DROPS_NAMES: _pair({}, pages=("banner",)),
    Mutant.APPLIED_FIRST: _pair({"kill at apply: has read the clock": 1}),
    Mutant.LATE_INTENT: _pair({"kill at commit: answered": 1}),
    Mutant.INTENT_OF_FIRST_STATEMENT: _pair(
        {"kill at commit: answered": 1},
        habits={"transaction": 20, "write": 8, "savepoint": 0, "rollback": 0},
        pages=("page", "banner"),
    ),
    Mutant.CLEARED_ON_ERROR: _pair({"lose_answer": 1}, options=ONE_WORKER),
    Mutant.ERROR_ANNOUNCED_ONCE: _pair(
        {"lose_answer": 1, "settle_one": 0.1}, options=ONE_WORKER, **BUSY
    ),
    Mutant.MESSAGE_BEFORE_NUMBER: _pair(
        {"kill at publish: has written the message": 1}, options={"workers": 3}, **BUSY
    ),
    Mutant.STALLED_IGNORED: _pair(
        {"stop at commit: answered": 1, "continue_one": 0.1}, interlude_rate=0.03
    ),
    Mutant.STALLED_ONCE: _pair(
        {"stop at commit: sent": 1, "settle_one": 0.5, "continue_one": 0.05, "heal": 0},
        habits={"write": 1},
        agent_share=0.4,
        interlude_rate=0.05,
        request_burst=20,
        steps=1000,
    ),
    Mutant.OWN_ID_REUSED: _pair({"stop at intent: recorded": 1, "continue_one": 1}, **SLOW),
    Mutant.SESSION_IGNORED: _pair({"kill at commit: sent": 1, "settle_one": 0.1}),
    Mutant.SESSION_CHECKED_LATE: _pair(
        {
            "kill at commit: sent": 1,
            "stop at agent: has applied an intent": 1,
            "settle_one": 0.5,
            "continue_one": 0.5,
        }
    ),
    Mutant.LATE_HEARTBEAT: _pair(
        {
            "stop at commit: answered": 1,
            "delay at publish: has the lock": 1,
            "pause": 0.5,
            "continue_one": 0.1,
        },
        options={"workers": 2},
        habits={"write": 1, "read": 2},
        pages=("page", "list"),
        agent_share=0.35,
        agent_burst=4,
        request_burst=8,
        tick_rate=0.1,
        interlude_rate=0,
        steps=800,
    ),
    Mutant.CURSOR_FIRST: _pair(
        {"kill at apply: has the lock": 1},
        options={"has_durable_cursor": True},
        agent_share=0.5,
        request_burst=3,
        fault_rate=0.2,
    ),
    Mutant.NO_WIPE_AT_TAKEOVER: _pair(
        {"kill at agent: begins a round": 1}, options={"has_durable_cursor": False}, **BUSY
    ),
    Mutant.SUBSCRIBED_LATE: _pair(
        {"kill at agent: begins a round": 1, "stop at agent: listens": 1, "continue_one": 1},
        options={"has_durable_cursor": False, "workers": 1},
        interlude_rate=0,
    ),
    Mutant.CURSOR_BEFORE_WIPE: _pair(
        {"kill at agent: listens": 1},
        options={"has_durable_cursor": True, "workers": 2},
        habits={"write": 6},
        pages=("list",),
        agent_share=0.35,
        agent_burst=25,
        request_burst=20,
        fault_rate=0.5,
        is_warm=False,
        steps=150,
    ),
    Mutant.IGNORED_GAP: _pair(
        {"lose_message": 1},
        **BUSY,
        options=ONE_WORKER,
        habits={"write": 4, "transaction": 1},
        agent_burst=4,
        fault_rate=0.2,
        steps=150,
    ),
    Mutant.IGNORED_TAIL: _pair({"lose_message": 1}),
    Mutant.IGNORED_STRANGER: _pair(
        {"lose_message": 1}, options=ONE_WORKER, **BUSY, is_warm=False, request_burst=20, steps=150
    ),
    Mutant.IGNORED_LAP: _pair({"overwrite": 1}, **BUSY, agent_burst=4),
    Mutant.IGNORED_VANISHED: _pair(
        {"kill_node": 1, "stop at commit: answered": 1},
        options=ONE_WORKER,
        interlude_rate=0,
        steps=150,
    ),
    Mutant.VANISHED_KNOWN_ONLY: _pair(
        {"kill_node": 1, "stop at commit: answered": 1, "isolate": 1},
        options=ONE_WORKER,
        agent_share=0.5,
        agent_burst=25,
        request_burst=20,
        is_warm=False,
    ),
    Mutant.VANISHED_AT_ONCE: _pair(
        {"kill_node": 1, "stop at commit: sent": 1, "settle_one": 0.1},
        options=ONE_WORKER,
        interlude_rate=0,
    ),
    Mutant.IGNORED_GOODBYE: _pair(
        {"isolate": 2, "shut_down": 4, "heal": 0.1}, interlude_rate=0, options=ONE_WORKER
    ),
    Mutant.LEFT_WHILE_WRITING: _pair(
        {"delete_directory": 1, "stop at commit: sent": 2, "kill_worker": 1, "settle_one": 0.3},
        pages=("page", "list"),
        agent_share=0.5,
        steps=800,
    ),
    Mutant.NO_REJOIN: _pair(
        {"kill_node": 1, "stop at commit: answered": 1, "continue_one": 0.1},
        options=ONE_WORKER,
        pages=("list",),
        agent_share=0.5,
        agent_burst=25,
        request_burst=20,
        tick_rate=0.1,
        interlude_rate=0,
        fault_rate=0.2,
        steps=500,
    ),
    Mutant.NO_LEASE: _pair({"isolate": 1}, interlude_rate=0.03),
    Mutant.LEASE_FROM_ARRIVAL: _pair(
        {"delay at agent: looks at the roster": 1, "delay at agent: has read a message": 1},
        options=ONE_WORKER,
        tick_rate=0.3,
        interlude_rate=0.03,
    ),
    Mutant.LEASE_WITHOUT_PEERS: _pair({"isolate": 1}, interlude_rate=0.03),
    Mutant.LEASE_WITHOUT_LOOK: _pair(
        {"isolate": 1, "hide_roster": 1, "heal": 0.1},
        options=ONE_WORKER,
        tick_rate=0.3,
        interlude_rate=0,
        is_warm=False,
        steps=800,
    ),
    Mutant.LEASE_AFTER_SLOTS: _pair(
        {"stop at judge: has read the slots": 1, "continue_one": 0.3}, interlude_rate=0.03
    ),
    Mutant.CLOCK_BEFORE_SLOTS: _pair(
        {"stop at judge: has read the lease": 1, "isolate": 0.5, "continue_one": 0.3},
        interlude_rate=0.03,
    ),
    Mutant.RETIRED_LEASE: _pair(
        {"delete_directory": 1, "stop at read: sent": 1, "continue_one": 0.3},
        tick_rate=0.3,
        interlude_rate=0.03,
        pages=("page", "list"),
    ),
    Mutant.ONE_COOKIE: _pair({}, options={"clients": 1}),
    Mutant.TICKET_LOST_TO_LOCK: _pair({"stop at apply: has the lock": 1, "continue_one": 0.1}),
    Mutant.SHORT_TICKET: _pair({"pause": 1}, options={"serves_stale": True, "clients": 2}),
    Mutant.STALE_FOR_EVER: _pair({"pause": 1}, options={"serves_stale": True}, interlude_rate=0.05),
}
