"""Whether trunks and PBXs can be reached: what Asterisk lists of contacts and registrations, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from connector.core import kept
from connector.core.kept import Kept
from connector.core.numbers import recorded

# What Asterisk says of a contact that it asks by OPTIONS, or does not ask (res_pjsip/pjsip_options.c, 22.10).
_CONTACT = {
    "Reachable": ("up", kept.ANSWERS.text),
    "Unreachable": ("down", kept.NO_REPLY.text),
    "NonQualified": ("up", kept.REGISTERED.text),
}
_REGISTRATION = {
    "Registered": ("up", kept.REGISTERED.text),
    "Unregistered": ("down", kept.NOT_REGISTERED_YET.text),
    "Rejected": ("down", kept.REJECTED.text),
    "Stopped": ("down", kept.GIVEN_UP.text),
}
# What an answer means to a person.
_ANSWERS = {
    401: Kept("the user name or the password is wrong there"),
    403: Kept("forbidden: the user name or the password is wrong there, or we may not from here"),
    404: Kept("unknown there"),
    407: Kept("the user name or the password is wrong there"),
    408: Kept("no answer in time"),
    423: Kept("it wants longer registrations"),
    480: Kept("not available now"),
    486: Kept("busy"),
    488: Kept("it takes none of our codecs, or wants other encryption"),
    500: Kept("an error over there"),
    502: Kept("an error behind it"),
    503: Kept("too busy, or down for work"),
    603: Kept("declined"),
}
_OF_THE_TRUNK = (401, 403, 407, 408, 488)
# What Asterisk logs of each registration that failed (res_pjsip_outbound_registration.c, 22.10).
_FAILED = re.compile(
    r"res_pjsip_outbound_registration\.c: "
    r"(?:Temporal response '(?P<a>\d{3})' received|'(?P<b>\d{3})' fatal response received|(?P<c>403) Forbidden fatal"
    r" response received|Fatal response '(?P<d>\d{3})' received|No response received) from '(?P<server>[^']+)'"
    r" on registration attempt to '(?P<client>[^']+)'"
)


@dataclass(frozen=True)
class State:
    """`word` is up, down or unknown; `reason` says why. `sip_status`: the last SIP answer that is known, if any.
    `whence`: where a PBX is registered and what it calls itself, "" if it is not known; a change of it alone is no
    change of the state.
    """

    word: str
    reason: str
    sip_status: int | None = None
    whence: str = field(default="", compare=False)

    @property
    def words(self) -> str:
        """The reason, and where the PBX is."""
        return kept.PLACED.write(rest=self.reason, where=self.whence) if self.whence else self.reason


@dataclass(frozen=True)
class Invited:
    """Who sent an INVITE: from which address and port, to which user, and with whose credentials; "" for none."""

    source: tuple[str, int]
    to: str
    signed_by: str


@dataclass(frozen=True)
class Known:
    """By what an endpoint's INVITEs are known: the user that signs them, or the user of ours that they call, or where
    they come from, with a port or with None for any.
    """

    signers: Mapping[str, str]
    called: Mapping[str, str]
    sources: Mapping[tuple[str, int | None], str]

    def endpoint(self, invited: Invited) -> str | None:
        """Whose INVITE it was; None if that is not known."""
        host, port = invited.source
        return (
            self.signers.get(invited.signed_by)
            or self.sources.get((host, port))
            or self.called.get(invited.to)
            or self.sources.get((host, None))
        )


_HOST_OF_URI = re.compile(r"sips?:(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s;:>@]+)")
_RANK = ("down", "unknown", "up")
NOT_REGISTERED = State("down", kept.PBX_NOT_REGISTERED.text)
NOT_ASKED = State("unknown", kept.NOT_ASKED.text)


def answer_to_registration(line: str) -> tuple[tuple[str, str], int | None] | None:
    """A line of Asterisk's log: whose registration, by client and server URI, and what was answered, None if nothing
    was. None if it is another line.
    """
    found = _FAILED.search(line)
    if found is None:
        return None
    status = next((found[name] for name in "abcd" if found[name]), None)
    return (found["client"], found["server"]), int(status) if status else None


def states(
    contacts: Iterable[Mapping[str, str]],
    registrations: Iterable[Mapping[str, str]],
    endpoints: Mapping[str, str],
    asked: Collection[str],
    answers: Mapping[tuple[str, str], int | None],
    tried: Mapping[str, int],
) -> dict[str, State]:
    """By endpoint. A trunk that should be registered is down if it is not, whatever its contact says.

    `endpoints`: what Asterisk says of each, `online` or not, which is all there is of fixed contacts; `asked`: those
    whose fixed contact is asked by OPTIONS. `answers`: the last answer to each registration that failed, by client and
    server URI. `tried`: to each trunk's last call that failed.
    """
    found = {
        name: State("up", kept.ANSWERS.text) if endpoints.get(name) == "online" else State("down", kept.NO_REPLY.text)
        for name in asked
        if name in endpoints
    }
    for contact in contacts:
        name = contact.get("Endpoint", "")
        word, reason = _CONTACT.get(contact.get("Status", ""), ("unknown", kept.NOT_ASKED_YET.text))
        if name not in found or _RANK.index(word) > _RANK.index(found[name].word):  # the best of its contacts
            found[name] = State(word, reason, whence=_whence(contact))
    for registration in registrations:
        name = registration.get("Endpoint", "")
        word, reason = _REGISTRATION.get(registration.get("Status", ""), ("unknown", kept.NOT_SAID.text))
        if word == "up":
            if found.get(name, NOT_ASKED).word != "down":
                found[name] = State(word, reason, 200)
            continue
        key = (registration.get("ClientUri", ""), registration.get("ServerUri", ""))
        if key in answers:
            status = answers[key]
            why = kept.NO_ANSWER.text if status is None else meaning(status)
            reason = kept.NOT_REGISTERED.write(why=why)
            found[name] = State(word, reason, status)
        else:
            found[name] = State(word, reason)
    for name, status in tried.items():
        if status and status < 500 and status not in _OF_THE_TRUNK:
            continue  # it speaks of the number that was called
        known = found.get(name, NOT_ASKED)
        if known.word != "down":
            reason = kept.LAST_FAILED.write(rest=known.reason, why=meaning(status))
            found[name] = replace(known, reason=reason, sip_status=status)
    return found


def _whence(contact: Mapping[str, str]) -> str:
    """Where a PBX is registered, and what it calls itself; "" for a contact of the configuration.

    The address is the contact's, where Asterisk sends calls: of a PBX behind NAT (the default) the one that its packets
    come from. Its Via would be what it says of itself (res_pjsip_registrar.c).
    """
    if not contact.get("ViaAddr"):
        return ""
    found = _HOST_OF_URI.match(contact.get("Uri", ""))
    address, agent = recorded(found[1]) if found else "", recorded(contact.get("UserAgent", ""))
    return " ".join(part for part in (f"at {address}" * bool(address), f"({agent})" * bool(agent)) if part)


def with_refused(states: Mapping[str, State], refused: Collection[str]) -> dict[str, State]:
    """States that tell of calls that were refused before the gate: Asterisk found no codec in them for the endpoint."""
    return {
        name: replace(state, reason=kept.CODECS_REFUSED.write(rest=state.reason)) if name in refused else state
        for name, state in states.items()
    }


def meaning(status: int) -> str:
    """A SIP answer in words."""
    if not status:
        return kept.NOT_TO_BE_ASKED.text
    return kept.ANSWERED.write(why=_ANSWERS.get(status, kept.REFUSED).text, status=status)
