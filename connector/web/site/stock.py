"""Numbers for sale, those that a company has by itself, and those that it may show."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote as quoted

from connector.billing import numbers
from connector.core.paging import turn
from connector.core.stock import StockNumber
from connector.errors import BadInput
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import (
    MOST_UPLOAD,
    Form,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    entry,
    following,
    tables_page,
)
from connector.web.site.numbers import ToProfile
from connector.words import grouped, phrase, tr

pages = SitePages()

ROWS = 50
VERIFIED = "/numbers/verified"


@pages.get("/stock", "numbers.read")
def stock_page(ask: Ask) -> Shown:
    """What can be bought."""
    asked = {name: ask.query[name] for name in ("country", "area") if ask.query.get(name)}
    wrong = ""
    try:
        found = numbers.stock_page(turn(ask.query.get("cursor"), ROWS, "s"), asked.get("country"), asked.get("area"))
    except BadInput as error:
        wrong, found = error.translated(), numbers.stock_page(turn(None, ROWS, "s"), asked.get("country"))
    values = {"page": found, "countries": numbers.countries(), "following": following(found, asked), "wrong": wrong}
    return Shown("stock.html", values)


@pages.form("/stock/import", "stock.write", "Put numbers up for sale", back="/stock", needs_company=False)
class ImportStock(Form):
    """A list of numbers, all of it or none."""

    button: ClassVar[str] = "Put them up for sale"
    tries: ClassVar[bool] = False
    file: str = entry(
        "File",
        kind="file",
        hint=phrase(
            "CSV with number and monthly_fee, and perhaps country, area_code and currency; at most {most} MB.",
            most=MOST_UPLOAD >> 20,
        ),
    )
    currency: TextOrNone = entry("Currency", None, hint="Of rows that say none. Empty: that of all companies.")

    def read(self, ask: Ask) -> list[StockNumber]:
        """The numbers."""
        return numbers.read_stock(self.file, self.currency and self.currency.upper())

    def quote(self, ask: Ask) -> Quote | None:
        """What it would change."""
        found = numbers.compare_stock(ask.read)
        return Quote(
            [
                (tr("New numbers"), grouped(found.new)),
                (tr("Numbers with another fee"), grouped(found.changed)),
                (tr("As they were"), grouped(found.same)),
                (tr("Of these, a company has already"), grouped(found.taken)),
                (tr("When"), tr("at once; who has a number pays what was agreed until it is given back")),
            ]
        )

    def do(self, ask: Ask) -> Outcome:
        """Put them there."""
        read: list[StockNumber] = ask.read
        made = numbers.put_in_stock(f"{len(read)} numbers", read, ask.now)
        return Outcome(
            "/stock", tr("{new} numbers are new, {changed} have another fee", new=made.new, changed=made.changed)
        )


class _Number(Form):
    """Which number."""

    number: str = entry("Number", hint="With + and its country code.")


@pages.form("/numbers/new", "stock.write", "Add a number of the company's own", of_company=True, back="/numbers")
class OwnNumber(ToProfile, _Number):
    """Ported, or of a client profile's provider: it costs nothing here."""

    button: ClassVar[str] = "Add"

    def do(self, ask: Ask) -> Outcome:
        """Add it."""
        made = numbers.add(self.number, ask.mine("profile", self.profile), ask.now, ask.company)
        return Outcome("/numbers", tr("{number} is the company's", number=made.number))


@pages.get(VERIFIED, "numbers.read", of_company=True)
def verified_page(ask: Ask) -> Shown:
    """The numbers that calls may show beside the company's own."""
    may = "stock.write" in ask.actor.permissions
    rows: list[list[Any]] = [
        [
            view.number,
            view.evidence,
            when(view.verified_at, ask.zone),
            *([[(tr("Forget"), f"{VERIFIED}/{quoted(view.number, safe='')}/forget")]] * may),
        ]
        for view in numbers.verified(ask.company)
    ]
    table = {
        "title": "",
        "heads": [tr("Number"), tr("How we know"), tr("Since"), *([""] * may)],
        "rows": rows,
        "empty": tr("None: a call may show the company's own numbers only."),
    }
    return tables_page(
        tr("Verified numbers"),
        [table],
        intro=[tr("Numbers that the company has elsewhere, and may show as its caller ID.")],
        actions=[(tr("Verify a number"), f"{VERIFIED}/new")] if may else [],
    )


@pages.form(f"{VERIFIED}/new", "stock.write", "Verify a number", of_company=True, back=VERIFIED)
class Verify(_Number):
    """The company may show it."""

    button: ClassVar[str] = "It is theirs"
    evidence: str = entry("How you know that it is theirs", hint="As in 'bill of their carrier, 3 May'. It is kept.")

    def do(self, ask: Ask) -> Outcome:
        """Note it."""
        made = numbers.verify(self.number, self.evidence, ask.now, ask.company)
        return Outcome(VERIFIED, tr("Calls of {company} may show {number}", company=made.company, number=made.number))


@pages.form(f"{VERIFIED}/{{e164}}/forget", "stock.write", "Forget a verified number", of_company=True, back=VERIFIED)
class ForgetVerified(Form):
    """It may be shown no more."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Forget it"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Which."""
        return tr("Calls of {company} may not show {path} any more.", company=ask.company, path=ask.path["e164"])

    def do(self, ask: Ask) -> Outcome:
        """Forget it."""
        numbers.forget_verified(ask.path["e164"], ask.company)
        return Outcome(VERIFIED, tr("{path} is forgotten", path=ask.path["e164"]))
