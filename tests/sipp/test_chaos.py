"""What happens to calls when a part dies: it fails closed, what was up goes on, and each call is billed once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import chaos
from lab.load import Bench, Outcome

# Those that have a limit of time share the machine with nobody (lab/testing.py).
MEASURED = (chaos.connector_killed, chaos.connector_stopped)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=pytest.mark.alone if fault in MEASURED else ()) for fault in chaos.QUICK],
    ids=lambda fault: fault.__name__,
)
def test_what_must_hold_holds(fault: Callable[[Bench], Outcome], bench: Bench) -> None:
    """The docstring of each fault in lab/chaos.py says what; `make chaos` shows it as a table, long ones too."""
    assert chaos.played(bench, fault).problems == []
