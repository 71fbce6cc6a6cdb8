"""Test calls, which are never placed: why one would be refused, what it would cost, and where it would ring.

They are decided like real calls, by core/gate.py from the facts of billing/facts.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from connector.billing import decks, facts, holds
from connector.core import destinations, gate, rating, refusals
from connector.core.calls import Attempt, Direction
from connector.core.gate import Facts, Offer
from connector.core.holds import Slicing
from connector.core.numbers import digits_of, e164
from connector.core.plans import DAY_MS
from connector.core.refusals import Refusal
from connector.core.routes import Path
from connector.core.times import instant
from connector.core.trunks import LeftOut
from connector.database.models import Company, Number, Profile
from connector.database.named import company_row, profile_row
from connector.database.store import reading
from connector.errors import BadInput, NotFound
from connector.routing import callers, routes, service_numbers
from connector.words import marked, phrase

LONGEST_PRICED_MS = 31 * DAY_MS
MOST_SAID = 256
_USUAL = Slicing()


@dataclass(frozen=True)
class Reason:
    """One reason for refusing a call: its code, the text for people, and what to do about it."""

    code: str
    words: str
    cure: str


@dataclass(frozen=True)
class TrunkLeftOut:
    """A trunk that is not tried, why (core/trunks.py), and what it takes a minute; None if that is not known."""

    trunk: str
    why: str
    cost_per_minute_micros: int | None


@dataclass(frozen=True)
class Why:
    """The result of testing an outgoing call.

    `at`: the time it was tested for, in ms. `called`: the number in E.164, or the digits of a service number; "" if the
    dialled digits are not valid. `reasons`: all that apply, in order of precedence; empty if the call would be carried.
    `trunks`: in the order in which they would be tried. `policy`: which order that is, and `left_out`: those that would
    not be tried; both if costs were asked for.
    `shows`: the caller ID that the called party would see, "" if
    none. `rate`: the name of the rate, "" if there is none. `payer`: profile, company or bundle.
    """

    number: str
    profile: str
    at: int
    called: str
    emergency: bool
    carried: bool
    reasons: tuple[Reason, ...]
    trunks: tuple[str, ...]
    shows: str
    currency: str
    rate: str
    price_per_minute_micros: int | None
    payer: str
    policy: str = ""
    left_out: tuple[TrunkLeftOut, ...] = ()


def why(number: str, profile: str, when: int | str, caller: str = "", *, with_costs: bool = False) -> Why:
    """Test an outgoing call of a profile.

    `number`: as a phone of the profile would dial it. `when`: in ms, or as text in the company's time zone. `caller`:
    the caller ID that the PBX would send; the profile's main number if empty. `with_costs`: the reader may see what
    carriers cost, and so which trunks are left out. Raises NotFound for an unknown profile,
    BadInput for a time that is not valid or a number that is too long.
    """
    if len(number) > MOST_SAID or len(caller) > MOST_SAID:
        raise BadInput("The number is too long. Use at most {most_said} characters.", most_said=MOST_SAID)
    with reading():
        row = profile_row(profile)
        at = _moment(when, row.company_id)
        known = _known(row, number, at, caller)
        helps = gate.emergency(known) is not None
        reasons = () if helps else tuple(_reason(each) for each in gate.reasons(known, _USUAL))
        offer = known.offer
        return Why(
            number,
            row.name,
            at,
            known.called,
            helps,
            not reasons,
            reasons,
            tuple(each.name for each in known.tries),
            known.shown.number or "" if known.shown and not known.shown.private else "",
            row.company.currency,
            offer.rate.name if offer else "",
            offer.rate.price_per_minute_micros if offer else None,
            offer.payer if offer else "",
            known.routing.policy if known.routing and with_costs else "",
            tuple(_left_out(each) for each in known.left_out) if with_costs else (),
        )


def _left_out(found: LeftOut) -> TrunkLeftOut:
    return TrunkLeftOut(found.name, found.why, found.cost.per_minute_micros() if found.cost else None)


def _known(profile: Any, number: str, at: int, caller: str = "", forwarded: str = "") -> Facts:
    """All facts of an outgoing call, as if a due auto-recharge had happened."""
    found = facts.gather(_attempt_out(profile, number, at, caller, forwarded), "", _USUAL, whole=True)
    return facts.as_if_recharged(found, at)


def _attempt_out(profile: Any, number: str, at: int, caller: str = "", forwarded: str = "") -> Attempt:
    says = caller or callers.main(profile)
    return Attempt("", Direction.OUT, "", profile.username, number, says, at, at, forwarded=forwarded)


def _moment(when: int | str, company: int) -> int:
    """A time in ms. Text is read in the company's time zone. Raises BadInput."""
    return instant(when, Company.get_by_id(company).time_zone) if isinstance(when, str) else when


def _reason(refusal: Refusal) -> Reason:
    return Reason(refusal.code, refusal.words, refusal.cure)


@dataclass(frozen=True)
class PriceView:
    """What a call would cost. `refusal` is why it would be refused, None if it would not; money in micros.

    `payer` pays the `paid_s` seconds: profile, company, or bundle if none are left to pay.
    """

    number: str
    currency: str
    prefix: str
    name: str
    deck: int
    price_per_minute_micros: int
    connection_fee_micros: int
    increments: str
    duration_ms: int
    billed_s: int
    bundle_s: int
    paid_s: int
    price_micros: int
    payer: str
    refusal: str | None


def price(number: str, duration_ms: int, at: int, profile: str | None, company: str | None) -> PriceView:
    """The price of a test call. Raises BadInput for an invalid number or duration, NotFound without a rate."""
    called = e164(number)
    if not 0 <= duration_ms <= LONGEST_PRICED_MS:
        raise BadInput(
            "Invalid duration {duration_ms} ms. Use 0 to {longest_priced_ms} ms.",
            duration_ms=duration_ms,
            longest_priced_ms=LONGEST_PRICED_MS,
        )
    with reading():
        row = profile_row(profile) if profile is not None else None
        if called is None and row is not None and service_numbers.find(row.id, digits_of(number)):
            called = digits_of(number)
        if called is None:
            raise BadInput(
                "Invalid number {number!r}. Use the international form, like +442079460001.", number=number[:40]
            )
        owner = Company.get_by_id(row.company_id) if row is not None else company_row(company)
        found = decks.rate_of(owner.id, called, at)
        offered = holds.offer(row, called, at) if row is not None else found and Offer(*found, "profile", None)
        if offered is None:
            raise NotFound(
                "No rate for {called}. Calls to it are refused ({code}).", called=called, code=refusals.NO_RATE.code
            )
        rate = offered.rate
        rated = rating.rated(rate, duration_ms, holds.free_bundle_s(offered.term))
        refusal = None
        if row is not None:
            refusal = gate.refusal(_known(row, number, at), _USUAL)
            if refusal is None and offered.payer == "bundle" and rated.paid_s:
                refusal = refusals.NO_CREDIT
        elif not destinations.may_be_dialled(called, rate.kind, []):
            refusal = refusals.DESTINATION_BLOCKED
        return PriceView(
            number=called,
            currency=owner.currency,
            prefix=rate.prefix,
            name=rate.name,
            deck=offered.deck,
            price_per_minute_micros=rate.price_per_minute_micros,
            connection_fee_micros=rate.connection_fee_micros,
            increments=rating.increments_text(rate.increments),
            duration_ms=duration_ms,
            billed_s=rated.billed_s,
            bundle_s=rated.bundle_s,
            paid_s=rated.paid_s,
            price_micros=rated.price_micros,
            payer=holds.paid_by(offered.payer, rated),
            refusal=refusal.code if refusal else None,
        )


@dataclass(frozen=True)
class Tested:
    """The path of a call that never was. `why_not`: why it would not even begin; "" if it would."""

    called: str
    profile: str | None
    at: int
    why_not: str
    path: Path


def path_of(called: str, when: int | str, route: str | None = None) -> Tested:
    """The path that a call to a number or account would take at an instant, in milliseconds or as people write it, by
    the company's time zone; `route`: by this one instead of its own. Raises NotFound for an unknown number or account,
    BadInput for a route that cannot be.
    """
    with reading():
        row = routes.called_row(called)
        at = _moment(when, row.company_id)
        name = row.e164 if isinstance(row, Number) else row.name
        profile = Profile.get_or_none(Profile.id == row.profile_id)
        if profile is None:
            return Tested(name, None, at, marked("It is not attached to a profile."), Path((), 0))
        if route is not None:
            routes.check(route, row.route, profile)
        found = routes.path(name, row.route if route is None else route, profile, at)
        known = Facts(
            Direction.IN,
            profile=facts.profile_facts(profile),
            trunk=gate.TrunkFacts(0, profile.company_id),
            called=name,
            taken=facts.taken(profile),
        )
        refused = gate.refusal(known, _USUAL)
        forwards = [_forward_refused(profile, name, hop.to[0], at) for hop in found.hops if hop.kind == "forward"]
        loop = "" if route is None else routes.loop_with(name, route, profile.company_id)
        notes = tuple(filter(None, [loop, *found.notes, *forwards]))
        return Tested(name, profile.name, at, marked(refused.words) if refused else "", replace(found, notes=notes))


def _forward_refused(profile: Any, called: str, number: str, at: int) -> str:
    """Why an incoming call would not be forwarded to a number; "" if it would."""
    found = _known(profile, number, at, forwarded=called)
    refused = None if gate.emergency(found) else gate.refusal(found, _USUAL)
    if refused is None:
        return ""
    return phrase("the call to {number} would be refused now: {code}", number=number, code=refused.code)
