"""What every backend of the bus must do. A backend's tests subclass :class:`BusContract`."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.bus.process import current
from tests.bus.cluster import Backend
from tests.bus.promises_of_delivery import PromisesOfDelivery
from tests.bus.promises_of_nodes import PromisesOfNodes
from tests.bus.promises_of_publishing import PromisesOfPublishing
from tests.bus.promises_of_sites import PromisesOfSites

__all__ = ["BusContract", "NetworkContract"]


class BusContract(PromisesOfDelivery, PromisesOfPublishing, PromisesOfNodes):
    """Every promise that :class:`~nothing_shared.bus.backends.base.BaseBus` makes.

    A subclass overrides the fixture ``backend``; all else stands on that.
    """

    @pytest.fixture
    def backend(self) -> Backend:
        raise NotImplementedError

    def test_a_bus_that_does_not_exist_is_a_matter_of_configuration(self, settings: Any) -> None:
        settings.NOTHING_SHARED_BUS = {"BACKEND": "nothing_shared.bus.backends.pigeon.PigeonBus"}
        with pytest.raises(ImproperlyConfigured, match="pigeon"):
            current()


class NetworkContract(BusContract, PromisesOfSites):
    """And what a bus promises that has a broker, which others may use as well."""
