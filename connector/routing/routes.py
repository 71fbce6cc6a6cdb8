"""Where calls in ring: the routes of numbers and accounts, departments, hours; and the accounts themselves.

What a company's routes have names for is one Book (core/routes.py). Whatever changes it is held against the whole, in
its own transaction: no route comes to name what is not there, and none to lead back to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from connector.core import destinations, hours, terms
from connector.core import routes as core
from connector.core.access import Scope
from connector.core.destinations import PrefixRule
from connector.core.numbers import e164
from connector.core.paging import Page, Turn, page
from connector.core.routes import Book, Path, Place, Route
from connector.database import audit, reference
from connector.database.audit import audited
from connector.database.models import Button, Company, Department, Hours, InboundAccount, Number, Profile
from connector.database.named import company_row, number_row, open_profile_row, owner_and_profile
from connector.database.store import lock, reading, rows, run, writing
from connector.errors import BadInput, NextStep, NotFound
from connector.words import marked, phrase


@dataclass(frozen=True)
class AccountView:
    """An account: where it is attached (None: nowhere, so nobody can call it), and its route."""

    name: str
    company: str
    profile: str | None
    route: str
    created_at: int


@dataclass(frozen=True)
class NamedView:
    """A department or hours: `text` is its route, or its periods."""

    name: str
    company: str
    text: str


@audited("account.create")
def create_account(name: str, profile: str | None, route: str, now: int, company: str | None = None) -> AccountView:
    """Create an account, attached to a profile or to none yet. BadInput if the name is unfit or taken; NotFound."""
    if not core.NAME.fullmatch(name):
        raise BadInput("an account has 2 to 40 small letters, digits, '.', '-' and '_', and begins with a letter")
    wanted = core.parse(route)
    with writing():
        owner, at = owner_and_profile(company, profile)
        taken = InboundAccount.get_or_none(InboundAccount.name == name)
        if taken is not None:
            where = f", {_where(taken)}" if taken.company_id == owner.id else ": names of accounts are everybody's"
            raise BadInput("there is an account {name!r} already{where}", name=name, where=where)
        with no_worse(owner.id):
            made = InboundAccount.create(
                company=owner, profile=at, name=name, route=str(wanted) if route else "", created_at=now
            )
        _may_forward(wanted, _rules(at.id if at else None))
        return _account_view(made)


@audited("account.attach")
def attach_account(name: str, profile: str | None, *, move: bool = False) -> AccountView:
    """Attach an account to a profile, or to none. BadInput if it is at another one, and is not to `move`."""
    with writing():
        row = _account_row(name)
        at = open_profile_row(profile) if profile else None
        if at is not None and at.company_id != row.company_id:
            raise BadInput("The account {name!r} belongs to another company.", name=name)
        if at is not None and row.profile_id not in (None, at.id) and not move:
            raise BadInput(
                "the account {name!r} is attached already, {where}: it has to be moved (--move)",
                name=name,
                where=_where(row),
            )
        with no_worse(row.company_id):
            run("UPDATE inbound_account SET profile_id = ? WHERE id = ?", at.id if at else None, row.id)
        return _account_view(_account_row(name))


@audited("account.remove")
def remove_account(name: str) -> AccountView:
    """Take an account away. BadInput if a route or a call button leads to it."""
    with writing():
        row = _account_row(name)
        view = _account_view(row)
        button = Button.get_or_none(Button.account == row)
        if button is not None:
            raise BadInput(
                "The call button {name!r} calls {name_2}. Remove the call button first.", name=button.name, name_2=name
            )
        with no_worse(row.company_id):
            run("DELETE FROM inbound_account WHERE id = ?", row.id)
        return view


def accounts() -> list[AccountView]:
    """All accounts, by name."""
    with reading():
        return [_account_view(row) for row in InboundAccount.select().order_by(InboundAccount.name)]


def show_account(name: str) -> AccountView:
    """One account; NotFound."""
    with reading():
        return _account_view(_account_row(name))


def account_page(scope: Scope, wanted: Turn) -> Page[AccountView]:
    """The accounts that somebody sees, by name."""
    with reading():
        found = InboundAccount.select().order_by(InboundAccount.name).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(InboundAccount.company == scope.company)
        if scope.profile is not None:
            found = found.where(InboundAccount.profile == scope.profile)
        if wanted.after is not None:
            found = found.where(InboundAccount.name > wanted.after[0])
        return page([_account_view(row) for row in found], wanted, lambda view: (view.name,))


@audited("route.set")
def set_route(called: str, text: str) -> str:
    """Have calls to a number or account go by a route from now on; the route as it is kept. BadInput and NotFound."""
    with writing():
        _set_routes({called: text})
    return str(core.parse(text))


def set_routes(wanted: Mapping[str, str]) -> None:
    """Set routes of numbers and accounts of one company, by what is called; held against the company's others once,
    and not for each. BadInput, NotFound.
    """
    if not wanted:
        return
    with writing():
        for called, kept in _set_routes(wanted).items():
            audit.note("route.set", called, kept)


def _set_routes(wanted: Mapping[str, str]) -> dict[str, str]:
    """Set them, in the caller's transaction; as they are kept."""
    parsed = {called: core.parse(text) for called, text in wanted.items()}
    found = {called: called_row(called) for called in wanted}
    kept = {called: str(parsed[called]) if text.strip() else "" for called, text in wanted.items()}
    with no_worse(next(iter(found.values())).company_id):
        for called, row in found.items():
            run(f"UPDATE {_table(row)} SET route = ? WHERE id = ?", kept[called], row.id)
    for called, row in found.items():
        _may_forward(parsed[called], _rules(row.profile_id))
    return kept


@audited("department.set")
def set_department(name: str, text: str, company: str | None = None) -> NamedView:
    """Give a route a name, or the name another route. BadInput."""
    route = core.parse(text)
    if not core.NAME.fullmatch(name):
        raise BadInput("a department has 2 to 40 small letters, digits, '.', '-' and '_', and begins with a letter")
    with writing():
        owner = company_row(company)
        with no_worse(owner.id):
            Department.delete().where((Department.company == owner) & (Department.name == name)).execute()
            made = Department.create(company=owner, name=name, route=str(route))
        _may_forward(route, [])
        return NamedView(made.name, owner.name, made.route)


@audited("hours.set")
def set_hours(name: str, text: str, company: str | None = None) -> NamedView:
    """Give times a name, or the name other times. BadInput."""
    if not core.NAME.fullmatch(name) or name == "else":
        raise BadInput(
            "A name for hours must have 2 to 40 small letters, digits, '.', '-' and '_', and begin with a letter."
        )
    kept = hours.canonical(text)
    with writing():
        owner = company_row(company)
        Hours.delete().where((Hours.company == owner) & (Hours.name == name)).execute()
        made = Hours.create(company=owner, name=name, periods=kept)
        return NamedView(made.name, owner.name, made.periods)


@audited("name.remove")
def remove_named(kind: str, name: str, company: str | None = None) -> None:
    """Forget a `department` or `hours`. NotFound; BadInput if a route needs it."""
    with writing():
        owner = company_row(company)
        if not rows(f"SELECT 1 FROM {kind} WHERE company_id = ? AND name = ?", owner.id, name):
            raise NotFound("there is no {kind} {name!r}", kind=terms.named(kind), name=name)
        with no_worse(owner.id):
            run(f"DELETE FROM {kind} WHERE company_id = ? AND name = ?", owner.id, name)


def named(kind: str, company: str | None = None) -> list[NamedView]:
    """All departments or hours, by company and name; or a company's."""
    column = "route" if kind == "department" else "periods"
    sql = f"SELECT t.name, company.name, t.{column} FROM {kind} t JOIN company ON company.id = t.company_id"
    with reading():
        found = [NamedView(*row) for row in rows(f"{sql} ORDER BY company.name, t.name")]
        return [view for view in found if company in (None, view.company)]


def path(called: str, text: str, profile: Any, at: int, *, may_forward: bool = True) -> Path:
    """The path of a call to a number or account of a profile, in the caller's transaction."""
    route = core.parse(text)
    place = Place(route, profile.username)
    if route == core.PBX:
        return core.path(called, place, Book("UTC"), at)
    return core.path(called, place, _needed(profile.company_id, route), at, may_forward=may_forward)


def check(text: str, before: str, profile: Any) -> None:
    """Whether a route can be one of a profile's instead of the one before, in the caller's transaction. BadInput names
    what is not there, unless it was not there before either.
    """
    route = core.parse(text)
    if route != core.PBX:
        wrong = _wrong(route, profile)
        if wrong is not None and str(wrong) != str(_wrong(core.parse(before), profile)):
            raise wrong
        _may_forward(route, _rules(profile.id))


def loop_with(called: str, text: str, company: int) -> str:
    """The loop that the routes of a company would form if a number or account of it had this one, in words; "" if none.
    In the caller's transaction.
    """
    found = book(company)
    places = found.numbers if called.startswith("+") else found.accounts
    there = {**places, called: replace(places[called], route=core.parse(text))}
    return _loop(replace(found, numbers=there) if called.startswith("+") else replace(found, accounts=there))


def _loop(found: Book) -> str:
    around = core.circle(found)
    return phrase("The routes form a loop: {circle}", circle=" -> ".join(around)) if around else ""


def _wrong(route: Route, profile: Any) -> BadInput | None:
    """What does not hold in a route of a profile."""
    try:
        core.check(route, _needed(profile.company_id, route), profile.username)
    except BadInput as error:
        return error
    return None


def book(company: int) -> Book:
    """Everything that a company's routes have names for, in the caller's transaction."""
    ((zone,),) = rows("SELECT time_zone FROM company WHERE id = ?", company)
    former = rows(_FORMER, company)
    numbers = _as_places(rows(_NUMBERS, company))
    return Book(
        zone,
        {name: hours.parse(text) for name, text in rows(_HOURS, company)},
        {name: core.parse(text) for name, text in rows(_DEPARTMENTS, company)},
        _as_places(rows(_ACCOUNTS, company)),
        numbers,
        frozenset(box for (box,) in rows(_BOXES, company)),
        frozenset(number for (number,) in former) - set(numbers),
    )


_HOURS = "SELECT name, periods FROM hours WHERE company_id = ?"
_DEPARTMENTS = "SELECT name, route FROM department WHERE company_id = ?"
_BOXES = "SELECT box FROM mailbox WHERE company_id = ?"
_ACCOUNTS = (
    "SELECT a.name, a.route, p.username FROM inbound_account a LEFT JOIN profile p ON p.id = a.profile_id"
    " WHERE a.company_id = ?"
)
_NUMBERS = (
    "SELECT n.e164, n.route, p.username FROM number n LEFT JOIN profile p ON p.id = n.profile_id"
    " WHERE n.released_at IS NULL AND n.company_id = ?"
)
_FORMER = "SELECT e164 FROM number WHERE released_at IS NOT NULL AND company_id = ?"


def _needed(company: int, route: Route) -> Book:
    """Of a company's book what one route can lead to, asked for level by level: a call waits for it."""
    ((zone,),) = reference.rows("SELECT time_zone FROM company WHERE id = ?", company)
    times: dict[str, Any] = {}
    departments: dict[str, Route] = {}
    accounts: dict[str, Place] = {}
    numbers: dict[str, Place] = {}
    boxes: set[str] = set()
    former: set[str] = set()
    asked: set[tuple[str, str]] = set()
    waiting = [route]
    while waiting:
        names: dict[str, list[str]] = {}
        for kind, name in {named for each in waiting for named in _names(each)} - asked:
            asked.add((kind, name))
            names.setdefault(kind, []).append(name)
        times |= {name: hours.parse(text) for name, text in _some(_HOURS, "name", company, names.get("hours"))}
        boxes |= {box for (box,) in _some(_BOXES, "box", company, names.get("voicemail"))}
        former |= {number for (number,) in _some(_FORMER, "e164", company, names.get("number"))}
        more = {name: core.parse(text) for name, text in _some(_DEPARTMENTS, "name", company, names.get("department"))}
        some = _as_places(_some(_ACCOUNTS, "a.name", company, names.get("account")))
        others = _as_places(_some(_NUMBERS, "n.e164", company, names.get("number")))
        departments |= more
        accounts |= some
        numbers |= others
        waiting = [*more.values(), *(place.route for place in (*some.values(), *others.values()))]
    return Book(zone, times, departments, accounts, numbers, frozenset(boxes), frozenset(former - set(numbers)))


def _names(route: Route) -> set[tuple[str, str]]:
    """What a route has names for, by kind."""
    of_hours = {("hours", rule.hours) for rule in route.rules if rule.hours}
    return of_hours | {(step.kind, step.words[0]) for step in route.steps() if step.words}


def _some(sql: str, column: str, company: int, names: list[str] | None) -> list[tuple[Any, ...]]:
    if not names:
        return []
    return reference.rows(f"{sql} AND {column} IN ({', '.join('?' * len(names))})", company, *names)


def _as_places(found: list[tuple[Any, ...]]) -> dict[str, Place]:
    return {name: Place(core.parse(text), username) for name, text, username in found}


def naming(company: int, number: str) -> str:
    """Which route of a company leads to a number of it; "" if none does. In the caller's transaction."""
    found = book(company)
    named = [*found.departments.items()]
    named += [(name, place.route) for places in (found.accounts, found.numbers) for name, place in places.items()]
    return next((n for n, route in named if ("number", number) in _names(route)), "")


@contextmanager
def no_worse(company: int) -> Iterator[None]:
    """What changes within may break no route of a company that held before: BadInput says which. One that was broken
    already, by a number that lapsed for one, is in nobody's way.
    """
    before = _problems(company)
    yield
    new = [problem for problem in _problems(company) if problem not in before]
    if new:
        words, step = new[0]
        raise BadInput(words, step=step)


def _problems(company: int) -> list[tuple[str, NextStep | None]]:
    """What does not hold in a company's routes, in words, and what helps."""
    found = book(company)
    places = [(f"account {name}", place) for name, place in found.accounts.items()]
    places += [(f"number {name}", place) for name, place in found.numbers.items() if place.route != core.PBX]
    problems = [_problem(f"department {name}", route, found, None) for name, route in found.departments.items()]
    problems += [_problem(what, place.route, found, place.profile) for what, place in places]
    loop = _loop(found)
    return [problem for problem in (*problems, (loop, None) if loop else None) if problem]


def _problem(what: str, route: Route, found: Book, profile: str | None) -> tuple[str, NextStep | None] | None:
    try:
        core.check(route, found, profile)
    except BadInput as error:
        return phrase("the route of {what}: {error}", what=what, error=error), error.step
    return None


def _may_forward(route: Route, rules: list[PrefixRule]) -> None:
    for step in route.steps():
        if step.kind == "number" and not destinations.may_be_dialled(step.words[0], "standard", rules):
            kind = destinations.kind(step.words[0], "standard")
            raise BadInput(
                "calls are not forwarded to {words}: it is {kind} or blocked for the profile",
                words=step.words[0],
                kind=kind,
            )


def _rules(profile: int | None) -> list[PrefixRule]:
    found = rows("SELECT prefix, allowed FROM prefix_rule WHERE profile_id = ?", profile)
    return [PrefixRule(prefix, bool(allowed)) for prefix, allowed in found]


def called_row(called: str) -> Any:
    """A number or an account that somebody has; NotFound."""
    number = e164(called)
    if number is None:
        return _account_row(called)
    return number_row(number)


def _account_row(name: str) -> Any:
    lock("id = (SELECT company_id FROM inbound_account WHERE name = ?)", name)
    row = InboundAccount.get_or_none(InboundAccount.name == name)
    if row is None:
        raise NotFound("there is no number or account {name!r}", name=name[:40])
    return row


def _table(row: Any) -> str:
    return "number" if isinstance(row, Number) else "inbound_account"


def _where(row: Any) -> str:
    profile = Profile.get_or_none(Profile.id == row.profile_id)
    return phrase("at the profile {name!r}", name=profile.name) if profile else marked("not attached to a profile")


def _account_view(row: Any) -> AccountView:
    profile = Profile.get_or_none(Profile.id == row.profile_id)
    owner = Company.get_by_id(row.company_id)
    at = profile.name if profile else None
    return AccountView(row.name, owner.name, at, row.route or str(core.PBX), row.created_at)
