"""Every reason for refusing a call, in one table, in order of precedence (core/gate.py).

The cause is ITU-T Q.850; the SIP answer is what Asterisk 22.10 makes of that cause (measured); `docs/refusals.md` says
the same to operators and is checked against this table. Asterisk cannot put a header of ours on a refusal
(PJSIP_HEADER adds to requests only), so the caller's PBX sees the cause, in `Reason: Q.850;cause=N`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One reason: its code in CDRs and logs, the Q.850 cause, the SIP and HTTP status, the text for people (`words`),
    and what to do about it (`cure`).
    """

    code: str
    cause: int
    sip_status: int
    http_status: int
    words: str
    cure: str


PROFILE_UNKNOWN = Refusal(
    "profile_unknown", 21, 403, 404, "Unknown profile.",
    "Apply the configuration: Asterisk has an endpoint that the database does not have.",
)  # fmt: skip
PROFILE_SUSPENDED = Refusal(
    "profile_suspended", 21, 403, 403, "The profile is suspended.",
    "Resume the profile.",
)  # fmt: skip
PROFILE_NOT_ACTIVE = Refusal(
    "profile_not_active", 21, 403, 403, "The profile is not active.",
    "Buy channels for it, or add money to the company's balance so that its subscription can renew.",
)  # fmt: skip
PROFILE_DRAINING = Refusal(
    "profile_draining", 42, 503, 503, "The profile is draining: it accepts no new calls.",
    "Resume the profile.",
)  # fmt: skip
NUMBER_INVALID = Refusal(
    "number_invalid", 28, 484, 422, "The dialled digits are not a valid phone number.",
    "Dial + and the country code, or set the profile's country to allow national numbers.",
)  # fmt: skip
NUMBER_UNKNOWN = Refusal(
    "number_unknown", 1, 404, 404, "The called number or account does not belong to a profile.",
    "Add the number, or attach the number or account to a profile. Check how the carrier sends numbers.",
)  # fmt: skip
NO_TRUNK = Refusal(
    "no_trunk", 38, 500, 503, "No trunk is available for this call.",
    "Create a trunk, or resume one that is draining or suspended.",
)  # fmt: skip
TRUNK_CLOSED = Refusal(
    "trunk_closed", 42, 503, 503, "The trunk is draining or suspended: it accepts no new calls.",
    "Resume the trunk.",
)  # fmt: skip
CALLER_FOREIGN = Refusal(
    "caller_foreign", 21, 403, 403, "The caller ID is not a number of this company.",
    "Send a number of the company, verify this number, or set the profile to replace foreign caller IDs.",
)  # fmt: skip
NO_ROUTE = Refusal(
    "no_route", 20, 480, 404, "The route of the called number has no destination at this time.",
    "Add a destination for this time to the route.",
)  # fmt: skip
NO_RATE = Refusal(
    "no_rate", 21, 403, 422, "The rate deck has no rate for this number.",
    "Load a rate sheet that contains the number's prefix.",
)  # fmt: skip
DESTINATION_BLOCKED = Refusal(
    "destination_blocked", 21, 403, 403, "The profile is not allowed to call this destination.",
    "Allow the prefix in the profile's limits. Premium, satellite and special numbers are blocked by default.",
)  # fmt: skip
PRICE_TOO_HIGH = Refusal(
    "price_too_high", 21, 403, 403, "The price per minute is above the profile's maximum.",
    "Raise the profile's maximum price per minute.",
)  # fmt: skip
# What it is of a carrier's costs, the people of a company do not see; those of the platform see it in a test call.
NO_CARRIER = Refusal(
    "no_carrier", 38, 500, 503, "No trunk carries calls to this number.",
    "The operator of the platform sees in a test call why each trunk is left out.",
)  # fmt: skip
CALLS_TOO_FAST = Refusal(
    "calls_too_fast", 42, 503, 429, "The profile's limit of new calls per second is reached.",
    "Wait a second, or raise the limit.",
)  # fmt: skip
NUMBER_TOO_OFTEN = Refusal(
    "number_too_often", 21, 403, 429, "This number was called too often in the last hour.",
    "Wait, or raise the profile's limit of calls to one number.",
)  # fmt: skip
DUPLICATE = Refusal(
    "duplicate", 25, 482, 409, "The same INVITE (Call-ID and CSeq) is already active for this profile.",
    "No action is needed: the call is active. Check why the PBX or a proxy sends the INVITE twice.",
)  # fmt: skip
BUTTON_FULL = Refusal(
    "button_full", 34, 503, 409, "The call button has reached its limit of simultaneous calls.",
    "Raise the limit of the call button.",
)  # fmt: skip
CHANNELS_FULL = Refusal(
    "channels_full", 34, 503, 409, "All channels of the profile are in use.",
    "Wait until a call ends, or buy more channels.",
)  # fmt: skip
SPEND_LIMIT = Refusal(
    "spend_limit", 21, 403, 402, "The profile's spending limit is reached.",
    "Raise the limit per call, day or month, or wait until the period ends.",
)  # fmt: skip
NO_CREDIT = Refusal(
    "no_credit", 21, 403, 402, "Not enough credit for the first billing block of this call.",
    "Add credit to the profile, or add money to the company's balance and set up auto-recharge.",
)  # fmt: skip
STORE_UNAVAILABLE = Refusal(
    "store_unavailable", 42, 503, 503, "The database cannot be written, so the call cannot be counted.",
    "Check the database and its disk.",
)  # fmt: skip
NOT_READY = Refusal(
    "not_ready", 42, 503, 503, "The connector is still synchronising with Asterisk.",
    "Wait a few seconds. If it continues, check the connections to Asterisk and to the database.",
)  # fmt: skip

ALL = (
    PROFILE_UNKNOWN,
    PROFILE_SUSPENDED,
    PROFILE_NOT_ACTIVE,
    PROFILE_DRAINING,
    NUMBER_INVALID,
    NUMBER_UNKNOWN,
    NO_TRUNK,
    TRUNK_CLOSED,
    CALLER_FOREIGN,
    NO_ROUTE,
    NO_RATE,
    DESTINATION_BLOCKED,
    PRICE_TOO_HIGH,
    NO_CARRIER,
    CALLS_TOO_FAST,
    NUMBER_TOO_OFTEN,
    DUPLICATE,
    BUTTON_FULL,
    CHANNELS_FULL,
    SPEND_LIMIT,
    NO_CREDIT,
    STORE_UNAVAILABLE,
    NOT_READY,
)
BY_CODE = {refusal.code: refusal for refusal in ALL}
