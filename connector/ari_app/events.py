"""Asterisk's events, from JSON to what they mean to a call. Nothing else of this program sees ARI's JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from connector.core.times import from_asterisk

# Of some 80 events of each call these are used.
KINDS = (
    "StasisStart",
    "Dial",
    "ChannelStateChange",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "ChannelUserevent",
    "BridgeAttendedTransfer",
    "ApplicationReplaced",
)
# The filter holds back the answers to our requests too, unless they are named (measured on 22.10.1).
# The contexts in which a leg has not reached the gate yet (dropin/extensions.conf).
_BEFORE_THE_GATE = {
    "connector-from-profile",
    "connector-from-carrier",
    "connector-from-provider",
    "agi-from-profile",  # docs/fastagi-sample.conf
    "agi-from-carrier",
}
# Where our dialplan dials.
_DIALS = {"connector-dial", "connector-ring"}
# Subroutines on the way: what a leg in one of them had dialled is not in its events any more.
_ON_THE_WAY = {"connector-printable", "connector-privacy", "connector-number", "connector-also"}
# Of each release the first minor version that sets several variables by one request (rest-api/channels.json).
_SETS_MANY = {20: 20, 22: 10, 23: 4}
FILTER = {"allowed": [{"type": kind} for kind in (*KINDS, "RESTResponse")]}


@dataclass(frozen=True)
class CallOffered:
    """A leg reached the gate. `args` are the dialplan's own words; the rest is from the network.

    `up`: the leg talks already, for it was transferred.
    """

    leg: str
    up: bool
    args: tuple[str, ...]
    dialled: str
    caller_id: str
    created_at: int
    at: int
    caller_name: str = ""
    sip_id: str = field(default="", compare=False)
    endpoint: str = field(default="", compare=False)


@dataclass(frozen=True)
class LegDialled:
    """`leg` is being dialled for `caller_leg`, or something new is known of that. `endpoint`: whose leg it is; `by_us`:
    our own dialplan dials; `answered`: the leg has answered.
    """

    caller_leg: str
    leg: str
    at: int
    endpoint: str = ""
    by_us: bool = False
    answered: bool = False


@dataclass(frozen=True)
class LegAnswered:
    """A leg is up. `endpoint`: whose it is, of a leg that calls us and has not passed the gate."""

    leg: str
    at: int
    endpoint: str = field(default="", compare=False)


@dataclass(frozen=True)
class LegRings:
    """The far end of a leg answered that it rings."""

    leg: str
    at: int


@dataclass(frozen=True)
class LegHungUp:
    """The far end of a leg hung it up: by BYE, CANCEL, or a final answer that refuses. `silent`: it answered no request
    any more. `offer`: what it had dialled, if it stands before the gate. `soft`: Asterisk itself hangs it up.
    """

    leg: str
    at: int
    silent: bool = False
    offer: CallOffered | None = field(default=None, compare=False)
    soft: bool = False


@dataclass(frozen=True)
class LegEnded:
    """A leg is gone. `cause` is Q.850; `up`: it had been answered."""

    leg: str
    at: int
    cause: int
    up: bool


@dataclass(frozen=True)
class LegLost:
    """Ours, not Asterisk's: a leg is gone and nobody saw it go; `at` is the last moment it was known alive."""

    leg: str
    at: int


@dataclass(frozen=True)
class LegFoundUp:
    """Ours, not Asterisk's: a leg is up and nobody saw it answered; `at` is when it was found."""

    leg: str
    at: int


@dataclass(frozen=True)
class ApplicationReplaced:
    """Another connector took the application: this one hears nothing more."""


@dataclass(frozen=True)
class TrunkTried:
    """A call by way of an endpoint failed there; `sip_status`: what it answered, 0 if it could not be asked. `leg`
    dialled it; `rang_out`: it rang too long.
    """

    endpoint: str
    sip_status: int
    leg: str = ""
    at: int = 0
    rang_out: bool = False


@dataclass(frozen=True)
class CallsJoined:
    """A PBX transferred one call of its own to another (REFER with Replaces): its two legs, by endpoint and id, and the
    legs that talk now.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    talking: tuple[str, ...]


LegEvent = LegDialled | LegAnswered | LegRings | LegHungUp | LegEnded | LegLost | LegFoundUp | TrunkTried
Event = CallOffered | LegEvent | CallsJoined | ApplicationReplaced


def parse(message: dict[str, Any]) -> Event | None:
    """What an event says, or None if it says nothing to us. KeyError or ValueError if it is not as documented."""
    kind = message["type"]
    if kind == "ApplicationReplaced":
        return ApplicationReplaced()
    if kind not in KINDS:
        return None
    if kind == "ChannelUserevent":
        return _tried(message)
    at = from_asterisk(message["timestamp"])
    if kind == "BridgeAttendedTransfer":
        return _joined(message)
    if kind == "Dial":
        caller = message.get("caller")
        peer = message["peer"]
        if not caller:
            return None
        by_us = caller.get("dialplan", {}).get("context") in _DIALS
        answered = message.get("dialstatus") == "ANSWER"
        return LegDialled(caller["id"], peer["id"], at, endpoint_in(peer["name"]), by_us, answered)
    channel = message.get("channel")
    if channel is None:
        return None
    leg = channel["id"]
    if kind == "StasisStart":
        return offered(channel, tuple(message["args"]), at)
    if kind == "ChannelStateChange":
        if channel["state"] == "Ringing":
            return LegRings(leg, at)
        # A leg that was dialled is in its endpoint's context too, and shows what dialled it (AppDial).
        calls_us = channel["dialplan"]["context"] in _BEFORE_THE_GATE and not channel["dialplan"].get("app_name")
        return (
            LegAnswered(leg, at, endpoint_in(channel["name"]) if calls_us else "") if channel["state"] == "Up" else None
        )
    if kind == "ChannelHangupRequest":
        if message.get("soft"):
            return LegHungUp(leg, at, soft=True)
        return LegHungUp(leg, at, message.get("tech_cause") == 408, _before_the_gate(channel, at))
    return LegEnded(leg, at, int(message["cause"]), channel["state"] == "Up")


def _before_the_gate(channel: dict[str, Any], at: int) -> CallOffered | None:
    """What a leg had dialled that has not reached the gate; None for one that has."""
    context = channel["dialplan"]["context"]
    if context not in _BEFORE_THE_GATE | _ON_THE_WAY:
        return None
    found = offered(channel, (), at)
    return found if context in _BEFORE_THE_GATE else replace(found, dialled="")


def _tried(message: dict[str, Any]) -> TrunkTried | None:
    """What the dialplan tells of a far end that was dialled and did not answer (dropin/extensions.conf)."""
    said = message["userevent"]
    if message["eventname"] != "ConnectorTried":
        return None
    leg = (message.get("channel") or {}).get("id", "")
    answer = int(said["Answer"])
    rang_out = said.get("Status") == "NOANSWER" and 0 < answer < 300  # Dial says NOANSWER after a 480 and a 483 too
    return TrunkTried(str(said["Endpoint"]), answer, leg, from_asterisk(message["timestamp"]), rang_out)


def _joined(message: dict[str, Any]) -> CallsJoined:
    first, second = (message[f"transferer_{which}_leg"] for which in ("first", "second"))
    others = (message.get(name) for name in ("transferee", "transfer_target", "replace_channel"))
    return CallsJoined(
        (endpoint_in(first["name"]), first["id"]),
        (endpoint_in(second["name"]), second["id"]),
        tuple(other["id"] for other in others if other),
    )


def offered(channel: dict[str, Any], args: tuple[str, ...], at: int) -> CallOffered:
    """A leg that reached a gate at an instant, by its channel as ARI has it."""
    return CallOffered(
        channel["id"],
        channel["state"] == "Up",
        args,
        channel["dialplan"]["exten"],
        channel["caller"]["number"],
        from_asterisk(channel["creationtime"]),
        at,
        channel["caller"].get("name", ""),
        channel.get("protocol_id", ""),
        endpoint_in(channel["name"]),
    )


def endpoint_in(name: str) -> str:
    """The endpoint in a channel's name, which is `PJSIP/carrier-0000002a`; of another technology it has its name."""
    return name.rpartition("-")[0].removeprefix("PJSIP/")


@dataclass(frozen=True)
class Leg:
    """A leg that Asterisk has right now. `stasis`: the application that has it, "" if the dialplan has it."""

    id: str
    up: bool
    name: str = ""
    stasis: str = ""


def legs(listed: Iterable[dict[str, Any]]) -> dict[str, Leg]:
    """The answer to "list all channels", by leg id."""
    return {channel["id"]: _leg(channel) for channel in listed}


def sets_many(info: dict[str, Any]) -> bool:
    """Whether an Asterisk sets several variables by one request; by its answer to "get info"."""
    found = re.match(r"(\d+)\.(\d+)", str(info.get("system", {}).get("version", "")))
    if found is None:
        return False
    release, minor = int(found[1]), int(found[2])
    return release > max(_SETS_MANY) or minor >= _SETS_MANY.get(release, minor + 1)


def _leg(channel: dict[str, Any]) -> Leg:
    runs = channel["dialplan"]
    stasis = str(runs.get("app_data", "")).partition(",")[0] if runs.get("app_name") == "Stasis" else ""
    return Leg(channel["id"], channel["state"] == "Up", channel["name"], stasis)
