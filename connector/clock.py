"""The one clock. Whoever needs the time is handed one of these; tests hand out their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC. Somebody may set it, forward or back."""

    def running_ms(self) -> int:
        """Milliseconds since some moment, which nobody can set."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC, by the machine."""
        return time.time_ns() // 1_000_000

    def running_ms(self) -> int:
        """Milliseconds since the machine was started."""
        return time.monotonic_ns() // 1_000_000
