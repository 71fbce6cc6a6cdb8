"""Numbers and accounts: bought, attached, routed."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote as quoted

from connector.billing import credit, numbers, profiles, trials
from connector.billing.numbers import NumberView
from connector.core.access import Scope
from connector.core.formats import countries, shown
from connector.core.paging import MOST_ROWS, Turn, every, turn
from connector.errors import BadInput
from connector.routing import mailboxes, routes
from connector.routing.mailboxes import MailboxView
from connector.web.endpoint import Ask
from connector.web.render import route_words, when
from connector.web.site.frame import (
    Form,
    Line,
    NumberOrNone,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    allowed,
    entry,
    following,
    tables_page,
)
from connector.words import grouped, locale, marked, tr

pages = SitePages()

ROWS = 50
PROFILE = "/profiles/{profile}"
PERIODS = [("1", marked("30 days")), ("3", marked("3 times 30 days")), ("12", marked("12 times 30 days"))]


@pages.get("/numbers", "numbers.read")
def number_list(ask: Ask) -> Shown:
    """What the company has, where each is, what it costs."""
    asked = {name: text for name, text in ask.query.items() if name == "number"}
    found = numbers.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "s"), beginning=asked.get("number"))
    may = "numbers.write" in ask.actor.permissions
    pays = "money.move" in ask.actor.permissions
    zone = ask.zone
    rows: list[list[Any]] = []
    for view in found.items:
        path = f"/numbers/{quoted(view.number, safe='')}"
        links: list[Line] = [(tr("Test"), f"{path}/test")]
        if may:
            links += [
                (tr("Route"), f"{path}/route"),
                (tr("Change profile") if view.profile else tr("Attach to a profile"), f"{path}/attach"),
            ]
        if pays:
            links.append(
                (tr("Give back"), f"{path}/release")
                if view.renews or not view.periods
                else (tr("Keep"), f"{path}/keep")
            )
        cost = (
            tr("{fee} for 30 days", fee=shown(view.fee_micros, view.currency)) if view.periods else tr("nothing here")
        )
        until = when(view.paid_until, zone) + ("" if view.renews or not view.periods else tr(", then given back"))
        rows.append([view.number, view.profile or tr("nowhere"), route_words(view.route), cost, until, links])
    named = [
        [view.name, view.profile or tr("nowhere"), route_words(view.route), _account_links(view.name, may)]
        for view in routes.account_page(ask.scope, Turn(None, MOST_ROWS)).items
    ]
    tables: list[dict[str, Any]] = [
        {
            "title": tr("Numbers"),
            "heads": [tr("Number"), tr("Profile"), tr("Rings"), tr("Costs"), tr("Paid until"), ""],
            "rows": rows,
            "empty": tr("No such number.") if asked else tr("No number yet. Choose one under Numbers for sale."),
        },
        {
            "title": tr("Accounts"),
            "heads": [tr("Name"), tr("Profile"), tr("Rings"), ""],
            "rows": named,
            "empty": tr("No account yet. Call buttons call accounts; add one on the page of a profile."),
        },
    ]
    if asked:  # somebody looks for one
        tables = tables[:1]
    elif ask.scope.profile is None:
        tables += _named(ask)
    return tables_page(
        tr("Numbers and accounts"),
        tables,
        actions=[] if ask.scope.profile else allowed(ask, *_ACTIONS),
        following=following(found, asked),
    )


def _account_links(name: str, may: bool) -> list[Line]:
    path = f"/accounts/{quoted(name, safe='')}"
    writes = (
        [(tr("Route"), f"{path}/route"), (tr("Change profile"), f"{path}/attach"), (tr("Remove"), f"{path}/remove")]
        if may
        else []
    )
    return [(tr("Test"), f"{path}/test"), *writes]


def _named(ask: Ask) -> list[dict[str, Any]]:
    may = "numbers.write" in ask.actor.permissions
    return [
        {
            "title": title,
            "heads": [tr("Name"), what, *([""] * may)],
            "rows": [
                [view.name, view.text.replace("\n", "; "), *([_changes(f"/{folder}/{view.name}")] * may)]
                for view in routes.named(kind, ask.company)
            ],
            "empty": empty,
            "actions": allowed(ask, (add, f"/{folder}/set", "numbers.write")),
        }
        for kind, folder, title, what, add, empty in (
            (
                "department",
                "departments",
                tr("Departments"),
                tr("Rings"),
                tr("Set a department"),
                tr("No department yet. A department is a named route that several numbers can share."),
            ),
            (
                "hours",
                "hours",
                tr("Hours"),
                tr("Times"),
                tr("Set hours"),
                tr("No hours yet. Routes use named hours, for example to ring the office only on workdays."),
            ),
        )
    ] + [
        {
            "title": tr("Mailboxes"),
            "heads": [tr("Box"), tr("Name"), tr("E-mail"), tr("Messages"), *([""] * may)],
            "rows": [
                [view.box, view.name, view.email, _messages(ask, view), *([_box_links(view)] * may)]
                for view in mailboxes.listed(ask.company)
            ],
            "empty": tr("No mailbox yet. A mailbox records calls that are not answered."),
            "actions": allowed(ask, (tr("Add a mailbox"), "/mailboxes/new", "numbers.write")),
        }
    ]


def _messages(ask: Ask, box: MailboxView) -> str | list[Line]:
    """How many messages a mailbox has, with a link for who may hear them."""
    found = ask.place.voice_mail.counted(box.context, box.box)
    if found is None:
        return tr("not known")
    words = tr("{new} new, {all} in all", new=grouped(found[0]), all=grouped(found[1])) if found[1] else tr("none")
    return [(words, f"/mailboxes/{box.box}/messages")] if "messages.read" in ask.actor.permissions else words


def _box_links(box: MailboxView) -> list[Line]:
    path = f"/mailboxes/{box.box}"
    return [(tr("Change"), path), (tr("New PIN"), f"{path}/pin"), (tr("Remove"), f"{path}/remove")]


_ACTIONS = (
    (marked("Numbers for sale"), "/stock", "numbers.read"),
    (marked("Add a number of the company's own"), "/numbers/new", "stock.write"),
    (marked("Verified numbers"), "/numbers/verified", "numbers.read"),
)


def _changes(path: str, change: str = "/change") -> list[Line]:
    return [(tr("Change"), path + change), (tr("Remove"), f"{path}/remove")]


class ToProfile(Form):
    """Something goes to a profile of the company, or to nobody."""

    profile: TextOrNone = entry("Profile", None)

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's profiles."""
        return {"profile": [("", tr("no profile")), *profiles.names(Scope(ask.scope.company)).items()]}

    @classmethod
    def at(cls, ask: Ask, name: str | None) -> dict[str, Any]:
        """What stands in the field where it is at a profile, by its name."""
        _, *found = cls.choices(ask)["profile"]
        return {"profile": next((username for username, each in found if each == name), "")}


def countries_for_sale() -> list[Line]:
    """The countries that there are numbers of, by their names."""
    names = countries(locale())
    return sorted(((code, names.get(code, code)) for code in numbers.countries()), key=lambda each: each[1])


@pages.form(PROFILE + "/numbers/buy", "money.move", "Buy a new number", once=True, back=PROFILE)
class BuyNumber(Form):
    """From the stock, by country, area code and period."""

    button: ClassVar[str] = "Buy now"
    country: str = entry("Country")
    area: TextOrNone = entry("Area code", None)
    periods: int = entry("Period", 1, choices=PERIODS)

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The countries that there are numbers of."""
        return {"country": countries_for_sale() or [("", tr("no number is for sale"))]}

    number: TextOrNone = entry("Number", None, kind="pinned")
    price: NumberOrNone = entry("Price", None, kind="pinned")

    def _bought(self, ask: Ask) -> NumberView:
        return numbers.buy(
            self.number,
            self.periods,
            ask.now,
            profile=ask.path["profile"],
            company=ask.company,
            country=self.country or None,
            area=self.area,
        )

    def quote(self, ask: Ask) -> Quote | None:
        """The number, its price, and until when."""
        found = self._bought(ask)
        lines = [
            (tr("Number"), found.number),
            (tr("To pay now"), shown(found.price_micros, found.currency)),
            (tr("Renews on"), when(found.paid_until, ask.zone)),
            (tr("Each renewal"), shown(found.price_micros, found.currency)),
            (tr("Balance afterwards"), shown(credit.balance(ask.company).available_micros, found.currency)),
        ]
        return Quote(lines, {"number": found.number, "price": str(found.price_micros)})

    def do(self, ask: Ask) -> Outcome:
        """Buy the very number, at the very price."""
        made = self._bought(ask)
        if made.number != self.number or made.price_micros != self.price:
            raise BadInput("The price has changed. Check the new price.")
        return Outcome(f"/profiles/{ask.path['profile']}", tr("{number} was bought and attached", number=made.number))


@pages.form(PROFILE + "/numbers/attach", "numbers.write", "Attach a number", back=PROFILE)
class AttachNumber(Form):
    """One that the company has already."""

    number: str = entry("Number")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's numbers."""
        found = every(lambda each: numbers.page_of(Scope(ask.scope.company), each), "s")
        words = [
            (view.number, tr("{number}, at {profile}", number=view.number, profile=view.profile or tr("no profile")))
            for view in found
        ]
        return {"number": words or [("", tr("the company has no number"))]}

    def do(self, ask: Ask) -> Outcome:
        """Attach."""
        ask.mine("number", self.number)
        numbers.attach(self.number, ask.path["profile"])
        return Outcome(f"/profiles/{ask.path['profile']}", tr("{number} is attached", number=self.number))


@pages.form("/numbers/{number}/attach", "numbers.write", "Where a number goes", back="/numbers")
class MoveNumber(ToProfile):
    """To a profile, or to nobody."""

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """Where it is."""
        return cls.at(ask, numbers.show(ask.path["number"]).profile)

    def do(self, ask: Ask) -> Outcome:
        """Move."""
        numbers.attach(ask.path["number"], ask.mine("profile", self.profile))
        return Outcome("/numbers", tr("{path} is moved", path=ask.path["number"]))


@pages.form("/numbers/{number}/release", "money.move", "Give a number back", once=True, back="/numbers")
class ReleaseNumber(Form):
    """When what is paid is over, or at once."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Give back"
    warning: ClassVar[str] = "The fee is not refunded. The number then belongs to the next company that buys it."
    at_once: bool = entry("Immediately, not at the end of the paid period", False, kind="check")

    def do(self, ask: Ask) -> Outcome:
        """Release."""
        numbers.release(ask.path["number"], ask.now, at_once=self.at_once)
        return Outcome("/numbers", tr("{path} is given back", path=ask.path["number"]))


@pages.form("/numbers/{number}/keep", "money.move", "Keep a number", once=True, back="/numbers")
class KeepNumber(Form):
    """Renew after all."""

    button: ClassVar[str] = "Keep"

    def do(self, ask: Ask) -> Outcome:
        """Keep."""
        numbers.keep(ask.path["number"])
        return Outcome("/numbers", tr("{number} renews", number=ask.path["number"]))


@pages.form(PROFILE + "/accounts/new", "numbers.write", "Add an account", back=PROFILE)
class NewAccount(Form):
    """A name that can be called, and the extension that rings."""

    button: ClassVar[str] = "Confirm"
    name: str = entry("Name", hint="Small letters, digits, '.', '-' and '_'.")
    extension: TextOrNone = entry("Extension that rings", None)
    then: TextOrNone = entry(
        "If nobody answers", None, hint="For example 'voicemail 101', 'extension 102' or 'account sales'."
    )

    def do(self, ask: Ask) -> Outcome:
        """Create."""
        steps = [f"extension {self.extension}" if self.extension else "", self.then or ""]
        route = ", ".join(each for each in steps if each)
        profile = ask.path["profile"]
        routes.create_account(self.name, profile, route, ask.now)
        return Outcome(f"/profiles/{profile}", tr("{name} can be called", name=self.name))


@pages.form("/accounts/{account}/attach", "numbers.write", "Where an account goes", back="/numbers")
class MoveAccount(ToProfile):
    """To a profile, or to nobody."""

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """Where it is."""
        return cls.at(ask, routes.show_account(ask.path["account"]).profile)

    def do(self, ask: Ask) -> Outcome:
        """Move."""
        routes.attach_account(ask.path["account"], ask.mine("profile", self.profile), move=True)
        return Outcome("/numbers", tr("{path} is moved", path=ask.path["account"]))


@pages.get("/numbers/{number}/test", "numbers.read")
def number_path(ask: Ask) -> Shown:
    """The path that a call to a number would take."""
    return _path(ask, ask.path["number"])


@pages.get("/accounts/{account}/test", "numbers.read")
def account_path(ask: Ask) -> Shown:
    """The path that a call to an account would take."""
    return _path(ask, ask.path["account"])


def _path(ask: Ask, called: str) -> Shown:
    wrong, at = "", ask.query.get("at", "")[:40]
    try:
        found = trials.path_of(called, at or ask.now)
    except BadInput as error:
        wrong, found = error.translated(), trials.path_of(called, ask.now)
    return Shown("path.html", {"tested": found, "at": at, "wrong": wrong})


@pages.form("/accounts/{account}/remove", "numbers.write", "Remove an account", back="/numbers")
class RemoveAccount(Form):
    """Take it away."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"

    def do(self, ask: Ask) -> Outcome:
        """Remove."""
        routes.remove_account(ask.path["account"])
        return Outcome("/numbers", tr("{path} can be called no more", path=ask.path["account"]))
