"""Companies, their SIP profiles and their carrier trunks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from peewee import fn

from connector.billing import plans
from connector.billing.models import Call, Company, Number, Profile, Trunk
from connector.billing.named import company_row, profile_row
from connector.billing.store import reading, writing
from connector.core import credentials
from connector.core.money import checked_currency
from connector.core.numbers import e164
from connector.core.sip import CarrierTrunk, SipAccount
from connector.core.times import checked_zone
from connector.errors import BadInput, NotFound

MOST_NAME = 60
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for another
_TRUNK_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class ProfileView:
    """A profile as people and programs see it: no secret in it."""

    name: str
    username: str
    company: str
    role: str
    auth: str
    status: str
    channels: int
    channels_in_use: int
    numbers: list[str]
    created_at: int


@dataclass(frozen=True)
class CompanyView:
    """A company: its currency, and the time zone of its calendar days."""

    id: int
    name: str
    currency: str
    time_zone: str


@dataclass(frozen=True)
class Credentials:
    """What a PBX signs in with. The password is known here and now, and never again."""

    username: str
    password: str
    realm: str


def create_company(name: str, currency: str, time_zone: str, now: int) -> None:
    """Create a company. BadInput if the name is unfit or taken, or there is no such currency or time zone."""
    checked_currency(currency)
    checked_zone(time_zone)
    if not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise BadInput(f"a company's name has 1 to {MOST_NAME} printable characters")
    with writing():
        if Company.get_or_none(Company.name == name):
            raise BadInput(f"there is a company {name!r} already")
        Company.create(name=name, currency=currency, time_zone=time_zone, created_at=now)


def company_views() -> list[CompanyView]:
    """All companies, oldest first."""
    with reading():
        return [
            CompanyView(row.id, row.name, row.currency, row.time_zone) for row in Company.select().order_by(Company.id)
        ]


def create_profile(name: str, channels: int, realm: str, now: int, company: str | None = None) -> Credentials:
    """Create a profile of role `server` whose PBX registers to us, and buy it channels; 0 make an inactive one.

    Without `company` there has to be exactly one; its balance pays. Returns the credentials, whose password is kept
    nowhere. BadInput, and no profile, if the name is unfit or taken, or the channels cannot be sold or paid; NotFound
    if there is no such company.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > MOST_NAME or not wanted.isprintable():
        raise BadInput(f"a profile's name has 1 to {MOST_NAME} printable characters")
    username = "p" + "".join(secrets.choice(_LETTERS) for _ in range(10))
    password = secrets.token_urlsafe(24)
    with writing():
        owner = company_row(company)
        if Profile.get_or_none((Profile.company == owner) & (Profile.name == wanted)):
            raise BadInput(f"there is a profile {wanted!r} already")
        row = Profile.create(
            company=owner,
            name=wanted,
            role="server",
            auth="registration",
            username=username,
            realm=realm,
            digest=credentials.digest(username, realm, password),
            channels=0,
            status="inactive",
            created_at=now,
        )
        if channels:
            plans.begin(row, channels, 0, now)
    return Credentials(username, password, realm)


def add_number(number: str, profile: str, now: int) -> str:
    """Give a profile a number; it in E.164. BadInput if it is none or taken, NotFound without such a profile."""
    found = e164(number)
    if found is None:
        raise BadInput(f"{number!r} is no number in international form")
    with writing():
        row = profile_row(profile)
        if Number.get_or_none(Number.e164 == found):
            raise BadInput(f"the number {found} is taken")
        Number.create(company=row.company, profile=row, e164=found, created_at=now)
    return found


def create_trunk(name: str, host: str, port: int, now: int, company: str | None = None) -> None:
    """Create a carrier trunk, known by address and UDP port. BadInput if the name is unfit or taken."""
    if not _TRUNK_NAME.fullmatch(name):
        raise BadInput("a trunk's name begins with a letter and has only a-z, 0-9 and '-', at most 31 of them")
    with writing():
        if Trunk.get_or_none(Trunk.name == name):
            raise BadInput(f"there is a trunk {name!r} already")
        Trunk.create(company=company_row(company), name=name, host=host, port=port, created_at=now)


def move_trunk(name: str, host: str, port: int) -> None:
    """The carrier is at another address now. NotFound if there is no such trunk."""
    with writing():
        if not Trunk.update(host=host, port=port).where(Trunk.name == name).execute():
            raise NotFound(f"there is no trunk {name!r}")


def list_profiles() -> list[ProfileView]:
    """All profiles that were not deleted, by company and name."""
    with reading():
        rows = Profile.select(Profile, Company).join(Company).where(Profile.status != "archived")
        rows = rows.order_by(Company.name, Profile.name)
        alive = Call.select(Call.profile, fn.COUNT(Call.id)).where(Call.dead_at.is_null())
        counted = alive.group_by(Call.profile).tuples()
        in_use = dict(cast("Iterable[tuple[int, int]]", counted))
        numbers: dict[int, list[str]] = {}
        for number in Number.select().where(Number.profile.is_null(False)).order_by(Number.e164):
            numbers.setdefault(number.profile_id or 0, []).append(number.e164)
        return [_view(row, in_use.get(row.id, 0), numbers.get(row.id, [])) for row in rows]


def show_profile(name: str) -> ProfileView:
    """One profile by its name or username; NotFound if there is none."""
    with reading():
        row = profile_row(name)
        numbers = [number.e164 for number in Number.select().where(Number.profile == row).order_by(Number.e164)]
        in_use = Call.select().where((Call.profile == row) & Call.dead_at.is_null()).count()
        return _view(row, in_use, numbers)


def sip_accounts() -> list[SipAccount]:
    """Every profile that Asterisk has to know, by username."""
    with reading():
        rows = Profile.select().where(Profile.status != "archived").order_by(Profile.username)
        return [SipAccount(row.username, row.realm, row.digest) for row in rows]


def carrier_trunks() -> list[CarrierTrunk]:
    """Every carrier trunk, by name."""
    with reading():
        return [CarrierTrunk(row.name, row.host, row.port) for row in Trunk.select().order_by(Trunk.name)]


def _view(row: Profile, in_use: int, numbers: list[str]) -> ProfileView:
    return ProfileView(
        name=row.name,
        username=row.username,
        company=row.company.name,
        role=row.role,
        auth=row.auth,
        status=row.status,
        channels=row.channels,
        channels_in_use=in_use,
        numbers=numbers,
        created_at=row.created_at,
    )
