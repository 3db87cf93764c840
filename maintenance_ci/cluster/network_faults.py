"""What stands in the way to a server: its certificate, a proxy, the network. The reason, and what helps. Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from maintenance_ci.errors import MaintenanceError, TryAgainError
from maintenance_ci.settings.proxies import Proxy

# Of OpenSSL's x509_vfy.h: nobody who is trusted has issued it, which a CA mends.
UNKNOWN_ISSUER, INTERMEDIATE_ALONE = {2, 18, 19, 20, 21}, 2
NOT_YET_VALID, EXPIRED = 9, 10
OTHER_NAME = {62, 64}
# How Python's http.client says that a proxy does not make the way.
REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}) ?(.*)", re.DOTALL)
# Characters of a proxy's own words.
MAX_WORDS = 100


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
    fault: ssl.SSLCertVerificationError, whose: str, *, ca: str, ca_given: bool, address: str, proxy: Proxy | None
) -> MaintenanceError:
    """Return our error of it.

    Args:
        fault: OpenSSL's.
        whose: the certificate's owner, as the begin of a sentence.
        ca: the variable with the CA.
        ca_given: there is a CA in it.
        address: the variable with the server's address.
        proxy: through which the server was asked.
    """
    code = fault.verify_code
    if code in UNKNOWN_ISSUER:
        advice = f"Give its CA in {ca}"
        if not ca_given:
            advice += "."
        elif code == INTERMEDIATE_ALONE:
            advice += ": the one there is an intermediate one; add those above it, up to the root."
        else:
            advice += ": the one there did not issue it. Or have the server send its intermediate certificates."
        if proxy:
            advice += " (A proxy that looks into TLS shows certificates of a CA of its own.)"
    elif code == EXPIRED:
        advice = "Have it renewed (or the clock of the runner is wrong); another CA does not help."
    elif code == NOT_YET_VALID:
        advice = "Check the clock of the runner, and when the certificate's validity begins."
    elif code in OTHER_NAME:
        advice = f"Give an address in {address} that the certificate is for."
    else:
        advice = "The certificate, or its CA's, is at fault: have it made anew; no variable helps."
    through = f", as the proxy {proxy.address} lets it through," if proxy else ""
    return MaintenanceError(f"{whose}{through} cannot be verified: {fault.verify_message.rstrip('.')}.", advice)


def unreachable(error: BaseException, whose: str, *, address: str, proxy: Proxy | None) -> MaintenanceError:
    """Return our error of a server that cannot be reached, or of the proxy that does not make the way to it.

    Args:
        error: what a client raised.
        whose: the server, as the begin of a sentence.
        address: the variable with the server's address.
        proxy: through which the server was asked.
    """
    if proxy is None:
        what, where = f"{whose} cannot be reached", f"{address} and the network"
    elif refused := _proxy_refused(error, proxy, whose[:1].lower() + whose[1:] if " " in whose else whose):
        return refused
    else:
        what = f"{whose} cannot be reached through the proxy {proxy.address}"
        where = f"HTTPS_PROXY and NO_PROXY, and {address}"
    return TryAgainError(f"{what} ({_cause(error)}).", f"Check {where}, then run the job again.")


def _cause(error: BaseException) -> str:
    """Name the kind of a fault, with OpenSSL's or the system's own reason where there is one."""
    if isinstance(error, TimeoutError):  # ours: libraries wrap theirs
        return "no end of its answer"
    faults = list(causes(error))
    # urllib3's MaxRetryError has a reason that is an error; OpenSSL's is a text.
    inner = [reason for one in faults if isinstance(reason := getattr(one, "reason", None), Exception)]
    tls = [one for one in faults if isinstance(one, ssl.SSLError) and one.reason]
    kind = (inner or tls or [error])[0]
    reasons = [one.reason.replace("_", " ").lower() for one in tls]
    reasons += [one.strerror for one in faults if isinstance(one, OSError) and one.strerror]
    return ": ".join([type(kind).__name__.removesuffix("Error"), *reasons[:1]])


def _proxy_refused(error: BaseException, proxy: Proxy, whose: str) -> MaintenanceError | None:
    """Return our error of a proxy's refusal, if it is that; ``whose`` is the server, in the middle of a sentence."""
    # The whole text: libraries repeat it within the text of their own errors.
    refusals = (REFUSED_TUNNEL.fullmatch(str(one)) for one in causes(error) if isinstance(one, OSError))
    refusal = next((refusal for refusal in refusals if refusal), None)
    if refusal is None:
        return None
    status = int(refusal[1])
    if status == 407:
        return _proxy_wants_login(proxy)
    words = "".join(filter(str.isprintable, refusal[2]))[:MAX_WORDS]
    what = f"The proxy {proxy.address} does not make the way to {whose}: HTTP {status} {words}".rstrip(" .") + "."
    if status >= 500:
        return TryAgainError(what, "Check HTTPS_PROXY and NO_PROXY, then run the job again.")
    return MaintenanceError(what, "Have the proxy let the runner through, or name the host in NO_PROXY.")


def _proxy_wants_login(proxy: Proxy) -> MaintenanceError:
    """Return our error of a proxy's 407: user and password are wrong, or missing."""
    given = "refuses the user and the password in" if proxy.userinfo else "wants a user and a password, in"
    return MaintenanceError(
        f"The proxy {proxy.address} {given} HTTPS_PROXY (HTTP 407).",
        "Correct it (or ALL_PROXY, or proxy-url in KUBECONFIG, if it comes from there): "
        "http://user:password@host:port, with special characters as %XX.",
    )
