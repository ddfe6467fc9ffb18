"""Short batches taken in turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

__all__ = ["Batch", "Times", "quantile", "race", "undisturbed"]

Batch = Callable[[int], float]
"""Takes its number, returns microseconds per operation."""


@dataclass(frozen=True)
class Times:
    """Microseconds per operation of one contender: the best batch of each round."""

    rounds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The fastest batch: the one that nobody interrupted."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        return median(self.rounds)

    def ratio(self, other: Times) -> float:
        """Compare the best batches."""
        return self.best / other.best

    def median_ratio(self, other: Times) -> float:
        """Compare the two in each round, and take the median: noise is in it, but in both."""
        return median(mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True))


def race(batches: Mapping[str, Batch], *, rounds: int, turn: int) -> dict[str, Times]:
    """Let every contender run some batches in each round, another one first each time.

    The best batch of a turn is the round's figure: the first ones find the processor's caches full
    of what the contender before had to do.
    """
    taken: dict[str, list[float]] = {name: [] for name in batches}
    names = list(batches)
    gc.collect()
    gc.freeze()  # else the collections below go through all that is cached
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            with undisturbed():
                best = min(batches[name](number * turn + step) for step in range(turn))
            taken[name].append(best)
    gc.unfreeze()
    return {name: Times(tuple(figures)) for name, figures in taken.items()}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector out, as ``timeit`` does."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def quantile(figures: list[float], part: float) -> float:
    """Return the figure below which this part of all is."""
    ordered = sorted(figures)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
