"""Measures the set-up time of calls while the web server is attacked, one kind of attack after another."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from connector.billing import tokens, users
from connector.clock import SystemClock
from lab import attacks
from lab.errors import LabError
from lab.load import Bench
from lab.ports import HOST
from lab.sample import OWNER
from lab.speed import much
from lab.speed.calls import Wire
from lab.speed.figures import Figure, percentile

RATE = 20.0
CDRS = 1_000_000
RATES = 260_000
_MOST_TIMES = 1.5


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
            limit="pages and gate share a process" if value else f"{ran.answered} of {ran.offered} calls were set up",
        )  # fmt: skip


@contextmanager
def _over(wire: Wire, path: str, body: dict[str, str]) -> Iterator[list[int]]:
    """Sends a large request to the API again and again; the list of its HTTP statuses."""
    instance = wire.bench.instance
    token = token_of(wire.bench)
    found: list[int] = []
    over = threading.Event()

    def ask() -> None:
        """Send the request again a second after each answer."""
        while not over.is_set():
            found.append(post(f"http://{HOST}:{instance.ports.web}/api/v1{path}", token, body))
            over.wait(1)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(60)


def token_of(bench: Bench) -> str:
    """A new API token of the lab's owner."""
    now = SystemClock().now_ms()
    made = bench.in_store(
        lambda: tokens.create(users.by_email(OWNER).id, "bench", ("rates.write", "money.read"), None, now)
    )
    return made.secret


def post(url: str, token: str, body: dict[str, str]) -> int:
    """The HTTP status of a POST to the API; 0 without an answer."""
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        return 0
