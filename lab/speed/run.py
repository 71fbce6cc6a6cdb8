"""`make bench`: runs all measurements, prints a table and writes var/bench.json.

QUICK=1 runs a part of them in two minutes and compares the ratios of CPU time with those in ratios.json.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from lab import sipp
from lab.instance import remove
from lab.ports import Ports
from lab.run import VAR
from lab.speed import attack, calls, size, store
from lab.speed.figures import Figure, regressions, steady_ratios, table, write_json

PORT_BASE = 15760
RATIOS = Path(__file__).with_name("ratios.json")


def run_all(*, quick: bool, keep: bool) -> bool:
    """Run, show and write all measurements; False if a ratio regressed. keep: write the ratios of this run."""
    console = Console()
    began = time.monotonic()

    def progress(what: str) -> None:
        """Print the current step with the elapsed time."""
        console.print(f"  {time.monotonic() - began:5.0f} s  {what}", highlight=False)

    figures: list[Figure] = []
    for figure in _measure_all(quick=quick, progress=progress):
        figures.append(figure)
        shown = "-" if figure.value is None else f"{figure.value:,.2f} {figure.unit}"
        progress(f"{figure.what}: {shown}")
    VAR.mkdir(exist_ok=True, mode=0o700)
    write_json(figures, VAR / "bench.json")
    console.print(table(figures, "Quick: a part of the goals" if quick else "Goals"))
    if keep:
        RATIOS.write_text(json.dumps(steady_ratios(figures), indent=2) + "\n")
    regressed = regressions(figures, json.loads(RATIOS.read_text())) if quick else []
    for what in regressed:
        console.print(f"[red]regression[/red]: {what}", highlight=False)
    with_goal = [figure for figure in figures if figure.met is not None]
    met = sum(1 for figure in with_goal if figure.met)
    console.print(f"{met} of {len(with_goal)} goals met in {time.monotonic() - began:.0f} s: {VAR / 'bench.json'}")
    return not regressed


def _measure_all(*, quick: bool, progress: Callable[[str], None]) -> Iterator[Figure]:
    """All figures."""
    folder = VAR / "bench"
    Ports.from_base(PORT_BASE).check_free()  # before its folder is removed: another one may run in it
    remove(folder)
    folder.mkdir(parents=True, mode=0o700)
    progress("the store alone")
    yield from store.measure(folder, 3 if quick else 8)
    progress("calls through Asterisk")
    try:
        with calls.open_wire(folder / "wire", PORT_BASE) as wire:
            yield from calls.measure(wire, quick=quick)
            if not quick:
                yield from size.memory(wire, rates=attack.RATES)  # the attacks leave more decks than one
                yield from size.overload(wire, 60)
                yield from attack.measure(wire, seconds=10, progress=progress)
                yield from size.change(wire, count=size.PROFILES, progress=progress)
    finally:
        sipp.end_all()
    if not quick:
        with tempfile.TemporaryDirectory(dir=folder) as much:
            yield from size.report(Path(much), count=size.CDRS, progress=progress)
