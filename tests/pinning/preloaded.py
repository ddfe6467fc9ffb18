"""What every node needs, imported once, before they are forked."""

from __future__ import annotations

import psycopg  # noqa: F401
import uvicorn  # noqa: F401

__all__: list[str] = []
