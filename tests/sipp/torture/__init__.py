"""Messages that a SIP stack has to survive, written after RFC 4475: a name of its section each, and what it tries.

`@name@` is filled in: host and port of the server (`at`) and of the sender (`me`), a branch and an id of their own.
"""

from __future__ import annotations

import secrets
from pathlib import Path

FOLDER = Path(__file__).parent


def messages(at: str, me: str) -> dict[str, bytes]:
    """All of them by name, with CRLF at the ends of lines."""
    made = {}
    for part in (FOLDER / "messages.txt").read_text().split("\n===== ")[1:]:
        title, _, text = part.partition("\n")
        name = title.split(" ", 1)[0]
        filled = text.rstrip("\n") + "\n"
        for word, value in (
            ("at", at),
            ("me", me),
            ("branch", "z9hG4bK" + secrets.token_hex(8)),
            ("id", secrets.token_hex(8)),
            ("long", "a" * 600),
        ):
            filled = filled.replace(f"@{word}@", value)
        head, separator, body = filled.partition("\n\n")
        raw = head.replace("\n", "\r\n") + "\r\n\r\n" + (body.replace("\n", "\r\n") if separator else "")
        made[name] = raw.encode().replace(b"<00>", b"\0").replace(b"<ff>", b"\xff")
    return made
