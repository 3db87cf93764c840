"""Send recorded requests to the embedded API server, over TLS, and hold its answers against the recorded ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3

from tests.rehearsal.recordings.comparison import Names, differences
from tests.rehearsal.recordings.lab import TOKEN, Lab

Object = dict[str, Any]
USER_AGENT = "python-requests/2.32"  # the recorder's: it names the manager of the fields that it sets


class Replay:
    """A client of the cluster that speaks as the recorder did."""

    def __init__(self, lab: Lab) -> None:
        self.recorded, self.ours = Names(), Names()
        self._versions: dict[str, str] = {}
        self._url = lab.url
        self._headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": USER_AGENT}
        self._pool = urllib3.PoolManager(ca_certs=str(lab.ca), retries=False, maxsize=16)

    def send(self, method: str, path: str, body: Any = None, content_type: str | None = None) -> tuple[int, str, Any]:
        """One request; returns the status, the content type and the body, parsed where it is JSON."""
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        headers = self._headers | ({"Content-Type": content_type} if content_type else {})
        answer = self._pool.request(method, self._url + path, body=content, headers=headers)
        given = answer.headers["Content-Type"]
        return answer.status, given, answer.json() if given == "application/json" else answer.data.decode()

    def exchange(self, recorded: Object, body: Any = None, mask: Callable[[Any], Any] | None = None) -> list[str]:
        """Send a recorded request, with our uids and versions for the recorded ones; returns how the answers differ.

        ``body`` is sent where the recording has only a word for it; ``mask`` takes out of both bodies what is chance.
        """
        request, response = recorded["request"], recorded["response"]
        content = request["body"] if body is None else body
        if isinstance(content, dict | list):
            content = self._translated(content)
        status, answer_type, answer = self.send(request["method"], request["path"], content, request["contentType"])
        self._learn(response["body"], answer)
        ours = {"status": status, "contentType": answer_type, "body": answer}
        if mask:
            response, ours = ({**one, "body": mask(one["body"])} for one in (response, ours))
        return differences(self.recorded.plain(response), self.ours.plain(ours))

    def _translated(self, body: Any) -> Any:
        content = json.loads(self.ours.translated(json.dumps(body), self.recorded))
        metadata = content.get("metadata", {}) if isinstance(content, dict) else {}
        if "resourceVersion" in metadata:
            metadata["resourceVersion"] = self._versions.get(metadata["resourceVersion"], metadata["resourceVersion"])
        return content

    def _learn(self, recorded: Any, ours: Any) -> None:
        """Remember which of our resourceVersions stands for the recorded one."""
        versions = [one.get("metadata", {}).get("resourceVersion") for one in (recorded, ours) if isinstance(one, dict)]
        if len(versions) == 2 and all(versions):
            self._versions[versions[0]] = versions[1]

    @contextmanager
    def watching(self, *paths: str) -> Iterator[list[Object]]:
        """Watch collections from now on; the list grows while events come, in the order of their coming."""
        seen: list[Object] = []
        streams = [self._watch(path) for path in paths]
        threads = [threading.Thread(target=_read, args=(stream, seen.append)) for stream in streams]
        for thread in threads:
            thread.start()
        try:
            yield seen
            known = -1
            while known != len(seen):  # what was written last is still on its way
                known = len(seen)
                time.sleep(0.1)
        finally:
            for stream in streams:
                stream.shutdown()
            for thread in threads:
                thread.join()

    def _watch(self, path: str) -> urllib3.BaseHTTPResponse:
        _, _, listed = self.send("GET", path)
        since = listed["metadata"]["resourceVersion"]
        url = f"{self._url}{path}?watch=true&resourceVersion={since}"
        return self._pool.request("GET", url, headers=self._headers, preload_content=False)


def _read(stream: urllib3.BaseHTTPResponse, note: Callable[[Object], None]) -> None:
    rest = b""
    with suppress(urllib3.exceptions.ProtocolError):  # how a watch ends that is shut down
        for chunk in stream.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                note(json.loads(line))
