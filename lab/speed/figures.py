"""A measured figure: its value, its goal, and its floor, the best value that is possible on this machine.

Goals relative to another figure of the same run ("bare + 6 ms") are calculated where that figure is measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

# CI fails if a ratio is worse than before by more than this factor: its machines are shared.
MOST_WORSE = 1.3


@dataclass(frozen=True)
class Figure:
    """One measured value.

    name: for programs; what: for people; unit: of value, goal and floor. value: None if it could not be measured, with
    the reason in `limit`. goal: None if there is none. at_most: whether the goal is an upper or a lower bound. floor:
    the same work without the connector, or with as little as possible; floor_is: what that is. limit: what prevents a
    better value. steady: value and floor are CPU times, whose ratio hardly changes on a busy machine; CI compares it.
    """

    name: str
    what: str
    value: float | None
    unit: str
    goal: float | None = None
    at_most: bool = True
    floor: float | None = None
    floor_is: str = ""
    limit: str = ""
    steady: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    @property
    def ratio(self) -> float | None:
        """How much better the floor is than the value: 1 is equal, more is worse. None without a floor."""
        if not self.value or not self.floor:
            return None
        return self.value / self.floor if self.at_most else self.floor / self.value


def table(figures: Sequence[Figure], title: str) -> Table:
    """All figures as a table."""
    made = Table("What", title=title)
    for name in ("Value", "Goal", "Floor"):
        made.add_column(name, justify="right")
    made.add_column("")
    made.add_column("Floor and limit")
    sign = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}
    for each in figures:
        goal = "" if each.goal is None else f"{'≤' if each.at_most else '≥'} {_shown(each.goal)}"
        about = "; ".join(words for words in (each.floor_is, each.limit) if words)
        value = f"{_shown(each.value)} {each.unit}"
        made.add_row(each.what, value, goal, _shown(each.floor) if each.floor else "", sign[each.met], about)
    return made


def _shown(value: float | None) -> str:
    """A number with three significant digits; "-" for None."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Write all figures as JSON: [{name, value, unit, goal, met, floor, ...}]."""
    rows = [
        {
            "name": each.name,
            "what": each.what,
            "value": None if each.value is None else round(each.value, 3),
            "unit": each.unit,
            "goal": None if each.goal is None else round(each.goal, 3),
            "goal_is": "at most" if each.at_most else "at least",
            "met": each.met,
            "floor": None if each.floor is None else round(each.floor, 3),
            "floor_is": each.floor_is,
            "limit": each.limit,
        }
        for each in figures
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def steady_ratios(figures: Sequence[Figure]) -> dict[str, float]:
    """The ratios of steady figures to their floors, by name. Runs on different machines are compared by these."""
    return {each.name: round(each.ratio, 2) for each in figures if each.steady and each.ratio is not None}


def regressions(figures: Sequence[Figure], before: dict[str, float]) -> list[str]:
    """The figures whose ratio is worse than before by more than MOST_WORSE, one line each."""
    found = []
    for name, ratio in steady_ratios(figures).items():
        if name in before and ratio > before[name] * MOST_WORSE:
            found.append(f"{name}: {ratio:.2f} times its floor, before it was {before[name]:.2f} times before")
    return found


def percentile(values: Sequence[float], part: float = 0.5) -> float:
    """The percentile of some values, 0.5 for the median; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
