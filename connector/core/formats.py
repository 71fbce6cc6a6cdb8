"""How sums of money are written for people, and read as people type them. Programs get micros (core/money.py)."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_symbol, get_decimal_symbol

from connector.core.money import MICROS, decimal, minor_digits
from connector.errors import BadInput
from connector.words import LANGUAGE, LOCALES, USUAL, Words, locale

# Of CLDR, not of ISO 3166: unions, tests, parts of countries, what is unknown.
_NO_COUNTRY = frozenset("AC CP CQ DG EA EU EZ IC QO TA UN XA XB XK ZZ".split())
# Three digits a group, between them a comma, a space or an apostrophe, always the same one; a point before decimals.
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([,' \u00a0\u202f\u2019])[0-9]{3}(?:\1[0-9]{3})*(?:\.[0-9]*)?")
# A comma before decimals, or one that may be that: 1,5 and 1,250.
_DECIMAL_COMMA = re.compile(r"[0-9.,]*,[0-9]*")
_MOST_LENGTH = 60
_SWAPPED = str.maketrans(".,", ",.")


def counted(count: int, thing: str) -> str:
    """So many things, in a text that is kept: `1 channel`, `1,200 channels`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


class Sum(Words):
    """A sum as it is kept in texts, and as it is shown to a reader of another language."""

    _micros: int
    _currency: str
    _to_the_coin: bool

    def translated(self) -> str:
        """In the reader's language: in German `1.877,44 £`."""
        written = _rounded if self._to_the_coin else _exact
        return written(self._micros, self._currency, locale())


@lru_cache(maxsize=4096)  # a page of a thousand profiles shows the same few sums five thousand times
def shown(micros: int, currency: str) -> Sum:
    """A sum, exactly: `£1,877.44`, `£0.0132`."""
    return _sum(_exact(micros, currency, LOCALES[USUAL]), micros, currency, to_the_coin=False)


@lru_cache(maxsize=4096)
def rounded(micros: int, currency: str) -> Sum:
    """A sum to the currency's smallest coin: `£4,999.99`. One of less than a unit is exact."""
    return _sum(_rounded(micros, currency, LOCALES[USUAL]), micros, currency, to_the_coin=True)


def _sum(text: str, micros: int, currency: str, *, to_the_coin: bool) -> Sum:
    made = Sum(text)
    made._micros, made._currency, made._to_the_coin = micros, currency, to_the_coin
    return made


@lru_cache(maxsize=4096)
def _exact(micros: int, currency: str, where: str) -> str:
    return _written(Decimal(micros) / MICROS, currency, where)


@lru_cache(maxsize=4096)
def _rounded(micros: int, currency: str, where: str) -> str:
    if -MICROS < micros < MICROS:
        return _exact(micros, currency, where)
    coin = Decimal(1).scaleb(-minor_digits(currency))
    return _written((Decimal(micros) / MICROS).quantize(coin, ROUND_HALF_UP), currency, where)


def number(text: str) -> str:
    """A decimal number as the reader's language writes it: `0.7893`, in German `0,7893`."""
    return str(format_decimal(Decimal(text), "#,##0.#########", locale=locale()))


def field(micros: int | None, currency: str) -> str:
    """A sum as it stands in a field, where somebody may change it: `1000.50`, in German `1000,50`; "" for none."""
    if micros is None:
        return ""
    return decimal(micros, minor_digits(currency)).replace(".", _point(locale()))


class Day(Words):
    """A day as it is kept in texts, and as it is shown to a reader of another language."""

    _found: date

    def translated(self) -> str:
        """In the reader's language: in German `30. November 2026`."""
        return str(self) if LANGUAGE.get() == USUAL else format_date(self._found, "long", locale=locale())


def day(text: str) -> Day:
    """A day, `2026-11-30`, as people write it: `30 November 2026`."""
    found = date.fromisoformat(text)
    made = Day(format_date(found, "d MMMM yyyy", locale=LOCALES[USUAL]))
    made._found = found
    return made


@cache
def countries(where: str = LOCALES[USUAL]) -> dict[str, str]:
    """The countries of ISO 3166 by their two letters, with their names in the language of a locale."""
    named = Locale.parse(where).territories
    return {code: name for code, name in named.items() if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY}


def sign(currency: str) -> str:
    """What stands beside a sum: `£`, `US$`, `CHF`."""
    return get_currency_symbol(currency, locale=locale())


def pattern(currency: str) -> str:
    """How a sum is written, with # for its digits: `£#`, in German `# £`."""
    return re.sub(r"[0-9.,]+", "#", _written(Decimal(0), currency, locale()), count=1)


def typed(text: str, currency: str, *, price: bool = False) -> str:
    """What somebody typed as a sum in a currency, as plain digits: `£1,000.50` and `1 000.50 GBP` as `1000.50`, and
    what a German types as `1.000,50` too.

    Text that is not a sum is returned as it is, for core/money.py to refuse. BadInput for another currency's sign, and
    for a comma that may be the decimal one: `1,5`, and `1,250` where the currency has three decimals, or of a `price`,
    which may have more decimals than the currency.
    """
    found = text.strip()
    if len(found) > _MOST_LENGTH or not currency:
        return text
    point = _point(locale())
    if point == ",":  # what stands between thousands and before decimals is the other way round
        found = found.translate(_SWAPPED)
    for each in _signs(currency, locale()):
        if found.upper().startswith(each):
            found = found[len(each) :].strip()
            break
        if found.upper().endswith(each):
            found = found[: -len(each)].strip()
            break
    else:
        other = re.search(r"[^\W\d_]{3}|[^\x00-\x7f\u00a0\u202f\u2019\d]", found)
        if other and re.search("[0-9]", found):
            raise BadInput(
                "Invalid amount {given!r}. The company's currency is {currency}.", given=text.strip(), currency=currency
            )
    grouped = _GROUPED.fullmatch(found)
    if grouped and not _may_be_decimal(found, currency, price=price):
        return found.replace(grouped.group(1), "")
    if _DECIMAL_COMMA.fullmatch(found) and point == ",":
        raise BadInput(
            "Invalid amount {given!r}. Use a comma before decimals, as in 1000,50 or 1.000,50. Leave out a point that"
            " stands alone.",
            given=text.strip(),
        )
    if _DECIMAL_COMMA.fullmatch(found):
        raise BadInput(
            "Invalid amount {given!r}. Use a point before decimals, as in 1000.50 or 1,000.50. Leave out a comma that"
            " stands alone.",
            given=text.strip(),
        )
    return found


def _may_be_decimal(found: str, currency: str, *, price: bool) -> bool:
    """Whether the only comma may be meant as a point."""
    return found.count(",") == 1 and "." not in found and minor_digits(currency) > (0 if price else 2)


def _written(amount: Decimal, currency: str, where: str) -> str:
    """With as many digits as the currency has by ISO 4217, which banks use, and more if the amount has."""
    return format_currency(
        amount,
        currency,
        format=_pattern(minor_digits(currency), where),
        locale=where,
        currency_digits=False,
        decimal_quantization=False,
    )


@cache
def _point(where: str) -> str:
    """What stands before decimals."""
    return get_decimal_symbol(where)


@cache
def _pattern(digits: int, where: str) -> str:
    usual = Locale.parse(where).currency_formats["standard"].pattern
    return re.sub(r"0\.0+", "0" + ("." + "0" * digits if digits else ""), usual)


@cache
def _signs(currency: str, where: str) -> list[str]:
    """How people write a currency, the longest first, in capitals: USD, US$ and $."""
    symbol = get_currency_symbol(currency, locale=where).upper()
    return sorted({currency, symbol, symbol.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")} - {""}, key=len, reverse=True)
