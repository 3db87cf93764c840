"""How quick and how small the embedded API server is, in a process of its own: python -m benchmarks.api_server."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.measuring import show


def main() -> None:
    """Measure, and print two tables."""
    argv = [sys.executable, "-m", "tests.rehearsal.apiserver.own_process"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    rows = [
        ("until the first answer, processor s", measured["start"]),
        ("memory while empty, MB", round(measured["empty"])),
        ("memory with 300 Routes and 5,000 other objects, MB", round(measured["full"])),
    ]
    show("The embedded API server", ("what", "value"), rows)
    reads = [(path, 1000 * before, 1000 * after, after / before) for path, (before, after) in measured["reads"].items()]
    show("One read", ("path", "ms alone", "ms among 5,300 objects", "ratio"), reads)


if __name__ == "__main__":
    main()
