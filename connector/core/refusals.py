"""Every reason for which a call is refused, in one table.

The cause is ITU-T Q.850; the SIP answer is what Asterisk 22.10 makes of that cause (measured); `docs/refusals.md` says
the same to operators and is checked against this table. Asterisk cannot put a header of ours on a refusal
(PJSIP_HEADER adds to requests only), so the caller's PBX sees the cause, in `Reason: Q.850;cause=N`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One reason: its code in CDRs and logs, what the network hears, what a program and a person are told."""

    code: str
    cause: int
    sip_status: int
    http_status: int
    words: str


CHANNELS_FULL = Refusal("channels_full", 34, 503, 409, "All channels of the profile are in use.")
BUTTON_FULL = Refusal("button_full", 34, 503, 409, "As many visitors call by the call button as may at once.")
PROFILE_UNKNOWN = Refusal("profile_unknown", 21, 403, 404, "The call came from no profile that we know.")
PROFILE_NOT_ACTIVE = Refusal("profile_not_active", 21, 403, 403, "The profile is not active.")
PROFILE_SUSPENDED = Refusal("profile_suspended", 21, 403, 403, "The profile is suspended by its operator.")
PROFILE_DRAINING = Refusal("profile_draining", 42, 503, 503, "The profile takes no new calls, for it is being drained.")
TRUNK_CLOSED = Refusal("trunk_closed", 42, 503, 503, "The trunk takes no new calls: it is drained or suspended.")
NUMBER_INVALID = Refusal("number_invalid", 28, 484, 422, "What was dialled is no number.")
CALLER_FOREIGN = Refusal("caller_foreign", 21, 403, 403, "The caller ID is no number that the company has.")
NUMBER_UNKNOWN = Refusal("number_unknown", 1, 404, 404, "What was called is no number or account of a profile.")
NO_RATE = Refusal("no_rate", 21, 403, 422, "The rate deck has no rate for the number called.")
DESTINATION_BLOCKED = Refusal("destination_blocked", 21, 403, 403, "The profile may not call numbers like this one.")
PRICE_TOO_HIGH = Refusal("price_too_high", 21, 403, 403, "A minute costs more than the profile may pay.")
CALLS_TOO_FAST = Refusal("calls_too_fast", 42, 503, 429, "More new calls in a second than the profile may make.")
NUMBER_TOO_OFTEN = Refusal("number_too_often", 21, 403, 429, "The number was called more often in an hour than may be.")
SPEND_LIMIT = Refusal("spend_limit", 21, 403, 402, "A limit on what the profile may spend is reached.")
NO_CREDIT = Refusal("no_credit", 21, 403, 402, "There is no credit for the first billing block of the call.")
NO_ROUTE = Refusal("no_route", 20, 480, 404, "The route of what was called leads nowhere at this moment.")
NO_TRUNK = Refusal("no_trunk", 38, 500, 503, "There is no carrier trunk to send the call to.")
STORE_UNAVAILABLE = Refusal("store_unavailable", 42, 503, 503, "The store cannot be written, so the call cannot count.")
NOT_READY = Refusal("not_ready", 42, 503, 503, "The connector does not know yet which calls are up.")

ALL = (
    CHANNELS_FULL,
    BUTTON_FULL,
    PROFILE_UNKNOWN,
    PROFILE_NOT_ACTIVE,
    PROFILE_SUSPENDED,
    PROFILE_DRAINING,
    TRUNK_CLOSED,
    NUMBER_INVALID,
    CALLER_FOREIGN,
    NUMBER_UNKNOWN,
    NO_ROUTE,
    NO_TRUNK,
    NO_RATE,
    DESTINATION_BLOCKED,
    PRICE_TOO_HIGH,
    CALLS_TOO_FAST,
    NUMBER_TOO_OFTEN,
    SPEND_LIMIT,
    NO_CREDIT,
    STORE_UNAVAILABLE,
    NOT_READY,
)
BY_CODE = {refusal.code: refusal for refusal in ALL}
