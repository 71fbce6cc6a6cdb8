"""How sums of money are written for people, and read as people type them. Programs get micros (core/money.py)."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_symbol

from connector.core.money import MICROS, minor_digits
from connector.errors import BadInput

LOCALE = "en_GB"
# Of CLDR, not of ISO 3166: unions, tests, parts of countries, what is unknown.
_NO_COUNTRY = frozenset("AC CP CQ DG EA EU EZ IC QO TA UN XA XB XK ZZ".split())
# Three digits a group, between them a comma, a space or an apostrophe, always the same one; a point before decimals.
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([,' \u00a0\u202f\u2019])[0-9]{3}(?:\1[0-9]{3})*(?:\.[0-9]*)?")
# A comma before decimals, or one that may be that: 1,5 and 1,250.
_DECIMAL_COMMA = re.compile(r"[0-9.,]*,[0-9]*")
_MOST_LENGTH = 60


def counted(count: int, thing: str) -> str:
    """So many things in words: `1 channel`, `1,200 channels`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


@lru_cache(maxsize=4096)  # a page of a thousand profiles shows the same few sums five thousand times
def shown(micros: int, currency: str) -> str:
    """A sum, exactly: `£1,877.44`, `£0.0132`."""
    return _written(Decimal(micros) / MICROS, currency)


@lru_cache(maxsize=4096)
def rounded(micros: int, currency: str) -> str:
    """A sum to the currency's smallest coin: `£4,999.99`. One of less than a unit is exact."""
    if -MICROS < micros < MICROS:
        return shown(micros, currency)
    coin = Decimal(1).scaleb(-minor_digits(currency))
    return _written((Decimal(micros) / MICROS).quantize(coin, ROUND_HALF_UP), currency)


def day(text: str) -> str:
    """A day, `2026-11-30`, as people write it: `30 November 2026`."""
    return format_date(date.fromisoformat(text), "d MMMM yyyy", locale=LOCALE)


@cache
def countries() -> dict[str, str]:
    """The countries of ISO 3166 by their two letters, with their names."""
    named = Locale.parse(LOCALE).territories
    return {code: name for code, name in named.items() if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY}


def sign(currency: str) -> str:
    """What stands before a sum: `£`, `US$`, `CHF`."""
    return get_currency_symbol(currency, locale=LOCALE)


def typed(text: str, currency: str) -> str:
    """What somebody typed as a sum in a currency, as plain digits: `£1,000.50` and `1 000.50 GBP` as `1000.50`.

    Text that is not a sum is returned as it is, for core/money.py to refuse. BadInput for another currency's sign, and
    for a comma that may be the decimal one: `1,5`, and `1,250` too.
    """
    found = text.strip()
    if len(found) > _MOST_LENGTH or not currency:
        return text
    for each in _signs(currency):
        if found.upper().startswith(each):
            found = found[len(each) :].strip()
            break
        if found.upper().endswith(each):
            found = found[: -len(each)].strip()
            break
    else:
        other = re.search(r"[^\W\d_]{3}|[^\x00-\x7f\u00a0\u202f\u2019\d]", found)
        if other and re.search("[0-9]", found):
            raise BadInput(f"Invalid amount {text.strip()!r}. The company's currency is {currency}.")
    grouped = _GROUPED.fullmatch(found)
    if grouped and not _may_be_decimal(found, currency):
        return found.replace(grouped.group(1), "")
    if _DECIMAL_COMMA.fullmatch(found):
        raise BadInput(
            f"Invalid amount {text.strip()!r}. Use a point before decimals; a comma between thousands needs decimals"
            " too: 1000 or 1,000.50."
        )
    return found


def _may_be_decimal(found: str, currency: str) -> bool:
    """Whether the only comma may be meant as a point."""
    return found.count(",") == 1 and "." not in found and minor_digits(currency) > 0


def _written(amount: Decimal, currency: str) -> str:
    """With as many digits as the currency has by ISO 4217, which banks use, and more if the amount has."""
    return format_currency(
        amount,
        currency,
        format=_pattern(minor_digits(currency)),
        locale=LOCALE,
        currency_digits=False,
        decimal_quantization=False,
    )


@cache
def _pattern(digits: int) -> str:
    usual = Locale.parse(LOCALE).currency_formats["standard"].pattern
    return re.sub(r"0\.0+", "0" + ("." + "0" * digits if digits else ""), usual)


@cache
def _signs(currency: str) -> list[str]:
    """How people write a currency, the longest first, in capitals: USD, US$ and $."""
    symbol = sign(currency).upper()
    return sorted({currency, symbol, symbol.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")} - {""}, key=len, reverse=True)
