"""Companies, their money from outside, prices, the ledger."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from connector.billing import credit, decks, ledger, payments, plans, profiles, reports
from connector.billing.credit import Balance
from connector.billing.payments import PaymentView
from connector.core import formats, money, times
from connector.core import payments as references
from connector.core.formats import shown
from connector.core.ledger import asset
from connector.core.paging import turn
from connector.web.endpoint import Ask
from connector.web.render import dated, when
from connector.web.site.frame import (
    Form,
    Money,
    MoneyOrNothing,
    Outcome,
    Quote,
    Shown,
    SitePages,
    allowed,
    entry,
    following,
    from_to,
    tables_page,
)
from connector.web.site.recharges import PAGE, cards_of
from connector.words import tr

pages = SitePages()

ROWS = 50
MOST_LINES = 15


@pages.get("/companies", "company.read", needs_company=False)
def companies_page(ask: Ask) -> Shown:
    """Which company to look at."""
    return Shown("companies.html")


@pages.form("/companies/new", "companies.write", "Create a company", back="/companies", needs_company=False)
class NewCompany(Form):
    """A company, its currency and its clock."""

    button: ClassVar[str] = "Create"
    name: str = entry("Name")
    currency: str = entry(
        "Currency", "GBP", hint="Three letters (ISO 4217), for example GBP. It cannot be changed later."
    )
    time_zone: str = entry(
        "Time zone",
        "Europe/London",
        hint="For example Europe/London. It decides when the company's days and months begin.",
    )

    def do(self, ask: Ask) -> Outcome:
        """Create."""
        profiles.create_company(self.name, self.currency.upper(), self.time_zone, ask.now)
        return Outcome("/companies", tr("{name} was created", name=self.name))


@pages.get("/money", "company.read", of_company=True)
def money_page(ask: Ask) -> Shown:
    """The company's balance, its month so far, prices and rate decks."""
    month = reports.statement(ask.company, None, ask.now) if "money.read" in ask.actor.permissions else None
    actions = allowed(
        ask,
        (tr("Record a payment"), "/money/top-up", "money.bring"),
        (tr("Add money"), "/money/add", "money.read"),
        (tr("Auto-recharge by card"), PAGE, "money.read"),
        (tr("Set prices"), "/money/prices", "money.bring"),
    )
    deck_actions = allowed(
        ask,
        (tr("Load a rate deck"), "/money/decks/new", "rates.write"),
        (tr("What a call costs"), "/money/price", "money.read"),
    )
    return Shown(
        "money.html",
        {
            "balance": credit.balance(ask.company),
            "owed_micros": payments.owed(ask.company),
            "price": plans.prices(ask.company),
            "month": month,
            "lines": month.movements[-MOST_LINES:][::-1] if month else [],
            "kinds": reports.IN_WORDS,
            "decks": decks.list_decks(ask.company)[:5],
            "actions": actions,
            "deck_actions": deck_actions,
        },
    )


@pages.get("/money/ledger", "money.read", of_company=True)
def ledger_page(ask: Ask) -> Shown:
    """Every entry of the company's ledger, newest first."""
    found = ledger.page_of(ask.company or "", turn(ask.query.get("cursor"), ROWS, "i"), with_costs=ask.actor.sees_costs)
    currency = credit.balance(ask.company).currency
    entries = [
        [
            str(each.number),
            when(each.at, ask.zone),
            each.kind,
            dated(each.about, ask.zone),
            _gains(each.postings, currency),
        ]
        for each in found.items
    ]
    table = {
        "title": "",
        "heads": [tr("Entry"), tr("When"), tr("What"), tr("About"), tr("Accounts")],
        "rows": entries,
        "empty": tr("No payment, purchase or call has been booked yet."),
    }
    return tables_page(tr("Ledger"), [table], following=following(found))


def _gains(postings: dict[str, int], currency: str) -> str:
    return "; ".join(
        f"{account} {'+' if gains > 0 else '-'}"
        + (f"{abs(gains)} s" if asset(account) == "seconds" else shown(abs(gains), currency).translated())
        for account, gains in postings.items()
    )


@pages.get("/money/add", "money.read", of_company=True)
def add_money_page(ask: Ask) -> Shown:
    """How the company pays."""
    found = payments.page_of(ask.company, turn(ask.query.get("cursor"), MOST_LINES, "i"))
    reference = references.spaced(credit.payment_reference(ask.company))
    values = {
        "balance": credit.balance(ask.company),
        "reference": reference,
        "instructions": ask.place.payment,
        "payments": found.items,
        "following": following(found),
        "owed_micros": payments.owed(ask.company),
        "by_card": ask.place.cards is not None and "money.move" in ask.actor.permissions,
        "paid": "paid" in ask.query,
    }
    return Shown("add-money.html", values)


@pages.form("/money/card", "money.move", "Pay by card", of_company=True, back="/money/add")
class PayByCard(Form):
    """The sum; the card itself is given to Stripe, on its own page."""

    button: ClassVar[str] = "Go on"
    amount: Money = entry("Amount", hint="It is added to the company's balance.")

    def read(self, ask: Ask) -> str:
        """The page at Stripe, which is asked for it."""
        cards = cards_of(ask)
        currency = credit.balance(ask.company).currency
        money.payable(self.amount, currency)
        reference = credit.payment_reference(ask.company)
        return cards.begin(reference, self.amount, currency, ask.company or "", uuid.uuid4().hex)

    def do(self, ask: Ask) -> Outcome:
        """Lead there. Nothing is credited before Stripe says that it was paid."""
        return Outcome(ask.read, tr("Pay {amount} at Stripe", amount=shown(self.amount, ask.currency)))


@pages.form("/money/payments/{payment}/reverse", "money.bring", "Take back a payment", once=True, back="/money/add")
class TakeBack(Form):
    """A payment that was recorded wrongly, or that the payer has back."""

    button: ClassVar[str] = "Take back"
    danger: ClassVar[bool] = True
    amount: Money = entry("Amount", hint="A part of what is left of the payment, or all of it.")
    why: str = entry("Reason", hint="It appears on the company's statement.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """All that is left of it."""
        found = payments.show(ask.number("payment"))
        return {"amount": formats.field(found.left_micros, found.currency)}

    def quote(self, ask: Ask) -> Quote | None:
        """What leaves the balance now, and what is owed."""
        before = payments.show(ask.number("payment"))
        then = self._taken(ask, f"quote:{ask.now}")
        at_once = then.taken_back_micros - before.taken_back_micros
        later = then.owed_micros - before.owed_micros
        lines = [
            (tr("Company"), before.company),
            (tr("Payment"), tr("{id}, of {noted_at}", id=before.id, noted_at=when(before.noted_at, ask.zone))),
            (tr("Its amount"), shown(before.amount_micros, before.currency)),
            (tr("Payment reference"), before.reference or tr("none")),
            (tr("Leaves the balance"), tr("{amount}, at once", amount=shown(at_once, before.currency))),
            (
                tr("Owed"),
                tr("{amount}, taken from the next money that comes in", amount=shown(later, before.currency))
                if later
                else tr("nothing"),
            ),
            (tr("Reason"), self.why),
        ]
        return Quote(lines)

    def do(self, ask: Ask) -> Outcome:
        """Take it back."""
        made = self._taken(ask, ask.key)
        return Outcome(
            "/money/add", tr("{amount} of the payment was taken back", amount=shown(self.amount, made.currency))
        )

    def _taken(self, ask: Ask, key: str) -> PaymentView:
        return payments.reverse(ask.number("payment"), self.amount, self.why, key, ask.now)


@pages.form("/money/top-up", "money.bring", "Record a payment", of_company=True, once=True, back="/money")
class TopUp(Form):
    """From outside to the company's balance."""

    button: ClassVar[str] = "Record"
    amount: Money = entry("Amount", hint="What the company paid, by bank or in cash.")
    reference: str = entry(
        "Payment reference",
        "",
        hint="As it came with the transfer, for example RF56 C000 001. It must belong to this company.",
    )
    received_on: str = entry("Received on", "", kind="date")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """Today."""
        return {"received_on": times.local_day(ask.now, ask.zone)}

    def quote(self, ask: Ask) -> Quote | None:
        """The balance, before and after."""
        have = credit.balance(ask.company)
        then = self._recorded(ask, f"quote:{ask.now}")
        lines = [
            (tr("Company"), ask.company or ""),
            (tr("Amount"), shown(self.amount, have.currency)),
            (tr("Payment reference"), self.reference or tr("none")),
            (tr("Received on"), self.received_on or tr("not said")),
            (tr("Balance"), from_to(have.available_micros, then.available_micros, have.currency)),
            (tr("When"), tr("{when}, at once", when=when(ask.now, ask.zone))),
        ]
        return Quote(lines)

    def do(self, ask: Ask) -> Outcome:
        """Record it."""
        made = self._recorded(ask, ask.key)
        return Outcome(
            "/money", tr("The balance is {available} now", available=shown(made.available_micros, made.currency))
        )

    def _recorded(self, ask: Ask, key: str) -> Balance:
        said = {"reference": self.reference, "received_on": self.received_on}
        return credit.top_up(self.amount, key, ask.now, ask.company, **said)


@pages.form("/money/prices", "money.bring", "Set prices", of_company=True, back="/money")
class SetPrices(Form):
    """For terms that begin from now on."""

    channel: MoneyOrNothing = entry("30 days of a channel")
    bundle: MoneyOrNothing = entry("30 days of a bundle of 5,000 US minutes")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The prices that there are."""
        found = plans.prices(ask.company)
        return {
            "channel": formats.field(found.channel_micros, found.currency),
            "bundle": formats.field(found.bundle_micros, found.currency),
        }

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        plans.set_prices(self.channel, self.bundle, ask.company)
        return Outcome("/money", tr("The prices are set"))
