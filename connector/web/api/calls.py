"""Live calls, the call history, and why each call cost what it did or was refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from connector.billing import calls, history, media, trials
from connector.billing.calls import LiveCall
from connector.billing.history import CdrView, Explanation
from connector.billing.media import MediaView
from connector.billing.trials import Why
from connector.core.paging import Page, turn
from connector.core.times import instant
from connector.routing import emergency
from connector.routing.emergency import EmergencyView
from connector.web.endpoint import Ask, Endpoints, Instant, Paged, Shape, Word

api = Endpoints("Calls")

Digits = Annotated[str, Field(pattern=r"^\+?[0-9]{1,15}$")]


class LiveAsked(Paged):
    """`profile`: of one only, by its username."""

    profile: Word | None = None


class CdrsAsked(Paged):
    """`since` and `until` are instants. `number` is the beginning of the called or the calling number, `caller` and
    `called` of one of them. `price_micros` is the least price.
    """

    profile: Word | None = None
    direction: Literal["in", "out"] | None = None
    ending: Literal["ok", "refused", "busy", "no_answer", "cut_off", "media_lost", "failed", "estimated"] | None = None
    refusal: Word | None = None
    number: Digits | None = None
    since: Instant | None = None
    until: Instant | None = None
    caller: Digits | None = None
    called: Digits | None = None
    price_micros: Annotated[int, Field(ge=0, lt=2**53)] | None = None


@api.get("/calls", "calls.read")
def list_live_calls(ask: Ask, query: LiveAsked) -> Page[LiveCall]:
    """The calls that have their channel right now, oldest first."""
    return calls.live_page(ask.scope, turn(query.cursor, query.limit, "is"), query.profile)


async def _hang_up(world: Any, call: LiveCall) -> None:
    await world.hang_up(call)


class WhyAsked(Shape):
    """A call that is not made: what is dialled; when, an instant or by the company's clock, else now; and the number
    that the PBX would say, else the profile's own.
    """

    number: Annotated[str, Field(min_length=1, max_length=256, examples=["+442079460001"])]
    at: Instant | None = None
    caller: Annotated[str, Field(max_length=256)] = ""


@api.get("/profiles/{profile}/why", "calls.read")
def why_refused(ask: Ask, query: WhyAsked) -> Why:
    """Whether a call of a profile would be carried, and if not, every reason and what would cure it."""
    at = ask.now if query.at is None else query.at
    return trials.why(query.number, ask.path["profile"], at, query.caller, with_costs=ask.actor.sees_costs)


@api.delete("/calls/{call}", "calls.end", after=_hang_up)
def end_call(ask: Ask) -> LiveCall:
    """Hang up a live call, if it is on this node."""
    found = calls.live_call(ask.path["call"], ask.place.node)
    calls.note_end(found)
    return found


@api.get("/cdrs", "calls.read")
def list_cdrs(ask: Ask, query: CdrsAsked) -> Page[CdrView]:
    """The call history, newest first."""
    wanted = history.Wanted(
        profile=query.profile,
        direction=query.direction,
        ending=query.ending,
        refusal=query.refusal,
        number=query.number,
        since=None if query.since is None else instant(query.since, "UTC"),
        until=None if query.until is None else instant(query.until, "UTC"),
        caller=query.caller,
        called=query.called,
        price_micros=query.price_micros,
    )
    return history.cdr_page(ask.scope, turn(query.cursor, query.limit, "is"), wanted)


@api.get("/cdrs/{cdr}", "calls.read")
def show_cdr(ask: Ask) -> CdrView:
    """What became of one call."""
    return history.cdr(ask.path["cdr"])


@api.get("/cdrs/{cdr}/media", "calls.read")
def show_media(ask: Ask) -> MediaView:
    """How a call sounded: loss, jitter, the round-trip time, and the MOS of each leg."""
    return media.of_call(ask.path["cdr"])


@api.get("/cdrs/{cdr}/explanation", "money.read")
def explain_cdr(ask: Ask) -> Explanation:
    """Why a call cost what it did: rate, blocks, bundle seconds, rounding, postings."""
    return history.explain(ask.path["cdr"], with_costs=ask.actor.sees_costs)


@api.get("/emergency-calls", "calls.read")
def list_emergency_calls(ask: Ask, query: Paged) -> Page[EmergencyView]:
    """The calls to emergency numbers, which pass no gate."""
    return emergency.page_of(ask.scope, turn(query.cursor, query.limit, "is"))
