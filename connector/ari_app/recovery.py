"""What is found after a silence: at start, and whenever the websocket was gone.

The event stream is open before Asterisk is asked what is alive, so nothing can happen between the two unseen. If
Asterisk cannot be asked, the error goes up: nothing is admitted and nothing is ended then.
"""

from __future__ import annotations

from connector.ari_app import events
from connector.ari_app.client import AriClient
from connector.ari_app.events import LegFoundUp, LegLost
from connector.ari_app.ongoing import OngoingCalls
from connector.errors import AriRefused


async def reconcile(ongoing: OngoingCalls, client: AriClient) -> None:
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
            elif alive[leg].up and call.progress.answered_at is None:
                call.mailbox.put_nowait(LegFoundUp(leg, await _answered_at(client, leg, call.seen_at)))


async def _answered_at(client: AriClient, leg: str, seen_at: int) -> int:
    """When a leg was answered that nobody saw answered: Asterisk's own CDR knows.

    If it does not, when the call was last known alive: too early rather than too late, for its money runs from there.
    """
    try:
        answer = await client.channels.getChannelVar(channelId=leg, variable="CDR(answer,u)")
        seconds, _, micros = answer["value"].partition(".")
        return int(seconds) * 1000 + int(micros[:3].ljust(3, "0"))
    except (AriRefused, ValueError, KeyError):
        return seen_at
