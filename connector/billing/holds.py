"""What live calls hold, and what is charged of it: the money of a call, inside the transactions of `calls`.

A hold is a row beside the call's, and the same sum in a held account of the ledger. It is made in the transaction that
admits the call, grows slice by slice, and is resolved once: in the transaction that ends the call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connector.billing import credit, decks, ledger
from connector.billing.models import Company, Hold, Limits, Term
from connector.billing.named import company_row, profile_row
from connector.billing.store import Question, asked, foresee, insert, one, reading, rows, run
from connector.core import admission, destinations, holds, rating, refusals, times
from connector.core.admission import Pace
from connector.core.holds import Funds, Slicing
from connector.core.ledger import Posting, company_account, moved, profile_account, term_account
from connector.core.numbers import e164
from connector.core.plans import DAY_MS
from connector.core.rating import Rate, Rated
from connector.core.refusals import Refusal
from connector.errors import BadInput, NotFound

LONGEST_PRICED_MS = 31 * DAY_MS
_OF_PROFILE = "profile_id = ?"
_RULES = "SELECT prefix, allowed FROM prefix_rule WHERE profile_id = ?"
_BUNDLES = "profile_id = ? AND closed_at IS NULL AND bundles > 0"


@dataclass(frozen=True)
class Offer:
    """What a call would cost, and who would pay. `payer`: profile, company, or bundle if nobody pays beyond it.

    `term` is the term whose bundles pay first; None if none does. `limits` are the profile's.
    """

    deck: int
    rate: Rate
    payer: str
    term: int | None
    limits: admission.Limits = field(default_factory=admission.Limits)


@dataclass(frozen=True)
class Begun:
    """A first slice: how long it lasts, and the columns of its row."""

    seconds: int
    columns: dict[str, Any]


def questions(profile: Any, at: int) -> list[Question]:
    """What `offer`, `may_dial` and `begin` ask of a profile that pays by itself, for who foresees it."""
    return [
        decks.in_use_question(profile.company_id, at),
        asked(Term, _BUNDLES, profile.id),
        (_RULES, (profile.id,)),
        *_slice_questions(profile),
    ]


def _slice_questions(profile: Any) -> list[Question]:
    return [
        asked(Limits, _OF_PROFILE, profile.id),
        credit.recharge_question(profile.id),
        ledger.balances_question([profile_account(profile.id, "credit")]),
    ]


def offer(profile: Any, called: str, at: int) -> Offer | Refusal:
    """The rate of a number for a profile at an instant, and who pays; NO_RATE if there is none."""
    found = decks.rate_of(profile.company_id, called, at)
    if found is None:
        return refusals.NO_RATE
    limits = limits_of(profile.id)
    term = _bundle_term(profile) if destinations.in_us(called) else None
    if term is None:
        return Offer(*found, "profile", None, limits)
    # Its bundles may be used up or, in grace, over: then the company pays all the same (BRIEF, rule 8).
    payer = "company" if limits.uses_company_balance else "bundle"
    return Offer(*found, payer, term.id if at < term.ends_at else None, limits)


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
    """Rate a call that never was. BadInput, or NotFound if there is no rate for the number."""
    called = e164(number)
    if called is None:
        raise BadInput(f"{number[:40]!r} is no number in international form, as +442079460001 is")
    if not 0 <= duration_ms <= LONGEST_PRICED_MS:
        raise BadInput(f"a call of {duration_ms} ms: it is 0 to {LONGEST_PRICED_MS} ms long")
    with reading():
        row = profile_row(profile) if profile is not None else None
        owner = Company.get_by_id(row.company_id) if row is not None else company_row(company)
        found = decks.rate_of(owner.id, called, at)
        offered = offer(row, called, at) if row is not None else found and Offer(*found, "profile", None)
        if not isinstance(offered, Offer):
            raise NotFound(f"there is no rate for {called}: a call to it is refused ({refusals.NO_RATE.code})")
        rate = offered.rate
        rated = rating.rated(rate, duration_ms, free_bundle_s(offered.term))
        refusal = None
        if row is not None:
            refusal = admission.may_carry(row.status, row.state) or may_dial(row, called, offered, at)
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
            payer=_paid_by(offered.payer, rated),
            refusal=refusal.code if refusal else None,
        )


def may_dial(profile: Any, called: str, offered: Offer, at: int) -> Refusal | None:
    """None if the profile may call the number now, else why not."""
    limits = offered.limits
    found = rows(_RULES, profile.id)
    rules = [destinations.PrefixRule(prefix, bool(allowed)) for prefix, allowed in found]
    pace = Pace(0, 0)
    if limits.calls_per_second is not None or limits.attempts_per_number is not None:
        pace = Pace(
            _admitted_since(profile, at - 1000),
            _admitted_since(profile, at - 3_600_000, called) if limits.attempts_per_number is not None else 0,
        )
    return admission.may_dial(called, offered.rate, limits, rules, pace)


def begin(call_id: str, profile: Any, offered: Offer, slicing: Slicing, at: int) -> Begun | Refusal:
    """Hold the first slice of a call, in the ledger; its row is made by `keep`, after the call's.

    SPEND_LIMIT or NO_CREDIT, and nothing is held, if not even the first block can be paid.
    """
    row = Hold(call_id=call_id, payer=offered.payer, term_id=offered.term, bundle_s=0, paid_s=0, micros=0)
    pinned = _pinned(offered.deck, offered.rate)
    for name, value in pinned.items():
        setattr(row, name, value)
    key = f"call:{call_id}:hold"
    recharges = row.payer == "profile" and credit.recharge_if_low(profile, key, at)
    funds = _funds(profile, row, at)
    made = holds.extended(holds.Hold(), offered.rate, _limited(profile, row, offered.limits, funds, at), slicing)
    if made.seconds == 0:
        unlimited = holds.extended(holds.Hold(), offered.rate, funds, slicing)
        return refusals.SPEND_LIMIT if unlimited.seconds else refusals.NO_CREDIT
    _post_hold(profile, row, holds.Hold(), made, f"{key}:{made.seconds}", at)
    if recharges:
        credit.recharge_if_low(profile, key, at)
    return Begun(
        made.seconds,
        {"call_id": call_id, "payer": offered.payer, "term_id": offered.term, **pinned, **_amounts(made)},
    )


def keep(begun: Begun) -> None:
    """Make the row of a hold that was begun, beside its call's."""
    insert(Hold, **begun.columns)


def extend(row: Any, profile: Any, slicing: Slicing, at: int) -> int:
    """One slice more for a live call, as far as its payer's money goes; the seconds held afterwards."""
    rate = ledger.pinned_rate(row)
    before = _held(row)
    if profile.status == "archived":
        return before.seconds  # it was deleted: its calls talk what they hold
    foresee(*_slice_questions(profile))
    key = f"call:{row.call_id}:hold:{before.seconds}+"
    recharges = row.payer == "profile" and credit.recharge_if_low(profile, key, at)
    limited = _limited(profile, row, limits_of(profile.id), _funds(profile, row, at), at)
    after = holds.extended(before, rate, limited, slicing)
    if after != before:
        _change(row, profile, before, after, at)
        if recharges:
            credit.recharge_if_low(profile, key, at)
    return after.seconds


def repin(row: Any, profile: Any, called: str, slicing: Slicing, at: int) -> int:
    """At the answer: the rate that is in force now is the call's, for good (BRIEF, rule 6); the seconds held then."""
    found = decks.rate_of(profile.company_id, called, at)
    before = _held(row)
    if found is None or _pinned(0, found[1]) == _pinned(0, ledger.pinned_rate(row)):
        return before.seconds
    after = holds.repinned(before, found[1])
    for name, value in _pinned(*found).items():
        setattr(row, name, value)
    _change(row, profile, before, after, at)
    return extend(row, profile, slicing, at) if after.seconds < before.seconds else after.seconds


@dataclass(frozen=True)
class Settled:
    """A call's charge, by its columns, and when the ledger has it."""

    charge: dict[str, Any]
    at: int


def settle(call: Any, profile: Any, duration_ms: int, at: int) -> Settled | None:
    """Charge what was talked, void the rest, take the hold away; None for a call in."""
    row = one(Hold, "call_id = ?", call.id)
    if row is None:
        return None
    held = _held(row)
    rated = holds.settled(held, ledger.pinned_rate(row), duration_ms)
    about = f"{rated.billed_s} s billed to {row.prefix} {row.rate_name}"
    key = f"call:{call.id}:settle"
    booked = ledger.post(profile.company_id, key, "settle", at, _settling(row, profile, held, rated, at), about)
    run("DELETE FROM hold WHERE call_id = ?", call.id)
    charge = {
        "cdr_id": call.id,
        "payer": _paid_by(row.payer, rated),
        "term_id": row.term_id,
        "held_bundle_s": held.bundle_s,
        "held_paid_s": held.paid_s,
        "held_micros": held.micros,
        "billed_s": rated.billed_s,
        "bundle_s": rated.bundle_s,
        "paid_s": rated.paid_s,
        "price_micros": rated.price_micros,
        **_pinned(row.deck_id, ledger.pinned_rate(row)),
    }
    return Settled(charge, at if booked is None else booked)


def limits_of(profile: int) -> admission.Limits:
    """A profile's limits, in the caller's transaction; none if it has set none."""
    row = one(Limits, _OF_PROFILE, profile)
    if row is None:
        return admission.Limits()
    return admission.Limits(
        price_per_minute_micros=row.price_per_minute_micros,
        call_micros=row.call_micros,
        day_micros=row.day_micros,
        month_micros=row.month_micros,
        calls_per_second=row.calls_per_second,
        attempts_per_number=row.attempts_per_number,
        uses_company_balance=row.uses_company_balance,
    )


def free_bundle_s(term: int | None) -> int:
    """The seconds of a term's bundles that no call holds, in the caller's transaction."""
    if term is None:
        return 0
    name = term_account(term, "bundle")
    return ledger.balances([name])[name]


def _settling(row: Any, profile: Any, held: holds.Hold, rated: Rated, at: int) -> list[Posting]:
    company = profile.company_id
    postings = []
    if held.micros:
        source, free = _money_accounts(row, profile)
        postings += moved(rated.price_micros, source, company_account(company, "usage"))
        postings += moved(held.micros - rated.price_micros, source, free)
    if held.bundle_s:
        source = term_account(row.term_id, "bundle_held")
        term = Term.get_by_id(row.term_id)
        over = term.closed_at is not None or term.ends_at <= at
        free = company_account(company, "seconds_expired") if over else term_account(row.term_id, "bundle")
        postings += moved(rated.bundle_s, source, company_account(company, "seconds_used"))
        postings += moved(held.bundle_s - rated.bundle_s, source, free)
    return postings


def _change(row: Any, profile: Any, before: holds.Hold, after: holds.Hold, at: int) -> None:
    row.bundle_s, row.paid_s, row.micros = after.bundle_s, after.paid_s, after.micros
    values = {**_pinned(row.deck_id, ledger.pinned_rate(row)), **_amounts(after)}
    columns = ", ".join(f"{name} = ?" for name in values)
    run(f"UPDATE hold SET {columns} WHERE call_id = ?", *values.values(), row.call_id)
    _post_hold(profile, row, before, after, f"call:{row.call_id}:hold:{before.seconds}-{after.seconds}", at)


def _post_hold(profile: Any, row: Any, before: holds.Hold, after: holds.Hold, key: str, at: int) -> None:
    held, free = _money_accounts(row, profile)
    postings = _moved_either_way(after.micros - before.micros, free, held)
    if row.term_id is not None:
        bundle = term_account(row.term_id, "bundle")
        postings += _moved_either_way(
            after.bundle_s - before.bundle_s, bundle, term_account(row.term_id, "bundle_held")
        )
    about = f"{after.seconds} s held for {row.prefix} {row.rate_name}"
    ledger.post(profile.company_id, key, "hold", at, postings, about)


def _moved_either_way(amount: int, source: str, target: str) -> list[Posting]:
    return moved(amount, source, target) if amount >= 0 else moved(-amount, target, source)


def _money_accounts(row: Any, profile: Any) -> tuple[str, str]:
    """The held and the free account of who pays."""
    if row.payer == "profile":
        held = profile_account(profile.id, "credit_held")
        if profile.status == "archived":  # its credit went back to the company, and so does what its calls leave
            return held, company_account(profile.company_id, "balance")
        return held, profile_account(profile.id, "credit")
    return company_account(profile.company_id, "held"), company_account(profile.company_id, "balance")


def _funds(profile: Any, row: Any, at: int) -> Funds:
    """What is there for one more slice, without regard to limits."""
    free = _money_accounts(row, profile)[1]
    micros = 0 if row.payer == "bundle" else ledger.balances([free])[free]
    bundle_s = 0
    if row.term_id is not None:
        term = Term.get_by_id(row.term_id)
        if term.closed_at is None and at < term.ends_at:
            bundle_s = free_bundle_s(row.term_id)
    return Funds(bundle_s, micros)


def _limited(profile: Any, row: Any, limits: admission.Limits, funds: Funds, at: int) -> Funds:
    """The funds within the profile's limits."""
    left = [funds.micros]
    if limits.call_micros is not None:
        left.append(limits.call_micros - row.micros)
    if limits.day_micros is not None:
        left.append(limits.day_micros - _spent_since(profile, at - DAY_MS))
    if limits.month_micros is not None:
        zone = Company.get_by_id(profile.company_id).time_zone
        left.append(limits.month_micros - _spent_since(profile, times.month_start(times.local_month(at, zone), zone)))
    return Funds(funds.bundle_s, max(0, min(left)))


def _spent_since(profile: Any, since: int) -> int:
    """What calls that ended since then cost, and what live ones hold."""
    ended = rows("SELECT SUM(price_micros) FROM cdr WHERE profile_id = ? AND ended_at > ?", profile.id, since)
    sql = "SELECT SUM(hold.micros) FROM hold JOIN call ON call.id = hold.call_id WHERE call.profile_id = ?"
    return sum(int(total or 0) for ((total,),) in (ended, rows(sql, profile.id)))


def _admitted_since(profile: Any, since: int, called: str | None = None) -> int:
    condition, values = "profile_id = ? AND direction = 'out' AND started_at > ?", [profile.id, since]
    if called is not None:
        condition, values = condition + " AND called = ?", [*values, called]
    live = rows(f"SELECT COUNT(*) FROM call WHERE {condition}", *values)
    over = rows(f"SELECT COUNT(*) FROM cdr WHERE {condition} AND refusal IS NULL", *values)
    return int(live[0][0]) + int(over[0][0])


def _bundle_term(profile: Any) -> Term | None:
    """The profile's running term, if bundles were sold with it."""
    return one(Term, _BUNDLES, profile.id)


def _paid_by(payer: str, rated: Rated) -> str:
    """Who paid; the bundle, if it left nothing to pay."""
    return payer if rated.paid_s or not rated.bundle_s else "bundle"


def _held(row: Any) -> holds.Hold:
    return holds.Hold(row.bundle_s, row.paid_s, row.micros)


def _amounts(hold: holds.Hold) -> dict[str, int]:
    return {"bundle_s": hold.bundle_s, "paid_s": hold.paid_s, "micros": hold.micros}


def _pinned(deck: int, rate: Rate) -> dict[str, Any]:
    return {
        "deck_id": deck,
        "prefix": rate.prefix,
        "rate_name": rate.name,
        "price_per_minute_micros": rate.price_per_minute_micros,
        "connection_fee_micros": rate.connection_fee_micros,
        "increments": rating.increments_text(rate.increments),
    }
