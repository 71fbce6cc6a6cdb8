"""Rate decks in the store, and those in use in memory: a lookup asks nobody.

A deck comes into use at an instant that was fixed when it was loaded, a few seconds later: by then every connector has
it in memory (`preload`), and all of them begin with it at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from connector.billing import store
from connector.billing.audit import audited
from connector.billing.models import Company, Deck
from connector.billing.named import company_row
from connector.billing.store import Question, reading, writing
from connector.core import decks as core
from connector.core.decks import Difference, RateDeck
from connector.core.rating import Rate
from connector.errors import BadInput, StoreUnavailable

# Coarse rates for the whole world, made up: a sample, to be replaced by a carrier's.
SAMPLE = Path(__file__).parent / "sample-rates.csv"
# Long enough for every connector to have read a deck of 200,000 rates that is said to come.
IN_USE_AFTER_MS = 10_000
MOST_NAME = 80
# So many looks a deck that nobody needs is kept: somebody may just be about to load it.
KEPT_LOOKS = 60


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
_memory: dict[str, RateDeck] = {}
# How often each was seen to be needed by nobody.
_idle: dict[str, int] = {}


@dataclass(frozen=True)
class ReadDeck:
    """A deck that was read, and is in no store yet."""

    text: str
    rates: RateDeck


def read(text: str) -> ReadDeck:
    """Read a deck, which takes seconds if it is long, outside of every transaction. BadInput if a line is wrong."""
    return ReadDeck(text, _parsed(text))


def load(text: str, name: str, now: int, company: str | None = None, *, after_ms: int = IN_USE_AFTER_MS) -> DeckView:
    """Read a deck and `put` it. BadInput if a line of it is wrong: nothing is changed then."""
    return put(name, read(text), now, company, after_ms=after_ms)


def checked_name(name: str) -> str:
    """What a deck is called. BadInput if it is unfit."""
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadInput(f"a deck's name is 1 to {MOST_NAME} characters that can be printed")
    return name


@audited("rates.load")
def put(
    name: str, read: ReadDeck, now: int, company: str | None = None, *, after_ms: int = IN_USE_AFTER_MS
) -> DeckView:
    """Take a deck into use, whole, `after_ms` from now. The first deck of a company is in use at once."""
    deck = read.rates
    checked_name(name)
    with writing():
        owner = company_row(company)
        first = not Deck.select().where(Deck.company == owner).exists()
        row = Deck.create(
            company=owner,
            name=name,
            version=deck.version,
            rates=len(deck),
            content=zlib.compress(read.text.encode(), 1),
            loaded_at=now,
            in_use_at=now if first else now + after_ms,
        )
        return _view(row, owner.name)


def compare(text: str, now: int, company: str | None = None) -> Difference:
    """What `load` would change, without changing it. BadInput as `load`."""
    return difference(read(text), now, company)


def difference(read: ReadDeck, now: int, company: str | None = None) -> Difference:
    """What `put` would change, without changing it."""
    with reading():
        in_use = current(company_row(company).id, now)
        return core.difference(in_use[1] if in_use else None, read.rates, now)


def current(company: int, at: int) -> tuple[int, RateDeck] | None:
    """A company's deck in use at an instant, with its id, in the caller's transaction; None if it has none."""
    sql, values = in_use_question(company, at)
    found = store.rows(sql, *values)
    return (found[0][0], _deck(*found[0])) if found else None


def in_use_question(company: int, at: int) -> Question:
    """What `current` asks, for who foresees it."""
    sql = (
        "SELECT id, version FROM deck WHERE company_id = ? AND in_use_at <= ? ORDER BY in_use_at DESC, id DESC LIMIT 1"
    )
    return sql, (company, at)


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
            _deck(deck, version)
    for version in _memory.keys() - wanted.keys():
        _idle[version] = _idle.get(version, 0) + 1
        if _idle[version] > KEPT_LOOKS:
            del _memory[version], _idle[version]
    for version in _idle.keys() & wanted.keys():
        del _idle[version]
    return len(new)


def _parsed(text: str) -> RateDeck:
    """A deck from its text; one that was just compared is not read again."""
    found = _memory.get(core.version_of(text))
    if found is None:
        found = core.parse(text)
        _memory[found.version] = found
    return found


def _deck(deck: int, version: str) -> RateDeck:
    found = _memory.get(version)
    if found is None:
        row = Deck.get_by_id(deck)
        found = core.parse(zlib.decompress(bytes(row.content)).decode())
        if found.version != version:
            raise StoreUnavailable(f"rate deck {deck} was changed in the store: nothing is rated by it")
        _memory[version] = found
    return found


def _view(row: Any, company: str) -> DeckView:
    return DeckView(row.id, company, row.name, row.version, row.rates, row.loaded_at, row.in_use_at)
