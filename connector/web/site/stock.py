"""Numbers for sale, those that a company has by itself, and those that it may show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote as quoted
from urllib.parse import urlencode

from connector.billing import credit, numbers, profiles
from connector.billing.numbers import MOST_AT_ONCE, NumberView
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.paging import turn
from connector.core.stock import StockNumber
from connector.errors import BadInput, NotFound
from connector.routing import mailboxes, routes
from connector.routing.mailboxes import MailboxView
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import (
    MOST_UPLOAD,
    Form,
    Line,
    NumberOrNone,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    entry,
    tables_page,
)
from connector.web.site.numbers import PERIODS, ToProfile, countries_for_sale
from connector.web.site.rates import DECIMAL_MARKS
from connector.words import grouped, marked, phrase, tr, tr_n

pages = SitePages()

ROWS = 50
MOST_CHOSEN = 500
VERIFIED = "/numbers/verified"


@pages.get("/stock", "numbers.read")
def stock_page(ask: Ask) -> Shown:
    """What can be bought. `profile` of the address: whom it is for."""
    asked = {name: ask.query[name] for name in ("country", "area", "number", "profile") if ask.query.get(name)}
    country, profile = asked.get("country"), ask.mine("profile", asked.get("profile"))
    chosen = _chosen(ask)
    same = ask.query.get("of") in (None, _filters(asked))  # a cursor is of the list with the filters that it had
    wrong = ""
    try:
        page = turn(ask.query.get("cursor") if same else None, ROWS, "s")
        found = numbers.stock_page(page, country, asked.get("area"), asked.get("number"))
    except BadInput as error:
        wrong, found = error.translated(), numbers.stock_page(turn(None, ROWS, "s"), country)
    here = {each.number for each in found.items}
    values = {
        "page": found,
        "countries": countries_for_sale(),
        "chosen": chosen,
        "of": _filters(asked),
        "elsewhere": [each for each in chosen if each not in here],
        "wrong": wrong,
        "profile": profiles.show_profile(profile) if profile else None,
        "buys": ask.company is not None and "money.move" in ask.actor.permissions,
        "to_buy": {each.number: _to_buy(each.number, profile) for each in found.items},
    }
    return Shown("stock.html", values)


def _chosen(ask: Ask) -> list[str]:
    """The numbers that were ticked; more than can be bought at once are said so by the form."""
    return ask.query["chosen"].split("\n")[:MOST_CHOSEN] if ask.query.get("chosen") else []


def _filters(asked: Mapping[str, str]) -> str:
    return urlencode({name: asked.get(name, "") for name in ("country", "area", "number")})


def _to_buy(number: str, profile: str | None) -> str:
    return "/stock/buy?" + urlencode({"chosen": number, **({"profile": profile} if profile else {})})


@pages.form("/stock/buy", "money.move", "Buy numbers", of_company=True, once=True, back="/stock")
class BuyNumbers(Form):
    """The very numbers that somebody chose, all or none. `chosen` and `profile` of the address fill it in."""

    button: ClassVar[str] = "Buy now"
    numbers: str = entry("Numbers", kind="area", hint="One per line, with + and the country code.", max_length=2_000)
    profile: TextOrNone = entry("Profile", None)
    periods: int = entry("Period", 1, choices=PERIODS)
    voice_mail: bool = entry("Voice mail takes calls that nobody answers", False, kind="check")
    email: str = entry(
        "E-mail for voice mail",
        "",
        kind="email",
        hint="Messages are sent to this address. If empty, no e-mail is sent.",
    )
    price: NumberOrNone = entry("Price", None, kind="pinned")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's profiles."""
        return ToProfile.choices(ask)

    @classmethod
    def without(cls, ask: Ask) -> tuple[str, ...]:
        """Voice mail, where somebody may buy numbers and not say where they ring."""
        return () if "numbers.write" in ask.actor.permissions else ("voice_mail", "email")

    @classmethod
    def suggested(cls, ask: Ask) -> dict[str, Any]:
        """What was chosen on the list."""
        there = profiles.names(Scope(ask.scope.company))
        only = next(iter(there)) if len(there) == 1 else ""
        return {"numbers": ask.query.get("chosen", ""), "profile": ask.query.get("profile", only)}

    @classmethod
    def extras(cls, ask: Ask, given: dict[str, Any]) -> dict[str, Any]:
        """Who does not want it goes back to the list, where the same numbers are ticked."""
        kept = {"profile": ask.query.get("profile", ""), "chosen": _chosen(ask)}
        return {"back": f"/stock?{urlencode({name: each for name, each in kept.items() if each}, doseq=True)}"}

    def quote(self, ask: Ask) -> Quote | None:
        """Each number with its price, all of them, and until when."""
        bought = self._bought(ask)
        total = sum(view.price_micros for view in bought)
        currency = bought[0].currency
        lines: list[Line] = [
            *((view.number, shown(view.price_micros, currency)) for view in bought),
            (tr("To pay now"), shown(total, currency)),
            (tr("Profile"), bought[0].profile or tr("no profile")),
            (tr("Renews on"), when(bought[0].paid_until, ask.zone)),
            (tr("Each renewal"), shown(total, currency)),
            (tr("Balance afterwards"), shown(credit.balance(ask.company).available_micros, currency)),
        ]
        if self.voice_mail:
            rings = tr("after {seconds} s without an answer", seconds=mailboxes.BEFORE_VOICE_MAIL_S)
            lines.append((tr("Voice mail"), rings))
            for _, box, is_new in self._boxes(ask, bought):
                if not is_new:
                    sent = tr("messages are sent to {email}", email=box.email or tr("nobody"))
                    lines.append((tr("Mailbox {box}", box=box.box), tr("is there already; {sent}", sent=sent)))
        return Quote(lines, {"price": str(total)})

    def do(self, ask: Ask) -> Outcome:
        """Buy them, at the very price. Answers of a purchase are kept, so no PIN of a mailbox is in it."""
        bought = self._bought(ask)
        if sum(view.price_micros for view in bought) != self.price:
            raise BadInput("The price has changed. Check the new price.")
        boxes = self._boxes(ask, bought)
        routes.set_routes({number: mailboxes.route_with(box.box) for number, box, _ in boxes})
        for _, box, is_new in boxes:
            if is_new:
                ask.place.voice_mail.set_aside(box.context, box.box, ask.now)
        return Outcome("/numbers", tr_n("{count} number was bought", "{count} numbers were bought", len(bought)))

    def _boxes(self, ask: Ask, bought: list[NumberView]) -> list[tuple[str, MailboxView, bool]]:
        """Each number with its mailbox, and whether that is new; none without voice mail."""
        wanted = bought if self.voice_mail else []
        return [(view.number, *mailboxes.of_number(view.number, self.email, ask.now, ask.company)) for view in wanted]

    def _bought(self, ask: Ask) -> list[NumberView]:
        wanted = list(dict.fromkeys(filter(None, map(str.strip, re.split(r"[\r\n,;]+", self.numbers)))))
        if not 1 <= len(wanted) <= MOST_AT_ONCE:
            raise BadInput("Choose 1 to {most} numbers.", most=MOST_AT_ONCE)
        if self.voice_mail:
            mailboxes.checked_email(self.email)
        profile = ask.mine("profile", self.profile)
        try:
            return [numbers.buy(each, self.periods, ask.now, profile=profile, company=ask.company) for each in wanted]
        except NotFound as error:  # somebody else was quicker: the others stay chosen
            raise BadInput(phrase(error.text, **error.values)) from None


@pages.form("/stock/import", "stock.write", "Put numbers up for sale", back="/stock", needs_company=False)
class ImportStock(Form):
    """A list of numbers, all of it or none."""

    button: ClassVar[str] = "Put them up for sale"
    tries: ClassVar[bool] = False
    folded: ClassVar[Line] = ("number_column", marked("If the list can be read in two ways"))
    file: str = entry(
        "File",
        kind="file",
        hint=phrase(
            "A list of numbers with their monthly fees, CSV or Excel (XLSX), in any layout, at most {most} MB. Columns"
            " of countries, area codes and currencies are used where there are any.",
            most=MOST_UPLOAD >> 20,
        ),
    )
    currency: TextOrNone = entry(
        "Currency", None, hint="For rows without a currency. If empty, the one that all companies use."
    )

    number_column: TextOrNone = entry("Column of the numbers", None, hint="Its name, or its number from 1.")
    fee_column: TextOrNone = entry("Column of the monthly fees", None, hint="Its name, or its number from 1.")
    decimal_mark: str = entry("Prices such as 1,234", "", choices=DECIMAL_MARKS)

    def read(self, ask: Ask) -> list[StockNumber]:
        """The numbers."""
        answers = {
            "column.number": self.number_column or "",
            "column.monthly_fee": self.fee_column or "",
            "decimal_mark": self.decimal_mark,
        }
        given = {key: answer for key, answer in answers.items() if answer}
        return numbers.read_stock(self.file, self.currency and self.currency.upper(), given)

    def quote(self, ask: Ask) -> Quote | None:
        """What it would change."""
        found = numbers.compare_stock(ask.read)
        return Quote(
            [
                (tr("New numbers"), grouped(found.new)),
                (tr("Numbers with another fee"), grouped(found.changed)),
                (tr("As they were"), grouped(found.same)),
                (tr("Of these, a company has already"), grouped(found.taken)),
                (tr("When"), tr("now; numbers that were bought keep their price until they are given back")),
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

    button: ClassVar[str] = "Verify"
    evidence: str = entry(
        "How you know that it is theirs", hint="For example 'bill of their carrier, 3 May'. It is kept."
    )

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
