"""Tokens and certificates as teams give them: as text, or as the path of a file (GitLab's variables of type File).

A message never holds a value: it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import os
import re
import ssl
import stat

# Bytes. A system's whole bundle has some 250,000.
MAX_CERTIFICATES, MAX_TOKEN = 4 * 1024 * 1024, 16 * 1024
TOKEN = re.compile(r"[\x21-\x7e]+")
# A byte order mark and a space without width, as they come with copying.
INVISIBLE = "\ufeff\u200b"
BEGIN = "-----BEGIN"
# A certificate in a text that may also hold keys. X509 is an older word of OpenSSL's, TRUSTED a kind of its own.
FIRST_LINE = re.compile(r"-----BEGIN (?P<kind>(?:X509 |TRUSTED )?CERTIFICATE)-----")
BLOCK = re.compile(rf"{FIRST_LINE.pattern}(?P<body>[^-]*)-----END (?P=kind)-----")
# Between the lines of a block: blanks, and the line breaks of a value that went through JSON.
BREAKS = re.compile(r"\s|\\[rn]")


def read_file(path: str, limit: int) -> bytes:
    """Return what a file holds, ``limit`` bytes at the most.

    Raises:
        ValueError: it is none, cannot be read, or is longer; says so as the end of a sentence about a variable.
    """
    unreadable = ValueError("names a file that is not there, or cannot be read")
    try:
        # Not blocking: a FIFO that nobody writes to would hold the job for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # a name that no file can have
        raise unreadable from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("names something that is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        try:
            content = file.read(limit + 1)
        except OSError:
            raise unreadable from None
    if len(content) > limit:
        raise ValueError(f"names a file of more than {limit} bytes")
    return content


def read_token(value: str) -> str:
    """Return a token, from the file at ``value`` where that is an absolute path: GitLab gives those of a File variable.

    Blanks and line breaks around it, as they come with copying, are no part of it.

    Raises:
        ValueError: it is none, or the file holds none.
    """
    text = value.strip().strip(INVISIBLE)
    if text.startswith("/"):
        # Latin-1 reads any byte; what is no ASCII is no token.
        text = read_file(text, MAX_TOKEN).removeprefix(codecs.BOM_UTF8).decode("latin-1").strip()
        if not TOKEN.fullmatch(text):
            raise ValueError("names a file that holds no token: one line without spaces is expected")
    if not TOKEN.fullmatch(text):
        raise ValueError("must be a token: no spaces, no line breaks, and no characters that cannot be seen")
    if text.startswith("$"):
        raise ValueError("must be a token, not the name of another variable: GitLab did not fill that in")
    if text[0] in "\"'":
        raise ValueError("must be a token without quotes around it")
    return text


def read_certificates(value: str) -> str:
    """Return the certificates of a PEM text, or of the file at that path, and nothing else of it.

    Raises:
        ValueError: there are none, or one of them cannot be read.
    """
    if BEGIN in value:
        return certificates_of(value)
    try:
        content = read_file(value.strip(), MAX_CERTIFICATES)
    except ValueError as error:
        raise ValueError(f"must be PEM certificates, or the path of a file that holds them: {error}") from None
    return certificates_of(decoded(content))


def decoded(content: bytes) -> str:
    """Return a file as text of which the ASCII is right; PowerShell writes UTF-16."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "latin-1", errors="replace")


def certificates_of(text: str) -> str:
    """Return the certificates of a PEM text in the plainest form, which every client reads.

    Raises:
        ValueError: there are none, or one of them cannot be read.
    """
    certificates, trusted = [], ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for number, block in enumerate(BLOCK.finditer(text), 1):
        try:
            content = _first_element(base64.b64decode(BREAKS.sub("", block["body"]), validate=True))
            trusted.load_verify_locations(cadata=content)
        except (binascii.Error, ssl.SSLError, ValueError):
            raise ValueError(f"holds a certificate, its number {number}, that cannot be read") from None
        certificates.append(ssl.DER_cert_to_PEM_cert(content))
    if not certificates:
        raise ValueError("holds no certificate that can be read: PEM is expected")
    if len(FIRST_LINE.findall(text)) > len(certificates):
        raise ValueError("holds a certificate whose end is missing")
    return "".join(dict.fromkeys(certificates))


def _first_element(content: bytes) -> bytes:
    """Return the certificate alone: OpenSSL's TRUSTED ones are followed by what they are trusted for (DER, X.690)."""
    size, start = content[1] if len(content) > 1 else 0, 2
    if size > 0x80:
        start += size - 0x80
        size = int.from_bytes(content[2:start], "big")
    return content[: start + size]
