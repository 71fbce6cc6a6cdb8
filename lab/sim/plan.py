"""What happens in a run: calls and faults, drawn from a seed, and made smaller when a run has failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

T = TypeVar("T")

MINUTE_MS = 60_000


@dataclass(frozen=True)
class PlannedCall:
    """One call that somebody makes. `outcome`: answered, busy, silent (rings until somebody gives up)."""

    at: int
    direction: str
    number: str
    outcome: str
    ring_ms: int
    talk_ms: int
    caller_first: bool

    def __str__(self) -> str:
        who = "the caller" if self.caller_first else "the other side"
        after = f"rings {self.ring_ms} ms, {self.outcome}, {who} hangs up after {self.talk_ms} ms"
        return f"{self.at:>8} ms  a call {self.direction} to {self.number}: {after}"


@dataclass(frozen=True)
class PlannedFault:
    """Something dies or breaks at a time, for a while."""

    at: int
    kind: str
    for_ms: int

    def __str__(self) -> str:
        return f"{self.at:>8} ms  {self.kind}" + (f" for {self.for_ms} ms" if self.for_ms else "")


# What may go wrong at one await: of a store function, a request to Asterisk, an event of Asterisk. Per mille.
AT_STORE = {"refused": 10, "answer lost": 15, "killed before": 2, "killed after": 3, "slow": 10}
# The same at one commit of several store functions: one of them finds the store broken after it was run, or another
# node in its way; the commit fails, or is done and its answer lost; or reference data changes between two of them.
AT_BATCH = {
    "half-way": 15, "busy": 20, "commit fails": 10, "answer lost": 10, "killed before": 2, "killed after": 3,
    "changed": 30,
}  # fmt: skip
AT_REQUEST = {"no answer": 5, "answer lost": 5, "killed": 2}
AT_EVENT = {"lost": 8, "twice": 20, "late": 20}


@dataclass(frozen=True)
class Plan:
    """A whole run. `awaits`: what goes wrong at the n-th await of each sort ("store 17"); None: as the seed says."""

    seed: int
    calls: tuple[PlannedCall, ...]
    faults: tuple[PlannedFault, ...]
    awaits: dict[str, str] | None = None

    def story(self) -> str:
        """The plan as a list, in the order of time."""
        things: list[PlannedCall | PlannedFault] = [*self.calls, *self.faults]
        lines = [str(thing) for thing in sorted(things, key=lambda thing: thing.at)]
        return "\n".join([*lines, *(f"          at {point}: {what}" for point, what in (self.awaits or {}).items())])


@dataclass
class Chance:
    """Decides at each await what goes wrong there, and keeps what it decided."""

    plan: Plan
    random: random.Random = field(init=False)
    counts: dict[str, int] = field(default_factory=dict)
    happened: dict[str, str] = field(default_factory=dict)
    healed: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.plan.seed)

    def at(self, sort: str, odds: dict[str, int]) -> str:
        """What goes wrong at this await; "" if nothing does."""
        self.counts[sort] = self.counts.get(sort, 0) + 1
        point = f"{sort} {self.counts[sort]}"
        if self.healed:
            return ""
        if self.plan.awaits is not None:
            what = self.plan.awaits.get(point, "")
        else:
            dice = random.Random(f"{self.plan.seed} {point}").randrange(1000)
            what = ""
            for name, per_mille in odds.items():
                if dice < per_mille:
                    what = name
                    break
                dice -= per_mille
        if what:
            self.happened[point] = what
        return what

    def delay_s(self, most: float) -> float:
        """How long something takes."""
        return self.random.uniform(0.0005, most)


def draw(seed: int, calls: int, faults: bool = True) -> Plan:
    """The plan of a seed."""
    chance = random.Random(seed)
    span = chance.choice((30_000, MINUTE_MS, 4 * MINUTE_MS))
    planned = []
    for _ in range(calls):
        number, weight = chance.choice((("+442079460001", 1), ("+447700900123", 1), ("+12125550100", 1)))
        planned.append(
            PlannedCall(
                at=chance.randrange(span),
                direction="out" if chance.random() < 0.8 else "in",
                number=number,
                outcome=chance.choices(("answered", "busy", "silent"), (8, 1, weight))[0],
                ring_ms=chance.choice((0, 5, chance.randrange(3_000), chance.randrange(12_000))),
                talk_ms=chance.choice(
                    (0, 3, chance.randrange(5_000), chance.randrange(span), chance.randrange(300_000))
                ),
                caller_first=chance.random() < 0.6,
            )
        )
    broken = []
    for _ in range(chance.randrange(4) if faults else 0):
        kind = chance.choices(tuple(FAULTS), tuple(weight for weight, _ in FAULTS.values()))[0]
        broken.append(PlannedFault(chance.randrange(span + 20_000), kind, chance.randrange(*FAULTS[kind][1])))
    return Plan(seed, tuple(planned), tuple(broken), None if faults else {})


# kind: how often, and for how long (ms)
FAULTS: dict[str, tuple[int, tuple[int, int]]] = {
    "connector killed": (4, (0, 90_000)),
    "Asterisk killed": (2, (1_500, 20_000)),
    "both killed": (1, (1_500, 60_000)),
    "websocket cut": (3, (0, 30_000)),
    "websocket silent": (2, (1_000, 12_000)),
    "store gone": (3, (100, 40_000)),
    "store slow": (1, (1_000, 20_000)),
    "AMI gone": (2, (500, 60_000)),
    "application taken": (1, (1_000, 10_000)),
    "clock stepped forward": (1, (0, 1)),
    "clock stepped back": (1, (0, 1)),
}


def shortest(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """The plan with everything left out that it can fail without."""
    plan = replace(plan, calls=_least(plan.calls, lambda calls: fails(replace(plan, calls=tuple(calls)))))
    plan = replace(plan, faults=_least(plan.faults, lambda faults: fails(replace(plan, faults=tuple(faults)))))
    points = tuple((plan.awaits or {}).items())
    kept = _least(points, lambda some: fails(replace(plan, awaits=dict(some))))
    plan = replace(plan, awaits=dict(kept))
    plan = replace(plan, calls=_least(plan.calls, lambda calls: fails(replace(plan, calls=tuple(calls)))))
    return _sooner(plan, fails) if len(plan.calls) > 1 else plan


def _sooner(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """With one call, if a point at which something goes wrong comes sooner then: calls before it only counted it up."""
    points = plan.awaits or {}
    for call in plan.calls:
        for point, what in points.items():
            sort, number = point.rsplit(" ", 1)
            for sooner in range(1, int(number)):
                moved = {other: points[other] for other in points if other != point} | {f"{sort} {sooner}": what}
                shorter = replace(plan, calls=(call,), awaits=moved)
                if fails(shorter):
                    return shorter
    return plan


def _least(things: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """Fewer and fewer of them, in ever smaller pieces, as long as it still fails (Zeller's ddmin, simply)."""
    kept = list(things)
    piece = max(1, len(kept) // 2)
    while piece:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + piece :]
            if fails(fewer):
                kept = fewer
            else:
                start += piece
        piece //= 2
    return tuple(kept)
