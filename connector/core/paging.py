"""Pages of long lists: by the key of the last row seen, never by counting rows, so that the millionth is as quick."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from connector.errors import BadInput

MOST_ROWS = 200
USUAL_ROWS = 50
_MOST_CURSOR = 400

T = TypeVar("T")
Key = tuple[int | str, ...]


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list; `next` asks for those that follow, None after the last."""

    items: list[T]
    next: str | None


@dataclass(frozen=True)
class Turn:
    """Which page is wanted: the rows after a key, so many at most."""

    after: Key | None = None
    limit: int = USUAL_ROWS


def turn(cursor: str | None, limit: int, kinds: str) -> Turn:
    """What a cursor says. `kinds` are its key's: `i` an integer, `s` a text. BadInput if it is none of ours."""
    if cursor is None:
        return Turn(None, limit)
    try:
        if len(cursor) > _MOST_CURSOR:
            raise ValueError(cursor)
        key = json.loads(base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadInput("Invalid cursor. Use the value of `next` from the previous page.") from None
    wanted = tuple(int if kind == "i" else str for kind in kinds)
    if not isinstance(key, list) or tuple(type(part) for part in key) != wanted:
        raise BadInput("this cursor is of another list")
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in key) or not _is_text(key):
        raise BadInput("Invalid cursor. Use the value of `next` from the previous page.")
    return Turn(tuple(key), limit)


def _is_text(key: list[int | str]) -> bool:
    """Whether its texts can be stored: no half surrogate, no NUL."""
    try:
        return b"\0" not in "".join(part for part in key if isinstance(part, str)).encode()
    except UnicodeEncodeError:
        return False


def page(rows: Sequence[T], wanted: Turn, key: Callable[[T], Key]) -> Page[T]:
    """A page of what was found: ask for one row more than the limit, and its being there tells that more follow."""
    shown = list(rows[: wanted.limit])
    more = len(rows) > wanted.limit
    return Page(shown, cursor(key(shown[-1])) if more else None)


def every(ask: Callable[[Turn], Page[T]], kinds: str, most: int | None = None) -> list[T]:
    """All rows of a list, or the first `most` of them, page by page. `kinds` as in `turn`."""
    found: list[T] = []
    following: str | None = None
    while True:
        got = ask(turn(following, MOST_ROWS, kinds))
        found += got.items
        following = got.next
        if following is None or (most is not None and len(found) >= most):
            return found[:most]


def cursor(key: Key) -> str:
    """A key as a cursor: opaque to who asks, and no secret."""
    text = json.dumps(key, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
