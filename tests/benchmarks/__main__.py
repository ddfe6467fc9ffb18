"""Run every benchmark in a process of its own, and list at the end which claims hold."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = (
    "cache",
    "invalidation",
    "propagation",
    "hit_ratio",
    "bus",
    "bus_down",
    "outbox",
    "sessions",
    "pinning",
    "thumbnail_serving",
    "thumbnails",
)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="a few rounds: shows that they work")
    chosen = parser.parse_args(words)
    if unknown := sorted(set(chosen.names) - set(BENCHMARKS)):
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    return chosen


def main() -> int:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as directory:
        verdicts = [
            verdict
            for name in chosen.names or BENCHMARKS
            for verdict in run(name, Path(directory, f"{name}.json"), quick=chosen.quick)
        ]
    print("\nAll claims:\n")
    print(*(text for text, _ in verdicts), sep="\n")
    return 0 if all(is_met for _, is_met in verdicts) else 1


def run(name: str, results: Path, *, quick: bool) -> list[tuple[str, bool]]:
    """Run one benchmark; return its claims, and whether each was met."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--json", str(results)]
    print(f"\n--- {name} ---\n", flush=True)
    code = subprocess.run([*command, *(["--quick"] if quick else [])], check=False).returncode
    if not results.exists():
        return [(f"FAIL  {name} ended with exit code {code}", False)]
    targets = json.loads(results.read_text(encoding="utf-8"))["targets"]
    return [(target["text"], target["is_met"]) for target in targets]


if __name__ == "__main__":
    sys.exit(main())
