"""Takes out of each line, before it is written, what no reader may see, and what steers a terminal."""

from __future__ import annotations

import re
import threading

MASK = "[hidden]"
END = "-----END [A-Z0-9 ]*PRIVATE KEY-----"
# A part of an end looks like a beginning. So an end that stands alone is matched first, and begins nothing.
KEY = re.compile(rf"(?P<stray>{END})|(-----BEGIN [A-Z0-9 ]*)?PRIVATE KEY-----(.*?(?P<end>{END})|.*)", re.DOTALL)


class Redaction:
    """Redacts lines, one after the other, since a private key has several. Each thread has its own series of lines.

    Attributes:
        secrets: what must not be read: tokens.
    """

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self._of_thread = threading.local()

    @property
    def _in_key(self) -> bool:
        return getattr(self._of_thread, "in_key", False)

    @_in_key.setter
    def _in_key(self, value: bool) -> None:
        self._of_thread.in_key = value

    def forget_key(self) -> None:
        """Let a key that was cut off before its end hide nothing of what follows."""
        self._in_key = False

    def line(self, line: str) -> str:
        """Return the line without secrets, and without what steers a terminal or GitLab's log: others' texts may."""
        return "".join(letter for letter in self._masked(line) if letter.isprintable() or letter == "\t")

    def text(self, text: str) -> str:
        """Return a text of any number of lines as one line, which is no part of the series."""
        in_key, self._in_key = self._in_key, False
        try:
            return self.line(" ".join(text.split()))
        finally:
            self._in_key = in_key

    def _masked(self, line: str) -> str:
        """Return the line without tokens and private keys: a server quotes what it refuses, a whole key in one line."""
        for secret in self.secrets:
            line = line.replace(secret, MASK)
        if not self._in_key or not line:
            return KEY.sub(self._mask, line)
        end = re.search(END, line)
        self._in_key = end is None
        return f"   {MASK}" + (KEY.sub(self._mask, line[end.end() :]) if end else "")

    def _mask(self, key: re.Match[str]) -> str:
        if key["stray"]:
            return key[0]
        self._in_key = key["end"] is None
        return MASK
