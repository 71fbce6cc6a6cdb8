"""Which caller ID a call out shows: only numbers that the company has, or has verified (docs/decisions/0016). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from connector.core import refusals
from connector.core.numbers import e164, from_the_wire
from connector.core.refusals import Refusal
from connector.errors import BadInput

POLICIES = ("none", "fixed", "pass")
FOREIGN = ("replace", "refuse")
_PREFIX = re.compile(r"[*#]{0,2}[0-9]{2,4}[*#]?")
MOST_PREFIXES = 5
# What Asterisk 22.10 and others have in the place of a number that is not to be shown (RFC 3325, 3261 8.1.1.3).
_NAMELESS = ("", "anonymous", "restricted", "private", "unavailable", "unknown", "withheld")


@dataclass(frozen=True)
class CallerPolicy:
    """What a profile shows. `policy`: `none` shows nothing; `fixed` shows `number`; `pass` shows what the PBX says, if
    the company has it, and does with `foreign` ones as it says: refuses the call, or shows `number` instead.

    `number`: the profile's main number; None if it has none, and then nothing is shown in its place.
    `withhold`: what people dial before a number so that this call shows none, like *67 or 141.
    """

    policy: str = "pass"
    number: str | None = None
    foreign: str = "replace"
    withhold: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise BadInput("Invalid caller ID policy. Use one of: {policies}.", policies=", ".join(POLICIES))
        if self.foreign not in FOREIGN:
            raise BadInput(
                "Invalid choice for foreign caller IDs. Use one of: {foreign}.", foreign=" or ".join(FOREIGN)
            )
        if len(self.withhold) > MOST_PREFIXES or not all(_PREFIX.fullmatch(prefix) for prefix in self.withhold):
            raise BadInput(
                "prefixes that withhold the number: at most {most_prefixes}, of 2 to 4 digits, with *"
                " or # before or behind them: '*67 141 #31#'",
                most_prefixes=MOST_PREFIXES,
            )


@dataclass(frozen=True)
class Shown:
    """What the far side sees: `number` in E.164, None if there is none to be told; `private`: it is not to be shown,
    though a carrier who is trusted is told it (RFC 3325).
    """

    number: str | None
    private: bool = False


NOBODY = Shown(None, private=True)
# Who pushed a call button has no number; the PBX sees the button's name.
BY_BUTTON = Shown(None)


def show(policy: CallerPolicy, said: str, private: bool, own: Collection[str], country: str | None) -> Shown | Refusal:
    """What a call out shows. `said`: the caller's number by the PBX; `private`: it asked for it not to be shown.

    `own`: the company's numbers and those it has verified. One that was given back is no longer its own, whatever the
    policy has.
    """
    usual = policy.number if policy.number in own else None
    if policy.policy == "none":
        return Shown(usual, private=True)
    if policy.policy == "fixed":
        return Shown(usual, private=private or usual is None)
    number = e164(said, country)
    if number in own:
        return Shown(number, private)
    nameless = said.strip().lower() in _NAMELESS
    if policy.foreign == "refuse" and not nameless:
        return refusals.CALLER_FOREIGN
    return Shown(usual, private=private or nameless or usual is None)


def of_caller(said: str, private: bool, form: str, country: str | None) -> Shown:
    """Who calls in, as the PBX is told: a number in E.164 where it is one, else what of it can do no harm.

    `form`: how the trunk says numbers (core/sip.py).
    """
    if private or said.strip().lower() in _NAMELESS:
        return Shown(None, private=True)
    number = e164(from_the_wire(said, form), country)
    if number is None:
        number = "".join(char for char in said[:40] if char.isascii() and (char.isalnum() or char in "+*#._-"))
    return Shown(number or None, private=not number)
