"""How well calls sounded, as it was measured while they were up; a row for each call that was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from connector.billing import history
from connector.core.media import Leg, Stream
from connector.database.store import reading, rows, run, writing
from connector.errors import NotFound


@dataclass(frozen=True)
class Talking:
    """A call that is answered and up, and its legs: of the PBX and of the trunk, "" for none."""

    id: str
    pbx: str
    trunk: str


@dataclass(frozen=True)
class Measured:
    """How a call sounded when it was measured last."""

    call_id: str
    at: int
    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class LegView:
    """The sound of one leg. `side`: pbx or trunk. `heard_*`: of what came from there, in packets; `told_*`: of what the
    far end said that it got, None if it said nothing. Times in microseconds. `mos`, 100 to 450, of the worse of both.
    """

    side: str
    codec: str
    heard_packets: int
    heard_lost: int
    heard_jitter_us: int
    told_packets: int | None
    told_lost: int | None
    told_jitter_us: int | None
    rtt_us: int | None
    mos: int


@dataclass(frozen=True)
class MediaView:
    """How a call sounded, at `at` in ms, when it was measured last. `mos`: of its worst leg, 100 to 450."""

    id: str
    at: int
    mos: int
    legs: list[LegView]


def talking(node: str) -> list[Talking]:
    """The calls of a node that are up and answered."""
    with reading():
        sql = "SELECT id, direction, gate_leg, other_leg FROM call WHERE node = ? AND answered_at IS NOT NULL"
        found = rows(f"{sql} AND dead_at IS NULL ORDER BY id", node)
    return [
        Talking(call_id, gate_leg, other or "") if direction == "out" else Talking(call_id, other or "", gate_leg)
        for call_id, direction, gate_leg, other in found
    ]


def keep(measured: Sequence[Measured]) -> None:
    """Keep how calls sounded that are over."""
    with writing():
        for each in measured:
            legs = json.dumps([asdict(leg) for leg in each.legs])
            worst = min(leg.mos for leg in each.legs)
            sql = "INSERT INTO media (call_id, at, mos, legs) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
            run(sql, each.call_id, each.at, worst, legs)


def of_call(cdr_id: str) -> MediaView:
    """How a call sounded, by its id or the beginning of it. NotFound if there is none, or it was not measured."""
    call_id = history.cdr(cdr_id).id
    with reading():
        found = rows("SELECT at, mos, legs FROM media WHERE call_id = ?", call_id)
    if not found:
        raise NotFound("The sound of the call {call_id} was not measured.", call_id=call_id)
    at, worst, legs = found[0]
    return MediaView(call_id, at, worst, [_view(_leg(each)) for each in json.loads(legs)])


def _leg(said: dict[str, object]) -> Leg:
    streams = {name: Stream(**said[name]) if said[name] else None for name in ("heard", "told")}  # type: ignore[arg-type]
    return Leg(**{**said, **streams})  # type: ignore[arg-type]


def _view(leg: Leg) -> LegView:
    told = leg.told
    return LegView(
        side=leg.side,
        codec=leg.codec,
        heard_packets=leg.heard.packets,
        heard_lost=leg.heard.lost,
        heard_jitter_us=leg.heard.jitter_us,
        told_packets=None if told is None else told.packets,
        told_lost=None if told is None else told.lost,
        told_jitter_us=None if told is None else told.jitter_us,
        rtt_us=leg.rtt_us,
        mos=leg.mos,
    )


def loss(packets: int | None, lost: int | None) -> int | None:
    """How many were lost, in hundredths of a percent; None where that is not known."""
    return None if packets is None or lost is None else Stream(packets, lost, 0).loss
