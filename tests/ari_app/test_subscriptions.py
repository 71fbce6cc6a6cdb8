"""Which events Asterisk is asked for: all of our own endpoints, and of others only the legs of our calls."""

from __future__ import annotations

import pytest

from connector.ari_app.app import ConnectorApp
from connector.ari_app.subscriptions import BRIDGES, Subscriptions
from connector.billing import calls, profiles
from connector.billing.profiles import Credentials
from connector.routing import reachability, trunks
from tests.ari_app.conftest import PlayedAsterisk, PlayedJournal, about, booked, dial, offer, until
from tests.ari_app.test_recovery import written
from tests.conftest import NOW


@pytest.fixture
async def subscriptions(asterisk: PlayedAsterisk) -> Subscriptions:
    """Subscriptions to the endpoints `office` and `carrier`, of which Asterisk has the first."""

    async def wanted() -> set[str]:
        return {"office", "carrier"}

    asterisk.there = ["office", "phone"]
    return Subscriptions(asterisk, wanted)  # type: ignore[arg-type]


async def test_our_endpoints_are_subscribed_to_as_soon_as_asterisk_has_them(
    asterisk: PlayedAsterisk, subscriptions: Subscriptions
) -> None:
    """An endpoint that its config does not have yet is subscribed to later; another's never."""
    await subscriptions.begin()
    assert asterisk.subscribed == [BRIDGES, "endpoint:PJSIP/office"]
    assert (subscriptions.covers("office"), subscriptions.covers("carrier")) == (True, False)
    asterisk.there.append("carrier")
    await subscriptions.renew()
    assert asterisk.subscribed == [BRIDGES, "endpoint:PJSIP/office", "endpoint:PJSIP/carrier"]
    await subscriptions.renew()
    assert len(asterisk.subscribed) == 3
    assert not subscriptions.covers("phone")


async def test_an_endpoint_that_was_removed_and_added_again_is_subscribed_to_again(
    asterisk: PlayedAsterisk, subscriptions: Subscriptions
) -> None:
    """A trunk was closed and opened: Asterisk ended the subscription with the endpoint."""
    await subscriptions.begin()
    asterisk.subscribed.remove("endpoint:PJSIP/office")
    await subscriptions.renew()
    assert asterisk.subscribed == [BRIDGES, "endpoint:PJSIP/office"]


async def test_a_leg_on_anothers_endpoint_is_subscribed_to_once(
    asterisk: PlayedAsterisk, subscriptions: Subscriptions
) -> None:
    """An admin's phone in a call of ours. A leg on our own endpoint needs nothing more; one that is gone is told."""
    await subscriptions.begin()
    assert await subscriptions.to_leg("A", "office")
    for _ in range(2):
        assert await subscriptions.to_leg("B", "phone")
    assert asterisk.subscribed[2:] == ["channel:B"]
    asterisk.gone.add("channel:C")
    assert not await subscriptions.to_leg("C", "phone")
    subscriptions.keep({"A"})
    assert await subscriptions.to_leg("B", "phone")
    assert asterisk.subscribed[2:] == ["channel:B", "channel:B"]


async def test_the_gate_subscribes_before_the_call_goes_on(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """The first call of a new profile: its endpoint and the trunk's, which Asterisk has since a moment."""
    trunks.create_trunk("other", "127.0.0.1", 5071, NOW)
    asterisk.there = [office.username, "connector-carrier", "connector-other"]
    app.event(offer(office.username))
    await until(lambda: any(what == "continueInDialplan" for what, _ in asterisk.asked))
    order = [what for what, _ in asterisk.asked if what in ("subscribe", "continueInDialplan")]
    assert order == ["subscribe", "subscribe", "continueInDialplan"]
    assert asterisk.subscribed[-1] == "channel:A"
    assert {"endpoint:PJSIP/connector-carrier", f"endpoint:PJSIP/{office.username}"} <= set(asterisk.subscribed)


async def test_a_leg_of_another_dialplan_answers_unheard(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """A Local leg may be up before its events come: that the dial was answered is told to who dialled. It counts for a
    transferred call, whose gate leg is up already.
    """
    app.event(offer(office.username, state="Up"))
    await until(lambda: len(calls.live()) == 1)
    app.event(dial("A", "B", 5, "from-internal", "200@from-internal"))
    await until(lambda: "channel:B" in asterisk.subscribed)
    app.event({**dial("A", "B", 10, "from-internal", "200@from-internal"), "dialstatus": "ANSWER"})
    await until(lambda: any(call.answered_at for call in calls.live()))
    (call,) = calls.live()
    assert call.other_leg == "B"
    for leg in "AB":
        app.event(about("ChannelDestroyed", leg, 30, cause=16))
    await until(lambda: calls.live() == [])


async def test_a_leg_that_is_gone_before_it_was_subscribed_to_is_looked_for(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """Its end was not told to us: Asterisk is asked soon, not at the next look in five seconds."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    asterisk.gone.add("channel:B")
    app.event(dial("A", "B", 5, "from-internal", "200@from-internal"))
    await until(lambda: app._look_soon.is_set())


async def test_a_caller_who_gave_up_before_the_leg_was_subscribed_to_has_a_cdr_at_once(
    app: ConnectorApp, asterisk: PlayedAsterisk, journal: PlayedJournal, office: Credentials
) -> None:
    """The leg left the gate with its end unheard: the journal has it, and the channel is free."""
    asterisk.gone.add("channel:A")
    journal.written = {"A": written("A", 900)}
    app.event(offer(office.username))
    (cdr,) = await booked(1)
    assert (cdr.answered_at, calls.live()) == (None, [])


async def test_the_legs_of_calls_that_are_taken_back_are_subscribed_to(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """After a restart of the connector, also those on endpoints that are not ours."""
    asterisk.alive = {"A": "Up"}
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    asterisk.subscribed.clear()
    await app.subscriptions.begin()
    await app._reconcile()
    assert "channel:A" in asterisk.subscribed


def test_all_endpoints_by_which_calls_may_come_are_wanted(office: Credentials) -> None:
    """Also those of a suspended profile, whose calls are refused and have CDRs."""
    profiles.set_state("office", "suspended")
    assert reachability.endpoints() == {office.username, "connector-carrier"}
