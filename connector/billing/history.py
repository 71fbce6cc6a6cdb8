"""What became of calls: CDRs, found and shown, and why each cost what it did. billing/calls.py writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import JOIN, Tuple

from connector.billing import costs, ledger
from connector.billing.costs import CostView
from connector.billing.ledger import EntryView
from connector.core import rating
from connector.core.access import Scope
from connector.core.paging import Key, Page, Turn, cursor, page, turn
from connector.database.models import Cdr, Charge, Deck, Profile, Trunk
from connector.database.store import fitting, reading, rows
from connector.errors import BadInput, NotFound
from connector.words import amount, marked, phrase

# How many CDRs one question looks at, and one page.
LOOKED_AT = 5_000
# `whole` asks for so many rows at once, and so often at most.
ROWS_AT_ONCE, MOST_LOOKS = 1_000, 40
MOST_LOOKED_AT = 15_000


@dataclass(frozen=True)
class CdrView:
    """What became of one attempt. Times in milliseconds since 1970 UTC, by Asterisk's clock.

    `caller_id` is what the caller's side said, `shown` what the far side was told: "" that it is not to be known.
    `forwarded`: what was called, where this call out is its forward. `booked_at`: when the ledger has its charge.
    `offered_micros`: what a minute of a refused call would have cost, if there was a rate. `button`: the name of the
    call button that it came by. `sip_status`: the far end's final SIP answer; None if there was none. `hung_up_by`:
    caller, callee, or us with the reason; "" if that is not known.
    """

    id: str
    node: str
    profile: str | None
    direction: str
    caller_id: str
    shown: str | None
    dialled: str
    called: str | None
    trunk: str | None
    started_at: int
    answered_at: int | None
    ended_at: int
    duration_ms: int
    cause: int
    ending: str
    refusal: str | None
    gate_leg: str
    other_leg: str | None
    price_micros: int | None
    forwarded: str = ""
    booked_at: int = 0
    offered_micros: int | None = None
    button: str = ""
    sip_status: int | None = None
    hung_up_by: str = ""


@dataclass(frozen=True)
class Explanation:
    """Everything that made the price of a call. `recomputed_micros` is worked out once more from the rest of it.

    `blocks` says how the seconds were rounded; `entries` is every movement in the ledger. `cost`: what it cost us; None
    if that is not known, or costs were not asked for.
    """

    id: str
    ending: str
    duration_ms: int
    deck: int
    deck_name: str
    deck_version: str
    prefix: str
    rate: str
    price_per_minute_micros: int
    connection_fee_micros: int
    increments: str
    blocks: str
    held_s: int
    held_micros: int
    billed_s: int
    bundle_s: int
    paid_s: int
    payer: str
    term: int | None
    rounding: str
    price_micros: int
    recomputed_micros: int
    agrees: bool
    entries: list[EntryView]
    cost: CostView | None = None


def cdrs(limit: int) -> list[CdrView]:
    """The newest `limit` CDRs, newest first."""
    with reading():
        found = _cdr_rows().order_by(Cdr.ended_at.desc(), Cdr.id.desc()).limit(limit)
        return [_cdr_view(row) for row in found]


@dataclass(frozen=True)
class Wanted:
    """Which CDRs: None for all.

    `profile`: its user name. `number`: the beginning of the called or the calling number; `caller`, `called`: of one of
    them. `price_micros`: the least price. `since`, `until`: when it ended, in ms; `until` is not included.
    """

    profile: str | None = None
    direction: str | None = None
    ending: str | None = None
    refusal: str | None = None
    number: str | None = None
    since: int | None = None
    until: int | None = None
    caller: str | None = None
    called: str | None = None
    price_micros: int | None = None


def cdr_page(scope: Scope, wanted: Turn, which: Wanted) -> Page[CdrView]:
    """The CDRs that somebody sees, newest first. An attempt that reached no profile is its trunk's company's.

    Of a million CDRs few may fit: a page looks at `MOST_LOOKED_AT` at most, so it may be short while more follow.
    """
    with reading():
        profile = scope.profile if which.profile is None else _id_of(which.profile, scope)
        after: Key | None = wanted.after
        found: list[CdrView] = []
        for _ in range(MOST_LOOKED_AT // LOOKED_AT):
            floor = _floor(scope, profile, after, which)
            asked = _fitting(scope, profile, which).limit(wanted.limit + 1 - len(found))
            if after is not None:
                asked = asked.where(Tuple(Cdr.ended_at, Cdr.id) < after)
            if floor is not None:
                asked = asked.where(Cdr.ended_at >= floor)
            found += [_cdr_view(row) for row in asked]
            if len(found) > wanted.limit or floor is None:
                return page(found, wanted, lambda view: (view.ended_at, view.id))
            after = (floor, "")
        return Page(found, None if after is None else cursor(after))


def whole(scope: Scope, which: Wanted, most: int) -> list[CdrView]:
    """All CDRs that fit, newest first. BadInput if there are more than `most`, or too many calls to look through."""
    found: list[CdrView] = []
    after: str | None = None
    for _ in range(MOST_LOOKS):
        some = cdr_page(scope, turn(after, ROWS_AT_ONCE, "is"), which)
        found += some.items
        if len(found) > most:
            raise BadInput("More than {most} calls fit. Choose a shorter time or more filters.", most=amount(most))
        if some.next is None:
            return found
        after = some.next
    raise BadInput("There are too many calls to look through. Choose a shorter time.")


def cdr(cdr_id: str) -> CdrView:
    """One CDR, by its id or the beginning of it (4 characters and more); NotFound if that is none, or several."""
    with reading():
        found = list(_cdr_rows().where(Cdr.id.startswith(cdr_id)).limit(2)) if len(cdr_id) >= 4 else []
        if not found:
            raise NotFound("there is no CDR {cdr_id!r}", cdr_id=cdr_id)
        if len(found) > 1:
            raise NotFound("several CDRs begin with {cdr_id!r}: give more of the ID", cdr_id=cdr_id)
        return _cdr_view(found[0])


def explain(cdr_id: str, *, with_costs: bool = False) -> Explanation:
    """Why a call cost what it did, by its id or the beginning of it; `with_costs`: and what it cost us. NotFound if
    there is none, or it was free.
    """
    found = cdr(cdr_id)
    with reading():
        charge = Charge.get_or_none(Charge.cdr == found.id)
        if charge is None:
            if found.refusal:
                raise NotFound("The call {id} cost nothing: it was refused ({code}).", id=found.id, code=found.refusal)
            raise NotFound("The call {id} cost nothing: incoming calls are free.", id=found.id)
        deck = Deck.select(Deck.name, Deck.version).where(Deck.id == charge.deck_id).get()
        again = ledger.recomputed(charge, found.duration_ms)
        return Explanation(
            id=found.id,
            ending=found.ending,
            duration_ms=found.duration_ms,
            deck=charge.deck_id,
            deck_name=deck.name,
            deck_version=deck.version,
            prefix=charge.prefix,
            rate=charge.rate_name,
            price_per_minute_micros=charge.price_per_minute_micros,
            connection_fee_micros=charge.connection_fee_micros,
            increments=charge.increments,
            blocks=_blocks(charge, found.duration_ms),
            held_s=charge.held_bundle_s + charge.held_paid_s,
            held_micros=charge.held_micros,
            billed_s=charge.billed_s,
            bundle_s=charge.bundle_s,
            paid_s=charge.paid_s,
            payer=charge.payer,
            term=charge.term_id,
            rounding=_rounding(charge),
            price_micros=charge.price_micros,
            recomputed_micros=again.price_micros,
            agrees=again.price_micros == charge.price_micros == found.price_micros,
            entries=ledger.of_call(found.id, with_costs=with_costs),
            cost=costs.of_call(found.id) if with_costs else None,
        )


def _floor(scope: Scope, profile: int | None, after: Key | None, which: Wanted) -> int | None:
    """When the last of the next `LOOKED_AT` CDRs ended; None if there are not so many."""
    sql, values = fitting(
        "SELECT ended_at FROM cdr WHERE 1 = 1",
        ("company_id = ?", scope.company if profile is None else None),
        ("profile_id = ?", profile),
        ("ended_at <= ?", after and after[0]),
        ("ended_at < ?", which.until),
        ("ended_at >= ?", which.since),
    )
    found = rows(f"{sql} ORDER BY ended_at DESC LIMIT 1 OFFSET ?", *values, LOOKED_AT)
    return int(found[0][0]) if found else None


def _fitting(scope: Scope, profile: int | None, which: Wanted) -> Any:
    found = _cdr_rows().order_by(Cdr.ended_at.desc(), Cdr.id.desc())
    if scope.company is not None and profile is None:  # with both, SQLite would walk through the company's
        found = found.where(Cdr.company_id == scope.company)
    equal = ((Cdr.profile, profile), (Cdr.direction, which.direction), (Cdr.ending, which.ending))
    for column, value in (*equal, (Cdr.refusal, which.refusal)):
        if value is not None:
            found = found.where(column == value)
    if which.number is not None:
        begins = [column.startswith(which.number) for column in (Cdr.called, Cdr.dialled, Cdr.caller_id)]
        found = found.where(begins[0] | begins[1] | begins[2])
    if which.caller is not None:
        found = found.where(Cdr.caller_id.startswith(which.caller))
    if which.called is not None:
        found = found.where(Cdr.called.startswith(which.called) | Cdr.dialled.startswith(which.called))
    if which.price_micros is not None:
        found = found.where(Cdr.price_micros >= which.price_micros)
    if which.since is not None:
        found = found.where(Cdr.ended_at >= which.since)
    if which.until is not None:
        found = found.where(Cdr.ended_at < which.until)
    return found


def _id_of(username: str, scope: Scope) -> int:
    """A profile's id, if somebody sees it; 0, which is nobody's, if not."""
    found = rows("SELECT id, company_id FROM profile WHERE username = ?", username)
    seen = [number for number, company in found if scope.company in (None, company)]
    return int(seen[0]) if seen and scope.profile in (None, seen[0]) else 0


def _blocks(charge: Any, duration_ms: int) -> str:
    rate = ledger.pinned_rate(charge)
    whole = rating.billed_s(duration_ms, rate.increments)
    held = charge.held_bundle_s + charge.held_paid_s
    values = {"talked": duration_ms, "whole": whole, "increments": charge.increments, "held": held}
    if whole > held:
        return phrase(
            "{talked} ms talked are {whole} s in blocks of {increments}; Asterisk ended the call at the {held} s that"
            " were paid, so no more is billed",
            **values,
        )
    return phrase("{talked} ms talked are {whole} s in blocks of {increments}", **values)


def _rounding(charge: Any) -> str:
    if not charge.paid_s:
        return marked("no second was paid in money")
    number = charge.price_per_minute_micros * charge.paid_s
    return phrase(
        "{price} x {seconds} / 60 = {whole} {rest}/60, half up to {rounded}; connection fee {fee}",
        price=charge.price_per_minute_micros,
        seconds=charge.paid_s,
        whole=number // 60,
        rest=number % 60,
        rounded=charge.price_micros - charge.connection_fee_micros,
        fee=charge.connection_fee_micros,
    )


def _cdr_rows() -> Any:
    found = Cdr.select(Cdr, Profile, Trunk).join(Profile, JOIN.LEFT_OUTER)
    return found.switch(Cdr).join(Trunk, JOIN.LEFT_OUTER)


def _cdr_view(row: Cdr) -> CdrView:
    return CdrView(
        id=row.id,
        node=row.node,
        profile=row.profile.name if row.profile else None,
        direction=row.direction,
        caller_id=row.caller_id,
        shown=row.shown,
        dialled=row.dialled,
        called=row.called,
        trunk=row.trunk.name if row.trunk else None,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        cause=row.cause,
        ending=row.ending,
        refusal=row.refusal,
        gate_leg=row.gate_leg,
        other_leg=row.other_leg,
        price_micros=row.price_micros,
        forwarded=row.forwarded,
        button=row.button,
        sip_status=row.sip_status,
        hung_up_by=row.hung_up_by,
        booked_at=row.booked_at,
        offered_micros=row.offered_micros,
    )
