"""How quick and how small the API server is, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.rehearsal.apiserver.own_process import MANY, READS


def test_it_is_quick_and_small() -> None:
    """Up in a second, in 150 MB, and 300 Routes with 5,000 other objects slow no single read by half."""
    argv = [sys.executable, "-m", "tests.rehearsal.apiserver.own_process"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert 0 < found["start"] < 1.0, found
    assert 10 < found["empty"] < found["full"] < 150, found
    slower = {path: after / before for path, (before, after) in found["reads"].items()}
    assert [path for path in READS if slower[path] > 1.5] == [], slower
    assert slower[MANY] > 3  # a list of 2,500: the measure tells a slow read
