"""How quick and how small the embedded API server is, in a process of its own: python -m benchmarks.api_server."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.results import Table, arguments, publish


def main() -> None:
    """Measure, and print two tables."""
    given = arguments(__doc__).parse_args()
    argv = [sys.executable, "-m", "tests.rehearsal.apiserver.own_process"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    rows = [
        ("until the first answer, processor s", measured["start"]),
        ("memory while empty, MB", round(measured["empty"])),
        ("memory with 300 Routes and 5,000 other objects, MB", round(measured["full"])),
    ]
    reads = [(path, 1000 * before, 1000 * after, after / before) for path, (before, after) in measured["reads"].items()]
    tables = [
        Table("The embedded API server", ("what", "value"), rows),
        Table("One read", ("path", "ms alone", "ms among 5,300 objects", "ratio"), reads),
    ]
    publish("The embedded API server", tables, given)


if __name__ == "__main__":
    main()
