"""Numbers: the stock that can be bought, those that companies have, and where each is.

A number that is bought runs in terms (plans.py), paid ahead from the company's balance. A company may also have numbers
of its own, which cost nothing here: ported ones, and those of a client profile's provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any, TypeVar

from connector.billing import plans
from connector.core import numbering, stock
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.paging import Page, Turn, page
from connector.core.routes import PBX
from connector.core.stock import StockNumber
from connector.database.audit import audited
from connector.database.models import Company, Number, Profile, Stock, Verified
from connector.database.named import company_row, number_row, open_profile_row, owner_and_profile
from connector.database.store import fitting, reading, rows, run, trying, writing
from connector.errors import BadInput, NotFound
from connector.routing import routes

T = TypeVar("T")

MOST_EVIDENCE = 200
MOST_AT_ONCE = 50
_HELD = "released_at IS NULL"
_COLUMNS = "e164, country, area, fee_micros, currency"
_STOCK = f"SELECT {_COLUMNS} FROM stock"
_AT_ONCE = 100  # rows a statement: well below SQLite's limit on bound values


@dataclass(frozen=True)
class NumberView:
    """A number of a company, and where it is. `fee_micros` is for 30 days, paid for `periods` of them at once; 0 and
    None where nobody charges for it here. `paid_until`: then it renews, or is given back if it does not.
    """

    number: str
    company: str
    profile: str | None
    route: str
    country: str
    area: str
    fee_micros: int
    periods: int
    price_micros: int
    currency: str
    paid_until: int | None
    renews: bool
    created_at: int


@dataclass(frozen=True)
class ForSale:
    """A number that can be bought, and its fee for 30 days in micros of its currency."""

    number: str
    country: str
    area: str
    fee_micros: int
    currency: str


@dataclass(frozen=True)
class Imported:
    """What an import did to the stock; `taken` are those of it that a company has already."""

    new: int
    changed: int
    same: int
    taken: int


@dataclass(frozen=True)
class VerifiedView:
    """A number that a company may show as its own, and why."""

    number: str
    company: str
    evidence: str
    verified_at: int


def import_stock(
    text: str, now: int, currency: str | None = None, answers: Mapping[str, str] | None = None
) -> Imported:
    """Read numbers for sale from a list, and `put` them into the stock."""
    read = read_stock(text, currency, answers)
    return put_in_stock(f"{len(read)} numbers", read, now)


def read_stock(text: str, currency: str | None = None, answers: Mapping[str, str] | None = None) -> list[StockNumber]:
    """Numbers for sale from a list, which takes a while, outside of every transaction. BadInput names every wrong line.

    `currency` is that of rows that say none; without it that of all companies, if it is one. `answers`: to questions
    about the list (core/stock.py).
    """
    if currency is None:
        with reading():
            usual = [found for (found,) in rows("SELECT DISTINCT currency FROM company")]
        currency = usual[0] if len(usual) == 1 else None
    return stock.parse(text, currency, answers)


@audited("stock.import")
def put_in_stock(title: str, read: list[StockNumber], now: int) -> Imported:
    """Take numbers into the stock, all or none; those that are there get the new fee.

    Who has one pays what was agreed until it is given back.
    """
    with writing():
        told, new, changed = _compared(read)
        for gone in _portions(changed):
            run(f"DELETE FROM stock WHERE e164 IN ({', '.join('?' * len(gone))})", *(each.e164 for each in gone))
        for some in _portions([*new, *changed]):
            marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(some))
            cells = [cell for each in some for cell in (*astuple(each), now)]
            run(f"INSERT INTO stock ({_COLUMNS}, imported_at) VALUES {marks}", *cells)
        return told


def compare_stock(read: list[StockNumber]) -> Imported:
    """What `put_in_stock` would do, without doing it."""
    with reading():
        return _compared(read)[0]


def _compared(read: list[StockNumber]) -> tuple[Imported, list[StockNumber], list[StockNumber]]:
    """What an import would do; the numbers that are new, and those that change."""
    new, changed, taken = [], [], 0
    for some in _portions(read):
        marks, asked = ", ".join("?" * len(some)), [each.e164 for each in some]
        known = {row[0]: StockNumber(*row) for row in rows(f"{_STOCK} WHERE e164 IN ({marks})", *asked)}
        ((held,),) = rows(f"SELECT COUNT(*) FROM number WHERE e164 IN ({marks}) AND {_HELD}", *asked)
        taken += held
        new += [each for each in some if each.e164 not in known]
        changed += [each for each in some if known.get(each.e164, each) != each]
    return Imported(len(new), len(changed), len(read) - len(new) - len(changed), taken), new, changed


def _portions(whole: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(whole), _AT_ONCE):
        yield whole[start : start + _AT_ONCE]


def stock_page(
    wanted: Turn, country: str | None = None, area: str | None = None, containing: str | None = None
) -> Page[ForSale]:
    """Numbers that nobody has, by country, area code and the digits that stand in them. BadInput."""
    digits = None if containing is None else numbering.checked_digits(containing)
    with reading():
        after = None if wanted.after is None else str(wanted.after[0])
        found = _for_sale(country, area, wanted.limit + 1, after=after, digits=digits)
        if not found and digits and digits.startswith("0"):  # written as within its country
            found = _for_sale(country, area, wanted.limit + 1, after=after, digits=digits[1:])
        return page(found, wanted, lambda view: (view.number,))


def countries() -> list[str]:
    """The countries that there are numbers for sale of."""
    sql = f"SELECT DISTINCT country FROM stock WHERE e164 NOT IN (SELECT e164 FROM number WHERE {_HELD}) ORDER BY 1"
    with reading():
        return [country for (country,) in rows(sql)]


def for_sale(country: str | None = None, area: str | None = None, limit: int = 100) -> list[ForSale]:
    """Numbers that nobody has, by country and area code; at most `limit`."""
    with reading():
        return _for_sale(country, area, limit)


@audited("number.buy")
def buy(
    number: str | None,
    periods: int,
    now: int,
    *,
    profile: str | None = None,
    company: str | None = None,
    country: str | None = None,
    area: str | None = None,
    dry_run: bool = False,
) -> NumberView:
    """Buy a number, or the first of a country and area, for 1, 3 or 12 terms of 30 days; the company's balance pays.

    With `profile` it is attached there at once. With `dry_run` nothing is bought, and what would be is told. BadInput,
    NotFound if it is not for sale, or InsufficientFunds.
    """
    with trying() if dry_run else writing():
        owner, at = owner_and_profile(company, profile)
        if at is not None and company is not None and owner.name != company:
            raise BadInput("The profile {profile!r} belongs to {name}.", profile=profile, name=owner.name)
        found = _for_sale(country, area, 1, numbering.checked_number(number) if number else None)
        if not found:
            if number is None:
                raise NotFound("no such number is for sale")
            raise NotFound("{number} is not for sale", number=number)
        (choice,) = found
        if choice.currency != owner.currency:
            fee = shown(choice.fee_micros, choice.currency)
            raise BadInput(
                "{number} costs {fee}, but the company pays in {currency}.",
                number=choice.number,
                fee=fee,
                currency=owner.currency,
            )
        row = _create(owner, at, choice.number, now)
        plans.begin_number(row, choice.fee_micros * plans.checked_periods(periods), periods, now, now)
        return _view(row)


@audited("number.add")
def add(number: str, profile: str | None, now: int, company: str | None = None) -> NumberView:
    """A number that the company has by itself, attached to a profile or to none.

    BadInput if it is none, is taken, or is for sale here; NotFound without such a profile.
    """
    found = numbering.checked_number(number)
    with writing():
        owner, at = owner_and_profile(company, profile)
        if Number.get_or_none((Number.e164 == found) & Number.released_at.is_null()):
            raise BadInput("the number {found} is taken", found=found)
        if Stock.get_or_none(Stock.e164 == found):
            raise BadInput("The number {found} is for sale here. Buy it instead of adding it.", found=found)
        return _view(_create(owner, at, found, now))


@audited("number.attach")
def attach(number: str, profile: str | None) -> NumberView:
    """Have calls to a number go to a profile, or with None to nobody. BadInput if it is another company's profile, or a
    route would lead into another profile; NotFound.
    """
    with writing():
        row = _row(number)
        at = open_profile_row(profile) if profile else None
        if at is not None and at.company_id != row.company_id:
            raise BadInput("The number {e164} belongs to another company.", e164=row.e164)
        with routes.no_worse(row.company_id):
            run("UPDATE number SET profile_id = ? WHERE id = ?", at.id if at else None, row.id)
        return _view(_row(number))


@audited("number.release")
def release(number: str, now: int, *, at_once: bool = False) -> NumberView:
    """Give a number back when what is paid is over, or at once; nothing of the fee is paid back. NotFound.

    One that costs nothing goes at once.
    """
    with writing():
        row = _row(number)
        view = _view(row)
        by = routes.naming(row.company_id, row.e164)
        if by:
            raise BadInput("The route of {by} leads to {e164}. Change that route first.", by=by, e164=row.e164)
        return view if plans.release_number(row, now, at_once) else _view(row)


@audited("number.keep")
def keep(number: str) -> NumberView:
    """Have a number renew after all, that was to be given back at its end. BadInput if nothing is paid for it."""
    with writing():
        row = _row(number)
        if not plans.keep_number(row):
            raise BadInput("No fee is paid for {e164}. It stays until it is released.", e164=row.e164)
        return _view(row)


def list_numbers(company: str | None = None) -> list[NumberView]:
    """All numbers that companies have, by company and number."""
    sql = f"{_VIEW} AND (? = '' OR c.name = ?) ORDER BY c.name, n.e164"
    with reading():
        return [_shown(row) for row in rows(sql, company or "", company or "")]


def page_of(scope: Scope, wanted: Turn, profile: str | None = None, beginning: str | None = None) -> Page[NumberView]:
    """The numbers that somebody sees; only of a profile, by its username, or by how they begin."""
    sql, values = fitting(
        _VIEW,
        ("n.company_id = ?", scope.company),
        ("n.profile_id = ?", scope.profile),
        ("p.username = ?", profile),
        ("SUBSTR(n.e164, 1, LENGTH(CAST(? AS TEXT))) = ?", beginning),
        ("n.e164 > ?", wanted.after),
    )
    with reading():
        found = rows(f"{sql} ORDER BY n.e164 LIMIT ?", *values, wanted.limit + 1)
        return page([_shown(row) for row in found], wanted, lambda view: (view.number,))


def show(number: str) -> NumberView:
    """One number that a company has; NotFound."""
    with reading():
        return _view(_row(number))


@audited("number.verify")
def verify(number: str, evidence: str, now: int, company: str | None = None) -> VerifiedView:
    """Let a company show a number that it has elsewhere, by some evidence, in words. BadInput."""
    found, why = numbering.checked_number(number), evidence.strip()
    if not 1 <= len(why) <= MOST_EVIDENCE or not why.isprintable():
        raise BadInput(
            "The evidence must have 1 to {most_evidence} printable characters. Write how you know that "
            "the number belongs to the company.",
            most_evidence=MOST_EVIDENCE,
        )
    with writing():
        owner = company_row(company)
        if rows(f"SELECT 1 FROM number WHERE e164 = ? AND company_id <> ? AND {_HELD}", found, owner.id):
            raise BadInput("{found} belongs to another company.", found=found)
        if rows("SELECT 1 FROM stock WHERE e164 = ?", found):
            raise BadInput(
                "{found} is for sale here. A company that buys it can show it as its caller ID.", found=found
            )
        Verified.delete().where((Verified.company == owner) & (Verified.e164 == found)).execute()
        Verified.create(company=owner, e164=found, evidence=why, verified_at=now)
        return VerifiedView(found, owner.name, why, now)


@audited("number.forget-verified")
def forget_verified(number: str, company: str | None = None) -> None:
    """A company may no longer show a number. NotFound if it may not anyway."""
    found = numbering.checked_number(number)
    with writing():
        owner = company_row(company)
        gone = Verified.delete().where((Verified.company == owner) & (Verified.e164 == found)).execute()
        if not gone:
            raise NotFound("{found} is not verified for {name}", found=found, name=owner.name)


def verified(company: str | None = None) -> list[VerifiedView]:
    """The numbers that companies may show beside those they have."""
    sql = "SELECT v.e164, c.name, v.evidence, v.verified_at FROM verified v JOIN company c ON c.id = v.company_id"
    with reading():
        found = [VerifiedView(*row) for row in rows(f"{sql} ORDER BY c.name, v.e164")]
        return [view for view in found if company in (None, view.company)]


def _for_sale(
    country: str | None,
    area: str | None,
    limit: int,
    number: str | None = None,
    after: str | None = None,
    digits: str | None = None,
) -> list[ForSale]:
    sql = f"{_STOCK} WHERE e164 NOT IN (SELECT e164 FROM number WHERE {_HELD})"
    values: list[Any] = []
    for column, value in (("country", country), ("area", area and stock.checked_area(area)), ("e164", number)):
        if value is not None:
            sql += f" AND {column} = ?"
            values.append(value)
    if after is not None:
        sql += " AND e164 > ?"
        values.append(after)
    if digits is not None:
        sql += " AND e164 LIKE ?"
        values.append(f"%{digits}%")
    return [ForSale(*row) for row in rows(f"{sql} ORDER BY e164 LIMIT ?", *values, limit)]


def _row(number: str) -> Number:
    return number_row(numbering.checked_number(number))


def _create(owner: Company, at: Profile | None, number: str, now: int) -> Number:
    """The company has it from now on, and nobody else may show it."""
    run("DELETE FROM verified WHERE e164 = ? AND company_id <> ?", number, owner.id)
    return Number.create(company=owner, profile=at, e164=number, created_at=now, route="")


_VIEW = (
    "SELECT n.e164, c.name, p.name, n.route, t.price_micros, t.periods, c.currency, t.ends_at, t.renews, n.created_at"
    " FROM number n JOIN company c ON c.id = n.company_id LEFT JOIN profile p ON p.id = n.profile_id"
    " LEFT JOIN term t ON t.number_id = n.id AND t.closed_at IS NULL WHERE n.released_at IS NULL"
)


def _view(row: Number) -> NumberView:
    return _shown(rows(f"{_VIEW} AND n.id = ?", row.id)[0])


def _shown(row: tuple[Any, ...]) -> NumberView:
    number, company, profile, route, price_micros, periods, currency, paid_until, renews, created_at = row
    return NumberView(
        number=number,
        company=company,
        profile=profile,
        route=route or str(PBX),
        country=numbering.country_of(number),
        area=numbering.area_of(number).lstrip("0"),
        fee_micros=price_micros // periods if periods else 0,
        periods=periods or 0,
        price_micros=price_micros or 0,
        currency=currency,
        paid_until=paid_until,
        renews=bool(renews),
        created_at=created_at,
    )
