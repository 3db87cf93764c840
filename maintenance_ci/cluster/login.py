"""A job's login at the cluster: what its kubeconfig holds, or what a program gives that it names, now and then anew."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import re
import time
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.proxies import MIN_PASSWORD
from maintenance_ci.waiting import in_background, with_deadline

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds for what a kubeconfig names to log in; a program of a KUBECONFIG is stopped earlier (`given_kubeconfig`).
LOGIN_TIMEOUT = 75.0
# Seconds between two looks at whether a login ends soon. The client asks the program five minutes before that.
RENEW_EVERY = 30.0
# The value of a header, as http.client sends it; of another one it raises an error that shows the value.
HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
# Characters of a fault that a message repeats.
MAX_TEXT = 300
# Where the client kubernetes keeps what it sends as the header Authorization.
TOKEN = "BearerToken"  # noqa: S105 - a name


class Login:
    """A login, by a configuration of the client kubernetes.

    The client would have the program log in again within any request, and within each of them where a token does not
    last long; and what fails then it would print. Here no request waits for that, and the token before it counts on.

    Args:
        configuration: of the client.
        load: fills it; it may run a program, which may wait for somebody.
        hide: gets what no log may show: each token.

    Raises:
        VariableError: there is no login.
    """

    def __init__(self, configuration: Any, load: Callable[[], None], hide: Callable[[str], None]) -> None:
        self._configuration, self._hide = configuration, hide
        self._faults = _Faults()
        logging.getLogger().addHandler(self._faults)
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            self._log_in(load)
            failed.pop_all()
        self._renew, configuration.refresh_api_key_hook = configuration.refresh_api_key_hook, None
        self._renew_at = time.monotonic() + RENEW_EVERY

    def keep(self) -> None:
        """Have a program log in again, now and then, where its token ends soon; it does so beside the job."""
        if self._renew and time.monotonic() >= self._renew_at:
            self._renew_at = math.inf  # until this one has ended
            in_background(self._log_in_again)

    def close(self) -> None:
        """Let the client print again what it finds wrong."""
        logging.getLogger().removeHandler(self._faults)

    def _log_in(self, load: Callable[[], None]) -> None:
        try:
            with_deadline(LOGIN_TIMEOUT, load)
        except TimeoutError:
            raise VariableError([f"KUBECONFIG: its program did not log in within {LOGIN_TIMEOUT:.0f} s"]) from None
        if self._faults.messages:
            raise VariableError([f"KUBECONFIG: its program did not log in: {self._faults.messages[-1]}"])
        if not self._takes(self._configuration.api_key):
            raise VariableError(["KUBECONFIG: its program gave what is no token: one line of ASCII is expected"])

    def _log_in_again(self) -> None:
        try:
            renewed = copy.copy(self._configuration)
            renewed.api_key = dict(self._configuration.api_key)
            self._renew(renewed)
            if renewed.api_key != self._configuration.api_key and self._takes(renewed.api_key):
                self._configuration.api_key = renewed.api_key
        finally:
            self._renew_at = time.monotonic() + RENEW_EVERY

    def _takes(self, api_key: dict[str, str]) -> bool:
        """Tell whether a header can hold the token, and have it hidden then."""
        value = api_key.get(TOKEN, "")
        good = bool(HEADER_VALUE.fullmatch(value))
        _, _, token = value.partition(" ")  # behind the word Bearer
        if good and len(token) >= MIN_PASSWORD:
            self._hide(token)
        return good


class _Faults(logging.Handler):
    """Collects what the client logs, on the root logger, of a program that failed to log in: it goes on without.

    As long as it is there, nothing of that is printed beside the job's log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of the message; what other loggers say goes where it would without this handler."""
        if record.name != "root":
            if logging.lastResort and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return
        first, _, _ = record.getMessage().strip().partition("\n")
        self.messages.append(first[:MAX_TEXT])
