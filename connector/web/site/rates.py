"""Rate decks: loaded after a look at what changes; and what a call would cost."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar

from connector.billing import decks, profiles, trials
from connector.billing.decks import IN_USE_AFTER_MS, ReadDeck
from connector.billing.trials import PriceView
from connector.core import refusals
from connector.core.decks import Difference, Ended
from connector.core.formats import shown
from connector.core.reports import MINUTE_MS
from connector.errors import BadInput, NotFound
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import MOST_UPLOAD, Form, Line, Outcome, Quote, Shown, SitePages, TextOrNone, entry

pages = SitePages()

LONGEST_MIN = 24 * 60
MOST_ENDS = 20


@pages.form("/money/decks/new", "rates.write", "Load a rate sheet", of_company=True, once=True, back="/money")
class LoadDeck(Form):
    """A rate sheet from a file, all of it or nothing."""

    button: ClassVar[str] = "Load"
    tries: ClassVar[bool] = False
    name: str = entry("Name", hint="By which you will find it again.")
    mode: str = entry(
        "Prefixes that the sheet does not name",
        "update",
        choices=(("update", "keep their rates"), ("full", "end at the sheet's date")),
    )
    file: str = entry(
        "File",
        kind="file",
        hint=f"CSV with prefix, name and price_per_minute, at most {MOST_UPLOAD >> 20} MB. The operator of the"
        " platform loads larger ones. A rate with a later valid_from changes nothing until then. What changes is shown"
        " before anything is loaded.",
    )

    version: TextOrNone = entry("Version", None, kind="pinned")
    newest: TextOrNone = entry("The one before", None, kind="pinned")

    def read(self, ask: Ask) -> ReadDeck:
        """The deck."""
        return ask.read_deck(self.file, self.mode)

    def quote(self, ask: Ask) -> Quote | None:
        """What changes, and from when."""
        decks.checked_name(self.name)
        read: ReadDeck = ask.read
        found = read.difference
        newest = _newest(ask)
        counts = [
            ("New prefixes", found.added),
            ("Prefixes that end", len(found.ends)),
            ("Higher prices", found.dearer),
            ("Lower prices", found.cheaper),
            ("Changed otherwise", found.otherwise_changed),
            ("Unchanged", found.same),
        ]
        lines = [("Deck", self.name), ("Rates", f"{read.count:,}"), *((word, f"{n:,}") for word, n in counts)]
        lines += [
            ("Ends", f"{each.prefix} {each.name}, {when(each.at, ask.zone)}, {each.calls:,} calls in 30 days")
            for each in _most_used(found)
        ]
        if found.retired:
            few = ", ".join(found.retired[:MOST_ENDS])
            lines.append(("Not used", f"{few}: only retired forms of numbers begin so, and nobody is called by those"))
        lines += [("Changes most", example) for example in found.examples]
        later = f"{IN_USE_AFTER_MS // 1000} s after you say so; calls that are up keep theirs"
        lines.append(("In use", later if newest else "at once: it is the first"))
        return Quote(lines, {"version": _shape(read), "newest": newest})

    def do(self, ask: Ask) -> Outcome:
        """Take it into use: the very deck that was shown, in the place of the one that it was compared with."""
        read: ReadDeck = ask.read
        if self.version != _shape(read) or (self.newest or "") != _newest(ask):
            raise BadInput("The rate decks have changed meanwhile. Look at the changes again.")
        made = decks.put(self.name, ask.read, ask.now, ask.company)
        return Outcome("/money", f"{made.name} is in use from {when(made.in_use_at, ask.zone)}")


def _shape(read: ReadDeck) -> str:
    """What was shown of a deck. Not its version: a rate without a date begins when its sheet is loaded."""
    found = read.difference
    ends = [(each.prefix, each.calls) for each in found.ends]
    said = repr((replace(found, ends=()), ends, read.count))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _most_used(found: Difference) -> list[Ended]:
    """Of the prefixes that end, those by which most calls were charged."""
    return sorted(found.ends, key=lambda each: -each.calls)[:MOST_ENDS]


def _newest(ask: Ask) -> str:
    """The newest deck of the company; "" if it has none."""
    return next((str(view.id) for view in decks.list_decks(ask.company)), "")


@pages.get("/money/price", "money.read", of_company=True)
def price_page(ask: Ask) -> Shown:
    """What a call would cost, and whether it would be refused."""
    number, profile = ask.query.get("number", ""), ask.query.get("profile") or None
    named = profiles.names(ask.scope)
    lines: list[Line] = []
    wrong = ""
    if number:
        try:
            if profile is not None and profile not in named:
                raise NotFound("there is no such profile")
            duration_ms = _minutes(ask.query.get("minutes", "1"))
            lines = _lines(trials.price(number, duration_ms, ask.now, profile, ask.company))
        except (BadInput, NotFound) as error:
            wrong = str(error)
    return Shown("price.html", {"profiles": named, "lines": lines, "wrong": wrong})


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LONGEST_MIN):
        raise BadInput(f"a call of 1 to {LONGEST_MIN} minutes")
    return int(text) * MINUTE_MS


def _lines(found: PriceView) -> list[Line]:
    payer = {"profile": "the profile's credit", "company": "the company's balance", "bundle": "the bundle, wholly"}
    why = refusals.BY_CODE[found.refusal].words if found.refusal else ""
    minute = shown(found.price_per_minute_micros, found.currency)
    return [
        ("Number", found.number),
        ("Rate", f"{found.name}, prefix {found.prefix}"),
        ("A minute", f"{minute}, charged in steps of {found.increments}"),
        ("Connection fee", shown(found.connection_fee_micros, found.currency)),
        ("Seconds charged", f"{found.billed_s}, of which {found.bundle_s} from bundles"),
        ("Costs", shown(found.price_micros, found.currency)),
        ("Paid by", payer[found.payer]),
        ("Would it be let through?", "yes" if found.refusal is None else f"no: {why}"),
    ]
