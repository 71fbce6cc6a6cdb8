"""Companies and their SIP profiles."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from peewee import Tuple, fn

from connector.billing import plans
from connector.config import SipSettings
from connector.core import connect, credentials, sip, steps
from connector.core.access import Scope
from connector.core.callers import CallerPolicy
from connector.core.money import checked_currency
from connector.core.numbering import checked_country, checked_emergency, checked_number, emergency_of
from connector.core.paging import Page, Turn, page
from connector.core.sip import Inward, Options
from connector.core.times import checked_zone
from connector.database import vault
from connector.database.audit import audited
from connector.database.models import Call, Company, Number, Profile, Trunk
from connector.database.named import company_row, open_profile_row, profile_row
from connector.database.store import fitting, reading, rows, run, writing
from connector.errors import BadInput
from connector.routing import callers, trunks
from connector.routing.trunks import SignIn
from connector.words import marked

MOST_NAME = 60
MOST_LINES = 500
# After a rotation the old password is good so long: time enough to change it in a PBX on a working day.
OVERLAP_MS = 24 * 3_600_000
_USUAL_CALLER = CallerPolicy()
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for another
_USERNAME = re.compile(f"p[{_LETTERS}]{{10}}")  # a name like it would stand for another company's profile


@dataclass(frozen=True)
class ProfileView:
    """A profile as people and programs see it: no secret in it.

    `status` is the subscription's, or `suspended` if an operator wants that; `state` is what the operator wants.
    `country`: whose numbers its phones dial; None: only international ones. `emergency`: its emergency numbers.
    `caller_id`: what its calls out show.
    `address` and `port`: where its PBX calls from, if it is known by that; a client's provider. `old_until`: until then
    the password before the last rotation is good too.
    """

    name: str
    username: str
    company: str
    role: str
    auth: str
    status: str
    state: str
    channels: int
    channels_in_use: int
    numbers: list[str]
    address: str | None
    port: int | None
    old_until: int | None
    options: Options
    country: str | None
    emergency: tuple[str, ...]
    caller_id: CallerPolicy
    billing_address: str
    contact: str
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
    """What a PBX signs in with. The password is known here and now, and never again; "" if it needs none."""

    username: str
    password: str = field(repr=False)
    realm: str


@audited("company.create")
def create_company(name: str, currency: str, time_zone: str, now: int) -> None:
    """Create a company. BadInput if the name is unfit or taken, or there is no such currency or time zone."""
    checked_currency(currency)
    checked_zone(time_zone)
    checked_company_name(name)
    with writing():
        if Company.get_or_none(Company.name == name):
            raise BadInput("A company {name!r} already exists.", name=name)
        Company.create(name=name, currency=currency, time_zone=time_zone, created_at=now)


def checked_company_name(name: str) -> str:
    """The name of a company, as it was given. BadInput if it is unfit."""
    if not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise BadInput("a company's name has 1 to {most_name} printable characters", most_name=MOST_NAME)
    return name


def company_views() -> list[CompanyView]:
    """All companies, oldest first."""
    with reading():
        return [
            CompanyView(row.id, row.name, row.currency, row.time_zone) for row in Company.select().order_by(Company.id)
        ]


def company_id(name: str) -> int:
    """A company's id, by its name. NotFound."""
    with reading():
        return int(company_row(name).id)


def connection(found: ProfileView, ours: SipSettings) -> connect.Connection:
    """What there is to know for who connects the PBX of a `server` profile."""
    return connect.Connection(
        found.name,
        found.username,
        ours.realm,
        ours.host,
        ours.tls_port if found.options.transport == "tls" else ours.port,
        found.channels,
        tuple(found.numbers),
        found.options,
        address=found.address,
        pbx_port=found.port,
    )


def names(scope: Scope) -> dict[str, str]:
    """What the profiles that somebody sees are called, by username."""
    asked = "SELECT username, name FROM profile WHERE status <> 'archived'"
    sql, values = fitting(asked, ("company_id = ?", scope.company), ("id = ?", scope.profile))
    with reading():
        return dict(rows(f"{sql} ORDER BY name, username", *values))


def profile_id(username: str) -> int:
    """A profile's id. NotFound."""
    with reading():
        return int(profile_row(username).id)


@audited("profile.create")
def create_profile(
    name: str,
    channels: int,
    realm: str,
    now: int,
    company: str | None = None,
    *,
    at: tuple[str, int] | None = None,
    options: Options | None = None,
    country: str | None = None,
) -> Credentials:
    """Create a profile of role `server`, and buy it channels; 0 make an inactive one.

    Its PBX registers to us, with the credentials that are returned, whose password is kept nowhere; or, with `at`, it
    is known by that address and UDP port. Without `company` there has to be exactly one; its balance pays. BadInput,
    and no profile, if the name is unfit or taken, or the channels cannot be sold or paid; NotFound if there is no such
    company.
    """
    options = options or Options()
    username = _new_username()
    password = "" if at else secrets.token_urlsafe(24)
    sealed = "" if at else vault.sealed(credentials.digest(username, realm, password))
    if at:
        sip.checked_address(at[0])
        sip.checked_port(at[1])
        if options.transport != "udp":
            raise BadInput(
                "A PBX can be identified by its address and port on UDP only. On TCP and TLS its port is not fixed."
            )
    with writing():
        company_row(company)  # locked: whose the others are that are known by an address is told by that
        if at:
            trunks.nobody_else_at([at])
        row = _create(name, "server", username, realm, sealed, at, options, now, company, country)
        if channels:
            plans.begin(row, channels, 0, now)
    return Credentials(username, password, realm)


@audited("profile.create")
def create_client(
    name: str,
    channels: int,
    provider: tuple[str, int],
    now: int,
    company: str | None = None,
    *,
    sign_in: SignIn | None = None,
    options: Options | None = None,
    country: str | None = None,
) -> str:
    """Create a profile of role `client`: this Asterisk is the PBX, and its calls go by a trunk to the provider.

    With `sign_in` the trunk registers there, else the provider knows us by our address. Its username, which the
    dialplan says. Errors as above.
    """
    # A provider that is registered with, as Skype Connect was, wants its user in From, the caller's number beside it.
    options = options or Options(caller_id="pai" if sign_in else "both")
    username = _new_username()
    sealed = vault.sealed(sign_in.password) if sign_in else None
    with writing():
        row = _create(name, "client", username, "", "", None, options, now, company, country)
        if sign_in:
            Profile.update(auth="registration").where(Profile.id == row.id).execute()
        trunks.add(row.company, username, provider[0], provider[1], now, sign_in, sealed, options, profile_id=row.id)
        if channels:
            plans.begin(row, channels, 0, now)
    return username


def _new_username() -> str:
    return "p" + "".join(secrets.choice(_LETTERS) for _ in range(10))


def _create(
    name: str,
    role: str,
    username: str,
    realm: str,
    sealed: str,
    at: tuple[str, int] | None,
    options: Options,
    now: int,
    company: str | None,
    country: str | None,
) -> Profile:
    wanted = _checked_name(name)
    if country is not None:
        checked_country(country)
    trunks.check_codecs(options.codecs)
    owner = company_row(company)
    if Profile.get_or_none((Profile.company == owner) & (Profile.name == wanted)):
        raise BadInput("A profile {wanted!r} already exists.", wanted=wanted)
    return Profile.create(
        company=owner,
        name=wanted,
        role=role,
        auth="registration" if sealed else "ip",
        username=username,
        realm=realm,
        digest=sealed,
        channels=0,
        status="inactive",
        created_at=now,
        address=at[0] if at else None,
        port=at[1] if at else None,
        options=options.to_json(),
        state="open",
        sip_version=1,
        country=country,
        caller_policy=_USUAL_CALLER.policy,
        caller_foreign=_USUAL_CALLER.foreign,
    )


def is_username(text: str) -> bool:
    """Whether a text can be the username of a profile."""
    return _USERNAME.fullmatch(text) is not None


def _checked_name(name: str) -> str:
    wanted = name.strip()
    if not wanted or len(wanted) > MOST_NAME or not wanted.isprintable():
        raise BadInput("a profile's name has 1 to {most_name} printable characters", most_name=MOST_NAME)
    if is_username(wanted):
        raise BadInput("The name of a profile cannot look like a username of the platform. Use another name.")
    return wanted


@audited("profile.rename")
def rename(name: str, new_name: str) -> ProfileView:
    """Call a profile something else; its username stays. BadInput if the name is unfit or taken; NotFound."""
    wanted = _checked_name(new_name)
    with writing():
        row = open_profile_row(name)
        other = Profile.get_or_none((Profile.company == row.company_id) & (Profile.name == wanted))
        if other is not None and other.id != row.id:
            raise BadInput("A profile {wanted!r} already exists.", wanted=wanted)
        Profile.update(name=wanted).where(Profile.id == row.id).execute()
        return _shown(row.username)


@audited("profile.rotate")
def rotate(name: str, now: int, overlap_ms: int = OVERLAP_MS) -> Credentials:
    """A new password for a PBX; the one before is good for `overlap_ms` more, and one before that no longer.

    BadInput if the PBX has none, for it is known by its address, or the profile is a client's; NotFound.
    """
    if not 0 <= overlap_ms <= 30 * 24 * 3_600_000:
        raise BadInput("The old password can stay valid for 30 days at most.")
    with writing():
        row = open_profile_row(name)
        if row.role == "client":
            raise BadInput(
                "This password comes from the provider. Enter a new one in the settings of the provider's trunk."
            )
        if row.auth != "registration":
            raise BadInput("This PBX signs in by its address. It has no password.")
        password = secrets.token_urlsafe(24)
        sealed = vault.sealed(credentials.digest(row.username, row.realm, password))
        old = (row.digest, now + overlap_ms) if overlap_ms else (None, None)
        run(
            "UPDATE profile SET digest = ?, old_digest = ?, old_until = ?, sip_version = sip_version + 1 WHERE id = ?",
            sealed,
            *old,
            row.id,
        )
        return Credentials(row.username, password, row.realm)


@audited("profile.change")
def change(
    name: str,
    *,
    at: tuple[str | None, int | None] = (None, None),
    options: Mapping[str, Any] | None = None,
) -> ProfileView:
    """Change how a PBX speaks SIP, or the address and port that it is known by. BadInput and NotFound as above."""
    with writing():
        row = open_profile_row(name)
        if row.role == "client":
            raise BadInput(
                "This Asterisk is the PBX. Change the settings for its provider in the settings of the "
                "provider's trunk."
            )
        columns: dict[str, Any] = {}
        if at != (None, None):
            if row.auth != "ip":
                raise BadInput("This PBX registers. It does not sign in by an address.")
            columns["address"] = sip.checked_address(at[0] or row.address or "")
            columns["port"] = sip.checked_port(at[1] or row.port or 0)
            trunks.nobody_else_at([(columns["address"], columns["port"])], but_profile=row.username)
        if options:
            changed = Options.from_json(row.options).changed(options)
            if row.auth == "ip" and changed.transport != "udp":
                raise BadInput(
                    "A PBX can be identified by its address and port on UDP only. On TCP and TLS its port is not fixed."
                )
            if "codecs" in options:
                trunks.check_codecs(changed.codecs)
            columns["options"] = changed.to_json()
        if columns:
            Profile.update(sip_version=Profile.sip_version + 1, **columns).where(Profile.id == row.id).execute()
        return _shown(row.username)


@audited("profile.country")
def set_country(name: str, country: str | None) -> ProfileView:
    """Whose numbers the phones of a profile dial; None: only international ones are understood. BadInput; NotFound."""
    if country is not None:
        checked_country(country)
    with writing():
        row = open_profile_row(name)
        run("UPDATE profile SET country = ?, sip_version = sip_version + 1 WHERE id = ?", country, row.id)
        return _shown(row.username)


@audited("profile.emergency")
def set_emergency(name: str, numbers: str) -> ProfileView:
    """A profile's own emergency numbers, as `112, 999`; "" for its country's. BadInput; NotFound."""
    kept = " ".join(checked_emergency(numbers)) if numbers else None
    with writing():
        row = open_profile_row(name)
        run("UPDATE profile SET emergency = ?, sip_version = sip_version + 1 WHERE id = ?", kept, row.id)
        return _shown(row.username)


@audited("profile.contact")
def set_contact(name: str, billing_address: str | None = None, contact: str | None = None) -> ProfileView:
    """Where its bills go, and who is to be asked about it, for people; what is None stays. BadInput; NotFound."""
    with writing():
        row = open_profile_row(name)
        wanted = [
            before if text is None else _checked_lines(text, what)
            for before, text, what in (
                (row.billing_address, billing_address, marked("a billing address")),
                (row.contact, contact, marked("a contact")),
            )
        ]
        run("UPDATE profile SET billing_address = ?, contact = ? WHERE id = ?", *wanted, row.id)
        return _shown(row.username)


def _checked_lines(text: str, what: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(text) > MOST_LINES or not all(line.isprintable() for line in lines):
        raise BadInput("{what} has at most {most_lines} printable characters", what=what, most_lines=MOST_LINES)
    return "\n".join(lines)


@audited("profile.caller-id")
def set_caller_id(
    name: str,
    policy: str | None = None,
    number: str | None = None,
    foreign: str | None = None,
    withhold: str | None = None,
) -> ProfileView:
    """What calls out of a profile show; what is None stays. `number`: its main number, "" for the first that it has;
    `withhold`: prefixes with spaces or commas between them, "" for none.

    BadInput if the number is not the company's, nor verified for it; NotFound.
    """
    with writing():
        row = open_profile_row(name)
        before = callers.policy(row)
        main = before.number if number is None else checked_number(number) if number else None
        prefixes = before.withhold if withhold is None else tuple(dict.fromkeys(withhold.replace(",", " ").split()))
        wanted = CallerPolicy(policy or before.policy, main, foreign or before.foreign, prefixes)
        if main is not None and main != before.number and not callers.own(row.company_id, main):
            raise BadInput(
                "{number} is not one of the company's numbers, and it is not verified.",
                number=main,
                step=steps.verify_number(),
            )
        columns = "caller_policy = ?, caller_number = ?, caller_foreign = ?, withhold_prefixes = ?"
        values = (wanted.policy, wanted.number, wanted.foreign, " ".join(wanted.withhold))
        run(f"UPDATE profile SET {columns} WHERE id = ?", *values, row.id)
        return _shown(row.username)


@audited("profile.state")
def set_state(name: str, state: str) -> ProfileView:
    """`draining` and `suspended`: no new calls, but for emergencies; `open`: as usual. Calls that are up go on."""
    with writing():
        row = open_profile_row(name)
        Profile.update(state=state, sip_version=Profile.sip_version + 1).where(Profile.id == row.id).execute()
        return _shown(row.username)


def seal_digests() -> int:
    """Seal what an earlier version kept open; how many. SecretsLocked without a key."""
    with writing():
        found = rows("SELECT id, digest FROM profile WHERE LENGTH(digest) = 32")
        for number, digest in found:
            run("UPDATE profile SET digest = ? WHERE id = ?", vault.sealed(digest), number)
        return len(found)


def list_profiles() -> list[ProfileView]:
    """All profiles that were not deleted, by company and name."""
    with reading():
        return _views(_alive_rows().order_by(Company.name, Profile.name))


def page_of(scope: Scope, wanted: Turn, status: str | None = None, beginning: str | None = None) -> Page[ProfileView]:
    """The profiles that somebody sees, by name; only of a status, or by a name's start. Those that were deleted only
    if their status, `archived`, is asked for.
    """
    with reading():
        found = _all_rows() if status == "archived" else _alive_rows()
        found = found.order_by(Profile.name, Profile.username).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(Profile.company == scope.company)
        if scope.profile is not None:
            found = found.where(Profile.id == scope.profile)
        if status == "archived":
            found = found.where(Profile.status == status)
        elif status == "suspended":
            found = found.where(Profile.state == "suspended")
        elif status is not None:
            found = found.where((Profile.status == status) & (Profile.state != "suspended"))
        if beginning:
            found = found.where(Profile.name.startswith(beginning))
        if wanted.after is not None:
            found = found.where(Tuple(Profile.name, Profile.username) > wanted.after)
        return page(_views(found), wanted, lambda view: (view.name, view.username))


def _all_rows() -> Any:
    return Profile.select(Profile, Company).join(Company)


def _alive_rows() -> Any:
    return _all_rows().where(Profile.status != "archived")


def _views(found: Any) -> list[ProfileView]:
    rows = list(found)
    mine = [row.id for row in rows]
    alive = Call.select(Call.profile, fn.COUNT(Call.id)).where(Call.dead_at.is_null() & Call.profile.in_(mine))
    in_use = dict(cast("Iterable[tuple[int, int]]", alive.group_by(Call.profile).tuples()))
    numbers: dict[int, list[str]] = {}
    for number in Number.select().where(Number.profile.in_(mine)).order_by(Number.e164):
        numbers.setdefault(number.profile_id or 0, []).append(number.e164)
    return [_view(row, in_use.get(row.id, 0), numbers.get(row.id, [])) for row in rows]


def show_profile(name: str) -> ProfileView:
    """One profile by its name or username; NotFound if there is none."""
    with reading():
        return _shown(name)


def _shown(name: str) -> ProfileView:
    row = profile_row(name)
    numbers = [number.e164 for number in Number.select().where(Number.profile == row).order_by(Number.e164)]
    in_use = Call.select().where((Call.profile == row) & Call.dead_at.is_null()).count()
    return _view(row, in_use, numbers)


def inward(now: int) -> list[Inward]:
    """Every PBX that signs in to us and that Asterisk has to know, by username, as of `now`: for a while after a
    rotation the old password is good beside the new one. SecretsLocked without the key.

    One that is suspended is known too: the gate refuses its calls, and an emergency call does not pass the gate.
    """
    sql = (
        "SELECT username, realm, auth, digest, old_digest, old_until, address, port, options, country, emergency"
        " FROM profile WHERE role = 'server' AND status != 'archived' ORDER BY username"
    )
    with reading():
        found = rows(sql)
    made = []
    for username, realm, auth, digest, old_digest, old_until, address, port, options, country, emergency in found:
        kept = [digest, old_digest] if old_digest and old_until > now else [digest]
        digests = tuple(vault.unseal(each) for each in kept) if auth == "registration" else ()
        helps = emergency_of(country, emergency)
        made.append(Inward(username, realm, digests, address or "", port or 0, Options.from_json(options), helps))
    return made


def sip_stamp(now: int) -> tuple[Any, ...]:
    """Another value each time that what Asterisk has to know is something else: cheap to ask for."""
    sql = (
        "SELECT COUNT(*), SUM(sip_version), SUM(CASE WHEN old_until > ? THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'archived' THEN 1 ELSE 0 END) FROM profile"
    )
    with reading():
        codecs = rows("SELECT name, codecs FROM node ORDER BY name")
        return (*rows(sql, now)[0], *rows("SELECT COUNT(*), SUM(sip_version) FROM trunk")[0], *codecs)


def _view(row: Profile, in_use: int, numbers: list[str]) -> ProfileView:
    trunk = Trunk.get_or_none(Trunk.profile_id == row.id) if row.role == "client" else None
    return ProfileView(
        name=row.name,
        username=row.username,
        company=row.company.name,
        role=row.role,
        auth=row.auth,
        status="suspended" if row.state == "suspended" and row.status != "archived" else row.status,
        state=row.state,
        channels=row.channels,
        channels_in_use=in_use,
        numbers=numbers,
        address=trunk.host if trunk else row.address,
        port=trunk.port if trunk else row.port,
        old_until=row.old_until,
        options=Options.from_json(trunk.options if trunk else row.options),
        country=row.country,
        emergency=emergency_of(row.country, row.emergency),
        caller_id=callers.policy(row),
        billing_address=row.billing_address,
        contact=row.contact,
        created_at=row.created_at,
    )
