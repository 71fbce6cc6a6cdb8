"""Exports: what somebody asked to have as a sheet, how far it is, and the sheet's rows themselves.

A sheet is read in one transaction, so all of it is of one moment. Where it tells what calls cost, the last thing done
is to compare its sum with what the ledger charged for those calls; a sheet that is not the same is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connector.billing.reports import ALLOCATIONS, PURCHASES
from connector.core import times
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.ledger import asset, company_account, purpose
from connector.core.money import decimal
from connector.core.paging import Page, Turn, page
from connector.core.times import iso
from connector.database.audit import audited
from connector.database.models import Export
from connector.database.named import company_and_profile
from connector.database.store import Question, fitting, reading, rows, run, writing
from connector.errors import BadInput, NotFound, StoreUnavailable
from connector.words import marked

# Kinds of sheets, for people; those of a company only, for its ledger knows no profiles.
KINDS = {
    "calls": marked("every call, with its price"),
    "usage": marked("calls out by profile, destination and payer"),
    "summary": marked("calls, minutes and cost by profile and day"),
    "refusals": marked("refused calls by profile and reason"),
    "purchases": marked("channels, bundles and numbers that were bought, and refunds"),
    "allocations": marked("credit that was added, recharged and taken back"),
    "ledger": marked("every posting"),
}
OF_COMPANY = ("purchases", "allocations", "ledger")
MOST_WAITING = 5
MOST_KEPT = 20
AT_ONCE = 5_000
KEPT_MS = 7 * 24 * 3_600_000
FOR_EVER = 2**62
Row = list[str]
Told = Callable[[int, int], None]
_CHARGED = (
    "SELECT SUM(posting.amount) FROM entry JOIN posting ON posting.entry_id = entry.id WHERE entry.company_id = ?"
    " AND entry.at >= ? AND entry.at < ? AND entry.kind = 'settle' AND posting.account_id = ?"
)
_CHARGED_OF_PROFILE = (
    "SELECT SUM(posting.amount) FROM cdr JOIN entry ON entry.key = 'call:' || cdr.id || ':settle'"
    " JOIN posting ON posting.entry_id = entry.id AND posting.account_id = ?"
    " WHERE cdr.booked_at >= ? AND cdr.booked_at < ? AND cdr.profile_id = ?"
)
_CALLS = (
    "SELECT cdr.id, profile.name, cdr.direction, cdr.caller_id, cdr.shown, cdr.dialled, cdr.called, cdr.forwarded,"
    " trunk.name, cdr.started_at, cdr.answered_at, cdr.ended_at, cdr.booked_at, cdr.duration_ms, cdr.ending,"
    " cdr.refusal, cdr.cause, charge.rate_name, charge.prefix, charge.billed_s, charge.bundle_s, charge.payer,"
    " cdr.button, cdr.price_micros FROM cdr LEFT JOIN profile ON profile.id = cdr.profile_id"
    " LEFT JOIN trunk ON trunk.id = cdr.trunk_id LEFT JOIN charge ON charge.cdr_id = cdr.id"
    " WHERE cdr.booked_at >= ? AND cdr.booked_at < ?"
)
_CALLS_HEAD = (
    "id", "profile", "direction", "caller_id", "shown", "dialled", "called", "forwarded", "trunk", "started_at",
    "answered_at", "ended_at", "booked_at", "duration_ms", "ending", "refusal", "cause", "destination", "prefix",
    "billed_s", "bundle_s", "payer", "button", "price", "currency",
)  # fmt: skip
_USAGE = (
    "SELECT month, profile.name, destination, payer, calls, answered, duration_ms, billed_s, bundle_s, price_micros"
    " FROM destination_month JOIN profile ON profile.id = profile_id WHERE destination_month.company_id = ?"
)
_USAGE_HEAD = ("month", "profile", "destination", "payer", "calls", "answered", "duration_ms", "billed_s", "bundle_s")
_SUMMARY = (
    "SELECT day, profile.name, calls_out, calls_in, refused, blocked, duration_ms, billed_s, bundle_s, price_micros"
    " FROM call_day JOIN profile ON profile.id = profile_id WHERE call_day.company_id = ?"
)
_SUMMARY_HEAD = (
    "day", "profile", "calls_out", "calls_in", "refused", "blocked", "duration_ms", "billed_s", "bundle_s"
)  # fmt: skip
_REFUSALS = (
    "SELECT month, profile.name, refusal, calls, offered_micros FROM refusal_month LEFT JOIN profile"
    " ON profile.id = profile_id WHERE refusal_month.company_id = ?"
)
_ENTRIES = (
    "SELECT entry.number, entry.at, entry.kind, entry.about, posting.account_id, posting.amount FROM entry"
    " JOIN posting ON posting.entry_id = entry.id WHERE entry.company_id = ? AND entry.at >= ? AND entry.at < ?"
    # What carriers cost is not a company's to see.
    " AND posting.account_id NOT IN (SELECT name FROM account WHERE purpose IN ('cost', 'payable'))"
)
_LEDGER_HEAD = ("entry", "at", "kind", "about", "account", "asset", "gains", "loses", "currency")


_EXPIRED = (
    "SELECT id FROM export WHERE node = ? AND state = 'done' AND (done_at < ? OR (SELECT COUNT(*) FROM export AS later"
    " WHERE later.company_id = export.company_id AND later.node = export.node AND later.state = 'done'"
    " AND later.id > export.id) >= ?)"
)


@dataclass(frozen=True)
class ExportView:
    """A sheet that somebody asked for. `state`: waiting, running, done, failed, or gone once its file was removed.

    `month`: None for all there ever was. `rows` of `total` are written so far; `price_micros` is the sum of what calls
    cost in it, None where it does not tell. `node`: where its file is.
    """

    id: int
    company: str
    profile: str | None
    kind: str
    month: str | None
    state: str
    rows: int
    total: int
    bytes: int
    price_micros: int | None
    why: str
    node: str
    asked_at: int
    done_at: int | None
    name: str


@dataclass(frozen=True)
class Sheet:
    """What a sheet is of: a company's, or one profile's; `until` an instant, from another on."""

    kind: str
    company: int
    currency: str
    profile: int | None
    month: str | None
    from_at: int
    until_at: int


def file_name(number: int) -> str:
    """What an export's file is called in the folder of its node."""
    return f"{number}.csv"


@audited("export.ask")
def ask(
    kind: str, node: str, now: int, company: str | None = None, profile: str | None = None, month: str | None = None
) -> ExportView:
    """Have a sheet written in the background, on a node. BadInput if there is none such, or too many are waiting."""
    with writing():
        owner, row = company_and_profile(company, profile)
        _checked(kind, profile, month)
        going_on = "company_id = ? AND node = ? AND state IN ('waiting', 'running')"
        ((waiting,),) = rows(f"SELECT COUNT(*) FROM export WHERE {going_on}", owner.id, node)
        if waiting >= MOST_WAITING:
            raise BadInput("{waiting} exports are still being written. Wait until they are done.", waiting=waiting)
        made = Export.create(
            company=owner, profile=row, kind=kind, month=month, state="waiting", node=node, asked_at=now
        )
        return _view(Export.get_by_id(made.id))


def page_of(scope: Scope, wanted: Turn) -> Page[ExportView]:
    """The exports of what somebody sees, newest first."""
    with reading():
        found = Export.select().order_by(Export.id.desc()).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(Export.company == scope.company)
        if scope.profile is not None:
            found = found.where(Export.profile == scope.profile)
        if wanted.after is not None:
            found = found.where(Export.id < wanted.after[0])
        return page([_view(row) for row in found], wanted, lambda view: (view.id,))


def show(number: int) -> ExportView:
    """One export. NotFound."""
    with reading():
        row = Export.get_or_none(Export.id == number)
        if row is None:
            raise NotFound("there is no export {number}", number=number)
        return _view(row)


def again(node: str) -> None:
    """A node began anew: what it was writing is written from its beginning."""
    with writing():
        run("UPDATE export SET state = 'waiting' WHERE node = ? AND state = 'running'", node)


def claim(node: str) -> ExportView | None:
    """The next export that a node has to write, which runs from now on."""
    with writing():
        found = rows("SELECT id FROM export WHERE node = ? AND state = 'waiting' ORDER BY id LIMIT 1", node)
        if not found:
            return None
        run("UPDATE export SET state = 'running' WHERE id = ?", found[0][0])
        return _view(Export.get_by_id(found[0][0]))


def told(number: int, written: int, total: int) -> None:
    """So many rows are written, of so many."""
    with writing():
        run("UPDATE export SET rows = ?, total = ? WHERE id = ? AND state = 'running'", written, total, number)


def done(number: int, written: int, size: int, price_micros: int | None, now: int) -> None:
    """The file is there."""
    with writing():
        sql = "UPDATE export SET state = 'done', rows = ?, total = ?, bytes = ?, price_micros = ?, done_at = ?"
        run(f"{sql} WHERE id = ?", written, written, size, price_micros, now, number)


def failed(number: int, why: str, now: int) -> None:
    """There will be no file."""
    with writing():
        run("UPDATE export SET state = 'failed', why = ?, done_at = ? WHERE id = ?", why, now, number)


def expired(node: str, now: int) -> list[int]:
    """Exports of a node whose files have been kept long enough, or are too many: they are gone from now on."""
    with writing():
        found = rows(_EXPIRED, node, now - KEPT_MS, MOST_KEPT)
        for (number,) in found:
            run("UPDATE export SET state = 'gone' WHERE id = ?", number)
        return [int(number) for (number,) in found]


def sheet(kind: str, company: str | None, profile: str | None, month: str | None) -> Sheet:
    """What is to be written. BadInput, NotFound."""
    with reading():
        owner, row = company_and_profile(company, profile)
        _checked(kind, profile, month)
        begin, end = 0, FOR_EVER
        if month is not None:
            zone = owner.time_zone
            begin, end = times.month_start(month, zone), times.month_start(times.next_month(month), zone)
        return Sheet(kind, owner.id, owner.currency, row.id if row else None, month, begin, end)


def of_job(number: int) -> Sheet:
    """What an export is to be."""
    with reading():
        row = Export.get_by_id(number)
        return sheet(row.kind, row.company.name, row.profile.username if row.profile else None, row.month)


def written(wanted: Sheet, line: Callable[[Row], None], tell: Told) -> tuple[int, int | None]:
    """Give every row of a sheet, the first with its columns' names, to `line`; how many, and what its calls cost.

    `tell` hears how many there are of how many. StoreUnavailable if the sum is not the ledger's.
    """
    with reading():
        head, total, found = _SHEETS[wanted.kind](wanted)
        line(list(head))
        count, price = 0, 0
        tell(0, total)
        for cells, micros in found:
            line(cells)
            count += 1
            price += micros
            if count % AT_ONCE == 0:
                tell(count, max(total, count))
        tell(count, count)
        if wanted.kind not in ("calls", "usage", "summary"):
            return count, None
        charged = _charged(wanted)
        if charged != price:
            have, is_ = shown(charged, wanted.currency), shown(price, wanted.currency)
            raise StoreUnavailable(
                "the ledger has {have} for these calls, and they say {is_}: run 'ledger verify'", have=have, is_=is_
            )
        return count, price


def _charged(wanted: Sheet) -> int:
    """What the ledger charged for the calls of a sheet."""
    usage = company_account(wanted.company, "usage")
    between = (wanted.from_at, wanted.until_at)
    if wanted.profile is None:
        ((charged,),) = rows(_CHARGED, wanted.company, *between, usage)
    else:
        ((charged,),) = rows(_CHARGED_OF_PROFILE, usage, *between, wanted.profile)
    return int(charged or 0)


Found = tuple[tuple[str, ...], int, Iterator[tuple[Row, int]]]


def _calls(wanted: Sheet) -> Found:
    between = (wanted.from_at, wanted.until_at)
    whose = ("cdr.company_id = ?", wanted.company)
    if wanted.profile is not None:
        whose = ("cdr.profile_id = ?", wanted.profile)
    sql, values = fitting(_CALLS, whose)
    counting, same = fitting("SELECT COUNT(*) FROM cdr WHERE cdr.booked_at >= ? AND cdr.booked_at < ?", whose)
    ((total,),) = rows(counting, *between, *same)

    def found() -> Iterator[tuple[Row, int]]:
        """Page by page, so that there is never more than one in memory."""
        after: tuple[int, str] = (0, "")
        while True:
            some = rows(f"{sql} AND (cdr.ended_at, cdr.id) > (?, ?) ORDER BY cdr.ended_at, cdr.id LIMIT ?", *between,
                        *values, *after, AT_ONCE)  # fmt: skip
            for row in some:
                cells = ["" if cell is None else str(cell) for cell in row[:-1]]
                cells[9:13] = [iso(at) or "" for at in row[9:13]]
                yield [*cells, _price(row[-1]), wanted.currency], row[-1] or 0
            if len(some) < AT_ONCE:
                return
            after = (some[-1][11], some[-1][0])

    return _CALLS_HEAD, int(total), found()


def _usage(wanted: Sheet) -> Found:
    which = (("month = ?", wanted.month), ("profile_id = ?", wanted.profile))
    return _figures(wanted, (*_USAGE_HEAD, "cost", "currency"), fitting(_USAGE, *which), "1, 2, 3, 4")


def _summary(wanted: Sheet) -> Found:
    days = None if wanted.month is None else (f"{wanted.month}-01", f"{wanted.month}-31")
    which = (("day BETWEEN ? AND ?", days), ("profile_id = ?", wanted.profile))
    return _figures(wanted, (*_SUMMARY_HEAD, "cost", "currency"), fitting(_SUMMARY, *which), "1, 2")


def _refusals(wanted: Sheet) -> Found:
    which = (("month = ?", wanted.month), ("profile_id = ?", wanted.profile))
    head = ("month", "profile", "refusal", "calls", "cost_of_a_minute_each", "currency")
    return _figures(wanted, head, fitting(_REFUSALS, *which), "1, 2, 3")


def _figures(wanted: Sheet, head: tuple[str, ...], question: Question, order: str) -> Found:
    """Rows whose last column is a sum of money."""
    sql, values = question
    some = rows(f"{sql} ORDER BY {order}", wanted.company, *values)
    made = (
        ([*("" if cell is None else str(cell) for cell in row[:-1]), _price(row[-1]), wanted.currency], int(row[-1]))
        for row in some
    )
    return head, len(some), made


def _purchases(wanted: Sheet) -> Found:
    return _entries(wanted, PURCHASES)


def _allocations(wanted: Sheet) -> Found:
    return _entries(wanted, ALLOCATIONS)


def _entries(wanted: Sheet, kinds: tuple[str, ...]) -> Found:
    """Entries of some kinds: what each took from the company's balance, and gave to it."""
    marks = ", ".join("?" * len(kinds))
    balance = company_account(wanted.company, "balance")
    sql = f"{_ENTRIES} AND entry.kind NOT IN ('hold', 'settle') AND entry.kind IN ({marks}) AND posting.account_id = ?"
    some = rows(f"{sql} ORDER BY entry.number", wanted.company, wanted.from_at, wanted.until_at, *kinds, balance)
    head = ("entry", "at", "kind", "about", "from_balance", "to_balance", "currency")
    made = (
        ([str(number), iso(at) or "", kind, about, *_two(amount), wanted.currency], 0)
        for number, at, kind, about, _, amount in some
    )
    return head, len(some), made


def _ledger(wanted: Sheet) -> Found:
    between = (wanted.company, wanted.from_at, wanted.until_at)
    ((total,),) = rows(f"SELECT COUNT(*) FROM ({_ENTRIES}) AS found", *between)

    def found() -> Iterator[tuple[Row, int]]:
        """Page by page, by the entries' numbers; an entry has a few postings."""
        after = 0
        while True:
            sql = f"{_ENTRIES} AND entry.number > ? AND entry.number <= ? ORDER BY entry.number, posting.id"
            for number, at, kind, about, account, amount in rows(sql, *between, after, after + AT_ONCE):
                if asset(account) == "money":
                    sums, unit = _two(-amount), wanted.currency
                else:
                    sums, unit = [str(max(0, amount)), str(max(0, -amount))], "s"
                yield [str(number), iso(at) or "", kind, about, account, purpose(account), *sums, unit], 0
            after += AT_ONCE
            if after >= last:
                return

    ((last,),) = rows("SELECT COALESCE(MAX(number), 0) FROM entry WHERE company_id = ?", wanted.company)
    return _LEDGER_HEAD, int(total), found()


_SHEETS: dict[str, Callable[[Sheet], Found]] = {
    "calls": _calls,
    "usage": _usage,
    "summary": _summary,
    "refusals": _refusals,
    "purchases": _purchases,
    "allocations": _allocations,
    "ledger": _ledger,
}


def _two(amount: int) -> list[str]:
    """What is lost, and what is gained, each as a sum that is not negative."""
    return [_price(max(0, -amount)), _price(max(0, amount))]


def _price(micros: int | None) -> str:
    return "" if micros is None else decimal(int(micros), 6)


def _checked(kind: str, profile: str | None, month: str | None) -> None:
    if kind not in KINDS:
        raise BadInput("there is no export {kind!r}: there are {kinds}", kind=kind[:40], kinds=", ".join(KINDS))
    if profile is not None and kind in OF_COMPANY:
        raise BadInput("{kind} are a company's, not one profile's", kind=kind)
    if month is not None:
        times.checked_month(month)


def _view(row: Any) -> ExportView:
    company, profile = row.company, row.profile
    whose = (profile.name if profile else company.name).partition(" (deleted ")[0]
    words = re.sub("[^a-z0-9]+", "-", whose.lower()).strip("-")
    return ExportView(
        id=row.id,
        company=company.name,
        profile=profile.name if profile else None,
        kind=row.kind,
        month=row.month,
        state=row.state,
        rows=row.rows,
        total=row.total,
        bytes=row.bytes,
        price_micros=row.price_micros,
        why=row.why,
        node=row.node,
        asked_at=row.asked_at,
        done_at=row.done_at,
        name=f"{words or 'export'}-{row.kind}-{row.month or 'all'}.csv",
    )
