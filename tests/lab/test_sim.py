"""The simulator: what it proves, and that it would see it if it were not so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.ari_app import recovery
from connector.ari_app.app import ConnectorApp
from connector.billing import calls
from connector.core.calls import Progress
from lab.sim import plan as plans
from lab.sim import run as sim
from lab.sim.world import Books, explain, run, simulate


@pytest.fixture(scope="module")
def books() -> Iterator[Books]:
    """A store in memory."""
    yield Books()


def test_a_thousand_seeds() -> None:
    """Hours of calls with something broken at every turn: each is billed once, none too long, nothing is left."""
    *_, found = sim.sweep(0, 1_000)
    assert found.failures == []
    assert (found.seeds, found.failed) == (1_000, [])
    assert found.calls > 4_000
    assert found.faults > 4_000


def test_a_seed_is_the_same_again(books: Books) -> None:
    """To the last event, or nobody could look into a failure."""
    first, second = (simulate(7, 12, books) for _ in range(2))
    assert (first.plan, first.virtual_s) == (second.plan, second.virtual_s)


def forgetful(*_: Any, **__: Any) -> None:
    """A part that does not do its work."""


async def blind(*_: Any, **__: Any) -> list[Any]:
    """A part that looks away."""
    return []


BROKEN: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "nobody looks for events that were lost": (recovery.Recovery, "look", blind),
    "legs that are gone are not looked up": (recovery.Recovery, "_tell_gone", blind),
    "a missed answer is not missed": (Progress, "answers", lambda *_: False),
    "the clock may be set": (ConnectorApp, "_look_at_the_clock", forgetful),
    "timers are not moved": (ConnectorApp, "_set_timers", blind),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_simulator_sees_what_is_broken(what: str, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """One part of the connector made useless: within some seeds it shows."""
    monkeypatch.setattr(*BROKEN[what])
    assert any(simulate(seed, 12, books).problems for seed in range(200))


def test_a_channel_that_nobody_has_is_given_back_in_two_ways(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told no has no channel: the refusal takes it back, and if it does not, the next look."""
    monkeypatch.setattr(calls, "refuse", forgetful)
    assert not any(simulate(seed, 12, books).problems for seed in range(30))
    monkeypatch.setattr(ConnectorApp, "_take_up_fallen", blind)
    assert any(simulate(seed, 12, books).problems for seed in range(100))


def test_a_failing_seed_is_told_by_its_shortest_list_of_events(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector that moves no timer: little more than one call is left of the story."""
    monkeypatch.setattr(*BROKEN["timers are not moved"])
    found = next(found for found in (simulate(seed, 12, books) for seed in range(200)) if found.problems)
    least = plans.shortest(found.plan, lambda plan: bool(run(plan, books).problems))
    assert len(least.calls) + len(least.faults) + len(least.awaits or {}) <= 4
    told = explain(found, books)
    assert told.startswith(f"seed {found.plan.seed} fails:")
    assert "the shortest list of events" in told


def test_calls_that_only_count_up_are_left_out_too() -> None:
    """What goes wrong at the 30th event of ten calls goes wrong at the third of one."""
    ten = plans.Plan(1, plans.draw(1, 10).calls, (), {"event 30": "lost"})
    least = plans.shortest(ten, lambda plan: plan.awaits == {f"event {3 * len(plan.calls)}": "lost"})
    assert (len(least.calls), least.awaits) == (1, {"event 3": "lost"})


def test_what_is_left_out_is_what_it_does_not_need() -> None:
    """Of a hundred things, the two that it takes are found."""
    things = tuple(random.Random(1).sample(range(1000), 100))
    needed = {things[3], things[77]}
    assert set(plans._least(things, lambda some: needed <= set(some))) == needed
