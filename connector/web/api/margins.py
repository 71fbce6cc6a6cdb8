"""What carriers cost, what calls leave over it, and what carriers' currencies are worth. For the operator alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.billing import carriers, costs, decks, exchange
from connector.billing.carriers import PolicyView
from connector.billing.costs import FloorView, MarginReport
from connector.billing.decks import DeckView, ReadDeck
from connector.billing.exchange import ExchangeView
from connector.core.times import instant
from connector.core.trunks import Routing
from connector.web.api.company import MOST_DECK_BYTES, NewDeck, check_confirmed
from connector.web.api.reports import MonthAsked
from connector.web.endpoint import Ask, Endpoints, Instant, OfCompany, Shape, Word

api = Endpoints("Costs and margins")

Currency = Annotated[str, Field(min_length=3, max_length=3, examples=["USD"])]
Decimal = Annotated[str, Field(max_length=40)]


class NewCostDeck(NewDeck):
    """A carrier's cost sheet, as a rate sheet. `currency`: what its prices are in, if it is not the currency of the
    cost deck before, or the company's.
    """

    currency: Annotated[str, Field(max_length=3)] = ""


class NewFloor(Shape):
    """What a call has to leave over its cost: a part of its price, and an amount a minute; both count, and what is not
    said stays. Of one profile, or of the company.
    """

    percent: Annotated[Decimal, Field(examples=["12.5"])] | None = None
    per_minute: Annotated[Decimal, Field(examples=["0.002"])] | None = None
    profile: Word | None = None


class FloorAsked(OfCompany):
    """A profile's floor, or the company's."""

    profile: Word | None = None


class NewExchangeRate(Shape):
    """What one unit of a currency is worth in another, from an instant on, or from now on."""

    currency: Currency
    target: Currency
    rate: Annotated[Decimal, Field(examples=["0.7893"])]
    from_at: Instant | None = None


@api.get("/trunks/{trunk}/decks", "costs.read")
def list_cost_decks(ask: Ask) -> list[DeckView]:
    """The cost decks of a trunk, newest first."""
    return decks.list_decks(trunk=ask.path["trunk"])


def _read_costs(ask: Ask, body: NewCostDeck) -> ReadDeck:
    return ask.read_deck(body.csv, body.mode, body.answers, body.carrier, ask.path["trunk"], body.currency)


@api.post("/trunks/{trunk}/decks", "rates.write", status=201, most_body=MOST_DECK_BYTES, before=_read_costs)
def load_cost_deck(ask: Ask, body: NewCostDeck, read: ReadDeck) -> DeckView:
    """Load a carrier's cost sheet: all of it, or nothing and what is wrong with it."""
    check_confirmed(body, read)
    return decks.put_costs(body.name, ask.path["trunk"], read, ask.now)


@api.get("/margins", "costs.read", of_company=True)
def show_margins(ask: Ask, query: MonthAsked) -> MarginReport:
    """What the answered calls of a month were sold for, what they cost, and what was left."""
    return costs.report(query.month, ask.now, ask.company)


@api.get("/margins/floors", "costs.read", of_company=True)
def list_floors(ask: Ask) -> list[FloorView]:
    """The margin floors of the company and of its profiles."""
    return costs.list_floors(ask.company)


@api.put("/margins/floors", "rates.write", of_company=True)
def set_floor(ask: Ask, body: NewFloor) -> FloorView:
    """Set the margin floor of the company, or of one profile."""
    profile = ask.mine("profile", body.profile)
    return costs.set_floor(body.percent, body.per_minute, ask.company, profile)


@api.delete("/margins/floors", "rates.write", of_company=True)
def remove_floor(ask: Ask, query: FloorAsked) -> None:
    """Take a margin floor away: a profile's own, so that the company's counts, or the company's."""
    costs.remove_floor(ask.company, ask.mine("profile", query.profile))


class NewPolicy(Shape):
    """In which order calls try trunks; "" takes away what was set. Of one profile, or of the company."""

    policy: Literal["", "fixed", "cost", "share"]
    profile: Word | None = None


@api.get("/trunk-orders", "costs.read", of_company=True)
def list_trunk_orders(ask: Ask) -> list[PolicyView]:
    """In which order calls try trunks, where that was said: by cost, by share, or fixed, by place and share."""
    return carriers.list_policies(ask.company)


@api.put("/trunk-orders", "trunks.write", of_company=True)
def set_trunk_order(ask: Ask, body: NewPolicy) -> list[PolicyView]:
    """Say in which order the calls of the company, or of one profile, try trunks."""
    carriers.set_policy(body.policy, ask.company, ask.mine("profile", body.profile))
    return carriers.list_policies(ask.company)


@api.get("/cdrs/{cdr}/routing", "costs.read")
def show_routing(ask: Ask) -> Routing:
    """Which trunks a call tried, in which order, and which were left out and why, as it was decided then."""
    return carriers.routing_of(ask.path["cdr"])


@api.get("/exchange-rates", "costs.read")
def list_exchange_rates(ask: Ask) -> list[ExchangeView]:
    """What carriers' currencies are worth, the newest of each pair first."""
    return exchange.list_rates()


@api.post("/exchange-rates", "rates.write", status=201)
def set_exchange_rate(ask: Ask, body: NewExchangeRate) -> ExchangeView:
    """Say what a currency is worth. Calls that were answered before keep the rate that they had."""
    since = None if body.from_at is None else instant(body.from_at, "UTC")
    return exchange.set_rate(body.currency.upper(), body.target.upper(), body.rate, ask.now, since)
