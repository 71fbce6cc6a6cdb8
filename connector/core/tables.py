"""A file as somebody sends it, as rows of cells: CSV with any separator and in any usual encoding, or a workbook.

What its columns mean is found in layouts.py. A workbook becomes CSV first, so that everything behind it reads one kind
of text, and a row has the same number in the file, in an error and in the spreadsheet program.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connector.errors import BadInput

SEPARATORS = (",", ";", "\t", "|")
# Of a workbook, unpacked: 500,000 rows of ten columns have about 150 MB. A file that says less cannot unpack to more.
MOST_UNPACKED = 600_000_000
MOST_COLUMNS = 200
MOST_CELL = 32_767  # a spreadsheet's own limit
MOST_CELLS = 10_000_000
MOST_LOOKED_AT = 60
_ROW_COSTS = 5
_CELLS_OF_ROW = 3
_ROWS_OF_TABLE = 5
_CUT = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Table:
    """Rows of cells, each with its line in the file. Lines that are empty, or begin with #, are left out."""

    rows: list[tuple[int, list[str]]]
    separator: str


def decoded(raw: bytes, name: str) -> str:
    """A file as text: UTF-8, UTF-16 with its mark, else Windows-1252, which has what Latin-1 has; a workbook as CSV.

    BadInput, in words, for what is none of these.
    """
    if raw.startswith(_OLD_WORKBOOK):
        raise BadInput("{name!r} is an Excel workbook of the old kind. Save it as .xlsx or CSV.", name=name[:80])
    if raw.startswith(_ZIP):
        return _workbook(raw, name)
    try:
        text = raw.decode("utf-16") if raw.startswith(_UTF16) else raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise BadInput(
                "{name!r} is not a text: line {line} has the byte {raw:#04x}. Save it as 'CSV UTF-8',"
                " and load that file.",
                name=name[:80],
                line=line,
                raw=raw[error.start],
            ) from None
    if "\0" in text:
        raise BadInput("{name!r} contains a NUL byte, so it is not a text. Save it as 'CSV UTF-8'.", name=name[:80])
    return text


def _workbook(raw: bytes, name: str) -> str:
    """The sheet of a workbook that has most rows, as CSV, a line for each row."""
    import openpyxl  # which takes as long to load as all else: only where there is a workbook

    broken = BadInput("{name!r} is a broken workbook, or another zip file. Save it again as .xlsx.", name=name[:80])
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            # zipfile reads no more of a part than the file says that it has.
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED:
                raise BadInput("{name!r} is too large, unpacked. Save it as CSV.", name=name[:80])
            if "xl/workbook.xml" not in packed.namelist():
                raise broken
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles, filters and whatever else no cell needs
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
            texts = [(*_sheet(sheet), sheet.title) for sheet in book.worksheets if sheet.sheet_state == "visible"]
    except BadInput:
        raise
    except Exception:  # a hostile file fails anywhere in the library; whatever it is, the file cannot be read
        raise broken from None
    if not texts:
        raise BadInput("{name!r} has no sheet that is shown.", name=name[:80])
    tables_in = [title for filled, _, title in texts if filled >= _ROWS_OF_TABLE]
    if len(tables_in) > 1:
        names = ", ".join(repr(title[:40]) for title in tables_in[:10])
        raise BadInput("{name!r} has several tables: {names}. Save one sheet by itself.", name=name[:80], names=names)
    return max(texts, key=lambda found: found[0])[1]


def _sheet(sheet: Any) -> tuple[int, str]:
    """How many rows of a sheet are those of a table, with three cells or more, and the sheet as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    filled = cells_in_all = 0
    for cells in sheet.iter_rows(values_only=True):
        cells_in_all += max(len(cells), _ROW_COSTS)  # rows that are not there cost time too
        if cells_in_all > MOST_CELLS:
            raise BadInput("The sheet {title!r} has more than {most} cells.", title=sheet.title[:40], most=MOST_CELLS)
        texts = [_cell(value) for value in cells]
        while texts and not texts[-1]:
            texts.pop()
        filled += sum(bool(text) for text in texts) >= _CELLS_OF_ROW
        writer.writerow(texts)
    return filled, out.getvalue()


def _cell(value: Any) -> str:
    """A cell of a workbook as a person reads it: a number with the 15 digits that spreadsheets have, a day in ISO."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return (
            value.date().isoformat() if value.time().isoformat() == "00:00:00" else value.isoformat(timespec="seconds")
        )
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return " ".join(value.split())
    try:
        shown = f"{Decimal(format(value, '.15g')):f}"
    except (ArithmeticError, ValueError, TypeError):
        return str(value)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def is_cut(cell: str) -> bool:
    """Whether a spreadsheet took a long number for a quantity, and wrote `4.47E+11`: digits are lost."""
    return _CUT.fullmatch("".join(cell.split())) is not None


def check_uncut(cell: str) -> None:
    """BadInput if digits of a code or a number are lost."""
    if is_cut(cell):
        raise BadInput(
            "A spreadsheet has cut the digits of {given!r}. Format the column as text, and save the sheet again.",
            given=cell[:40],
        )


def table(text: str, what: str, most: int) -> Table:
    """The rows of a text, by the separator that fits best. `what` is the sheet, for people. BadInput."""
    if "\0" in text:
        raise BadInput("Could not load {what}: it contains a NUL byte, so it is not a CSV file in UTF-8.", what=what)
    text = text.removeprefix("\ufeff")
    start = text[:6].lower()
    told = start[4:5] if start.startswith("sep=") and text[5:6] in ("\r", "\n") else ""
    separator = told or _separator(text)
    return Table(list(_rows(text, separator, what, most)), separator)


def _rows(text: str, separator: str, what: str, most: int) -> Iterator[tuple[int, list[str]]]:
    # Not splitlines(): that also ends a line at a form feed or U+2028 within a cell, and lines would be counted wrong.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for count, cells in enumerate(reader):
            if count > most:
                raise BadInput("Could not load {what}: it has more than {most} lines.", what=what, most=most)
            # "#" alone is the name of a column of row numbers.
            if (
                not cells
                or (cells[0].startswith("#") and cells[0].strip() != "#")
                or (count == 0 and cells[0].lower().startswith("sep="))
            ):
                continue
            if len(cells) > MOST_COLUMNS:
                cells = trimmed(cells, 0)
            if len(cells) > MOST_COLUMNS:
                raise BadInput(
                    "Could not load {what}: line {line} has more than {most} cells.",
                    what=what,
                    line=reader.line_num,
                    most=MOST_COLUMNS,
                )
            if any(len(cell) > MOST_CELL for cell in cells):
                raise BadInput(
                    "Could not load {what}: line {line} has a cell with more than {most} characters.",
                    what=what,
                    line=reader.line_num,
                    most=MOST_CELL,
                )
            if any(cell and not cell.isspace() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadInput(
            "Could not load {what}: line {line_num}: {error}", what=what, line_num=reader.line_num, error=error
        ) from None


def _separator(text: str) -> str:
    """The one by which most lines at the beginning have the same number of cells, and more than one."""
    head = text[: 200 * MOST_LOOKED_AT].split("\n")[:MOST_LOOKED_AT]

    def fit(separator: str) -> tuple[int, int]:
        """How many lines agree, times the cells that they have."""
        try:
            cells = [trimmed(found, 0) for found in csv.reader(head, delimiter=separator)]
        except csv.Error:
            return 0, 0
        counts = Counter(len(found) for found in cells if len(found) > 1)
        return max((lines * (columns - 1), columns) for columns, lines in counts.items()) if counts else (0, 0)

    return max(SEPARATORS, key=fit)


def trimmed(cells: Sequence[str], least: int) -> list[str]:
    """Cells without the empty ones at their end, as long as more than `least` are left."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return list(cells[:end])
