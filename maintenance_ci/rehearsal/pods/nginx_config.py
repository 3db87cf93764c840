"""An nginx configuration written for a container, changed so that it runs in a folder, on one address, unprivileged.

The text is edited in place: every line keeps its number, so nginx's own messages name the right one.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<mark>[;{}])
      | (?P<word>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | (?:\\.|\$\{|[^\s;{\\])+)""",
    re.VERBOSE | re.DOTALL,
)
# Directives whose first argument is a path of the file system (a URI, as in `location`, is none).
PATH_DIRECTIVES = frozenset(
    (
        "access_log",
        "alias",
        "auth_basic_user_file",
        "client_body_temp_path",
        "error_log",
        "fastcgi_temp_path",
        "include",
        "lock_file",
        "pid",
        "proxy_cache_path",
        "proxy_temp_path",
        "root",
        "scgi_temp_path",
        "ssl_certificate",
        "ssl_certificate_key",
        "ssl_client_certificate",
        "ssl_dhparam",
        "ssl_trusted_certificate",
        "uwsgi_temp_path",
    )
)
# The image nginx-unprivileged links its log files to the container's output.
OUTPUTS = frozenset(("/dev/stdout", "/dev/stderr", "/var/log/nginx/access.log", "/var/log/nginx/error.log"))
# Where a server listens that names no port, when nginx runs without the rights of root (nginx's documentation).
DEFAULT_PORT = 8000
# Blocks whose lines are a table, not directives (an `include` among them is one all the same).
TABLES = frozenset(("charset_map", "geo", "map", "split_clients", "types"))
ANY_ADDRESS = ("", "*", "0.0.0.0")  # noqa: S104  (what a configuration may say; it is replaced by a loopback address)


class _SyntaxError(Exception):
    """nginx will refuse this text."""


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int


@dataclass
class _Block:
    name: str
    start: int  # just behind its opening brace
    kept: int = 0
    dropped: int = 0


class Rewriter:
    """Rewrites configurations for one container: its folder, its address, and the file that holds its output."""

    def __init__(self, root: Path, address: str, output: Path) -> None:
        self._root = root
        self._address = address
        self._output = output
        self._edits: list[tuple[int, int, str]] = []  # start, end, what comes there

    def rewrite(self, text: str) -> str:
        """Return ``text`` for this container; what nginx will refuse is returned as it is, for nginx to name the fault.

        Paths lead into the container's folder, logs into its output; ``listen`` keeps what the Pod's address can reach
        and nothing else; ``user`` and ``daemon`` are left out, and one worker is enough.
        """
        self._edits = []
        try:
            self._scan(text)
        except _SyntaxError:
            return text
        for start, end, replacement in sorted(self._edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text

    def path(self, path: str) -> str:
        """Where an absolute path of the container lies; anything else (relative, a variable, ``off``) stays."""
        if not path.startswith("/"):
            return path
        if path in OUTPUTS:
            return str(self._output)
        return f"{self._root}{posixpath.normpath(path)}{'/' if path.endswith('/') and path != '/' else ''}"

    def _scan(self, text: str) -> None:
        blocks = [_Block("", 0)]
        words: list[_Word] = []
        for token in _tokens(text):
            if token.text == ";":
                self._directive(words, token.end, blocks[-1])
            elif token.text == "{":
                blocks.append(_Block(words[0].text if words else "", token.end))
            elif token.text == "}":
                self._close(blocks)
            else:
                words.append(token)
                continue
            words = []
        if words or len(blocks) != 1:
            raise _SyntaxError

    def _close(self, blocks: list[_Block]) -> None:
        block = blocks.pop()
        if not blocks:
            raise _SyntaxError
        if block.name == "server" and not block.kept:
            nowhere = f"unix:{self._root}/run/nowhere.sock"
            where = nowhere if block.dropped else f"{self._address}:{DEFAULT_PORT}"
            self._edits.append((block.start, block.start, f' listen "{where}";'))

    def _directive(self, words: list[_Word], end: int, block: _Block) -> None:
        if not words:
            raise _SyntaxError
        name, *arguments = words
        if block.name in TABLES and name.text != "include":
            return
        if name.text in ("user", "daemon"):
            self._edits.append((name.start, end, ""))
        elif name.text == "worker_processes" and arguments:
            self._replace(arguments[0], "1")
        elif name.text in PATH_DIRECTIVES and arguments:
            self._replace(arguments[0], self.path(_unquoted(arguments[0].text)))
        elif name.text == "listen" and arguments:
            self._listen(name, arguments[0], end, block)

    def _listen(self, name: _Word, argument: _Word, end: int, block: _Block) -> None:
        where = _unquoted(argument.text)
        host, _, port = where.rpartition(":") if not where.isdigit() else ("", "", where)
        if where.startswith("unix:"):
            self._replace(argument, f"unix:{self.path(where.removeprefix('unix:'))}")
        elif host in ANY_ADDRESS and port.isdigit():
            self._replace(argument, f"{self._address}:{port}")
        elif where in ANY_ADDRESS:
            self._replace(argument, f"{self._address}:80")  # an address alone: port 80, by nginx's documentation
        else:  # IPv6, the container's own loopback, an address that the Pod does not have: nobody gets there
            self._edits.append((name.start, end, ""))
            block.dropped += 1
            return
        block.kept += 1

    def _replace(self, word: _Word, new: str) -> None:
        if new != _unquoted(word.text):
            self._edits.append((word.start, word.end, f'"{new}"'))


def _tokens(text: str) -> Iterable[_Word]:
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise _SyntaxError
        position = match.end()
        if not match["skip"]:
            yield _Word(match[0], match.start(), match.end())


def _unquoted(word: str) -> str:
    return word[1:-1] if word[:1] in ("'", '"') and word[-1:] == word[:1] else word
