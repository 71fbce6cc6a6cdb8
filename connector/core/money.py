"""Money in integers of 10^-6 of a currency (micros), and seconds of bundles beside it. Rounding happens here only."""

from __future__ import annotations

import re

from connector.errors import BadInput

MICROS = 1_000_000
# A thousand million of the currency in one movement. Sums of them stay far below the 64 bits of a database's integer.
MOST_MICROS = 1_000_000_000 * MICROS
# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
_AMOUNT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,6}))?")


def divided_half_up(number: int, by: int) -> int:
    """`number / by`, rounded half up. `number` is not negative, `by` is positive."""
    return (2 * number + by) // (2 * by)


def checked_currency(code: str) -> str:
    """An ISO 4217 code as it was given; BadInput if it is not three capital letters."""
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise BadInput(f"{code!r} is no currency: three capital letters, as in GBP")
    return code


def minor_digits(currency: str) -> int:
    """How many digits the currency has after its point: 2 for GBP, 0 for JPY."""
    return _MINOR_DIGITS.get(currency, 2)


def minor_unit(currency: str) -> int:
    """The smallest coin of the currency, in micros: 10,000 for GBP."""
    return int(10 ** (6 - minor_digits(currency)))


def amount(text: str, what: str = "the amount", *, zero: bool = False) -> int:
    """`12.50` in micros. BadInput unless it is plain decimal digits, more than nothing, at most 10^9, to 10^-6."""
    found = _AMOUNT.fullmatch(text.strip())
    micros = int(found.group(1)) * MICROS + int((found.group(2) or "").ljust(6, "0")) if found else -1
    if not (0 if zero else 1) <= micros <= MOST_MICROS:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise BadInput(
            f"{what} {shown!r} is no sum of money: digits, at most six of them after the point,"
            f" {'' if zero else 'more than nothing, '}at most 1000000000"
        )
    return micros


def decimal(micros: int, digits: int = 2) -> str:
    """Micros as `12.50`: at least `digits` after the point, and as many as it takes to be exact."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    fraction = f"{whole % MICROS:06d}"
    kept = fraction.rstrip("0").ljust(digits, "0")
    return f"{sign}{whole // MICROS}.{kept}" if kept else f"{sign}{whole // MICROS}"


def shown(micros: int, currency: str) -> str:
    """Micros for a person: `12.50 GBP`."""
    return f"{decimal(micros, minor_digits(currency))} {currency}"
