"""How small the API server is, and that it stays quick, in a process of its own; the seconds are in `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.rehearsal.apiserver.own_process import MANY, READS


def test_it_is_quick_and_small() -> None:
    """In 150 MB; and 300 Routes with 5,000 other objects slow no single read by half."""
    argv = [sys.executable, "-m", "tests.rehearsal.apiserver.own_process"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert 10 < found["empty"] < found["full"] < 150, found
    slower = {path: after / before for path, (before, after) in found["reads"].items()}
    assert [path for path in READS if slower[path] > 1.5] == [], slower
    assert slower[MANY] > 3  # a list of 2,500: the measure tells a slow read
