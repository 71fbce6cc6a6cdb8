"""Wires everything and runs it. The only module that knows all the others."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from connector import pjsip, sip_copies, stores, voicemail
from connector.agi.server import FastAgiServer
from connector.ami import AmiLink
from connector.apply import Configurator
from connector.ari_app.app import ConnectorApp
from connector.ari_app.client import AriClient
from connector.ari_app.journal import CelFile
from connector.asterisk import Asterisk
from connector.billing import (
    acts,
    decks,
    emergency,
    ledger,
    mailboxes,
    nodes,
    plans,
    profiles,
    restored,
    vault,
)
from connector.billing.calls import LiveCall
from connector.billing.store import clock_off_ms
from connector.clock import SystemClock
from connector.config import Settings
from connector.core.admission import UsualLimits
from connector.core.holds import Slicing
from connector.errors import (
    ConfigRefused,
    ConnectorError,
    SecretsLocked,
    SettingsError,
    StoreUnavailable,
    StoreUnreachable,
)
from connector.exporting import Exporter
from connector.pjsip import Wanted
from connector.reaching import TrunkStates, Watch
from connector.readers import Readers
from connector.sending import Sender
from connector.web.connections import Listener, quiet_accept_errors, raise_descriptor_limit
from connector.web.endpoint import Place
from connector.web.guard import Guard
from connector.web.rest import World
from connector.web.server import make_app
from connector.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

CONFIG_EVERY_S = 0.5
CONFIG_SETTLE_S = 5.0
CONFIG_LOOK_S = 30.0
RENEW_EVERY_S = 2.0
FORGET_EVERY_MS = 3_600_000
KEYS_KEPT_MS = 30 * 24 * 3_600_000
EMERGENCY_EVERY_S = 2.0
MAILBOXES_EVERY_S = 2.0
EMERGENCY_AGAIN_MS = 60_000
READ_EVERY_S = 1.0
LOOK_EVERY_S = 2.0
OWN_TRIES = 6
CLOCK_LIMIT_MS = 20_000


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Calls in progress are Asterisk's, and go on without us.

    Raises ConnectorError, in one line, if it cannot begin.
    """
    raise_descriptor_limit()
    quiet_accept_errors()
    with alone(settings.store.path):
        store = stores.opened(settings.store)
        for name in store.migrate():
            log.info("store: migration %s applied", name)
        _seal()
        client = AriClient(settings.ari)
        clock = SystemClock()
        ami = AmiLink(settings.ami)
        slicing = Slicing(settings.calls.slice_s, settings.calls.longest_s)
        writer = Writer(lambda: store.write_as(settings.node))
        await _own(writer)
        journal = CelFile(settings.journal.path)
        warning_ms = settings.calls.warning_s * 1000
        app = ConnectorApp(client, writer, clock, settings.node, slicing, ami, journal, warning_ms)
        asterisk = Asterisk(settings.ari)
        configurator = Configurator(settings.sip, asterisk, clock, TrunkStates(ami, asterisk), settings.node)
        agi = await _listening(FastAgiServer(settings.fastagi, app, writer, clock).start(), "FastAGI")
        readers, files = Readers(), Readers(1)
        listener = await _web(settings, app, readers, files, asterisk, ami, clock)
        looked_at = asyncio.Event()
        watch = Watch(settings.node, ami, asterisk, writer, clock, settings.journal.messages, app.tried)
        work: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "ARI": lambda: client.run(app),
            "AMI": ami.run,
            "pay": app.keep_paid,
            "config": lambda: _keep_applied(settings, configurator, clock),
            "renewals": lambda: _keep_renewed(app, clock),
            "voicemail": lambda: _keep_mailboxes(settings, asterisk),
            "emergency": lambda: _keep_emergency(settings.node, app, journal, clock),
            "exports": Exporter(settings.exports, settings.node, app.store, clock).run,
            "send": _sender(settings, app, readers, clock).run,
            "read": lambda: _keep_read(settings.node, clock),
            "reach": watch.run,
        }
        if settings.sip.copies_port:
            work["copies"] = lambda: sip_copies.listening(settings.sip.copies_port, watch.invite_refused)
        tasks = [asyncio.create_task(_once(looked_at, begin), name=name) for name, begin in work.items()]
        tasks.append(asyncio.create_task(_wait_for_a_look(app, looked_at), name="restored"))
        log.info("started: node %s, store %s", settings.node, store.name)
        try:
            await _until_stopped(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            agi.close()
            await listener.close()  # calls by call buttons end with it: their sound goes through us
            await asterisk.close()
            readers.close()
            files.close()
            await app.close()
            writer.close()
            store.close()
        log.info("stopped; calls in progress go on in Asterisk")


def _seal() -> None:
    """The first key, if none was ever used, and with it whatever an earlier version kept open."""
    try:
        if vault.first_key():
            log.info("a key for the secrets of the store was made: keep a copy of it, apart from the backups")
        sealed = profiles.seal_digests()
        if sealed:
            log.info("store: %d secrets are sealed now", sealed)
    except SecretsLocked as error:
        log.error("%s; what Asterisk has stays as it is", error)


@contextlib.contextmanager
def alone(store: Path | None) -> Iterator[None]:
    """One connector a file: a second would take the application from the first. A database knows it by itself."""
    if store is None:
        yield
        return
    store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with store.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"a connector already runs with the store {store}") from None
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


async def _own(writer: Writer) -> None:
    """The node's name is ours in the store; SettingsError if another connector has it, and keeps it.

    One that was killed has it no longer as soon as the store notices.
    """
    for left in range(OWN_TRIES, -1, -1):
        try:
            await writer(restored.is_restored)
        except StoreUnreachable as error:
            if not left:
                raise SettingsError(str(error)) from None
            await asyncio.sleep(1)
        else:
            return


async def _wait_for_a_look(app: ConnectorApp, looked_at: asyncio.Event) -> None:
    """A store that came back from a backup charges nothing, and admits nothing, before somebody has looked at it."""
    told = False
    while True:
        try:
            if not await app.store(restored.is_restored):
                looked_at.set()
                await asyncio.Event().wait()
            if not told:
                log.error("the store came from a backup: nothing is admitted until 'connector reconcile --done'")
                told = True
        except StoreUnavailable as error:
            log.error("whether the store was restored is not known: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)


async def _once(looked_at: asyncio.Event, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await looked_at.wait()
    await begin()


async def _until_stopped(tasks: list[asyncio.Task[None]]) -> None:
    """Return on SIGTERM or SIGINT; raise what ended a task that should never end."""
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done:
        task.result()


async def _listening(starting: Awaitable[T], what: str) -> T:
    """What was started; SettingsError, in words, if it cannot have its port."""
    try:
        return await starting
    except OSError as error:
        raise SettingsError(f"{what} cannot listen: {error.strerror or error}") from error


async def _web(
    settings: Settings,
    app: ConnectorApp,
    readers: Readers,
    files: Readers,
    asterisk: Asterisk,
    ami: AmiLink,
    clock: SystemClock,
) -> Listener:
    async def hang_up(call: LiveCall) -> None:
        """End a call's legs, whichever there are."""
        for leg in filter(None, (call.gate_leg, call.other_leg)):
            await asterisk.hang_up(leg)

    guard = Guard(settings.web, app.store, readers, clock)
    usual = UsualLimits.of(settings.calls.new_profile_per_day, settings.calls.new_profile_calls_per_second)
    place = Place(settings.sip, settings.node, settings.web.url, settings.exports, usual)
    world = World(app.store, readers, files, guard, place, hang_up, asterisk.sound, ami.press)
    site = make_app(settings.web, app.ready.is_set, world, clock)
    listener = Listener(site, settings.web.host, settings.web.port, _tls(settings))
    return await _listening(listener.start(), "the web server")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """For https; None where a proxy does that, or nobody. SettingsError if the files cannot be used."""
    if settings.web.certificate is None or settings.web.private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.web.certificate, settings.web.private_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"web.certificate and web.private_key cannot be used: {error}") from error
    return context


def _sender(settings: Settings, app: ConnectorApp, readers: Readers, clock: SystemClock) -> Sender:
    return Sender(settings.mail, settings.webhooks.allowed, app.store, readers, clock, settings.web.url)


async def _keep_renewed(app: ConnectorApp, clock: SystemClock) -> None:
    """Renew what ends, remind of what cannot be paid, forget requests that nobody will repeat."""
    forgot_at = 0
    while True:
        try:
            done = 0
            for term in await app.store(plans.due, clock.now_ms()):  # one by one: calls get their turn between two
                done += await app.store(plans.renew, term, clock.now_ms())
            if done:
                log.info("renewals: %d terms were due", done)
            if clock.now_ms() - forgot_at > FORGET_EVERY_MS:
                forgot_at = clock.now_ms()
                await app.store(acts.forget, forgot_at - KEYS_KEPT_MS)
        except ConnectorError as error:
            log.error("renewals wait: %s", error)
        await asyncio.sleep(RENEW_EVERY_S)


async def _keep_mailboxes(settings: Settings, asterisk: Asterisk) -> None:
    """Keep Asterisk's mailboxes those of the store."""
    loop = asyncio.get_running_loop()
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voicemail")
    boxes = voicemail.Boxes(settings.sip.generated, asterisk)
    told = ""
    try:
        while True:
            try:
                if await boxes.keep(await loop.run_in_executor(reader, mailboxes.kept)):
                    log.info("voice mail: Asterisk has the mailboxes as they are now")
                told = ""
            except (ConnectorError, OSError) as error:
                if str(error) != told:  # once, not every time
                    told = str(error)
                    log.error("mailboxes wait: %s", error)
            await asyncio.sleep(MAILBOXES_EVERY_S)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


async def _keep_emergency(node: str, app: ConnectorApp, journal: CelFile, clock: SystemClock) -> None:
    """Take the emergency calls that Asterisk wrote down, whether we lived then or not, into the store."""
    since: int | None = None
    while True:
        try:
            if since is None:
                since = await app.store(emergency.last_at, node)
            for leg in await journal.emergencies(since):
                new = await app.store(emergency.record, leg.leg, node, leg.profile, leg.dialled, leg.outcome, leg.at)
                if new:
                    log.warning("an emergency call to %s by %s: %s", leg.dialled, leg.profile, leg.outcome)
            since = clock.now_ms() - EMERGENCY_AGAIN_MS  # all of before is read once
        except ConnectorError as error:
            log.error("emergency calls are not noted yet: %s", error)
        await asyncio.sleep(EMERGENCY_EVERY_S)


async def _keep_read(node: str, clock: SystemClock) -> None:
    """What takes seconds of reading has a thread of its own, so that no call waits for it.

    The decks that come into use are in memory before they do, months that are over are added up and closed, and of
    other nodes that are gone the channels are freed whose calls are proven dead.
    """
    loop = asyncio.get_running_loop()
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
    try:
        while True:
            try:
                read = await loop.run_in_executor(reader, decks.preload, clock.now_ms())
                if read:
                    log.info("rate decks: %d read", read)
                off_ms = await loop.run_in_executor(reader, clock_off_ms, clock.now_ms())
                if abs(off_ms) > CLOCK_LIMIT_MS:
                    log.error("this node's clock is %d s off the store's: set it right", off_ms // 1000)
                    freed = 0  # whether another node's timers have ended a call is not known by it
                else:
                    freed = await loop.run_in_executor(reader, nodes.free_dead, node, clock.now_ms())
                if freed:
                    log.warning("%d channels are free again: their calls, of a node that is gone, are over", freed)
                for closing in await loop.run_in_executor(reader, ledger.close_months, clock.now_ms()):
                    log.info("ledger: %s of %s is closed", closing.month, closing.company)
            except ConnectorError as error:
                log.error("rate decks and closings wait: %s", error)
            await asyncio.sleep(READ_EVERY_S)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)  # a store that says nothing keeps nobody from stopping


async def _keep_applied(settings: Settings, configurator: Configurator, clock: SystemClock) -> None:
    """Keep Asterisk's pjsip objects those of the store, a few seconds after they change: who changes several things is
    not applied in pieces, and may look at the plan first. What somebody edited or rolled back is left to people.
    """
    loop = asyncio.get_running_loop()
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="config")
    told = ""
    seen: object = None
    refused = ""
    due: float | None = None
    looked_at = loop.time()
    try:
        while True:
            try:
                stamp = await loop.run_in_executor(reader, profiles.sip_stamp, clock.now_ms())
                if stamp != seen:
                    due = loop.time() + (CONFIG_SETTLE_S if seen is not None else 0)
                    seen = stamp
                if due is None and loop.time() - looked_at > CONFIG_LOOK_S:
                    due = loop.time()
                if due is not None and loop.time() >= due:
                    wanted = await loop.run_in_executor(reader, configurator.wanted)
                    version = await loop.run_in_executor(reader, pjsip.version_of, wanted.objects)
                    if version != refused:  # what Asterisk did not take it would not take now; people may try again
                        refused = version
                        told = await _apply(settings, configurator, wanted, told)
                        refused = ""
                    looked_at, due = loop.time(), None
            except ConfigRefused as error:
                log.error("config: %s; it is not tried again until something changes", error)
                due, looked_at = None, loop.time()
            except (ConnectorError, OSError) as error:
                refused = ""
                if str(error) != told:  # once, not every time
                    told = str(error)
                    log.warning("config not applied yet: %s", error)
            except Exception:  # calls go on without it
                refused, looked_at, due = "", loop.time(), None
                log.exception("config: a defect of the connector")
            await asyncio.sleep(CONFIG_EVERY_S)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


async def _apply(settings: Settings, configurator: Configurator, wanted: Wanted, told: str) -> str:
    """Apply what may be applied without asking anybody; what was said of the rest, so that it is said once."""
    plan = await configurator.plan(wanted)
    for problem in plan.problems:
        if problem not in told:
            log.error("config: %s", problem)
    waits = ""
    if plan.changes and (plan.by_hand or plan.held or not settings.sip.auto_apply):
        why = "the file was edited by hand" if plan.by_hand else "it was rolled back" if plan.held else "so it is set"
        waits = f"{len(plan.changes)} changes to version {plan.version} wait for 'connector config apply', for {why}"
        if waits not in told:
            log.warning("config: %s", waits)
    elif plan.changes:
        done = await configurator.apply(wanted, "connector", unattended=True)
        log.info("config: %d changes applied, version %s", len(done.changes), done.version)
    return "; ".join([*plan.problems, waits])
