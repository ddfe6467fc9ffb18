"""Django's test classes, each on ``MachineCache`` instead of the cache it names."""

from __future__ import annotations

from typing import Any

from cache import tests as upstream
from django.conf import settings
from django.test import SimpleTestCase, TestCase, override_settings

from nothing_shared.causality.scopes import begin

__all__ = ["CASES"]


class UnitOfWork(SimpleTestCase):
    """Each test is a unit of work, as each request is."""

    def setUp(self) -> None:
        begin()
        super().setUp()


@override_settings(CACHES=upstream.caches_setting_for_tests(**settings.MACHINE_CACHE))
class MachineCacheTests(upstream.BaseCacheTests, UnitOfWork, TestCase):
    """The contract of a cache."""


@override_settings(CACHES=upstream.caches_setting_for_tests(**settings.THROUGH_ASYNC))
class AsyncMachineCacheTests(upstream.BaseCacheTests, UnitOfWork, TestCase):
    """The same contract through the ``a…`` methods."""


def on_machine_cache(case: Any) -> type[Any]:
    """Put a test class of what stands on a cache on ours; its other settings stay."""
    overridden = case._overridden_settings["CACHES"]
    caches = {alias: {**entry, **settings.MACHINE_CACHE} for alias, entry in overridden.items()}
    derived = type(f"{case.__name__}OnMachineCache", (UnitOfWork, case), {})
    return override_settings(CACHES=caches)(derived)


CASES = [
    MachineCacheTests,
    AsyncMachineCacheTests,
    on_machine_cache(upstream.CacheUtils),
    on_machine_cache(upstream.PrefixedCacheUtils),
    on_machine_cache(upstream.CacheHEADTest),
    on_machine_cache(upstream.CacheI18nTest),
    on_machine_cache(upstream.PrefixedCacheI18nTest),
    on_machine_cache(upstream.CacheMiddlewareTest),
    on_machine_cache(upstream.TestWithTemplateResponse),
    upstream.CacheHandlerTest,
]
