"""What providers say of payments; and the reference by which a payment is matched to a company: ISO 11649, `RF` and two
check digits.

The digits are those of ISO 7064 (mod 97-10). Banks check them, so a typing error never names another company. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.errors import BadInput

_OURS = re.compile(r"RF([0-9]{2})C([0-9]{6,12})")


@dataclass(frozen=True)
class Happened:
    """What an event of a provider says of a payment. `kind`: announced, received, failed, refunded, charged_back or
    reinstated.

    `event` is its number, `number` the payment's. `micros` and `currency` are those of the event: None for all that can
    be, and "", where it does not say them. `reference` is the company's, `received_on` a day; "" where it does not.
    """

    kind: str
    event: str
    number: str
    micros: int | None = None
    currency: str = ""
    reference: str = ""
    received_on: str = ""
    why: str = ""


def reference(company: int) -> str:
    """The reference of a company's payments, by its id: `RF56C000001`."""
    body = f"C{company:06d}"
    return f"RF{98 - _remainder(body + 'RF00'):02d}{body}"


def spaced(text: str) -> str:
    """A reference in groups of four, as on a bank's form."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def company_of(text: str) -> int:
    """The id of the company that a reference names, as it was typed. BadInput if it is not a payment reference."""
    typed = "".join(text.split()).upper()
    found = _OURS.fullmatch(typed) if typed.isascii() else None
    if found is None:
        raise BadInput("This is not a payment reference. One is like RF56 C000 001, and is on the page Add money.")
    if _remainder(f"C{found[2]}RF{found[1]}") != 1:
        raise BadInput("The payment reference has a typing error: its check digits do not fit.")
    return int(found[2])


def _remainder(text: str) -> int:
    """The number that a text stands for, modulo 97; A is 10, Z is 35."""
    return int("".join(str(int(char, 36)) for char in text)) % 97
