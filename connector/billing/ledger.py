"""The one place where money moves: entries of balanced postings, append only, chained by hashes.

`post` is called by the other modules of this package, inside their transaction. The store's own triggers keep each
account's balance the sum of its postings, its checks keep it from going below zero; `verify` trusts neither and adds
everything up again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from connector.core import costs as core_costs
from connector.core import ledger as core
from connector.core import rating, steps, times
from connector.core.formats import shown
from connector.core.paging import Page, Turn, page
from connector.core.plans import BUNDLE_SECONDS
from connector.database import reference
from connector.database.models import (
    Account,
    Call,
    Cdr,
    Charge,
    Closing,
    Company,
    Cost,
    Entry,
    Hold,
    Posting,
    Profile,
    Term,
)
from connector.database.named import company_row
from connector.database.store import (
    Question,
    answers,
    bytewise,
    foresee,
    insert,
    lock,
    locked,
    one,
    reading,
    remember,
    remembered,
    rows,
    run,
    triggers,
    writing,
)
from connector.errors import BadInput, InsufficientFunds, KeyReused
from connector.words import marked, phrase

MOST_PROBLEMS = 50
_PAYMENTS = (
    "SELECT company.id, COALESCE(SUM(payment.amount_micros - payment.taken_back_micros), 0) FROM company"
    " LEFT JOIN payment ON payment.company_id = company.id AND payment.state = 'received' GROUP BY company.id"
)


_COSTS = (
    "SELECT entry.key, account.name, posting.amount FROM account JOIN posting ON posting.account_id = account.name"
    " JOIN entry ON entry.id = posting.entry_id WHERE account.purpose IN ('cost', 'payable')"
)
_SERIES = (
    "SELECT invoice_series.series, invoice_series.last, MIN(invoice.number), MAX(invoice.number), COUNT(invoice.id)"
    " FROM invoice_series LEFT JOIN invoice ON invoice.series = invoice_series.series"
    " GROUP BY invoice_series.series, invoice_series.last"
)
_INVOICED = (
    "SELECT entry.key, SUM(invoice.gross_micros), ABS(MAX(posting.amount)) FROM invoice"
    " JOIN entry ON entry.id = invoice.entry_id JOIN posting ON posting.entry_id = entry.id"
    " AND posting.account_id = 'company:' || entry.company_id || ':balance'"
    " GROUP BY entry.key HAVING SUM(invoice.gross_micros) <> ABS(MAX(posting.amount))"
)
_CREDITED = (
    "SELECT first.id, first.gross_micros, SUM(note.gross_micros) FROM invoice note"
    " JOIN invoice first ON first.id = note.corrects_id GROUP BY first.id, first.gross_micros"
    " HAVING SUM(note.gross_micros) > first.gross_micros"
)


@dataclass(frozen=True)
class EntryView:
    """One entry and its postings: account name -> what it gained, in micros or seconds."""

    number: int
    key: str
    kind: str
    at: int
    about: str
    hash: str
    postings: dict[str, int]


@dataclass
class Report:
    """What `verify` found. `ok` if there are no problems; `heads` is the last hash of each company's chain."""

    entries: int = 0
    postings: int = 0
    accounts: int = 0
    problems: list[str] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not self.problems

    def wrong(self, what: str) -> None:
        """Note a problem; after the first fifty only that there are more."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(what)
        elif len(self.problems) == MOST_PROBLEMS:
            self.problems.append("and more")


@dataclass(frozen=True)
class ClosingView:
    """A closed month: its last entry, and the balance of every account when it ended."""

    company: str
    month: str
    last_number: int
    last_hash: str
    balances: dict[str, int]


def is_entered(key: str) -> bool:
    """Whether there is an entry with a key."""
    with reading():
        return bool(rows("SELECT 1 FROM entry WHERE key = ?", key))


def post(
    company: int, key: str, kind: str, at: int, postings: Sequence[core.Posting], about: str, *, new: bool = False
) -> int | None:
    """Enter one event, in the caller's transaction, which has locked the company; the instant at which it is entered,
    None if the same was entered before.

    Nothing is entered for no movement. KeyReused if the key was used for something else; InsufficientFunds, with
    nothing changed, if an account would go below zero. `new`: the caller's own rows prove that the key was not used,
    so that is not asked; the store refuses a key that is there.
    """
    if not locked(company):
        raise AssertionError(f"{key}: money moves while nobody has locked company {company}")
    lines = core.gathered(postings)
    if not core.balanced(lines):
        raise AssertionError(f"{key}: the postings do not balance: {lines}")
    if not lines:
        return None
    _ahead(company, lines)
    if not new and (is_there := rows("SELECT id FROM entry WHERE key = ?", key)):
        _must_be_the_same(Entry.get_by_id(is_there[0][0]), company, kind, lines)
        return None
    head, have = _head(company), _opened(company, lines)
    # The clock may have been stepped back; the ledger's time does not go back, nor into a month that is closed.
    entry = core.Entry(head.number + 1, key, kind, max(at, head.at, head.closed_until), about, lines)
    own_hash = core.chained(head.hash, entry)
    insert(
        Entry,
        company_id=company,
        number=entry.number,
        key=key,
        kind=kind,
        at=entry.at,
        about=about,
        hash=own_hash,
    )
    marks = ", ".join(["((SELECT id FROM entry WHERE key = ?), ?, ?)"] * len(lines))
    values = [value for line in lines for value in (key, line.account, line.amount)]
    run(f"INSERT INTO posting (entry_id, account_id, amount) VALUES {marks}", *values)
    remember(("head", company), _Head(entry.number, own_hash, entry.at, head.closed_until))
    for line in lines:
        remember(("balance", line.account), have[line.account] + line.amount)
    return entry.at


def balances(names: Iterable[str], company: int | None = None) -> dict[str, int]:
    """The balances of accounts, in the caller's transaction; 0 for one that nothing was ever posted to. They are
    remembered if they are a company's that the transaction has locked.
    """
    found = {name: remembered(("balance", name)) for name in names}
    unknown = [name for name, balance in found.items() if balance is None]
    if unknown:
        there = dict(answers(balances_question(unknown)))
        found |= {**dict.fromkeys(unknown, 0), **there}
        if company is not None and locked(company):
            for name, balance in there.items():  # one that is not there is still to be made
                remember(("balance", name), balance)
    return found


def balances_question(names: Sequence[str], *, with_company: bool = False) -> Question:
    """What `balances` asks, for who foresees it; or also whose each account is."""
    columns = "name, balance, company_id" if with_company else "name, balance"
    return f"SELECT {columns} FROM account WHERE name IN ({', '.join('?' * len(names))})", tuple(names)


def entered(key: str) -> bool:
    """Whether an entry with this key is there, in the caller's transaction."""
    return bool(rows("SELECT 1 FROM entry WHERE key = ?", key))


def of_call(call_id: str, *, with_costs: bool = False) -> list[EntryView]:
    """Every entry of a call, in its order, in the caller's transaction. `with_costs`: the reader may see what carriers
    cost; else the postings of costs are left out, and so are the hashes of a company that has costs: what is missing
    could be found by trying.
    """
    key = bytewise("key")
    sql = f"SELECT id FROM entry WHERE {key} >= ? AND {key} < ?"
    found = rows(sql, f"call:{call_id}:", f"call:{call_id};")  # ";" is after ":"
    mine = [number for (number,) in found]
    views: list[Any] = list(cast("Iterable[Any]", Entry.select().where(Entry.id.in_(mine)).order_by(Entry.id)))
    hashed = not views or with_costs or not has_costs(views[0].company_id)
    return [_view(row, with_costs=with_costs, hashed=hashed) for row in views]


def has_costs(company: int) -> bool:
    """Whether the ledger of a company has what calls cost it, in the caller's transaction."""
    return bool(rows("SELECT 1 FROM account WHERE name = ?", core.company_account(company, "cost")))


def entries(limit: int, company: str | None = None) -> list[EntryView]:
    """The newest `limit` entries, newest first, with costs."""
    with reading():
        found = Entry.select().join(Company)
        if company is not None:
            found = found.where(Entry.company == company_row(company))
        return [_view(row, with_costs=True, hashed=True) for row in found.order_by(Entry.id.desc()).limit(limit)]


def page_of(company: str, wanted: Turn, *, with_costs: bool = False) -> Page[EntryView]:
    """A company's entries, newest first; `with_costs` as above."""
    with reading():
        owner = company_row(company)
        hashed = with_costs or not has_costs(owner.id)
        found = Entry.select().where(Entry.company == owner).order_by(Entry.number.desc())
        if wanted.after is not None:
            found = found.where(Entry.number < wanted.after[0])
        views = [_view(row, with_costs=with_costs, hashed=hashed) for row in found.limit(wanted.limit + 1)]
        return page(views, wanted, lambda view: (view.number,))


def standing(company: int, until: int) -> tuple[int, str, dict[str, int]]:
    """A company's last entry before an instant, by its number and hash, and every balance then; in the caller's
    transaction. Before the first entry, at the end of a closed month, and now, it is known; else it is added up.
    """
    closed = one(Closing, "company_id = ? AND until_at = ?", company, until)
    if closed is not None:
        return closed.last_number, closed.last_hash, json.loads(closed.balances)
    head = _head(company)
    first = rows("SELECT at FROM entry WHERE company_id = ? AND number = 1", company)
    if not first or until <= first[0][0]:
        return 0, core.GENESIS, {}
    if head.at < until:
        return head.number, head.hash, dict(rows("SELECT name, balance FROM account WHERE company_id = ?", company))
    return _sums(company, until)


def last_number(company: int) -> int:
    """The number of a company's last entry; 0 if it has none."""
    with reading():
        return _head(company).number


def accounts(company: str | None = None, *, with_costs: bool = False) -> dict[str, int]:
    """Every account's balance, by name; `with_costs` as above."""
    with reading():
        found = Account.select(Account.name, Account.balance).join(Company)
        if company is not None:
            found = found.where(Account.company == company_row(company))
        if not with_costs:
            found = found.where(Account.purpose.not_in(core.OF_COSTS))
        return dict(cast("Iterable[tuple[str, int]]", found.order_by(Account.name).tuples()))


def verify() -> Report:
    """Add everything up from the first posting, and compare: balances, chains, holds, charges, closings."""
    report = Report()
    with reading():
        sums: dict[str, int] = {}
        for company in Company.select().order_by(Company.id):
            _verify_chain(company, sums, report)
        report.accounts = _verify_balances(sums, report)
        stray = Posting.select().count() - report.postings
        if stray:
            report.wrong(f"{stray} postings belong to no entry of a company")
        _verify_holds(sums, report)
        _verify_charges(report)
        _verify_costs(report)
        _verify_terms(report)
        _verify_payments(sums, report)
        _verify_invoices(report)
        _verify_decks(report)
        _verify_guards(report)
        _verify_sums(report)
    return report


def close_months(now: int) -> list[ClosingView]:
    """Close every month that is over in its company's time zone; what was closed now.

    A month is added up from the closing before it, reading only; then it is written in a transaction of its own, unless
    an entry came meanwhile that belongs to it: then the next time.
    """
    with reading():
        companies = [(row.id, row.name, row.time_zone, _first_open_at(row.id)) for row in Company.select()]
    closed = []
    for company, name, zone, open_at in companies:
        month = times.local_month(now if open_at is None else open_at, zone)
        while times.month_start(times.next_month(month), zone) <= now:
            until = times.month_start(times.next_month(month), zone)
            with reading():
                number, last_hash, sums = _sums(company, until)
            with writing():
                lock("id = ?", company)
                if _last_before(company, until)[0] != number or _closed_until(company) >= until:
                    break
                made = Closing.create(
                    company=company,
                    month=month,
                    until_at=until,
                    last_number=number,
                    last_hash=last_hash,
                    balances=json.dumps(sums, sort_keys=True),
                    closed_at=now,
                )
                remember(("head", company), None)
                closed.append(_closing_view(made, name))
            month = times.next_month(month)
    return closed


def closings(company: str | None = None) -> list[ClosingView]:
    """All closed months, oldest first."""
    with reading():
        found = Closing.select(Closing, Company).join(Company)
        if company is not None:
            found = found.where(Closing.company == company_row(company))
        return [_closing_view(row, row.company.name) for row in found.order_by(Closing.company, Closing.month)]


def _must_be_the_same(before: Any, company: int, kind: str, lines: tuple[core.Posting, ...]) -> None:
    found = Posting.select(Posting.account, Posting.amount).where(Posting.entry == before).tuples()
    were = core.gathered([core.Posting(*row) for row in cast("Iterable[tuple[str, int]]", found)])
    if (before.company_id, before.kind, were) != (company, kind, lines):
        raise KeyReused("The key {key!r} was already used with different figures. Nothing was changed.", key=before.key)


def _ahead(company: int, lines: tuple[core.Posting, ...]) -> None:
    """Foresee what is not known yet."""
    unknown = [line.account for line in lines if remembered(("balance", line.account)) is None]
    questions = [] if remembered(("head", company)) else [head_question(company)]
    if unknown:
        questions.append(balances_question(unknown))
    if questions:
        foresee(*questions)


def _opened(company: int, lines: tuple[core.Posting, ...]) -> dict[str, int]:
    """The balances before an entry. Accounts are made at their first posting; none may go below zero."""
    unknown = [line.account for line in lines if remembered(("balance", line.account)) is None]
    if unknown:
        found = dict(answers(balances_question(unknown)))
        for name in unknown:
            if name not in found:
                of_it = {"purpose": core.purpose(name), "asset": core.asset(name), "balance": 0}
                insert(Account, name=name, company_id=company, **of_it)
            remember(("balance", name), found.get(name, 0))
    have = {line.account: int(remembered(("balance", line.account))) for line in lines}
    for line in lines:
        left = have[line.account] + line.amount
        if left < 0 and core.purpose(line.account) not in core.SOURCES:
            step = steps.add_money() if line.account == core.company_account(company, "balance") else None
            raise InsufficientFunds(_too_little(company, line, have[line.account]), step=step)
        if abs(left) > core.MOST_BALANCE:
            raise BadInput("{account} cannot hold so much: nothing was changed", account=line.account)
    return have


def _too_little(company: int, line: core.Posting, has: int) -> str:
    if core.asset(line.account) == "seconds":
        return phrase(
            "Not enough seconds: {account} has {has} s, but {needed} s are needed. Nothing was changed.",
            account=line.account,
            has=has,
            needed=-line.amount,
        )
    currency = Company.get_by_id(company).currency
    whose = {"balance": marked("the company's balance"), "credit": marked("the profile's free credit")}
    return phrase(
        "Not enough money: {account} is {has}, but {needed} is needed. Nothing was changed.",
        account=whose.get(core.purpose(line.account), line.account),
        has=shown(has, currency),
        needed=shown(-line.amount, currency),
    )


class _Head(NamedTuple):
    """A company's last entry, and the instant up to which it is closed."""

    number: int = 0
    hash: str = core.GENESIS
    at: int = 0
    closed_until: int = 0


def _head(company: int) -> _Head:
    """The head of a company's chain; a transaction that has locked the company asks once."""
    found: _Head | None = remembered(("head", company))
    if found is None:
        found = next((_Head(*row) for row in answers(head_question(company))), _Head())
        if locked(company):
            remember(("head", company), found)
    return found


def head_question(company: int) -> Question:
    """What `post` asks of a company's chain."""
    sql = (
        "SELECT number, hash, at, COALESCE((SELECT MAX(until_at) FROM closing WHERE company_id = ?), 0)"
        " FROM entry WHERE company_id = ? ORDER BY number DESC LIMIT 1"
    )
    return sql, (company, company)


def remember_head(company: int) -> None:
    """Remember the head of a company that the transaction has locked."""
    _head(company)


def remember_balances(names: Sequence[str]) -> None:
    """Remember the balances of those accounts whose companies the transaction has locked."""
    for name, balance, company in answers(balances_question(names, with_company=True)):
        if locked(company):
            remember(("balance", name), balance)


def _closed_until(company: int) -> int:
    ((until,),) = rows("SELECT MAX(until_at) FROM closing WHERE company_id = ?", company)
    return int(until or 0)


def _first_open_at(company: int) -> int | None:
    """The first instant that is in no closed month; None for a company without entries."""
    until = _closed_until(company)
    if until:
        return until
    ((first,),) = rows("SELECT MIN(at) FROM entry WHERE company_id = ? AND number = 1", company)
    return None if first is None else int(first)


def _last_before(company: int, until: int) -> tuple[int, str]:
    """The number and hash of a company's last entry before an instant. Numbers and times grow together."""
    sql = "SELECT number, hash FROM entry WHERE company_id = ? AND at < ? ORDER BY number DESC LIMIT 1"
    found = rows(sql, company, until)
    return (found[0][0], found[0][1]) if found else (0, core.GENESIS)


def _sums(company: int, until: int) -> tuple[int, str, dict[str, int]]:
    """The last entry of a company before an instant, its hash, and every balance then."""
    number, last_hash = _last_before(company, until)
    before = one(Closing, "company_id = ? AND until_at <= ? ORDER BY until_at DESC", company, until)
    sums: dict[str, int] = json.loads(before.balances) if before else {}
    sql = (
        "SELECT posting.account_id, SUM(posting.amount) FROM entry JOIN posting ON posting.entry_id = entry.id"
        " WHERE entry.company_id = ? AND entry.number > ? AND entry.number <= ? GROUP BY posting.account_id"
    )
    for account, amount in rows(sql, company, before.last_number if before else 0, number):
        sums[account] = sums.get(account, 0) + int(amount)
    return number, last_hash, sums


def _view(row: Any, *, with_costs: bool, hashed: bool) -> EntryView:
    lines = Posting.select(Posting.account, Posting.amount).where(Posting.entry == row).order_by(Posting.id).tuples()
    seen = {
        account: amount
        for account, amount in cast("Iterable[tuple[str, int]]", lines)
        if with_costs or core.purpose(account) not in core.OF_COSTS
    }
    return EntryView(row.number, row.key, row.kind, row.at, row.about, row.hash if hashed else "", seen)


def _closing_view(row: Any, company: str) -> ClosingView:
    return ClosingView(company, row.month, row.last_number, row.last_hash, json.loads(row.balances))


def _chain(company: int) -> Iterator[tuple[core.Entry, str]]:
    """Every entry of a company as it stands in the store, with the hash that stands there."""
    found = (
        Entry.select(
            Entry.number, Entry.key, Entry.kind, Entry.at, Entry.about, Entry.hash, Posting.account, Posting.amount
        )
        .join(Posting, "LEFT OUTER JOIN")
        .where(Entry.company == company)
        .order_by(Entry.number, Posting.account)
        .tuples()
        .iterator()
    )
    at: tuple[Any, ...] | None = None
    lines: list[core.Posting] = []
    for *entry, account, amount in found:
        if at is not None and tuple(entry) != at:
            yield _as_entry(at, lines), at[5]
            lines = []
        at = tuple(entry)
        if account is not None:
            lines.append(core.Posting(account, amount))
    if at is not None:
        yield _as_entry(at, lines), at[5]


def _as_entry(row: tuple[Any, ...], lines: list[core.Posting]) -> core.Entry:
    number, key, kind, at, about, _ = row
    return core.Entry(number, key, kind, at, about, tuple(lines))


def _verify_chain(company: Any, sums: dict[str, int], report: Report) -> None:
    previous, number, last_at = core.GENESIS, 0, 0
    closed: dict[int, list[Any]] = {}
    for row in Closing.select().where(Closing.company == company).order_by(Closing.id):
        closed.setdefault(row.last_number, []).append(row)
    for row in closed.pop(0, []):
        _verify_closing(row, company, core.GENESIS, {}, report)
    for entry, found in _chain(company.id):
        number += 1
        where = f"{company.name}, entry {entry.number} ({entry.key})"
        if entry.number != number:
            report.wrong(f"{where}: the number should be {number}")
            number = entry.number
        if core.chained(previous, entry) != found:
            report.wrong(f"{where}: it or its postings were changed: the hash is not theirs")
        if entry.at < last_at:
            report.wrong(f"{where}: it is older than the entry before it")
        _verify_entry(entry, where, sums, report)
        previous, last_at = found, entry.at
        for row in closed.pop(entry.number, []):
            _verify_closing(row, company, found, sums, report)
        report.entries += 1
        report.postings += len(entry.postings)
    for row in (row for left in closed.values() for row in left):
        report.wrong(f"{company.name}, closing of {row.month}: its last entry {row.last_number} is not there")
    report.heads[company.name] = previous


def _verify_entry(entry: core.Entry, where: str, sums: dict[str, int], report: Report) -> None:
    try:
        if not entry.postings or not core.balanced(entry.postings):
            report.wrong(f"{where}: its postings do not balance")
    except KeyError:
        report.wrong(f"{where}: it posts to an account that cannot be")
        return
    for posting in entry.postings:
        sums[posting.account] = sums.get(posting.account, 0) + posting.amount
        if sums[posting.account] < 0 and core.purpose(posting.account) not in core.SOURCES:
            report.wrong(f"{where}: {posting.account} goes below zero, to {sums[posting.account]}")


def _verify_closing(row: Any, company: Any, found: str, sums: dict[str, int], report: Report) -> None:
    # `sums` has every company's.
    mine = {name for (name,) in rows("SELECT name FROM account WHERE company_id = ?", company.id)}
    then = {name: amount for name, amount in sums.items() if name in mine}
    if row.last_hash != found or json.loads(row.balances) != then:
        report.wrong(f"{company.name}, closing of {row.month}: it does not agree with the entries up to it")


def _verify_balances(sums: dict[str, int], report: Report) -> int:
    found = rows("SELECT name, company_id, purpose, asset, balance FROM account")
    for name, company, purpose, asset, balance in found:
        if balance != sums.get(name, 0):
            report.wrong(f"{name}: the balance is {balance}, its postings add up to {sums.get(name, 0)}")
        try:
            right = (purpose, asset) == (core.purpose(name), core.asset(name))
        except KeyError:
            right = False
        if not right or (name.startswith("company:") and not name.startswith(f"company:{company}:")):
            report.wrong(f"{name}: it is not the account that its name says")
    for name in sums.keys() - {row[0] for row in found}:
        report.wrong(f"{name}: there are postings, and no account")
    return len(found)


def _verify_payments(sums: dict[str, int], report: Report) -> None:
    """What came from outside is exactly what payments brought, less what was taken back of them."""
    for company, came in rows(_PAYMENTS):
        outside = -sums.get(core.company_account(company, "outside"), 0)
        if int(came) != outside:
            report.wrong(f"company {company}: payments brought {came}, and {outside} came from outside")


def _verify_invoices(report: Report) -> None:
    """Each series of invoices has no gap; each document has the sums of its row, and those of an entry of the ledger
    have that entry's; no credit notes are of more than what they correct.
    """
    for series, last, first, highest, count in rows(_SERIES):
        if (first, highest, last) != (1 if count else None, count or None, count):
            report.wrong(f"invoices {series}: {count} from {first} to {highest}, and the last number given is {last}")
    for number, gross, amount in rows(_INVOICED):
        report.wrong(f"the invoices of entry {number} are of {gross}, and it is of {amount}")
    for number, gross, credited in rows(_CREDITED):
        report.wrong(f"invoice {number} is of {gross}, and {credited} of it was credited")
    for number, document, *sums in rows("SELECT id, document, net_micros, tax_micros, gross_micros FROM invoice"):
        said = json.loads(document)
        if [said["net_micros"], said["tax_micros"], said["gross_micros"]] != sums:
            report.wrong(f"invoice {number}: its document says other sums")


def _verify_holds(sums: dict[str, int], report: Report) -> None:
    """What is held is exactly what the live calls hold."""
    held: dict[str, int] = {}
    found = Hold.select(Hold, Call, Profile).join(Call).join(Profile)
    for row in cast("Iterable[Any]", found):
        account = (
            core.profile_account(row.call.profile_id, "credit_held")
            if row.payer == "profile"
            else core.company_account(row.call.profile.company_id, "held")
        )
        held[account] = held.get(account, 0) + row.micros
        if row.term_id is not None:
            account = core.term_account(row.term_id, "bundle_held")
            held[account] = held.get(account, 0) + row.bundle_s
    for name in {name for name in sums if core.purpose(name) in core.HELD} | held.keys():
        if sums.get(name, 0) != held.get(name, 0):
            report.wrong(f"{name}: {sums.get(name, 0)} is held, the live calls hold {held.get(name, 0)}")


def _verify_charges(report: Report) -> None:
    """Every priced CDR is what its rate makes of it, and what the ledger took for it."""
    usage: dict[str, dict[str, int]] = {}
    found = (
        Posting.select(Entry.key, Posting.account, Posting.amount)
        .join(Entry)
        .where(Entry.kind == "settle")
        .tuples()
        .iterator()
    )
    for key, account, amount in cast("Iterable[tuple[str, str, int]]", found):
        usage.setdefault(key, {})[core.purpose(account)] = amount
    for row in Charge.select(Charge, Cdr).join(Cdr).iterator():
        taken = usage.pop(f"call:{row.cdr_id}:settle", {})
        money, seconds = taken.get("usage", 0), taken.get("seconds_used", 0)
        again = recomputed(row, row.cdr.duration_ms)
        shown_figures = rating.Rated(row.billed_s, row.bundle_s, row.paid_s, row.price_micros)
        if again != shown_figures or row.cdr.price_micros != row.price_micros:
            report.wrong(f"CDR {row.cdr_id}: the price does not follow from what it shows")
        if (money, seconds) != (row.price_micros, row.bundle_s):
            report.wrong(
                f"CDR {row.cdr_id}: {row.price_micros} and {row.bundle_s} s are charged,"
                f" the ledger took {money} and {seconds} s"
            )
    for key, taken in usage.items():
        if taken.get("usage") or taken.get("seconds_used"):
            report.wrong(f"{key}: the ledger took something for a call that has no charge")
    free = Cdr.select(Cdr.id).join(Charge, "LEFT OUTER JOIN").where(Charge.cdr.is_null() & (Cdr.price_micros > 0))
    for row in free:
        report.wrong(f"CDR {row.id}: it has a price and no charge")


def _verify_costs(report: Report) -> None:
    """The cost of every call is what its pinned rate makes of it, and what the ledger owes its carrier for it."""
    owed: dict[str, dict[str, int]] = {}
    for key, account, amount in rows(_COSTS):
        owed.setdefault(key, {})[account] = amount
    for row in Cost.select(Cost, Cdr).join(Cdr).iterator():
        exchanged = core_costs.Exchange(row.currency, row.numerator, row.denominator)
        pinned = core_costs.Cost(row.trunk_id, row.deck_id, pinned_rate(row), exchanged)
        again = core_costs.costed(pinned, row.cdr.duration_ms)
        if again != (row.billed_s, row.carrier_micros, row.cost_micros):
            report.wrong(f"CDR {row.cdr_id}: the cost does not follow from what it shows")
        taken = owed.pop(f"call:{row.cdr_id}:settle", {})
        company = core.company_account(row.cdr.company_id, "cost")
        wanted = {company: row.cost_micros, core.trunk_account(row.trunk_id, "payable"): -row.cost_micros}
        if taken != (wanted if row.cost_micros else {}):
            report.wrong(f"CDR {row.cdr_id}: it cost {row.cost_micros}, and the ledger has {taken}")
    for key in owed:
        report.wrong(f"{key}: the ledger has a cost for a call that has none")


def recomputed(charge: Any, duration_ms: int) -> rating.Rated:
    """The figures of a charge once more, from its pinned rate, what was held, and the time talked."""
    return rating.rated(
        pinned_rate(charge),
        duration_ms,
        charge.held_bundle_s,
        most_s=charge.held_bundle_s + charge.held_paid_s,
    )


def pinned_rate(row: Any) -> rating.Rate:
    """The rate that is pinned in a row of `hold` or `charge`."""
    return rating.Rate(
        row.prefix,
        row.rate_name,
        row.price_per_minute_micros,
        row.connection_fee_micros,
        rating.increments(row.increments),
        0,
    )


def _verify_terms(report: Report) -> None:
    """What was paid for a term is what its row says; a profile has the channels of its running term."""
    sql = (
        "SELECT entry.key, posting.account_id, posting.amount FROM entry JOIN posting ON posting.entry_id = entry.id"
        " WHERE entry.kind IN ('subscription', 'number fee')"
    )
    paid: dict[str, dict[str, int]] = {}
    for key, account, amount in rows(sql):
        paid.setdefault(key, {})[core.purpose(account)] = amount
    for row in Term.select():
        lines = paid.pop(f"term:{row.id}:begin", {})
        fee = lines.get("number_fees" if row.number_id else "subscription", 0)
        sold = (fee, lines.get("bundles", 0), lines.get("bundle", 0))
        if sold != (row.price_micros, row.bundles_price_micros, row.bundles * BUNDLE_SECONDS):
            report.wrong(f"term {row.id}: the ledger has it at other figures than its row")
    for key in paid:
        report.wrong(f"{key}: there is no such term")
    sql = "SELECT name FROM profile JOIN term ON term.profile_id = profile.id WHERE closed_at IS NULL"
    for (name,) in rows(f"{sql} AND profile.channels <> term.channels"):
        report.wrong(f"profile {name}: it does not have the channels of its term")


def _verify_decks(report: Report) -> None:
    """Every deck is the text that its version is the hash of."""
    for deck, version, content in rows("SELECT id, version, content FROM deck"):
        try:
            right = hashlib.sha256(zlib.decompress(bytes(content))).hexdigest() == version
        except zlib.error:
            right = False
        if not right:
            report.wrong(f"rate deck {deck}: it was changed: its version is not the hash of its text")


def _verify_sums(report: Report) -> None:
    """What reports are made of adds up to the CDRs (billing/usage.py)."""
    sql = "SELECT company_id, COUNT(*), SUM(duration_ms), SUM(COALESCE(price_micros, 0)) FROM cdr WHERE"
    whole, own = "company_id IS NOT NULL", "profile_id IS NOT NULL"
    out = "direction = 'out' AND refusal IS NULL AND company_id IS NOT NULL"
    for condition, table, count, sums_of in (
        (whole, "call_day", "calls_out + calls_in + refused", "profile_id = 0"),
        (own, "call_day", "calls_out + calls_in + refused", "profile_id <> 0"),
        (out, "destination_month", "calls", "profile_id = 0"),
        (f"{out} AND {own}", "destination_month", "calls", "profile_id <> 0"),
    ):
        made = {row[0]: row[1:] for row in rows(f"{sql} {condition} GROUP BY company_id")}
        summed = f"SELECT company_id, SUM({count}), SUM(duration_ms), SUM(price_micros) FROM {table}"
        sums = {row[0]: row[1:] for row in rows(f"{summed} WHERE {sums_of} GROUP BY company_id")}
        for company in sorted({*made, *sums}):
            if made.get(company) != sums.get(company):
                report.wrong(f"company {company}: {table} says {sums.get(company)}, its CDRs {made.get(company)}")
    sql = "SELECT company_id, COUNT(*), SUM(cost_micros) FROM cost JOIN cdr ON cdr.id = cost.cdr_id GROUP BY company_id"
    costed = {row[0]: row[1:] for row in rows(sql)}
    sql = "SELECT company_id, SUM(costed), SUM(cost_micros) FROM margin_month GROUP BY company_id"
    for company, *sums_of_costs in rows(sql):
        if tuple(sums_of_costs) != costed.pop(company, (0, 0)):
            report.wrong(f"company {company}: margin_month says {sums_of_costs}, its calls cost something else")
    for company in costed:
        report.wrong(f"company {company}: its calls have costs, and margin_month has none")


def _verify_guards(report: Report) -> None:
    """The store's own guards are still in their places, and still do what they did."""
    guarded = [f"{table}_no_{action}" for table in ("entry", "posting") for action in ("update", "delete")]
    wanted = dict.fromkeys(guarded, "append only")
    wanted |= {f"invoice_no_{action}": "an invoice stays as it was issued" for action in ("update", "delete")}
    wanted["posting_moves_balance"] = "balance + NEW.amount"
    wanted["call_not_oversold"] = "more channels than the profile has"
    there = triggers()
    wanted |= dict.fromkeys(reference.counting_triggers(), "version + 1")
    for name, words in sorted(wanted.items()):
        if name not in there:
            report.wrong(f"the trigger {name} was taken out of the store")
        elif words not in there[name]:
            report.wrong(f"the trigger {name} was replaced by another")
