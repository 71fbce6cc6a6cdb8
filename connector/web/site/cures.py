"""The page that cures each refusal: what a refused call shows besides the reason."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core import refusals, steps
from connector.errors import NextStep
from connector.web.endpoint import Ask
from connector.web.site.frame import Line
from connector.words import tr


@dataclass(frozen=True)
class Cure:
    """A link's words, its page, and the permission that the page needs. `{profile}`: the profile's user name."""

    words: str
    path: str
    permission: str


def _step(step: NextStep, permission: str) -> Cure:
    return Cure(step.words, step.page, permission)


_LIMITS = Cure("Change the limits", "/profiles/{profile}/limits", "money.move")
_STATE = Cure("Resume the profile", "/profiles/{profile}/state", "profiles.write")
_TRUNKS = Cure("Trunks", "/trunks", "trunks.read")
_NUMBERS = Cure("Numbers", "/numbers", "numbers.read")
CURES: dict[str, Cure] = {
    refusals.PROFILE_SUSPENDED.code: _STATE,
    refusals.PROFILE_DRAINING.code: _STATE,
    refusals.PROFILE_NOT_ACTIVE.code: _step(steps.buy_channels("{profile}"), "money.move"),
    refusals.NUMBER_INVALID.code: Cure("Set the country", "/profiles/{profile}/country", "profiles.write"),
    refusals.NUMBER_UNKNOWN.code: _NUMBERS,
    refusals.NO_TRUNK.code: _TRUNKS,
    refusals.TRUNK_CLOSED.code: _TRUNKS,
    refusals.CALLER_FOREIGN.code: Cure("Set the caller ID", "/profiles/{profile}/caller-id", "numbers.write"),
    refusals.NO_ROUTE.code: _NUMBERS,
    refusals.NO_RATE.code: Cure("Load a rate sheet", "/money/decks/new", "rates.write"),
    refusals.DESTINATION_BLOCKED.code: _LIMITS,
    refusals.PRICE_TOO_HIGH.code: _LIMITS,
    refusals.NO_CARRIER.code: Cure("Trunks", "/trunks", "trunks.read"),
    refusals.CALLS_TOO_FAST.code: _LIMITS,
    refusals.NUMBER_TOO_OFTEN.code: _LIMITS,
    refusals.SPEND_LIMIT.code: _LIMITS,
    refusals.BUTTON_FULL.code: Cure("Call buttons", "/buttons", "numbers.read"),
    refusals.CHANNELS_FULL.code: _step(steps.change_channels("{profile}"), "money.move"),
    refusals.NO_CREDIT.code: Cure("Add credit", "/profiles/{profile}/credit/add", "money.move"),
}
# No page of the Manager cures these: the operator of the platform does.
WITHOUT = frozenset({
    refusals.PROFILE_UNKNOWN.code, refusals.DUPLICATE.code, refusals.STORE_UNAVAILABLE.code, refusals.NOT_READY.code
})  # fmt: skip


def link(ask: Ask, code: str, profile: str) -> Line | None:
    """The words and the path of the page that cures a refusal of a profile, by its user name; None if there is none, or
    the visitor may not open it.
    """
    cure = CURES.get(code)
    if cure is None or cure.permission not in ask.actor.permissions or ("{profile}" in cure.path and not profile):
        return None
    return tr(cure.words), cure.path.format(profile=profile)
