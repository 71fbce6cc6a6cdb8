"""What a profile has and buys: credit, auto-recharge, channels and bundles; and the ledger that all of it is in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connector.billing import credit, ledger, plans
from connector.billing.credit import Credit
from connector.billing.ledger import EntryView
from connector.billing.plans import Subscription
from connector.core.paging import Page, turn
from connector.web.endpoint import Ask, Endpoints, Micros, OfCompany, Paged, Shape

api = Endpoints("Money")

Channels = Annotated[int, Field(ge=1, le=300)]
Bundles = Annotated[int, Field(ge=0, le=300)]


class Sum(Shape):
    """A sum of money."""

    amount_micros: Micros


class Recharge(Shape):
    """Add `amount_micros` when the free credit falls below `threshold_micros`; at most so much in a calendar month."""

    amount_micros: Micros
    threshold_micros: Micros
    monthly_limit_micros: Micros | None = None


class ChannelPurchase(Shape):
    """Channels, and US minute bundles, for terms of 30 days."""

    channels: Channels
    bundles: Bundles = 0


class Change(Shape):
    """What is not said stays. The running term ends, its unused share is given back, and a new one begins."""

    channels: Channels | None = None
    bundles: Bundles | None = None


@api.get("/profiles/{profile}/credit", "money.read")
def show_credit(ask: Ask) -> Credit:
    """What a profile has."""
    return credit.credit(ask.path["profile"], ask.now)


@api.post("/profiles/{profile}/credit/add", "money.move", once=True)
def add_credit(ask: Ask, body: Sum) -> Credit:
    """Move money from the company's balance to a profile's credit."""
    return credit.add(ask.path["profile"], body.amount_micros, ask.key, ask.now)


@api.post("/profiles/{profile}/credit/take-back", "money.move", once=True)
def take_back_credit(ask: Ask, body: Sum) -> Credit:
    """Move free credit back to the company; what calls hold stays."""
    return credit.take_back(ask.path["profile"], body.amount_micros, ask.key, ask.now)


@api.put("/profiles/{profile}/recharge", "money.move", once=True)
def set_recharge(ask: Ask, body: Recharge) -> Credit:
    """Recharge the profile by itself from now on; and now, if its credit is below the threshold."""
    return credit.set_recharge(
        ask.path["profile"], body.amount_micros, body.threshold_micros, body.monthly_limit_micros, ask.now
    )


@api.delete("/profiles/{profile}/recharge", "money.move")
def stop_recharge(ask: Ask) -> Credit:
    """Recharge the profile no more."""
    return credit.stop_recharge(ask.path["profile"], ask.now)


@api.get("/profiles/{profile}/subscription", "money.read")
def show_subscription(ask: Ask) -> Subscription:
    """What a profile has bought, and when it renews."""
    return plans.show(ask.path["profile"])


@api.post("/profiles/{profile}/subscription", "money.move", status=201, once=True)
def buy_channels(ask: Ask, body: ChannelPurchase) -> Subscription:
    """Buy channels and bundles; the company's balance pays."""
    return plans.buy(ask.path["profile"], body.channels, body.bundles, ask.now)


@api.patch("/profiles/{profile}/subscription", "money.move", once=True)
def change_channels(ask: Ask, body: Change) -> Subscription:
    """Have other channels or bundles from now on; once a day."""
    return plans.change(ask.path["profile"], body.channels, body.bundles, ask.now)


@api.post("/profiles/{profile}/subscription/quote", "money.read")
def quote_channels(ask: Ask, body: Change) -> Subscription:
    """What buying or changing would cost and give back, and until when it would run; nothing is changed."""
    return plans.quote(ask.path["profile"], body.channels, body.bundles, ask.now)


@api.post("/profiles/{profile}/subscription/keep", "money.move", once=True)
def keep_subscription(ask: Ask) -> Subscription:
    """Take a cancellation back: the subscription renews again."""
    return plans.keep(ask.path["profile"], ask.now)


@api.delete("/profiles/{profile}/subscription", "money.move", once=True)
def cancel_channels(ask: Ask) -> Subscription:
    """Do not renew: the subscription runs to the end of its term."""
    return plans.cancel(ask.path["profile"], ask.now)


@api.get("/ledger/entries", "money.read", of_company=True)
def list_entries(ask: Ask, query: Paged) -> Page[EntryView]:
    """The company's ledger, newest entry first."""
    return ledger.page_of(ask.company or "", turn(query.cursor, query.limit, "i"), with_costs=ask.actor.sees_costs)


@api.get("/ledger/accounts", "money.read", of_company=True)
def list_accounts(ask: Ask, query: OfCompany) -> dict[str, int]:
    """Every account's balance: money in micros, bundles in seconds."""
    return ledger.accounts(ask.company, with_costs=ask.actor.sees_costs)
