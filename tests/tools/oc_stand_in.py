"""A stand-in for ``oc``, which PyPI does not have; ``install`` puts it onto a PATH.

``oc start-build NAME --from-dir=DIR --follow --wait`` makes the requests that the real one makes, in their order, as
recorded on OpenShift 4.21 on 2026-11-28, with the token of its kubeconfig; it prints what the real one prints, and ends
with its exit codes. So a right that the real one would lack fails a job of a test as well. ``oc extract secret/NAME``
prints a key, ``oc whoami --show-server`` the cluster's address; everything else that people type is kubectl's too, and
the real kubectl does it.
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
import sysconfig
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

Object = dict[str, Any]

BUILD, CORE = "apis/build.openshift.io/v1", "api/v1"
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
        self.address = cluster["server"]
        authority = cluster.get("certificate-authority-data")
        self._tls = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"),
            cadata=base64.b64decode(authority).decode() if authority else None,
        )

    def ask(self, group: str, path: str, query: dict[str, str] | None = None, body: bytes | None = None) -> Any:
        """Send a request (a POST where there is a body), and return the answer, which is read by whoever asked."""
        url = f"{self.address}/{group}/namespaces/{self.namespace}/{path}" + (f"?{urlencode(query)}" if query else "")
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
    server.ask(BUILD, f"buildconfigs/{name}").read()
    _complain(f'Uploading directory "{folder}" as binary input for the build ...')
    query = {"name": name, "namespace": server.namespace}
    build = json.load(server.ask(BUILD, f"buildconfigs/{name}/instantiatebinary", query, _packed(folder)))
    started = str(build["metadata"]["name"])
    _complain(".\nUploading finished")
    _print(f"build.build.openshift.io/{started} started")
    if follow:
        try:
            for line in server.ask(BUILD, f"builds/{started}/log", {"follow": "true"}):
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
        listed = json.load(server.ask(BUILD, "builds", selector))
        if any(_has_ended(server, build) for build in listed["items"]):
            return
        since = {"resourceVersion": listed["metadata"]["resourceVersion"], "watch": "true"}
        for line in server.ask(BUILD, "builds", selector | since):
            if _has_ended(server, json.loads(line)["object"]):
                return


def extract(server: Server, secret: str, key: str) -> None:
    """Print a key of a Secret, as it is."""
    found = json.load(server.ask(CORE, f"secrets/{secret.removeprefix('secret/')}"))
    _complain(f"# {key}")
    sys.stdout.buffer.write(base64.b64decode(found["data"][key]))
    sys.stdout.flush()


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
    verbs = parser.add_subparsers(dest="verb", required=True)
    build, secret = verbs.add_parser("start-build"), verbs.add_parser("extract")
    build.add_argument("name")
    build.add_argument("--from-dir", type=Path, required=True)
    build.add_argument("--follow", action="store_true")
    build.add_argument("--wait", action="store_true")
    secret.add_argument("name")
    secret.add_argument("--to", choices=["-"], required=True)
    secret.add_argument("--keys", required=True)
    who = verbs.add_parser("whoami")
    who.add_argument("--show-server", action="store_true", required=True)
    for verb in (build, secret, who):
        verb.add_argument("--namespace", "-n", default="")
    if not verbs.choices.keys() & set(argv):
        kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
        os.execv(kubectl, [str(kubectl), *argv])
    given = parser.parse_args(argv)
    if given.record and given.verb == "start-build":
        typed = [word for word in argv if not word.startswith("--record=")]
        files = sorted(path.name for path in given.from_dir.iterdir())
        given.record.write_text(json.dumps({"argv": typed, "files": files, "environment": dict(os.environ)}))
    try:
        server = Server(Path(os.environ["KUBECONFIG"]), given.namespace)
        if given.verb == "whoami":
            _print(server.address)
        elif given.verb == "extract":
            extract(server, given.name, given.keys)
        else:
            start_build(server, given.name, given.from_dir, follow=given.follow, wait=given.wait)
    except OcError as error:
        _complain(str(error) if str(error).startswith("Error from server") else f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
