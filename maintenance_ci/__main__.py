"""``python -m maintenance_ci``."""

from __future__ import annotations

import sys

from maintenance_ci.cli import main

sys.exit(main())
