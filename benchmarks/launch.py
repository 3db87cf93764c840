"""Runs a command and writes what it took into a file, as JSON: ``python -I -S launch.py FILE COMMAND…``.

In a process of its own, and a small one: the peak memory that Linux notes of a process begins with that of the process
that started it.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Run it; return its exit code."""
    file, command = sys.argv[1], sys.argv[2:]
    began = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    took = {
        "elapsed": time.perf_counter() - began,
        "processor": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * 1024,
    }
    with open(file, "w", encoding="utf-8") as report:  # noqa: PTH123 - pathlib would make the process bigger
        json.dump(took, report)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
