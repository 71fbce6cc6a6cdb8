"""Applies changes of profiles and trunks to Asterisk's pjsip objects.

A change after a quiet time is applied at once. Those that follow it are applied together, SETTLE_S after the last one
and LONGEST_S after the first one at the latest.
"""

from __future__ import annotations

import asyncio
import logging
from operator import attrgetter

from connector.asterisk.apply import Configurator
from connector.asterisk.pjsip import Wanted
from connector.billing import profiles
from connector.clock import Clock
from connector.errors import ConfigRefused, ConnectorError
from connector.storage.readers import Readers

log = logging.getLogger(__name__)

EVERY_S = 0.5
SETTLE_S = 2.0
LONGEST_S = 10.0
LOOK_S = 30.0


async def keep_applied(configurator: Configurator, clock: Clock, *, auto_apply: bool) -> None:
    """Runs for ever. Config that somebody edited or rolled back is left to people."""
    loop = asyncio.get_running_loop()
    read = Readers(1)
    told = ""
    seen: object = None
    refused = ""
    due: float | None = None
    looked_at = loop.time()
    latest = 0.0
    quiet_at = 0.0  # from then on a change is applied at once
    try:
        while True:
            try:
                stamp = await read(profiles.sip_stamp, clock.now_ms())
                if stamp != seen:
                    now = loop.time()
                    latest = now + LONGEST_S if due is None else latest
                    due = min(latest, now + SETTLE_S if now < quiet_at else now)
                    seen = stamp
                    quiet_at = now + SETTLE_S
                if due is None and loop.time() - looked_at > LOOK_S:
                    due = loop.time()
                if due is not None and loop.time() >= due:
                    wanted = await read(configurator.wanted)
                    version = await read(attrgetter("version"), wanted)
                    if version != refused:  # what Asterisk did not take it would not take now; people may try again
                        refused = version
                        told = await _apply(configurator, wanted, told, auto_apply=auto_apply)
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
            await asyncio.sleep(EVERY_S)
    finally:
        read.close()


async def _apply(configurator: Configurator, wanted: Wanted, told: str, *, auto_apply: bool) -> str:
    """Apply what may be applied without asking anybody; what was said of the rest, so that it is said once."""
    if auto_apply:
        plan = await configurator.apply(wanted, "connector", unattended=True)
    else:
        plan = await configurator.plan(wanted)
    for problem in plan.problems:
        if problem not in told:
            log.error("config: %s", problem)
    waits = ""
    if plan.changes and (plan.by_hand or plan.held or not auto_apply):
        why = "the file was edited by hand" if plan.by_hand else "it was rolled back" if plan.held else "so it is set"
        waits = f"{len(plan.changes)} changes to version {plan.version} wait for 'connector config apply', for {why}"
        if waits not in told:
            log.warning("config: %s", waits)
    elif plan.changes:
        log.info("config: %d changes applied, version %s", len(plan.changes), plan.version)
    return "; ".join([*plan.problems, waits])
