"""Admission and the life of a call in the store: a row of `call` while it lives, a row of `cdr` for ever after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from peewee import JOIN

from connector.billing import holds, ledger, trunks
from connector.billing.holds import Offer
from connector.billing.ledger import EntryView
from connector.billing.models import Call, Cdr, Charge, Deck, Hold, Profile, Trunk
from connector.billing.store import Question, asked, foresee, insert, lock, one, reading, rows, run, writing
from connector.core import admission, rating, refusals
from connector.core.calls import Admitted, Attempt, Direction, Ending, Progress
from connector.core.holds import Slicing
from connector.core.numbers import e164, from_the_wire, recorded
from connector.core.refusals import Refusal
from connector.core.sip import Options, on_the_wire
from connector.core.trunks import Target, TrunkChoice, endpoint_of, order
from connector.errors import NotFound

_USUAL = Slicing()
_DECIDED = "SELECT 1 FROM call WHERE id = ? UNION ALL SELECT 1 FROM cdr WHERE id = ?"
_SLOTS = "SELECT slot FROM call WHERE profile_id = ? AND dead_at IS NULL"
_PROFILE_OF = "id = (SELECT profile_id FROM call WHERE id = ?)"


@dataclass(frozen=True)
class LiveCall:
    """A call that has its channel right now. `held_s`: paid ahead for so long from its answer; None if it is free.

    `epoch`: when the Asterisk that has its legs was started; 0 if that is not known. `dead_at`: it is over, by its
    timer, and its channel free, but what became of it its node has yet to say.
    """

    id: str
    node: str
    epoch: int
    profile: str
    username: str
    direction: str
    caller_id: str
    called: str
    trunk: str
    started_at: int
    answered_at: int | None
    seen_at: int
    gate_leg: str
    other_leg: str | None
    transferred: bool
    held_s: int | None
    held_micros: int
    dead_at: int | None


@dataclass(frozen=True)
class CdrView:
    """What became of one attempt. Times in milliseconds since 1970 UTC, by Asterisk's clock."""

    id: str
    node: str
    profile: str | None
    direction: str
    caller_id: str
    dialled: str
    called: str | None
    trunk: str | None
    started_at: int
    answered_at: int | None
    ended_at: int
    duration_ms: int
    cause: int
    ending: str
    refusal: str | None
    gate_leg: str
    other_leg: str | None
    price_micros: int | None


@dataclass(frozen=True)
class Explanation:
    """Everything that made the price of a call. `recomputed_micros` is worked out once more from the rest of it.

    `blocks` says how the seconds were rounded; `entries` is every movement in the ledger.
    """

    id: str
    ending: str
    duration_ms: int
    deck: int
    deck_name: str
    deck_version: str
    prefix: str
    rate: str
    price_per_minute_micros: int
    connection_fee_micros: int
    increments: str
    blocks: str
    held_s: int
    held_micros: int
    billed_s: int
    bundle_s: int
    paid_s: int
    payer: str
    term: int | None
    rounding: str
    price_micros: int
    recomputed_micros: int
    agrees: bool
    entries: list[EntryView]


def admit(attempt: Attempt, node: str, slicing: Slicing = _USUAL, epoch: int = 0) -> Admitted | Refusal:
    """Give the call a channel of its profile and hold its first slice, or refuse it; one transaction.

    `epoch`: when the node's Asterisk was started, in milliseconds; none of its calls outlives it.

    Admitted: a row of `call` is the channel, and what it costs is held. Refused: a row of `cdr` says why.
    StoreUnavailable: neither, as far as anybody knows. Asked again, after an answer that was lost, it says the same.
    """
    with writing():
        _lock_company_of(attempt)
        foresee((_DECIDED, (attempt.call_id, attempt.call_id)), _source_question(attempt))
        before = _decided(attempt.call_id, slicing)
        if before is not None:
            return before
        route = _route_out(attempt) if attempt.direction is Direction.OUT else _route_in(attempt)
        slot = route.refusal or _take_slot(route)
        if isinstance(slot, Refusal):
            return _refuse(attempt, node, slot, route)
        hold = None
        if route.offer is not None:
            begun = holds.begin(attempt.call_id, route.profile, route.offer, slicing, attempt.asked_at)
            if isinstance(begun, Refusal):
                return _refuse(attempt, node, begun, route)
            hold = begun
        held_s = None if hold is None else hold.seconds
        admitted = _admitted(attempt.call_id, route, held_s, slicing)
        insert(
            Call,
            id=attempt.call_id,
            node=node,
            epoch=epoch,
            guard_s=admitted.guard_s,
            profile_id=route.profile.id,
            slot=slot,
            direction=attempt.direction.value,
            caller_id=recorded(attempt.caller_id),
            dialled=recorded(attempt.dialled),
            called=route.called,
            trunk_id=route.trunk.id,
            gate_leg=attempt.gate_leg,
            transferred=attempt.transferred,
            started_at=attempt.started_at,
            seen_at=attempt.asked_at,
        )
        if hold is not None:
            holds.keep(hold)
        return admitted


def refuse(attempt: Attempt, node: str, why: Refusal) -> None:
    """Record a refusal that was decided without the store's help; again changes nothing.

    Should the store have admitted the call, and its answer been lost, then the channel and the hold are given back.
    """
    with writing():
        _lock_company_of(attempt)
        row = one(Call, "id = ?", attempt.call_id)
        if row is not None:
            charge = _free(row, row.profile, 0, attempt.asked_at)
            _refuse(attempt, node, why, _Route(row.profile, row.trunk, row.called), price_micros=0)
            if charge is not None:
                insert(Charge, **charge)
        elif _decided(attempt.call_id, _USUAL) is None:
            _refuse(attempt, node, why, _Route())


def dialled(call_id: str, leg: str, trunk: str | None = None) -> None:
    """A leg was dialled for the call, by a trunk if it went out. Kept, for after a restart of ours it may be the only
    leg that is left, and the last trunk that was tried is the call's.
    """
    with writing():
        run("UPDATE call SET other_leg = ? WHERE id = ?", leg, call_id)
        if trunk is not None:
            sql = "UPDATE call SET trunk_id = (SELECT id FROM trunk WHERE name = ?) WHERE id = ? AND direction = 'out'"
            run(f"{sql} AND EXISTS (SELECT 1 FROM trunk WHERE name = ?)", trunk, call_id, trunk)


def answered(call_id: str, at: int, other_leg: str | None, slicing: Slicing = _USUAL) -> int | None:
    """Asterisk said that the call was answered: its rate is pinned. Saying it again changes nothing.

    The seconds that are held for it, from its answer on; None if it costs nothing, or is over.
    """
    with writing():
        _lock_company(call_id)
        foresee(*_questions(call_id))
        row = one(Call, "id = ?", call_id)
        profile = one(Profile, _PROFILE_OF, call_id)
        hold = one(Hold, "call_id = ?", call_id)
        if row is None or row.answered_at is not None:
            return None if hold is None else int(hold.bundle_s + hold.paid_s)
        sql = "UPDATE call SET answered_at = ?, seen_at = ?, other_leg = ? WHERE id = ?"
        run(sql, at, at, other_leg, call_id)
        return None if hold is None else holds.repin(hold, profile, row.called, slicing, at)


def extend(call_id: str, held_s: int, at: int, slicing: Slicing = _USUAL) -> int | None:
    """Hold one slice more for a live call, if it holds `held_s` seconds now; the seconds it holds then.

    The same number if there is no money for another block; None if the call is over or costs nothing. Asking again,
    after an answer that was lost, changes nothing.
    """
    with writing():
        _lock_company(call_id)
        foresee(*_questions(call_id))
        hold = one(Hold, "call_id = ?", call_id)
        if hold is None:
            return None
        call = one(Call, "id = ?", call_id)
        if hold.bundle_s + hold.paid_s != held_s or call is None or call.dead_at is not None:
            return int(hold.bundle_s + hold.paid_s)
        profile = one(Profile, _PROFILE_OF, call_id)
        return holds.extend(hold, profile, slicing, at)


def seen(call_ids: Sequence[str], at: int) -> None:
    """These calls were known alive at `at`: the last thing that is known of them should nobody see their end."""
    with writing():
        for start in range(0, len(call_ids), 500):  # well below SQLite's limit on bound values
            some = call_ids[start : start + 500]
            marks = ", ".join("?" * len(some))
            run(f"UPDATE call SET seen_at = ? WHERE seen_at < ? AND id IN ({marks})", at, at, *some)


def clock_stepped(times: Mapping[str, tuple[int | None, int]]) -> None:
    """The clock was set: when these calls were answered, and last seen, by the clock as it is now."""
    with writing():
        for call_id, (answered_at, seen_at) in times.items():
            sql = "UPDATE call SET answered_at = COALESCE(?, answered_at), seen_at = ? WHERE id = ?"
            run(sql, answered_at, seen_at, call_id)


def ended(call_id: str, progress: Progress, at: int) -> None:
    """The call is over: charged, the rest void, channel free, CDR written, in one transaction; again changes nothing.

    `at` is used where nobody saw when it ended. A call is never charged past what was held for it.
    """
    with writing():
        _lock_company(call_id)
        foresee(*_questions(call_id))
        row = one(Call, "id = ?", call_id)
        if row is None:
            return
        profile = one(Profile, _PROFILE_OF, call_id)
        ended_at = at if progress.ended_at is None else progress.ended_at
        # The books' time is not ahead of ours, whatever an event says.
        charge = _free(row, profile, progress.duration_ms, min(ended_at, at))
        insert(
            Cdr,
            id=row.id,
            node=row.node,
            profile_id=row.profile_id,
            direction=row.direction,
            caller_id=row.caller_id,
            dialled=row.dialled,
            called=row.called,
            trunk_id=row.trunk_id,
            gate_leg=row.gate_leg,
            other_leg=progress.other_leg or row.other_leg,
            started_at=row.started_at,
            answered_at=progress.answered_at,
            ended_at=ended_at,
            duration_ms=progress.duration_ms,
            cause=progress.cause or 0,
            ending=_ending(progress, charge).value,
            price_micros=charge["price_micros"] if charge else 0,
        )
        if charge is not None:
            insert(Charge, **charge)


def live(node: str | None = None) -> list[LiveCall]:
    """All live calls, oldest first; only one node's if it is named."""
    with reading():
        found = Call.select(Call, Profile, Trunk, Hold).join(Profile).switch(Call).join(Trunk)
        found = found.switch(Call).join(Hold, JOIN.LEFT_OUTER, attr="hold")
        if node is not None:
            found = found.where(Call.node == node)
        return [
            LiveCall(
                id=row.id,
                node=row.node,
                epoch=row.epoch,
                profile=row.profile.name,
                username=row.profile.username,
                direction=row.direction,
                caller_id=row.caller_id,
                called=row.called,
                trunk=row.trunk.name,
                started_at=row.started_at,
                answered_at=row.answered_at,
                seen_at=row.seen_at,
                gate_leg=row.gate_leg,
                other_leg=row.other_leg,
                transferred=row.transferred,
                held_s=_held_s(row),
                held_micros=0 if _held_s(row) is None else cast("Any", row).hold.micros,
                dead_at=row.dead_at,
            )
            for row in found.order_by(Call.started_at, Call.id)
        ]


def ended_unseen(call: LiveCall, answered_at: int | None, now: int) -> None:
    """Nobody saw a call's end: it ended when it was last known alive (BRIEF, rule 12); free if it was not answered."""
    progress = Progress(call.gate_leg, transferred=call.transferred)
    progress.answered_at = answered_at
    progress.leg_ended(call.gate_leg, call.seen_at, None, seen=False)
    ended(call.id, progress, now)


def live_ids(node: str) -> set[str]:
    """The ids of a node's live calls."""
    with reading():
        return {call_id for (call_id,) in rows("SELECT id FROM call WHERE node = ?", node)}


def dead_ids(node: str) -> set[str]:
    """The ids of a node's calls whose channels were freed, for they are over by their timers."""
    with reading():
        return {call_id for (call_id,) in rows("SELECT id FROM call WHERE node = ? AND dead_at IS NOT NULL", node)}


def is_live(call_id: str) -> bool:
    """Whether the call has its row, and so its channel."""
    with reading():
        return bool(rows("SELECT 1 FROM call WHERE id = ?", call_id))


def cdrs(limit: int) -> list[CdrView]:
    """The newest `limit` CDRs, newest first."""
    with reading():
        found = _cdr_rows().order_by(Cdr.ended_at.desc(), Cdr.id.desc()).limit(limit)
        return [_cdr_view(row) for row in found]


def cdr(cdr_id: str) -> CdrView:
    """One CDR, by its id or the beginning of it (4 characters and more); NotFound if that is none, or several."""
    with reading():
        found = list(_cdr_rows().where(Cdr.id.startswith(cdr_id)).limit(2)) if len(cdr_id) >= 4 else []
        if not found:
            raise NotFound(f"there is no CDR {cdr_id!r}")
        if len(found) > 1:
            raise NotFound(f"several CDRs begin with {cdr_id!r}: give more of the ID")
        return _cdr_view(found[0])


def explain(cdr_id: str) -> Explanation:
    """Why a call cost what it did, by its id or the beginning of it. NotFound if there is none, or it was free."""
    found = cdr(cdr_id)
    with reading():
        charge = Charge.get_or_none(Charge.cdr == found.id)
        if charge is None:
            why = f"refused ({found.refusal})" if found.refusal else "a call in, and those are free"
            raise NotFound(f"the call {found.id} cost nothing: it was {why}")
        deck = Deck.select(Deck.name, Deck.version).where(Deck.id == charge.deck_id).get()
        again = ledger.recomputed(charge, found.duration_ms)
        return Explanation(
            id=found.id,
            ending=found.ending,
            duration_ms=found.duration_ms,
            deck=charge.deck_id,
            deck_name=deck.name,
            deck_version=deck.version,
            prefix=charge.prefix,
            rate=charge.rate_name,
            price_per_minute_micros=charge.price_per_minute_micros,
            connection_fee_micros=charge.connection_fee_micros,
            increments=charge.increments,
            blocks=_blocks(charge, found.duration_ms),
            held_s=charge.held_bundle_s + charge.held_paid_s,
            held_micros=charge.held_micros,
            billed_s=charge.billed_s,
            bundle_s=charge.bundle_s,
            paid_s=charge.paid_s,
            payer=charge.payer,
            term=charge.term_id,
            rounding=_rounding(charge),
            price_micros=charge.price_micros,
            recomputed_micros=again.price_micros,
            agrees=again.price_micros == charge.price_micros == found.price_micros,
            entries=ledger.of_call(found.id),
        )


@dataclass
class _Route:
    """Where a call would go, as far as it got: a refusal ends the way."""

    profile: Any = None
    trunk: Any = None
    called: str = ""
    targets: tuple[Target, ...] = ()
    offer: Offer | None = None
    refusal: Refusal | None = None


def _source_question(attempt: Attempt) -> Question:
    if attempt.direction is Direction.OUT:
        return asked(Profile, "username = ?", attempt.source)
    return asked(Trunk, "name = ?", attempt.source)


def _questions(call_id: str) -> list[Question]:
    """What is asked of a live call."""
    return [
        asked(Call, "id = ?", call_id),
        asked(Profile, _PROFILE_OF, call_id),
        asked(Hold, "call_id = ?", call_id),
    ]


def _lock_company_of(attempt: Attempt) -> None:
    """The company of whoever is at the gate. Nobody else admits in its name, or settles for it, meanwhile."""
    table, column = ("profile", "username") if attempt.direction is Direction.OUT else ("trunk", "name")
    lock(f"id = (SELECT company_id FROM {table} WHERE {column} = ?)", attempt.source)


def _lock_company(call_id: str) -> None:
    """The company that a live call is of."""
    lock("id = (SELECT company_id FROM profile JOIN call ON call.profile_id = profile.id WHERE call.id = ?)", call_id)


def _admitted(call_id: str, route: _Route, held_s: int | None, slicing: Slicing) -> Admitted:
    # A rate's first block may be longer than the longest call: it is held whole, and talked in part.
    guard_s = slicing.longest_s if held_s is None else min(held_s, slicing.longest_s)
    profile, context = route.profile, ""
    if not route.targets:
        context = Options.from_json(route.trunk.options).context
    return Admitted(call_id, profile.username, route.called, guard_s, profile.channels, route.targets, context)


def _decided(call_id: str, slicing: Slicing) -> Admitted | Refusal | None:
    """What was decided of a call before, if its answer was lost."""
    if not rows(_DECIDED, call_id, call_id):
        return None
    row = one(Call, "id = ?", call_id)
    if row is not None:
        hold = one(Hold, "call_id = ?", call_id)
        held_s = None if hold is None else int(hold.bundle_s + hold.paid_s)
        route = _Route(row.profile, row.trunk, row.called)
        if row.direction == Direction.OUT.value:
            route.targets = _targets(route.called, _trunks(row.profile, call_id)) or (_target(row.called, row.trunk),)
        else:
            route.targets = _rings(row.profile)
        return _admitted(call_id, route, held_s, slicing)
    ((refused,),) = rows("SELECT refusal FROM cdr WHERE id = ?", call_id)
    return refusals.BY_CODE[refused]


def _route_out(attempt: Attempt) -> _Route:
    profile = one(Profile, "username = ?", attempt.source)
    if profile is None:
        return _Route(refusal=refusals.PROFILE_UNKNOWN)
    called = e164(attempt.dialled)
    foresee(trunks.choices(profile), (_SLOTS, (profile.id,)), *holds.questions(profile, attempt.asked_at))
    tries = _trunks(profile, attempt.call_id)
    refusal = admission.may_carry(profile.status, profile.state)
    if refusal is None and called is None:
        refusal = refusals.NUMBER_INVALID
    if refusal is None and not tries:
        refusal = refusals.NO_TRUNK
    route = _Route(profile, tries[0] if tries else None, called or "", refusal=refusal)
    if refusal is None:
        route.targets = _targets(route.called, tries)
    if refusal is None:
        _rate(route, attempt.asked_at)
    return route


def _rate(route: _Route, at: int) -> None:
    """What the call would cost, and whether the profile may make it at all."""
    offered = holds.offer(route.profile, route.called, at)
    if isinstance(offered, Refusal):
        route.refusal = offered
        return
    route.offer = offered
    route.refusal = holds.may_dial(route.profile, route.called, offered, at)


def _route_in(attempt: Attempt) -> _Route:
    trunk = one(Trunk, "name = ?", attempt.source)
    if trunk is None:
        return _Route(refusal=refusals.NO_TRUNK)
    called = e164(from_the_wire(attempt.dialled, Options.from_json(trunk.options).number_form))
    if called is None:
        return _Route(trunk=trunk, refusal=refusals.NUMBER_INVALID)
    sql = "id = (SELECT profile_id FROM number WHERE e164 = ? AND company_id = ?)"
    profile = one(Profile, sql, called, trunk.company_id)
    # A provider calls its own profile, and a carrier none that has a provider.
    if profile is None or (trunk.profile_id != profile.id and (trunk.profile_id or profile.role == "client")):
        return _Route(trunk=trunk, called=called, refusal=refusals.NUMBER_UNKNOWN)
    refusal = admission.may_carry(profile.status, profile.state)
    if refusal is None and trunk.state != "open":
        refusal = refusals.TRUNK_CLOSED
    return _Route(profile, trunk, called, _rings(profile), refusal=refusal)


def _trunks(profile: Any, call_id: str) -> list[TrunkChoice]:
    sql, values = trunks.choices(profile)
    return order([trunks.choice(row) for row in rows(sql, *values)], call_id)


def _targets(called: str, tries: Sequence[TrunkChoice]) -> tuple[Target, ...]:
    return tuple(Target(endpoint_of(t.name), on_the_wire(called, t.number_form), t.failover) for t in tries)


def _target(called: str, trunk: Any) -> Target:
    return Target(endpoint_of(trunk.name), on_the_wire(called, Options.from_json(trunk.options).number_form))


def _rings(profile: Any) -> tuple[Target, ...]:
    """The PBX of a server profile; a client's is this Asterisk."""
    return (Target(profile.username, ""),) if profile.role == "server" else ()


def _take_slot(route: _Route) -> int | Refusal:
    taken = {slot for (slot,) in rows(_SLOTS, route.profile.id)}
    return admission.take_slot(route.profile.channels, taken)


def _free(row: Any, profile: Any, duration_ms: int, at: int) -> dict[str, Any] | None:
    """Charge what was talked, void the rest, free the channel; the columns of the charge, None for a call in."""
    charge = holds.settle(row, profile, duration_ms, at)
    run("DELETE FROM call WHERE id = ?", row.id)
    return charge


def _ending(progress: Progress, charge: dict[str, Any] | None) -> Ending:
    """How it ended; who talked all that was held was cut off, whichever leg's timer it was."""
    if progress.ending is Ending.OK and charge is not None:
        held_s = charge["held_bundle_s"] + charge["held_paid_s"]
        return Ending.CUT_OFF if progress.duration_ms >= held_s * 1000 else Ending.OK
    return progress.ending


def _refuse(attempt: Attempt, node: str, why: Refusal, route: _Route, price_micros: int | None = None) -> Refusal:
    insert(
        Cdr,
        id=attempt.call_id,
        node=node,
        profile_id=route.profile and route.profile.id,
        direction=attempt.direction.value,
        caller_id=recorded(attempt.caller_id),
        dialled=recorded(attempt.dialled),
        called=route.called or None,
        trunk_id=route.trunk and route.trunk.id,
        gate_leg=attempt.gate_leg,
        started_at=attempt.started_at,
        ended_at=attempt.asked_at,
        duration_ms=0,
        cause=why.cause,
        ending=Ending.REFUSED.value,
        refusal=why.code,
        price_micros=price_micros,
    )
    return why


def _held_s(row: Any) -> int | None:
    hold = getattr(row, "hold", None)  # Peewee leaves it out where the join found none
    return None if hold is None or hold.call_id is None else hold.bundle_s + hold.paid_s


def _blocks(charge: Any, duration_ms: int) -> str:
    rate = ledger.pinned_rate(charge)
    whole = rating.billed_s(duration_ms, rate.increments)
    text = f"{duration_ms} ms talked are {whole} s in blocks of {charge.increments}"
    held = charge.held_bundle_s + charge.held_paid_s
    if whole > held:
        text += f"; Asterisk ended the call at the {held} s that were paid, so no more is billed"
    return text


def _rounding(charge: Any) -> str:
    if not charge.paid_s:
        return "no second was paid in money"
    number = charge.price_per_minute_micros * charge.paid_s
    return (
        f"{charge.price_per_minute_micros} x {charge.paid_s} / 60 = {number // 60} {number % 60}/60, half up to"
        f" {charge.price_micros - charge.connection_fee_micros}; connection fee {charge.connection_fee_micros}"
    )


def _cdr_rows() -> Any:
    found = Cdr.select(Cdr, Profile, Trunk).join(Profile, JOIN.LEFT_OUTER)
    return found.switch(Cdr).join(Trunk, JOIN.LEFT_OUTER)


def _cdr_view(row: Cdr) -> CdrView:
    return CdrView(
        id=row.id,
        node=row.node,
        profile=row.profile.name if row.profile else None,
        direction=row.direction,
        caller_id=row.caller_id,
        dialled=row.dialled,
        called=row.called,
        trunk=row.trunk.name if row.trunk else None,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        cause=row.cause,
        ending=row.ending,
        refusal=row.refusal,
        gate_leg=row.gate_leg,
        other_leg=row.other_leg,
        price_micros=row.price_micros,
    )
