"""Gathers the facts from which core/gate.py decides a call. Reads the database, in the caller's transaction.

Test calls (billing/trials.py) use the same facts.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from connector.billing import carriers, credit, holds
from connector.core import callers as callers_of
from connector.core import gate
from connector.core.admission import Pace
from connector.core.callers import BY_BUTTON, Shown
from connector.core.calls import Attempt, Direction
from connector.core.gate import ButtonFacts, Facts, ProfileFacts, TrunkFacts
from connector.core.holds import Slicing
from connector.core.numbering import emergency_of
from connector.core.numbers import digits_of, e164, from_the_wire, normalise, without_prefix
from connector.core.refusals import Refusal
from connector.core.routes import NAME, Path
from connector.core.sip import Options
from connector.database import reference
from connector.database.models import Button, Call, InboundAccount, Profile, Trunk
from connector.database.store import foresee, locked, remember, remembered, rows
from connector.routing import callers, mailboxes, routes, service_numbers, trunks

_SLOTS = "SELECT slot FROM call WHERE profile_id = ? AND dead_at IS NULL"
_PROFILE_OF_NUMBER = "SELECT profile_id FROM number WHERE e164 = ? AND company_id = ? AND released_at IS NULL"
_PROFILE_OF_ACCOUNT = "SELECT profile_id FROM inbound_account WHERE name = ? AND company_id = ?"
_ROUTE_OF_NUMBER = "SELECT route FROM number WHERE e164 = ? AND released_at IS NULL"
_ROUTE_OF_ACCOUNT = "SELECT route FROM inbound_account WHERE name = ?"
_CAME_ROUND = (
    "SELECT 1 FROM call WHERE direction = 'out' AND dead_at IS NULL AND forwarded <> '' AND (called = ? OR shown = ?)"
    " LIMIT 1"
)
_BY_BUTTON = (
    "SELECT COUNT(*) FROM call JOIN profile ON profile.id = call.profile_id"
    " WHERE profile.company_id = ? AND call.button = ? AND call.dead_at IS NULL"
)
_SAME_SIP_ID = (
    "SELECT 1 FROM call WHERE profile_id = ? AND sip_id = ? AND node = ? AND gate_leg <> ? AND dead_at IS NULL LIMIT 1"
)


def owner_of(attempt: Attempt) -> tuple[int, int | None] | None:
    """The company of the profile, trunk or button that a call comes from, and the profile if it is that."""
    found = _source(attempt)
    if found is None:
        return None
    return int(found.company_id), int(found.id) if attempt.direction is Direction.OUT else None


def _source(attempt: Attempt) -> Profile | Button | Trunk | None:
    if attempt.direction is Direction.OUT:
        return _caller(attempt)
    return _button(attempt) if attempt.by_button else _trunk(attempt)


def _caller(attempt: Attempt) -> Profile | None:
    return reference.one(Profile, "username = ?", attempt.source)


def _button(attempt: Attempt) -> Button | None:
    return reference.one(Button, "id = ?", int(attempt.source))


def _trunk(attempt: Attempt) -> Trunk | None:
    return reference.one(Trunk, "name = ?", attempt.source)


def gather(attempt: Attempt, node: str, slicing: Slicing, *, whole: bool = False) -> Facts:
    """All facts of a call. The available money is read only if no other reason to refuse the call applies, because it
    is the slowest query; `whole` reads it always.
    """
    found = without_money(attempt, node)
    if not whole and gate.refusal(found, slicing) is not None:
        return found
    return _with_money(found, attempt.asked_at)


def without_money(attempt: Attempt, node: str = "") -> Facts:
    """All facts of a call but its money: enough for the CDR of a call that was refused without a decision."""
    if attempt.by_button:
        return _by_button(attempt)
    if attempt.direction is Direction.IN:
        return _in(attempt)
    profile = _caller(attempt)
    return Facts(Direction.OUT) if profile is None else _out(attempt, profile, node)


def _with_money(found: Facts, at: int, more: int = 0) -> Facts:
    """The facts with the money that is available now plus `more` (micros), if the call costs money."""
    if found.profile is None or found.offer is None:
        return found
    return replace(found, money=holds.money(found.profile, found.offer, at, more))


def recharged(attempt: Attempt, found: Facts, cause: str) -> Facts:
    """The facts after an auto-recharge was tried; `cause` is its idempotency key."""
    credit.recharge_if_low(found.profile, cause, attempt.asked_at)
    return _without_low(_with_money(found, attempt.asked_at))


def as_if_recharged(found: Facts, at: int) -> Facts:
    """The facts as they would be after a due auto-recharge. Changes nothing."""
    if found.money is None or not found.money.low:
        return found
    return _without_low(_with_money(found, at, credit.recharge_due(found.profile, at)))


def _without_low(found: Facts) -> Facts:
    return replace(found, money=replace(found.money, low=False)) if found.money else found


def of_admitted(attempt: Attempt, row: Call) -> Facts:
    """The facts that the dialplan needs of a call that was admitted before, when the first answer was lost."""
    profile = row.profile
    button = ButtonFacts(row.button, profile.company_id, 0, 0) if row.button else None
    found = Facts(attempt.direction, bool(row.button), profile_facts(profile), button=button, called=row.called)
    if row.direction == Direction.IN.value:
        trunk = TrunkFacts(row.trunk.id, row.trunk.company_id) if row.trunk else None
        options = Options.from_json(row.trunk.options) if row.trunk else _provider_options(profile)
        return rings(replace(found, trunk=trunk), attempt, profile, options)
    _, private = behind_prefix(attempt, profile)
    shown = callers.show(profile, says(attempt, profile), private)
    offer = holds.offer(profile, row.called, attempt.asked_at)
    tries = carriers.of_call(profile, row.id, row.called, offer, attempt.asked_at).tries
    return replace(
        found,
        tries=tries or (trunks.choice_of(row.trunk),),
        shown=shown if isinstance(shown, Shown) else None,
        diverted=_diverted(attempt, profile, shown),
    )


def profile_facts(row: Profile) -> ProfileFacts:
    """The facts of a profile row."""
    return ProfileFacts(
        row.id,
        row.username,
        row.name,
        row.company_id,
        row.status,
        row.state,
        row.channels,
        Options.from_json(row.options).called_in,
    )


def _out(attempt: Attempt, profile: Profile, node: str) -> Facts:
    """The facts of an outgoing call without its money."""
    wanted, private = behind_prefix(attempt, profile)
    dialled = normalise(wanted, profile.country, emergency_of(profile.country, profile.emergency))
    of_profile = profile_facts(profile)
    if dialled.emergency is not None:
        helped = Facts(Direction.OUT, profile=of_profile, emergency=dialled.emergency)
        if gate.emergency(helped) is not None:
            return helped
    said = says(attempt, profile)
    if remembered(slots_key(profile.id)) is None:
        foresee((_SLOTS, (profile.id,)), holds.credit_question(profile))
    shown = callers.show(profile, said, private)
    service = service_numbers.find(profile.id, digits_of(wanted))
    called = service.digits if service else dialled.e164 or ""
    offer = holds.offer(profile, called, attempt.asked_at) if called else None
    chosen = carriers.of_call(profile, attempt.call_id, called, offer, attempt.asked_at)
    return Facts(
        Direction.OUT,
        profile=of_profile,
        called=called,
        tries=chosen.tries,
        left_out=chosen.left_out,
        routing=chosen.routing,
        shown=shown if isinstance(shown, Shown) else None,
        diverted=_diverted(attempt, profile, shown),
        offer=offer,
        rules=holds.rules(profile.id) if offer else (),
        pace=holds.pace(profile, called, offer.limits, attempt.asked_at) if offer else Pace(0, 0),
        up_already=_is_up_already(attempt, profile, node),
        taken=taken(profile),
    )


def behind_prefix(attempt: Attempt, profile: Profile) -> tuple[str, bool]:
    """What was dialled behind a prefix that withholds the caller's number, and whether the number is withheld. What is
    an emergency or service number as a whole has no prefix.
    """
    prefixes, digits = profile.withhold_prefixes.split(), digits_of(attempt.dialled)
    if not prefixes or digits in emergency_of(profile.country, profile.emergency):
        return attempt.dialled, attempt.private
    if service_numbers.find(profile.id, digits):
        return attempt.dialled, attempt.private
    wanted, withheld = without_prefix(attempt.dialled, prefixes, profile.country)
    return wanted, withheld or attempt.private


def says(attempt: Attempt, profile: Profile) -> str:
    """The number that a call out is said to come from. One that is forwarded comes from the number that was called; or,
    where that is an account, from the profile's main number; and so does one that was transferred, which is the other
    side's leg, with its number.
    """
    if not attempt.forwarded and not attempt.transferred:
        return attempt.caller_id
    return e164(attempt.forwarded) or callers.main(profile)


def _diverted(attempt: Attempt, profile: Profile, shown: Shown | Refusal) -> str:
    """The number that a call was forwarded from; "" if it was not, or if the call shows no number. What a PBX says
    counts if the company has it.
    """
    if not isinstance(shown, Shown) or shown.private:
        return ""
    if attempt.forwarded:
        return says(attempt, profile)
    said = e164(attempt.diverted, profile.country) or ""
    return said if said and callers.own(profile.company_id, said) else ""


def _in(attempt: Attempt) -> Facts:
    trunk = _trunk(attempt)
    if trunk is None:
        return Facts(Direction.IN)
    called = _called_by(trunk, attempt.dialled)
    name = called or attempt.dialled
    profile = _profile_of(trunk, called, attempt.dialled)
    if profile is None and attempt.also:  # the Request-URI is the trunk's name, or a pilot number
        also = _called_by(trunk, attempt.also)
        if also is not None:
            called = name = also
            profile = _profile_of(trunk, also, also)
    # A provider calls its own profile, and a carrier none that has a provider.
    if profile is not None and trunk.profile_id != profile.id and (trunk.profile_id or profile.role == "client"):
        profile = None
    of_trunk = TrunkFacts(trunk.id, trunk.company_id, trunk.state == "open")
    if called is None and not NAME.fullmatch(attempt.dialled):
        return Facts(Direction.IN, trunk=of_trunk)
    if profile is None:
        return Facts(Direction.IN, trunk=of_trunk, called=name)
    found = Facts(Direction.IN, profile=profile_facts(profile), trunk=of_trunk, called=name, taken=taken(profile))
    return rings(found, attempt, profile, Options.from_json(trunk.options))


def _profile_of(trunk: Trunk, called: str | None, said: str) -> Profile | None:
    """The profile of a number, or of an account by its name; None without one."""
    question = _PROFILE_OF_NUMBER if called else _PROFILE_OF_ACCOUNT
    return reference.one(Profile, f"id = ({question})", called or said, trunk.company_id)


def _called_by(trunk: Trunk, said: str) -> str | None:
    """A number as a trunk says it, in E.164; None if it is not one. Of a trunk with a country national ones too."""
    options = Options.from_json(trunk.options)
    if options.number_country:
        return e164(said, options.number_country)
    return e164(from_the_wire(said, options.number_form))


def _by_button(attempt: Attempt) -> Facts:
    button = _button(attempt)
    if button is None:
        return Facts(Direction.IN, by_button=True)
    account = reference.lasting(InboundAccount, button.account_id)
    profile = reference.one(Profile, "id = ?", account.profile_id)
    ((up,),) = rows(_BY_BUTTON, button.company_id, button.name)
    of_button = ButtonFacts(button.name, button.company_id, button.most, int(up))
    found = Facts(Direction.IN, by_button=True, button=of_button, called=account.name)
    if profile is None:
        return found
    found = replace(found, profile=profile_facts(profile), taken=taken(profile))
    return rings(found, attempt, profile, _provider_options(profile))


def _provider_options(profile: Profile) -> Options:
    """Of a profile's own trunk, to its provider, if it has one: a call by a button came by no trunk."""
    found = reference.rows("SELECT options FROM trunk WHERE profile_id = ? AND state <> 'archived'", profile.id)
    return Options.from_json(found[0][0]) if found else Options()


def rings(found: Facts, attempt: Attempt, profile: Profile, options: Options) -> Facts:
    """The facts of an incoming call with its path and the caller ID that the PBX sees."""
    caller = BY_BUTTON
    if not attempt.by_button:
        caller = callers_of.of_caller(attempt.caller_id, attempt.private, options.number_form, profile.country)
    called = reference.rows(_ROUTE_OF_NUMBER if found.called.startswith("+") else _ROUTE_OF_ACCOUNT, found.called)
    ((text,),) = called or [("",)]
    # A call to a number that a forward is calling right now, or from one that it is showing, is that forward.
    came_round = bool(text and rows(_CAME_ROUND, found.called, caller.number or "-"))
    path = routes.path(found.called, text, profile, attempt.asked_at, may_forward=not came_round)
    own_dialplan = profile.role == "client" and not text
    if own_dialplan:
        path = Path((), path.within_s)  # this Asterisk is the PBX: its own dialplan may do what it likes
    boxes = mailboxes.context(profile.company_id)
    hops = [replace(hop, to=(f"{hop.to[0]}@{boxes}",)) if hop.kind == "voicemail" else hop for hop in path.hops]
    return replace(
        found,
        path=replace(path, hops=tuple(hops)),
        nowhere=not path.hops and not own_dialplan,
        context=options.context if profile.role == "client" else "",
        shown=caller,
    )


def taken(profile: Profile) -> frozenset[int]:
    """The channels of a profile that are in use."""
    found: frozenset[int] | None = remembered(slots_key(profile.id))
    if found is None:
        found = frozenset(int(slot) for (slot,) in rows(_SLOTS, profile.id))
        if locked(profile.company_id):
            remember(slots_key(profile.id), found)
    return found


def slots_key(profile: int) -> tuple[str, int]:
    """Under which name a transaction knows the channels in use of a profile."""
    return "slots", profile


def mark(sip_id: str) -> str:
    """Call-ID and CSeq as they are compared: of any length, and from the network."""
    return hashlib.sha256(sip_id.encode(errors="surrogateescape")).hexdigest() if sip_id else ""


def _is_up_already(attempt: Attempt, profile: Profile, node: str) -> bool:
    """Whether a call with this Call-ID and CSeq is up for the profile on this node: the same INVITE by another way (RFC
    3261, 8.2.2.2: a merged request). A PBX that fails over to another node sends the same INVITE there (RFC 3263, 4.3).
    A leg that is transferred is its own call's.
    """
    if not attempt.sip_id or attempt.transferred:
        return False
    return bool(rows(_SAME_SIP_ID, profile.id, mark(attempt.sip_id), node, attempt.gate_leg))
