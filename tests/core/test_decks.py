"""Rate decks: read whole or not at all, looked up by the longest prefix, then the latest date."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import decks, tables
from connector.core.money import decimal
from connector.core.rating import NEVER, Rate, increments
from connector.core.times import from_asterisk
from connector.errors import BadInput

HEAD = "prefix,name,price_per_minute,connection_fee,increments,valid_from,kind\n"
DECK = decks.parse(
    HEAD
    + """\
# a comment
44,UK,0.010,0,30/6,2026-01-01,standard
+44,UK dearer,0.020,0,30/6,2026-07-01T12:00:00Z,standard
447,UK mobile,0.050,0,30/6,2026-01-01,standard
4477,UK mobile later,0.070,0,30/6,2027-01-01,standard
449,UK premium,1.5,0.5,60/60,2026-01-01,premium
"""
)


@pytest.mark.parametrize("line", """
+442079460001 2026-02-01T00:00:00 -> UK
+442079460001 2026-07-01T11:59:59 -> UK
+442079460001 2026-07-01T12:00:00 -> UK dearer
+447700900123 2026-02-01T00:00:00 -> UK mobile
+447700900123 2027-02-01T00:00:00 -> UK mobile later
+449012345678 2026-02-01T00:00:00 -> UK premium
+442079460001 2025-02-01T00:00:00 -> none
+331234567890 2026-02-01T00:00:00 -> none
""".strip().splitlines())  # fmt: skip
def test_the_longest_prefix_then_the_latest_date(line: str) -> None:
    """A longer prefix that is not valid yet does not hide a shorter one that is."""
    asked, name = line.split(" -> ")
    number, at = asked.split()
    found = DECK.rate(number, from_asterisk(f"{at}.000+0000"))
    assert (found.name if found else "none") == name


@pytest.mark.parametrize("line", """
44,UK,NaN,0,30/6,2026-01-01,standard         -> line 2: Invalid amount 'NaN' for the price per minute
44,UK,-0.01,0,30/6,2026-01-01,standard       -> line 2: Invalid amount '-0.01' for the price per minute
44,UK,1e309,0,30/6,2026-01-01,standard       -> line 2: Invalid amount '1e309' for the price per minute
44,UK,0.0000001,0,30/6,2026-01-01,standard   -> line 2: Invalid amount '0.0000001' for the price per minute
44,UK,1001,0,30/6,2026-01-01,standard        -> is above 1000.00
044,UK,0.01,0,30/6,2026-01-01,standard       -> line 2: Invalid prefix '044'
٤٤,UK,0.01,0,30/6,2026-01-01,standard        -> Invalid prefix
44x,UK,0.01,0,30/6,2026-01-01,standard       -> Invalid prefix
44,,0.01,0,30/6,2026-01-01,standard          -> Use 1 to 80 printable characters
44,UK,0.01,0,30/7/2,2026-01-01,standard      -> increments '30/7/2'
44,UK,0.01,0,30/6,2026-02-30,standard        -> Invalid date '2026-02-30'
44,UK,0.01,0,30/6,yesterday,standard         -> Invalid date 'yesterday'
44,UK,0.01,0,30/6,2026-01-01,cheap           -> Invalid kind 'cheap'
44,UK,0.01                                   -> line 2: the number of cells differs
44,UK,0.01,0,30/6,2026-01-01,standard,more   -> line 2: the number of cells differs
44,"UK,0.01,0,30/6,2026-01-01,standard       -> line 2: unexpected end of data
""".strip().splitlines())  # fmt: skip
def test_a_wrong_row_is_named_with_its_line(line: str) -> None:
    """Nothing is taken, and the message says where and what."""
    row, said = (part.strip() for part in line.split("->"))
    with pytest.raises(BadInput) as error:
        decks.parse(HEAD + row + "\n")
    assert said in str(error.value)
    assert str(error.value).startswith("Could not load the rate deck")


def test_several_wrong_rows_are_all_counted() -> None:
    """Twenty are told, the rest are counted; the same prefix from the same date twice is wrong too."""
    with pytest.raises(BadInput, match=r"line 2: .*line 21: .*; and 80 more lines"):
        decks.parse(HEAD + "44,UK,x,0,30/6,2026-01-01,standard\n" * 100)
    with pytest.raises(BadInput, match="line 3: \\+44 with the same date is already in line 2"):
        decks.parse(HEAD + "44,UK,1,0,30/6,2026-01-01,standard\n" * 2)


NO_DECKS = [
    "",
    "\n",
    "prefix,name\n44,UK\n",
    HEAD,
    HEAD.replace("kind", "colour") + "44,UK,1,0,30/6,2026-01-01,x\n",
    "prefix,prefix,name,price_per_minute\n",
    HEAD + "44,U\0K,1,0,30/6,2026-01-01,standard\n",
]


@pytest.mark.parametrize("text", NO_DECKS)
def test_a_file_that_is_no_deck_is_refused(text: str) -> None:
    """No header, no rates, a strange column, a NUL."""
    with pytest.raises(BadInput, match="Could not load"):
        decks.parse(text)


def test_200_000_prefixes_are_read_in_seconds_and_found_in_microseconds() -> None:
    """And a broken line 150,000 of them is found, and nothing taken."""
    lines = [HEAD] + [
        f"{10_000_000 + n},Place {n % 700},0.0{n % 97 + 1},0,30/6,2026-01-01,standard\n" for n in range(200_000)
    ]
    began = time.process_time()
    deck = decks.parse("".join(lines))
    assert len(deck) == 200_000
    assert time.process_time() - began < 15
    began = time.process_time()
    assert all(deck.rate(f"+{10_000_000 + n}1234", 1_795_000_000_000) for n in range(0, 200_000, 10))
    assert (time.process_time() - began) / 20_000 < 0.000_1
    lines[149_999] = "10000000x,broken,0.01,0,30/6,2026-01-01,standard\n"
    with pytest.raises(BadInput, match="line 150000: Invalid prefix '10000000x'"):
        decks.parse("".join(lines))


def test_the_difference_to_the_deck_in_use() -> None:
    """What is new, gone, dearer, cheaper."""
    at = from_asterisk("2026-11-22T00:00:00.000+0000")
    new = decks.parse("prefix,name,price_per_minute\n44,UK dearer,0.03\n447,UK mobile,0.01\n33,France,0.02\n")
    got = decks.difference(DECK, new, at)
    assert (got.added, got.removed, got.dearer, got.cheaper, got.otherwise_changed, got.same) == (1, 1, 1, 1, 0, 0)
    assert "+44 UK dearer: 0.02 -> 0.03" in got.examples
    assert decks.difference(None, new, at).added == 3
    assert decks.difference(DECK, DECK, at).same == 3


AT = from_asterisk("2026-11-28T12:00:00.000+0000")
OLD = decks.parse("prefix,name,price_per_minute\n44,UK,0.010\n447,UK mobile,0.050\n33,France,0.020\n")


# sheet (rows by " / ") | mode | number at a day -> price per minute, "none" for no rate
@pytest.mark.parametrize("line", """
447,mobile,0.060,2026-12-15              | update | 447 2026-11-28 -> 0.05
447,mobile,0.060,2026-12-15              | update | 447 2026-12-14 -> 0.05
447,mobile,0.060,2026-12-15              | update | 447 2026-12-15 -> 0.06
447,mobile,0.060,2026-12-15              | update | 44  2026-12-15 -> 0.01
447,mobile,0.060,2026-12-15              | update | 33  2027-12-15 -> 0.02
447,mobile,0.060,2026-12-15              | full   | 447 2026-12-14 -> 0.05
447,mobile,0.060,2026-12-15              | full   | 447 2026-12-15 -> 0.06
447,mobile,0.060,2026-12-15              | full   | 33  2026-12-14 -> 0.02
447,mobile,0.060,2026-12-15              | full   | 33  2026-12-15 -> none
447,mobile,0.060,2026-12-15              | full   | 44  2026-12-15 -> none
447,mobile,0.060,                        | update | 447 2026-11-28 -> 0.06
447,mobile,0.060,                        | full   | 44  2026-11-28 -> none
447,mobile,0.060,2026-01-01              | update | 447 2026-11-28 -> 0.06
447,mobile,0.060,2026-01-01 / 447,mobile,0.07,2026-12-15 | full | 447 2026-12-16 -> 0.07
44,UK,0.008,2026-06-01 / 44,UK,0.009,2026-12-15 | full | 44 2026-11-28 -> 0.008
4471,O2,0.070,2026-12-15                 | update | 4471 2026-12-14 -> 0.05
4471,O2,0.070,2026-12-15                 | update | 4471 2026-12-15 -> 0.07
49,Germany,0.03, / 447,mobile,0.06,2026-12-15 | full | 33 2026-11-28 -> none
44,UK,0.008, / 44,UK,0.009,2026-12-15    | update | 44  2026-12-14 -> 0.008
44,UK,0.008, / 44,UK,0.009,2026-12-15    | update | 44  2026-12-15 -> 0.009
""".strip().splitlines())  # fmt: skip
def test_a_sheet_changes_what_it_names_when_it_says(line: str) -> None:
    """Rule 13: later dates change nothing today, what a sheet does not name stays, or with `full` ends at its date; and
    what ends gives way to the shorter prefix, if that has a rate.
    """
    rows, mode, wanted = (part.strip() for part in line.split("|"))
    sheet = decks.parse("prefix,name,price_per_minute,valid_from\n" + rows.replace(" / ", "\n") + "\n")
    made = decks.merged(OLD, sheet, AT, mode)
    asked, price = wanted.split(" -> ")
    prefix, day = asked.split()
    found = made.rate(f"+{prefix}0000000", from_asterisk(f"{day}T12:00:00.000+0000"))
    assert (decimal(found.price_per_minute_micros) if found else "none") == price
    again = decks.parse(decks.written(made))
    assert again.by_prefix == made.by_prefix


def price_of(deck: decks.RateDeck, prefix: str, at: int) -> int | None:
    """A price a minute, in micros; None for no rate."""
    found = deck.rate(f"+{prefix}0000000", at)
    return found.price_per_minute_micros if found is not None else None


@pytest.mark.parametrize("mode", ["update", "full"])
def test_what_is_loaded_last_counts_whatever_its_date(mode: str) -> None:
    """A sheet that is dated back, to the contract, replaces a rate that was loaded later than that date; a second time
    it changes nothing.
    """
    head = "prefix,name,price_per_minute,valid_from\n"
    loaded = decks.merged(OLD, decks.parse(head + "44,UK,0.02,\n447,m,0.09,\n33,F,0.02,\n"), AT, mode)
    dated = decks.parse(head + "44,UK,0.05,2026-01-01\n447,m,0.09,2026-01-01\n33,F,0.02,2026-01-01\n")
    later = AT + 86_400_000
    made = decks.merged(loaded, dated, later, mode)
    assert [price_of(made, prefix, later) for prefix in ("44", "447", "33")] == [50_000, 90_000, 20_000]
    assert made.by_prefix["+447"] == loaded.by_prefix["+447"]
    assert made.by_prefix["+33"] == loaded.by_prefix["+33"]
    assert decks.merged(made, dated, later + 1_000, mode).by_prefix == made.by_prefix


@pytest.mark.parametrize(("mode", "price"), [("update", 10_000), ("full", None)])
def test_a_rate_that_has_ended_is_passed_over(mode: str, price: int | None) -> None:
    """Carriers leave last year's rows in their sheets; a complete sheet with nothing else for a prefix ends it."""
    sheet = decks.parse(
        "prefix,name,price_per_minute,valid_from,valid_to\n44,UK,0.5,2025-01-01,2025-12-31\n33,F,0.03,,\n"
    )
    made = decks.merged(OLD, sheet, AT, mode)
    assert price_of(made, "44", AT) == price
    assert price_of(made, "33", AT) == 30_000


def test_a_rate_that_ended_comes_back() -> None:
    """Also by a row that is dated back to before the end."""
    ends = decks.parse("prefix,name,price_per_minute,valid_from,valid_to\n44,UK,0.02,2026-11-01,2026-11-20\n")
    old = decks.merged(None, ends, AT, "update")
    assert price_of(old, "44", AT) is None
    again = decks.parse("prefix,name,price_per_minute,valid_from\n44,UK,0.02,2026-01-01\n")
    assert price_of(decks.merged(old, again, AT, "update"), "44", AT) == 20_000


def test_what_ends_is_named() -> None:
    """With its date; a prefix that goes on is not among them, and neither is one that had ended before."""
    sheet = decks.parse("prefix,name,price_per_minute,valid_from\n447,mobile,0.06,2026-12-15\n")
    full = decks.merged(OLD, sheet, AT, "full")
    date = from_asterisk("2026-12-15T00:00:00.000+0000")
    found = decks.ended(OLD, full, AT)
    assert [(each.prefix, each.name, each.at) for each in found] == [("+33", "France", date), ("+44", "UK", date)]
    assert decks.ended(OLD, decks.merged(OLD, sheet, AT, "update"), AT) == ()
    assert decks.ended(full, decks.merged(full, sheet, AT, "full"), date) == ()
    assert decks.ended(None, OLD, AT) == ()


def test_what_nobody_can_be_charged_by_is_left_out() -> None:
    """A deck does not grow with every sheet that is loaded."""
    sheet = decks.parse("prefix,name,price_per_minute\n44,UK,0.011\n")
    made = decks.merged(OLD, sheet, AT, "update")
    for later in range(1, 20):
        made = decks.merged(made, sheet, AT + later * 1000, "update")
    assert len(made) == 3


# the file -> what is said of it; each line is one that somebody sent (bytes as in Python)
@pytest.mark.parametrize("line", [
    r"44;United Kingdom;0.0120;1;1\n -> its cells are separated by ';'",
    r"prefix;name;price_per_minute\r\n44;UK;0,01\r\n -> its cells are separated by ';'",
    r"sep=,\nprefix,name\n44,UK\n -> missing: price_per_minute",
    r"sep=;\r\nprefix;name;price_per_minute\r\n -> its cells are separated by ';'",
    r"prefix\tname\tprice_per_minute\n44\tUK\t0.01\n -> its cells are separated by a tab",
    r"code,duration,increment\n1,6,6\n -> missing: prefix, name, price_per_minute; not understood: code, duration",
    r"prefix,name,price_per_minute,country\n44,UK,0.01,GB\n -> not understood: country",
    r"prefix,name,name,price_per_minute\n44,UK,UK,0.01\n -> given twice: name",
    r"PK\x03\x04xl -> is a broken workbook, or another zip file",
    r"\xd0\xcf\x11\xe0\xa1 -> is an Excel workbook of the old kind",
    r"prefix,name,price_per_minute\n43,\x81sterreich,0.01\n -> is not a text: line 2 has the byte 0x81",
    r"prefix,name,price_per_minute\n44,UK,n/a\n -> line 2: Invalid amount 'n/a'",
    r"prefix,name,price_per_minute\n4.47E+11,UK,0.01\n -> line 2: Invalid prefix '4.47E+11'",
    r"prefix,name,price_per_minute\n44,UK,1.2E-02\n -> line 2: Invalid amount '1.2E-02'",
    r"prefix,name,price_per_minute\n1,US,0.0023456789\n -> line 2: Invalid amount '0.0023456789'",
    "prefix,name,price_per_minute\\n44,U\u2028K,0.01\\n447,x,x\\n -> line 2: Invalid name 'U\\u2028K'",
    "prefix,name,price_per_minute\\n44,U\x0cK,0.01\\n447,x,x\\n -> line 3: Invalid amount 'x'",
    r"\n -> it is empty. The first line names the columns: prefix",
])  # fmt: skip
def test_a_file_that_cannot_be_taken_says_why(line: str) -> None:
    """What was found, what is missing, what to do; and the right line."""
    written, said = line.rsplit(" -> ", 1)
    raw = written.replace(r"\n", "\n").replace(r"\r", "\r").replace(r"\t", "\t")
    data = raw.encode()
    for code in ("xff", "xfe", "xd0", "xcf", "x11", "xe0", "xa1", "x03", "x04", "x81"):
        data = data.replace(f"\\{code}".encode(), bytes([int(code[1:], 16)]))
    with pytest.raises(BadInput) as error:
        decks.parse(tables.decoded(data, "rates.csv"))
    assert said in str(error.value), str(error.value)


@pytest.mark.parametrize("text", [
    "\ufeffprefix,name,price_per_minute\r\n44,UK,0.0120\r\n,,\r\n,,\r\n",
    "prefix,name,price_per_minute,\r\n44,UK,0.0120,\r\n",
    "prefix,name,price_per_minute\n\n44,UK,0.0120\n  ,\t,\n",
    "Prefix , NAME,price_per_minute\n44,UK,0.0120000000\n",
    "prefix,name,price_per_minute\n44,UK,.012\n",
    "prefix,name,price_per_minute\n44,UK,0.0120,,\n",
])  # fmt: skip
def test_what_spreadsheets_write_is_taken(text: str) -> None:
    """Empty rows, empty cells at the end, a byte order mark, zeros behind the sixth digit."""
    (rate,) = decks.parse(text).by_prefix["+44"]
    assert (rate.name, rate.price_per_minute_micros) == ("UK", 12_000)


PREFIXES = st.text("0149", min_size=0, max_size=14).map(lambda rest: "+4" + rest)
RATES = st.builds(
    Rate,
    prefix=PREFIXES,
    name=st.text('aü,"; ', min_size=1, max_size=8),
    price_per_minute_micros=st.integers(0, 2_000_000),
    connection_fee_micros=st.just(0),
    increments=st.sampled_from((increments("30/6"), increments("60/60"))),
    valid_from=st.integers(0, 9).map(lambda day: day * 86_400_000),
    kind=st.just("standard"),
    valid_to=st.sampled_from((NEVER, 10 * 86_400_000)),
)
NUMBERS = st.text("0149", min_size=1, max_size=15)


@given(st.lists(RATES, max_size=30, unique_by=lambda rate: (rate.prefix, rate.valid_from)), st.lists(NUMBERS))
def test_a_packed_deck_rates_as_the_deck_does(rates: list[Rate], numbers: list[str]) -> None:
    """Any number at any time, of any deck, and also what is not a number."""
    made = decks.RateDeck(rates)
    packed = decks.PackedDeck(decks.written(made))
    assert len(packed) == len(made)
    for called in [*(f"+{digits}" for digits in numbers), *(rate.prefix + "1" for rate in rates), "", "+", "44", "+4x"]:
        for at in (0, 86_400_000 * 5, 86_400_000 * 11):
            assert packed.rate(called, at) == made.rate(called, at), called


def test_a_long_deck_is_read_with_pauses() -> None:
    """One after each 250 lines: the gate's event loop gets its turn."""
    line = "+{},Somewhere,0.010000,0.000000,60/60,2026-01-01,standard,\n"
    made = decks.parse(HEAD + "".join(line.format(4410000 + number) for number in range(2_500)))
    pauses: list[int] = []
    assert len(decks.PackedDeck(decks.written(made), lambda: pauses.append(1))) == 2_500
    assert len(pauses) == 10


@pytest.mark.parametrize("text", [
    HEAD + "44,UK,0.010,0,30/6,2026-01-01,standard\n",
    decks.written(DECK).replace("+447,", "+41,"),
    decks.written(DECK).rstrip("\n"),
])  # fmt: skip
def test_a_deck_that_an_earlier_version_wrote_is_read(text: str) -> None:
    """Other columns, another order, or no end of the last line: it is read as a sheet is."""
    with pytest.raises(ValueError, match=r"deck|found"):
        decks.PackedDeck(text)
    found = decks.packed(text)
    assert found.rate("+442079460001", AT) == decks.parse(text).rate("+442079460001", AT)


def test_a_stored_deck_is_read_as_a_sheet_of_ours() -> None:
    """Line by line the same, and a line that is wrong is refused."""
    text = decks.written(DECK)
    assert decks.stored(text).by_prefix == decks.parse(text).by_prefix == DECK.by_prefix
    first = text.splitlines()[1]
    for wrong in (
        first.replace("+44", "44x", 1),
        first.replace('"UK', '"U\x07K', 1),
        first.replace("30/6", "0/7", 1),
        first.replace("standard", "cheap", 1),
        first + ",more",
        first[:-20],
        first.replace('"UK', '"' + "U" * 81, 1),
    ):
        with pytest.raises(BadInput, match=r"Could not load the rate deck|Invalid|increments"):
            decks.stored(text.replace(first, wrong))
    with pytest.raises(BadInput, match="twice"):
        decks.stored(text + first + "\n")
