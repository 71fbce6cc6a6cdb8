"""Asterisk's events, from JSON to what they mean to a call. Nothing else of this program sees ARI's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connector.core.times import from_asterisk

# Asterisk sends 82 events a call to an application that listens to everything; these are the ones that are used.
KINDS = ("StasisStart", "Dial", "ChannelStateChange", "ChannelDestroyed", "ChannelUserevent", "ApplicationReplaced")
# The filter holds back the answers to our requests too, unless they are named (measured on 22.10.1).
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


@dataclass(frozen=True)
class LegDialled:
    """`leg` is being dialled for `caller_leg`, or something new is known of that. `endpoint`: whose leg it is."""

    caller_leg: str
    leg: str
    at: int
    endpoint: str = ""


@dataclass(frozen=True)
class LegAnswered:
    """A leg is up."""

    leg: str
    at: int


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
    """A call by way of an endpoint failed there; `sip_status`: what it answered, 0 if it could not be asked."""

    endpoint: str
    sip_status: int


LegEvent = LegDialled | LegAnswered | LegEnded | LegLost | LegFoundUp
Event = CallOffered | LegEvent | TrunkTried | ApplicationReplaced


def parse(message: dict[str, Any]) -> Event | None:
    """What an event says, or None if it says nothing to us. KeyError or ValueError if it is not as documented."""
    kind = message["type"]
    if kind == "ApplicationReplaced":
        return ApplicationReplaced()
    if kind not in KINDS:
        return None
    if kind == "ChannelUserevent":
        said = message["userevent"]
        if message["eventname"] != "ConnectorTried":
            return None
        return TrunkTried(str(said["Endpoint"]), int(said["Answer"]))
    at = from_asterisk(message["timestamp"])
    if kind == "Dial":
        caller = message.get("caller")
        peer = message["peer"]
        return LegDialled(caller["id"], peer["id"], at, _endpoint(peer["name"])) if caller else None
    channel = message.get("channel")
    if channel is None:
        return None
    leg = channel["id"]
    if kind == "StasisStart":
        return offered(channel, tuple(message["args"]), at)
    if kind == "ChannelStateChange":
        return LegAnswered(leg, at) if channel["state"] == "Up" else None
    return LegEnded(leg, at, int(message["cause"]), channel["state"] == "Up")


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
    )


def _endpoint(name: str) -> str:
    """The endpoint in a channel's name, which is `PJSIP/carrier-0000002a`."""
    return name.partition("/")[2].rpartition("-")[0]


@dataclass(frozen=True)
class Leg:
    """A leg that Asterisk has right now."""

    id: str
    up: bool


def legs(listed: Iterable[dict[str, Any]]) -> dict[str, Leg]:
    """The answer to "list all channels", by leg id."""
    return {channel["id"]: Leg(channel["id"], channel["state"] == "Up") for channel in listed}
