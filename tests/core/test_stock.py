"""Numbers for sale, from lists in any layout."""

from __future__ import annotations

import pytest

from connector.core.money import MICROS, decimal
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
    with pytest.raises(BadInput, match="Which column is the monthly fee"):
        parse("number,colour\n+442079460110,red\n", "GBP")
    with pytest.raises(BadInput, match="it is empty"):
        parse("number,monthly_fee\n", "GBP")


# A list (lines by " / ") -> its numbers with their fees, or what is said of it
LISTS = """
DID,Country,Minute Cost(GBP),Setup Fee(GBP),Monthly Fee(GBP) / 442079460300,United Kingdom,0,0,6 -> +442079460300 6 GBP
Rufnummer;Monatspreis;Land / 0043 1 3176310;1,50;Österreich -> +4313176310 1.5 GBP
number,monthly_fee / '+442079460305,5.00 / , / , -> +442079460305 5 GBP
Number,Monthly Fee / +442079460320,£5.00 -> +442079460320 5 GBP
Numbers from us,, / DDI|MRC|NRC / +442079460320|5.00|10 -> +442079460320 5 GBP
number,fee,country,area_code / +390266307000,3,IT,02 / 0266307002,3,IT, -> +390266307000 3 GBP; +390266307002 3 GBP
number,monthly_fee,currency / +81312345678,500,JPY -> +81312345678 500 JPY
number,monthly_fee,currency / +81312345678,499.5,JPY -> line 2: Invalid amount 499.5 JPY
number,fee / +442079460320-+442079460322,5 -> +442079460320 5 GBP; +442079460321 5 GBP; +442079460322 5 GBP
number,fee,country / 020-7946-0320;020 7946 0321,5,GB -> +442079460320 5 GBP; +442079460321 5 GBP
number;fee / 442079460320.0;5 -> line 2: '442079460320' is not a number in international form
number,fee / +442079460320-+442079469320,5 -> line 2: '+442079460320-+442079469320' is not a range of 1 to 1000
number,fee / +442079460322 - +442079460320,5 -> line 2: '+442079460322 - +442079460320' is not a range
number,monthly_fee / 4.42079E+11,5.00 -> line 2: A spreadsheet has cut the digits of '4.42079E+11'
number,monthly_fee / +442079460320,$5.00 -> line 2: It is not clear which currency $ is
number,monthly_fee / +442079460320,"1,234" -> Do prices have a comma or a point
number,monthly_fee / +442079460320,5.1234567 -> line 2: Invalid amount '5.1234567'
number,monthly_fee / +442079460320,5.123 -> line 2: Invalid amount 5.123 GBP
"""


@pytest.mark.parametrize("line", LISTS.strip().splitlines())
def test_a_list_comes_in_any_layout(line: str) -> None:
    """Columns by their names in several languages, countries by theirs; what a spreadsheet has cut is not guessed."""
    text, expected = line.rsplit(" -> ", 1)
    try:
        found = parse("\n".join(text.split(" / ")) + "\n", "GBP")
        said = "; ".join(f"{each.e164} {decimal(each.fee_micros, 0)} {each.currency}" for each in found)
    except BadInput as error:
        said = str(error).removeprefix("Could not load the list of numbers: ")
        assert said.startswith(expected), said
        return
    assert said == expected


def test_a_column_can_be_named() -> None:
    """By its name, or by its number."""
    text = "number,colour,cost a\n+442079460320,red,5\n"
    for name in ("cost a", "3"):
        (found,) = parse(text, "GBP", {"column.monthly_fee": name})
        assert found.fee_micros == 5 * MICROS
