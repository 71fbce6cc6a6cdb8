"""Finds companies, profiles and numbers by what people call them, in the caller's transaction.

If that writes, the company is locked first: what is read here is what is changed.
"""

from __future__ import annotations

from connector.core.access import Scope
from connector.database.models import Company, Number, Profile
from connector.database.store import lock
from connector.errors import BadInput, NotFound, SeveralCompanies


def company_row(name: str | None) -> Company:
    """A company by its name, or the only one there is. NotFound; BadInput if there are several."""
    lock("name = ?", name) if name else lock("1 = 1")
    rows = list(Company.select().where(Company.name == name) if name else Company.select().limit(2))
    if not rows:
        if not name:
            raise NotFound("there is no company yet")
        raise NotFound("there is no company {name!r}", name=name)
    if len(rows) > 1:
        raise SeveralCompanies("There are several companies. Name the one that is meant.")
    return rows[0]


def company_seen(scope: Scope, asked: int | None) -> Company:
    """The company that somebody asks about: the one that is asked for, their own, or the only one. NotFound."""
    number = asked or scope.company
    if number is None:
        return company_row(None)
    lock("id = ?", number)
    row: Company | None = Company.get_or_none(Company.id == number)
    if row is None or scope.company not in (None, number):
        raise NotFound("there is no company {number}", number=number)
    return row


def profile_row(name: str) -> Profile:
    """A profile by its username or name; NotFound. BadInput if several companies have one of that name."""
    lock("id IN (SELECT company_id FROM profile WHERE name = ? OR username = ?)", name, name)
    found = Profile.select().where((Profile.name == name) | (Profile.username == name)).limit(2)
    rows = sorted(found, key=lambda row: row.username != name)
    if rows and rows[0].username == name:
        return rows[0]
    if not rows:
        raise NotFound("there is no profile {name!r}", name=name)
    if len(rows) > 1:
        raise BadInput("several companies have a profile {name!r}: give its username", name=name)
    return rows[0]


def company_and_profile(company: str | None, profile: str | None) -> tuple[Company, Profile | None]:
    """What something is about: a profile and its company, or a company alone. NotFound; BadInput as above."""
    if profile is None:
        return company_row(company), None
    row = profile_row(profile)
    return row.company, row


def open_profile_row(name: str) -> Profile:
    """A profile that was not deleted, as `profile_row`; BadInput if it was."""
    row = profile_row(name)
    if row.status == "archived":
        raise BadInput("the profile {name!r} was deleted", name=name)
    return row


def owner_and_profile(company: str | None, profile: str | None) -> tuple[Company, Profile | None]:
    """Whose something new is: of the profile that it is attached to, or of a company that is named, or the only one.
    BadInput if it is another company's profile.
    """
    if not profile:
        return company_row(company), None
    row = open_profile_row(profile)
    if company not in (None, row.company.name):
        raise BadInput("the profile {profile!r} is another company's", profile=profile)
    return row.company, row


def number_row(e164: str) -> Number:
    """A number that a company has now; NotFound."""
    lock("id = (SELECT company_id FROM number WHERE e164 = ? AND released_at IS NULL)", e164)
    row: Number | None = Number.get_or_none((Number.e164 == e164) & Number.released_at.is_null())
    if row is None:
        raise NotFound("nobody has the number {e164}", e164=e164)
    return row
