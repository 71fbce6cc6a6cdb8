"""What the dialplan (asterisk/dropin/extensions.conf) gets for a decision: where a leg goes on, by which variables.

The same for who asks by Stasis and who asks by FastAGI. Nothing here comes from the network but `name`, which is
cleaned, and never stands in an argument: a variable's value is not read again by Asterisk, an argument's is.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.core.callers import Shown
from connector.core.calls import Admitted, Direction, Emergency
from connector.core.refusals import Refusal
from connector.core.routes import Hop, Path

Variables = list[tuple[str, str]]

MOST_NAME = 40
_UNWANTED = set("\"<>\\'`${}|;")


@dataclass(frozen=True)
class GoOn:
    """Where a leg goes on, and what is set on it before: channel variables, or functions by their name."""

    context: str
    extension: str
    variables: tuple[tuple[str, str], ...] = ()


def go_on(decided: Admitted | Refusal | Emergency, direction: Direction, name: str = "") -> GoOn:
    """What becomes of a leg that stood at the gate; `name`: the caller's, as the network said it."""
    if isinstance(decided, Refusal):
        return GoOn("connector-refuse", str(decided.cause))
    if isinstance(decided, Emergency):
        return GoOn("connector-emergency", decided.dialled, (("CONNECTOR_LEFT_S", str(decided.left_s)),))
    variables = [
        # "_": the leg to the trunk has it too.
        ("_CONNECTOR_CALL" if direction is Direction.OUT else "CONNECTOR_CALL", decided.call_id),
        ("CONNECTOR_GUARD_S", str(decided.guard_s)),
        ("CONNECTOR_CHANNELS", str(decided.channels)),
    ]
    if direction is Direction.OUT:
        return GoOn("connector-dial", decided.called, (*variables, *_out(decided)))
    # Should the PBX transfer this leg, or it be forwarded, it comes to the gate again in the profile's name.
    variables += [("__CONNECTOR_PROFILE", decided.profile), ("__CONNECTOR_CALLED", decided.called)]
    variables += caller(decided.shown, name)
    if decided.context and not decided.hops:
        return GoOn("connector-local", "s", (*variables, ("CONNECTOR_CONTEXT", decided.context)))
    return GoOn("connector-ring", "s", (*variables, *_in(decided)))


def in_words(path: Path) -> str:
    """A path, for a log or a dialplan that only wants to know: `ring 101+102 20, voicemail 101`."""
    return ", ".join(" ".join(filter(None, (hop.kind, "+".join(hop.to), str(hop.ring_s or "")))) for hop in path.hops)


def caller(shown: Shown, name: str) -> Variables:
    """The caller ID of a call in, as the PBX is to see it."""
    clean = "" if shown.private else "".join(char for char in name if char.isprintable() and char not in _UNWANTED)
    return [
        ("CALLERID(num)", shown.number or ""),
        ("CALLERID(name)", clean[:MOST_NAME].strip()),
        ("CALLERID(pres)", "prohib_passed_screen" if shown.private else "allowed_passed_screen"),
    ]


def _out(decided: Admitted) -> Variables:
    tries = decided.targets
    return [
        ("CONNECTOR_TRIES", ":".join(f"{each.number}@{each.endpoint}" for each in tries)),
        ("CONNECTOR_FAILOVER", ":".join("-".join(each.failover) for each in tries)),
        ("CONNECTOR_SHOWS", ":".join(each.shows for each in tries)),
        ("CONNECTOR_DIVERTED", ":".join(each.diverted for each in tries)),
        ("CONNECTOR_PRIVATE", "yes" if decided.shown.private else "no"),
    ]


def _in(decided: Admitted) -> Variables:
    return [
        ("CONNECTOR_KINDS", ":".join(hop.kind for hop in decided.hops)),
        ("CONNECTOR_HOPS", ":".join(_dialled(hop, decided) for hop in decided.hops)),
        ("CONNECTOR_RINGS", ":".join(str(hop.ring_s) for hop in decided.hops)),
        ("CONNECTOR_WITHIN_S", str(decided.within_s)),
    ]


def _dialled(hop: Hop, decided: Admitted) -> str:
    """What Dial, or VoiceMail, is told. No word of it has anything that either would read as more than a name."""
    if hop.kind == "forward":
        return f"Local/{hop.to[0]}@connector-forward/n"
    if hop.kind != "ring":
        return " ".join(hop.to)
    if decided.context:  # the PBX is this Asterisk
        return "&".join(f"Local/{extension}@{decided.context}/n" for extension in hop.to or (decided.called,))
    if not hop.to and decided.called_in == "uri" and decided.called.startswith("+"):
        return f"PJSIP/{decided.called}@{decided.profile}"
    if not hop.to:
        return f"PJSIP/{decided.profile}"
    return "&".join(f"PJSIP/{extension}@{decided.profile}" for extension in hop.to)
