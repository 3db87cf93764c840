"""The program: ``maintenance-ci``, or ``python -m maintenance_ci``. Its process runs one command."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from maintenance_ci.cli import main

# Objects between two searches for cycles. Python's own 700 searches some hundred times while a job's modules are
# imported: that takes a tenth of a job's start. A job about one Route has made some 100,000 by its first request.
SEARCH_FOR_CYCLES_AFTER = 200_000


def run() -> NoReturn:
    """Run the command of the command line, and end the process with its exit code."""
    gc.set_threshold(SEARCH_FOR_CYCLES_AFTER)
    # Other packages' plugins of pydantic are not even looked for: they would be shown what variables hold.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    code = main()
    gc.freeze()  # at its end Python searches all objects for cycles, which takes as long as two requests to a cluster
    sys.exit(code)


if __name__ == "__main__":
    run()
