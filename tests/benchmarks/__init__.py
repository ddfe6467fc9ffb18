"""Benchmarks, run by hand: ``python -m tests.benchmarks``. Needs the extra ``bench``."""
