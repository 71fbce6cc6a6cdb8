"""Finds companies and profiles by what people call them, in the caller's transaction.

If that writes, the company is locked first: what is read here is what is changed.
"""

from __future__ import annotations

from connector.billing.models import Company, Profile
from connector.billing.store import lock
from connector.errors import BadInput, NotFound


def company_row(name: str | None) -> Company:
    """A company by its name, or the only one there is. NotFound; BadInput if there are several."""
    lock("name = ?", name) if name else lock("1 = 1")
    rows = list(Company.select().where(Company.name == name) if name else Company.select().limit(2))
    if not rows:
        raise NotFound(f"there is no company {name!r}" if name else "there is no company yet")
    if len(rows) > 1:
        raise BadInput("there are several companies: say which")
    return rows[0]


def profile_row(name: str) -> Profile:
    """A profile by its name or username; NotFound. BadInput if several companies have one."""
    lock("id IN (SELECT company_id FROM profile WHERE name = ? OR username = ?)", name, name)
    rows = list(Profile.select().where((Profile.name == name) | (Profile.username == name)).limit(2))
    if not rows:
        raise NotFound(f"there is no profile {name!r}")
    if len(rows) > 1:
        raise BadInput(f"several companies have a profile {name!r}: give its username")
    return rows[0]


def open_profile_row(name: str) -> Profile:
    """A profile that was not deleted, as `profile_row`; BadInput if it was."""
    row = profile_row(name)
    if row.status == "archived":
        raise BadInput(f"the profile {name!r} was deleted")
    return row
