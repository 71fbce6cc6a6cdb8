"""Rate decks: loaded after a look at what changes; and what a call would cost."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar

from connector.billing import decks, profiles, trials
from connector.billing.decks import IN_USE_AFTER_MS, ReadDeck, SheetView
from connector.billing.trials import PriceView
from connector.core import refusals
from connector.core.decks import Difference, Ended
from connector.core.formats import day, shown
from connector.core.money import amount
from connector.core.rate_columns import COLUMNS
from connector.core.reports import MINUTE_MS
from connector.errors import BadInput, NotFound
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import MOST_UPLOAD, Form, Line, Outcome, Quote, Shown, SitePages, TextOrNone, entry
from connector.words import grouped, marked, phrase, tr

pages = SitePages()

LONGEST_MIN = 24 * 60
DECIMAL_MARKS = (
    ("", marked("as the sheet shows")),
    ("comma", marked("a little more than one")),
    ("point", marked("more than a thousand")),
)
MOST_ENDS = 20


class SheetForm(Form):
    """A sheet from a file, all of it or nothing: of our prices, or of what the carrier of a trunk takes."""

    button: ClassVar[str] = "Load"
    tries: ClassVar[bool] = False
    folded: ClassVar[Line] = ("date_order", marked("If the sheet can be read in two ways"))
    name: str = entry("Name", hint="By which you will find it again.")
    mode: str = entry(
        "Prefixes that the sheet does not name",
        "update",
        choices=(("update", marked("keep their rates")), ("full", marked("end at the sheet's date"))),
    )
    file: str = entry(
        "File",
        kind="file",
        hint=phrase(
            "A rate sheet as the carrier sends it, CSV or Excel (XLSX), at most {most} MB. The operator of the platform"
            " loads larger ones. A rate with a later date changes nothing until then. How the sheet is understood, and"
            " what changes, is shown before anything is loaded.",
            most=MOST_UPLOAD >> 20,
        ),
    )
    carrier: str = entry(
        "Carrier",
        "",
        hint="Whose sheet it is, if you like. What you answer for it is not asked again for their next one.",
    )
    date_order: str = entry(
        "Dates such as 01/02/2026",
        "",
        choices=(
            ("", marked("as the sheet shows")),
            ("day", marked("the day comes first")),
            ("month", marked("the month comes first")),
        ),
    )
    decimal_mark: str = entry(
        "Prices such as 1,234",
        "",
        choices=DECIMAL_MARKS,
    )
    dashes: str = entry(
        "Codes with a dash, such as 20-27",
        "",
        choices=(
            ("", marked("as the sheet shows")),
            ("range", marked("all codes from the first to the last")),
            ("join", marked("a country code and an area code")),
        ),
    )
    country_code: str = entry(
        "Country codes in a column of their own",
        "",
        choices=(
            ("", marked("as the sheet shows")),
            ("before", marked("the country code comes before each code")),
            ("within", marked("each code has it already")),
        ),
    )
    unit: str = entry(
        "Prices are",
        "",
        choices=(
            ("", marked("as the sheet shows")),
            ("minute", marked("for a minute")),
            ("cent", marked("for a minute, in cents")),
            ("second", marked("for a second")),
            ("cent_second", marked("for a second, in cents")),
        ),
    )
    prefix_column: TextOrNone = entry("Column of the prefixes", None, hint="Its name, or its number from 1.")
    price_column: TextOrNone = entry("Column of the price per minute", None, hint="Its name, or its number from 1.")
    other_currency: bool = entry(
        "Take prices with the sign of another currency as prices of the deck", default=False, kind="check"
    )

    version: TextOrNone = entry("Version", None, kind="pinned")
    newest: TextOrNone = entry("The one before", None, kind="pinned")

    @classmethod
    def trunk(cls, ask: Ask) -> str:
        """Whose cost sheet it is; "" for a sheet of prices."""
        return ""

    def currency(self, ask: Ask) -> str:
        """The currency of a cost sheet, if one was said."""
        return ""

    def read(self, ask: Ask) -> ReadDeck:
        """The deck."""
        answers = {
            "date_order": self.date_order,
            "decimal_mark": self.decimal_mark,
            "dashes": self.dashes,
            "country_code": self.country_code,
            "unit": self.unit,
            "column.prefix": self.prefix_column or "",
            "column.price_per_minute": self.price_column or "",
            "currency": (self.currency(ask) or ask.currency) if self.other_currency else "",
        }
        given = {key: answer for key, answer in answers.items() if answer}
        return ask.read_deck(self.file, self.mode, given, self.carrier, self.trunk(ask), self.currency(ask))

    def quote(self, ask: Ask) -> Quote | None:
        """What changes, and from when."""
        decks.checked_name(self.name)
        read: ReadDeck = ask.read
        found = read.difference
        newest = self._newest(ask)
        counts = [
            (tr("New prefixes"), found.added),
            (tr("Prefixes that end"), len(found.ends)),
            (tr("Higher prices"), found.dearer),
            (tr("Lower prices"), found.cheaper),
            (tr("Changed otherwise"), found.otherwise_changed),
            (tr("Unchanged"), found.same),
        ]
        lines = [
            (tr("Deck"), self.name),
            (tr("Rates"), grouped(read.count)),
            *((word, grouped(n)) for word, n in counts),
        ]
        lines += _how_understood(read.understood, read.currency)
        lines += _sold_below(read, ask.currency)
        lines += [
            (
                tr("Ends"),
                tr(
                    "{prefix} {name}, {at}, {calls} calls in 30 days",
                    prefix=each.prefix,
                    name=each.name,
                    at=when(each.at, ask.zone),
                    calls=grouped(each.calls),
                ),
            )
            for each in _most_used(found)
        ]
        if found.retired:
            few = ", ".join(found.retired[:MOST_ENDS])
            lines.append(
                (
                    tr("Not used"),
                    tr("{few}: only retired forms of numbers begin with these, and no calls go to them", few=few),
                )
            )
        lines += [(tr("Changes most"), example) for example in found.examples]
        later = tr(
            "{in_use_after_ms} s after you load it; calls in progress keep their rates",
            in_use_after_ms=IN_USE_AFTER_MS // 1000,
        )
        lines.append((tr("In use"), later if newest else tr("at once: it is the first")))
        return Quote(lines, {"version": _shape(read), "newest": newest})

    def do(self, ask: Ask) -> Outcome:
        """Take it into use: the very deck that was shown, in the place of the one that it was compared with."""
        read: ReadDeck = ask.read
        if self.version != _shape(read) or (self.newest or "") != self._newest(ask):
            raise BadInput("The rate decks have changed meanwhile. Look at the changes again.")
        trunk = self.trunk(ask)
        if trunk:
            made = decks.put_costs(self.name, trunk, ask.read, ask.now, ask.company)
        else:
            made = decks.put(self.name, ask.read, ask.now, ask.company)
        at = when(made.in_use_at, ask.zone)
        to = f"/trunks/{trunk}/costs" if trunk else "/money"
        return Outcome(to, tr("{name} is in use from {in_use_at}", name=made.name, in_use_at=at))

    def _newest(self, ask: Ask) -> str:
        """The newest deck of the company, or of the trunk; "" if there is none."""
        return next((str(view.id) for view in decks.list_decks(ask.company, self.trunk(ask))), "")


@pages.form("/money/decks/new", "rates.write", "Load a rate sheet", of_company=True, once=True, back="/money")
class LoadDeck(SheetForm):
    """Of prices."""


def _sold_below(read: ReadDeck, currency: str) -> list[Line]:
    """What would be sold below cost."""
    if not read.sold_below:
        return []
    some = [
        (
            tr("Sold below cost"),
            tr(
                "{prefix} {name}: a minute is sold for {price}, and costs {cost}",
                prefix=each.prefix,
                name=each.name,
                price=shown(each.price_micros, currency),
                cost=shown(each.cost_micros, currency),
            ),
        )
        for each in read.below[:MOST_ENDS]
    ]
    return [(tr("Destinations sold below cost"), grouped(read.sold_below)), *some]


def _how_understood(about: SheetView, currency: str) -> list[Line]:
    """The columns that were found, the first rows as they are understood, and what was passed over."""
    lines = [
        (
            tr("Column"),
            tr(
                "{column}: {role} ({sure} % sure)",
                column=column.name or tr("column {number}", number=column.number),
                role=tr(COLUMNS[role]),
                sure=column.confidence,
            ),
        )
        for role, found in about.mapping.items()
        for column in found
    ]
    if about.ignored:
        lines.append((tr("Columns that are not used"), ", ".join(about.ignored)))
    for each in about.sample:
        prefixes = ", ".join(each.prefixes)
        if each.blocked:
            said = tr("{prefixes} {name}: cannot be called", prefixes=prefixes, name=each.name)
        else:
            said = tr(
                "{prefixes} {name}: {price} a minute, in steps of {steps}",
                prefixes=prefixes,
                name=each.name,
                price=shown(amount(each.price_per_minute, zero=True), currency),
                steps=each.increments,
            )
            if each.valid_from:
                said = tr("{said}, from {day}", said=said, day=day(each.valid_from))
        lines.append((tr("Row {row}", row=grouped(each.row)), said))
    counts = about.counts
    more = [
        (tr("Prefixes that cannot be called"), counts.blocked),
        (tr("Rows that are headings or notes"), counts.passed_over),
        (tr("Rows that repeat another"), counts.repeated),
        (tr("Prices rounded up to six decimals"), counts.rounded),
    ]
    return [*lines, *((word, grouped(count)) for word, count in more if count)]


def _shape(read: ReadDeck) -> str:
    """What was shown of a deck. Not its version: a rate without a date begins when its sheet is loaded."""
    found = read.difference
    ends = [(each.prefix, each.calls) for each in found.ends]
    said = repr((replace(found, ends=()), ends, read.count, read.sold_below, read.currency))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _most_used(found: Difference) -> list[Ended]:
    """Of the prefixes that end, those by which most calls were charged."""
    return sorted(found.ends, key=lambda each: -each.calls)[:MOST_ENDS]


@pages.get("/money/price", "money.read", of_company=True)
def price_page(ask: Ask) -> Shown:
    """What a call would cost, and whether it would be refused."""
    number, profile = ask.query.get("number", ""), ask.query.get("profile") or None
    named = profiles.names(ask.scope)
    lines: list[Line] = []
    wrong = ""
    if number:
        try:
            if profile is not None and profile not in named:
                raise NotFound("there is no such profile")
            duration_ms = _minutes(ask.query.get("minutes", "1"))
            lines = _lines(trials.price(number, duration_ms, ask.now, profile, ask.company))
        except (BadInput, NotFound) as error:
            wrong = error.translated()
    return Shown("price.html", {"profiles": named, "lines": lines, "wrong": wrong})


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LONGEST_MIN):
        raise BadInput("a call of 1 to {longest_min} minutes", longest_min=LONGEST_MIN)
    return int(text) * MINUTE_MS


def _lines(found: PriceView) -> list[Line]:
    payer = {
        "profile": tr("the profile's credit"),
        "company": tr("the company's balance"),
        "bundle": tr("the bundle, wholly"),
    }
    why = refusals.BY_CODE[found.refusal].words if found.refusal else ""
    minute = shown(found.price_per_minute_micros, found.currency)
    return [
        (tr("Number"), found.number),
        (tr("Rate"), tr("{name}, prefix {prefix}", name=found.name, prefix=found.prefix)),
        (tr("A minute"), tr("{minute}, charged in steps of {increments}", minute=minute, increments=found.increments)),
        (tr("Connection fee"), shown(found.connection_fee_micros, found.currency)),
        (
            tr("Seconds charged"),
            tr("{billed_s}, of which {bundle_s} from bundles", billed_s=found.billed_s, bundle_s=found.bundle_s),
        ),
        (tr("Costs"), shown(found.price_micros, found.currency)),
        (tr("Paid by"), payer[found.payer]),
        (tr("Would it be let through?"), tr("yes") if found.refusal is None else tr("no: {why}", why=tr(why))),
    ]
