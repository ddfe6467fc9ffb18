"""The site as a preloading master sees it: loaded, asked and warm before any worker is forked."""

from __future__ import annotations

from django.core.cache import cache
from django.core.wsgi import get_wsgi_application

from nothing_shared.causality import scope

application = get_wsgi_application()

from tests.cluster.fair.models import Stall  # noqa: E402 - now that the apps are ready

with scope():
    for number in range(1, 4):
        cache.get_or_set(f"sold:{number}", lambda: Stall.objects.get(pk=number).sold, 600)  # noqa: B023
