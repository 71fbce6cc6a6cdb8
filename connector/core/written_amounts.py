"""Amounts as people and spreadsheets write them: `£1,000.50`, `0,0089 €`, `1.2E-02`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from connector.words import marked

# The signs, and the currencies that each may be.
SIGNS = {"£": ("GBP", "GIP", "FKP", "SHP"), "€": ("EUR",), "¥": ("JPY", "CNY"), "₹": ("INR",), "₽": ("RUB",)}
_DOLLARS = "USD AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD XCD MXN CLP COP".split()
SIGNS["$"] = tuple(_DOLLARS)
MARKS = ("comma", "point")
DECIMAL_MARK = marked("Do prices have a comma or a point before their decimals?")
_COMMA = re.compile(r"[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0?,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_POINT = re.compile(r"[0-9]*\.(?:[0-9]{1,2}|[0-9]{4,})|0?\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+")
_EITHER = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_LONGEST = 60  # of a cell: longer ones are none, and would take long to search
_SIGN = "[£€$¥₹₽]"


def mark_of(cells: Mapping[str, int]) -> tuple[str, tuple[int, ...]]:
    """What stands before decimals in different cells, each with its line: one of `MARKS`. "" if they contradict each
    other or could be read both ways, and lines that show it.
    """
    commas, points, unclear = [], [], []
    for cell, line in cells.items():
        digits = re.sub(r"[^0-9.,eE+-]", "", cell)
        if _COMMA.fullmatch(digits):
            commas.append(line)
        elif _POINT.fullmatch(digits):
            points.append(line)
        elif _EITHER.fullmatch(digits):
            unclear.append(line)
    if (commas and points) or (unclear and not commas and not points):
        return "", tuple(sorted([*commas[:3], *points[:3], *unclear[:3]]))
    return ("comma" if commas else "point"), ()


def value_of(text: str, mark: str) -> Decimal:
    """The amount that a cell has, without its currency; `mark`: what stands before decimals, `comma` or `point`.
    ValueError if it is none, or below 0.
    """
    if len(text) > _LONGEST:
        raise ValueError(text[:_LONGEST])
    cents = text.endswith("¢")
    around = rf"(?:[A-Za-z]{{3}}|[A-Za-z]{{0,3}}{_SIGN})"
    bare = re.sub(rf"^{around}\s*|\s*(?:/\s*min(?:ute)?|{around}|¢)$", "", text)
    bare = re.sub(rf"\s*{around}$", "", bare).replace("\u00a0", " ")
    whole, point = (".", ",") if mark == "comma" else (",", ".")
    grouping = rf"[1-9][0-9]{{0,2}}(?:[{whole} '][0-9]{{3}})+"
    number = rf"(?:{grouping}|[0-9]{{0,12}})(?:[{point}][0-9]{{0,18}})?(?:[eE][+-]?[0-9]{{1,2}})?"
    if not bare.isascii() or not re.fullmatch(number, bare) or not re.search("[0-9]", bare):
        raise ValueError(text)
    try:
        value = Decimal(re.sub(rf"[{whole} ']", "", bare).replace(point, "."))
        return value / 100 if cents else value
    except InvalidOperation:
        raise ValueError(text) from None
