"""What stands in the way to a server: its certificate, or a proxy. OpenSSL's own reason, and what helps. Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from maintenance_ci.errors import MaintenanceError, TryAgainError
from maintenance_ci.proxies import Proxy

# Of OpenSSL's x509_vfy.h: nobody who is trusted has issued it, which a CA mends.
UNKNOWN_ISSUER = {2, 18, 19, 20, 21}
NOT_YET_VALID, EXPIRED = 9, 10
OTHER_NAME = {62, 64}
# How Python's http.client says that a proxy does not make the way.
REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}) ?(.{0,100})")


def causes(error: BaseException) -> Iterator[BaseException]:
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


def certificate_fault(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return what OpenSSL has against a server's certificate, if it is that."""
    return next((one for one in causes(error) if isinstance(one, ssl.SSLCertVerificationError)), None)


def certificate_refused(
    fault: ssl.SSLCertVerificationError, whose: str, *, ca: str, ca_given: bool, address: str
) -> MaintenanceError:
    """Return our error of it.

    Args:
        fault: OpenSSL's.
        whose: the certificate's owner, as the begin of a sentence.
        ca: the variable with the CA.
        ca_given: there is a CA in it.
        address: the variable with the server's address.
    """
    code = fault.verify_code
    if code in UNKNOWN_ISSUER:
        advice = f"Give its CA in {ca}" + (": the one there did not issue it." if ca_given else ".")
    elif code == EXPIRED:
        advice = "Have it renewed (or the clock of the runner is wrong); another CA does not help."
    elif code == NOT_YET_VALID:
        advice = "Check the clock of the runner, and when the certificate's validity begins."
    elif code in OTHER_NAME:
        advice = f"Give an address in {address} that the certificate is for."
    else:
        advice = "The certificate, or its CA's, is at fault: have it made anew; no variable helps."
    return MaintenanceError(f"{whose} cannot be verified: {fault.verify_message.rstrip('.')}.", advice)


def tls_reason(error: BaseException) -> str:
    """Return OpenSSL's reason for a TLS connection that did not come about, for brackets; empty where it has none."""
    reasons = (one.reason for one in causes(error) if isinstance(one, ssl.SSLError) and one.reason)
    return next((f": {str(reason).replace('_', ' ').lower()}" for reason in reasons), "")


def proxy_refused(error: BaseException, proxy: Proxy | None, whose: str) -> MaintenanceError | None:
    """Return our error of a proxy that does not make the way to a server, if it is that.

    Args:
        error: what a client raised.
        proxy: the one that was asked.
        whose: the server, in the middle of a sentence.
    """
    refusals = (REFUSED_TUNNEL.search(str(one)) for one in causes(error) if isinstance(one, OSError))
    refusal = next((refusal for refusal in refusals if refusal), None)
    if refusal is None or proxy is None:
        return None
    status = int(refusal[1])
    if status == 407:
        return proxy_wants_login(proxy)
    what = f"The proxy {proxy.address} does not make the way to {whose}: HTTP {status} {refusal[2]}".rstrip(" .") + "."
    if status >= 500:
        return TryAgainError(what, "Check HTTPS_PROXY and NO_PROXY, then run the job again.")
    return MaintenanceError(what, "Have the proxy let the runner through, or name the host in NO_PROXY.")


def proxy_wants_login(proxy: Proxy) -> MaintenanceError:
    """Return our error of a proxy's 407: user and password are wrong, or missing."""
    given = "refuses the user and the password in" if proxy.userinfo else "wants a user and a password, in"
    return MaintenanceError(
        f"The proxy {proxy.address} {given} HTTPS_PROXY (HTTP 407).",
        "Correct it: http://user:password@host:port, with special characters as %XX.",
    )
