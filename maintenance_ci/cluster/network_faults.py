"""What stands in the way to a server: its certificate, a proxy, the network. The reason, and what helps. Pure."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from maintenance_ci.errors import MaintenanceError, NotReachedError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maintenance_ci.settings.proxies import Proxy

# Of OpenSSL's x509_vfy.h: nobody who is trusted has issued it, which a CA mends.
UNKNOWN_ISSUER, INTERMEDIATE_ALONE = {2, 18, 19, 20, 21}, 2
NOT_YET_VALID, EXPIRED = 9, 10
OTHER_NAME = {62, 64}
# How Python's http.client says that a proxy does not connect us.
REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}) ?(.*)", re.DOTALL)
# Characters of a proxy's own reason.
MAX_REASON = 100


@dataclass(frozen=True)
class Server:
    """A server, and the variables by which it is asked.

    Attributes:
        name: how it is called in the middle of a sentence.
        address: the variable with its address.
        ca: the variable with the CA of its certificate.
        ca_given: there is a CA in it.
        proxy: through which it is asked; None: directly.
    """

    name: str
    address: str
    ca: str
    ca_given: bool
    proxy: Proxy | None

    def fault(self, error: Exception) -> MaintenanceError:
        """Return our error of what a client raised because the server cannot be reached, or trusted."""
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self._certificate_refused(cause)
        what, where = f"{self.name[:1].upper()}{self.name[1:]} cannot be reached", f"{self.address} and the network"
        if self.proxy:
            if refused := _proxy_refused(error, self.proxy, self.name):
                return refused
            what += f" through the proxy {self.proxy.address}"
            where = f"HTTPS_PROXY and NO_PROXY, and {self.address}"
        # Without a connection, to the server or the proxy, no request went over it.
        unsent = any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in _causes(error))
        kind = NotReachedError if unsent else TryAgainError
        return kind(f"{what} ({_kind(error)}).", f"Check {where}, then run the job again.")

    def _certificate_refused(self, fault: ssl.SSLCertVerificationError) -> MaintenanceError:
        code = fault.verify_code
        if code in UNKNOWN_ISSUER:
            advice = f"Give its CA in {self.ca}"
            if not self.ca_given:
                advice += "."
            elif code == INTERMEDIATE_ALONE:
                advice += ": the one there is an intermediate one; add those above it, up to the root."
            else:
                advice += ": the one there did not issue it. Or have the server send its intermediate certificates."
            if self.proxy:
                advice += " (A proxy that looks into TLS shows certificates of a CA of its own.)"
        elif code == EXPIRED:
            advice = "Have it renewed (or the clock of the runner is wrong); another CA does not help."
        elif code == NOT_YET_VALID:
            advice = "Check the clock of the runner, and when the certificate's validity begins."
        elif code in OTHER_NAME:
            advice = f"Give an address in {self.address} that the certificate is for."
        else:
            advice = "The certificate, or its CA's, is at fault: have it made anew; no variable helps."
        through = f", as the proxy {self.proxy.address} lets it through," if self.proxy else ""
        what = f"The certificate of {self.name}{through} cannot be verified: {fault.verify_message.rstrip('.')}."
        return MaintenanceError(what, advice)


def may_pass(status: int) -> bool:
    """Tell whether the same request may succeed later: the server is broken or busy, or a proxy did not wait (408)."""
    return status in (408, 429) or status >= 500


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made of: its causes, and those that libraries put into it."""
    left, seen = [error], set()
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        parts = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        left += [part for part in parts if isinstance(part, BaseException)]


def _kind(error: BaseException) -> str:
    """Name the kind of a fault, with OpenSSL's or the system's own reason where there is one."""
    if isinstance(error, TimeoutError):  # ours: libraries wrap theirs
        return "no end of its answer"
    faults = list(_causes(error))
    # urllib3's MaxRetryError has a reason that is an error; OpenSSL's is a text.
    inner = [reason for one in faults if isinstance(reason := getattr(one, "reason", None), Exception)]
    tls = [one for one in faults if isinstance(one, ssl.SSLError) and one.reason]
    kind = (inner or tls or [error])[0]
    reasons = [one.reason.replace("_", " ").lower() for one in tls]
    reasons += [one.strerror for one in faults if isinstance(one, OSError) and one.strerror]
    return ": ".join([type(kind).__name__.removesuffix("Error"), *reasons[:1]])


def _proxy_refused(error: BaseException, proxy: Proxy, server: str) -> MaintenanceError | None:
    """Return our error of a proxy's refusal to connect us with a ``server``, if it is that."""
    # The whole text: libraries repeat it within the text of their own errors.
    refusals = (REFUSED_TUNNEL.fullmatch(str(one)) for one in _causes(error) if isinstance(one, OSError))
    refusal = next((refusal for refusal in refusals if refusal), None)
    if refusal is None:
        return None
    status = int(refusal[1])
    if status == 407:
        given = "refuses the user and the password in" if proxy.userinfo else "wants a user and a password, in"
        return MaintenanceError(
            f"The proxy {proxy.address} {given} HTTPS_PROXY (HTTP 407).",
            "Correct it (or ALL_PROXY, or proxy-url in KUBECONFIG, if it comes from there): "
            "http://user:password@host:port, with special characters as %XX.",
        )
    reason = "".join(filter(str.isprintable, refusal[2]))[:MAX_REASON]
    what = f"The proxy {proxy.address} does not connect to {server}: HTTP {status} {reason}".rstrip(" .") + "."
    if status >= 500:
        return NotReachedError(what, "Check HTTPS_PROXY and NO_PROXY, then run the job again.")
    return MaintenanceError(what, "Have the proxy let the runner through, or name the host in NO_PROXY.")
