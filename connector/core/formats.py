"""How sums of money are written for people, and read as people type them. Programs get micros (core/money.py)."""

from __future__ import annotations

import re
from decimal import Decimal

from babel.numbers import format_currency, get_currency_symbol

from connector.core.money import MICROS, minor_digits
from connector.errors import BadInput

LOCALE = "en_GB"
# Three digits a group, between them a comma, a space or an apostrophe, always the same one; a point before decimals.
_GROUPED = re.compile(r"[0-9]{1,3}(?:([,' \u00a0\u202f\u2019])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]*)?")
_MOST_LENGTH = 60


def counted(count: int, thing: str) -> str:
    """So many things in words: `1 channel`, `1,200 channels`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def shown(micros: int, currency: str) -> str:
    """A sum, exactly: `£1,877.44`, `£0.0132`."""
    return format_currency(Decimal(micros) / MICROS, currency, locale=LOCALE, decimal_quantization=False)


def rounded(micros: int, currency: str) -> str:
    """A sum to the currency's smallest coin: `£4,999.99`. One of less than a unit is exact."""
    if -MICROS < micros < MICROS:
        return shown(micros, currency)
    return format_currency(Decimal(micros) / MICROS, currency, locale=LOCALE)


def typed(text: str, currency: str) -> str:
    """What somebody typed as a sum in a currency, as plain digits: `£1,000.50` and `1 000.50 GBP` as `1000.50`.

    Text that is not a sum is returned as it is, for core/money.py to refuse. BadInput for another currency's sign, and
    for a comma that may be the decimal one.
    """
    found = text.strip()
    if len(found) > _MOST_LENGTH or not currency:
        return text
    for sign in _signs(currency):
        if found.upper().startswith(sign):
            found = found[len(sign) :].strip()
            break
        if found.upper().endswith(sign):
            found = found[: -len(sign)].strip()
            break
    else:
        other = re.search(r"[^\W\d_]{3}|[^\x00-\x7f\u00a0\u202f\u2019\d]", found)
        if other and re.search("[0-9]", found):
            raise BadInput(f"Invalid amount {text.strip()!r}. The company's currency is {currency}.")
    grouped = _GROUPED.fullmatch(found)
    if grouped:
        return found.replace(grouped.group(1), "")
    if re.fullmatch(r"[0-9.,]*,[0-9]*", found):
        digits = minor_digits(currency)
        example = shown(1_000_500_000 if digits else 1_000_000_000, currency)
        raise BadInput(f"Invalid amount {text.strip()!r}. Use a point before decimals, as in {example}.")
    return found


def _signs(currency: str) -> list[str]:
    """How people write a currency, the longest first: USD, US$ and $."""
    symbol = get_currency_symbol(currency, locale=LOCALE)
    return sorted({currency, symbol, symbol.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")} - {""}, key=len, reverse=True)
