"""Rate decks in the store, and those in use in memory: a lookup asks nobody.

A deck comes into use at an instant that was fixed when it was loaded, a few seconds later: by then every connector has
it in memory (`preload`), and all of them begin with it at once.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.billing import exchange, layouts
from connector.core import costs
from connector.core import decks as core
from connector.core.costs import Below, Exchange
from connector.core.decks import Difference, Rates
from connector.core.money import checked_currency
from connector.core.rating import Rate
from connector.database import reference, store
from connector.database.audit import audited
from connector.database.models import Company, Deck
from connector.database.named import company_row
from connector.database.store import reading, writing
from connector.errors import BadInput, NotFound, StoreUnavailable
from connector.routing import trunks

if TYPE_CHECKING:  # every command loads this module, and one of them reads sheets
    from connector.core.layouts import Question
    from connector.core.rate_sheets import Counts, Problem, Sheet, Understood

_PAUSE_S = 0.001
log = logging.getLogger(__name__)

# Coarse rates for the whole world, made up: a sample, to be replaced by a carrier's.
SAMPLE = Path(__file__).parent / "sample-rates.csv"
_NEWEST_FIRST = "ORDER BY in_use_at DESC, id DESC"
_DECKS = f"SELECT id, version, in_use_at FROM deck WHERE company_id = ? AND trunk_id IS NULL {_NEWEST_FIRST}"
_EVERY = f"SELECT id, version, in_use_at, company_id, trunk_id FROM deck {_NEWEST_FIRST}"
_OPEN_TRUNKS = (
    "SELECT id, name FROM trunk WHERE company_id = ? AND state <> 'archived' AND profile_id IS NULL ORDER BY name"
)
_OF_TRUNK = f"SELECT id, version, in_use_at, currency FROM deck WHERE company_id = ? AND trunk_id = ? {_NEWEST_FIRST}"
# Long enough for every connector to have read a deck of 200,000 rates that is said to come.
IN_USE_AFTER_MS = 10_000
MOST_NAME = 80
MOST_BELOW = 50
# So many later changes of rates are looked at for what is sold below cost then.
MOST_CHANGES = 12
# So many looks a deck that nobody needs is kept: somebody may just be about to load it.
KEPT_LOOKS = 60
LOOKED_BACK_MS = 30 * 24 * 3_600_000


@dataclass(frozen=True)
class DeckView:
    """A deck, without its rates. `version` is the SHA-256 of its text. `trunk`: whose cost deck it is; "" for a deck of
    prices.
    """

    id: int
    company: str
    name: str
    version: str
    rates: int
    loaded_at: int
    in_use_at: int
    trunk: str = ""
    currency: str = ""


class DeckChanged(StoreUnavailable):
    """A deck in the store is not the one that was stored."""


# By version, which is the hash of its text: what is in here is never stale.
_memory: dict[str, Rates] = {}
# Cost decks that cannot be read: it was said once.
_unreadable: set[str] = set()
# How often each was seen to be needed by nobody.
_idle: dict[str, int] = {}


@dataclass(frozen=True)
class Whose:
    """Whose deck it is: a company's, of its prices; or with `trunk` the carrier's there, of what it takes. `currency`:
    its prices'.
    """

    company: int
    company_name: str
    trunk: int | None
    currency: str
    target: str


@dataclass(frozen=True)
class ReadDeck:
    """A deck that a sheet would make, and is in no store yet. `before`: the version of the deck that it was made of; ""
    for none. `content`: its text, packed. `count`: its rates. `difference`: what it changes. `understood`: how its
    sheet was understood. `below`: destinations that would be sold below cost, `MOST_BELOW` of `sold_below`.
    """

    version: str
    content: bytes
    count: int
    before: str
    difference: Difference
    understood: SheetView
    below: tuple[Below, ...] = ()
    sold_below: int = 0
    currency: str = ""


@dataclass(frozen=True)
class ColumnView:
    """A column of a sheet: which, from 1; how it is called there, and how sure it is, of 100."""

    number: int
    name: str
    confidence: int


@dataclass(frozen=True)
class SheetView:
    """How a sheet was understood. `ready`: it can be loaded as it is. `mapping`: the columns of each role; `ignored`:
    those that are not used. `confidence`: how sure the least sure is, of 100; `is_known`: a sheet with the same columns
    was loaded before. `questions` and `problems` are in the way of it; there are `wrong` problems, not all of them
    listed.
    """

    ready: bool
    carrier: str
    signature: str
    is_known: bool
    header_row: int
    separator: str
    decimal_mark: str
    date_order: str
    mapping: dict[str, list[ColumnView]]
    ignored: list[str]
    confidence: int
    answers: dict[str, str]
    questions: list[Question]
    problems: list[Problem]
    wrong: int
    counts: Counts
    sample: list[Understood]


def understand(
    text: str,
    company: str | None = None,
    *,
    answers: Mapping[str, str] | None = None,
    carrier: str = "",
    told: Callable[[int, int], None] = lambda done, of: None,
    trunk: str = "",
    currency: str = "",
) -> Sheet:
    """A carrier's sheet as it is understood, with what was answered about it now or before; it may have questions.
    `told` hears how many of how many rows are read. `trunk`: it says what the carrier there takes, in `currency`; else
    it says prices of ours. BadInput if it is not a sheet.
    """
    from connector.core import rate_sheets

    with reading():
        whose = _whose(company, trunk, currency)
        kept = layouts.kept(whose.company, checked_carrier(carrier or trunk))
    return rate_sheets.read(text, answers or {}, whose.currency, kept, told)


def _whose(company: str | None, trunk: str, currency: str = "") -> Whose:
    """Whose deck is meant, in the caller's transaction. `currency`: of a cost deck; that of the one before if it is not
    said. NotFound; BadInput for an unknown currency, or one without an exchange rate.
    """
    if not trunk:
        if currency:
            raise BadInput("Only a cost sheet has a currency of its own. Name its trunk too.")
        owner = company_row(company)
        return Whose(owner.id, owner.name, None, owner.currency, owner.currency)
    row = trunks.trunk_row(trunk)
    if company is not None and row.company_id != company_row(company).id:
        raise NotFound("there is no trunk {name!r}", name=trunk)
    owner = row.company
    before = _currency_of(owner.id, row.id)
    wanted = checked_currency(currency) if currency else before or owner.currency
    exchange.check(wanted, owner.currency)
    return Whose(owner.id, owner.name, row.id, wanted, owner.currency)


def _currency_of(company: int, trunk: int) -> str:
    """The currency of the newest cost deck of a trunk, in the caller's transaction; "" if it has none."""
    found = store.rows(f"{_OF_TRUNK} LIMIT 1", company, trunk)
    return str(found[0][3]) if found else ""


def view_of(sheet: Sheet, carrier: str = "") -> SheetView:
    """How a sheet was understood, without its rates."""
    layout = sheet.layout
    mapping = {
        key: [ColumnView(column.at + 1, column.name, column.confidence) for column in found]
        for key, found in layout.columns.items()
        if found
    }
    return SheetView(
        sheet.ready,
        checked_carrier(carrier),
        layout.signature,
        sheet.is_known,
        layout.header,
        sheet.separator,
        sheet.decimal_mark,
        sheet.date_order,
        mapping,
        list(layout.ignored),
        layout.confidence,
        dict(sheet.answers),
        sheet.questions,
        sheet.problems,
        sheet.wrong,
        sheet.counts,
        sheet.sample,
    )


def read(
    text: str,
    now: int,
    company: str | None = None,
    *,
    mode: str = "update",
    after_ms: int = IN_USE_AFTER_MS,
    answers: Mapping[str, str] | None = None,
    carrier: str = "",
    trunk: str = "",
    currency: str = "",
) -> ReadDeck:
    """The deck that a sheet makes of the newest one, which takes seconds if it is long: outside of every transaction.

    `mode`: update, or full (core/decks.py, `merged`). `trunk` and `currency` as for `understand`. BadInput if a line is
    wrong, or something must be asked.
    """
    sheet = understand(text, company, answers=answers, carrier=carrier, trunk=trunk, currency=currency)
    of = {"trunk": trunk, "currency": currency}
    return made_of(sheet, now, company, mode=mode, after_ms=after_ms, carrier=carrier, **of)


def made_of(
    sheet: Sheet,
    now: int,
    company: str | None = None,
    *,
    mode: str = "update",
    after_ms: int = IN_USE_AFTER_MS,
    carrier: str = "",
    trunk: str = "",
    currency: str = "",
) -> ReadDeck:
    """The deck that a sheet that was understood makes of the newest one, as `read`."""
    if mode not in core.MODES:
        raise BadInput("Invalid mode {mode!r}. Use one of {modes}.", mode=mode[:20], modes=", ".join(core.MODES))
    sheet.check()
    rates = core.RateDeck(sheet.rates)
    with reading():
        whose = _whose(company, trunk, currency)
        found = _newest(whose)
        if whose.trunk is not None:
            _check_currency(whose, sheet, mode, now + after_ms)
        # Rates in another currency do not stay beside the new ones.
        keeps = whose.trunk is None or _currency_of(whose.company, whose.trunk) == whose.currency
        old = _text(*found[0][:2]) if found and keeps else None
        charged = "cost" if whose.trunk is not None else "charge"
        calls = _calls_by_prefix(whose, charged, now) if old and mode == "full" else {}
        others = [(each, _text(each.deck, each.version)) for each in _other_side(whose, now + after_ms)]
    before = core.stored(old) if old else None  # which takes long: no transaction waits for it
    at = now + after_ms if found else now
    made = core.merged(before, rates, at, mode, sheet.ends)
    if not 1 <= len(made) <= core.MOST_ROWS:
        raise BadInput(
            "The deck would have {count} rates. It has 1 to {most_rows}; nothing was changed.",
            count=len(made),
            most_rows=core.MOST_ROWS,
        )
    written = core.written(made)
    version = core.version_of(written)
    made = core.stored(written)  # what cannot be read again must not be put in use
    _memory[version] = core.packed(written)
    latest = max((rate.valid_from for rate in sheet.rates), default=0)
    changes = core.difference(before, made, max(at, latest))
    ends = tuple(replace(each, calls=calls.get(each.prefix, 0)) for each in core.ended(before, made, at))
    content = zlib.compress(written.encode(), 1)
    changes = replace(changes, ends=ends)
    below = _sold_below(whose, made, others, at)
    return ReadDeck(
        version,
        content,
        len(made),
        found[0][1] if found else "",
        changes,
        view_of(sheet, carrier or trunk),
        tuple(below[:MOST_BELOW]),
        len(below),
        whose.currency,
    )


def _check_currency(whose: Whose, sheet: Sheet, mode: str, at: int) -> None:
    """What the currency is worth is known when the deck comes into use; and a sheet in another currency than that of
    the deck before is complete, and all of it is in force then, for a deck has one currency. BadInput.
    """
    exchange.check(whose.currency, whose.target, at)
    before = _currency_of(whose.company, whose.trunk or 0)
    if not before or before == whose.currency:
        return
    if mode != "full" or any(rate.valid_from > at for rate in sheet.rates):
        raise BadInput(
            "The cost deck of this trunk is in {before}. To change it to {currency}, load a complete sheet, on the day"
            " from which it counts.",
            before=before,
            currency=whose.currency,
        )


class _Compared(NamedTuple):
    """A deck that a new one is compared with: the name of its trunk, "" for the company's prices, and what its currency
    is worth.
    """

    deck: int
    version: str
    trunk: str
    worth: Exchange


def _other_side(whose: Whose, at: int) -> list[_Compared]:
    """What a deck is compared with at an instant: prices with the cost decks of all trunks, a cost deck with the prices
    of the company.
    """
    if whose.trunk is not None:
        sold = [row for row in store.rows(_DECKS, whose.company) if row[2] <= at][:1]
        return [_Compared(deck, version, "", Exchange(whose.target)) for deck, version, _ in sold]
    found = []
    for trunk, name in store.rows(_OPEN_TRUNKS, whose.company):
        in_use = [row for row in store.rows(_OF_TRUNK, whose.company, trunk) if row[2] <= at][:1]
        for deck, version, _, currency in in_use:
            worth = exchange.of(currency, whose.target, at)
            if worth is not None:
                found.append(_Compared(deck, version, name, worth))
    return found


def _sold_below(whose: Whose, made: core.RateDeck, others: list[tuple[_Compared, str]], at: int) -> list[Below]:
    """The destinations that are sold below cost with a new deck, when it comes into use or after a later change."""
    if not others:
        return []
    read = [(each.trunk, each.worth, core.stored(text)) for each, text in others]
    sold, bought = made, read
    if whose.trunk is not None:
        with reading():
            worth = exchange.of(whose.currency, whose.target, at)
        if worth is None:
            return []
        sold, bought = read[0][2], [("", worth, made)]
    found: dict[str, Below] = {}
    for moment in costs.changes([sold, *(deck for _, _, deck in bought)], at)[:MOST_CHANGES]:
        for each in costs.sold_below(sold, bought, moment):
            found.setdefault(each.prefix, each)
    return [found[prefix] for prefix in sorted(found)]


def rates_to_read(company: str | None, trunk: str, at: int) -> int:
    """How many rates are read to load a sheet: those of the newest deck, and those that it is compared with."""
    with reading():
        whose = _whose(company, trunk)
        ids = [deck for deck, _, _ in _newest(whose)] + [each.deck for each in _other_side(whose, at)]
        return sum(int(Deck.select(Deck.rates).where(Deck.id == deck).scalar()) for deck in ids)


def load(
    text: str,
    name: str,
    now: int,
    company: str | None = None,
    *,
    mode: str = "update",
    after_ms: int = IN_USE_AFTER_MS,
) -> DeckView:
    """Read a sheet and `put` it. BadInput if a line of it is wrong: nothing is changed then."""
    return put(name, read(text, now, company, mode=mode, after_ms=after_ms), now, company, after_ms=after_ms)


def checked_carrier(carrier: str) -> str:
    """Whose sheet it is; "" for none in particular. BadInput if it is unfit."""
    if len(carrier) > MOST_NAME or not carrier.isprintable():
        raise BadInput("The name of a carrier has at most {most_name} printable characters.", most_name=MOST_NAME)
    return carrier.strip()


def checked_name(name: str) -> str:
    """What a deck is called. BadInput if it is unfit."""
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadInput("The name of a deck has 1 to {most_name} printable characters.", most_name=MOST_NAME)
    return name


@audited("rates.load")
def put(
    name: str, read: ReadDeck, now: int, company: str | None = None, *, after_ms: int = IN_USE_AFTER_MS
) -> DeckView:
    """Take a deck of prices into use `after_ms` from now. The first deck of a company is in use at once. BadInput if
    another was loaded since this one was read.
    """
    return _put(name, read, now, company, after_ms, "")


@audited("costs.load", of_house=True)
def put_costs(
    name: str, trunk: str, read: ReadDeck, now: int, company: str | None = None, *, after_ms: int = IN_USE_AFTER_MS
) -> DeckView:
    """Take a cost deck of a trunk into use, as `put`."""
    return _put(name, read, now, company, after_ms, trunk)


def _put(name: str, read: ReadDeck, now: int, company: str | None, after_ms: int, trunk: str) -> DeckView:
    checked_name(name)
    with writing():
        whose = _whose(company, trunk, read.currency if trunk else "")
        found = _newest(whose)
        if (found[0][1] if found else "") != read.before:
            raise BadInput("Another rate sheet was loaded meanwhile. Look at the changes again, then load this one.")
        row = Deck.create(
            company=whose.company,
            trunk_id=whose.trunk,
            currency=whose.currency if whose.trunk is not None else "",
            name=name,
            version=read.version,
            rates=read.count,
            content=read.content,
            loaded_at=now,
            # Never before the one that it was made of, whatever another node's clock says.
            in_use_at=max(now + after_ms, found[0][2] + 1) if found else now,
        )
        about = read.understood
        if about.carrier:  # sheets of no carrier in particular have nothing in common
            layouts.keep(whose.company, about.carrier, about.signature, about.answers, now)
        return _view(row, whose.company_name, trunk)


def _newest(whose: Whose) -> list[tuple[int, str, int]]:
    """The newest deck of a company or a trunk, in use or not yet: id, version and when it is in use; an empty list for
    none.
    """
    if whose.trunk is None:
        return [(deck, version, at) for deck, version, at in store.rows(f"{_DECKS} LIMIT 1", whose.company)]
    return [
        (deck, version, at) for deck, version, at, _ in store.rows(f"{_OF_TRUNK} LIMIT 1", whose.company, whose.trunk)
    ]


def _calls_by_prefix(whose: Whose, table: str, now: int) -> dict[str, int]:
    """How many calls of the last 30 days were rated by each prefix, in `charge` or in `cost`."""
    sql = (
        f"SELECT {table}.prefix, COUNT(*) FROM {table} JOIN cdr ON cdr.id = {table}.cdr_id"
        " WHERE cdr.company_id = ? AND cdr.ended_at >= ?"
    )
    values = [whose.company, now - LOOKED_BACK_MS]
    if whose.trunk is not None:
        sql, values = f"{sql} AND {table}.trunk_id = ?", [*values, whose.trunk]
    return {prefix: int(count) for prefix, count in store.rows(f"{sql} GROUP BY {table}.prefix", *values)}


def current(company: int, at: int) -> tuple[int, Rates] | None:
    """A company's deck in use at an instant, with its id, in the caller's transaction; None if it has none."""
    decks = reference.rows(_DECKS, company)
    return next(((deck, _deck(deck, version)) for deck, version, in_use_at in decks if in_use_at <= at), None)


def rate_of(company: int, called: str, at: int) -> tuple[int, Rate] | None:
    """The rate of an E.164 number at an instant, with the id of the deck in use, in the caller's transaction."""
    in_use = current(company, at)
    rate = in_use[1].rate(called, at) if in_use else None
    return (in_use[0], rate) if in_use and rate else None


def costs_in_use(company: int, trunk: int, at: int) -> tuple[int, Rates, str] | None:
    """The cost deck of a trunk that is in use at an instant, in the caller's transaction: its id, its rates and their
    currency. None if the trunk has none, or if it cannot be read: no call waits or fails for what it costs.
    """
    for deck, version, in_use_at, currency in reference.rows(_OF_TRUNK, company, trunk):
        if in_use_at <= at:
            if version in _unreadable:
                return None
            try:
                return deck, _deck(deck, version), currency
            except (BadInput, DeckChanged) as error:
                _unreadable.add(version)
                log.error("cost deck %d cannot be read, so it is not known what calls cost: %s", deck, error)
                return None
    return None


def list_decks(company: str | None = None, trunk: str = "") -> list[DeckView]:
    """All decks of prices, newest first; or all cost decks of a trunk. NotFound."""
    with reading():
        found = Deck.select(
            Deck.id, Deck.name, Deck.version, Deck.rates, Deck.loaded_at, Deck.in_use_at, Deck.currency, Company
        ).join(Company)
        found = found.where(Deck.trunk_id == _whose(company, trunk).trunk if trunk else Deck.trunk_id.is_null())
        if company is not None:
            found = found.where(Company.name == company)
        ordered = found.order_by(Deck.in_use_at.desc(), Deck.id.desc())
        return [_view(row, row.company.name, trunk) for row in ordered]


def preload(at: int) -> int:
    """Read the decks that are or will be in use, so that no call waits for one; how many were read now."""
    wanted: dict[str, int] = {}
    have_one: set[tuple[int, int | None]] = set()
    with reading():
        for deck, version, in_use_at, *whose in store.rows(_EVERY):
            if in_use_at > at or tuple(whose) not in have_one:
                wanted.setdefault(version, deck)
            if in_use_at <= at:
                have_one.add((whose[0], whose[1]))
    new = [(deck, version) for version, deck in wanted.items() if version not in _memory]
    for deck, version in new:
        try:
            with reading():
                text = _text(deck, version)
            _memory[version] = core.packed(text, _pause)  # which takes long: no transaction waits for it
        except (BadInput, StoreUnavailable) as error:  # the other companies' go on
            log.error("rate deck %d cannot be read: %s", deck, error)
    for version in _memory.keys() - wanted.keys():
        _idle[version] = _idle.get(version, 0) + 1
        if _idle[version] > KEPT_LOOKS:
            del _memory[version], _idle[version]
    for version in _idle.keys() & wanted.keys():
        del _idle[version]
    return len(new)


def _deck(deck: int, version: str) -> Rates:
    found = _memory.get(version)
    if found is None:
        found = _memory[version] = core.packed(_text(deck, version))
    return found


def _pause() -> None:
    """Python runs one thread at a time, and gives up a thread that works on only after 5 ms: calls wait meanwhile."""
    time.sleep(_PAUSE_S)


def _text(deck: int, version: str) -> str:
    """The text of a stored deck. DeckChanged if it is not the one that was stored."""
    row = Deck.get_by_id(deck)
    try:
        text = zlib.decompress(bytes(row.content)).decode()
    except (zlib.error, UnicodeDecodeError):
        text = ""
    if core.version_of(text) != version:
        raise DeckChanged("rate deck {deck} was changed in the store: nothing is rated by it", deck=deck)
    return text


def _view(row: Any, company: str, trunk: str = "") -> DeckView:
    times = (row.loaded_at, row.in_use_at)
    return DeckView(row.id, company, row.name, row.version, row.rates, *times, trunk, row.currency)
