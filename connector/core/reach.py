"""Whether trunks and PBXs can be reached, from what Asterisk lists of contacts and registrations; in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# What Asterisk says of a contact that it asked by OPTIONS, or did not ask (res_pjsip/pjsip_options.c).
_CONTACT = {
    "Reachable": ("up", "it answers"),
    "Unreachable": ("down", "it does not answer"),
    "NonQualified": ("unknown", "it is not asked"),
    "Unknown": ("unknown", "it was not asked yet"),
    "Created": ("unknown", "it was not asked yet"),
}
_REGISTRATION = {
    "Registered": ("up", "registered"),
    "Unregistered": ("down", "not registered: no answer yet, or one that says to try later"),
    "Rejected": ("down", "the registration was rejected: the name or the password is wrong, or we may not register"),
    "Stopped": ("down", "the registration was given up"),
}
# What the answers to a registration mean to a person.
ANSWERS = {
    401: "the user name or the password is wrong",
    403: "it is forbidden: the user name or the password is wrong, or we may not register from here",
    404: "there is no such user",
    407: "the user name or the password is wrong",
    408: "no answer",
    423: "it wants longer registrations",
    480: "it cannot be reached now",
    500: "a failure over there",
    503: "it is too busy, or down for work",
}


@dataclass(frozen=True)
class State:
    """`word` is up, down or unknown; `reason` says why. `sip_status`: the last SIP answer, if there was one and it is
    known; `rtt_ms`: how long it took to answer.
    """

    word: str
    reason: str
    sip_status: int | None = None
    rtt_ms: int | None = None


def states(contacts: Iterable[Mapping[str, str]], registrations: Iterable[Mapping[str, str]]) -> dict[str, State]:
    """By endpoint. Who registers with us and has no contact is in neither list. A trunk that is not registered is down,
    whatever its contact says.
    """
    found: dict[str, State] = {}
    for contact in contacts:
        word, reason = _CONTACT.get(contact.get("status", ""), ("unknown", "Asterisk says nothing of it"))
        rtt = contact.get("roundtripusec", "")
        state = State(word, reason, rtt_ms=int(rtt) // 1000 if rtt.isdigit() and word == "up" else None)
        name = contact.get("endpoint", "") or contact.get("aor", "")
        known = found.get(name)
        if known is None or _better(state, known):
            found[name] = state
    for registration in registrations:
        name = registration.get("endpoint", "") or registration.get("objectname", "")
        word, reason = _REGISTRATION.get(registration.get("status", ""), ("unknown", "Asterisk says nothing of it"))
        known = found.get(name)
        if word != "up" or known is None or known.word != "down":
            found[name] = State(word, reason, rtt_ms=known.rtt_ms if known else None)
    return found


def _better(state: State, known: State) -> bool:
    """Of several contacts of one PBX, the best one tells."""
    rank = ("down", "unknown", "up")
    return rank.index(state.word) > rank.index(known.word)
