"""Requests to the API server by plain HTTPS: as they are written, without a client's ideas."""

from __future__ import annotations

import json
from typing import Any

import urllib3

from tests.rehearsal.apiserver.conftest import Api


def send(
    api: Api, method: str, path: str, body: Any = None, *, token: str = "admin-token", kind: str = "application/json"
) -> tuple[int, Any]:
    """Send a request; returns the status and what the answer holds, of a watch the list of its events."""
    headers = {"User-Agent": "tester/1.0"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
    if content is not None:
        headers["Content-Type"] = kind
    with urllib3.PoolManager(ca_certs=str(api.ca), retries=False) as pool:
        answer = pool.request(method, api.server.url + path, body=content, headers=headers)
        if not answer.headers["Content-Type"].startswith("application/json"):
            return answer.status, answer.data
        documents = [json.loads(line) for line in answer.data.splitlines()]
        return answer.status, documents if "watch=true" in path else documents[0]
