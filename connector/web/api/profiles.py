"""SIP profiles: how they are made, changed and connected, and what they may dial."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from connector.billing import limits, plans, profiles, traffic
from connector.billing.limits import LimitsView
from connector.billing.plans import Deleted
from connector.billing.profiles import ProfileView
from connector.billing.traffic import MixAdvice
from connector.core import advice, connect, numbering
from connector.core.advice import Advice
from connector.core.paging import Page, turn
from connector.core.service_numbers import ServiceNumber
from connector.core.sip import Options
from connector.routing import service_numbers
from connector.routing.service_numbers import ServiceNumbersView
from connector.routing.trunks import SignIn
from connector.web.endpoint import Ask, Endpoints, MicrosOrNone, Paged, Shape, Word, may_claim_address, may_speak, said

api = Endpoints("Profiles")

Port = Annotated[int, Field(ge=1, le=65535)]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$", examples=["GB"])]
Prefix = Annotated[str, Field(pattern=r"^\+([1-9][0-9]{0,14})?$", examples=["+881"])]
Text = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Words = Annotated[tuple[Word, ...], Field(max_length=50)]


class SipOptions(Shape):
    """How a PBX or a trunk speaks SIP; what is not said stays, or is usual (connector/core/sip.py)."""

    transport: Word | None = None
    srtp: bool | None = None
    codecs: Words | None = None
    dtmf: Word | None = None
    nat: bool | None = None
    qualify_s: Annotated[int, Field(ge=0, le=3600)] | None = None
    timers: Word | None = None
    caller_id: Word | None = None
    max_contacts: Annotated[int, Field(ge=1, le=100)] | None = None
    acl: Words | None = None
    number_form: Word | None = None
    match: Words | None = None
    from_user: Word | None = None
    from_domain: Word | None = None
    contact_user: Word | None = None
    context: Word | None = None
    number_country: Annotated[str, Field(pattern="^([A-Z]{2})?$", examples=["GB"])] | None = None
    called_in: Word | None = None
    forwarded_in: Word | None = None
    called_strip: Annotated[int, Field(ge=0, le=6)] | None = None
    called_prefix: Word | None = None
    caller_strip: Annotated[int, Field(ge=0, le=6)] | None = None
    caller_prefix: Word | None = None

    def changes(self, ask: Ask) -> dict[str, Any]:
        """What was said. BadInput if Asterisk has no such transport here."""
        may_speak(ask, self.transport)
        return {name: value for name, value in said(self).items() if value is not None}


class NewProfile(Shape):
    """A profile of role `server`: its PBX registers, or with `address` and `port` is known by them. It has no channels
    yet: they are bought next.
    """

    name: Word
    address: Word | None = None
    port: Port = 5060
    country: Country | None = None
    billing_address: Text = ""
    contact: Text = ""
    options: SipOptions = SipOptions()


class NewClient(Shape):
    """A profile of role `client`: this Asterisk is the PBX. With `username` and `password` it registers with the
    provider.
    """

    name: Word
    address: Word
    port: Port = 5060
    username: Word | None = None
    password: SecretStr | None = None
    realm: Word = ""
    country: Country | None = None
    options: SipOptions = SipOptions()


class ProfileChange(Shape):
    """What is not said stays; `country` null: only international numbers are understood. `emergency` empty: its
    country's.
    """

    name: Word | None = None
    address: Word | None = None
    port: Port | None = None
    country: Country | None = None
    emergency: Word | None = None
    billing_address: Text | None = None
    contact: Text | None = None
    options: SipOptions = SipOptions()


class State(Shape):
    """`open`: as usual; `draining` and `suspended`: no new calls."""

    state: Literal["open", "draining", "suspended"]


class Rotation(Shape):
    """How long the old password is good beside the new one."""

    overlap_hours: Annotated[int, Field(ge=0, le=720)] = 24


class CallerId(Shape):
    """What calls out show; what is not said stays."""

    policy: Literal["none", "fixed", "pass"] | None = None
    number: Word | None = None
    foreign: Literal["replace", "refuse"] | None = None
    withhold: Word | None = None


class LimitsChange(Shape):
    """What is not said stays; null is no limit. The longest prefix for a number decides."""

    price_per_minute_micros: MicrosOrNone | None = None
    call_micros: MicrosOrNone | None = None
    day_micros: MicrosOrNone | None = None
    month_micros: MicrosOrNone | None = None
    calls_per_second: Count | None = None
    attempts_per_number: Count | None = None
    uses_company_balance: bool = True
    allow: Annotated[tuple[Prefix, ...], Field(max_length=1000)] = ()
    block: Annotated[tuple[Prefix, ...], Field(max_length=1000)] = ()
    forget: Annotated[tuple[Prefix, ...], Field(max_length=1000)] = ()


class ServiceNumberAsked(Shape):
    """A short number that a profile may call, and its price."""

    digits: Annotated[str, Field(pattern="^[0-9]{2,6}$", examples=["101"])]
    name: Annotated[str, Field(max_length=40)] = ""
    price_per_minute_micros: MicrosOrNone = 0
    connection_fee_micros: MicrosOrNone = 0


class ServiceNumbersChange(Shape):
    """Those of `allow` are added or changed, those of `forget` are taken away."""

    allow: Annotated[tuple[ServiceNumberAsked, ...], Field(max_length=50)] = ()
    forget: Annotated[tuple[Word, ...], Field(max_length=50)] = ()


class ProfilesAsked(Paged):
    """`status` and `name` narrow the list; a name by its beginning. Deleted profiles are those with `archived`."""

    status: Literal["inactive", "active", "suspended", "cancelling", "archived"] | None = None
    name: Word | None = None


class Form(Shape):
    """For which kind of PBX."""

    form: Literal["generic", "freepbx", "asterisk"] = "generic"


class Advised(Shape):
    """One of the three: by the number of employees, by a traffic figure, or by a profile's own calls."""

    employees: Annotated[int | None, Field(ge=1, le=100_000)] = None
    erlangs: Annotated[Word | None, Field(examples=["12.5"])] = None
    profile: Word | None = None
    blocking: Annotated[Word, Field(examples=["0.01"])] = "0.01"


class Secret(Shape):
    """What a PBX signs in with: the password is shown now, and never again; empty if it needs none."""

    username: str
    password: str
    realm: str


class ConnectionLine(Shape):
    """What a field of a PBX is called, and what stands in it."""

    name: str
    value: str


class Connection(Shape):
    """What a PBX's admin types: line by line, or as text to paste."""

    lines: list[ConnectionLine]
    text: str


@api.get("/profiles", "profiles.read")
def list_profiles(ask: Ask, query: ProfilesAsked) -> Page[ProfileView]:
    """The profiles, by name."""
    return profiles.page_of(ask.scope, turn(query.cursor, query.limit, "ss"), query.status, query.name)


@api.post("/profiles", "profiles.write", of_company=True, status=201)
def create_profile(ask: Ask, body: NewProfile) -> Secret:
    """Create a profile whose PBX signs in to us. By its address: with several companies, only users of the platform."""
    if body.address is not None:
        may_claim_address(ask.actor)
    made = profiles.create_profile(
        body.name,
        0,
        ask.place.sip.realm,
        ask.now,
        ask.company,
        at=None if body.address is None else (body.address, body.port),
        options=Options(**body.options.changes(ask)),
        country=_country(body.country),
    )
    limits.begin(made.username, ask.place.usual_limits)
    if body.billing_address or body.contact:
        profiles.set_contact(made.username, body.billing_address, body.contact)
    return Secret(username=made.username, password=made.password, realm=made.realm)


@api.post("/client-profiles", "trunks.write", of_company=True, status=201)
def create_client_profile(ask: Ask, body: NewClient) -> ProfileView:
    """Create a profile for which this Asterisk is the PBX: by a trunk to its provider."""
    sign_in = None
    said = body.options.changes(ask)
    if body.username is not None:
        password = body.password.get_secret_value() if body.password else ""
        sign_in = SignIn(body.username, password, body.realm)
        said = {"caller_id": "pai", **said}
    made = profiles.create_client(
        body.name,
        0,
        (body.address, body.port),
        ask.now,
        ask.company,
        sign_in=sign_in,
        options=Options(**said),
        country=_country(body.country),
    )
    return profiles.show_profile(made)


@api.get("/profiles/{profile}", "profiles.read")
def show_profile(ask: Ask) -> ProfileView:
    """One profile, by its username."""
    return profiles.show_profile(ask.path["profile"])


@api.patch("/profiles/{profile}", "profiles.write")
def change_profile(ask: Ask, body: ProfileChange) -> ProfileView:
    """Rename a profile, or change how its PBX speaks SIP, where it is, whose numbers its phones dial."""
    username, given = ask.path["profile"], said(body)
    if body.name is not None:
        profiles.rename(username, body.name)
    if "country" in given:
        profiles.set_country(username, _country(body.country))
    if body.emergency is not None:
        profiles.set_emergency(username, body.emergency)
    if body.billing_address is not None or body.contact is not None:
        profiles.set_contact(username, body.billing_address, body.contact)
    options = body.options.changes(ask)
    if body.address is not None or body.port is not None:
        may_claim_address(ask.actor)
    if options or body.address is not None or body.port is not None:
        profiles.change(username, at=(body.address, body.port), options=options)
    return profiles.show_profile(username)


@api.delete("/profiles/{profile}", "money.move", once=True)
def delete_profile(ask: Ask) -> Deleted:
    """Delete a profile: free credit goes back to the company, numbers to its pool; its calls stay in the records."""
    return plans.delete_profile(ask.path["profile"], ask.now)


@api.put("/profiles/{profile}/state", "profiles.write")
def set_profile_state(ask: Ask, body: State) -> ProfileView:
    """Suspend a profile, drain it, or open it again. Calls that are up go on."""
    return profiles.set_state(ask.path["profile"], body.state)


@api.post("/profiles/{profile}/rotate", "profiles.secret")
def rotate_secret(ask: Ask, body: Rotation) -> Secret:
    """Make a new password for a PBX."""
    made = profiles.rotate(ask.path["profile"], ask.now, body.overlap_hours * 3_600_000)
    return Secret(username=made.username, password=made.password, realm=made.realm)


@api.get("/profiles/{profile}/connection", "profiles.read")
def show_connection(ask: Ask, query: Form) -> Connection:
    """The data that a PBX needs to connect, ready to paste. The password is not among them: it is kept nowhere."""
    found = profiles.show_profile(ask.path["profile"])
    if found.role == "client":
        return Connection(lines=[], text=connect.own_dialplan(found.username, found.options.context))
    page = profiles.connection(found, ask.place.sip)
    if query.form == "asterisk":
        return Connection(lines=[], text=connect.asterisk(page))
    rows = connect.freepbx(page) if query.form == "freepbx" else connect.table(page)
    return Connection(lines=[ConnectionLine(name=name, value=value) for name, value in rows], text="")


@api.patch("/profiles/{profile}/caller-id", "numbers.write")
def set_caller_id(ask: Ask, body: CallerId) -> ProfileView:
    """What calls out show: only numbers that the company has, or has verified."""
    return profiles.set_caller_id(ask.path["profile"], body.policy, body.number, body.foreign, body.withhold)


@api.get("/profiles/{profile}/service-numbers", "profiles.read")
def show_service_numbers(ask: Ask) -> ServiceNumbersView:
    """The short service numbers that a profile may call, like 101, and their prices."""
    return service_numbers.show(ask.path["profile"])


@api.patch("/profiles/{profile}/service-numbers", "rates.write")
def change_service_numbers(ask: Ask, body: ServiceNumbersChange) -> ServiceNumbersView:
    """Change the short service numbers that a profile may call. Emergency numbers cannot be among them."""
    allow = [ServiceNumber(**said(each)) for each in body.allow]
    return service_numbers.change(ask.path["profile"], allow, body.forget)


@api.get("/profiles/{profile}/limits", "profiles.read")
def show_limits(ask: Ask) -> LimitsView:
    """What a profile may dial and spend."""
    return limits.show(ask.path["profile"])


@api.patch("/profiles/{profile}/limits", "money.move")
def change_limits(ask: Ask, body: LimitsChange) -> LimitsView:
    """Change what a profile may dial and spend."""
    given = said(body)
    rules = [(prefix, True) for prefix in body.allow] + [(prefix, False) for prefix in body.block]
    changes = {name: value for name, value in given.items() if name not in ("allow", "block", "forget")}
    limits.change(ask.path["profile"], changes, rules, list(body.forget))
    return limits.show(ask.path["profile"])


@api.get("/advice", "profiles.read")
def advise_channels(ask: Ask, query: Advised) -> Advice:
    """How many channels are needed."""
    most = advice.number(query.blocking, "the blocking")
    if query.profile is not None:
        ask.mine("profile", query.profile)
        return traffic.advise(query.profile, most)
    if query.erlangs is not None:
        return advice.by_erlangs(advice.number(query.erlangs, "the traffic"), most)
    return advice.by_employees(query.employees or 0)


@api.get("/profiles/{profile}/cheapest-mix", "money.read")
def advise_mix(ask: Ask) -> MixAdvice:
    """The cheapest mix of channels and bundles for the calls of the last 30 days."""
    return traffic.cheapest(ask.path["profile"], advice.USUAL_BLOCKING, ask.now)


def _country(code: str | None) -> str | None:
    return None if code is None else numbering.checked_country(code)
