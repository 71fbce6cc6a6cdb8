"""What live calls hold, and what is charged of it: the money of a call, inside the transactions of `calls`.

A hold is a row beside the call's, and the same sum in a held account of the ledger. It is made in the transaction that
admits the call, grows slice by slice, and is resolved once: in the transaction that ends the call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from connector.billing import costs, credit, decks, ledger, usage
from connector.core import admission, destinations, holds, kept, rating, times
from connector.core import costs as core_costs
from connector.core.admission import Pace
from connector.core.destinations import PrefixRule
from connector.core.gate import Money, Offer, ProfileFacts
from connector.core.holds import Funds, Slicing
from connector.core.ledger import Posting, company_account, moved, profile_account, term_account
from connector.core.plans import DAY_MS
from connector.core.rating import Rate, Rated
from connector.database import reference
from connector.database.models import Hold, Limits, Profile, Term
from connector.database.store import Question, foresee, insert, rows, run
from connector.routing import service_numbers

_OF_PROFILE = "profile_id = ?"
_RULES = "SELECT prefix, allowed FROM prefix_rule WHERE profile_id = ?"
_BUNDLES = "profile_id = ? AND closed_at IS NULL AND bundles > 0"


@dataclass(frozen=True)
class Begun:
    """A first slice: how long it lasts, and the columns of its row."""

    seconds: int
    columns: dict[str, Any]


def credit_question(profile: Profile) -> Question:
    """What `money` asks of a profile that pays by itself, for who foresees it."""
    return ledger.balances_question([profile_account(profile.id, "credit")])


def offer(profile: Profile, called: str, at: int) -> Offer | None:
    """The rate of a number for a profile at an instant, and who pays; None if there is no rate."""
    found = _rate_of(profile, called, at)
    if found is None:
        return None
    limits = limits_of(profile.id)
    term = _bundle_term(profile) if destinations.in_us(called) else None
    if term is None:
        return Offer(*found, "profile", None, limits)
    # Its bundles may be used up or, in grace, over: then the company pays all the same (BRIEF, rule 8).
    payer = "company" if limits.uses_company_balance else "bundle"
    return Offer(*found, payer, term.id if at < term.ends_at else None, limits)


def _rate_of(profile: Profile, called: str, at: int) -> tuple[int, Rate] | None:
    """The rate of a number at an instant, and the company's deck then: of a service number it is the profile's own."""
    if called.startswith("+"):
        return decks.rate_of(profile.company_id, called, at)
    number, in_use = service_numbers.find(profile.id, called), decks.current(profile.company_id, at)
    return (in_use[0], number.rate) if number and in_use else None


def rules(profile: int) -> tuple[PrefixRule, ...]:
    """A profile's own words on what it may dial, in the caller's transaction."""
    return tuple(PrefixRule(prefix, bool(allowed)) for prefix, allowed in reference.rows(_RULES, profile))


def pace(profile: Profile, called: str, limits: admission.Limits, at: int) -> Pace:
    """How fast a profile's calls come, as far as a limit asks for it."""
    if limits.calls_per_second is None and limits.attempts_per_number is None:
        return Pace(0, 0)
    return Pace(
        _admitted_since(profile, at - 1000),
        _admitted_since(profile, at - 3_600_000, called) if limits.attempts_per_number is not None else 0,
    )


def money(profile: Profile | ProfileFacts, offered: Offer, at: int, more: int = 0) -> Money:
    """What is there to pay a call that would begin now; `more`: and what a recharge would bring besides."""
    funds = _funds(profile, offered.payer, offered.term, at)
    funds = replace(funds, micros=funds.micros + more)
    threshold = credit.recharges_below(profile.id) if offered.payer == "profile" else None
    return Money(
        funds,
        _limited(profile, 0, offered.limits, funds, at),
        recharges=threshold is not None,
        low=threshold is not None and funds.micros < threshold,
    )


def begin(call_id: str, profile: ProfileFacts, offered: Offer, first: holds.Hold, at: int) -> Begun:
    """Hold the first slice of a call, in the ledger; its row is made by `keep`, after the call's."""
    row = Hold(call_id=call_id, payer=offered.payer, term_id=offered.term, bundle_s=0, paid_s=0, micros=0)
    pinned = _pinned(offered.deck, offered.rate)
    for name, value in pinned.items():
        setattr(row, name, value)
    _post_hold(profile, row, holds.Hold(), first, f"{begun_by(call_id)}:{first.seconds}", at, new=True)
    return Begun(
        first.seconds,
        {"call_id": call_id, "payer": offered.payer, "term_id": offered.term, **pinned, **_amounts(first)},
    )


def begun_by(call_id: str) -> str:
    """What the first slice of a call is the cause of: the key of an auto-recharge for it."""
    return f"call:{call_id}:hold"


def keep(begun: Begun) -> None:
    """Make the row of a hold that was begun, beside its call's."""
    insert(Hold, **begun.columns)


def extend(row: Hold, profile: Profile, slicing: Slicing, at: int) -> int:
    """One slice more for a live call, as far as its payer's money goes; the seconds held afterwards."""
    rate = ledger.pinned_rate(row)
    before = _held(row)
    if profile.status == "archived":
        return before.seconds  # it was deleted: its calls talk what they hold
    foresee(credit_question(profile))
    key = f"call:{row.call_id}:hold:{before.seconds}+"
    recharges = row.payer == "profile" and credit.recharge_if_low(profile, key, at)
    limited = _limited(profile, row.micros, limits_of(profile.id), _funds(profile, row.payer, row.term_id, at), at)
    after = holds.extended(before, rate, limited, slicing)
    if after != before:
        _change(row, profile, before, after, at)
        if recharges:
            credit.recharge_if_low(profile, key, at)
    return after.seconds


def repin(row: Hold, profile: Profile, called: str, slicing: Slicing, at: int) -> int:
    """At the answer: the rate that is in force now is the call's, for good (BRIEF, rule 6); the seconds held then."""
    found = _rate_of(profile, called, at)
    before = _held(row)
    if found is None or _pinned(0, found[1]) == _pinned(0, ledger.pinned_rate(row)):
        return before.seconds
    after = holds.repinned(before, found[1])
    for name, value in _pinned(*found).items():
        setattr(row, name, value)
    _change(row, profile, before, after, at)
    return extend(row, profile, slicing, at) if after.seconds < before.seconds else after.seconds


def pin_cost(row: Hold, profile: Profile, trunk: int | None, called: str, at: int) -> None:
    """At the answer: what the call costs us by its trunk is the call's, for good."""
    row.cost = costs.pinned(profile.company_id, trunk, called, at)
    if row.cost:
        run("UPDATE hold SET cost = ? WHERE call_id = ?", row.cost, row.call_id)


@dataclass(frozen=True)
class Settled:
    """A call's charge and its cost, None if that is not known, by their columns; and when the ledger has it."""

    charge: dict[str, Any]
    cost: dict[str, Any] | None
    at: int


def settle(row: Hold, profile: Profile, duration_ms: int, at: int) -> Settled:
    """Charge what was talked, void the rest, take the hold away, and owe the carrier what the call costs."""
    held = _held(row)
    rated = holds.settled(held, ledger.pinned_rate(row), duration_ms)
    about = kept.BILLED.write(seconds=rated.billed_s, rate=f"{row.prefix} {row.rate_name}")
    key = f"call:{row.call_id}:settle"
    postings = _settling(row, profile, held, rated, at)
    cost = None
    pinned = costs.cost_in(row.cost)
    if pinned is not None and duration_ms > 0:
        costed = core_costs.costed(pinned, duration_ms)
        owed = costs.postings(profile.company_id, pinned, costed)
        if owed is not None:
            postings += owed
            cost = costs.columns(row.call_id, pinned, costed)
    booked = ledger.post(profile.company_id, key, "settle", at, postings, about, new=True)
    run("DELETE FROM hold WHERE call_id = ?", row.call_id)
    charge = {
        "cdr_id": row.call_id,
        "payer": paid_by(row.payer, rated),
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
    return Settled(charge, cost, at if booked is None else booked)


def limits_of(profile: int) -> admission.Limits:
    """A profile's limits, in the caller's transaction; none if it has set none."""
    row = reference.one(Limits, _OF_PROFILE, profile)
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


def _settling(row: Hold, profile: Profile, held: holds.Hold, rated: Rated, at: int) -> list[Posting]:
    company = profile.company_id
    postings = []
    if held.micros:
        source, free = _money_accounts(row.payer, profile)
        postings += moved(rated.price_micros, source, company_account(company, "usage"))
        postings += moved(held.micros - rated.price_micros, source, free)
    if held.bundle_s and row.term_id is not None:
        source = term_account(row.term_id, "bundle_held")
        term = _term(row.term_id)
        over = term.closed_at is not None or term.ends_at <= at
        free = company_account(company, "seconds_expired") if over else term_account(row.term_id, "bundle")
        postings += moved(rated.bundle_s, source, company_account(company, "seconds_used"))
        postings += moved(held.bundle_s - rated.bundle_s, source, free)
    return postings


def _change(row: Hold, profile: Profile, before: holds.Hold, after: holds.Hold, at: int) -> None:
    row.bundle_s, row.paid_s, row.micros = after.bundle_s, after.paid_s, after.micros
    values = {**_pinned(row.deck_id, ledger.pinned_rate(row)), **_amounts(after)}
    columns = ", ".join(f"{name} = ?" for name in values)
    run(f"UPDATE hold SET {columns} WHERE call_id = ?", *values.values(), row.call_id)
    _post_hold(profile, row, before, after, f"call:{row.call_id}:hold:{before.seconds}-{after.seconds}", at)


def _post_hold(
    profile: Profile | ProfileFacts,
    row: Hold,
    before: holds.Hold,
    after: holds.Hold,
    key: str,
    at: int,
    *,
    new: bool = False,
) -> None:
    held, free = _money_accounts(row.payer, profile)
    postings = _moved_either_way(after.micros - before.micros, free, held)
    if row.term_id is not None:
        bundle = term_account(row.term_id, "bundle")
        postings += _moved_either_way(
            after.bundle_s - before.bundle_s, bundle, term_account(row.term_id, "bundle_held")
        )
    about = kept.HELD.write(seconds=after.seconds, rate=f"{row.prefix} {row.rate_name}")
    ledger.post(profile.company_id, key, "hold", at, postings, about, new=new)


def _moved_either_way(amount: int, source: str, target: str) -> list[Posting]:
    return moved(amount, source, target) if amount >= 0 else moved(-amount, target, source)


def _money_accounts(payer: str, profile: Profile | ProfileFacts) -> tuple[str, str]:
    """The held and the free account of who pays."""
    if payer == "profile":
        held = profile_account(profile.id, "credit_held")
        if profile.status == "archived":  # its credit went back to the company, and so does what its calls leave
            return held, company_account(profile.company_id, "balance")
        return held, profile_account(profile.id, "credit")
    return company_account(profile.company_id, "held"), company_account(profile.company_id, "balance")


def _funds(profile: Profile | ProfileFacts, payer: str, term_id: int | None, at: int) -> Funds:
    """What is there for one more slice, without regard to limits."""
    free = _money_accounts(payer, profile)[1]
    micros = 0 if payer == "bundle" else ledger.balances([free], profile.company_id)[free]
    bundle_s = 0
    if term_id is not None:
        term = _term(term_id)
        if term.closed_at is None and at < term.ends_at:
            bundle_s = free_bundle_s(term_id)
    return Funds(bundle_s, micros)


def _limited(
    profile: Profile | ProfileFacts, held_micros: int, limits: admission.Limits, funds: Funds, at: int
) -> Funds:
    """The funds within the profile's limits."""
    left = [funds.micros]
    if limits.call_micros is not None:
        left.append(limits.call_micros - held_micros)
    if limits.day_micros is not None:
        left.append(limits.day_micros - _spent_since(profile, at - DAY_MS))
    if limits.month_micros is not None:
        zone = usage.company_zone(profile.company_id)
        left.append(limits.month_micros - _spent_since(profile, times.month_start(times.local_month(at, zone), zone)))
    return Funds(funds.bundle_s, max(0, min(left)))


def _spent_since(profile: Profile | ProfileFacts, since: int) -> int:
    """What calls that ended since then cost, and what live ones hold."""
    ended = rows("SELECT SUM(price_micros) FROM cdr WHERE profile_id = ? AND ended_at > ?", profile.id, since)
    sql = "SELECT SUM(hold.micros) FROM hold JOIN call ON call.id = hold.call_id WHERE call.profile_id = ?"
    return sum(int(total or 0) for ((total,),) in (ended, rows(sql, profile.id)))


def _admitted_since(profile: Profile | ProfileFacts, since: int, called: str | None = None) -> int:
    condition = "profile_id = ? AND direction = 'out' AND started_at > ?"
    values: tuple[int | str, ...] = (profile.id, since)
    if called is not None:
        condition, values = condition + " AND called = ?", (*values, called)
    live = rows(f"SELECT COUNT(*) FROM call WHERE {condition}", *values)
    over = rows(f"SELECT COUNT(*) FROM cdr WHERE {condition} AND refusal IS NULL", *values)
    return int(live[0][0]) + int(over[0][0])


def _bundle_term(profile: Profile) -> Term | None:
    """The profile's running term, if bundles were sold with it."""
    return reference.one(Term, _BUNDLES, profile.id)


def _term(term: int) -> Term:
    """A term that a call's hold names, and which is there for good."""
    return reference.lasting(Term, term)


def paid_by(payer: str, rated: Rated) -> str:
    """Who paid; the bundle, if it left nothing to pay."""
    return payer if rated.paid_s or not rated.bundle_s else "bundle"


def _held(row: Hold) -> holds.Hold:
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
