"""Money in integers of 10^-6 of a currency (micros), and seconds of bundles beside it. Rounding happens here only."""

from __future__ import annotations

import re

from connector.errors import BadInput
from connector.words import marked, phrase

MICROS = 1_000_000
# A thousand million of the currency in one movement. Sums of them stay far below the 64 bits of a database's integer.
MOST_MICROS = 1_000_000_000 * MICROS
# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
# ISO 4217, list one, as of January 2026; without metals, funds and test codes.
_CURRENCIES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF"
    " CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD"
    " HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL"
    " LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP"
    " PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT"
    " TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
# Zeros behind the sixth digit change nothing, and carriers write them.
_AMOUNT = re.compile(r"(?=\.?[0-9])([0-9]{0,10})(?:\.([0-9]{1,6})0*)?")


def divided_half_up(number: int, by: int) -> int:
    """`number / by`, rounded half up. `number` is not negative, `by` is positive."""
    return (2 * number + by) // (2 * by)


def checked_currency(code: str) -> str:
    """A currency of ISO 4217, by its code. BadInput if it is not one of them."""
    if code not in _CURRENCIES:
        raise BadInput("{code!r} is not a currency. Use a code of ISO 4217, as in GBP.", code=code[:20])
    return code


def is_currency(code: str) -> bool:
    """Whether it is the code of a currency of ISO 4217."""
    return code in _CURRENCIES


def minor_digits(currency: str) -> int:
    """How many digits the currency has after its point: 2 for GBP, 0 for JPY."""
    return _MINOR_DIGITS.get(currency, 2)


def minor_unit(currency: str) -> int:
    """The smallest coin of the currency, in micros: 10,000 for GBP."""
    return int(10 ** (6 - minor_digits(currency)))


def amount(text: str, what: str = marked("the amount"), *, zero: bool = False) -> int:
    """`12.50` in micros; `.5` and `0.0040000000` are exact too. BadInput unless it is plain decimal digits, more than 0
    (or not less, with `zero`), at most 10^9, to 10^-6.
    """
    found = _AMOUNT.fullmatch(text.strip())
    micros = int(found.group(1) or 0) * MICROS + int((found.group(2) or "").ljust(6, "0")) if found else -1
    if not (0 if zero else 1) <= micros <= MOST_MICROS:
        given = text if len(text) <= 40 else text[:40] + "..."
        least = marked("0 or more") if zero else marked("above 0")
        raise BadInput(
            "Invalid amount {given!r} for {what}. Use a number {least}, at most 1,000,000,000,"
            " with at most 6 decimals behind a point.",
            given=given,
            what=what,
            least=least,
        )
    return micros


def payable(micros: int, currency: str) -> int:
    """The same amount, if it can be paid in the currency. BadInput if it is finer than its smallest coin.

    Prices may be finer; what is paid may not.
    """
    if micros % minor_unit(currency):
        digits = minor_digits(currency)
        allowed = phrase("at most {digits} decimals", digits=digits) if digits else marked("no decimals")
        raise BadInput(
            "Invalid amount {micros} {currency}. Amounts in {currency} have {allowed}.",
            micros=decimal(micros, digits),
            currency=currency,
            allowed=allowed,
        )
    return micros


def percent(hundredths: int) -> str:
    """Hundredths of a percent as people write it: `12.5`."""
    sign, whole = ("-" if hundredths < 0 else ""), abs(hundredths)
    return f"{sign}{whole // 100}.{whole % 100:02d}".rstrip("0").rstrip(".")


def decimal(micros: int, digits: int = 2) -> str:
    """Micros as `12.50`: at least `digits` after the point, and as many as it takes to be exact."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    fraction = f"{whole % MICROS:06d}"
    kept = fraction.rstrip("0").ljust(digits, "0")
    return f"{sign}{whole // MICROS}.{kept}" if kept else f"{sign}{whole // MICROS}"
