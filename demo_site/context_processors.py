"""What the footer of every page shows besides the page's own fragments."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

from .databases import answered

__all__ = ["node"]


def node(request: HttpRequest) -> dict[str, Any]:
    """Name the node and worker, and where to see the same page as the other nodes show it."""
    host, _ = split_domain_port(request.get_host())
    reader: Any = getattr(request, "user", None)
    path = request.get_full_path() if request.method == "GET" else "/"
    return {
        "node": settings.NODE,
        "worker": os.getpid(),
        "nodes": [
            {"name": f"node-{number}", "url": f"{request.scheme}://{host}:{port}{path}"}
            for number, port in enumerate(settings.NODE_PORTS, start=1)
        ],
        "answered": answered,
        "outcomes": getattr(request, "outcomes", []),
        "reader": reader if reader and reader.is_authenticated else None,
    }
