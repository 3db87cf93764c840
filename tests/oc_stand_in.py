"""A stand-in for ``oc``, which PyPI does not have: ``oc start-build NAME --from-dir=DIR --follow --wait``, and no more.

It makes the requests that the real one makes, in their order, as recorded on OpenShift 4.21 on 2026-11-28, with the
token of its kubeconfig; it prints what the real one prints, and ends with its exit codes. So a right that the real one
would lack fails a job of a test as well. ``install`` puts it onto a job's PATH.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shlex
import ssl
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

Object = dict[str, Any]

USER_AGENT = "oc/4.21.0 (linux/amd64) kubernetes/0000000"


class OcError(Exception):
    """What the real one says last, before it ends with exit code 1."""


class Server:
    """The builds of one namespace, as a kubeconfig's current context leads to them."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        self._token = _named(config["users"], context["user"])["user"]["token"]
        self.namespace = namespace or context.get("namespace", "default")
        self._root = f"{cluster['server']}/apis/build.openshift.io/v1/namespaces/{self.namespace}"
        authority = cluster.get("certificate-authority-data")
        self._tls = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"),
            cadata=base64.b64decode(authority).decode() if authority else None,
        )

    def ask(self, path: str, query: dict[str, str] | None = None, body: bytes | None = None) -> Any:
        """Send a request (a POST where there is a body), and return the answer, which is read by whoever asked."""
        url = f"{self._root}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self._token}", "User-Agent": USER_AGENT, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            return urllib.request.urlopen(urllib.request.Request(url, body, headers), context=self._tls)
        except urllib.error.HTTPError as error:
            raise OcError(_refusal(error)) from error
        except urllib.error.URLError as error:
            raise OcError(f"Unable to connect to the server: {error.reason}") from error


def start_build(server: Server, name: str, folder: Path, *, follow: bool, wait: bool) -> None:
    """Upload a folder, show the log, wait for the end; raises OcError."""
    server.ask(f"buildconfigs/{name}").read()
    _complain(f'Uploading directory "{folder}" as binary input for the build ...')
    build = json.load(
        server.ask(
            f"buildconfigs/{name}/instantiatebinary", {"name": name, "namespace": server.namespace}, _packed(folder)
        )
    )
    started = str(build["metadata"]["name"])
    _complain(".\nUploading finished")
    _print(f"build.build.openshift.io/{started} started")
    if follow:
        try:
            for line in server.ask(f"builds/{started}/log", {"follow": "true"}):
                _print(line.decode().rstrip("\n"))
        except OcError as error:
            _complain(
                f"Failed to stream the build logs - to view the logs, run oc logs build/{started}\nReason: {error}"
            )
    if wait:
        wait_for_end(server, started)


def wait_for_end(server: Server, name: str) -> None:
    """List the Build; where it has not ended yet, watch it, until the watch ends or it does."""
    selector = {"fieldSelector": f"metadata.name={name}"}
    while True:
        listed = json.load(server.ask("builds", selector))
        if any(_has_ended(server, build) for build in listed["items"]):
            return
        since = {"resourceVersion": listed["metadata"]["resourceVersion"], "watch": "true"}
        for line in server.ask("builds", selector | since):
            if _has_ended(server, json.loads(line)["object"]):
                return


def _has_ended(server: Server, build: Object) -> bool:
    name, phase = build["metadata"]["name"], build["status"]["phase"]
    if phase in ("Failed", "Cancelled", "Error"):
        raise OcError(f'the build {server.namespace}/{name} status is "{phase}"')
    return bool(phase == "Complete")


def _named(items: list[Object], name: str) -> Object:
    return next(item for item in items if item["name"] == name)


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return packed.getvalue()


def _refusal(error: urllib.error.HTTPError) -> str:
    status = json.load(error)
    return f"Error from server ({status['reason']}): {status['message']}"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def install(folder: Path, *, record: Path | None = None) -> Path:
    """Make a program ``oc`` in ``folder``, and return its path; it writes its call into ``record`` (JSON) first."""
    program = folder / "oc"
    argv = [sys.executable, "-I", __file__, *([f"--record={record}"] if record else [])]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
    program.chmod(0o755)
    return program


def main(argv: list[str]) -> int:
    """Do as ``oc`` does; return the exit code."""
    parser = argparse.ArgumentParser(prog="oc", allow_abbrev=False)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("verb", choices=["start-build"])
    parser.add_argument("name")
    parser.add_argument("--from-dir", type=Path, required=True)
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--namespace", default="")
    given = parser.parse_args(argv)
    if given.record:
        typed = [word for word in argv if not word.startswith("--record=")]
        files = sorted(path.name for path in given.from_dir.iterdir())
        given.record.write_text(json.dumps({"argv": typed, "files": files, "environment": dict(os.environ)}))
    try:
        server = Server(Path(os.environ["KUBECONFIG"]), given.namespace)
        start_build(server, given.name, given.from_dir, follow=given.follow, wait=given.wait)
    except OcError as error:
        _complain(str(error) if str(error).startswith("Error from server") else f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
