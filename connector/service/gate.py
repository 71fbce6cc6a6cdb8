"""The gate process: it decides calls, follows them, and records them. Nothing else runs on its event loop.

What people and programs ask for is the control process's (service/control.py).
"""

from __future__ import annotations

import logging
import os

from connector.agi.server import FastAgiServer
from connector.ari_app.app import ConnectorApp
from connector.ari_app.client import AriClient
from connector.ari_app.journal import CelFile
from connector.asterisk.ami import AmiLink
from connector.billing import decks, profiles
from connector.clock import Clock, SystemClock
from connector.config import Settings
from connector.core.holds import Slicing
from connector.database import vault
from connector.errors import SecretsLocked
from connector.service import gate_status
from connector.service.gate_status import GateStatus
from connector.service.running import alone, every, listening, own, run_until_stopped
from connector.storage import stores
from connector.storage.readers import Readers
from connector.storage.writer import Writer

log = logging.getLogger(__name__)

DECKS_EVERY_S = 1.0


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Calls in progress are Asterisk's, and go on without us.

    ConnectorError, in one line, if it cannot begin.
    """
    with alone(settings.store.path, "gate"):
        store = stores.opened(settings.store)
        for name in store.migrate():
            log.info("store: migration %s applied", name)
        _seal()
        clock = SystemClock()
        writer = Writer(lambda: store.write_as(settings.node))
        await own(writer)
        client = AriClient(settings.ari)
        ami = AmiLink(settings.ami, with_events=False)
        slicing = Slicing(settings.calls.slice_s, settings.calls.longest_s)
        journal = CelFile(settings.journal.path)
        warning_ms = settings.calls.warning_s * 1000
        app = ConnectorApp(client, writer, clock, settings.node, slicing, ami, journal, warning_ms)
        agi = await listening(FastAgiServer(settings.fastagi, app, writer, clock).start(), "FastAGI")
        reader = Readers(1)
        log.info("started: node %s, store %s", settings.node, store.name)
        try:
            await run_until_stopped(
                app.store,
                {
                    "ARI": lambda: client.run(app),
                    "AMI": ami.run,
                    "pay": app.keep_paid,
                    "decks": lambda: every(DECKS_EVERY_S, lambda: _read_decks(reader, clock), "rate decks wait"),
                },
                {"status": lambda: gate_status.serve(settings.gate_socket, lambda: _status(settings.node, app))},
            )
        finally:
            agi.close()
            reader.close()
            await app.close()
            writer.close()
            store.close()
        log.info("stopped; calls in progress go on in Asterisk")


def _status(node: str, app: ConnectorApp) -> GateStatus:
    return GateStatus(node, os.getpid(), app.is_ready(), len(app.ongoing), dict(app.tried))


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


async def _read_decks(reader: Readers, clock: Clock) -> None:
    """The rate decks that come into use are in memory before they do, so that no call waits for one."""
    read = await reader(decks.preload, clock.now_ms())
    if read:
        log.info("rate decks: %d read", read)
