"""Measures the set-up time of calls while the web server is attacked, one kind of attack after another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from connector.clock import SystemClock
from lab import api, attacks
from lab.errors import LabError
from lab.ports import HOST
from lab.speed import much
from lab.speed.calls import Wire
from lab.speed.figures import Figure, percentile

RATE = 20.0
CDRS = 1_000_000
RATES = 260_000
_MOST_TIMES = 1.5
_SHARED = "pages and gate share the processors and the store"


def measure(wire: Wire, *, seconds: float, progress: Callable[[str], None], small: bool = False) -> Iterator[Figure]:
    """The 99th percentile of the set-up time under each attack, compared with none. `small`: a hundredth of the CDRs
    and rates.
    """
    less = 100 if small else 1
    instance = wire.bench.instance
    progress(f"writing {CDRS // less:,} CDRs")
    much.write_cdrs(instance.folder / "connector.db", CDRS // less, SystemClock().now_ms())
    sheet = much.rate_sheet(RATES // less)
    port = instance.ports.web
    kinds: list[tuple[str, str, AbstractContextManager[Any]]] = [
        ("gzip", "compressed bodies that inflate to 200 MB", attacks.repeated(port, [attacks.bomb()])),
        ("parts", "forms of 4,000 parts", attacks.repeated(port, [attacks.many_parts(4_000)])),
        ("idle", "200 idle connections", attacks.idle(port, 200)),
        ("requests", "1,000 requests a second", attacks.asked(port, 1_000)),
        ("export", f"an export of {CDRS // less:,} CDRs", _over(wire, "/exports", {"kind": "calls"})),
        (
            "deck",
            f"a rate sheet of {RATES // less:,} rows",
            _over(wire, "/rates/decks", {"name": "much", "csv": sheet}),
        ),
    ]
    progress("set-up with nobody at the pages")
    quiet = percentile(wire.run("ours", RATE, seconds).setup_ms, 0.99)
    for name, what, attack in kinds:
        progress(f"set-up under {what}")
        with attack as answers:
            ran = wire.run("ours", RATE, seconds)
        value = percentile(ran.setup_ms, 0.99) if ran.answered == ran.offered else None
        if name in ("export", "deck") and 201 not in answers:
            raise LabError(f"{what} was not made: {answers}")
        yield Figure(
            f"attacked_{name}", f"set-up, 99 of 100 within, under {what}", value, "ms", quiet * _MOST_TIMES,
            floor=quiet, floor_is="the same without",
            limit=_SHARED if value else f"{ran.answered} of {ran.offered} calls were set up",
        )  # fmt: skip


@contextmanager
def _over(wire: Wire, path: str, body: dict[str, object]) -> Iterator[list[int]]:
    """Sends a large request to the API again and again; the list of its HTTP statuses."""
    instance = wire.bench.instance
    token = api.token_of(wire.bench)
    found: list[int] = []
    over = threading.Event()

    def ask() -> None:
        """Send the request again a second after each answer."""
        while not over.is_set():
            found.append(api.post(f"http://{HOST}:{instance.ports.web}/api/v1{path}", token, body))
            over.wait(1)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(60)
