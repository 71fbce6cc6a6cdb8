"""Trunks: the ways to carriers, and those of client profiles to their providers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.core import sip
from connector.core.access import EVERYTHING, Scope
from connector.core.sip import Options, Outward
from connector.core.trunks import TrunkChoice
from connector.database import vault
from connector.database.audit import audited
from connector.database.models import Company, Profile, Trunk
from connector.database.named import company_row
from connector.database.store import lock, locked_companies, one, reading, rows, writing
from connector.errors import BadInput, NotFound
from connector.words import marked

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class TrunkView:
    """A trunk as people and programs see it: no secret in it. `profile`: whose provider it is; None for a carrier."""

    name: str
    company: str
    profile: str | None
    auth: str
    host: str
    port: int
    username: str
    realm: str
    state: str
    place: int
    share: int
    failover: str
    options: Options
    created_at: int


@dataclass(frozen=True)
class SignIn:
    """What a carrier or provider gave us to register with. `realm`: "" if it is not known, None if it is as before."""

    username: str
    password: str
    realm: str | None = None

    def __post_init__(self) -> None:
        sip.checked_user(self.username, marked("the user name"))
        sip.checked_password(self.password)
        if self.realm:
            sip.checked_realm(self.realm)

    def __repr__(self) -> str:
        return f"SignIn({self.username!r})"


def check_codecs(wanted: Sequence[str]) -> None:
    """BadInput, in the caller's transaction, if a node's Asterisk cannot convert a codec. One that has not reported yet
    is not asked: its config leaves such a codec out (connector/asterisk/pjsip.py).
    """
    for name, text in rows("SELECT name, codecs FROM node WHERE codecs <> '' ORDER BY name"):
        missing = [codec for codec in wanted if codec not in text.split(",")]
        if missing:
            raise BadInput(
                "Asterisk on the node {name} cannot convert {missing}. It can convert {replace}; load"
                " the codec's module there, or leave it out.",
                name=name,
                missing=", ".join(missing),
                replace=text.replace(",", ", "),
            )


@audited("trunk.create")
def create_trunk(
    name: str,
    host: str,
    port: int,
    now: int,
    company: str | None = None,
    *,
    sign_in: SignIn | None = None,
    options: Options | None = None,
    place: int = 1,
    share: int = 1,
    failover: str = sip.FAILOVER,
) -> None:
    """Create a carrier trunk, known by address and port; with `sign_in` we register there too.

    BadInput if something is unfit, or the name or the address is taken.
    """
    if not _NAME.fullmatch(name) or name in ("new", "order"):  # pages of all trunks have these names
        raise BadInput(
            "a trunk's name begins with a letter, has only a-z, 0-9 and '-', 31 at most, and is not 'new' or 'order'"
        )
    secret = vault.sealed(sign_in.password) if sign_in else None
    with writing():
        owner = company_row(company)
        if Trunk.get_or_none(Trunk.name == name):
            raise BadInput("A trunk {name!r} already exists.", name=name)
        add(owner, name, host, port, now, sign_in, secret, options or Options(), place, share, failover)


def add(
    owner: Company,
    name: str,
    host: str,
    port: int,
    now: int,
    sign_in: SignIn | None,
    secret: str | None,
    options: Options,
    place: int = 1,
    share: int = 1,
    failover: str = sip.FAILOVER,
    profile_id: int | None = None,
) -> None:
    """Insert a trunk of a locked company, in the caller's transaction. BadInput if something is unfit or taken."""
    sip.checked_host(host)
    sip.checked_port(port)
    check_codecs(options.codecs)
    _place(place, share)
    auth = "registration" if sign_in else "ip"
    if sign_in is None:
        sip.checked_known_by(host, options)
    nobody_else_at(sip.known_by(host, port, sign_in is not None, options))
    Trunk.create(
        company=owner,
        profile_id=profile_id,
        name=name,
        host=host,
        port=port,
        created_at=now,
        auth=auth,
        username=sign_in.username if sign_in else "",
        realm=(sign_in.realm or "") if sign_in else "",
        secret=secret,
        options=options.to_json(),
        place=place,
        share=share,
        failover=sip.checked_failover(failover),
        state="open",
        sip_version=1,
    )


def nobody_else_at(places: Collection[tuple[str, int | None]], but_trunk: str = "", but_profile: str = "") -> None:
    """BadInput if somebody is known by one of these addresses already: nobody could tell the two apart.

    A place is an address with a port, or with None for any.
    """
    taken: list[tuple[str, tuple[str, int | None]]] = []
    mine = locked_companies()
    columns = "company_id, name, host, port, auth, options"
    sql = f"SELECT {columns} FROM trunk WHERE state != 'archived' AND name != ?"
    columns = "company_id, name, host, port, auth, options"
    sql = f"SELECT {columns} FROM trunk WHERE state != 'archived' AND name != ?"
    for company, name, host, port, auth, options in rows(sql, but_trunk):
        taken += [
            (f"the trunk {name}" if company in mine else "another company", place)
            for place in sip.known_by(host, port, auth == "registration", Options.from_json(options))
        ]
    sql = (
        "SELECT company_id, name, address, port FROM profile WHERE auth = 'ip' AND role = 'server'"
        " AND status != 'archived' AND username != ?"
    )
    for company, name, address, port in rows(sql, but_profile):
        taken.append((f"the profile {name}" if company in mine else "another company", (address, port)))
    for who, (host, port) in taken:
        for address, wanted in places:
            if host == address and (port is None or wanted is None or port == wanted):
                where = address if wanted is None else f"{address}:{wanted}"
                raise BadInput("The address {where} is already used by {who}.", who=who, where=where)


@audited("trunk.change")
def change(
    name: str,
    *,
    host: str | None = None,
    port: int | None = None,
    sign_in: SignIn | None = None,
    options: Mapping[str, Any] | None = None,
    place: int | None = None,
    share: int | None = None,
    failover: str | None = None,
) -> TrunkView:
    """Change what is said of a trunk, or of a client profile's. BadInput and NotFound as above; nothing has changed."""
    secret = vault.sealed(sign_in.password) if sign_in else None
    with writing():
        row = trunk_row(name)
        columns: dict[str, Any] = {}
        if host is not None:
            columns["host"] = sip.checked_host(host)
        if port is not None:
            columns["port"] = sip.checked_port(port)
        if sign_in is not None:
            before = row.realm if sign_in.username == row.username else ""
            realm = before if sign_in.realm is None else sign_in.realm
            columns |= {"auth": "registration", "username": sign_in.username, "realm": realm, "secret": secret}
        speaks = Options.from_json(row.options).changed(options or {})
        if options:
            if "codecs" in options:
                check_codecs(speaks.codecs)
            columns["options"] = speaks.to_json()
        auth, where = columns.get("auth", row.auth), (columns.get("host", row.host), columns.get("port", row.port))
        if auth == "ip":
            sip.checked_known_by(where[0], speaks)
        nobody_else_at(sip.known_by(*where, auth == "registration", speaks), but_trunk=row.name)
        if auth != row.auth and row.profile_id is not None:
            Profile.update(auth=auth).where(Profile.id == row.profile_id).execute()
        if place is not None or share is not None:
            columns |= _place(row.place if place is None else place, row.share if share is None else share)
        if failover is not None:
            columns["failover"] = sip.checked_failover(failover)
        if columns:
            Trunk.update(sip_version=Trunk.sip_version + 1, **columns).where(Trunk.id == row.id).execute()
        return _view(trunk_row(name))


@audited("trunk.state")
def set_state(name: str, state: str) -> TrunkView:
    """`draining`: no new calls; `suspended`: unknown to Asterisk too; `open`: as usual. Calls that are up go on."""
    with writing():
        row = trunk_row(name)
        Trunk.update(state=state, sip_version=Trunk.sip_version + 1).where(Trunk.id == row.id).execute()
        return _view(trunk_row(name))


@audited("trunk.remove")
def remove(name: str) -> None:
    """Take a carrier out for good; its calls stay in the records, and its name stays taken. BadInput for a client's."""
    with writing():
        row = trunk_row(name)
        if row.profile_id is not None:
            raise BadInput("This trunk connects a client profile to its provider. Delete the profile instead.")
        Trunk.update(state="archived", secret=None, sip_version=Trunk.sip_version + 1).where(
            Trunk.id == row.id
        ).execute()


def list_trunks(scope: Scope = EVERYTHING) -> list[TrunkView]:
    """Every trunk that somebody sees and that was not removed, by company, place and name."""
    with reading():
        found = Trunk.select(Trunk, Company).join(Company).where(Trunk.state != "archived")
        if scope.company is not None:
            found = found.where(Trunk.company == scope.company)
        return [_view(row) for row in found.order_by(Company.name, Trunk.place, Trunk.name)]


def show_trunk(name: str) -> TrunkView:
    """One trunk; a client profile's by the profile's name or username too. NotFound."""
    with reading():
        return _view(trunk_row(name))


def trunk_row(name: str) -> Trunk:
    """A trunk that was not removed, by its name, or its profile's, in the caller's transaction. NotFound."""
    lock("id IN (SELECT company_id FROM trunk WHERE name = ?)", name)
    row = one(Trunk, "name = ? AND state != 'archived'", name)
    if row is None:
        sql = (
            "SELECT trunk.id, trunk.company_id FROM trunk JOIN profile ON profile.id = trunk.profile_id"
            " WHERE profile.name = ? AND profile.status != 'archived'"
        )
        found = rows(sql, name)
        if not found:
            raise NotFound("there is no trunk {name!r}", name=name)
        if len(found) > 1:
            raise BadInput("several companies have a profile {name!r}: give its username", name=name)
        lock("id = ?", found[0][1])
        row = Trunk.get_by_id(found[0][0])
    return row


def choices(profile: Any) -> tuple[str, tuple[Any, ...]]:
    """What asks for the trunks that a profile's calls may try: `choice` makes of each row what it says."""
    whose, value = "profile_id IS NULL AND company_id = ?", profile.company_id
    if profile.role == "client":
        whose, value = "profile_id = ?", profile.id
    return f"SELECT id, name, place, share, failover, options FROM trunk WHERE {whose} AND state = 'open'", (value,)


def choice(row: tuple[Any, ...]) -> TrunkChoice:
    """A row of what `choices` asks for."""
    number, name, place, share, failover, options = row
    speaks = Options.from_json(options)
    called, caller = (speaks.called_strip, speaks.called_prefix), (speaks.caller_strip, speaks.caller_prefix)
    return TrunkChoice(number, name, place, share, tuple(failover.split()), speaks.number_form, called, caller)


def choice_of(row: Any) -> TrunkChoice:
    """A row of the table as a choice."""
    return choice((row.id, row.name, row.place, row.share, row.failover, row.options))


def outward() -> list[Outward]:
    """Every carrier and provider that Asterisk has to know, by name. SecretsLocked without the key."""
    sql = (
        "SELECT trunk.name, host, trunk.port, trunk.username, secret, trunk.realm, COALESCE(profile.username, ''),"
        " trunk.options FROM trunk LEFT JOIN profile ON profile.id = trunk.profile_id"
        " WHERE trunk.state IN ('open', 'draining') AND (profile.id IS NULL OR"
        " (profile.status != 'archived' AND profile.state != 'suspended')) ORDER BY trunk.name"
    )
    with reading():
        found = rows(sql)
    return [
        Outward(
            name,
            host,
            port,
            username,
            vault.unseal(secret) if secret else "",
            realm,
            profile,
            Options.from_json(options),
        )
        for name, host, port, username, secret, realm, profile, options in found
    ]


def _place(place: int, share: int) -> dict[str, int]:
    if not 1 <= place <= 100 or not 1 <= share <= 1000:
        raise BadInput("a trunk's place is 1 to 100, its share 1 to 1000")
    return {"place": place, "share": share}


def _view(row: Trunk) -> TrunkView:
    profile = Profile.get_by_id(row.profile_id) if row.profile_id is not None else None
    return TrunkView(
        name=row.name,
        company=row.company.name,
        profile=profile.name if profile else None,
        auth=row.auth,
        host=row.host,
        port=row.port,
        username=row.username,
        realm=row.realm,
        state=row.state,
        place=row.place,
        share=row.share,
        failover=row.failover,
        options=Options.from_json(row.options),
        created_at=row.created_at,
    )
