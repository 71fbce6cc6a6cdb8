"""What the columns of a sheet mean, by their names and by what is in them: proposed, never assumed where it is unclear.

A sheet of rates or of numbers has roles (`Role`): the prefix, the price, the day. `found` gives each role its columns,
with how sure that is, and the questions that only a person can answer. Answers are texts by the question's key; they
are kept for a carrier, and are used again for a sheet with the same columns (`signature`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from connector.core.tables import Table, trimmed
from connector.errors import BadInput
from connector.words import Words, phrase

# How sure a column is, in hundredths: its name is ours; one that people use; it begins or ends with one; only its
# cells look so.
EXACT, KNOWN, PARTLY, BY_CELLS = 100, 95, 80, 65
_HEADER_WITHIN = 40
_LOOKED_AT = 300
# Of so many cells out of a hundred that are filled, the others may be headings and notes.
_MOST_FIT = 60
_LONGEST_NAME = 200
MOST_ANSWERS = 40
MOST_ANSWER = 80


@dataclass(frozen=True)
class Role:
    """What a column can be. `names`: how people call it, in small letters without accents, ours first. `fits`: whether
    a cell can be one. `needed`: no sheet is read without it. `many`: several columns can be it. `never`: words in whose
    company a name means something else, as in "rate change". `sure`: a column that is called so is it, whatever is in
    its cells: it is better not to understand them than to pass over them. `words`: what it is called to people.
    """

    key: str
    names: tuple[str, ...]
    fits: Callable[[str], bool] = lambda cell: True
    needed: bool = False
    many: bool = False
    never: frozenset[str] = frozenset()
    sure: bool = False
    words: str = ""


@dataclass(frozen=True)
class Question:
    """What only a person can answer. `key`: what the answer is given by; `choices`: the answers that there are, with
    what each means; `rows`: lines that show why it is asked.
    """

    key: str
    text: str
    choices: tuple[tuple[str, str], ...]
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column that is used: where it is, from 0; how it is called, "" without a header; how sure that is, of 100."""

    at: int
    name: str
    confidence: int


@dataclass(frozen=True)
class Layout:
    """What was found. `header`: the line of the header, 0 for none; `body`: the rows below it; `before`: those above.
    `width`: how many cells a row has. `ignored`: the names of the columns that are not used. `named`: the columns were
    found by their names.
    """

    header: int
    columns: Mapping[str, tuple[Column, ...]]
    body: Sequence[tuple[int, list[str]]]
    before: Sequence[tuple[int, list[str]]]
    width: int
    names: tuple[str, ...]
    ignored: tuple[str, ...]
    signature: str
    questions: tuple[Question, ...] = field(default=())
    named: bool = True

    @property
    def confidence(self) -> int:
        """How sure the least sure of the columns is, of 100."""
        return min((column.confidence for found in self.columns.values() for column in found), default=0)

    def at(self, key: str) -> int:
        """Where the first column of a role is; -1 if it has none."""
        found = self.columns.get(key, ())
        return found[0].at if found else -1


def asking(question: Question) -> Words:
    """A question as part of an error: what is asked, by which key it is answered, and what can be answered."""
    given = ", ".join(choice for choice, _ in question.choices[:8])
    return phrase("{question} ({key}: {choices})", question=question.text, key=question.key, choices=given)


def plain(text: str) -> str:
    """A name without case, accents and signs: `Gültig ab` as `gultig ab`, `Price / min` as `price min`."""
    letters = unicodedata.normalize(
        "NFKD", re.sub(r"([a-z])([A-Z])", r"\1 \2", text[:_LONGEST_NAME]).replace("ß", "ss")
    )
    kept = "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return " ".join(kept.lower().split())


def checked_answers(answers: Mapping[str, str]) -> dict[str, str]:
    """Answers as somebody gives them. BadInput if they are too many or too long."""
    if len(answers) > MOST_ANSWERS or any(len(key) + len(text) > 2 * MOST_ANSWER for key, text in answers.items()):
        raise BadInput("There are too many answers, or one is too long.")
    return {key.strip(): text.strip() for key, text in answers.items()}


def found(table: Table, what: str, roles: Sequence[Role], answers: Mapping[str, str]) -> Layout:
    """What the columns of a table are. BadInput if it is empty, or an answer names no column of it."""
    if not table.rows:
        raise BadInput("Could not load {what}: it is empty.", what=what)
    header = _header(table, roles)
    if header is None:
        return _by_cells(table, roles, answers)
    line, cells = table.rows[header]
    names = tuple(" ".join(cell.split()) for cell in trimmed(cells, 0))
    body = table.rows[header + 1 :]
    signature = _signature(names, table.separator)
    given = _answered(names, roles, answers)
    columns, questions = _by_names(names, body, roles, given)
    used = {column.at for found in columns.values() for column in found}
    ignored = tuple(name for at, name in enumerate(names) if name and at not in used)
    before = table.rows[:header]
    return Layout(line, columns, body, before, len(names), names, ignored, signature, questions)


def _signature(names: Sequence[str], separator: str) -> str:
    return hashlib.sha256("\n".join([separator, *map(plain, names)]).encode()).hexdigest()[:32]


def _sure(name: str, role: Role) -> int:
    """How sure it is, of 100, that a column with this name is of a role; 0: it is not said."""
    if name.replace(" ", "_") == role.key or name == plain(role.names[0]):
        return EXACT
    if name in role.names or name.replace(" ", "") in _glued(role):
        return KNOWN
    if role.never & set(name.split()):
        return 0
    # With a currency or a unit behind it: "rate usd", "price per min eur".
    words = name.split()
    for known in sorted(role.names, key=len, reverse=True):
        of = known.split()
        if len(of) < len(words) and (words[: len(of)] == of or words[-len(of) :] == of):
            return PARTLY if len(known) > 3 else 0
    return 0


@cache
def _glued(role: Role) -> frozenset[str]:
    """A role's names without their spaces: `dialcode`, `rateperminute`."""
    return frozenset(name.replace(" ", "") for name in role.names)


def _header(table: Table, roles: Sequence[Role]) -> int | None:
    """Which row names the columns: the one in which most roles are named, at least two, the needed ones if any does."""
    best: tuple[int, int, int] | None = None
    for at, (_, cells) in enumerate(table.rows[:_HEADER_WITHIN]):
        names = [plain(cell) for cell in cells]
        sure = {role.key: max((_sure(name, role) for name in names if name), default=0) for role in roles}
        named = [role for role in roles if sure[role.key]]
        needed = sum(role.needed for role in named)
        total = sum(sure.values())
        filled = sum(bool(name) for name in names)
        if filled >= 2 and len(named) >= 2 and needed and (best is None or (needed, total) > best[:2]):
            best = (needed, total, at)
    return best[2] if best else None


def _answered(names: Sequence[str], roles: Sequence[Role], answers: Mapping[str, str]) -> dict[str, int]:
    """The columns that answers name, by role: `column.price` is a name of the header, or a number from 1. BadInput."""
    found = {}
    by_name = {name: at for at, name in reversed(list(enumerate(names)))} | {
        plain(name): at for at, name in reversed(list(enumerate(names)))
    }
    for role in roles:
        wanted = answers.get(f"column.{role.key}")
        if wanted is None:
            continue
        at = by_name.get(wanted, by_name.get(plain(wanted), -1))
        if at < 0 and wanted.isascii() and wanted.isdecimal() and len(wanted) < 4:
            at = int(wanted) - 1
        if wanted == "none" and not role.needed:
            found[role.key] = -1
            continue
        if not 0 <= at < max(len(names), 1):
            raise BadInput("The sheet has no column {wanted!r}.", wanted=wanted[:40])
        found[role.key] = at
    return found


def _by_names(
    names: Sequence[str],
    body: Sequence[tuple[int, list[str]]],
    roles: Sequence[Role],
    given: Mapping[str, int],
) -> tuple[dict[str, tuple[Column, ...]], tuple[Question, ...]]:
    """The columns of each role, the surest first, each of one role; and a question where two are as sure."""
    columns: dict[str, tuple[Column, ...]] = {
        key: (Column(at, names[at], EXACT),) for key, at in given.items() if at >= 0
    }
    taken = set(given.values())
    fits = {role.key: [at for at in range(len(names)) if _all_fit(body, at, role)] for role in roles}
    sure = sorted(
        (
            (_sure(plain(name), role), -order, -_rank(plain(name), role), -at, role)
            for order, role in enumerate(roles)
            if role.key not in given
            for at, name in enumerate(names)
            if name and (at in fits[role.key] or (role.sure and _sure(plain(name), role) >= KNOWN))
        ),
        key=lambda each: each[:4],
        reverse=True,
    )
    questions: list[Question] = []
    for confidence, _, _, at, role in sure:
        at = -at
        there = columns.get(role.key, ())
        if not confidence or at in taken:
            continue
        if not there or role.many:
            columns[role.key] = (*there, Column(at, names[at], confidence))
            taken.add(at)
    for role in roles:
        if role.key not in given and role.needed:
            if role.key in columns:
                continue
            able = [at for at in fits[role.key] if at not in taken]
            called = [at for at, name in enumerate(names) if _sure(plain(name), role) >= KNOWN and at not in taken]
            if called and not able:  # its rows say what is wrong with them
                columns[role.key] = (Column(called[0], names[called[0]], KNOWN),)
                taken.add(called[0])
            else:
                questions.append(_which(role, names, able or list(range(len(names)))))
    return columns, tuple(questions)


def _rank(name: str, role: Role) -> int:
    """Where a name stands among those of a role: of two columns the one that is called by an earlier one is taken."""
    return 0 if role.many or name not in role.names else role.names.index(name)


def _which(role: Role, names: Sequence[str], able: Sequence[int]) -> Question:
    """Which column is it?"""
    choices = tuple((names[at] or str(at + 1), phrase("column {number}", number=at + 1)) for at in able)
    return Question(f"column.{role.key}", phrase("Which column is the {role}?", role=role.words), choices)


def _all_fit(body: Sequence[tuple[int, list[str]]], at: int, role: Role) -> bool:
    """Whether most cells of a column that are filled can be of a role; an empty column is none."""
    rows = [cells for _, cells in body[:_LOOKED_AT] if at < len(cells)]
    # Headings and notes have one cell.
    cells = [cells[at] for cells in rows if cells[at].strip() and sum(bool(cell.strip()) for cell in cells) > 1]
    return bool(cells) and 100 * sum(role.fits(cell) for cell in cells) >= _MOST_FIT * len(cells)


def _by_cells(table: Table, roles: Sequence[Role], answers: Mapping[str, str]) -> Layout:
    """A sheet without a header, or with one in words that we do not know: each role, in their order, takes the first
    column whose cells all fit it.
    """
    widths = [len(cells) for _, cells in table.rows[:_LOOKED_AT]]
    width = max(set(widths), key=widths.count)
    first = next(at for at, (_, cells) in enumerate(table.rows) if len(cells) == width)
    line, names, body = 0, ("",) * width, table.rows[first:]
    if len(body) > 1 and not _has_digits(body[0][1]) and _has_digits(body[1][1]):
        line, names, body = body[0][0], tuple(" ".join(cell.split()) for cell in body[0][1]), body[1:]
    given = _answered(names, roles, answers)
    columns: dict[str, tuple[Column, ...]] = {
        key: (Column(at, names[at], EXACT),) for key, at in given.items() if at >= 0
    }
    taken = set(given.values())
    questions: list[Question] = []
    for role in roles:
        if role.key in given:
            continue
        able = [at for at in range(width) if at not in taken and _all_fit(body, at, role)]
        if able:
            columns[role.key] = (Column(able[0], names[able[0]], BY_CELLS),)
            taken.add(able[0])
            if role.many and len(able) > 1:
                questions.append(_which(role, names, able))
        elif role.needed:
            questions.append(_which(role, names, [at for at in range(width) if at not in taken]))
    signature = _signature(names if line else [f"{width} cells"], table.separator)
    used = {column.at for found in columns.values() for column in found}
    ignored = tuple(name for at, name in enumerate(names) if name and at not in used)
    before = table.rows[:first]
    return Layout(line, columns, body, before, width, names, ignored, signature, tuple(questions), named=False)


def _has_digits(cells: Sequence[str]) -> bool:
    return any(c.isdigit() for cell in cells for c in cell)
