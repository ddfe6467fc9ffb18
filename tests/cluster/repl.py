"""A worker process that does what a test tells it over a pipe, a JSON line at a time."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
import threading
import time
import traceback
from typing import Any, TextIO

import django


class Worker:
    """Runs each piece of code in the main thread, or in one of its own; its last expression answers."""

    def __init__(self, inbox: TextIO, outbox: TextIO) -> None:
        self.inbox, self.outbox = inbox, outbox
        self.events: dict[str, threading.Event] = {}
        self.names: dict[str, Any] = {"wait": self.wait, "os": os, "time": time}
        self.lock = threading.Lock()

    def event(self, name: str) -> threading.Event:
        return self.events.setdefault(name, threading.Event())

    def wait(self, name: str, value: Any = None) -> Any:
        """Stop a thread until the test signals; for use inside loaders."""
        self.event(f"{name} reached").set()
        if not self.event(name).wait(30):
            raise TimeoutError(name)
        return value

    def serve(self) -> None:
        for line in self.inbox:
            told = json.loads(line)
            if told["kind"] == "signal":
                self.event(told["code"]).set()
                self.answer(told["id"], result=None)
            elif told["kind"] == "reached":
                self.answer(told["id"], result=self.event(f"{told['code']} reached").wait(30))
            elif told["kind"] == "thread":
                threading.Thread(target=self.run, args=(told,), daemon=True).start()
            else:
                self.run(told)

    def run(self, told: dict[str, Any]) -> None:
        try:
            self.answer(told["id"], result=self.execute(told["code"]))
        except Exception:
            self.answer(told["id"], error=traceback.format_exc())

    def execute(self, code: str) -> Any:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<told>", "exec"), self.names)
        if last is None:
            return None
        return eval(compile(ast.Expression(last.value), "<told>", "eval"), self.names)

    def answer(self, id: int, **answer: Any) -> None:
        with self.lock, contextlib.suppress(BrokenPipeError):
            print(json.dumps({"id": id, **answer}, default=repr), flush=True, file=self.outbox)


PRELUDE = """
import asyncio
from django.core.cache import cache, caches
from django.db import connection, transaction
from django.db.models import F
from django.template import Context, Template
from nothing_shared.bus import publish, subscribe
from nothing_shared.cache import cached, invalidate, trace
from nothing_shared.causality import scope
from nothing_shared.causality.scopes import begin, current
from nothing_shared.node import layout, process, slots
from tests.cluster.fair.models import Sale, Stall

def load(pk):
    return Stall.objects.get(pk=pk).sold

def sold(pk):
    begin()
    return cache.get_or_set(f"sold:{pk}", lambda: load(pk), 600)

def slow_sold(pk):
    begin()
    return cache.get_or_set(f"sold:{pk}", lambda: wait("loaded", load(pk)), 600)

def plain_sold(pk):
    begin()
    value = cache.get(f"sold:{pk}")
    if value is None:
        value = load(pk)
        cache.set(f"sold:{pk}", value, 600)
    return value

def slow_plain_sold(pk):
    begin()
    value = cache.get(f"sold:{pk}")
    if value is None:
        value = wait("loaded", load(pk))
        cache.set(f"sold:{pk}", value, 600)
    return value

def sell(pk):
    begin()
    Stall.objects.filter(pk=pk).update(sold=F("sold") + 1)
    return Stall.objects.get(pk=pk).sold

def tier(pk):
    begin()
    with trace() as outcomes:
        cache.get_or_set(f"sold:{pk}", lambda: load(pk), 600)
    return outcomes[-1].tier
"""


def main(inbox: TextIO, outbox: TextIO) -> None:
    sys.stdout = sys.stderr
    django.setup()
    worker = Worker(inbox, outbox)
    worker.execute(PRELUDE)
    worker.execute("_ = process.current()")
    worker.answer(0, result=os.getpid())
    worker.serve()
