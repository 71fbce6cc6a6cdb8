"""What is found after a silence: at start, and whenever the websocket was gone.

The event stream is open before Asterisk is asked what is alive, so nothing can happen between the two unseen. If
Asterisk cannot be asked, the error goes up: nothing is admitted and nothing is ended then.
"""

from __future__ import annotations

from connector.ari_app import events
from connector.ari_app.client import AriClient
from connector.ari_app.events import LegFoundUp, LegLost
from connector.ari_app.ongoing import OngoingCalls
from connector.clock import Clock


async def reconcile(ongoing: OngoingCalls, client: AriClient, clock: Clock) -> None:
    """Hold the calls in memory against the legs that Asterisk has, and put what was missed into their mailboxes.

    A leg that is gone was last known alive when its call was; one that is up may have been answered unseen. Raises
    AsteriskError.
    """
    # Taken before Asterisk is asked: a leg that comes while it answers is missing from the answer, and alive.
    known = [(call, set(call.progress.up)) for call in ongoing]
    alive = events.legs(await client.channels.list())
    for call, legs in known:
        for leg in legs:
            if leg not in alive:
                call.mailbox.put_nowait(LegLost(leg, call.seen_at))
            elif alive[leg].up:
                call.mailbox.put_nowait(LegFoundUp(leg, clock.now_ms()))
