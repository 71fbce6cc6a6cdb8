"""Numbers and accounts, and where calls to them ring: routes, departments, hours, mailboxes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.billing import numbers, trials
from connector.billing.numbers import ForSale, Imported, NumberView, VerifiedView
from connector.billing.trials import Tested
from connector.core.paging import Page, turn
from connector.core.stock import StockNumber
from connector.routing import mailboxes, routes
from connector.routing.mailboxes import MailboxView
from connector.routing.routes import AccountView, NamedView
from connector.web.endpoint import Ask, Endpoints, Instant, Paged, Shape, Word

api = Endpoints("Numbers and routes")

MOST_STOCK_BYTES = 16 * 1024 * 1024
Number = Annotated[str, Field(max_length=40, examples=["+442079460100"])]
Route = Annotated[str, Field(max_length=4000, examples=["office: extension 101 for 20, voicemail 101"])]
Periods = Literal[1, 3, 12]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$", examples=["GB"])]


class NumbersAsked(Paged):
    """`profile` (its username) and `number` (its beginning) narrow the list."""

    profile: Word | None = None
    number: Word | None = None


class StockAsked(Paged):
    """Numbers for sale, by country, area code and digits that stand in them."""

    country: Country | None = None
    area: Word | None = None
    number: Word | None = None


class NumberPurchase(Shape):
    """A number, or the first of a country and area code, for 1, 3 or 12 terms of 30 days."""

    number: Number | None = None
    country: Country | None = None
    area: Word | None = None
    periods: Periods = 1
    profile: Word | None = None


class OwnNumber(Shape):
    """A number that the company has by itself: a ported one, or its provider's."""

    number: Number
    profile: Word | None = None


class Attachment(Shape):
    """The username of the profile that it goes to; null: to nobody."""

    profile: Word | None


class NewRoute(Shape):
    """Where calls ring, in the words of docs/routes.md; empty: at the PBX itself."""

    route: Route


class Release(Shape):
    """Give it back when what is paid is over, or at once."""

    at_once: bool = False


class Trial(Shape):
    """When the call would come: an instant, or the company's clock; now, if nothing is said."""

    at: Instant | None = None


class Stock(Shape):
    """A list of numbers with their monthly fees as CSV, in any layout. `answers`: to questions about it, such as
    `{"column.monthly_fee": "MRC"}`; what is asked is in the error.
    """

    csv: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    answers: Annotated[dict[str, str], Field(max_length=40, default_factory=dict)]


class Evidence(Shape):
    """How you know that the number is theirs."""

    number: Number
    evidence: Word


class NewAccount(Shape):
    """A name that can be called, and where it rings."""

    name: Word
    profile: Word | None = None
    route: Route = ""


class AccountAttachment(Shape):
    """The username of the profile that it goes to; null: to nobody. `move`: even if it is at another one."""

    profile: Word | None
    move: bool = False


class Periodic(Shape):
    """Times, as `mon-fri 09:00-17:30`."""

    periods: Annotated[str, Field(max_length=2000)]


class NewMailbox(Shape):
    """Whose it is, and who is written to; nobody, if it is empty."""

    name: Word
    email: Word = ""


class MailboxChange(Shape):
    """What is not said stays."""

    name: Word | None = None
    email: Word | None = None


class IssuedMailbox(Shape):
    """A new mailbox: its PIN is shown now, and never again."""

    mailbox: MailboxView
    pin: str


class RouteKept(Shape):
    """A route as it is kept."""

    route: str


@api.get("/numbers", "numbers.read")
def list_numbers(ask: Ask, query: NumbersAsked) -> Page[NumberView]:
    """The numbers that the company has, and where each is."""
    return numbers.page_of(ask.scope, turn(query.cursor, query.limit, "s"), query.profile, query.number)


@api.get("/stock", "numbers.read")
def list_stock(ask: Ask, query: StockAsked) -> Page[ForSale]:
    """The numbers that can be bought."""
    return numbers.stock_page(turn(query.cursor, query.limit, "s"), query.country, query.area, query.number)


def _read_stock(ask: Ask, body: Stock) -> list[StockNumber]:
    return numbers.read_stock(body.csv, body.currency, body.answers)


@api.post("/stock", "stock.write", most_body=MOST_STOCK_BYTES, before=_read_stock)
def import_stock(ask: Ask, body: Stock, read: list[StockNumber]) -> Imported:
    """Put numbers up for sale, all or none; those that are there get the new fee."""
    return numbers.put_in_stock(f"{len(read)} numbers", read, ask.now)


@api.post("/numbers", "money.move", of_company=True, status=201, once=True)
def buy_number(ask: Ask, body: NumberPurchase) -> NumberView:
    """Buy a number; the company's balance pays."""
    return _buy(ask, body, dry_run=False)


@api.post("/number-quotes", "money.read", of_company=True)
def quote_number(ask: Ask, body: NumberPurchase) -> NumberView:
    """Which number would be bought, what it would cost and until when; nothing is bought."""
    return _buy(ask, body, dry_run=True)


@api.post("/own-numbers", "stock.write", of_company=True, status=201)
def add_number(ask: Ask, body: OwnNumber) -> NumberView:
    """Note a number that the company has by itself."""
    return numbers.add(body.number, ask.mine("profile", body.profile), ask.now, ask.company)


@api.get("/numbers/{number}", "numbers.read")
def show_number(ask: Ask) -> NumberView:
    """One number."""
    return numbers.show(ask.path["number"])


@api.put("/numbers/{number}/profile", "numbers.write")
def attach_number(ask: Ask, body: Attachment) -> NumberView:
    """Have calls to a number go to a profile, or to nobody."""
    return numbers.attach(ask.path["number"], ask.mine("profile", body.profile))


@api.put("/numbers/{number}/route", "numbers.write")
def route_number(ask: Ask, body: NewRoute) -> RouteKept:
    """Where calls to a number ring."""
    return RouteKept(route=routes.set_route(ask.path["number"], body.route))


@api.post("/numbers/{number}/test", "numbers.read")
def test_number(ask: Ask, body: Trial) -> Tested:
    """The path that a call to a number would take; nobody is called."""
    return trials.path_of(ask.path["number"], ask.now if body.at is None else body.at)


@api.post("/numbers/{number}/release", "money.move", once=True)
def release_number(ask: Ask, body: Release) -> NumberView:
    """Give a number back; nothing of the fee is paid back."""
    return numbers.release(ask.path["number"], ask.now, at_once=body.at_once)


@api.post("/numbers/{number}/keep", "money.move", once=True)
def keep_number(ask: Ask) -> NumberView:
    """Have a number renew after all."""
    return numbers.keep(ask.path["number"])


@api.get("/verified-numbers", "numbers.read", of_company=True)
def list_verified(ask: Ask) -> list[VerifiedView]:
    """The numbers that the company may show, beside those it has."""
    return numbers.verified(ask.company)


@api.post("/verified-numbers", "stock.write", of_company=True, status=201)
def verify_number(ask: Ask, body: Evidence) -> VerifiedView:
    """Let the company show a number that it has elsewhere."""
    return numbers.verify(body.number, body.evidence, ask.now, ask.company)


@api.delete("/verified-numbers/{e164}", "stock.write", of_company=True)
def forget_verified(ask: Ask) -> None:
    """The company may no longer show a number."""
    numbers.forget_verified(ask.path["e164"], ask.company)


@api.get("/accounts", "numbers.read")
def list_accounts_called(ask: Ask, query: Paged) -> Page[AccountView]:
    """The accounts, by name."""
    return routes.account_page(ask.scope, turn(query.cursor, query.limit, "s"))


@api.post("/accounts", "numbers.write", of_company=True, status=201)
def create_account(ask: Ask, body: NewAccount) -> AccountView:
    """Create an account: a name that can be called."""
    return routes.create_account(body.name, ask.mine("profile", body.profile), body.route, ask.now, ask.company)


@api.put("/accounts/{account}/profile", "numbers.write")
def attach_account(ask: Ask, body: AccountAttachment) -> AccountView:
    """Have calls to an account go to a profile, or to nobody."""
    return routes.attach_account(ask.path["account"], ask.mine("profile", body.profile), move=body.move)


@api.put("/accounts/{account}/route", "numbers.write")
def route_account(ask: Ask, body: NewRoute) -> RouteKept:
    """Where calls to an account ring."""
    return RouteKept(route=routes.set_route(ask.path["account"], body.route))


@api.post("/accounts/{account}/test", "numbers.read")
def test_account(ask: Ask, body: Trial) -> Tested:
    """The path that a call to an account would take; nobody is called."""
    return trials.path_of(ask.path["account"], ask.now if body.at is None else body.at)


@api.delete("/accounts/{account}", "numbers.write")
def remove_account(ask: Ask) -> AccountView:
    """Take an account away."""
    return routes.remove_account(ask.path["account"])


@api.get("/departments", "numbers.read", of_company=True)
def list_departments(ask: Ask) -> list[NamedView]:
    """Routes that have a name."""
    return routes.named("department", ask.company)


@api.put("/departments/{name}", "numbers.write", of_company=True)
def set_department(ask: Ask, body: NewRoute) -> NamedView:
    """Give a route a name, or the name another route."""
    return routes.set_department(ask.path["name"], body.route, ask.company)


@api.delete("/departments/{name}", "numbers.write", of_company=True)
def remove_department(ask: Ask) -> None:
    """Forget a department."""
    routes.remove_named("department", ask.path["name"], ask.company)


@api.get("/hours", "numbers.read", of_company=True)
def list_hours(ask: Ask) -> list[NamedView]:
    """Times that have a name."""
    return routes.named("hours", ask.company)


@api.put("/hours/{name}", "numbers.write", of_company=True)
def set_hours(ask: Ask, body: Periodic) -> NamedView:
    """Give times a name, or the name other times."""
    return routes.set_hours(ask.path["name"], body.periods, ask.company)


@api.delete("/hours/{name}", "numbers.write", of_company=True)
def remove_hours(ask: Ask) -> None:
    """Forget hours."""
    routes.remove_named("hours", ask.path["name"], ask.company)


@api.get("/mailboxes", "numbers.read", of_company=True)
def list_mailboxes(ask: Ask) -> list[MailboxView]:
    """The company's mailboxes."""
    return mailboxes.listed(ask.company)


@api.post("/mailboxes/{box}", "numbers.write", of_company=True, status=201)
def create_mailbox(ask: Ask, body: NewMailbox) -> IssuedMailbox:
    """Create a mailbox."""
    made, pin = mailboxes.create(ask.path["box"], body.name, body.email, ask.now, ask.company)
    ask.place.voice_mail.set_aside(made.context, made.box, ask.now)
    return IssuedMailbox(mailbox=made, pin=pin)


@api.patch("/mailboxes/{box}", "numbers.write", of_company=True)
def change_mailbox(ask: Ask, body: MailboxChange) -> MailboxView:
    """Change whose a mailbox is, or who is written to."""
    return mailboxes.change(ask.path["box"], body.name, body.email, ask.company)


@api.post("/mailboxes/{box}/pin", "numbers.write", of_company=True)
def renew_mailbox_pin(ask: Ask) -> IssuedMailbox:
    """Give a mailbox another PIN; one that was set by telephone holds no more."""
    made, pin = mailboxes.renew_pin(ask.path["box"], ask.company)
    ask.place.voice_mail.forget_pin(made.context, made.box)
    return IssuedMailbox(mailbox=made, pin=pin)


@api.delete("/mailboxes/{box}", "numbers.write", of_company=True)
def remove_mailbox(ask: Ask) -> MailboxView:
    """Take a mailbox away; its messages stay where they are."""
    return mailboxes.remove(ask.path["box"], ask.company)


def _buy(ask: Ask, body: NumberPurchase, *, dry_run: bool) -> NumberView:
    return numbers.buy(
        body.number,
        body.periods,
        ask.now,
        profile=ask.mine("profile", body.profile),
        company=ask.company,
        country=body.country,
        area=body.area,
        dry_run=dry_run,
    )
