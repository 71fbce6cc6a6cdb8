"""Writes exports in the background, on a thread of its own, and removes them after a week.

exports/12.csv     done, for `billing/exports.py`'s export 12
exports/.13*.part  being written; what a stopped connector leaves of it is written anew
"""

from __future__ import annotations

import asyncio
import csv
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connector.billing import exports
from connector.billing.exports import ExportView, Sheet
from connector.clock import Clock
from connector.core.sheets import neutral
from connector.database.store import StoreDoor
from connector.errors import ConnectorError
from connector.storage.apart import Apart

log = logging.getLogger(__name__)

EVERY_S = 1.0
LEAST_FREE = 2**30
OLD_EVERY_MS = 3_600_000


class Stopped(ConnectorError):
    """A sheet is not written to its end: the connector stops, or the disk is nearly full."""


def write(sheet: Sheet, path: Path, tell: exports.Told) -> tuple[int, int | None]:
    """Write a sheet as CSV (RFC 4180, UTF-8 with a byte order mark, for Excel), whole or not at all; how many rows, and
    what its calls cost.

    No cell begins as a formula does. StoreUnavailable; OSError.
    """
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)  # which nobody else has, or reads
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            found = exports.written(sheet, lambda cells: writer.writerow([neutral(cell) for cell in cells]), tell)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # unless it is the sheet by now
    return found


class Exporter:
    """One node's exports."""

    def __init__(self, folder: Path, node: str, store: StoreDoor, clock: Clock, apart: Apart | None = None) -> None:
        """`apart`: writes a sheet in a process of its own; None: this one writes it."""
        self._folder = folder
        self._node = node
        self._store = store
        self._clock = clock
        self._apart = apart
        self._stop = threading.Event()

    async def run(self) -> None:
        """For ever."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="export")
        looked_at = 0
        begun = False
        try:
            while True:
                try:
                    if not begun:
                        await self._store(exports.again, self._node)
                        begun = True
                    made = False
                    while (job := await self._store(exports.claim, self._node)) is not None:
                        await self._make(job, thread)
                        made = True
                    if made or self._clock.now_ms() - looked_at > OLD_EVERY_MS:
                        looked_at = self._clock.now_ms()
                        for number in await self._store(exports.expired, self._node, looked_at):
                            (self._folder / exports.file_name(number)).unlink(missing_ok=True)
                except (ConnectorError, OSError) as error:
                    log.error("exports wait: %s", error)
                    begun = False
                except Exception:  # calls go on without it
                    log.exception("exports wait: a defect of the connector")
                    begun = False
                await asyncio.sleep(EVERY_S)
        finally:
            self._stop.set()
            thread.shutdown(wait=False, cancel_futures=True)

    async def _make(self, job: ExportView, thread: ThreadPoolExecutor) -> None:
        """Write one, telling how far it is."""
        progress = [0, 0]

        def tell(rows: int, total: int) -> None:
            """Remember how far it is; no further if the connector stops."""
            if self._stop.is_set():
                raise Stopped("the connector stops")
            if shutil.disk_usage(self._folder).free < LEAST_FREE:  # the store may be on the same disk
                raise Stopped("less than 1 GiB is free on the disk")
            progress[:] = [rows, total]

        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(thread, self._written, job.id, tell)
        while not (await asyncio.wait({writing}, timeout=EVERY_S))[0]:
            await self._store(exports.told, job.id, *progress)
        try:
            rows, price, size = await writing
            await self._store(exports.done, job.id, rows, size, price, self._clock.now_ms())
            log.info("export %d: %s, %d rows", job.id, job.name, rows)
        except (ConnectorError, OSError) as error:
            log.error("export %d failed: %s", job.id, error)
            await self._store(exports.failed, job.id, _words(error), self._clock.now_ms())

    def _written(self, number: int, tell: Callable[[int, int], None]) -> tuple[int, int | None, int]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()  # what a connector left that was stopped
        path = self._folder / exports.file_name(number)
        apart = self._apart
        try:
            rows, price = apart.told(tell, _write, number, path) if apart is not None else _write(number, path, tell)
        finally:
            self._sweep()  # a process that was ended leaves its part
        return rows, price, path.stat().st_size

    def _sweep(self) -> None:
        for left in self._folder.glob(".*.part"):
            left.unlink(missing_ok=True)


def _write(number: int, path: Path, tell: exports.Told) -> tuple[int, int | None]:
    return write(exports.of_job(number), path, tell)


def _words(error: Exception) -> str:
    return error.strerror or "the disk" if isinstance(error, OSError) else str(error)
