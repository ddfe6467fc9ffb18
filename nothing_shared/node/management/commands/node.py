"""``manage.py node``: look at this machine's node without joining it."""

from __future__ import annotations

import json
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nothing_shared.clock import SECOND
from nothing_shared.node import layout, slots
from nothing_shared.node.conf import node_settings
from nothing_shared.node.directory import node_directory, unsafe_because
from nothing_shared.node.intents import Intents
from nothing_shared.node.liveness import start_time
from nothing_shared.node.table import FILE_NAME, ChangeTable


class Command(BaseCommand):
    help = "Show what this machine's node knows: its agent, its lease, its change table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        directory = node_directory()
        if not (directory / FILE_NAME).exists():
            raise CommandError(f"No node has run in {directory} since this machine booted.")
        reason = unsafe_because(directory)
        if reason:
            raise CommandError(f"The node directory {directory} {reason}.")
        facts = {"directory": str(directory), **describe(ChangeTable(directory))}
        if options["json"]:
            self.stdout.write(json.dumps(facts))
            return
        for name, value in facts.items():
            self.stdout.write(f"{name.replace('_', ' '):>20}  {value}")


def describe(table: ChangeTable) -> dict[str, Any]:
    """Return what a change table says, times as seconds from now."""
    words, now = table.words, table.clock()
    pid = words[layout.AGENT_PID]
    lease = words[layout.LEASE_UNTIL]
    changed = [when for when in table.changed.tolist() if when]
    return {
        "name": node_settings().name or socket.gethostname(),
        "table": f"{table.id:x}",
        "made_ago": (now - words[layout.CREATED]) / SECOND,
        "agent": pid if pid and start_time(pid) else None,
        "agent_beat_ago": _ago(now, words[layout.AGENT_BEAT]),
        "agent_term": words[layout.AGENT_TERM],
        "lease_left": max(0.0, (lease - now) / SECOND) if lease else 0.0,
        "hears_the_bus": table.leased(),
        "messages_sent": words[layout.SEQUENCE],
        "gaps": words[layout.GAPS],
        "epochs": words[layout.EPOCHS],
        "epoch_ago": _ago(now, table.changed[slots.EPOCH]),
        "slots": words[layout.SLOTS],
        "slots_changed": max(0, len(changed) - 2),
        "last_change_ago": _ago(now, table.changed[slots.ANY]),
        "intents_standing": Intents(table).standing(),
    }


def _ago(now: int, when: int) -> float | None:
    return (now - when) / SECOND if when else None
