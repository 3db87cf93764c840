"""``maintenance-ci page``: the page on the loopback, with the pipeline's variables."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.tools.browser import chromium
from tests.tools.served_page import HTML, Answer, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXTS = {
    "MAINTENANCE_TITLE": 'Tom & <b> | 50 % off $HOME "\\',
    "MAINTENANCE_MESSAGE": "one\ntwo",
    "MAINTENANCE_TITLE_FR": "À bientôt",
    "MAINTENANCE_END": "2026-11-30T06:00+01:00",
    "MAINTENANCE_STATUS_URL": "https://status.example.test/?a=1&b=2",
    "MAINTENANCE_SIGNATURE": "Équipe",
    "MAINTENANCE_STATUS": "503",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def start(folder: Path, variables: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "maintenance_ci", "page", *arguments],
        cwd=folder, env={"PATH": os.defpath, **variables}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextlib.contextmanager
def shown(folder: Path, variables: Mapping[str, str], *arguments: str) -> Iterator[int]:
    """Run the command, and yield its port once it says that the page is there."""
    port = free_port()
    process = start(folder, variables, "--port", str(port), *arguments)
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("The page is at "):
                break
        else:
            raise AssertionError(f"it ended with {process.wait()}")
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
    assert process.wait(timeout=20) == 0


def ask(port: int, *headers: str) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        lines = ["GET /a/b?c=d HTTP/1.1", f"Host: localhost:{port}", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return read_answer(connection)


def test_the_page_with_the_pipeline_s_variables(tmp_path: Path) -> None:
    with shown(tmp_path, TEXTS) as port:
        page = ask(port, HTML, "X-Maintenance-Status: 200", "X-Maintenance-Texts: forged|||")
        assert page.status == 503
        assert page.html.heading == TEXTS["MAINTENANCE_TITLE"]
        assert page.html.texts[0] == "one\ntwo"
        assert page.html.texts[-1] == "— Équipe"
        assert TEXTS["MAINTENANCE_STATUS_URL"] in page.html.links.values()
        assert "30 November 2026 at 06:00" in page.html.texts[1]
        assert ask(port, HTML, "Accept-Language: fr").html.heading == "À bientôt"
        assert ask(port, "Accept: application/json").json["title"] == TEXTS["MAINTENANCE_TITLE"]
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_without_variables_it_has_its_own_words_and_nobody_s_headers(tmp_path: Path) -> None:
    with shown(tmp_path, {}, "--language", "de") as port:
        page = ask(port, HTML, "X-Maintenance-Texts: forged|||", "X-Maintenance-End: x", "Accept-Language: fr")
    assert (page.status, page.language) == (200, "de")
    assert page.html.heading == "Dieser Dienst ist zurzeit nicht verfügbar"


def ended(folder: Path, variables: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    process = start(folder, variables, *arguments)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_what_it_cannot_do_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = ended(tmp_path, {}, "--port", str(taken.getsockname()[1]))
    assert (code, "--port: nobody can listen on 127.0.0.1:" in output, output.count("\n")) == (2, True, 1)
    code, output = ended(tmp_path, {"MAINTENANCE_END": "soon"})
    assert (code, "MAINTENANCE_END" in output, output.count("\n")) == (2, True, 1)
    code, output = ended(tmp_path, {"PATH": str(tmp_path)}, "--screenshot", "page.png")
    assert (code, "There is no Chromium on PATH" in output, output.count("\n")) == (1, True, 1)


def test_a_picture_of_the_page(tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(chromium()).parent), os.defpath))
    arguments = ("--port", str(free_port()), "--screenshot", "page.png", "--language", "fr")
    code, output = ended(tmp_path, {"PATH": path, "HOME": str(tmp_path)}, *arguments)
    assert (code, output.strip()) == (0, f"{tmp_path}/page.png shows the page.")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (1280, 900)
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20, "there is nothing in it"


def test_a_folder_that_nginx_cannot_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_text("FROM nginx\nCOPY default.conf /etc/nginx/conf.d/default.conf\n")
    (tmp_path / "docker/default.conf").write_text("server {\n  bogus on;\n}\n")
    code, output = ended(tmp_path, {}, "--port", str(free_port()), "--docker", "docker")
    assert code == 1
    assert 'unknown directive "bogus" in /etc/nginx/conf.d/default.conf:2' in output
    (tmp_path / "docker/Dockerfile").write_text("FROM nginx\nCOPY missing /x\n")
    code, output = ended(tmp_path, {}, "--port", str(free_port()), "--docker", "docker")
    assert (code, "The page's image cannot be built" in output) == (1, True)
