from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.bus.promises_of_delivery",
    "tests.bus.promises_of_nodes",
    "tests.bus.promises_of_publishing",
)
