"""Finds profiles, numbers, calls, invoices and trunks by what somebody remembers of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from connector.core import invoices
from connector.core.access import Scope
from connector.database.store import fitting, reading, rows

MOST = 10
# Of a number fewer digits say nothing, and of a call's id fewer signs.
LEAST_DIGITS, LEAST_OF_ID = 3, 6
# Each kind: the permission to see it, and how it is found. `?` is how its name contains or begins.
_PROFILES = (
    "SELECT p.username, p.name, c.name FROM profile p JOIN company c ON c.id = p.company_id"
    " WHERE p.status <> 'archived' AND (LOWER(p.name) LIKE ? ESCAPE '!' OR p.username LIKE ? ESCAPE '!')"
)
_NUMBERS = (
    "SELECT n.e164, COALESCE(p.name, ''), c.name FROM number n JOIN company c ON c.id = n.company_id"
    " LEFT JOIN profile p ON p.id = n.profile_id WHERE n.released_at IS NULL AND n.e164 LIKE ? ESCAPE '!'"
)
_CALLS = (
    "SELECT cdr.id, COALESCE(cdr.called, cdr.dialled), c.name FROM cdr JOIN company c ON c.id = cdr.company_id"
    " WHERE cdr.id >= ? AND cdr.id < ?"
)
_TRUNKS = "SELECT t.name, t.host, '' FROM trunk t WHERE LOWER(t.name) LIKE ? ESCAPE '!' AND t.profile_id IS NULL"
_INVOICES = (
    "SELECT i.id, i.series, i.number, c.name FROM invoice i JOIN company c ON c.id = i.company_id WHERE i.number = ?"
)


@dataclass(frozen=True)
class Found:
    """Something found. `kind`: profile, number, call, invoice or trunk; `key` names it in an address, `name` and
    `about` to people.
    """

    kind: str
    key: str
    name: str
    about: str
    company: str


def found(scope: Scope, text: str, may: Collection[str]) -> list[Found]:
    """What is found by a text, of each kind `MOST` at the most, of those that somebody with these permissions sees."""
    wanted = "".join(char for char in text if char.isprintable()).strip().lower()
    digits = "".join(char for char in wanted if char.isascii() and char.isdigit())
    only_number = bool(digits) and set(wanted) <= set("0123456789+()-./ \u00a0")
    if not wanted:
        return []
    made: list[Found] = []
    with reading():
        if "profiles.read" in may:
            inside = _inside(wanted)
            mine = (("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
            sql, values = fitting(_PROFILES, *mine)
            got = rows(f"{sql} ORDER BY p.name LIMIT ?", inside, _begins(wanted), *values, MOST)
            made += [Found("profile", key, name, key, company) for key, name, company in got]
        if "numbers.read" in may and only_number and len(digits) >= LEAST_DIGITS:
            mine = (("n.company_id = ?", scope.company), ("n.profile_id = ?", scope.profile))
            sql, values = fitting(_NUMBERS, *mine)
            got = rows(f"{sql} ORDER BY n.e164 LIMIT ?", _inside(digits.lstrip("0") or digits), *values, MOST)
            made += [Found("number", key, key, about, company) for key, about, company in got]
        if "calls.read" in may and len(wanted) >= LEAST_OF_ID and set(wanted) <= set("0123456789abcdef"):
            mine = (("cdr.company_id = ?", scope.company), ("cdr.profile_id = ?", scope.profile))
            sql, values = fitting(_CALLS, *mine)
            got = rows(f"{sql} ORDER BY cdr.id LIMIT ?", wanted, f"{wanted}g", *values, MOST)
            made += [Found("call", key, key, about, company) for key, about, company in got]
        if "money.read" in may and scope.profile is None and digits and len(digits) <= 9:
            sql, values = fitting(_INVOICES, ("i.company_id = ?", scope.company))
            got = rows(f"{sql} ORDER BY i.id DESC LIMIT ?", int(digits), *values, MOST)
            named = [Found("invoice", str(row[0]), invoices.number(row[1], row[2]), "", row[3]) for row in got]
            made += [each for each in named if wanted in each.name.lower()]
        if "trunks.read" in may and scope.profile is None:
            got = rows(f"{_TRUNKS} ORDER BY t.name LIMIT ?", _inside(wanted), MOST)
            made += [Found("trunk", key, key, about, company) for key, about, company in got]
    return made


def _inside(text: str) -> str:
    """A pattern of what contains a text."""
    return f"%{_begins(text)}"


def _begins(text: str) -> str:
    """A pattern of what begins with a text."""
    return "".join(f"!{char}" if char in "!%_" else char for char in text) + "%"
