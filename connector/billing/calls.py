"""Admission and the life of a call in the store: a row of `call` while it lives, a row of `cdr` for ever after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, cast

from peewee import JOIN, Tuple

from connector.billing import credit, facts, holds, usage
from connector.billing.holds import Settled
from connector.core import gate, rating, refusals
from connector.core.access import Scope
from connector.core.calls import CALLER, US, Admitted, Attempt, Direction, Emergency, Ending, Progress
from connector.core.costs import of_a_minute
from connector.core.gate import Admission, Facts, RechargeFirst
from connector.core.holds import Slicing
from connector.core.numbers import recorded
from connector.core.paging import Page, Turn, page
from connector.core.refusals import Refusal
from connector.database import audit, reference
from connector.database.models import Call, Cdr, Charge, Cost, Hold, Profile, Trunk
from connector.database.store import (
    Question,
    asked,
    fitting,
    for_good,
    insert,
    keep_for_good,
    lock,
    lock_company,
    one,
    reading,
    record,
    remember,
    remembered,
    rows,
    run,
    writing,
)
from connector.errors import BadInput, NotFound
from connector.notices import call_events

MOST_SHOWN = 300
_USUAL = Slicing()
_DECIDED = "SELECT 1 FROM call WHERE id = ? UNION ALL SELECT 1 FROM cdr WHERE id = ?"
_COMPANY_OF = "id = (SELECT company_id FROM profile JOIN call ON call.profile_id = profile.id WHERE call.id = ?)"


@dataclass(frozen=True)
class LiveCall:
    """A call that has its channel right now. `held_s`: paid ahead for so long from its answer; None if it is free.

    `epoch`: when the Asterisk that has its legs was started; 0 if that is not known. `dead_at`: it is over, by its
    timer, and its channel free, but what became of it its node has yet to say. `button`: the name of the call button
    that it came by, and then by no `trunk`.
    """

    id: str
    node: str
    epoch: int
    profile: str
    username: str
    direction: str
    caller_id: str
    shown: str | None
    called: str
    trunk: str | None
    started_at: int
    answered_at: int | None
    seen_at: int
    gate_leg: str
    other_leg: str | None
    transferred: bool
    held_s: int | None
    held_micros: int
    dead_at: int | None
    button: str = ""


def admit(attempt: Attempt, node: str, slicing: Slicing = _USUAL, epoch: int = 0) -> Admitted | Refusal | Emergency:
    """Give the call a channel of its profile and hold its first slice, or refuse it; one transaction.

    An emergency number needs neither, and leaves no row here: the dialplan tells of it (routing/emergency.py).

    `epoch`: when the node's Asterisk was started, in milliseconds; none of its calls outlives it.

    Admitted: a row of `call` is the channel, and what it costs is held. Refused: a row of `cdr` says why.
    StoreUnavailable: neither, as far as anybody knows. Asked again, after an answer that was lost, it says the same.
    """
    with writing():
        asked_before = remembered(decided_key(attempt.call_id)) is not None
        _lock_company_of(attempt, *([] if asked_before else [(_DECIDED, (attempt.call_id, attempt.call_id))]))
        before = _decided(attempt, slicing)
        if before is not None:
            return before
        known = facts.gather(attempt, node, slicing)
        decided = gate.decide(known, slicing)
        if isinstance(decided, RechargeFirst):
            known = facts.recharged(attempt, known, holds.begun_by(attempt.call_id))
            decided = gate.decide(known, slicing)
        if isinstance(decided, Emergency):
            return decided
        if isinstance(decided, Refusal):
            return _refuse(attempt, node, decided, known)
        return _begin(attempt, node, known, decided, slicing, epoch)


def _begin(
    attempt: Attempt, node: str, known: Facts, decided: Admission | RechargeFirst, slicing: Slicing, epoch: int
) -> Admitted:
    """Write what was decided: the channel, the hold and the sums."""
    profile = known.profile
    assert isinstance(decided, Admission)
    assert profile is not None
    hold = None
    if known.offer is not None and decided.first is not None:
        hold = holds.begin(attempt.call_id, profile, known.offer, decided.first, attempt.asked_at)
        if known.money is not None and known.money.recharges:
            credit.recharge_if_low(profile, holds.begun_by(attempt.call_id), attempt.asked_at)
    admitted = gate.admitted(attempt.call_id, known, None if hold is None else hold.seconds, slicing)
    insert(
        Call,
        id=attempt.call_id,
        node=node,
        epoch=epoch,
        guard_s=admitted.guard_s,
        profile_id=profile.id,
        slot=decided.slot,
        direction=attempt.direction.value,
        caller_id=recorded(attempt.caller_id),
        dialled=recorded(attempt.dialled),
        called=known.called,
        trunk_id=_first_trunk(known),
        button=known.button.name if known.button else "",
        gate_leg=attempt.gate_leg,
        transferred=attempt.transferred,
        started_at=attempt.started_at,
        seen_at=attempt.asked_at,
        shown="" if admitted.shown.private else admitted.shown.number or "",
        forwarded=attempt.forwarded,
        sip_id=facts.mark(attempt.sip_id),
        routing=known.routing.to_text() if known.routing else "",
    )
    remember(facts.slots_key(profile.id), known.taken | {decided.slot})
    remember(decided_key(attempt.call_id), None)
    _changed(attempt.call_id)
    keep_for_good(attempt.call_id, (profile.company_id, profile.id))
    call_events.put(profile.company_id, attempt.call_id, call_events.STARTED, attempt.started_at)
    if hold is not None:
        holds.keep(hold)
    usage.taken(profile.id, len(known.taken) + 1, attempt.asked_at)
    return admitted


def _first_trunk(known: Facts) -> int | None:
    """The trunk of a call that begins: the one that it came by, or the first that it tries."""
    if known.tries:
        return known.tries[0].id
    return known.trunk.id if known.trunk else None


def refuse(attempt: Attempt, node: str, why: Refusal) -> None:
    """Record a refusal that was decided without the store's help; again changes nothing.

    Should the store have admitted the call, and its answer been lost, then the channel and the hold are given back.
    """
    with writing():
        _lock_company_of(attempt)
        row = one(Call, "id = ?", attempt.call_id)
        if row is not None:
            settled = _free(row, one(Hold, "call_id = ?", row.id), _profile(row), 0, attempt.asked_at)
            known = facts.of_admitted(attempt, row)
            _refuse(attempt, node, why, known, price_micros=0, settled=settled, shown=row.shown)
            usage.freed(row.profile_id, row.started_at, attempt.asked_at)
        elif not rows(_DECIDED, attempt.call_id, attempt.call_id):
            _refuse(attempt, node, why, facts.without_money(attempt))


def given_up(attempt: Attempt, node: str, at: int, cause: int) -> None:
    """Record a call whose caller gave up before it was decided; again changes nothing."""
    with writing():
        _lock_company_of(attempt)
        if rows(_DECIDED, attempt.call_id, attempt.call_id):
            return
        known = facts.without_money(attempt)
        if known.profile is None and known.trunk is None:
            return  # a phone of an admin's own dialplan: whose call it would have been is not known
        _write(
            None,
            **_of_attempt(attempt, node, known),
            ended_at=at,
            cause=cause,
            ending=Ending.NO_ANSWER.value,
            refusal=None,
            price_micros=0,
            booked_at=at,
            hung_up_by=CALLER,
        )


def dialled(call_id: str, leg: str, trunk: str | None = None) -> None:
    """A leg was dialled for the call, by a trunk if it went out. Kept, for after a restart of ours it may be the only
    leg that is left, and the last trunk that was tried is the call's.
    """
    with writing():
        _changed(call_id)
        run("UPDATE call SET other_leg = ? WHERE id = ?", leg, call_id)
        if trunk is not None:
            sql = "UPDATE call SET trunk_id = (SELECT id FROM trunk WHERE name = ?) WHERE id = ? AND direction = 'out'"
            run(f"{sql} AND EXISTS (SELECT 1 FROM trunk WHERE name = ?)", trunk, call_id, trunk)


def answered(call_id: str, at: int, other_leg: str | None, slicing: Slicing = _USUAL) -> int | None:
    """Asterisk said that the call was answered: its rate is pinned. Saying it again changes nothing.

    The seconds that are held for it, from its answer on; None if it costs nothing, or is over.
    """
    with writing():
        row, hold = _live(call_id)
        if row is None or row.answered_at is not None:
            return None if hold is None else int(hold.bundle_s + hold.paid_s)
        _changed(call_id)
        sql = "UPDATE call SET answered_at = ?, seen_at = ?, other_leg = ? WHERE id = ?"
        run(sql, at, at, other_leg, call_id)
        call_events.put(_profile(row).company_id, call_id, call_events.ANSWERED, at)
        if hold is None:
            return None
        holds.pin_cost(hold, _profile(row), _carried_by(row, other_leg or row.other_leg), row.called, at)
        return holds.repin(hold, _profile(row), row.called, slicing, at)


def extend(call_id: str, held_s: int, at: int, slicing: Slicing = _USUAL) -> int | None:
    """Hold one slice more for a live call, if it holds `held_s` seconds now; the seconds it holds then.

    The same number if there is no money for another block; None if the call is over or costs nothing. Asking again,
    after an answer that was lost, changes nothing.
    """
    with writing():
        call, hold = _live(call_id)
        if hold is None:
            return None
        if hold.bundle_s + hold.paid_s != held_s or call is None or call.dead_at is not None:
            return int(hold.bundle_s + hold.paid_s)
        _changed(call_id)
        return holds.extend(hold, _profile(call), slicing, at)


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
        _changed(*times)
        for call_id, (answered_at, seen_at) in times.items():
            sql = "UPDATE call SET answered_at = COALESCE(?, answered_at), seen_at = ? WHERE id = ?"
            run(sql, answered_at, seen_at, call_id)


def ended(call_id: str, progress: Progress, at: int) -> None:
    """The call is over: charged, the rest void, channel free, CDR written, in one transaction; again changes nothing.

    `at` is used where nobody saw when it ended. A call is never charged past what was held for it.
    """
    with writing():
        row, hold = _live(call_id)
        if row is None:
            return
        profile = _profile(row)
        joined = not progress.never_joined  # else it costs nothing (BRIEF, rule 14)
        other_leg = progress.other_leg or row.other_leg
        ended_at = at if progress.ended_at is None else progress.ended_at
        if hold is not None and not hold.cost and joined and progress.answered_at is not None:
            # Its answer was not heard when it came.
            holds.pin_cost(hold, profile, _carried_by(row, other_leg), row.called, progress.answered_at)
        # The books' time is not ahead of ours, whatever an event says.
        settled = _free(row, hold, profile, progress.duration_ms if joined else 0, min(ended_at, at))
        _write(
            settled,
            id=row.id,
            node=row.node,
            company_id=profile and profile.company_id,
            profile_id=row.profile_id,
            direction=row.direction,
            caller_id=row.caller_id,
            dialled=row.dialled,
            called=row.called,
            trunk_id=_carried_by(row, other_leg),
            gate_leg=row.gate_leg,
            other_leg=other_leg,
            started_at=row.started_at,
            answered_at=progress.answered_at if joined else None,
            ended_at=ended_at,
            duration_ms=progress.duration_ms if joined else 0,
            cause=progress.cause or 0,
            ending=_ending(progress, settled).value,
            refusal=None,
            price_micros=settled.charge["price_micros"] if settled else 0,
            shown=row.shown,
            forwarded=row.forwarded,
            button=row.button,
            booked_at=settled.at if settled else min(ended_at, at),
            sip_status=progress.sip_status or None,
            hung_up_by=progress.hung_up_by,
            routing=row.routing,
        )
        usage.freed(row.profile_id, row.started_at, ended_at)


def _carried_by(row: Call, other_leg: str | None) -> int | None:
    """The trunk of a call: a call out names the last one that was asked, if one was."""
    return row.trunk_id if row.direction == Direction.IN.value or other_leg else None


def live(node: str | None = None) -> list[LiveCall]:
    """All live calls, oldest first; only one node's if it is named."""
    with reading():
        found = _live_rows()
        if node is not None:
            found = found.where(Call.node == node)
        return [_live_view(row) for row in found]


def live_page(scope: Scope, wanted: Turn, profile: str | None = None) -> Page[LiveCall]:
    """The live calls that somebody sees, oldest first; only of one profile, by its username."""
    with reading():
        found = _live_rows().limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(Profile.company == scope.company)
        if scope.profile is not None:
            found = found.where(Profile.id == scope.profile)
        if profile is not None:
            found = found.where(Profile.username == profile)
        if wanted.after is not None:
            found = found.where(Tuple(Call.started_at, Call.id) > wanted.after)
        return page([_live_view(row) for row in found], wanted, lambda view: (view.started_at, view.id))


@dataclass(frozen=True)
class Now:
    """What goes on in a company, or everywhere, at a moment.

    `in_use`: channels taken, by the username of the profile. `burn_micros`: what the answered calls of a profile cost a
    minute now. Of those that its own credit pays, `credit_burn_micros` is that, and `credit_spent_micros` what they
    have cost so far, of what is held for them. `calls`: those that are up, oldest first, `MOST_SHOWN` at most; `total`:
    how many there are.
    """

    at: int
    total: int
    in_use: dict[str, int]
    burn_micros: dict[str, int]
    credit_burn_micros: dict[str, int]
    credit_spent_micros: dict[str, int]
    calls: list[NowCall]


@dataclass(frozen=True)
class NowCall:
    """A call that is up. `cost_micros`: what it would cost if it ended now; None where it costs nothing. `button`: the
    name of the call button that it came by.
    """

    id: str
    node: str
    profile: str
    username: str
    direction: str
    caller_id: str
    called: str
    started_at: int
    answered_at: int | None
    cost_micros: int | None
    button: str = ""


def now_of(scope: Scope, at: int) -> Now:
    """What goes on in what somebody sees."""
    sql, values = fitting(_NOW, ("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
    in_use: dict[str, int] = {}
    burn, credit_burn, credit_spent = Counter[str](), Counter[str](), Counter[str]()
    shown: list[NowCall] = []
    with reading():
        found = rows(f"{sql} ORDER BY c.started_at, c.id", *values)
    for row in found:
        call_id, node, name, username, direction, caller, called, started, answered, per_minute, *rest = row
        fee, steps, bundle, payer, button = rest
        in_use[username] = in_use.get(username, 0) + 1
        cost = None
        if per_minute is not None:
            rate = rating.Rate("", "", per_minute, fee, rating.increments(steps), 0)
            talked = max(0, at - answered) if answered else 0
            rated = rating.rated(rate, talked, bundle) if answered else None
            cost = rated.price_micros if rated else 0
            if rated and rated.billed_s >= bundle:
                burn[username] += per_minute
                if payer == "profile":
                    credit_burn[username] += per_minute
                    credit_spent[username] += cost
        if len(shown) < MOST_SHOWN:
            times = (started, answered)
            shown.append(NowCall(call_id, node, name, username, direction, caller, called, *times, cost, button))
    return Now(at, len(found), in_use, dict(burn), dict(credit_burn), dict(credit_spent), shown)


_NOW = (
    "SELECT c.id, c.node, p.name, p.username, c.direction, c.caller_id, c.called, c.started_at, c.answered_at,"
    " h.price_per_minute_micros, h.connection_fee_micros, h.increments, h.bundle_s, h.payer, c.button"
    " FROM call c JOIN profile p ON p.id = c.profile_id LEFT JOIN hold h ON h.call_id = c.id WHERE c.dead_at IS NULL"
)


def live_call(call_id: str, node: str) -> LiveCall:
    """A live call of a node. NotFound if it is over; BadInput if it is another node's."""
    with reading():
        row = _live_rows().where(Call.id == call_id).get_or_none()
        if row is None:
            raise NotFound("there is no live call {call_id!r}", call_id=call_id)
        if row.node != node:
            raise BadInput("this call is on the node {node}: ask there", node=row.node)
        return _live_view(row)


def _live_rows() -> Any:
    found = Call.select(Call, Profile, Trunk, Hold).join(Profile).switch(Call)
    found = found.join(Trunk, JOIN.LEFT_OUTER).switch(Call)
    return found.join(Hold, JOIN.LEFT_OUTER, attr="hold").order_by(Call.started_at, Call.id)


def _live_view(row: Any) -> LiveCall:
    return LiveCall(
        id=row.id,
        node=row.node,
        epoch=row.epoch,
        profile=row.profile.name,
        username=row.profile.username,
        direction=row.direction,
        caller_id=row.caller_id,
        shown=row.shown,
        called=row.called,
        trunk=row.trunk.name if row.trunk else None,
        started_at=row.started_at,
        answered_at=row.answered_at,
        seen_at=row.seen_at,
        gate_leg=row.gate_leg,
        other_leg=row.other_leg,
        transferred=row.transferred,
        held_s=_held_s(row),
        held_micros=0 if _held_s(row) is None else cast("Any", row).hold.micros,
        dead_at=row.dead_at,
        button=row.button,
    )


def ended_unseen(call: LiveCall, answered_at: int | None, now: int) -> None:
    """Nobody saw a call's end: it ended when it was last known alive (BRIEF, rule 12); free if it was not answered."""
    progress = Progress(call.gate_leg, transferred=call.transferred)
    progress.answered_at = answered_at
    progress.leg_ended(call.gate_leg, call.seen_at, None, seen=False)
    ended(call.id, progress, now)


def note_end(call: LiveCall) -> None:
    """Somebody hangs up: it is written down, and whoever asked has it done."""
    with writing():
        lock("id = (SELECT company_id FROM profile WHERE username = ?)", call.username)
        audit.note("call.end", call.id, f"{call.caller_id or call.button} to {call.called}")


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


def _lock_company_of(attempt: Attempt, *ahead: Question) -> None:
    """The company that a call is asked for. Nobody else admits in its name, or settles for it, meanwhile."""
    owner = facts.owner_of(attempt)
    if owner is not None:
        lock_company(owner[0], ahead)


def _live(call_id: str) -> tuple[Call | None, Hold | None]:
    """A live call and its hold, None for what is not there; their company is locked first. What changes them forgets
    them (`_changed`).
    """
    known = remembered(live_key(call_id))
    if known is not None:
        call, hold = known
        return copy(call), copy(hold)  # copy(None) is None
    questions = asked(Call, "id = ?", call_id), asked(Hold, "call_id = ?", call_id)
    owner = for_good(call_id)
    if owner is None:
        lock(_COMPANY_OF, call_id, ahead=questions)
    else:
        lock_company(owner[0], questions)
    call, hold = record(Call, "id = ?", call_id), record(Hold, "call_id = ?", call_id)
    if call is not None and owner is None:
        keep_for_good(call_id, (int(_profile(call).company_id), int(call.profile_id)))
    return call, hold


def live_key(call_id: str) -> tuple[str, str]:
    """Under which name a transaction remembers a live call and its hold."""
    return "live", call_id


def decided_key(call_id: str) -> tuple[str, str]:
    """Under which name a transaction remembers whether a call was decided before."""
    return "decided", call_id


def _changed(*call_ids: str) -> None:
    """Calls were changed: this transaction reads them anew."""
    for call_id in call_ids:
        remember(live_key(call_id), None)


def _profile(call: Call) -> Profile:
    """The profile of a live call."""
    return reference.lasting(Profile, call.profile_id)


def _decided(attempt: Attempt, slicing: Slicing) -> Admitted | Refusal | None:
    """What was decided of a call before, if its answer was lost."""
    if remembered(decided_key(attempt.call_id)) is False:
        return None
    if not rows(_DECIDED, attempt.call_id, attempt.call_id):
        return None
    row = one(Call, "id = ?", attempt.call_id)
    if row is None:
        ((refused,),) = rows("SELECT refusal FROM cdr WHERE id = ?", attempt.call_id)
        return refusals.BY_CODE[refused]
    hold = one(Hold, "call_id = ?", attempt.call_id)
    held_s = None if hold is None else int(hold.bundle_s + hold.paid_s)
    return gate.admitted(row.id, facts.of_admitted(attempt, row), held_s, slicing)


def _free(row: Call, hold: Hold | None, profile: Profile, duration_ms: int, at: int) -> Settled | None:
    """Charge what was talked, void the rest, free the channel; None for a call in, which has no hold."""
    settled = None if hold is None else holds.settle(hold, profile, duration_ms, at)
    _changed(row.id)
    run("DELETE FROM call WHERE id = ?", row.id)
    in_use = remembered(facts.slots_key(row.profile_id))
    if in_use is not None and row.dead_at is None:
        remember(facts.slots_key(row.profile_id), in_use - {row.slot})
    return settled


def _write(settled: Settled | None, **columns: Any) -> None:
    """Write a CDR, with its charge if it has one, add it to the sums, and tell who wants to know of calls."""
    charge = settled.charge if settled else None
    remember(decided_key(columns["id"]), None)
    insert(Cdr, **columns)
    event = call_events.REFUSED if columns["refusal"] else call_events.ENDED
    call_events.put(columns["company_id"], columns["id"], event, columns["ended_at"])
    if charge is not None:
        insert(Charge, **charge)
    cost = settled.cost if settled else None
    if cost is not None:
        insert(Cost, **cost)
    usage.booked(columns, charge, cost)


def _ending(progress: Progress, settled: Settled | None) -> Ending:
    """How it ended; who talked all that was held was cut off, whichever leg's timer it was."""
    if progress.ending is Ending.OK and settled is not None:
        held_s = settled.charge["held_bundle_s"] + settled.charge["held_paid_s"]
        return Ending.CUT_OFF if progress.duration_ms >= held_s * 1000 else Ending.OK
    return progress.ending


def _refuse(
    attempt: Attempt,
    node: str,
    why: Refusal,
    known: Facts,
    *,
    price_micros: int | None = None,
    settled: Settled | None = None,
    shown: str | None = None,
) -> Refusal:
    rate = known.offer.rate if known.offer else None
    _write(
        settled,
        **_of_attempt(attempt, node, known),
        ended_at=attempt.asked_at,
        cause=why.cause,
        ending=Ending.REFUSED.value,
        refusal=why.code,
        price_micros=price_micros,
        shown=shown,
        forwarded=recorded(attempt.forwarded),
        button=known.button.name if known.button else "",
        booked_at=settled.at if settled else attempt.asked_at,
        offered_micros=of_a_minute(rate) if rate else None,
        hung_up_by=f"{US}: {why.code}",
        routing=known.routing.to_text() if known.routing else "",
    )
    return why


def _of_attempt(attempt: Attempt, node: str, known: Facts) -> dict[str, Any]:
    """The columns of a CDR that say who called whom, for a call that was not admitted."""
    return {
        "id": attempt.call_id,
        "node": node,
        "company_id": _company_of(known),
        "profile_id": known.profile and known.profile.id,
        "direction": attempt.direction.value,
        "caller_id": recorded(attempt.caller_id),
        "dialled": recorded(attempt.dialled),
        "called": _called(known),
        "trunk_id": known.trunk and known.trunk.id,  # of a call out none was asked
        "gate_leg": attempt.gate_leg,
        "started_at": attempt.started_at,
        "duration_ms": 0,
    }


def _called(known: Facts) -> str | None:
    """The called number or account of a refused call; None if it is not valid, or a name that is not an account."""
    return (known.called or None) if known.profile or known.button or known.called.startswith("+") else None


def _company_of(known: Facts) -> int | None:
    """Whose an attempt is."""
    owner = known.profile or known.trunk or known.button
    return None if owner is None else owner.company_id


def _held_s(row: Any) -> int | None:
    hold = getattr(row, "hold", None)  # Peewee leaves it out where the join found none
    return None if hold is None or hold.call_id is None else hold.bundle_s + hold.paid_s
