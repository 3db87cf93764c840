"""The last net: a test that does not end after its time limit either takes its process with it, and is named.

pytest-timeout raises an error in the test. Where what is torn down then waits without an end, that error reaches
nobody, and the whole run waits. With pytest-xdist the other processes go on, and the test counts as failed.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Generator

import pytest

# Seconds after its time limit in which a test has to be torn down: the stop of a cluster may take that long.
TEARDOWN = 120.0


def _time_limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


def _end(item: pytest.Item) -> None:
    """Say where each thread is, and end this process: nothing else ends a thread that waits."""
    item.config.pluginmanager.getplugin("capturemanager").suspend_global_capture()
    os.write(2, f"\n{item.nodeid} did not end within its time limit, nor {TEARDOWN:g} s after it:\n".encode())
    faulthandler.dump_traceback(file=2)
    os._exit(70)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    net = threading.Timer(_time_limit(item) + TEARDOWN, _end, (item,))
    net.daemon = True
    net.start()
    try:
        return (yield)
    finally:
        net.cancel()
