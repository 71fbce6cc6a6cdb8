"""Every measurement of `make bench` that its quick run leaves out runs, with little to measure."""

from __future__ import annotations

from pathlib import Path

from lab import sipp
from lab.speed import attack, calls, size
from tests.conftest import free_base


def said(what: str) -> None:
    """Nobody reads the progress."""


def test_what_the_quick_bench_leaves_out_can_be_measured(tmp_path: Path) -> None:
    """Overload, attacks, memory, a change among profiles and a report give all their figures, and each a value."""
    try:
        with calls.open_wire(tmp_path / "wire", free_base(20)) as wire:
            figures = [
                *size.overload(wire, 3),
                *attack.measure(wire, seconds=1, progress=said, small=True),
                *size.memory(wire, rates=1_000),
                *size.change(wire, count=20, progress=said),
            ]
    finally:
        sipp.end_all()
    figures += size.report(tmp_path, count=1_000, progress=said)
    assert [figure.name for figure in figures] == [
        "overload_refused", "overload_setup",
        "attacked_gzip", "attacked_parts", "attacked_idle", "attacked_requests", "attacked_export", "attacked_deck",
        "memory", "change", "report",
    ]  # fmt: skip
    missing = [figure.name for figure in figures if figure.value is None]
    assert set(missing) <= {"overload_refused"}  # with 300 calls in 3 s none is refused
