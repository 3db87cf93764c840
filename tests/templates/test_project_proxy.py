"""A proxy in front of GitLab that decodes addresses, as Apache and some load balancers do when they are told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.templates.project import TemplateProject

ROUTE = "kind: Route\n"
# What GitLab, which takes addresses apart at their slashes, finds of the project 7, ops/route-templates.
KNOWN = {"shop.yaml", "routes%2Fshop.yaml"}


class GitLab(BaseHTTPRequestHandler):
    """GitLab's address of a raw file; behind a proxy that decodes where the server says so."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        match (unquote(path) if self.server.server_address in DECODING else path).split("/")[1:]:
            case ["api", "v4", "projects", "7" | "ops%2Froute-templates", "repository", "files", file, "raw"]:
                status, kind, body = (200, "text/plain", ROUTE) if file in KNOWN else missing("404 File Not Found")
            case ["api", "v4", "projects", _, "repository", "files", _, "raw"]:
                status, kind, body = missing("404 Project Not Found")
            case _:
                status, kind, body = 404, "application/json", '{"error":"404 Not Found"}'
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in http.server
        """Say nothing."""


DECODING: set[object] = set()


def missing(message: str) -> tuple[int, str, str]:
    return 404, "application/json", f'{{"message":"{message}"}}'


@pytest.fixture
def gitlab() -> Iterator[str]:
    """The address of a GitLab."""
    with ThreadingHTTPServer(("127.0.0.1", 0), GitLab) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
        DECODING.discard(server.server_address)


@pytest.fixture
def decoding(gitlab: str) -> str:
    """The address of one behind such a proxy."""
    DECODING.add(("127.0.0.1", int(gitlab.rpartition(":")[2])))
    return gitlab


HINT = "decodes %2F in addresses"


def read(url: str, project: str, path: str = "shop.yaml") -> str:
    return TemplateProject(url, project, job_token="t").read(path)


def refusal(url: str, project: str, path: str = "shop.yaml") -> str:
    with pytest.raises(MaintenanceError) as refused:
        read(url, project, path)
    assert "(404)" in refused.value.what
    return refused.value.advice


def test_the_404_of_a_proxy_that_decodes_addresses_says_so_and_that_the_project_s_number_helps(decoding: str) -> None:
    advice = refusal(decoding, "ops/route-templates")
    assert HINT in advice
    assert "the project's number in ROUTE_TEMPLATES_PROJECT helps" in advice
    assert read(decoding, "7") == ROUTE  # it does


def test_its_404_for_a_file_in_a_folder_says_that_a_path_without_folders_helps(decoding: str) -> None:
    assert "a ROUTE_TEMPLATE_PATH without folders" in refusal(decoding, "7", "routes/shop.yaml")


def test_gitlab_s_own_404_blames_no_proxy(gitlab: str) -> None:
    assert read(gitlab, "ops/route-templates") == read(gitlab, "7", "routes/shop.yaml") == ROUTE
    assert HINT not in refusal(gitlab, "ops/other")
    assert HINT not in refusal(gitlab, "ops/route-templates", "routes/other.yaml")
    assert HINT not in refusal(gitlab, "8", "other.yaml")
