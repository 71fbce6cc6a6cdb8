"""What calls cost us: each trunk's cost for a number, what is pinned to a call, and the floors of margins.

Costs are the operator's own business: nothing of them is shown to the people of a company (core/access.py,
`costs.read`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from connector.billing import decks, exchange, ledger
from connector.core import costs as core
from connector.core import money, times
from connector.core.costs import Cost, Costed, Floor
from connector.core.gate import ProfileFacts
from connector.core.ledger import MOST_BALANCE, Posting, company_account, moved, trunk_account
from connector.core.rating import increments_text
from connector.database import reference
from connector.database.audit import audited
from connector.database.models import Company, MarginFloor, Profile
from connector.database.named import company_and_profile, company_row, profile_row
from connector.database.store import fitting, one, reading, rows, writing

_CURRENCY = "SELECT currency FROM company WHERE id = ?"
_WITH_COSTS = "SELECT DISTINCT trunk_id FROM deck WHERE company_id = ? AND trunk_id IS NOT NULL"
# What is kept with a call whose cost was looked for at the answer, and was not known.
UNKNOWN = "-"
log = logging.getLogger(__name__)
_FLOORS = "SELECT profile_id, hundredths, per_minute_micros FROM margin_floor WHERE company_id = ?"


@dataclass(frozen=True)
class FloorView:
    """The margin floor of a company, or of one profile: `percent` of the price, as `12.5`, and micros a minute."""

    company: str
    profile: str
    percent: str
    per_minute_micros: int
    currency: str


def of_trunk(company: int, trunk: int, called: str, at: int) -> tuple[Cost | None, bool]:
    """What a trunk takes for a number at an instant, in the caller's transaction, and whether that is known. Not known:
    it has no cost deck, or the deck's currency no exchange rate. Known and None: the carrier does not take such calls.
    """
    found = decks.costs_in_use(company, trunk, at)
    if found is None:
        return None, False
    deck, rates, currency = found
    worth = exchange.of(currency, _currency(company), at)
    if worth is None:
        return None, False
    rate = rates.rate(called, at)
    return (Cost(trunk, deck, rate, worth) if rate else None), True


def floor_of(profile: Profile | ProfileFacts) -> Floor | None:
    """The margin floor of a profile, its own or its company's, in the caller's transaction; None if none is set."""
    found = {whose: Floor(*floor) for whose, *floor in reference.rows(_FLOORS, profile.company_id)}
    return found.get(profile.id, found.get(None))


def pinned(company: int, trunk: int | None, called: str, at: int) -> str:
    """What a call that is answered at an instant costs by its trunk, as the text that is kept with it. "" if the trunk
    is not known, or without a cost deck; UNKNOWN if a deck does not say it: then it is not looked up again.
    """
    if trunk is None or not called.startswith("+"):
        return ""
    found, _ = of_trunk(company, trunk, called, at)
    if found is not None:
        return core.to_text(found)
    return UNKNOWN if has_decks(company) else ""


def cost_in(text: str) -> Cost | None:
    """The cost that is kept with a call; None if it is not known."""
    return None if text in ("", UNKNOWN) else core.of_text(text)


def postings(company: int, cost: Cost, costed: Costed) -> list[Posting] | None:
    """What the ledger moves for the cost of a call, in the caller's transaction; None if the accounts cannot hold it:
    the end of the call is written all the same.
    """
    names = (trunk_account(cost.trunk, "payable"), company_account(company, "cost"))
    have = ledger.balances(names, company)
    if max(map(abs, have.values())) + costed.cost_micros > MOST_BALANCE:
        log.error("the cost of a call, %d, is not booked: the accounts of its trunk are full", costed.cost_micros)
        return None
    return moved(costed.cost_micros, *names)


def has_decks(company: int) -> bool:
    """Whether a company has a cost deck, in the caller's transaction."""
    return bool(reference.rows(_WITH_COSTS, company))


def accounts_of(company: int) -> list[str]:
    """The accounts that costs of a company's calls move, in the caller's transaction; none without a cost deck."""
    payable = [trunk_account(trunk, "payable") for (trunk,) in reference.rows(_WITH_COSTS, company)]
    return [*payable, company_account(company, "cost")] if payable else []


def columns(call_id: str, cost: Cost, costed: Costed) -> dict[str, Any]:
    """The row of `cost` of a call."""
    rate = cost.rate
    return {
        "cdr_id": call_id,
        "trunk_id": cost.trunk,
        "deck_id": cost.deck,
        "prefix": rate.prefix,
        "rate_name": rate.name,
        "price_per_minute_micros": rate.price_per_minute_micros,
        "connection_fee_micros": rate.connection_fee_micros,
        "increments": increments_text(rate.increments),
        **cost.exchange._asdict(),
        **costed._asdict(),
    }


@audited("margin.floor", of_house=True)
def set_floor(
    percent: str | None, per_minute: str | None, company: str | None = None, profile: str | None = None
) -> FloorView:
    """Say what calls of a company, or of one profile, have to leave over their cost: a percentage of the price, and an
    amount a minute; both count, and what is None stays as it is. BadInput, NotFound.
    """
    hundredths = None if percent is None else core.hundredths(percent)
    micros = None if per_minute is None else money.amount(per_minute, zero=True)
    with writing():
        owner, row = company_and_profile(company, profile)
        before = one(MarginFloor, "company_id = ? AND COALESCE(profile_id, 0) = ?", owner.id, row.id if row else 0)
        hundredths = (before.hundredths if before else 0) if hundredths is None else hundredths
        micros = (before.per_minute_micros if before else 0) if micros is None else micros
        _delete(owner, row)
        MarginFloor.create(company=owner, profile=row, hundredths=hundredths, per_minute_micros=micros)
        return FloorView(owner.name, row.name if row else "", money.percent(hundredths), micros, owner.currency)


@audited("margin.floor_remove", of_house=True)
def remove_floor(company: str | None = None, profile: str | None = None) -> None:
    """Take a floor away: a profile's own, so that its company's counts, or the company's. NotFound."""
    with writing():
        _delete(*company_and_profile(company, profile))


def list_floors(company: str | None = None, profile: str | None = None) -> list[FloorView]:
    """The margin floors that are set, a company's own first; or a profile's alone. NotFound."""
    with reading():
        sql = (
            "SELECT company.name, COALESCE(profile.name, ''), hundredths, per_minute_micros, company.currency"
            " FROM margin_floor JOIN company ON company.id = margin_floor.company_id"
            " LEFT JOIN profile ON profile.id = margin_floor.profile_id"
        )
        asked, values = fitting(
            f"{sql} WHERE 1 = 1",
            ("company.id = ?", None if company is None else company_row(company).id),
            ("profile.id = ?", None if profile is None else profile_row(profile).id),
        )
        return [
            FloorView(of, name, money.percent(hundredths), micros, currency)
            for of, name, hundredths, micros, currency in rows(f"{asked} ORDER BY 1, 2", *values)
        ]


@dataclass(frozen=True)
class CostView:
    """What a call cost, and what was left of its price: `margin_micros`, and that in hundredths of a percent of the
    price, None for a call that money did not pay. `carrier_micros` is in the carrier's `currency`.
    """

    trunk: str
    deck: int
    prefix: str
    rate: str
    price_per_minute_micros: int
    connection_fee_micros: int
    increments: str
    billed_s: int
    currency: str
    carrier_micros: int
    exchange: str
    cost_micros: int
    margin_micros: int
    margin_hundredths: int | None


_COST = (
    "SELECT trunk.name, deck_id, prefix, rate_name, price_per_minute_micros, connection_fee_micros, increments,"
    " billed_s, currency, carrier_micros, numerator, denominator, cost_micros, cdr.price_micros FROM cost"
    " JOIN trunk ON trunk.id = cost.trunk_id JOIN cdr ON cdr.id = cost.cdr_id WHERE cost.cdr_id = ?"
)


def of_call(cdr_id: str) -> CostView | None:
    """What a call cost, by its whole id, in the caller's transaction; None if that is not known."""
    found = rows(_COST, cdr_id)
    if not found:
        return None
    trunk, deck, prefix, rate, per_minute, fee, steps, billed_s, currency, carrier, over, under, cost, price = found[0]
    sold = int(price or 0)
    return CostView(
        trunk=trunk,
        deck=deck,
        prefix=prefix,
        rate=rate,
        price_per_minute_micros=per_minute,
        connection_fee_micros=fee,
        increments=steps,
        billed_s=billed_s,
        currency=currency,
        carrier_micros=carrier,
        exchange=core.ratio_text(over, under),
        cost_micros=cost,
        margin_micros=sold - cost,
        margin_hundredths=core.percent_left(sold, cost),
    )


@dataclass(frozen=True)
class MarginLine:
    """Answered calls of a month by one trunk to one destination, or of one of these, or all. `costed` of them have a
    cost, and were sold for `costed_price_micros`; of the others nothing is known. `margin_micros`: what these left, and
    `margin_hundredths`: in hundredths of a percent of their price, None where nothing was paid.
    """

    name: str
    calls: int
    costed: int
    duration_ms: int
    bundle_s: int
    price_micros: int
    costed_price_micros: int
    cost_micros: int
    margin_micros: int
    margin_hundredths: int | None


@dataclass(frozen=True)
class MarginReport:
    """A company's margin of a month: by trunk, by destination, by profile, and all together."""

    company: str
    currency: str
    month: str
    trunks: list[MarginLine]
    destinations: list[MarginLine]
    profiles: list[MarginLine]
    total: MarginLine


_SUMS = (
    "COALESCE(SUM(calls), 0), COALESCE(SUM(costed), 0), COALESCE(SUM(duration_ms), 0), COALESCE(SUM(bundle_s), 0),"
    " COALESCE(SUM(price_micros), 0), COALESCE(SUM(costed_price_micros), 0), COALESCE(SUM(cost_micros), 0)"
)


def report(which: str | None, now: int, company: str | None = None) -> MarginReport:
    """A company's margin of a month, as `2026-12`, or of the one that runs: what lost most comes first. BadInput,
    NotFound.
    """
    with reading():
        owner = company_row(company)
        month = times.local_month(now, owner.time_zone) if which is None else times.checked_month(which)
        of = "FROM margin_month WHERE margin_month.company_id = ? AND month = ?"
        by_trunk = (
            f"SELECT trunk.name, {_SUMS} FROM margin_month JOIN trunk ON trunk.id = margin_month.trunk_id"
            " WHERE margin_month.company_id = ? AND month = ? GROUP BY trunk.name"
        )
        by_profile = (
            f"SELECT profile.name, {_SUMS} FROM margin_month JOIN profile ON profile.id = margin_month.profile_id"
            " WHERE margin_month.company_id = ? AND month = ? GROUP BY profile.name"
        )
        by_destination = f"SELECT destination, {_SUMS} {of} GROUP BY destination"
        found = [_lines(sql, owner.id, month) for sql in (by_trunk, by_destination, by_profile)]
        total = rows(f"SELECT '', {_SUMS} {of}", owner.id, month)[0]
    return MarginReport(owner.name, owner.currency, month, found[0], found[1], found[2], _line(total))


def _lines(sql: str, company: int, month: str) -> list[MarginLine]:
    return sorted((_line(row) for row in rows(sql, company, month)), key=lambda line: (line.margin_micros, line.name))


def _line(row: tuple[Any, ...]) -> MarginLine:
    name, *sums = row
    calls, costed, duration_ms, bundle_s, price, costed_price, cost = map(int, sums)
    figures = (calls, costed, duration_ms, bundle_s, price, costed_price, cost)
    return MarginLine(str(name), *figures, costed_price - cost, core.percent_left(costed_price, cost))


def _delete(company: Company, profile: Profile | None) -> None:
    of_profile = MarginFloor.profile.is_null() if profile is None else MarginFloor.profile == profile
    MarginFloor.delete().where((MarginFloor.company == company) & of_profile).execute()


def _currency(company: int) -> str:
    return str(reference.rows(_CURRENCY, company)[0][0])
