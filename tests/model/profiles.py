"""The weather in which each mutant shows: which knobs are held, for lack of time to try them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .mutants import Mutant

__all__ = ["PROFILES"]

ONE_NODE = {"nodes": 1}
TWO_NODES = {"nodes": 2, "serves_stale": False, "serves_partitioned": False}
STALE = {"serves_stale": True}
CALM: Mapping[str, float] = MappingProxyType({})
TRANSACTIONS = {"transaction": 6, "write": 2, "get": 6}
WRITES = {"write": 4, "get": 6, "transaction": 0}


def _knobs(**knobs: Any) -> Mapping[str, Any]:
    return MappingProxyType({"is_warm": True} | knobs)


PROFILES: Mapping[Mutant, Mapping[str, Any]] = {
    Mutant.BEGUN_AFTER_READ: _knobs(
        options=ONE_NODE, faults=CALM, request_burst=3, habits={"read": 6, "write": 3}
    ),
    Mutant.NO_SNAPSHOT_RULE: _knobs(
        options=ONE_NODE,
        faults=CALM,
        request_burst=3,
        pages=("page",),
        habits={**TRANSACTIONS, "snapshot": 1},
    ),
    Mutant.ROLLBACK_FORGETS: _knobs(
        options=ONE_NODE, faults=CALM, pages=("page",), habits={**TRANSACTIONS, "rollback": 1}
    ),
    Mutant.SAVEPOINT_FORGETS: _knobs(
        options=ONE_NODE,
        faults=CALM,
        pages=("page",),
        habits={**TRANSACTIONS, "savepoint": 6, "rollback": 0},
    ),
    Mutant.COARSE_DROPS_NAMES: _knobs(options=TWO_NODES, faults=CALM, pages=("banner",)),
    Mutant.APPLIED_FIRST: _knobs(
        options=TWO_NODES, faults={"kill at apply: has read the clock": 1}, fault_rate=0.1
    ),
    Mutant.LATE_INTENT: _knobs(
        options=TWO_NODES, faults={"kill at commit: answered": 1}, fault_rate=0.1, habits=WRITES
    ),
    Mutant.INTENT_OF_FIRST_STATEMENT: _knobs(
        options=TWO_NODES,
        faults={"kill at commit: answered": 1},
        fault_rate=0.1,
        habits={**TRANSACTIONS, "write": 8},
    ),
    Mutant.MESSAGE_BEFORE_NUMBER: _knobs(
        options={**TWO_NODES, "workers": 3},
        faults={"kill at publish: has written the message": 1},
        habits=WRITES,
        agent_share=0.1,
        fault_rate=0.1,
    ),
    Mutant.STALLED_IGNORED: _knobs(
        options=TWO_NODES,
        faults={"stop at commit: answered": 1, "continue_one": 0.1},
        habits=WRITES,
        interlude_rate=0.03,
        fault_rate=0.1,
    ),
    Mutant.STALLED_ONCE: _knobs(
        options=TWO_NODES,
        faults={"stop at commit: sent": 1, "settle_one": 0.5, "continue_one": 0.1},
        habits=WRITES,
        interlude_rate=0.06,
        fault_rate=0.1,
    ),
    Mutant.SESSION_CHECKED_LATE: _knobs(
        options=TWO_NODES,
        faults={
            "kill at commit: sent": 1,
            "stop at agent: has applied an intent": 1,
            "settle_one": 0.5,
            "continue_one": 0.5,
        },
        habits=WRITES,
        fault_rate=0.1,
    ),
    Mutant.LATE_HEARTBEAT: _knobs(
        options=TWO_NODES,
        faults={
            "delay at agent: begins a round": 1,
            "stop at commit: answered": 1,
            "pause": 1,
            "continue_one": 0.1,
        },
        habits=WRITES,
        interlude_rate=0,
        fault_rate=0.1,
        agent_burst=8,
        tick_rate=0.02,
    ),
    Mutant.CURSOR_FIRST: _knobs(
        options={**TWO_NODES, "has_durable_cursor": True},
        faults={"kill at apply: has the lock": 1},
        habits=WRITES,
        fault_rate=0.1,
    ),
    Mutant.SUBSCRIBED_LATE: _knobs(
        options={**TWO_NODES, "has_durable_cursor": False},
        faults={"kill at agent: begins a round": 1, "stop at agent: listens": 1, "continue_one": 1},
        habits=WRITES,
        interlude_rate=0,
        tick_rate=0.02,
        fault_rate=0.15,
    ),
    Mutant.CURSOR_BEFORE_WIPE: _knobs(
        options={**TWO_NODES, "has_durable_cursor": True},
        faults={"kill at agent: listens": 1},
        habits=WRITES,
        agent_share=0.1,
        interlude_rate=0,
        fault_rate=0.5,
        is_warm=False,
    ),
    Mutant.IGNORED_GAP: _knobs(
        options=TWO_NODES,
        faults={"lose_message": 1},
        habits=WRITES,
        agent_share=0.1,
        agent_burst=4,
        request_burst=20,
        interlude_rate=0,
        fault_rate=0.1,
    ),
    Mutant.IGNORED_TAIL: _knobs(
        options=TWO_NODES, faults={"lose_message": 1}, habits=WRITES, fault_rate=0.1
    ),
    Mutant.IGNORED_STRANGER: _knobs(
        options={**TWO_NODES, "workers": 1, "has_durable_cursor": True},
        faults={"lose_message": 1},
        habits={**WRITES, "read": 0, "put": 0, "scope": 0},
        pages=("list",),
        request_burst=20,
        interlude_rate=0,
        fault_rate=0.2,
        is_warm=False,
        steps=150,
    ),
    Mutant.IGNORED_LAP: _knobs(
        options=TWO_NODES,
        faults={"overwrite": 1},
        habits=WRITES,
        agent_share=0.1,
        agent_burst=4,
        fault_rate=0.1,
    ),
    Mutant.IGNORED_VANISHED: _knobs(
        options=TWO_NODES,
        faults={"kill_node": 1, "stop at commit: answered": 1},
        habits=WRITES,
        fault_rate=0.05,
    ),
    Mutant.VANISHED_KNOWN_ONLY: _knobs(
        options=TWO_NODES,
        faults={"kill_node": 1, "stop at commit: answered": 1, "isolate": 1},
        habits=WRITES,
        fault_rate=0.05,
        is_warm=False,
    ),
    Mutant.VANISHED_AT_ONCE: _knobs(
        options=TWO_NODES,
        faults={"kill_node": 1, "stop at commit: sent": 1, "settle_one": 0.1},
        habits=WRITES,
        fault_rate=0.05,
    ),
    Mutant.IGNORED_GOODBYE: _knobs(
        options=TWO_NODES,
        faults={"isolate": 2, "shut_down": 4, "heal": 0.1},
        habits=WRITES,
        interlude_rate=0,
        fault_rate=0.1,
    ),
    Mutant.NO_REJOIN: _knobs(
        options=TWO_NODES,
        faults={"kill_node": 1, "stop at commit: answered": 1, "continue_one": 0.1},
        habits=WRITES,
        interlude_rate=0.05,
        fault_rate=0.05,
    ),
    Mutant.LEASE_FROM_ARRIVAL: _knobs(
        options=TWO_NODES,
        faults={"delay at agent: looks at the roster": 1, "delay at agent: has read a message": 1},
        habits=WRITES,
        interlude_rate=0.01,
        fault_rate=0.1,
    ),
    Mutant.LEASE_WITHOUT_PEERS: _knobs(
        options=TWO_NODES, faults={"isolate": 1}, habits=WRITES, interlude_rate=0.03
    ),
    Mutant.LEASE_WITHOUT_LOOK: _knobs(
        options={**TWO_NODES, "nodes": 2},
        faults={"isolate": 1, "hide_roster": 1, "heal": 0.1},
        habits=WRITES,
        interlude_rate=0.03,
        fault_rate=0.05,
        is_warm=False,
    ),
    Mutant.LEASE_AFTER_SLOTS: _knobs(
        options=TWO_NODES,
        faults={"stop at judge: has read the slots": 1, "continue_one": 0.3},
        habits=WRITES,
        interlude_rate=0.03,
        fault_rate=0.1,
    ),
    Mutant.CLOCK_BEFORE_SLOTS: _knobs(
        options=TWO_NODES,
        faults={"stop at judge: has read the lease": 1, "isolate": 0.5, "continue_one": 0.3},
        habits=WRITES,
        interlude_rate=0.03,
        fault_rate=0.1,
    ),
    Mutant.RETIRED_LEASE: _knobs(
        options=TWO_NODES,
        faults={"delete_directory": 1, "stop at read: sent": 1, "continue_one": 0.3},
        interlude_rate=0.03,
        fault_rate=0.1,
    ),
    Mutant.ONE_COOKIE: _knobs(options={**TWO_NODES, "clients": 1}, faults=CALM, habits=WRITES),
    Mutant.TICKET_LOST_TO_LOCK: _knobs(
        options=TWO_NODES,
        faults={"stop at apply: has the lock": 1, "continue_one": 0.1},
        fault_rate=0.1,
        habits=WRITES,
    ),
    Mutant.STALE_FOR_EVER: _knobs(options=STALE, faults={"pause": 1}, interlude_rate=0.05),
    Mutant.SESSION_IGNORED: _knobs(
        options=TWO_NODES,
        faults={"kill at commit: sent": 1, "settle_one": 0.1},
        habits=WRITES,
        fault_rate=0.05,
    ),
    Mutant.DATED_DEAF: _knobs(
        options={"nodes": 2, "clients": 6, "serves_partitioned": True, "serves_stale": False},
        faults={"isolate": 1, "heal": 0.02},
        tick_rate=0.7,
        interlude_rate=0,
        fault_rate=0.03,
        request_burst=20,
        steps=800,
        habits={**WRITES, "write": 1.5, "read": 0, "touch": 0},
        pages=("page", "home", "front"),
    ),
    Mutant.TOUCH_DEAF: _knobs(
        options={"nodes": 2, "clients": 6, "serves_partitioned": True, "serves_stale": False},
        faults={"isolate": 1, "heal": 0.02},
        tick_rate=0.7,
        interlude_rate=0,
        fault_rate=0.03,
        request_burst=20,
        steps=800,
        habits={**WRITES, "write": 1.5, "touch": 8},
        pages=("page",),
    ),
    Mutant.LEFT_WHILE_WRITING: _knobs(
        options=TWO_NODES,
        faults={
            "delete_directory": 1,
            "stop at commit: sent": 1,
            "stop at commit: answered": 1,
            "kill_worker": 1,
        },
        habits=WRITES,
        fault_rate=0.1,
    ),
}
