"""Admission and the life of a call in the store: a row of `call` while it lives, a row of `cdr` for ever after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from peewee import JOIN, Tuple

from connector.billing import audit, callers, holds, mailboxes, routes, trunks, usage
from connector.billing.holds import Offer, Settled
from connector.billing.models import Button, Call, Cdr, Charge, Hold, InboundAccount, Profile, Trunk
from connector.billing.store import Question, asked, fitting, foresee, insert, lock, one, reading, rows, run, writing
from connector.core import admission, rating, refusals
from connector.core import callers as callers_of
from connector.core.access import Scope
from connector.core.callers import BY_BUTTON, NOBODY, Shown
from connector.core.calls import LONGEST_BY_BUTTON_S, Admitted, Attempt, Direction, Emergency, Ending, Progress
from connector.core.holds import Slicing
from connector.core.numbering import emergency_of
from connector.core.numbers import e164, from_the_wire, normalise, recorded
from connector.core.paging import Page, Turn, page
from connector.core.refusals import Refusal
from connector.core.reports import MINUTE_MS
from connector.core.routes import NAME, Path
from connector.core.sip import Options, on_the_wire
from connector.core.trunks import Target, TrunkChoice, endpoint_of, order
from connector.errors import BadInput, NotFound

MOST_SHOWN = 300
_USUAL = Slicing()
_DECIDED = "SELECT 1 FROM call WHERE id = ? UNION ALL SELECT 1 FROM cdr WHERE id = ?"
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
_PROFILE_OF = "id = (SELECT profile_id FROM call WHERE id = ?)"


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

    An emergency number needs neither, and leaves no row here: the dialplan tells of it (billing/emergency.py).

    `epoch`: when the node's Asterisk was started, in milliseconds; none of its calls outlives it.

    Admitted: a row of `call` is the channel, and what it costs is held. Refused: a row of `cdr` says why.
    StoreUnavailable: neither, as far as anybody knows. Asked again, after an answer that was lost, it says the same.
    """
    with writing():
        _lock_company_of(attempt)
        foresee((_DECIDED, (attempt.call_id, attempt.call_id)), _source_question(attempt))
        before = _decided(attempt, slicing)
        if before is not None:
            return before
        route = _reached(attempt)
        if route.emergency is not None:
            return route.emergency
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
            trunk_id=route.trunk and route.trunk.id,
            button=route.button,
            gate_leg=attempt.gate_leg,
            transferred=attempt.transferred,
            started_at=attempt.started_at,
            seen_at=attempt.asked_at,
            shown="" if route.shown.private else route.shown.number or "",
            forwarded=attempt.forwarded,
        )
        if hold is not None:
            holds.keep(hold)
        usage.taken(route.profile.id, route.in_use, attempt.asked_at)
        return admitted


def refuse(attempt: Attempt, node: str, why: Refusal) -> None:
    """Record a refusal that was decided without the store's help; again changes nothing.

    Should the store have admitted the call, and its answer been lost, then the channel and the hold are given back.
    """
    with writing():
        _lock_company_of(attempt)
        row = one(Call, "id = ?", attempt.call_id)
        if row is not None:
            settled = _free(row, row.profile, 0, attempt.asked_at)
            route = _Route(row.profile, row.trunk, row.called, button=row.button)
            _refuse(attempt, node, why, route, price_micros=0, settled=settled)
            usage.freed(row.profile_id, row.started_at, attempt.asked_at)
        elif not rows(_DECIDED, attempt.call_id, attempt.call_id):
            _refuse(attempt, node, why, _reached(attempt))


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
        settled = _free(row, profile, progress.duration_ms, min(ended_at, at))
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
            trunk_id=row.trunk_id,
            gate_leg=row.gate_leg,
            other_leg=progress.other_leg or row.other_leg,
            started_at=row.started_at,
            answered_at=progress.answered_at,
            ended_at=ended_at,
            duration_ms=progress.duration_ms,
            cause=progress.cause or 0,
            ending=_ending(progress, settled).value,
            refusal=None,
            price_micros=settled.charge["price_micros"] if settled else 0,
            shown=row.shown,
            forwarded=row.forwarded,
            button=row.button,
            booked_at=settled.at if settled else min(ended_at, at),
        )
        usage.freed(row.profile_id, row.started_at, ended_at)


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
            raise NotFound(f"there is no live call {call_id!r}")
        if row.node != node:
            raise BadInput(f"this call is on the node {row.node}: ask there")
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


@dataclass
class _Route:
    """Where a call would go, as far as it got: a refusal ends the way."""

    profile: Any = None
    trunk: Any = None
    called: str = ""
    targets: tuple[Target, ...] = ()
    path: Path | None = None
    shown: Shown = NOBODY
    offer: Offer | None = None
    button: str = ""
    company: int | None = None
    context: str = ""
    in_use: int = 0
    refusal: Refusal | None = None
    emergency: Emergency | None = None


def _source_question(attempt: Attempt) -> Question:
    if attempt.direction is Direction.OUT:
        return asked(Profile, "username = ?", attempt.source)
    if attempt.by_button:
        return asked(Button, "id = ?", int(attempt.source))
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
    if attempt.by_button:
        lock("id = (SELECT company_id FROM button WHERE id = ?)", int(attempt.source))
        return
    table, column = ("profile", "username") if attempt.direction is Direction.OUT else ("trunk", "name")
    lock(f"id = (SELECT company_id FROM {table} WHERE {column} = ?)", attempt.source)


def _lock_company(call_id: str) -> None:
    """The company that a live call is of."""
    lock("id = (SELECT company_id FROM profile JOIN call ON call.profile_id = profile.id WHERE call.id = ?)", call_id)


def _admitted(call_id: str, route: _Route, held_s: int | None, slicing: Slicing) -> Admitted:
    # A rate's first block may be longer than the longest call: it is held whole, and talked in part.
    longest_s = min(slicing.longest_s, LONGEST_BY_BUTTON_S) if route.button else slicing.longest_s
    guard_s = longest_s if held_s is None else min(held_s, longest_s)
    profile, path = route.profile, route.path
    return Admitted(
        call_id,
        profile.username,
        route.called,
        guard_s,
        profile.channels,
        route.targets,
        path.hops if path else (),
        path.within_s if path else 0,
        route.context,
        route.shown,
    )


def _decided(attempt: Attempt, slicing: Slicing) -> Admitted | Refusal | None:
    """What was decided of a call before, if its answer was lost."""
    if not rows(_DECIDED, attempt.call_id, attempt.call_id):
        return None
    row = one(Call, "id = ?", attempt.call_id)
    if row is None:
        ((refused,),) = rows("SELECT refusal FROM cdr WHERE id = ?", attempt.call_id)
        return refusals.BY_CODE[refused]
    hold = one(Hold, "call_id = ?", attempt.call_id)
    held_s = None if hold is None else int(hold.bundle_s + hold.paid_s)
    route = _Route(row.profile, row.trunk, row.called, button=row.button)
    if row.direction == Direction.IN.value:
        _find_rings(route, attempt)
        return _admitted(row.id, route, held_s, slicing)
    shown = callers.show(row.profile, _says(attempt, row.profile), attempt.private)
    route.shown = shown if isinstance(shown, Shown) else route.shown
    tries = _trunks(row.profile, row.id) or [trunks.choice_of(row.trunk)]
    route.targets = _targets(route, tries)
    return _admitted(row.id, route, held_s, slicing)


def _reached(attempt: Attempt) -> _Route:
    """Whose call it is, and what it would have cost."""
    if attempt.by_button:
        return _route_by_button(attempt)
    return _route_out(attempt) if attempt.direction is Direction.OUT else _route_in(attempt)


def _route_out(attempt: Attempt) -> _Route:
    profile = one(Profile, "username = ?", attempt.source)
    if profile is None:
        return _Route(refusal=refusals.PROFILE_UNKNOWN)
    dialled = normalise(attempt.dialled, profile.country, emergency_of(profile.country, profile.emergency))
    if dialled.emergency is not None and profile.status != "archived":
        return _Route(profile, emergency=Emergency(dialled.emergency))
    said = _says(attempt, profile)
    foresee(
        trunks.choices(profile),
        (_SLOTS, (profile.id,)),
        *callers.questions(profile, said),
        *holds.questions(profile, attempt.asked_at),
    )
    tries = _trunks(profile, attempt.call_id)
    shown = callers.show(profile, said, attempt.private)
    refusal = admission.may_carry(profile.status, profile.state)
    if refusal is None and dialled.e164 is None:
        refusal = refusals.NUMBER_INVALID
    if refusal is None and not tries:
        refusal = refusals.NO_TRUNK
    if refusal is None and isinstance(shown, Refusal):
        refusal = shown
    route = _Route(profile, tries[0] if tries else None, dialled.e164 or "", refusal=refusal)
    if isinstance(shown, Shown):
        route.shown = shown
    if refusal is None:
        route.targets = _targets(route, tries)
        _rate(route, attempt.asked_at)
    elif route.called:  # what is refused for another reason would have cost something all the same
        offered = holds.offer(profile, route.called, attempt.asked_at)
        route.offer = offered if isinstance(offered, Offer) else None
    return route


def _says(attempt: Attempt, profile: Any) -> str:
    """The number that a call out is said to come from. One that is forwarded comes from the number that was called; or,
    where that is an account, from the profile's main number; and so does one that was transferred, which is the other
    side's leg, with its number.
    """
    if not attempt.forwarded and not attempt.transferred:
        return attempt.caller_id
    return e164(attempt.forwarded) or callers.main(profile)


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
    if called is None and not NAME.fullmatch(attempt.dialled):
        return _Route(trunk=trunk, refusal=refusals.NUMBER_INVALID)
    name = called or attempt.dialled
    profile = one(Profile, f"id = ({_PROFILE_OF_NUMBER if called else _PROFILE_OF_ACCOUNT})", name, trunk.company_id)
    # A provider calls its own profile, and a carrier none that has a provider.
    if profile is None or (trunk.profile_id != profile.id and (trunk.profile_id or profile.role == "client")):
        return _Route(trunk=trunk, called=called or "", refusal=refusals.NUMBER_UNKNOWN)
    route = _Route(profile, trunk, name, refusal=admission.may_carry(profile.status, profile.state))
    if route.refusal is None and trunk.state != "open":
        route.refusal = refusals.TRUNK_CLOSED
    if route.refusal is None:
        _find_rings(route, attempt)
    return route


def _route_by_button(attempt: Attempt) -> _Route:
    button = one(Button, "id = ?", int(attempt.source))
    if button is None:
        return _Route(refusal=refusals.NUMBER_UNKNOWN)
    account: Any = one(InboundAccount, "id = ?", button.account_id)  # which is there as long as its button is
    profile = one(Profile, "id = ?", account.profile_id)
    route = _Route(profile, called=account.name, button=button.name, company=button.company_id)
    if profile is None:
        route.refusal = refusals.NUMBER_UNKNOWN
        return route
    route.refusal = admission.may_carry(profile.status, profile.state)
    if route.refusal is None:
        _find_rings(route, attempt)
    if route.refusal is None and rows(_BY_BUTTON, button.company_id, button.name)[0][0] >= button.most:
        route.refusal = refusals.BUTTON_FULL
    return route


def _find_rings(route: _Route, attempt: Attempt) -> None:
    """Where a call in rings, and as whom its caller is shown."""
    options = _options_in(route)
    caller = BY_BUTTON
    if not attempt.by_button:
        caller = callers_of.of_caller(attempt.caller_id, attempt.private, options.number_form, route.profile.country)
    route.shown = caller
    route.context = options.context if route.profile.role == "client" else ""
    called = rows(_ROUTE_OF_NUMBER if route.called.startswith("+") else _ROUTE_OF_ACCOUNT, route.called)
    ((text,),) = called or [("",)]
    # A call to a number that a forward is calling right now, or from one that it is showing, is that forward.
    came_round = bool(text and rows(_CAME_ROUND, route.called, caller.number or "-"))
    path = routes.path(route.called, text, route.profile, attempt.asked_at, may_forward=not came_round)
    if route.profile.role == "client" and not text:
        path = Path((), path.within_s)  # this Asterisk is the PBX: its own dialplan may do what it likes
    elif not path.hops:
        route.refusal = refusals.NO_ROUTE
    boxes = mailboxes.context(route.profile.company_id)
    hops = [replace(hop, to=(f"{hop.to[0]}@{boxes}",)) if hop.kind == "voicemail" else hop for hop in path.hops]
    route.path = replace(path, hops=tuple(hops))


def _options_in(route: _Route) -> Options:
    """Of the trunk that a call came in by; of one by a button, of the profile's own, to its provider, if it has one."""
    if route.trunk is not None:
        return Options.from_json(route.trunk.options)
    found = rows("SELECT options FROM trunk WHERE profile_id = ? AND state <> 'archived'", route.profile.id)
    return Options.from_json(found[0][0]) if found else Options()


def _trunks(profile: Any, call_id: str) -> list[TrunkChoice]:
    sql, values = trunks.choices(profile)
    return order([trunks.choice(row) for row in rows(sql, *values)], call_id)


def _targets(route: _Route, tries: Sequence[TrunkChoice]) -> tuple[Target, ...]:
    shows = route.shown.number
    return tuple(
        Target(
            endpoint_of(each.name),
            on_the_wire(route.called, each.number_form),
            each.failover,
            on_the_wire(shows, each.number_form) if shows else "",
        )
        for each in tries
    )


def _take_slot(route: _Route) -> int | Refusal:
    taken = {slot for (slot,) in rows(_SLOTS, route.profile.id)}
    route.in_use = len(taken) + 1
    return admission.take_slot(route.profile.channels, taken)


def _free(row: Any, profile: Any, duration_ms: int, at: int) -> Settled | None:
    """Charge what was talked, void the rest, free the channel; None for a call in."""
    settled = holds.settle(row, profile, duration_ms, at)
    run("DELETE FROM call WHERE id = ?", row.id)
    return settled


def _write(settled: Settled | None, **columns: Any) -> None:
    """Write a CDR, with its charge if it has one, and add it to the sums."""
    charge = settled.charge if settled else None
    insert(Cdr, **columns)
    if charge is not None:
        insert(Charge, **charge)
    usage.booked(columns, charge)


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
    route: _Route,
    *,
    price_micros: int | None = None,
    settled: Settled | None = None,
) -> Refusal:
    rate = route.offer.rate if route.offer else None
    _write(
        settled,
        id=attempt.call_id,
        node=node,
        company_id=_company_of(route),
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
        forwarded=recorded(attempt.forwarded),
        button=route.button,
        booked_at=settled.at if settled else attempt.asked_at,
        offered_micros=rating.rated(rate, MINUTE_MS, 0).price_micros if rate else None,
    )
    return why


def _company_of(route: _Route) -> int | None:
    """Whose an attempt is."""
    owner = route.profile or route.trunk
    return route.company if owner is None else int(owner.company_id)


def _held_s(row: Any) -> int | None:
    hold = getattr(row, "hold", None)  # Peewee leaves it out where the join found none
    return None if hold is None or hold.call_id is None else hold.bundle_s + hold.paid_s
