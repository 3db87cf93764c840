"""Texts as people paste them into a pipeline's form, with characters that show little or nothing."""

from __future__ import annotations

PASTED = {
    "a no-break space": "de retour à 10\u00a0h",
    "a narrow no-break space": "à bientôt\u202f!",
    "a soft hyphen": "Wartungs\u00adarbeiten",
    "a zero-width joiner": "l’équipe \U0001f469\u200d\U0001f4bb",
    "a zero-width non-joiner": "می\u200cخواهم",
    "an ideographic space": "工事中\u3000です",
    "CRLF": "one line\r\nand another",
    "marks of direction": "עברית\u200f (a\u2067b\u2069)",
    "a byte order mark": "\ufefftext",
    "a line separator": "one\u2028two",
    "a letter newer than Python's tables": "\U000116d0",
    "a private one": "\ue000",
}
