"""The footprint of a SQL statement: which tables, and which of their rows, it reads and writes.

What cannot be understood counts as more, never as less.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from nothing_shared.causality.inserts import inserted
from nothing_shared.causality.relations import Schema
from nothing_shared.causality.rows import MAX_ROWS, Placeholders, RowPin, pins
from nothing_shared.causality.sql import fold, tokenise
from nothing_shared.causality.statement import Statement

__all__ = ["Footprint", "RowPin", "Touched", "analyse", "bind"]
