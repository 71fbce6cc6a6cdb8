"""Carriers' rate sheets as they come: every layout is loaded rightly, or the right question is asked; nothing is
guessed where two readings are possible.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import decks, rate_sheets, tables
from connector.core.money import decimal
from connector.core.rate_sheets import Sheet
from connector.core.rating import BLOCKED, NEVER, increments_text
from connector.core.times import iso
from connector.core.written_days import day_ms
from connector.errors import BadInput


def read(text: str, answers: str = "", currency: str = "GBP") -> Sheet:
    """A sheet whose rows are written with " / " between them."""
    given_answers = dict(each.split("=", 1) for each in answers.split()) if answers else {}
    return rate_sheets.read((text if "\n" in text else text.replace(" / ", "\n")) + "\n", given_answers, currency)


def rows_of(sheet: Sheet) -> str:
    """Its rates as `prefix price fee steps day`, what is usual left out."""
    assert sheet.ready, (sheet.questions, sheet.problems)
    said = []
    for rate in sorted(sheet.rates):
        price = BLOCKED if rate.kind == BLOCKED else decimal(rate.price_per_minute_micros, 0)
        words = [rate.prefix[1:], price]
        if rate.connection_fee_micros:
            words.append(f"fee={decimal(rate.connection_fee_micros, 0)}")
        if rate.increments and increments_text(rate.increments) != "30/6":
            words.append(increments_text(rate.increments))
        if rate.valid_from:
            words.append((iso(rate.valid_from) or "")[:10])
        if rate.valid_to != NEVER:
            words.append(f"to={(iso(rate.valid_to) or '')[:10]}")
        said.append(" ".join(words))
    said += [f"{prefix[1:]} ends {(iso(at) or '')[:10]}" for prefix, at in sorted(sheet.ends.items())]
    return "; ".join(said)


def blocks(table: str) -> list[str]:
    """The layouts of a table, each with what is expected of it."""
    text = (Path(__file__).parent.parent / "tables" / f"{table}.txt").read_text()
    return [block.strip("\n") for block in text.split("\n==\n")[1:]]


@pytest.mark.parametrize("block", blocks("rate_layouts"))
def test_a_layout_is_understood(block: str) -> None:
    """Without a question: everything that it says can be read in one way only."""
    text, expected = block.rsplit("\n-> ", 1)
    assert rows_of(read(text)) == expected


@pytest.mark.parametrize("block", blocks("rate_questions"))
def test_what_can_be_read_in_two_ways_is_asked(block: str) -> None:
    """By the key that answers it, with the rows that show why; nothing is read before it is answered."""
    layout, expected = block.rsplit("\n-> ", 1)
    text, asked = layout.rsplit("\n?? ", 1)
    key, answer = asked.split(" ", 1)
    sheet = read(text)
    assert [question.key for question in sheet.questions] == [key]
    assert not sheet.ready
    with pytest.raises(BadInput, match=rf"\({key}: "):
        sheet.check()
    if expected != "?":
        assert rows_of(read(text, answer)) == expected
        assert answer.partition("=")[2] in [choice for choice, _ in sheet.questions[0].choices] or answer[-1].isdigit()


@pytest.mark.parametrize("block", blocks("rate_problems"))
def test_what_is_not_understood_stops_the_load(block: str) -> None:
    """With its row, and the reason."""
    text, expected = block.rsplit("\n-> ", 1)
    sheet = read(text)
    assert not sheet.questions
    assert not sheet.ready
    (problem,) = sheet.problems
    assert f"{problem.row}: {problem.reason}".startswith(expected)
    with pytest.raises(BadInput, match=f"Could not load the rate deck: line {problem.row}: "):
        sheet.check()


@pytest.mark.parametrize(
    "text", ["", "\n", "# a remark\n", "Prefix,Name,Price\n", "sep=;\n", "prefix,na\0me\n", '44,"UK\n']
)
def test_a_file_that_is_no_sheet_is_refused(text: str) -> None:
    """Nothing in it, a header alone, a quote that does not end."""
    with pytest.raises(BadInput, match="Could not load"):
        rate_sheets.read(text, {}, "GBP").check()


@pytest.mark.parametrize(
    "answers", ["date_order=both", "decimal_mark=1", "column.price_per_minute=Colour", "column.prefix=9"]
)
def test_an_answer_that_fits_nothing_is_refused(answers: str) -> None:
    """A word that is no choice, and a column that is not there."""
    with pytest.raises(BadInput):
        read("Code,Name,Rate,Effective / 44,UK,0.01,2026-01-01", answers)


def test_answers_are_kept_by_the_columns_and_can_be_changed() -> None:
    """Of the same columns in the same order; what is answered now goes before what was answered then."""
    text = "Dest,Code,Rate,Effective Date\nUK,44,0.01,01/02/2026\n"
    signature = rate_sheets.read(text, {}, "GBP").layout.signature
    kept = {signature: {"date_order": "day"}}
    assert rows_of(rate_sheets.read(text, {}, "GBP", kept)) == "44 0.01 2026-02-01"
    assert rows_of(rate_sheets.read(text, {"date_order": "month"}, "GBP", kept)) == "44 0.01 2026-01-02"
    other = rate_sheets.read(text.replace("Dest,", "Destination,"), {}, "GBP", kept)
    assert not other.is_known
    assert [question.key for question in other.questions] == ["date_order"]


def test_an_answer_that_was_kept_does_not_turn_a_date_that_can_be_read_in_one_way() -> None:
    """The 13th cannot be a month: the row is not understood, rather than understood wrongly."""
    sheet = read("Dest,Code,Rate,Effective Date / UK,44,0.01,13/02/2026", "date_order=month")
    assert [problem.row for problem in sheet.problems] == [2]


def test_an_answer_that_was_kept_holds_for_what_it_was_given_for() -> None:
    """A comma for decimals does not make twelve of 0.012, and dollars taken as pounds are no word on euros."""
    assert [each.row for each in read("Code,Name,Rate / 44,UK,0.012", "decimal_mark=comma").problems] == [2]
    dollars = rate_sheets.read("Code,Name,Rate\n44,UK,$0.1\n", {"currency": "GBP"}, "GBP")
    kept = {dollars.layout.signature: dollars.answers}
    assert rate_sheets.read("Code,Name,Rate\n44,UK,$0.2\n", {}, "GBP", kept).ready
    euros = rate_sheets.read("Code,Name,Rate\n44,UK,€0.2\n", {}, "GBP", kept)
    assert [each.key for each in euros.questions] == ["currency"]
    assert rate_sheets.read("Code,Name,Rate\n44,UK,€0.2\n", {"currency": "GBP"}, "GBP", kept).ready


def test_a_blocked_prefix_has_no_rate_whatever_a_shorter_one_costs() -> None:
    """Its calls are refused, and those beside it are not."""
    sheet = read("Prefix,Name,Price / 881,Satellite,2 / 8816,Iridium,blocked / 88167,Part of it,3")
    deck = decks.RateDeck(sheet.rates)
    again = decks.packed(decks.written(decks.merged(None, deck, 1, "update")))
    for found in (deck, again):
        asked = {number: found.rate(number, 1) for number in ("+8815551234", "+8816551234", "+8816751234")}
        assert {number: rate and rate.name for number, rate in asked.items()} == {
            "+8815551234": "Satellite", "+8816551234": None, "+8816751234": "Part of it",
        }  # fmt: skip


def test_what_a_sheet_takes_out_ends_on_its_day() -> None:
    """The prefix has its rate until then, and the shorter one's afterwards."""
    old = decks.RateDeck(read("Prefix,Name,Price / 44,UK,0.01 / 447,UK mobile,0.05").rates)
    sheet = read("Prefix,Name,Price,Status,Effective / 447,UK mobile,0.05,Removed,2026-12-15")
    at, day = day_ms("2026-12-01", ""), day_ms("2026-12-15", "")
    new = decks.merged(old, decks.RateDeck(sheet.rates), at, "update", sheet.ends)
    found = [rate.name for each in (day - 1, day) if (rate := new.rate("+447700900123", each))]
    assert found == ["UK mobile", "UK"]
    assert [each.prefix for each in decks.ended(old, new, at)] == ["+447"]
    header = "Prefix,Name,Price,Status,Effective"
    sheet = read(f"{header} / 447,now,0.06,New,2026-11-01 / 447,,,Deleted,2026-12-15 / 447,again,0.07,New,2027-01-01")
    new = decks.merged(old, decks.RateDeck(sheet.rates), at, "update", sheet.ends)
    later = day_ms("2027-01-01", "")
    found = [rate.name for each in (day - 1, day, later) if (rate := new.rate("+447700900123", each))]
    assert found == ["now", "UK", "again"]


def workbook(*rows: tuple[object, ...], more: int = 0) -> bytes:
    """A workbook with these rows in its second sheet."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Notes"])
    sheet = book.create_sheet("Rates")
    for row in rows:
        sheet.append(list(row))
    hidden = book.create_sheet("Old")
    hidden.sheet_state = "hidden"
    for _ in range(9 + more):
        hidden.append(["33", "FR", 9])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_read_as_a_person_reads_it() -> None:
    """The sheet with most rows that is shown; numbers, days and texts as they are seen, with their row."""
    raw = workbook(
        ("Carrier A-Z",),
        (),
        ("Destination", "Code", "Rate", "Effective"),
        ("UK", 44, 0.1 + 0.2, datetime(2026, 2, 1)),
        ("UK\nmobile", "447, 4478", 0.0123, date(2026, 2, 3)),
        ("France", 33.0, "0.5", "2026-02-04"),
    )
    sheet = rate_sheets.read(tables.decoded(raw, "a.xlsx"), {}, "GBP")
    assert rows_of(sheet) == ("33 0.5 2026-02-04; 44 0.3 2026-02-01; 447 0.0123 2026-02-03; 4478 0.0123 2026-02-03")
    assert (sheet.layout.header, [each.row for each in sheet.sample]) == (3, [4, 5, 6])
    broken = workbook(("Destination", "Code", "Rate"), ("UK", 44, 0.1), ("FR", 33, 0.1), ("BE", "x", 0.1))
    sheet = rate_sheets.read(tables.decoded(broken, "a.xlsx"), {}, "GBP")
    assert [problem.row for problem in sheet.problems] == [4]


def test_of_several_tables_in_a_workbook_none_is_chosen() -> None:
    """A long page of terms is no table; two of rates are named."""
    book = openpyxl.Workbook()
    rates, terms = book.worksheets[0], book.create_sheet("Terms")
    for row in (["Code", "Name", "Rate"], ["44", "UK", "0.1"]):
        rates.append(row)
    for number in range(50):
        terms.append([f"{number}. A condition"])
    out = io.BytesIO()
    book.save(out)
    assert rows_of(rate_sheets.read(tables.decoded(out.getvalue(), "a.xlsx"), {}, "GBP")) == "44 0.1"
    for name in ("A-Z", "NPANXX"):
        sheet = book.create_sheet(name)
        for number in range(9):
            sheet.append([str(number), "x", "0.1"])
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(BadInput, match="several tables: 'A-Z', 'NPANXX'"):
        tables.decoded(out.getvalue(), "a.xlsx")


def test_rows_that_a_workbook_leaves_out_are_bounded() -> None:
    """A sheet of two rows whose second is the forty millionth is refused as soon as one of a million is."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Code", "Name", "Rate"])
    out, made = io.BytesIO(), io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as packed, zipfile.ZipFile(made, "w") as again:
        for part in packed.namelist():
            text = packed.read(part)
            if part == "xl/worksheets/sheet1.xml":
                text = re.sub(rb"<dimension[^>]*/>", b"", text)
                text = text.replace(
                    b"</sheetData>", b'<row r="40000000"><c r="A40000000"><v>1</v></c></row></sheetData>'
                )
            again.writestr(part, text)
    with pytest.raises(BadInput, match="more than 10000000 cells"):
        tables.decoded(made.getvalue(), "a.xlsx")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xc3\xff", "is a broken workbook"),
        (workbook(("a", "b"))[:-200], "is a broken workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "of the old kind"),
        (b"prefix\x00,name", "NUL byte"),
        (b"prefix,\x81", "is not a text"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(raw: bytes, said: str) -> None:
    """One line, and no traceback."""
    with pytest.raises(BadInput, match=said):
        tables.decoded(raw, "rates.xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", list(tables.SEPARATORS))
def test_encodings_and_separators(encoding: str, separator: str) -> None:
    """Any of them, in any usual encoding."""
    rows = [["prefix", "name", "price_per_minute"], ["43664", "Österreich", "0.089"], ["49", "Deutschland", "0.009"]]
    raw = "\r\n".join(separator.join(row) for row in rows).encode(encoding)
    sheet = rate_sheets.read(tables.decoded(raw, "a.csv"), {}, "EUR")
    assert (rows_of(sheet), sheet.rates[0].name) == ("43664 0.089; 49 0.009", "Österreich")


@given(st.lists(st.lists(st.text(max_size=8), max_size=6), max_size=6), st.sampled_from(tables.SEPARATORS))
def test_hostile_cells_are_refused_in_words(rows: list[list[str]], separator: str) -> None:
    """Whatever is in a sheet, it is read, asked about or refused; never a traceback, never a rate out of bounds."""
    text = "Code,Name,Rate,Effective\n".replace(",", separator) + "\n".join(separator.join(row) for row in rows)
    try:
        sheet = rate_sheets.read(text, {}, "GBP")
    except BadInput:
        return
    for rate in sheet.rates:
        assert rate.prefix[1:].isascii()
        assert 0 <= rate.price_per_minute_micros <= decks.MOST_PRICE_MICROS
        assert rate.name.isprintable()


WHITE = " " * 30_000


@pytest.mark.parametrize("row", [
    f"44,UK,1{WHITE}x,2026-01-01,1/1",
    f"44,UK,1,2026{WHITE}x,1/1",
    f"44,UK,1,2026-01-01,1{WHITE}x",
    f"44{WHITE}x,UK,1,2026-01-01,1/1",
    f"4-{'9' * 30_000},UK,1,2026-01-01,1/1",
    "1-999999999999999,UK,1,2026-01-01,1/1",
])  # fmt: skip
def test_long_cells_are_refused_at_once(row: str) -> None:
    """No search in them takes longer the more spaces there are, and no number is too long to be read."""
    sheet = rate_sheets.read(f"Code,Name,Rate,Effective,Increments\n{row}\n", {}, "GBP")
    assert [problem.row for problem in sheet.problems] == [2]
    assert len(sheet.problems[0].reason) < 300


def test_ranges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines may not become more rates than a deck can have; a long range is the fewest prefixes that cover it."""
    monkeypatch.setattr(rate_sheets, "MOST_ROWS", 1_500)
    rows = "".join(f"{10_000_000 + n * 1000}-{10_000_999 + n * 1000},UK,1\n" for n in range(2))
    with pytest.raises(BadInput, match="more than 1500 lines"):
        rate_sheets.read("Code,Name,Rate\n" + rows, {}, "GBP")
    assert rows_of(read("Code,Name,Rate / 44000000-44199999,UK,1")) == "440 1; 441 1"
    with pytest.raises(BadInput, match="a cell with more than"):
        read(f"Code,Name,Rate / 44,{'U' * 40_000},1")
