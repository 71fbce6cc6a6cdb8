"""What a first call needs in the store: a company, prices, a trunk, a profile with channels and credit, a number.

Each step knows whether it is done already, so a setup that was broken off, or is run again, does the rest.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import phonenumbers

from connector.billing import credit, decks, ledger, limits, numbers, plans, profiles
from connector.billing.profiles import CompanyView, ProfileView
from connector.config import Settings
from connector.core import connect
from connector.core.access import EVERYTHING
from connector.core.admission import UsualLimits
from connector.core.formats import shown
from connector.core.money import minor_unit
from connector.core.plans import USUAL_CHANNEL_MICROS, channels_sold
from connector.core.sip import Options
from connector.errors import BadInput, NotFound
from connector.people import users
from connector.routing import routes, trunks
from connector.routing.trunks import SignIn

T = TypeVar("T")
CLIENT, SERVER = "client", "server"
SIGN_IN = "sign-in"
CARRIER = "carrier"
FREE_DECK = "calls are not charged"
# Numbers that nobody has, kept for films and books: by Ofcom, NANPA (555-01xx), ACMA, ARCEP, Bundesnetzagentur, PTS.
FICTITIOUS = {
    "GB": "+442079460001",
    "US": "+12025550123",
    "CA": "+14165550123",
    "AU": "+61255500123",
    "FR": "+33199001234",
    "DE": "+493023125123",
    "SE": "+46846500401",
}


@dataclass(frozen=True)
class Wanted:
    """What somebody wants at first.

    `role`: `client`, whose Asterisk is a company's PBX with a provider at `peer`; or `server`, to which PBXs register,
    with a carrier at `peer`. `billed`: calls and channels cost money; else only limits count. `rates`: the text of a
    rate sheet, "" for the sample. `credit_micros`: what the profile may spend. `route`: where the number rings, "" for
    the whole PBX. `owner`: an e-mail address that may sign in to the pages; "" for none. `freepbx`: the PBX is one.
    """

    role: str
    company: str
    currency: str
    time_zone: str
    country: str | None
    profile: str
    channels: int
    peer: tuple[str, int]
    sign_in: SignIn | None
    billed: bool
    rates: str
    credit_micros: int
    number: str
    route: str
    owner: str
    freepbx: bool = False


@dataclass(frozen=True)
class There:
    """What is there already. `channel_micros`: the price of a channel for 30 days. `differs`: what is there otherwise
    than it is wanted, and the command that changes it.
    """

    company: bool = False
    deck: bool = False
    owner: bool = False
    trunk: bool = False
    topped_up: bool = False
    profile: bool = False
    credited: bool = False
    number: bool = False
    routed: bool = False
    channel_micros: int = USUAL_CHANNEL_MICROS
    differs: tuple[str, ...] = ()


NOTHING = There()


@dataclass(frozen=True)
class Step:
    """One thing to do. `do` returns what is shown now and never again, by name."""

    about: str
    is_done: bool
    do: Callable[[], dict[str, str]]


def look(wanted: Wanted) -> There:
    """What the open store has of it. BadInput if something is there, and is not what is wanted."""
    company = next((view for view in profiles.company_views() if view.name == wanted.company), None)
    if company is not None and company.currency != wanted.currency:
        raise BadInput(
            "the company {company} is there already, with {currency}", company=wanted.company, currency=company.currency
        )
    profile = next((view for view in profiles.list_profiles() if view.name == wanted.profile), None)
    if profile is not None and (profile.company, profile.role) != (wanted.company, wanted.role):
        raise BadInput(
            "the profile {profile} is there already, of {company} and with the role {role}: name"
            " another one by --profile",
            profile=wanted.profile,
            company=profile.company,
            role=profile.role,
        )
    number = _or_none(lambda: numbers.show(wanted.number)) if wanted.number else None
    if number is not None and (number.company, number.profile) != (wanted.company, wanted.profile):
        raise BadInput(
            "the number {number} is there already, of {company}, {profile}",
            number=wanted.number,
            company=number.company,
            profile=number.profile or "nowhere",
        )
    trunk = next((each for each in trunks.list_trunks(EVERYTHING) if each.name == CARRIER), None)
    is_other = trunk is not None and (trunk.company, trunk.host, trunk.port) != (wanted.company, *wanted.peer)
    if wanted.role == SERVER and trunk is not None and is_other:
        raise BadInput(
            "the trunk {carrier} is there already, of {company} to {host}:{port}",
            carrier=CARRIER,
            company=trunk.company,
            host=trunk.host,
            port=trunk.port,
        )
    if company is None:
        return NOTHING
    key = _key(wanted)
    return There(
        company=True,
        deck=bool(decks.list_decks(wanted.company)),
        owner=bool(wanted.owner) and _or_none(lambda: users.by_email(wanted.owner)) is not None,
        trunk=trunk is not None,
        topped_up=ledger.is_entered(f"top-up:{key}"),
        profile=profile is not None,
        credited=ledger.is_entered(f"add:{key}"),
        number=number is not None,
        routed=number is not None and number.route == wanted.route,
        channel_micros=plans.prices(wanted.company).channel_micros,
        differs=tuple(_differences(wanted, company, profile)),
    )


def _differences(wanted: Wanted, company: CompanyView, profile: ProfileView | None) -> Iterator[str]:
    """What a setup does not change, for it was done before: in words, with the command that does."""
    if company.time_zone != wanted.time_zone:
        yield f"the company {company.name} is in {company.time_zone}, not {wanted.time_zone}; that stays"
    if profile is None:
        return
    name, channels = shlex.quote(profile.name), channels_sold(wanted.channels)
    if profile.channels != channels:
        yield (
            f"the profile {profile.name} has {profile.channels} channels, not {channels}:"
            f" 'connector channels change {name} {channels}' changes it"
        )
    if profile.country != wanted.country and wanted.country:
        yield (
            f"the profile {profile.name} dials as in {profile.country or 'no country'}, not {wanted.country}:"
            f" 'connector profile change {name} --country {wanted.country}' changes it"
        )
    if wanted.role == CLIENT:
        trunk = trunks.show_trunk(wanted.profile)
        host, port = wanted.peer
        if (trunk.host, trunk.port) != wanted.peer:
            yield (
                f"the provider of {profile.name} is {trunk.host}:{trunk.port}, not {host}:{port}:"
                f" 'connector trunk change {name} --address {host} --port {port}' changes it"
            )


def number_to_try(country: str | None) -> str:
    """A number of the country that nobody has. Where none is known: one of its usual form, which somebody may have."""
    if country in FICTITIOUS:
        return FICTITIOUS[country]
    example = phonenumbers.example_number(country) if country else None
    if example is None:
        return FICTITIOUS["GB"]
    return str(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))


def steps(wanted: Wanted, there: There, realm: str, usual: UsualLimits, now: int) -> list[Step]:
    """All steps, in order. `realm`: of new profiles; `usual`: their limits, if their calls cost money."""
    key = _key(wanted)
    peer = f"{wanted.peer[0]}:{wanted.peer[1]}" + (
        f", as {wanted.sign_in.username}" if wanted.sign_in else ", known by our address"
    )
    found = [
        Step(
            f"make the company {wanted.company}, in {wanted.currency}, {wanted.time_zone}",
            there.company,
            _silently(partial(profiles.create_company, wanted.company, wanted.currency, wanted.time_zone, now)),
        ),
        _prices(wanted, there, now),
    ]
    if wanted.owner:
        about = f"let {wanted.owner} sign in to the pages, as an owner"
        found.append(Step(about, there.owner, lambda: _make_owner(wanted, now)))
    if wanted.role == SERVER:
        about = f"make the trunk {CARRIER} to {peer}"
        make = partial(trunks.create_trunk, CARRIER, *wanted.peer, now, wanted.company, sign_in=wanted.sign_in)
        found.append(Step(about, there.trunk, _silently(make)))
    if wanted.billed:
        # What the channels cost for their first 30 days, and the profile's credit.
        needed = there.channel_micros * channels_sold(wanted.channels) + wanted.credit_micros
        unit = minor_unit(wanted.currency)
        needed = -(-needed // unit) * unit
        about = f"top up the company by {shown(needed, wanted.currency)}, for its channels and credit"
        pay = partial(credit.top_up, needed, key, now, wanted.company)
        found.append(Step(about, there.topped_up, _silently(pay)))
    about = f"make the profile {wanted.profile} with {wanted.channels} channels"
    about += f", at the provider {peer}" if wanted.role == CLIENT else ""
    found.append(Step(about, there.profile, lambda: _make_profile(wanted, realm, usual, now)))
    if wanted.billed and wanted.credit_micros:
        about = f"give the profile {shown(wanted.credit_micros, wanted.currency)} of credit"
        give = partial(credit.add, wanted.profile, wanted.credit_micros, key, now)
        found.append(Step(about, there.credited, _silently(give)))
    if wanted.number:
        add = partial(numbers.add, wanted.number, wanted.profile, now, wanted.company)
        found.append(Step(f"give the profile the number {wanted.number}", there.number, _silently(add)))
    if wanted.number and wanted.route:
        about = f"have it ring by: {wanted.route}"
        found.append(Step(about, there.routed, _silently(partial(routes.set_route, wanted.number, wanted.route))))
    return found


def connection(wanted: Wanted, settings: Settings) -> str:
    """What the admin of the PBX types or pastes; without the password, which was shown when it was made."""
    found = profiles.show_profile(wanted.profile)
    if wanted.role == CLIENT:
        return connect.own_dialplan(found.username, found.options.context, freepbx=wanted.freepbx)
    page = profiles.connection(found, settings.sip)
    table = connect.freepbx(page) if wanted.freepbx else connect.table(page)
    return "\n".join(f"{name}: {value}" for name, value in table) + "\n"


def free_deck(sample: str) -> str:
    """A rate sheet by which no call costs anything. Premium and satellite numbers stay blocked, as in the sample."""
    lines = [line for line in sample.splitlines() if not line.startswith("#")]
    prefixes = {row["prefix"]: (row["name"], row["kind"]) for row in csv.DictReader(lines)}
    for digit in "123456789":
        prefixes.setdefault(digit, (f"Numbers that begin with {digit}", "standard"))
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(("prefix", "name", "price_per_minute", "connection_fee", "increments", "valid_from", "kind"))
    write.writerows((prefix, name, "0", "0", "1/1", "2026-01-01", kind) for prefix, (name, kind) in prefixes.items())
    return out.getvalue()


def _prices(wanted: Wanted, there: There, now: int) -> Step:
    if wanted.billed:
        sheet, name = (wanted.rates, "setup") if wanted.rates else (decks.SAMPLE.read_text(), "sample")
        about = "load the rate sheet" if wanted.rates else "load the SAMPLE rates: load your own before you sell"
        return Step(about, there.deck, _silently(partial(_load, sheet, name, wanted, now)))

    about = "charge nothing for calls and channels: only limits count"
    return Step(about, there.deck, _silently(partial(_charge_nothing, wanted, now)))


def _charge_nothing(wanted: Wanted, now: int) -> None:
    plans.set_prices(0, 0, wanted.company)
    _load(free_deck(decks.SAMPLE.read_text()), FREE_DECK, wanted, now)


def _load(sheet: str, name: str, wanted: Wanted, now: int) -> None:
    """In use at once: no connector runs yet that would have to read it before."""
    decks.load(sheet, name, now - decks.IN_USE_AFTER_MS, wanted.company)


def _make_owner(wanted: Wanted, now: int) -> dict[str, str]:
    made = users.create(wanted.owner, "", "owner", now)
    return {SIGN_IN: users.link(made, now)}


def _make_profile(wanted: Wanted, realm: str, usual: UsualLimits, now: int) -> dict[str, str]:
    if wanted.role == CLIENT:
        options = Options(caller_id="pai") if wanted.sign_in else Options()
        profiles.create_client(
            wanted.profile, wanted.channels, wanted.peer, now, wanted.company,
            sign_in=wanted.sign_in, options=options, country=wanted.country,
        )  # fmt: skip
        return {}
    # FreePBX looks for the number that is called in the Request-URI.
    options = Options(called_in="uri") if wanted.freepbx else Options()
    issued = profiles.create_profile(
        wanted.profile, wanted.channels, realm, now, wanted.company, options=options, country=wanted.country
    )
    if wanted.billed:
        limits.begin(issued.username, usual)
    return {"user name": issued.username, "password": issued.password}


def _key(wanted: Wanted) -> str:
    """The key of a movement of money by a setup: it is entered once, however often the setup is run."""
    return f"setup:{wanted.company}:{wanted.profile}"


def _or_none(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except NotFound:
        return None


def _silently(do: Callable[[], object]) -> Callable[[], dict[str, str]]:
    """What is done by a step that has nothing to show."""

    def done() -> dict[str, str]:
        """Do it."""
        do()
        return {}

    return done
