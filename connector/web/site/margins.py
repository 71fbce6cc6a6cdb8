"""What carriers cost and what calls leave over it: cost sheets, margins of a month, floors, exchange rates."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import costs, decks, exchange
from connector.billing.costs import MarginLine
from connector.core.costs import ratio_text
from connector.core.formats import number, shown
from connector.core.money import decimal
from connector.core.times import local_month, month_before, next_month
from connector.web.endpoint import Ask
from connector.web.render import percent, when
from connector.web.site.frame import (
    Form,
    Line,
    Outcome,
    PriceOrNone,
    Shown,
    SitePages,
    TextOrNone,
    allowed,
    check_profile,
    company_or_profiles,
    entry,
    tables_page,
)
from connector.web.site.rates import SheetForm
from connector.words import grouped, tr

pages = SitePages()

COSTS = "/trunks/{trunk}/costs"


@pages.get(COSTS, "costs.read")
def costs_page(ask: Ask) -> Shown:
    """The cost decks of a trunk."""
    trunk = ask.path["trunk"]
    rows = [
        [
            each.name,
            grouped(each.rates),
            each.currency,
            when(each.loaded_at, ask.zone),
            when(each.in_use_at, ask.zone),
        ]
        for each in decks.list_decks(trunk=trunk)
    ]
    table = {
        "title": "",
        "heads": [tr("Deck"), tr("Rates"), tr("Currency"), tr("Loaded"), tr("In use from")],
        "rows": rows,
        "empty": tr("No cost sheet yet, so it is not known what calls by this trunk cost."),
    }
    intro = [
        tr(
            "What this carrier takes from you. Calls to numbers that its newest deck does not have do not go by this"
            " trunk."
        )
    ]
    actions = allowed(ask, (tr("Load a cost sheet"), f"/trunks/{trunk}/costs/new", "rates.write"))
    return tables_page(tr("Costs of {trunk}", trunk=trunk), [table], intro=intro, actions=actions)


class _InCurrency(Form):
    """What a cost sheet's prices are in."""

    in_currency: TextOrNone = entry(
        "Currency",
        None,
        hint="Three letters, as USD. If empty, the currency of the cost deck before, or the company's.",
        max_length=3,
    )


@pages.form(COSTS + "/new", "rates.write", "Load a cost sheet", once=True, back="/trunks")
class LoadCosts(SheetForm, _InCurrency):
    """Of what the carrier of a trunk takes."""

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Whose it is."""
        return tr("{trunk}: what this carrier takes from you.", trunk=ask.path["trunk"])

    @classmethod
    def trunk(cls, ask: Ask) -> str:
        """The trunk of the page."""
        return ask.path["trunk"]

    def currency(self, ask: Ask) -> str:
        """As it was said."""
        return (self.in_currency or "").upper()


@pages.get("/margins", "costs.read", of_company=True)
def margins_page(ask: Ask) -> Shown:
    """A month's margin, the floors, and what carriers' currencies are worth."""
    found = costs.report(ask.query.get("month") or None, ask.now, ask.company)
    currency = found.currency
    total = found.total
    intro = [
        tr(
            "{month}: {calls} answered calls out, of which {costed} have a known cost. They were sold for {price}, cost"
            " {cost}, and left {left} ({percent}).",
            month=found.month,
            calls=grouped(total.calls),
            costed=grouped(total.costed),
            price=shown(total.costed_price_micros, currency),
            cost=shown(total.cost_micros, currency),
            left=shown(total.margin_micros, currency),
            percent=percent(total.margin_hundredths),
        )
    ]
    by_trunk = {**_table(tr("By trunk"), tr("Trunk"), found.trunks, currency), "actions": _months(ask, found.month)}
    others = [
        _table(tr("By destination"), tr("Destination"), found.destinations, currency),
        _table(tr("By profile"), tr("Profile"), found.profiles, currency),
    ]
    tables: list[dict[str, Any]] = [
        by_trunk,
        *(others if total.calls else []),
        {
            "title": tr("Margin floors"),
            "heads": [tr("Of"), tr("Part of the price"), tr("A minute")],
            "rows": [
                [
                    each.profile or tr("the whole company"),
                    tr("at least {percent} %", percent=number(each.percent)),
                    tr("at least {amount}", amount=shown(each.per_minute_micros, currency)),
                ]
                for each in costs.list_floors(ask.company)
            ],
            "empty": tr("None: calls are carried whatever they cost."),
            "actions": allowed(
                ask,
                (tr("Set a floor"), "/margins/floors/new", "rates.write"),
                (tr("Remove a floor"), "/margins/floors/remove", "rates.write"),
            ),
        },
        {
            "title": tr("Exchange rates"),
            "heads": [tr("Currency"), tr("Is worth"), tr("From")],
            "rows": [
                [
                    each.currency,
                    f"{number(ratio_text(each.numerator, each.denominator))} {each.target}",
                    when(each.from_at, ask.zone),
                ]
                for each in exchange.list_rates()
            ],
            "empty": tr("None. One is needed for a cost sheet in another currency than the company's."),
            "actions": allowed(ask, (tr("Set an exchange rate"), "/margins/exchange", "rates.write")),
        },
    ]
    return tables_page(tr("Margins"), tables, intro=intro)


def _months(ask: Ask, shown_month: str) -> list[Line]:
    """The month before, and the one after unless it has not begun."""
    before, after = month_before(shown_month), next_month(shown_month)
    links = [(tr("Show {month}", month=before), f"/margins?month={before}")]
    if after <= local_month(ask.now, ask.zone):
        links.append((tr("Show {month}", month=after), f"/margins?month={after}"))
    return links


def _table(title: str, head: str, lines: list[MarginLine], currency: str) -> dict[str, Any]:
    return {
        "title": title,
        "heads": [head, tr("Calls"), tr("Cost known"), tr("Sold for"), tr("Cost"), tr("Left"), tr("Of the price")],
        "rows": [
            [
                line.name,
                grouped(line.calls),
                grouped(line.costed),
                shown(line.costed_price_micros, currency).translated(),
                shown(line.cost_micros, currency).translated(),
                shown(line.margin_micros, currency).translated(),
                percent(line.margin_hundredths),
            ]
            for line in lines
        ],
        "empty": tr("No answered call in this month since a cost sheet was loaded."),
    }


@pages.form("/margins/floors/new", "rates.write", "Set a margin floor", of_company=True, back="/margins")
class SetFloor(Form):
    """What a call has to leave over its cost."""

    profile: TextOrNone = entry("Of", None, kind="choice")
    percent: str = entry(
        "Least part of the price, in percent",
        "0",
        hint="As 12.5. With 0, what is sold below cost is refused.",
    )
    per_minute: PriceOrNone = entry("Least amount a minute", None, hint="In the company's currency; empty for none.")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The whole company, or a profile."""
        return {"profile": company_or_profiles(ask)}

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What it does."""
        return tr(
            "A trunk by which a call would leave less is not tried, and if no other is left the call is refused. It is"
            " judged by a call of a minute. A profile's own floor counts before the company's."
        )

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        check_profile(ask, self.profile)
        costs.set_floor(self.percent.replace(",", "."), decimal(self.per_minute or 0, 6), ask.company, self.profile)
        return Outcome("/margins", tr("The margin floor is set."))


@pages.form("/margins/floors/remove", "rates.write", "Remove a margin floor", of_company=True, back="/margins")
class RemoveFloor(Form):
    """A profile's, so that the company's counts, or the company's."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"
    profile: TextOrNone = entry("Of", None, kind="choice")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The whole company, or a profile."""
        return {"profile": company_or_profiles(ask)}

    def do(self, ask: Ask) -> Outcome:
        """Take it away."""
        check_profile(ask, self.profile)
        costs.remove_floor(ask.company, self.profile)
        return Outcome("/margins", tr("The margin floor was removed."))


@pages.form("/margins/exchange", "rates.write", "Set an exchange rate", of_company=True, back="/margins")
class SetExchange(Form):
    """What a carrier's currency is worth in the company's, from now on."""

    in_currency: str = entry("Currency", hint="Three letters, as USD.", max_length=3)
    rate: str = entry("One of it is worth", hint="In the company's currency, as 0.7893.")

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """From when on."""
        return tr("It counts from now on. Calls that were answered before keep the rate that they had.")

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        exchange.set_rate(self.in_currency.upper(), ask.currency, self.rate.replace(",", "."), ask.now)
        return Outcome("/margins", tr("The exchange rate is set."))
