"""The calls to emergency numbers pass no gate: what the dialplan did with them is read from Asterisk's journal."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core.access import Scope
from connector.core.paging import Page, Turn, page
from connector.database.models import EmergencyCall, Profile
from connector.database.store import fitting, insert, one, reading, rows, writing


@dataclass(frozen=True)
class EmergencyView:
    """A call to an emergency number, when it was answered or over; `outcome`: `local`, it went to the local route;
    `unavailable`, there was none; `limited`, the profile had too many at once.
    """

    id: str
    node: str
    profile: str | None
    dialled: str
    outcome: str
    at: int


_VIEW = (
    "SELECT e.id, e.node, p.name, e.dialled, e.outcome, e.at FROM emergency_call e"
    " LEFT JOIN profile p ON p.id = e.profile_id WHERE 1 = 1"
)


def record(leg: str, node: str, username: str, dialled: str, outcome: str, at: int) -> bool:
    """Keep one, by the leg that it came on; whether it is new."""
    key = f"{node}/{leg}"
    with writing():
        if one(EmergencyCall, "id = ?", key) is not None:
            return False
        profile = one(Profile, "username = ?", username)
        insert(
            EmergencyCall, id=key, node=node, profile_id=profile and profile.id, dialled=dialled, outcome=outcome, at=at
        )
        return True


def last_at(node: str) -> int:
    """When the last one of a node was, as far as is known; 0 if there was none."""
    with reading():
        ((at,),) = rows("SELECT COALESCE(MAX(at), 0) FROM emergency_call WHERE node = ?", node)
        return int(at)


def page_of(scope: Scope, wanted: Turn) -> Page[EmergencyView]:
    """Those that somebody sees, newest first."""
    of_whom = (("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
    sql, values = fitting(_VIEW, *of_whom, ("(e.at, e.id) < (?, ?)", wanted.after))
    with reading():
        found = rows(f"{sql} ORDER BY e.at DESC, e.id DESC LIMIT ?", *values, wanted.limit + 1)
        return page([EmergencyView(*row) for row in found], wanted, lambda view: (view.at, view.id))


def listed(limit: int = 100) -> list[EmergencyView]:
    """The newest, newest first."""
    with reading():
        return [EmergencyView(*row) for row in rows(f"{_VIEW} ORDER BY e.at DESC, e.id DESC LIMIT ?", limit)]
