"""What both processes do to run: one of each a store, wait for a look after a restore, stop at a signal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

from connector.billing import restored
from connector.database.store import StoreDoor
from connector.errors import ConnectorError, SettingsError, StoreUnavailable, StoreUnreachable
from connector.service import notify

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[], Coroutine[object, object, None]]

LOOK_EVERY_S = 2.0
OWN_TRIES = 6


@contextlib.contextmanager
def alone(store: Path | None, part: str = "") -> Iterator[None]:
    """A file has one gate and one control process; without a part: neither of them runs meanwhile. SettingsError if one
    runs.

    A second gate would take the application from the first. A database knows it by itself (`Store.write_as`).
    """
    if store is None:
        yield
        return
    try:
        store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"{store.parent} cannot be made: {error.strerror or error}. Make it, or mend store.path"
        ) from None
    # The gate's lock has the name that it had when there was one process.
    files = {"gate": store.with_suffix(".lock"), "control": store.with_name(f"{store.stem}-control.lock")}
    with contextlib.ExitStack() as stack:
        for path in [files[part]] if part else files.values():
            try:
                lock = stack.enter_context(os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640), "a"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.truncate(0)
                lock.write(f"{os.getpid()}\n")
                lock.flush()
            except BlockingIOError:
                raise SettingsError(f"a connector already runs with the store {store}") from None
            except OSError as error:
                said = error.strerror or error
                raise SettingsError(f"{path}: {said}. Give it and its folder to the user that runs this") from None
        yield


async def own(store: StoreDoor) -> None:
    """The name that the writer writes as is ours in the store; SettingsError if another connector has it, and keeps it.

    One that was killed has it no longer as soon as the store notices.
    """
    for left in range(OWN_TRIES, -1, -1):
        try:
            await store(restored.is_restored)
        except StoreUnreachable as error:
            if not left:
                raise SettingsError(str(error)) from None
            await asyncio.sleep(1)
        else:
            return


async def run_until_stopped(store: StoreDoor, work: dict[str, Work], at_once: dict[str, Work]) -> None:
    """Start each work by its name, `at_once` or when the store can be used. Return when all of it has stopped, after
    SIGTERM or SIGINT. Raise the error that ends a work. systemd is notified of the start and of the stop.
    """
    looked_at = asyncio.Event()
    tasks = [asyncio.create_task(once(looked_at, begin), name=name) for name, begin in work.items()]
    tasks += [asyncio.create_task(begin(), name=name) for name, begin in at_once.items()]
    tasks.append(asyncio.create_task(wait_for_a_look(store, looked_at), name="restored"))
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    stopped = asyncio.create_task(stop.wait())
    notify.tell(notify.READY)  # from now on a signal stops it as it should
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        notify.tell(notify.STOPPING)
        for task in (stopped, *tasks):
            task.cancel()
        await asyncio.gather(stopped, *tasks, return_exceptions=True)


async def wait_for_a_look(store: StoreDoor, looked_at: asyncio.Event) -> None:
    """A store that came back from a backup charges nothing, and admits nothing, before somebody has looked at it."""
    told = False
    while True:
        try:
            if not await store(restored.is_restored):
                looked_at.set()
                await asyncio.Event().wait()
            if not told:
                log.error("the store came from a backup: nothing is admitted until 'connector reconcile --done'")
                told = True
        except StoreUnavailable as error:
            log.error("whether the store was restored is not known: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)


async def once(looked_at: asyncio.Event, begin: Work) -> None:
    """Begin after the look."""
    await looked_at.wait()
    await begin()


async def every(seconds: float, work: Work, what: str) -> None:
    """Do a piece of work again and again. An error of ours is logged when it is another one than the last time."""
    told = ""
    while True:
        try:
            await work()
            told = ""
        except (ConnectorError, OSError) as error:
            if str(error) != told:
                told = str(error)
                log.error("%s: %s", what, error)
        await asyncio.sleep(seconds)


async def listening(starting: Awaitable[T], what: str) -> T:
    """What was started; SettingsError, in words, if it cannot have its port."""
    try:
        return await starting
    except OSError as error:
        raise SettingsError(f"{what} cannot listen: {error.strerror or error}") from error
