"""Many seeds, on every core; the failing ones explained by the shortest list of events that shows it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.sim.world import Books, explain, simulate

CALLS = 10
MOST_EXPLAINED = 3


@dataclass
class Simulated:
    """What many seeds showed; `failures` are stories to read."""

    seeds: int = 0
    hours: float = 0
    calls: int = 0
    faults: int = 0
    took_s: float = 0
    failed: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Simulated) -> None:
        """Count another's in."""
        self.seeds += other.seeds
        self.hours += other.hours
        self.calls += other.calls
        self.faults += other.faults
        self.failed += other.failed
        self.failures += other.failures


def sweep(first: int, count: int, calls: int = CALLS) -> Iterator[Simulated]:
    """The seeds from `first` on; what was found so far, again and again, for a progress bar."""
    began = time.monotonic()
    found = Simulated()
    cores = os.cpu_count() or 1
    pieces = [(range(start, min(start + 25, first + count)), calls) for start in range(first, first + count, 25)]
    with multiprocessing.get_context("spawn").Pool(min(cores, len(pieces)), _open_books) as pool:
        for piece in pool.imap_unordered(_play, pieces):
            found.add(piece)
            found.took_s = time.monotonic() - began
            yield found


def repeat(seed: int, calls: int = CALLS) -> Simulated:
    """One seed, here."""
    _open_books()
    return _play((range(seed, seed + 1), calls))


_books: list[Books] = []


def _open_books() -> None:
    _books[:] = [Books()]


def _play(piece: tuple[range, int]) -> Simulated:
    seeds, calls = piece
    found = Simulated()
    for seed in seeds:
        one = simulate(seed, calls, _books[0])
        failed = [seed] if one.problems else []
        told = [explain(one, _books[0])] if failed and len(found.failures) < MOST_EXPLAINED else []
        found.add(Simulated(1, one.virtual_s / 3600, one.carried, one.faults, 0, failed, told))
    return found
