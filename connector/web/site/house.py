"""Companies, their money from outside, prices, the ledger."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import credit, decks, ledger, plans, profiles
from connector.core.ledger import asset
from connector.core.money import shown
from connector.core.paging import turn
from connector.web.endpoint import Ask
from connector.web.render import when
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
    tables_page,
)

pages = SitePages()

ROWS = 50


@pages.get("/companies", "company.read", needs_company=False)
def companies_page(ask: Ask) -> Shown:
    """Which company to look at."""
    return Shown("companies.html")


@pages.form("/companies/new", "companies.write", "Create a company", back="/companies", needs_company=False)
class NewCompany(Form):
    """A company, its currency and its clock."""

    button: ClassVar[str] = "Create"
    name: str = entry("Name")
    currency: str = entry("Currency", "GBP", hint="Three letters of ISO 4217. It stays.")
    time_zone: str = entry("Time zone", "Europe/London", hint="As in Europe/London: of its calendar days.")

    def do(self, ask: Ask) -> Outcome:
        """Create."""
        profiles.create_company(self.name, self.currency.upper(), self.time_zone, ask.now)
        return Outcome("/companies", f"{self.name} is there")


@pages.get("/money", "company.read", of_company=True)
def money_page(ask: Ask) -> Shown:
    """The company's balance, prices, rate deck and ledger."""
    balance, price = credit.balance(ask.company), plans.prices(ask.company)
    zone = ask.zone
    found = ledger.page_of(ask.company or "", turn(ask.query.get("cursor"), ROWS, "i"))
    entries = [
        [str(each.number), when(each.at, zone), each.kind, each.about, _gains(each.postings, balance.currency)]
        for each in found.items
    ]
    in_use = [
        [view.name, str(view.rates), when(view.in_use_at, zone), view.version[:12]]
        for view in decks.list_decks(ask.company)[:5]
    ]
    tables = [
        {
            "title": "Ledger",
            "heads": ["Entry", "When", "What", "About", "Accounts"],
            "rows": entries,
            "empty": "No money has moved yet.",
        },
        {
            "title": "Rate decks",
            "heads": ["Name", "Rates", "In use from", "Version"],
            "rows": in_use,
            "empty": "None is loaded, so no call out has a price: whoever runs this installation loads one.",
        },
    ]
    actions = allowed(
        ask,
        ("Note money that came in", "/money/top-up", "money.bring"),
        ("Set prices", "/money/prices", "money.bring"),
        ("Load a rate deck", "/money/decks/new", "rates.write"),
        ("What a call costs", "/money/price", "money.read"),
    )
    intro = [
        f"Balance: {shown(balance.available_micros, balance.currency)},"
        f" and {shown(balance.held_micros, balance.currency)} held by calls.",
        f"30 days of a channel are {shown(price.channel_micros, price.currency)}, of a bundle of 5,000 US minutes"
        f" {shown(price.bundle_micros, price.currency)}.",
    ]
    return tables_page("Money", tables, intro=intro, actions=actions, following=following(found))


def _gains(postings: dict[str, int], currency: str) -> str:
    return "; ".join(
        f"{account} {'+' if gains > 0 else '-'}"
        + (f"{abs(gains)} s" if asset(account) == "seconds" else shown(abs(gains), currency))
        for account, gains in postings.items()
    )


@pages.form("/money/top-up", "money.bring", "Note money that came in", of_company=True, once=True, back="/money")
class TopUp(Form):
    """From outside to the company's balance."""

    button: ClassVar[str] = "Note it"
    amount: Money = entry("Amount", hint="What the company paid, by bank or in cash.")

    def quote(self, ask: Ask) -> Quote | None:
        """The balance, before and after."""
        have = credit.balance(ask.company)
        then = shown(have.available_micros + self.amount, have.currency)
        lines = [
            ("Company", ask.company or ""),
            ("Amount", shown(self.amount, have.currency)),
            ("Balance", f"{shown(have.available_micros, have.currency)}, then {then}"),
            ("When", when(ask.now, ask.zone) + ", at once"),
        ]
        return Quote(lines)

    def do(self, ask: Ask) -> Outcome:
        """Note it."""
        made = credit.top_up(self.amount, ask.key, ask.now, ask.company)
        return Outcome("/money", f"The balance is {shown(made.available_micros, made.currency)} now")


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
            "channel": shown(found.channel_micros, found.currency).split()[0],
            "bundle": shown(found.bundle_micros, found.currency).split()[0],
        }

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        plans.set_prices(self.channel, self.bundle, ask.company)
        return Outcome("/money", "The prices are set")
