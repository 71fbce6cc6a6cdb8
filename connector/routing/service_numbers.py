"""The short service numbers that a profile may call, and their prices (core/service_numbers.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from connector.core.numbering import emergency_of
from connector.core.service_numbers import MOST_OF_PROFILE, ServiceNumber, checked
from connector.database import reference
from connector.database.audit import audited
from connector.database.models import Company
from connector.database.models import ServiceNumber as Row
from connector.database.named import open_profile_row, profile_row
from connector.database.store import insert, reading, rows, run, writing
from connector.errors import BadInput

_COLUMNS = "digits, name, price_per_minute_micros, connection_fee_micros"
_ONE = f"SELECT {_COLUMNS} FROM service_number WHERE profile_id = ? AND digits = ?"
_ALL = f"SELECT {_COLUMNS} FROM service_number WHERE profile_id = ? ORDER BY digits"


@dataclass(frozen=True)
class ServiceNumbersView:
    """A profile's service numbers, by their digits; money in micros."""

    profile: str
    currency: str
    numbers: list[ServiceNumber]


def find(profile: int, digits: str | None) -> ServiceNumber | None:
    """The service number of a profile with these digits, in the caller's transaction; None if it has none such."""
    found = reference.rows(_ONE, profile, digits) if digits and len(digits) <= 6 else []
    return ServiceNumber(*found[0]) if found else None


def show(profile: str) -> ServiceNumbersView:
    """A profile's service numbers. NotFound."""
    with reading():
        row = profile_row(profile)
        found = [ServiceNumber(*columns) for columns in rows(_ALL, row.id)]
        return ServiceNumbersView(row.name, Company.get_by_id(row.company_id).currency, found)


@audited("profile.service-numbers")
def change(profile: str, allow: Sequence[ServiceNumber], forget: Sequence[str] = ()) -> ServiceNumbersView:
    """Allow service numbers, and take others away; all of it or nothing. BadInput if one is an emergency number."""
    twice = [digits for digits, count in Counter(number.digits for number in allow).items() if count > 1]
    if twice:
        raise BadInput("{twice} is listed twice. List it once, with one price.", twice=twice[0])
    with writing():
        row = open_profile_row(profile)
        emergency = emergency_of(row.country, row.emergency)
        for digits in [*forget, *(number.digits for number in allow)]:
            run("DELETE FROM service_number WHERE profile_id = ? AND digits = ?", row.id, digits)
        for number in allow:
            insert(Row, profile_id=row.id, **vars(checked(number, emergency)))
        if len(rows(_ALL, row.id)) > MOST_OF_PROFILE:
            raise BadInput("a profile has at most {most_of_profile} service numbers", most_of_profile=MOST_OF_PROFILE)
        return show(profile)
