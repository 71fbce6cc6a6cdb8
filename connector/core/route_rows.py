"""A route as rows of a form: when, what rings, and for how long. Pure; core/routes.py has the text that is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connector.core.routes import USUAL_WITHIN_S, Route
from connector.errors import BadInput

# Kinds of steps whose word is typed; the words of others are chosen among what exists.
TYPED = ("extension", "group", "number")
RINGING = ("pbx", *TYPED)
MOST_ROWS = 30  # five fields each, of the 200 that a form may have
_WHICH = re.compile(r"[^,;:\r\n]*")


@dataclass(frozen=True)
class Row:
    """One step of a route. `hours`: the name of those in which it is the call's, "" at all (other) times; `what`: its
    kind, with the name that was chosen; `which`: what was typed for an extension, a group or a number; `seconds`: how
    long it rings, "" for as long as usual. Where there is nothing to type, what was typed is not looked at.
    """

    hours: str
    what: str
    which: str = ""
    seconds: str = ""


def rows_of(route: Route) -> list[Row]:
    """The rows of a route, in its order. A second rule of the same hours is left out: no call comes to it."""
    made = []
    first = {rule.hours: rule for rule in reversed(route.rules)}
    for rule in (rule for rule in route.rules if first[rule.hours] is rule):
        for step in rule.steps:
            text, _, seconds = str(step).partition(" for ")
            kind, _, words = text.partition(" ")
            made.append(Row(rule.hours, kind, words, seconds) if kind in TYPED else Row(rule.hours, text, "", seconds))
    return made


def text_of(rows: Sequence[Row], within_s: str = "") -> str:
    """The text of a route, for core/routes.py to read; "" for no rows. BadInput names what is missing."""
    rules: dict[str, list[str]] = {}
    for row in rows:
        rules.setdefault(row.hours, []).append(_step(row))
    if rules and "" not in rules:
        raise BadInput("Add a row for all other times.")
    last = rules.pop("", [])
    lines = [f"{hours}: {', '.join(steps)}" for hours, steps in rules.items()]
    if last:
        lines.append(("else: " if lines else "") + ", ".join(last))
    if within_s.strip() and within_s.strip() != str(USUAL_WITHIN_S):
        lines.append(f"within {within_s.strip()}")
    return "\n".join(lines)


def _step(row: Row) -> str:
    kind = row.what.split(" ")[0]
    which = " ".join(row.which.split()) if kind in TYPED else ""
    seconds = row.seconds.strip() if kind in RINGING else ""
    if kind in TYPED and not which:
        raise BadInput("Type which extension or number rings.")
    for typed in (row.which if which else "", seconds):
        if not _WHICH.fullmatch(typed):
            raise BadInput("{given!r} is not an extension or a number", given=typed[:40])
    words = f"{row.what} {which}" if which else row.what
    return f"{words} for {seconds}" if seconds else words
