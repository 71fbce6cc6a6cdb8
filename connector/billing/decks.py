"""Rate decks in the store, and those in use in memory: a lookup asks nobody.

A deck comes into use at an instant that was fixed when it was loaded, a few seconds later: by then every connector has
it in memory (`preload`), and all of them begin with it at once.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from connector.billing import layouts
from connector.core import decks as core
from connector.core.decks import Difference, Rates
from connector.core.rating import Rate
from connector.database import reference, store
from connector.database.audit import audited
from connector.database.models import Company, Deck
from connector.database.named import company_row
from connector.database.store import reading, writing
from connector.errors import BadInput, StoreUnavailable

if TYPE_CHECKING:  # every command loads this module, and one of them reads sheets
    from connector.core.layouts import Question
    from connector.core.rate_sheets import Counts, Problem, Sheet, Understood

_PAUSE_S = 0.001
log = logging.getLogger(__name__)

# Coarse rates for the whole world, made up: a sample, to be replaced by a carrier's.
SAMPLE = Path(__file__).parent / "sample-rates.csv"
_DECKS = "SELECT id, version, in_use_at FROM deck WHERE company_id = ? ORDER BY in_use_at DESC, id DESC"
# Long enough for every connector to have read a deck of 200,000 rates that is said to come.
IN_USE_AFTER_MS = 10_000
MOST_NAME = 80
# So many looks a deck that nobody needs is kept: somebody may just be about to load it.
KEPT_LOOKS = 60
LOOKED_BACK_MS = 30 * 24 * 3_600_000


@dataclass(frozen=True)
class DeckView:
    """A deck, without its rates. `version` is the SHA-256 of its text."""

    id: int
    company: str
    name: str
    version: str
    rates: int
    loaded_at: int
    in_use_at: int


# By version, which is the hash of its text: what is in here is never stale.
_memory: dict[str, Rates] = {}
# How often each was seen to be needed by nobody.
_idle: dict[str, int] = {}


@dataclass(frozen=True)
class ReadDeck:
    """A deck that a sheet would make, and is in no store yet. `before`: the version of the deck that it was made of; ""
    for none. `content`: its text, packed. `count`: its rates. `difference`: what it changes. `understood`: how its
    sheet was understood.
    """

    version: str
    content: bytes
    count: int
    before: str
    difference: Difference
    understood: SheetView


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
) -> Sheet:
    """A carrier's sheet as it is understood, with what was answered about it now or before; it may have questions.
    `told` hears how many of how many rows are read. BadInput if it is not a sheet.
    """
    from connector.core import rate_sheets

    with reading():
        owner = company_row(company)
        kept = layouts.kept(owner.id, checked_carrier(carrier))
    return rate_sheets.read(text, answers or {}, owner.currency, kept, told)


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
) -> ReadDeck:
    """The deck that a sheet makes of the newest one, which takes seconds if it is long: outside of every transaction.

    `mode`: update, or full (core/decks.py, `merged`). BadInput if a line is wrong, or something must be asked.
    """
    sheet = understand(text, company, answers=answers, carrier=carrier)
    return made_of(sheet, now, company, mode=mode, after_ms=after_ms, carrier=carrier)


def made_of(
    sheet: Sheet,
    now: int,
    company: str | None = None,
    *,
    mode: str = "update",
    after_ms: int = IN_USE_AFTER_MS,
    carrier: str = "",
) -> ReadDeck:
    """The deck that a sheet that was understood makes of the newest one, as `read`."""
    if mode not in core.MODES:
        raise BadInput("Invalid mode {mode!r}. Use one of {modes}.", mode=mode[:20], modes=", ".join(core.MODES))
    sheet.check()
    rates = core.RateDeck(sheet.rates)
    with reading():
        owner = company_row(company).id
        found = _newest(owner)
        old = _text(*found[0][:2]) if found else None
        calls = _calls_by_prefix(owner, now) if old and mode == "full" else {}
    before = core.stored(old) if old else None  # which takes long: no transaction waits for it
    at = now + after_ms if before else now
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
    return ReadDeck(version, content, len(made), found[0][1] if found else "", changes, view_of(sheet, carrier))


def rates_of_newest(company: str | None = None) -> int:
    """How many rates the newest deck of a company has, in use or not yet; 0 without one."""
    with reading():
        found = _newest(company_row(company).id)
        return int(Deck.select(Deck.rates).where(Deck.id == found[0][0]).scalar()) if found else 0


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
    """Take a deck into use `after_ms` from now. The first deck of a company is in use at once. BadInput if another was
    loaded since this one was read.
    """
    checked_name(name)
    with writing():
        owner = company_row(company)
        found = _newest(owner.id)
        if (found[0][1] if found else "") != read.before:
            raise BadInput("Another rate sheet was loaded meanwhile. Look at the changes again, then load this one.")
        row = Deck.create(
            company=owner,
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
            layouts.keep(owner.id, about.carrier, about.signature, about.answers, now)
        return _view(row, owner.name)


def _newest(company: int) -> list[tuple[int, str, int]]:
    """The newest deck of a company, in use or not yet: id, version and when it is in use; an empty list for none."""
    sql = "SELECT id, version, in_use_at FROM deck WHERE company_id = ? ORDER BY in_use_at DESC, id DESC LIMIT 1"
    return cast("list[tuple[int, str, int]]", store.rows(sql, company))


def _calls_by_prefix(company: int, now: int) -> dict[str, int]:
    """How many calls of the last 30 days were charged by each prefix."""
    sql = (
        "SELECT charge.prefix, COUNT(*) FROM charge JOIN cdr ON cdr.id = charge.cdr_id"
        " WHERE cdr.company_id = ? AND cdr.ended_at >= ? GROUP BY charge.prefix"
    )
    return {prefix: int(count) for prefix, count in store.rows(sql, company, now - LOOKED_BACK_MS)}


def current(company: int, at: int) -> tuple[int, Rates] | None:
    """A company's deck in use at an instant, with its id, in the caller's transaction; None if it has none."""
    decks = reference.rows(_DECKS, company)
    return next(((deck, _deck(deck, version)) for deck, version, in_use_at in decks if in_use_at <= at), None)


def rate_of(company: int, called: str, at: int) -> tuple[int, Rate] | None:
    """The rate of an E.164 number at an instant, with the id of the deck in use, in the caller's transaction."""
    in_use = current(company, at)
    rate = in_use[1].rate(called, at) if in_use else None
    return (in_use[0], rate) if in_use and rate else None


def list_decks(company: str | None = None) -> list[DeckView]:
    """All decks, newest first."""
    with reading():
        rows = Deck.select(
            Deck.id, Deck.name, Deck.version, Deck.rates, Deck.loaded_at, Deck.in_use_at, Deck.company, Company.name
        ).join(Company)
        if company is not None:
            rows = rows.where(Company.name == company)
        return [_view(row, row.company.name) for row in rows.order_by(Deck.in_use_at.desc(), Deck.id.desc())]


def preload(at: int) -> int:
    """Read the decks that are or will be in use, so that no call waits for one; how many were read now."""
    wanted: dict[str, int] = {}
    with reading():
        for (company,) in cast("Iterable[tuple[int]]", Company.select(Company.id).tuples()):
            of_company = Deck.select(Deck.version, Deck.id).where(Deck.company == company)
            coming = of_company.where(Deck.in_use_at > at).tuples()
            latest = of_company.where(Deck.in_use_at <= at).order_by(Deck.in_use_at.desc(), Deck.id.desc()).limit(1)
            wanted.update(cast("Iterable[tuple[str, int]]", [*coming, *latest.tuples()]))
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
    """The text of a stored deck. StoreUnavailable if it is not the one that was stored."""
    row = Deck.get_by_id(deck)
    text = zlib.decompress(bytes(row.content)).decode()
    if core.version_of(text) != version:
        raise StoreUnavailable("rate deck {deck} was changed in the store: nothing is rated by it", deck=deck)
    return text


def _view(row: Any, company: str) -> DeckView:
    return DeckView(row.id, company, row.name, row.version, row.rates, row.loaded_at, row.in_use_at)
