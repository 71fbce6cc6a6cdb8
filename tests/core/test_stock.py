"""Numbers for sale, from CSV."""

from __future__ import annotations

import pytest

from connector.core.money import MICROS
from connector.core.stock import StockNumber, parse
from connector.errors import BadInput

SHEET = """\ufeff# London and New York
number,country,area_code,monthly_fee,currency
+442079460110,GB,020,2.50,
020 7946 0111,GB,,2.5,GBP
"+1 212 555 0123",US,212,3,USD
+390212345678,,,0,EUR
"""


def test_a_sheet_is_read_whole() -> None:
    """Numbers in any form of their country; area codes and countries that are not said are the numbering plan's."""
    assert parse(SHEET, "GBP") == [
        StockNumber("+442079460110", "GB", "20", 5 * MICROS // 2, "GBP"),
        StockNumber("+442079460111", "GB", "20", 5 * MICROS // 2, "GBP"),
        StockNumber("+12125550123", "US", "212", 3 * MICROS, "USD"),
        StockNumber("+390212345678", "IT", "2", 0, "EUR"),
    ]


# a line | what is said of it
WRONG = """
02079460110,,20,1,GBP          | international form
+442079460110,US,20,1,GBP      | a number of GB, not of US
+442079460110,XX,20,1,GBP      | Invalid country
+442079460110,GB,2x,1,GBP      | Invalid area code
+442079460110,GB,20,-1,GBP     | Invalid amount '-1'
+442079460110,GB,20,20000,GBP  | is too high
+442079460110,GB,20,1,pounds   | is not a currency
+442079460110,GB,20            | number of cells differs
=1+1,GB,20,1,GBP               | is not a number
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_a_wrong_line_is_named_and_nothing_is_taken(line: str) -> None:
    """By its number, and why."""
    row, words = (cell.strip() for cell in line.split("|"))
    with pytest.raises(BadInput, match=f"line 2: .*{words}"):
        parse(f"number,country,area_code,monthly_fee,currency\n{row}\n", "GBP")


def test_a_number_stands_in_a_sheet_once() -> None:
    """However it is written."""
    with pytest.raises(BadInput, match="is already in line 2"):
        parse("number,country,monthly_fee\n+442079460110,GB,1\n020 7946 0110,GB,2\n", "GBP")
    with pytest.raises(BadInput, match="missing: monthly_fee; not understood: price"):
        parse("number,price\n", "GBP")
    with pytest.raises(BadInput, match="it is empty"):
        parse("number,monthly_fee\n", "GBP")
