"""What a measured figure says of itself, and when CI calls it a fall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.speed.figures import Figure, percentile, regressions, steady_ratios, table, write_json

# value, goal, which way, floor -> met, ratio to the floor
FIGURES = """
238   1000  at_least 9520 -> missed 40.00
1200  1000  at_least 9600 -> met    8.00
10.0  16.0  at_most  8.0  -> met    1.25
20.0  16.0  at_most  8.0  -> missed 2.50
-     16.0  at_most  8.0  -> missed -
10.0  -     at_most  -    -> -      -
"""


def number(text: str) -> float | None:
    """A number of the table."""
    return None if text == "-" else float(text)


@pytest.mark.parametrize("line", FIGURES.strip().splitlines())
def test_a_figure_is_held_against_its_goal_and_its_floor(line: str) -> None:
    """What was not measured has missed its goal; what has none has neither met nor missed it."""
    value, goal, way, floor, _, met, ratio = line.split()
    figure = Figure("x", "x", number(value), "ms", number(goal), at_most=way == "at_most", floor=number(floor))
    assert {True: "met", False: "missed", None: "-"}[figure.met] == met
    assert ("-" if figure.ratio is None else f"{figure.ratio:.2f}") == ratio


def test_a_ratio_that_is_a_third_worse_has_fallen() -> None:
    """Only those of CPU time are compared, and only with what was kept; better is no fall."""
    before = {"a": 2.0, "b": 2.0}
    steady = [Figure(name, name, value, "ms", floor=1.0, steady=True) for name, value in (("a", 2.6), ("b", 2.7))]
    loose = Figure("c", "c", 9.0, "ms", floor=1.0)
    assert steady_ratios([*steady, loose]) == {"a": 2.6, "b": 2.7}
    assert [fall.split(":")[0] for fall in regressions([*steady, loose], before)] == ["b"]
    assert regressions([Figure("b", "b", 1.0, "ms", floor=1.0, steady=True)], before) == []
    assert regressions(steady, {}) == []


def test_programs_get_what_people_see(tmp_path: Path) -> None:
    """One row a figure, with name, value, unit, goal, and whether it is met."""
    figures = [
        Figure("rate", "highest rate", 57.0, "/s", 120.0, at_most=False, floor=173.0),
        Figure("y", "y", None, "s"),
    ]
    write_json(figures, tmp_path / "bench.json")
    first, second = json.loads((tmp_path / "bench.json").read_text())
    assert (first["name"], first["value"], first["unit"], first["goal"], first["met"]) == (
        "rate", 57.0, "/s", 120.0, False,
    )  # fmt: skip
    assert (second["value"], second["met"]) == (None, None)
    assert table(figures, "Goals").row_count == 2


def test_the_middle_of_nothing_is_nothing() -> None:
    """Half of the values lie below the percentile, 99 of 100 below the ninety-ninth."""
    assert percentile([]) == 0.0
    assert percentile([3.0, 1.0, 2.0]) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
