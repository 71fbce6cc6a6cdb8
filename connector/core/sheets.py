"""A sheet of CSV with a header line, read whole or not at all: every line that is wrong is named. And cells as they are
written to one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from connector.errors import BadInput
from connector.words import Words, listed, phrase

T = TypeVar("T")

SHOWN_ERRORS = 20
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


class RowErrors:
    """The rows of a sheet that are wrong, and why: the first are told, and how many others there are."""

    def __init__(self) -> None:
        self._told: list[Words] = []
        self._count = 0

    def add(self, line: int, error: BadInput) -> None:
        """One more."""
        self._count += 1
        if len(self._told) < SHOWN_ERRORS:
            self._told.append(phrase("line {line}: {error}", line=line, error=error))

    def check(self, what: str) -> None:
        """BadInput if a row of `what` is wrong."""
        told = list(self._told)
        if self._count > len(told):
            told.append(phrase("and {count} more lines", count=self._count - len(told)))
        if told:
            raise BadInput("Could not load {what}: {wrong}", what=what, wrong=listed(told, "; "))


def read(
    text: str,
    what: str,
    needed: Sequence[str],
    optional: Mapping[str, str],
    most: int,
    row_of: Callable[[int, list[str]], T],
) -> list[T]:
    """What `row_of` makes of each line's number and cells, which are in the order of `needed` and `optional`.

    `what` is the sheet, for people; `optional` has what a cell is that is empty or has no column. Lines that begin with
    # are for people. BadInput names the lines of which `row_of` raises BadInput.
    """
    wrong = RowErrors()
    found: list[T] = []
    for line, cells in _rows(text, what, needed, optional, most):
        try:
            if not cells:
                raise BadInput("the number of cells differs from the number of columns in the first line")
            found.append(row_of(line, cells))
        except BadInput as error:
            wrong.add(line, error)
    wrong.check(what)
    if not found:
        raise BadInput("Could not load {what}: it is empty.", what=what)
    return found


def neutral(cell: str) -> str:
    """A cell as it is written to a sheet: what a spreadsheet would take for a formula begins with an apostrophe.

    OWASP, CSV injection: = + - @, tab and carriage return; a line break would end no cell here, for it is quoted. A
    phone number, "+" and digits, is not a formula that could do anything, and is left alone: programs read it back.
    """
    if not cell or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _rows(
    text: str, what: str, needed: Sequence[str], optional: Mapping[str, str], most: int
) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with its line; no cells where there are not as many as in the header.

    Empty rows, and cells behind the last column that are empty, are passed over: spreadsheets write both.
    """
    if "\0" in text:
        raise BadInput("Could not load {what}: it contains a NUL byte, so it is not a CSV file in UTF-8.", what=what)
    columns = [*needed, *optional]
    # Not splitlines(): that also ends a line at a form feed or U+2028 within a cell, and lines would be counted wrong.
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        first = next((cells for cells in reader if any(cells) and not cells[0].startswith("#")), [])
        if first == ["sep=", ""]:  # Excel's own line, of a file whose cells are separated by commas
            first = next(reader, [])
        head = _trimmed([name.strip().lower() for name in first])
        wrong = _header_error(head, needed, optional)
        if wrong:
            raise BadInput("Could not load {what}: {wrong}", what=what, wrong=wrong)
        where = [head.index(name) if name in head else -1 for name in columns]
        defaults = [optional.get(name, "") for name in columns]
        for count, cells in enumerate(reader):
            if count >= most:
                raise BadInput("Could not load {what}: it has more than {most} lines.", what=what, most=most)
            if not cells or cells[0].startswith("#") or not any(cell and not cell.isspace() for cell in cells):
                continue
            if len(cells) != len(head):
                cells = _trimmed(cells, len(head))
            if len(cells) != len(head):
                yield reader.line_num, []
                continue
            values = zip(where, defaults, strict=True)
            yield reader.line_num, [(cells[at].strip() if at >= 0 else "") or default for at, default in values]
    except csv.Error as error:
        raise BadInput(
            "Could not load {what}: line {line_num}: {error}", what=what, line_num=reader.line_num, error=error
        ) from None


def _trimmed(cells: list[str], least: int = 0) -> list[str]:
    """Cells without the empty ones at their end, as long as more than `least` are left."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _header_error(head: list[str], needed: Sequence[str], optional: Mapping[str, str]) -> str:
    """What is wrong with the first line, and what is allowed; "" if nothing is."""
    columns = [*needed, *optional]
    missing = [name for name in needed if name not in head]
    unknown = [name for name in head if name not in columns]
    twice = sorted({name for name in head if head.count(name) > 1})
    if not (missing or unknown or twice):
        return ""
    if not head:
        return f"it is empty. The first line names the columns: {', '.join(needed)}"
    if len(head) == 1:
        for separator in (";", "\t", "|"):
            if separator in head[0] or head[0] == f"sep={separator}":
                shown = "a tab" if separator == "\t" else repr(separator)
                return f"its cells are separated by {shown}. Save it with commas between the cells"
    shown_head = ", ".join(name[:40] or "(empty)" for name in head[:20])
    said = [f"the first line names the columns {shown_head}"]
    if missing:
        said.append(f"missing: {', '.join(missing)}")
    if unknown:
        said.append(f"not understood: {', '.join(name[:40] or '(empty)' for name in unknown[:20])}")
    if twice:
        said.append(f"given twice: {', '.join(name[:40] for name in twice)}")
    return "; ".join(said) + f". Needed are {', '.join(needed)}; allowed are {', '.join(optional) or 'no others'}"
