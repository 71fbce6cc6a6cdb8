"""Rate decks: read whole or not at all, looked up by the longest prefix, then the latest date."""

from __future__ import annotations

import time

import pytest

from connector.core import decks
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
44,UK,NaN,0,30/6,2026-01-01,standard         -> line 2: the price per minute 'NaN'
44,UK,-0.01,0,30/6,2026-01-01,standard       -> line 2: the price per minute '-0.01'
44,UK,1e309,0,30/6,2026-01-01,standard       -> line 2: the price per minute '1e309'
44,UK,0.0000001,0,30/6,2026-01-01,standard   -> line 2: the price per minute '0.0000001'
44,UK,1001,0,30/6,2026-01-01,standard        -> is above 1000.00
044,UK,0.01,0,30/6,2026-01-01,standard       -> line 2: '044' is no prefix
٤٤,UK,0.01,0,30/6,2026-01-01,standard        -> is no prefix
44x,UK,0.01,0,30/6,2026-01-01,standard       -> is no prefix
44,,0.01,0,30/6,2026-01-01,standard          -> a name has 1 to 80
44,UK,0.01,0,30/7/2,2026-01-01,standard      -> increments '30/7/2'
44,UK,0.01,0,30/6,2026-02-30,standard        -> '2026-02-30' is no date
44,UK,0.01,0,30/6,yesterday,standard         -> 'yesterday' is no date
44,UK,0.01,0,30/6,2026-01-01,cheap           -> kind 'cheap' is none of
44,UK,0.01                                   -> line 2: it does not have as many cells
44,UK,0.01,0,30/6,2026-01-01,standard,more   -> line 2: it does not have as many cells
44,"UK,0.01,0,30/6,2026-01-01,standard       -> line 2: unexpected end of data
""".strip().splitlines())  # fmt: skip
def test_a_wrong_row_is_named_with_its_line(line: str) -> None:
    """Nothing is taken, and the message says where and what."""
    row, said = (part.strip() for part in line.split("->"))
    with pytest.raises(BadInput) as error:
        decks.parse(HEAD + row + "\n")
    assert said in str(error.value)
    assert str(error.value).startswith("the rate deck was not taken")


def test_several_wrong_rows_are_all_counted() -> None:
    """Twenty are told, the rest are counted; the same prefix from the same date twice is wrong too."""
    with pytest.raises(BadInput, match=r"line 2: .*line 21: .*; and 80 more lines"):
        decks.parse(HEAD + "44,UK,x,0,30/6,2026-01-01,standard\n" * 100)
    with pytest.raises(BadInput, match="line 3: \\+44 from the same date stands in line 2 already"):
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
    with pytest.raises(BadInput, match="was not taken"):
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
    with pytest.raises(BadInput, match="line 150000: '10000000x' is no prefix"):
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
