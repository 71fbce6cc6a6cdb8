"""Short service numbers, like 101, 111, 411 and 988: each profile says which it calls, and at which price.

They are not numbers in E.164, and no rate sheet has them. The profile's trunks get them as they were dialled.
Emergency numbers are not among them: those need no credit and no channel.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from connector.core.decks import MOST_PRICE_MICROS
from connector.core.money import decimal
from connector.core.rating import NEVER, Rate, increments
from connector.errors import BadInput

MOST_OF_PROFILE = 50
MOST_NAME = 40
# They are billed by the second.
_INCREMENTS = increments("1/1")
_DIGITS = re.compile(r"[0-9]{2,6}")


@dataclass(frozen=True)
class ServiceNumber:
    """A short number that a profile calls, with its price in micros; BadInput if a part is unfit."""

    digits: str
    name: str = ""
    price_per_minute_micros: int = 0
    connection_fee_micros: int = 0

    def __post_init__(self) -> None:
        if not _DIGITS.fullmatch(self.digits):
            raise BadInput("Invalid service number {digits!r}. Use 2 to 6 digits, like 101.", digits=self.digits[:40])
        if len(self.name) > MOST_NAME or not self.name.isprintable():
            raise BadInput(
                "the name of a service number has at most {most_name} printable characters", most_name=MOST_NAME
            )
        if self.price_per_minute_micros < 0 or self.connection_fee_micros < 0:
            raise BadInput("a price is zero or more")
        if max(self.price_per_minute_micros, self.connection_fee_micros) > MOST_PRICE_MICROS:
            raise BadInput("a price is at most {most_price_micros}", most_price_micros=decimal(MOST_PRICE_MICROS))

    @property
    def rate(self) -> Rate:
        """As a rate deck would have it."""
        return Rate(
            prefix=self.digits,
            name=self.name or f"service number {self.digits}",
            price_per_minute_micros=self.price_per_minute_micros,
            connection_fee_micros=self.connection_fee_micros,
            increments=_INCREMENTS,
            valid_from=0,
            valid_to=NEVER,
        )


def checked(number: ServiceNumber, emergency: Collection[str]) -> ServiceNumber:
    """A service number of a profile with these emergency numbers. BadInput if it is one of them."""
    if number.digits in emergency:
        raise BadInput(
            "{digits} is an emergency number: it is called without credit and has no price", digits=number.digits
        )
    return number
