"""The kubeconfig that a job hands to Helm, oc and the client: private, and removed at the end."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maintenance_ci.settings.proxies import Proxy

# Two halves of a character, or any other escape, which may be one of a backslash.
PAIR_OR_ESCAPE = re.compile(r"(?P<pair>\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|\\.")


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder that only this user can read, removed at the end with all that is in it.

    Raises:
        MaintenanceError: there is no place for it.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="maintenance-ci-")  # mkdtemp makes it 0700
    except OSError as error:
        raise MaintenanceError(
            f"No temporary folder can be made: {error.strerror}.", "Let TMPDIR name a folder with room."
        ) from error
    with temporary as folder:
        yield Path(folder)


def write_kubeconfig(
    folder: Path,
    *,
    url: str,
    token: str,
    namespace: str,
    ca: str | None = None,
    skip_tls_verify: bool = False,
    proxy: Proxy | None = None,
) -> Path:
    """Write a kubeconfig of the API server at ``url`` for a bearer token, and return its path.

    With ``ca`` (PEM) the server's certificate must come from these, and not from the system's; with ``skip_tls_verify``
    it is not verified at all. The rest is as of `write_login`.
    """
    cluster: dict[str, object] = {"server": url}
    if skip_tls_verify:
        cluster["insecure-skip-tls-verify"] = True
    elif ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca.encode()).decode()
    return write_login(folder, cluster, {"token": token}, namespace=namespace, proxy=proxy)


def write_login(
    folder: Path,
    cluster: Mapping[str, object],
    user: Mapping[str, object],
    *,
    namespace: str,
    proxy: Proxy | None = None,
) -> Path:
    """Write a kubeconfig into a private folder (0600), and return its path.

    The cluster and the user are as a kubeconfig has them; the proxy is that by which the cluster is asked.
    """
    reached = {**cluster, "proxy-url": proxy.url} if proxy else cluster
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "okd", "cluster": reached}],
        "users": [{"name": "pipeline", "user": user}],
        "contexts": [{"name": "okd", "context": {"cluster": "okd", "user": "pipeline", "namespace": namespace}}],
        "current-context": "okd",
    }
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(_yaml(config), encoding="utf-8")
    return path


def _yaml(config: Mapping[str, object]) -> str:
    """Return JSON that is YAML, which Helm, oc and the client read.

    JSON writes a character beyond U+FFFF as two halves, which YAML does not join: here it stands as it is.
    """

    def as_it_is(escape: re.Match[str]) -> str:
        return json.loads(f'"{escape[0]}"') if escape["pair"] else escape[0]

    return PAIR_OR_ESCAPE.sub(as_it_is, json.dumps(config))
