"""Telephone numbers, as they are dialled and as we keep them (E.164: `+`, country code, at most 15 digits)."""

from __future__ import annotations

import re

# ASCII digits only: \d would let the digits of other scripts in, which no carrier reads.
_INTERNATIONAL = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})")
MOST_DIALLED = 64


def e164(dialled: str) -> str | None:
    """What was dialled, in E.164, or None if it is no number in international form (`+` or `00` first)."""
    found = _INTERNATIONAL.fullmatch(dialled)
    return f"+{found.group(1)}" if found else None


def from_the_wire(dialled: str, form: str) -> str:
    """A number as a trunk of this form says it, in international form: a bare one gets its `+`."""
    return "+" + dialled if form == "bare" and dialled[:1] in set("123456789") else dialled


def recorded(text: str) -> str:
    """What the network sent, fit to be kept: printable, and at most 64 characters of it."""
    return "".join(char if char.isprintable() else "?" for char in text[:MOST_DIALLED])
