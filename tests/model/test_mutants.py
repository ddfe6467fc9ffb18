"""Every rule of the protocol is needed: leave one out, and some promise is broken."""

from __future__ import annotations

import pytest

from .mutants import Mutant
from .oracle import Violation
from .profiles import PROFILES
from .schedule import run

pytestmark = pytest.mark.slow

ENOUGH = 2_500


@pytest.mark.parametrize("mutant", Mutant, ids=lambda mutant: mutant.name.lower())
def test_a_protocol_is_caught_in_which(mutant: Mutant) -> None:
    for seed in range(ENOUGH):
        try:
            run(seed, PROFILES.get(mutant), mutant)
        except Violation:
            return
    pytest.fail(f"{ENOUGH} schedules did not show that {mutant}")


def test_the_weather_of_a_mutant_does_the_sound_protocol_no_harm() -> None:
    for knobs in PROFILES.values():
        for seed in range(8):
            run(seed, knobs)
