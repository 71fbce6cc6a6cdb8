"""Events of calls in the store, on both kinds of it: who is told what, who posts it, and what is given up."""

from __future__ import annotations

import pytest

from connector.billing import calls, profiles
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.access import EVERYTHING
from connector.database.store import lock, reading, rows, writing
from connector.errors import BadInput, NotFound
from connector.notices import call_events, notices, webhooks
from connector.notices.call_events import Post
from tests.billing.test_calls import NODE, admitted, attempt, finish
from tests.conftest import NOW


def waiting() -> list[tuple[int, str]]:
    """What is yet to be posted, oldest first: to which webhook, and what."""
    with reading():
        return [(hook, event) for hook, event in rows("SELECT webhook_id, event FROM call_event ORDER BY id")]


def test_only_who_wants_it_is_told(office: Credentials) -> None:
    """Notices or calls or both, of one company; nothing is recorded where nobody wants it."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    with pytest.raises(BadInput, match="Choose what"):
        webhooks.create("https://example.com/none", NOW, "Acme", told=False)
    of_notices = webhooks.create("https://example.com/n", NOW, "Acme").webhook.id
    webhooks.create("https://example.com/o", NOW, "Other", calls=True)
    finish(admitted(office.username).call_id)
    assert waiting() == []
    of_calls = webhooks.create("https://example.com/c", NOW, "Acme", told=False, calls=True).webhook.id
    of_both = webhooks.create("https://example.com/b", NOW, "Acme", calls=True).webhook.id
    with writing():
        lock("id = 1")
        notices.tell(1, None, "trunk_down", "k", "The trunk carrier cannot be reached", NOW)
    assert {due.webhook for due in webhooks.claim(NOW, 10, mail=False)} == {of_notices, of_both}
    finish(admitted(office.username).call_id)
    assert waiting() == [(of_calls, "started"), (of_both, "started"), (of_calls, "ended"), (of_both, "ended")]
    webhooks.remove(of_calls)
    finish(admitted(office.username).call_id)
    assert waiting() == [(of_both, "started"), (of_both, "ended")] * 2


def test_what_is_posted_can_be_changed(office: Credentials) -> None:
    """Events of calls from now on, or no more, and then those that wait are gone; never nothing at all."""
    hook = webhooks.create("https://example.com/n", NOW, "Acme").webhook.id
    assert webhooks.change(hook, NOW, told=True, calls=True).calls
    finish(admitted(office.username).call_id)
    assert waiting() == [(hook, "started"), (hook, "ended")]
    assert len(claimed(NOW)) == 1
    assert not webhooks.change(hook, NOW, told=True, calls=False).calls
    finish(admitted(office.username).call_id)
    assert (waiting(), claimed(NOW)) == ([], [])
    webhooks.change(hook, NOW, told=False, calls=True)
    finish(admitted(office.username).call_id)
    assert len(waiting()) == 2
    with writing():
        lock("id = 1")
        notices.tell(1, None, "trunk_down", "k", "The trunk carrier cannot be reached", NOW)
    assert webhooks.claim(NOW, 10, mail=False) == []
    webhooks.change(hook, NOW, told=True, calls=True)
    with writing():
        lock("id = 1")
        notices.tell(1, None, "trunk_down", "again", "The trunk carrier cannot be reached", NOW)
    webhooks.change(hook, NOW, told=False, calls=True)
    assert webhooks.claim(NOW, 10, mail=False) == []  # what waits is wanted no more
    with pytest.raises(BadInput, match="Choose what"):
        webhooks.change(hook, NOW, told=False, calls=False)
    with pytest.raises(NotFound):
        webhooks.change(77, NOW, told=True, calls=False)


def claimed(now: int) -> list[Post]:
    """What may be posted now, claimed."""
    return call_events.claim(call_events.due(now, 10, {}), now)


def test_who_claims_first_posts(office: Credentials) -> None:
    """Another node does not; who comes back too late takes nothing from who posts by then."""
    webhooks.create("https://example.com/c", NOW, calls=True)
    finish(admitted(office.username).call_id)
    (late,) = claimed(NOW)
    assert claimed(NOW) == call_events.claim([late.webhook], NOW) == []
    now = NOW + call_events.LEASE_MS
    (second,) = claimed(now)
    assert second.delivery == late.delivery
    call_events.failed(late, "it hung", now)
    assert claimed(now + 1) == []
    finish(admitted(office.username).call_id)
    call_events.posted(late, now)  # it did arrive
    assert claimed(now + 1) == []
    call_events.posted(second, now)
    (third,) = claimed(now)
    assert third.delivery != late.delivery
    assert [each.event for each in third.events] == ["started", "ended"]


def test_what_was_posted_takes_nothing_else_along(office: Credentials) -> None:
    """A webhook is removed while a post is under way, and another one has its id and its rows."""
    first = webhooks.create("https://example.com/a", NOW, calls=True).webhook.id
    finish(admitted(office.username).call_id)
    (under_way,) = claimed(NOW)
    webhooks.remove(first)
    again = webhooks.create("https://example.com/b", NOW, calls=True).webhook.id
    finish(admitted(office.username).call_id)
    call_events.posted(under_way, NOW)
    assert waiting() == [(again, "started"), (again, "ended")]


def test_a_company_with_slow_webhooks_keeps_no_other_waiting(office: Credentials) -> None:
    """A few of its posts go on at once."""
    for name in "abcdef":
        webhooks.create(f"https://example.com/{name}", NOW, calls=True)
    finish(admitted(office.username).call_id)
    assert len(call_events.due(NOW, 10, {})) == call_events.MOST_OF_COMPANY
    assert len(call_events.due(NOW, 10, {"Acme": 2})) == 1
    assert call_events.due(NOW, 10, {"Acme": 3}) == []


def test_what_nobody_takes_is_given_up(office: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a day of failures, not for having waited while we were off; and the oldest of too much. It is counted."""
    webhook = webhooks.create("https://example.com/c", NOW, calls=True).webhook.id
    finish(admitted(office.username).call_id)
    day = call_events.GIVEN_UP_MS
    assert call_events.failing() == []
    assert call_events.forget(webhook, NOW + 3 * day) == 0  # nobody has tried
    (tried,) = claimed(NOW + 3 * day)
    call_events.failed(tried, "it is away", NOW + 3 * day)
    assert call_events.failing() == [webhook]
    assert call_events.forget(webhook, NOW + 4 * day - 1) == 0
    assert call_events.forget(webhook, NOW + 4 * day) == 2
    (view,) = webhooks.views(EVERYTHING)
    assert (view.waiting, view.given_up) == (0, 2)
    monkeypatch.setattr(call_events, "MOST_WAITING", 3)
    for _ in range(2):
        finish(admitted(office.username).call_id)
    assert call_events.forget(webhook, NOW) == 1
    assert [event for _, event in waiting()] == ["ended", "started", "ended"]


def test_a_call_whose_admission_was_not_heard_of_says_the_same(office: Credentials) -> None:
    """Its channel is given back, and what it showed stays."""
    webhooks.create("https://example.com/c", NOW, calls=True)
    asked = attempt(office.username)
    calls.admit(asked, NODE)
    ((before, *_),) = (each.events for each in claimed(NOW))
    calls.refuse(asked, NODE, refusals.STORE_UNAVAILABLE)
    ((after, last),) = (each.events for each in claimed(NOW + call_events.LEASE_MS))
    assert (before, last.event) == (after, "refused")
