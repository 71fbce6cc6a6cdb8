"""A sheet of CSV with a header line, read whole or not at all: every line that is wrong is named. And cells as they are
written to one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from connector.errors import BadInput

T = TypeVar("T")

SHOWN_ERRORS = 20


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
    errors: list[str] = []
    found: list[T] = []
    wrong = 0
    for line, cells in _rows(text, what, needed, optional, most):
        try:
            if not cells:
                raise BadInput("it does not have as many cells as the first line")
            found.append(row_of(line, cells))
        except BadInput as error:
            wrong += 1
            if len(errors) < SHOWN_ERRORS:
                errors.append(f"line {line}: {error}")
    if wrong:
        more = f"; and {wrong - len(errors)} more lines" if wrong > len(errors) else ""
        raise BadInput(f"{what} was not taken: " + "; ".join(errors) + more)
    if not found:
        raise BadInput(f"{what} was not taken: there is nothing in it")
    return found


def neutral(cell: str) -> str:
    """A cell as it is written to a sheet: what a spreadsheet would take for a formula begins with an apostrophe.

    OWASP, CSV injection: = + - @, tab and carriage return; a line break would end no cell here, for it is quoted.
    """
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell else cell


def _rows(
    text: str, what: str, needed: Sequence[str], optional: Mapping[str, str], most: int
) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with its line; no cells where there are not as many as in the header."""
    if "\0" in text:
        raise BadInput(f"{what} was not taken: it has a NUL byte in it")
    columns = [*needed, *optional]
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    try:
        first = next((cells for cells in reader if cells and not cells[0].startswith("#")), [])
        head = [name.strip().lower() for name in first]
        missing = [name for name in needed if name not in head]
        unknown = [name for name in head if name not in columns]
        if missing or unknown or len(set(head)) != len(head):
            raise BadInput(
                f"{what} was not taken: its first line must name the columns {', '.join(needed)}"
                f" and may name {', '.join(optional)}, each once"
            )
        where = [head.index(name) if name in head else -1 for name in columns]
        defaults = [optional.get(name, "") for name in columns]
        for count, cells in enumerate(reader):
            if count >= most:
                raise BadInput(f"{what} was not taken: it has more than {most} lines")
            if not cells or cells[0].startswith("#"):
                continue
            if len(cells) != len(head):
                yield reader.line_num, []
                continue
            values = zip(where, defaults, strict=True)
            yield reader.line_num, [(cells[at].strip() if at >= 0 else "") or default for at, default in values]
    except csv.Error as error:
        raise BadInput(f"{what} was not taken: line {reader.line_num}: {error}") from None
