"""Where things stand in the change table's file, counted in 8-byte words."""

from __future__ import annotations

__all__ = [
    "AGENT_BEAT",
    "AGENT_PID",
    "AGENT_TERM",
    "APPLIED",
    "APPLIED_CELLS",
    "BOOT",
    "CELL_COUNT",
    "CELL_DATABASE",
    "CELL_OWNER",
    "CELL_SESSION",
    "CELL_SINCE",
    "CELL_SLOTS",
    "CELL_STARTED",
    "CELL_WORDS",
    "CHANGED",
    "CREATED",
    "CURSOR",
    "DATABASES",
    "DATABASE_CELLS",
    "DATABASE_WORDS",
    "DOUBTS",
    "EPOCHS",
    "GAPS",
    "HISTORY",
    "INTENTS",
    "INTENT_CELLS",
    "LEASE_UNTIL",
    "LOST",
    "MAGIC",
    "MEMBER_UNTIL",
    "OUTBOX",
    "PEERS",
    "PEER_CELLS",
    "PEER_WORDS",
    "POSITIONS",
    "POSITION_CELLS",
    "POSITION_WORDS",
    "SENT",
    "SEQUENCE",
    "SLOTS",
    "TABLE_ID",
    "UNDELIVERED",
    "VERSION",
    "file_size",
]

MAGIC = int.from_bytes(b"n0shared", "little")
VERSION = 2

# The header: words 2 and up of the first page (0 is the magic, 1 the layout version).
SLOTS = 2
TABLE_ID = 3
BOOT = 4
CREATED = 5
SEQUENCE = 6
LEASE_UNTIL = 7
HISTORY = 8
CURSOR = 9
AGENT_TERM = 10
AGENT_PID = 11
AGENT_BEAT = 12
EPOCHS = 13
GAPS = 14
UNDELIVERED = 15
MEMBER_UNTIL = 16
"""Until when the other nodes wait for this one to be heard."""
OUTBOX, SENT = 17, 18
"""Which ring of messages the agent sends from, and up to where it has."""
LOST = 19
"""How often an agent that was replaced has left messages behind that it had yet to hand out."""

DOUBTS = 20
"""How often nobody knew how far a database had got."""

DATABASES, DATABASE_CELLS, DATABASE_WORDS = 32, 64, 5
"""The slot of each database with positions, up to where all its tables changed, and where any did."""

PEERS, PEER_CELLS, PEER_WORDS = 512, 256, 3
"""Origin and last sequence number of every node heard, and the two combined."""

POSITIONS = PEERS + PEER_CELLS * PEER_WORDS
POSITION_CELLS, POSITION_WORDS = 2**14, 2
"""History (system and timeline) and LSN of the last change of the tables whose slots end in its number."""

APPLIED = POSITIONS + POSITION_CELLS * POSITION_WORDS
APPLIED_CELLS = 2**16

INTENTS = APPLIED + APPLIED_CELLS
INTENT_CELLS, CELL_WORDS = 1024, 64
CELL_OWNER, CELL_STARTED, CELL_SINCE, CELL_COUNT, CELL_SESSION, CELL_DATABASE = range(6)
CELL_SLOTS = 8

CHANGED = INTENTS + INTENT_CELLS * CELL_WORDS
"""The first of the words that say when a slot last changed."""


def file_size(slot_count: int) -> int:
    """Bytes of a change table with so many slots."""
    return (CHANGED + slot_count) * 8
