"""Several nodes on one store, without their Asterisks: each a process with the connector's own writer.

`rounds` is the proof that together they sell what was bought and not one channel more: a thousand attempts at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import uuid
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any

from connector.billing import calls
from connector.clock import SystemClock
from connector.config import StoreSettings
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.plans import MOST_CHANNELS
from connector.errors import StoreUnavailable
from connector.storage import stores
from connector.storage.writer import Writer

ATTEMPTS = 1_000
NODES = ("a", "b")
WAIT_S = 60


def rounds(place: StoreSettings, username: str, count: int, told: Callable[[int], None] = lambda number: None) -> None:
    """So many rounds on a store that is open here too, with a profile that has 300 channels and money for them.

    AssertionError if a round ends with another number than 300; the calls are over afterwards.
    """
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(len(NODES) + 1)
    found: Queue[list[str]] = context.Queue()
    workers = [
        context.Process(target=_node, args=(place, username, name, count, together, found), daemon=True)
        for name in NODES
    ]
    for worker in workers:
        worker.start()
    try:
        for number in range(count):
            together.wait(WAIT_S)
            try:
                admitted = [call for _ in NODES for call in found.get(timeout=WAIT_S)]
            except queue.Empty:
                raise AssertionError(f"round {number}: a node said nothing within {WAIT_S} s") from None
            assert len(admitted) == MOST_CHANNELS, f"round {number}: {len(admitted)} admitted"
            assert {call.id for call in calls.live()} == set(admitted), f"round {number}: others are in the store"
            told(number)
            together.wait(WAIT_S)
        for worker in workers:
            worker.join(WAIT_S)
    finally:
        for worker in workers:
            worker.kill()
    assert calls.live() == []


def _node(
    place: StoreSettings, username: str, name: str, count: int, together: Barrier, found: Queue[list[str]]
) -> None:
    """One of them: its half of the attempts at once, and when all were counted it ends those it has."""
    store = stores.opened(place)

    async def work() -> None:
        writer = Writer(lambda: store.write_as(name))
        for _ in range(count):
            await asyncio.to_thread(together.wait, WAIT_S)
            asked = [insisted(writer, calls.admit, _attempt(username), name) for _ in range(ATTEMPTS // len(NODES))]
            admitted = [got.call_id for got in await asyncio.gather(*asked) if isinstance(got, Admitted)]
            found.put(admitted)
            await asyncio.to_thread(together.wait, WAIT_S)
            await asyncio.gather(*(insisted(writer, _end, call) for call in admitted))
        await writer(store.close)
        writer.close()

    asyncio.run(work())


async def insisted(writer: Writer, function: Callable[..., Any], *values: Any) -> Any:
    """Until the store takes it: a machine that stands still for seconds makes it busy, and refuses nobody for good."""
    while True:
        try:
            return await writer(function, *values)
        except StoreUnavailable:
            continue


def _attempt(username: str) -> Attempt:
    now = SystemClock().now_ms()
    return Attempt(uuid.uuid4().hex, Direction.OUT, uuid.uuid4().hex, username, "+442079460001", "1", now, now)


def _end(call_id: str) -> None:
    now = SystemClock().now_ms()
    progress = Progress("A")
    progress.leg_ended("A", now, 16)
    calls.ended(call_id, progress, now)
