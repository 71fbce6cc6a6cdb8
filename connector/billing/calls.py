"""Admission and the life of a call in the store: a row of `call` while it lives, a row of `cdr` for ever after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from peewee import JOIN

from connector.billing.models import Call, Cdr, Number, Profile, Trunk
from connector.billing.store import reading, writing
from connector.core import admission, refusals
from connector.core.calls import Admitted, Attempt, Direction, Ending, Progress
from connector.core.numbers import e164, recorded
from connector.core.refusals import Refusal
from connector.errors import NotFound


@dataclass(frozen=True)
class LiveCall:
    """A call that has its channel right now."""

    id: str
    profile: str
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


@dataclass(frozen=True)
class CdrView:
    """What became of one attempt. Times in milliseconds since 1970 UTC, by Asterisk's clock."""

    id: str
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


def admit(attempt: Attempt, node: str) -> Admitted | Refusal:
    """Give the call a channel of its profile, or refuse it; one transaction, on the disk when this returns.

    Admitted: a row of `call` holds the channel. Refused: a row of `cdr` says why. StoreUnavailable: neither.
    """
    with writing():
        route = _route_out(attempt) if attempt.direction is Direction.OUT else _route_in(attempt)
        slot = route.refusal or _take_slot(route)
        if isinstance(slot, Refusal):
            return _refuse(attempt, node, slot, route)
        Call.create(
            id=attempt.call_id,
            node=node,
            profile=route.profile,
            slot=slot,
            direction=attempt.direction.value,
            caller_id=recorded(attempt.caller_id),
            dialled=recorded(attempt.dialled),
            called=route.called,
            trunk=route.trunk,
            gate_leg=attempt.gate_leg,
            transferred=attempt.transferred,
            started_at=attempt.started_at,
            seen_at=attempt.asked_at,
        )
        return Admitted(attempt.call_id, route.profile.username, route.called, route.endpoint)


def refuse(attempt: Attempt, node: str, why: Refusal) -> None:
    """Record a refusal that was decided without the store's help."""
    with writing():
        _refuse(attempt, node, why, _Route())


def dialled(call_id: str, leg: str) -> None:
    """A leg was dialled for the call. Kept, for after a restart of ours it may be the only leg that is left."""
    with writing():
        Call.update(other_leg=leg).where(Call.id == call_id).execute()


def answered(call_id: str, at: int, other_leg: str | None) -> None:
    """Asterisk said that the call was answered. Saying it again changes nothing."""
    with writing():
        Call.update(answered_at=at, seen_at=at, other_leg=other_leg).where(
            (Call.id == call_id) & Call.answered_at.is_null()
        ).execute()


def seen(call_ids: Sequence[str], at: int) -> None:
    """These calls were known alive at `at`: the last thing that is known of them should nobody see their end."""
    with writing():
        for start in range(0, len(call_ids), 500):  # well below SQLite's limit on bound values
            Call.update(seen_at=at).where(Call.id.in_(call_ids[start : start + 500]) & (Call.seen_at < at)).execute()


def ended(call_id: str, progress: Progress, at: int) -> None:
    """The call is over: its channel is free and its CDR is written, in one transaction; again changes nothing.

    `at` is used where nobody saw when it ended.
    """
    with writing():
        row = Call.get_or_none(Call.id == call_id)
        if row is None:
            return
        row.delete_instance()
        Cdr.create(
            id=row.id,
            node=row.node,
            profile=row.profile_id,
            direction=row.direction,
            caller_id=row.caller_id,
            dialled=row.dialled,
            called=row.called,
            trunk=row.trunk_id,
            gate_leg=row.gate_leg,
            other_leg=progress.other_leg or row.other_leg,
            started_at=row.started_at,
            answered_at=progress.answered_at,
            ended_at=at if progress.ended_at is None else progress.ended_at,
            duration_ms=progress.duration_ms,
            cause=progress.cause or 0,
            ending=progress.ending.value,
        )


def live(node: str | None = None) -> list[LiveCall]:
    """All live calls, oldest first; only one node's if it is named."""
    with reading():
        rows = Call.select(Call, Profile, Trunk).join(Profile).switch(Call).join(Trunk)
        if node is not None:
            rows = rows.where(Call.node == node)
        return [
            LiveCall(
                id=row.id,
                profile=row.profile.name,
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
            )
            for row in rows.order_by(Call.started_at, Call.id)
        ]


def cdrs(limit: int) -> list[CdrView]:
    """The newest `limit` CDRs, newest first."""
    with reading():
        rows = _cdr_rows().order_by(Cdr.ended_at.desc(), Cdr.id.desc()).limit(limit)
        return [_cdr_view(row) for row in rows]


def cdr(cdr_id: str) -> CdrView:
    """One CDR, by its id or the beginning of it (4 characters and more); NotFound if that is none, or several."""
    with reading():
        rows = list(_cdr_rows().where(Cdr.id.startswith(cdr_id)).limit(2)) if len(cdr_id) >= 4 else []
        if not rows:
            raise NotFound(f"there is no CDR {cdr_id!r}")
        if len(rows) > 1:
            raise NotFound(f"several CDRs begin with {cdr_id!r}: give more of the ID")
        return _cdr_view(rows[0])


@dataclass
class _Route:
    """Where a call would go, as far as it got: a refusal ends the way."""

    profile: Any = None
    trunk: Any = None
    called: str = ""
    endpoint: str = ""
    refusal: Refusal | None = None


def _route_out(attempt: Attempt) -> _Route:
    profile = Profile.get_or_none(Profile.username == attempt.source)
    if profile is None:
        return _Route(refusal=refusals.PROFILE_UNKNOWN)
    called = e164(attempt.dialled)
    trunk = Trunk.select().where(Trunk.company == profile.company_id).order_by(Trunk.id).first()
    refusal = admission.may_carry(profile.status)
    if refusal is None and called is None:
        refusal = refusals.NUMBER_INVALID
    if refusal is None and trunk is None:
        refusal = refusals.NO_TRUNK
    return _Route(profile, trunk, called or "", trunk.name if trunk else "", refusal)


def _route_in(attempt: Attempt) -> _Route:
    trunk = Trunk.get_or_none(Trunk.name == attempt.source)
    if trunk is None:
        return _Route(refusal=refusals.NO_TRUNK)
    called = e164(attempt.dialled)
    if called is None:
        return _Route(trunk=trunk, refusal=refusals.NUMBER_INVALID)
    number = Number.get_or_none((Number.e164 == called) & (Number.company == trunk.company_id))
    if number is None or number.profile is None:
        return _Route(trunk=trunk, called=called, refusal=refusals.NUMBER_UNKNOWN)
    profile = number.profile
    return _Route(profile, trunk, called, profile.username, admission.may_carry(profile.status))


def _take_slot(route: _Route) -> int | Refusal:
    found = Call.select(Call.slot).where(Call.profile == route.profile).tuples()
    taken = {slot for (slot,) in cast("Iterable[tuple[int]]", found)}
    return admission.take_slot(route.profile.channels, taken)


def _refuse(attempt: Attempt, node: str, why: Refusal, route: _Route) -> Refusal:
    Cdr.create(
        id=attempt.call_id,
        node=node,
        profile=route.profile,
        direction=attempt.direction.value,
        caller_id=recorded(attempt.caller_id),
        dialled=recorded(attempt.dialled),
        called=route.called or None,
        trunk=route.trunk,
        gate_leg=attempt.gate_leg,
        started_at=attempt.started_at,
        ended_at=attempt.asked_at,
        duration_ms=0,
        cause=why.cause,
        ending=Ending.REFUSED.value,
        refusal=why.code,
    )
    return why


def _cdr_rows() -> Any:
    rows = Cdr.select(Cdr, Profile, Trunk).join(Profile, JOIN.LEFT_OUTER)
    return rows.switch(Cdr).join(Trunk, JOIN.LEFT_OUTER)


def _cdr_view(row: Cdr) -> CdrView:
    return CdrView(
        id=row.id,
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
