"""Measures what grows with a company: overload, memory, a change among many profiles, a report of many CDRs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from connector.billing import profiles, reports
from connector.clock import SystemClock
from connector.config import StoreSettings
from connector.database.store import writing
from connector.storage import stores
from lab import api, process
from lab.errors import LabError
from lab.load import LIMIT, UNTIL_BYE, Outcome
from lab.speed import much
from lab.speed.calls import Wire
from lab.speed.figures import Figure, percentile
from lab.speed.store import prepare_store

PROFILES = 5_000
CDRS = 10_000_000
_AT_ONCE = 100


def overload(wire: Wire, seconds: float) -> Iterator[Figure]:
    """Ten times the load of the profile's channels: the time to refuse a call, and the set-up time of the others."""
    hold_s, rate = 30.0, 100.0  # 3,000 erlangs for 300 channels
    usual = wire.run("ours", 10, 5)
    ran = wire.run("ours", rate, seconds, hold_s, most=20_000)
    whole = ran.answered + ran.refused == ran.offered
    wrong = "" if whole else f"{ran.offered - ran.answered - ran.refused} of {ran.offered} calls had no answer"
    slowest = max(ran.refused_ms) if ran.refused_ms and whole else None
    limit = wrong or f"{ran.refused} refused, {ran.answered} set up"
    yield Figure("overload_refused", "ten times the load: the slowest refusal", slowest, "ms", 1_000, limit=limit)
    floor = percentile(usual.setup_ms)
    value = percentile(ran.setup_ms) if ran.setup_ms else None
    yield Figure(
        "overload_setup", "ten times the load: set-up of the others, half within", value, "ms", floor * 1.5,
        floor=floor, floor_is="without that load", limit=wrong,
    )  # fmt: skip


def memory(wire: Wire, *, rates: int) -> Iterator[Figure]:
    """The memory of the connector with 300 calls and a large rate deck, after a restart."""
    bench = wire.bench
    url = f"http://127.0.0.1:{bench.instance.ports.web}/api/v1/rates/decks"
    status = api.post(url, api.token_of(bench), {"name": "memory", "csv": much.rate_sheet(rates)})
    if status != 201:
        raise LabError(f"the rate sheet was not loaded: {status}")
    bench.supervisor.restart("connector")
    if not process.waited(bench.supervisor.ready, 30):
        raise LabError("the connector is not ready within 30 s of its restart")
    outcome = Outcome("memory")
    held = bench.caller(UNTIL_BYE, LIMIT, 20).start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 30)
    value = resident_mb(bench.supervisor.pid("connector"))
    for leg in bench.legs():
        bench.hang_up(leg["id"])
    held.wait(60)
    limit = "; ".join(outcome.problems)
    what = f"memory of the gate with {LIMIT} calls and {rates:,} rates"
    yield Figure("memory", what, value, "MB", 150, limit=limit)


def resident_mb(pid: int) -> float:
    """The resident memory of a process in MB (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def change(wire: Wire, *, count: int, progress: Callable[[str], None]) -> Iterator[Figure]:
    """The time until a change of one profile among many is effective in Asterisk."""
    bench = wire.bench
    progress(f"making {count:,} profiles, and waiting until Asterisk has them")
    made: list[str] = []

    def make() -> None:
        """Create them in several transactions, because the connector writes too."""
        now = SystemClock().now_ms()
        for first in range(0, count, _AT_ONCE):
            with writing():
                for number in range(first, min(first + _AT_ONCE, count)):
                    made.append(profiles.create_profile(f"branch {number:05d}", 0, "asterisk", now).username)

    bench.in_store(make)
    if not process.waited(lambda: bench.ari(f"/endpoints/PJSIP/{made[-1]}") is not None, 120, 0.5):
        raise LabError("Asterisk does not have the profiles")
    took = [_changed_after_s(wire, made[len(made) // 2], codec) for codec in ("ulaw", "alaw", "ulaw")]
    limit = "Asterisk reads all endpoints of a file again"
    yield Figure(
        "change", f"a change of one profile among {count:,}, until it is in effect", min(took), "s", 1, limit=limit
    )


def _changed_after_s(wire: Wire, username: str, codec: str) -> float:
    """The seconds from changing a profile's codec until Asterisk has it. Raises LabError if it does not."""
    bench = wire.bench
    etc = bench.instance.folder / "asterisk" / "etc"
    began = time.monotonic()
    bench.in_store(lambda: profiles.change(username, options={"codecs": (codec,)}))
    question = f"pjsip show endpoint {username}"
    if not process.waited(lambda: f"({codec})" in bench.instance.asterisk.told(etc, question), 20, 0.01):
        raise LabError(f"Asterisk does not have the changed profile: {question}")
    return time.monotonic() - began


def report(folder: Path, *, count: int, progress: Callable[[str], None]) -> Iterator[Figure]:
    """The duration of a month's report over many CDRs."""
    place = StoreSettings(path=folder / f"{uuid.uuid4().hex}.db")
    prepare_store(place, 1)
    now = SystemClock().now_ms()
    assert place.path is not None
    much.write_cdrs(
        place.path, count, now, alone=True, progress=lambda done: progress(f"{done:,} of {count:,} CDRs written")
    )
    store = stores.opened(place)
    try:
        began = time.monotonic()
        reports.month(None, None, now)
        took = time.monotonic() - began
    finally:
        store.close()
        place.path.unlink()
    yield Figure("report", f"a month's report over {count:,} CDRs", took, "s", 2, limit="sums are kept with the CDRs")
