"""Who wants to know of calls is posted what happens: in order, signed, until it arrives; and no call waits for it."""

from __future__ import annotations

import json
from typing import Any

from connector.billing import calls
from connector.billing.profiles import Credentials
from connector.core import signatures
from connector.core.access import EVERYTHING
from connector.core.calls import Attempt, Direction
from connector.core.refusals import Refusal
from connector.database.store import reading, rows
from connector.notices import call_events, webhooks
from connector.storage.writer import Writer
from tests.billing.test_calls import NODE, admitted, attempt, finish
from tests.conftest import NOW, FixedClock
from tests.service.posting import Hook, post


def waiting() -> list[tuple[int, str]]:
    """What is yet to be posted, oldest first: to which webhook, and what."""
    with reading():
        return [(hook, event) for hook, event in rows("SELECT webhook_id, event FROM call_event ORDER BY id")]


def events(hook: Hook) -> list[dict[str, Any]]:
    """What was posted, in order."""
    return [event for _, body in hook.got for event in json.loads(body)["events"]]


async def test_what_happens_to_a_call_is_posted(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """It starts, is answered, ends: with what is known of it then, named as in the API, in one signed post."""
    made = webhooks.create(hook.url, NOW, told=False, calls=True)
    call_id = admitted(office.username).call_id
    calls.answered(call_id, NOW + 10, "B")
    finish(call_id, ended_at=NOW + 20_010)
    await post(writer, clock).calls()
    ((headers, body),) = hook.got
    assert signatures.is_good(headers["Connector-Signature"], made.secret, body, clock.now)
    assert headers["Connector-Delivery"].startswith("calls-")
    told_of = json.loads(body)
    assert (told_of["kind"], told_of["company"]) == ("calls", "Acme")
    started, answered, ended = told_of["events"]
    assert [each["event"] for each in told_of["events"]] == ["started", "answered", "ended"]
    first = {
        "id": call_id, "profile": "office", "username": office.username, "direction": "out",
        "caller_id": "+442079460100", "shown": "+442079460100", "dialled": "+442079460001", "called": "+442079460001",
        "forwarded": "", "button": "", "started_at": "2026-11-18T11:06:40.000Z",
    }  # fmt: skip
    assert started == {"id": f"{call_id}-started", "event": "started", "at": "2026-11-18T11:06:40.000Z", "call": first}
    assert answered["call"] == {**first, "answered_at": "2026-11-18T11:06:40.010Z"}
    assert answered["at"] == "2026-11-18T11:06:40.010Z"
    assert ended["call"] == {
        **first, "answered_at": "2026-11-18T11:06:40.010Z", "ended_at": "2026-11-18T11:07:00.010Z",
        "duration_ms": 20_000, "ending": "ok", "refusal": None, "cause": 16, "sip_status": None, "hung_up_by": "us",
        "price_micros": 11_500, "currency": "GBP",
    }  # fmt: skip
    assert waiting() == []
    await post(writer, clock).calls()
    assert len(hook.got) == 1


async def test_an_event_says_the_same_whenever_it_is_posted(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """While the call is up, or after it: a receiver that gets an event twice gets the same."""
    webhooks.create(hook.url, NOW, calls=True)
    hook.answers = [500]
    call_id = admitted(office.username).call_id
    calls.answered(call_id, NOW + 10, "B")
    await post(writer, clock).calls()
    finish(call_id)
    assert webhooks.views(EVERYTHING)[0].why == "it answered 500"
    assert webhooks.views(EVERYTHING)[0].waiting == 3
    await post(writer, clock).calls()
    assert len(hook.got) == 1  # it is not time yet
    clock.now += call_events.LONGEST_WAIT_MS
    await post(writer, clock).calls()
    assert [each["event"] for each in events(hook)] == ["started", "answered", "started", "answered", "ended"]
    assert events(hook)[:2] == events(hook)[2:4]
    assert (webhooks.views(EVERYTHING)[0].why, webhooks.views(EVERYTHING)[0].waiting) == ("", 0)


async def test_refused_attempts_are_posted_too(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """With the reason; who gave up before it was decided, as ended."""
    webhooks.create(hook.url, NOW, calls=True)
    assert isinstance(calls.admit(attempt(office.username, "+449000000000"), NODE), Refusal)
    calls.given_up(Attempt("g" * 8, Direction.OUT, "l", office.username, "+442079460001", "1", NOW, NOW), NODE, NOW, 16)
    await post(writer, clock).calls()
    refused, gave_up = events(hook)
    assert (refused["event"], refused["call"]["refusal"]) == ("refused", "destination_blocked")
    assert (gave_up["event"], gave_up["call"]["ending"]) == ("ended", "no_answer")


async def test_many_events_are_several_posts_in_order(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """A hundred at once; no id comes twice, however often everything was posted."""
    webhooks.create(hook.url, NOW, calls=True)
    for _ in range(call_events.MOST_OF_POST):
        finish(admitted(office.username).call_id)
    await post(writer, clock).calls()
    assert [len(json.loads(body)["events"]) for _, body in hook.got] == [100, 100]
    for _ in range(2):
        finish(admitted(office.username).call_id)
        await post(writer, clock).calls()
    ids = [each["id"] for each in events(hook)]
    assert len(ids) == len(set(ids)) == 204
    assert [each["event"] for each in events(hook)] == ["started", "ended"] * 102
    assert len({headers["Connector-Delivery"] for headers, _ in hook.got}) == 4


async def test_nothing_of_a_call_is_posted_into_our_own_network(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """As with notices."""
    webhooks.create(hook.url, NOW, calls=True)
    finish(admitted(office.username).call_id)
    await post(writer, clock, allowed=()).calls()
    assert hook.got == []
    assert "public address" in webhooks.views(EVERYTHING)[0].why
