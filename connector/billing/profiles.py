"""Companies, their SIP profiles and their carrier trunks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from peewee import fn

from connector.billing.models import Call, Company, Number, Profile, Trunk
from connector.billing.store import reading, writing
from connector.core import credentials, plans
from connector.core.numbers import e164
from connector.core.sip import CarrierTrunk, SipAccount
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
class Credentials:
    """What a PBX signs in with. The password is known here and now, and never again."""

    username: str
    password: str
    realm: str


def create_company(name: str, currency: str, time_zone: str, now: int) -> None:
    """Create a company. BadInput if the name is taken."""
    with writing():
        if Company.get_or_none(Company.name == name):
            raise BadInput(f"there is a company {name!r} already")
        Company.create(name=name, currency=currency, time_zone=time_zone, created_at=now)


def companies() -> list[str]:
    """The names of all companies, oldest first."""
    with reading():
        return [row.name for row in Company.select().order_by(Company.id)]


def create_profile(name: str, channels: int, realm: str, now: int, company: str | None = None) -> Credentials:
    """Create a profile of role `server` whose PBX registers to us; 0 channels make an inactive one.

    Without `company` there has to be exactly one. Returns the credentials, whose password is kept nowhere. BadInput if
    the name is unfit or taken, or the channels cannot be sold; NotFound if there is no such company.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > MOST_NAME or not wanted.isprintable():
        raise BadInput(f"a profile's name has 1 to {MOST_NAME} printable characters")
    sold = plans.channels_sold(channels) if channels else 0
    username = "p" + "".join(secrets.choice(_LETTERS) for _ in range(10))
    password = secrets.token_urlsafe(24)
    with writing():
        owner = _company(company)
        if Profile.get_or_none((Profile.company == owner) & (Profile.name == wanted)):
            raise BadInput(f"there is a profile {wanted!r} already")
        Profile.create(
            company=owner,
            name=wanted,
            role="server",
            auth="registration",
            username=username,
            realm=realm,
            digest=credentials.digest(username, realm, password),
            channels=sold,
            status="active" if sold else "inactive",
            created_at=now,
        )
    return Credentials(username, password, realm)


def add_number(number: str, profile: str, now: int) -> str:
    """Give a profile a number; it in E.164. BadInput if it is none or taken, NotFound without such a profile."""
    found = e164(number)
    if found is None:
        raise BadInput(f"{number!r} is no number in international form")
    with writing():
        row = _profile(profile)
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
        Trunk.create(company=_company(company), name=name, host=host, port=port, created_at=now)


def move_trunk(name: str, host: str, port: int) -> None:
    """The carrier is at another address now. NotFound if there is no such trunk."""
    with writing():
        if not Trunk.update(host=host, port=port).where(Trunk.name == name).execute():
            raise NotFound(f"there is no trunk {name!r}")


def list_profiles() -> list[ProfileView]:
    """All profiles, by company and name."""
    with reading():
        rows = Profile.select(Profile, Company).join(Company).order_by(Company.name, Profile.name)
        counted = Call.select(Call.profile, fn.COUNT(Call.id)).group_by(Call.profile).tuples()
        in_use = dict(cast("Iterable[tuple[int, int]]", counted))
        numbers: dict[int, list[str]] = {}
        for number in Number.select().where(Number.profile.is_null(False)).order_by(Number.e164):
            numbers.setdefault(number.profile_id or 0, []).append(number.e164)
        return [_view(row, in_use.get(row.id, 0), numbers.get(row.id, [])) for row in rows]


def show_profile(name: str) -> ProfileView:
    """One profile by its name or username; NotFound if there is none."""
    with reading():
        row = _profile(name)
        numbers = [number.e164 for number in Number.select().where(Number.profile == row).order_by(Number.e164)]
        return _view(row, Call.select().where(Call.profile == row).count(), numbers)


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


def _company(name: str | None) -> Company:
    rows = list(Company.select().where(Company.name == name) if name else Company.select().limit(2))
    if not rows:
        raise NotFound(f"there is no company {name!r}" if name else "there is no company yet")
    if len(rows) > 1:
        raise BadInput("there are several companies: say which")
    return rows[0]


def _profile(name: str) -> Profile:
    rows = list(Profile.select().where((Profile.name == name) | (Profile.username == name)).limit(2))
    if not rows:
        raise NotFound(f"there is no profile {name!r}")
    if len(rows) > 1:
        raise BadInput(f"several companies have a profile {name!r}: give its username")
    return rows[0]
