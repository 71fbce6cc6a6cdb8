"""What is found after a silence: at start, and whenever the websocket was gone.

The event stream is open before Asterisk is asked what is alive, so nothing can happen between the two unseen. If
Asterisk or the store cannot be asked, the error goes up: nothing is admitted and nothing is ended then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from connector.ari_app import events
from connector.ari_app.events import LegFoundUp, LegLost
from connector.billing import calls
from connector.core.calls import Progress

if TYPE_CHECKING:
    from connector.ari_app.app import ConnectorApp

log = logging.getLogger(__name__)


async def reconcile(app: ConnectorApp) -> None:
    """Hold the rows of the store and the calls in memory against the legs that Asterisk has.

    Row and leg: adopted. Row or call without any leg: its end was not seen; it is closed at the last moment it was
    known alive, as `estimated`. Raises AsteriskError or StoreUnavailable.
    """
    for row in await app.store(calls.live, app.node):
        if row.id in app.ongoing:
            continue
        progress = Progress(row.gate_leg)
        if row.other_leg:
            progress.leg_dialled(row.other_leg)
        progress.answered_at = row.answered_at
        app.adopt(row.id, progress, row.seen_at)
        log.info("adopted call %s, admitted before", row.id)
    # Taken before Asterisk is asked: a leg that comes while it answers is missing from the answer, and alive.
    known = [(call, set(call.progress.up)) for call in app.ongoing.values()]
    alive = events.legs(await app.client.channels.list())
    for call, legs in known:
        for leg in legs:
            if leg not in alive:
                app.tell(call, LegLost(leg, call.seen_at))
            elif alive[leg].up:
                app.tell(call, LegFoundUp(leg, app.clock.now_ms()))
