"""Calls that are up are measured in turn, a few at a time, and what is known of them is kept when they are over."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from connector.billing import calls, history, media, plans
from connector.billing.profiles import Credentials
from connector.errors import AriUnavailable, NotFound
from connector.service.measuring import AGAIN_MS, Measuring
from connector.storage.readers import Readers
from connector.storage.writer import Writer
from tests.billing.test_calls import NODE, admitted, finish
from tests.conftest import NOW, FixedClock


class Statistics:
    """Asterisk as far as it is asked here; tests/sipp/test_endings.py asks the real one. `asked`: how often of which
    leg.
    """

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.away = False

    async def statistics(self, leg: str) -> dict[str, Any] | None:
        """Nothing is lost."""
        if self.away:
            raise AriUnavailable("Asterisk cannot be asked")
        self.asked[leg] += 1
        return None if leg == "local" else {"rxcount": 50 * self.asked[leg], "txcount": 50, "rtt": 0.01}

    async def codec(self, leg: str) -> str:
        """All the same."""
        return "alaw"


def up(office: Credentials, number: int, other: str | None = None) -> str:
    """A call that talks."""
    call_id = admitted(office.username).call_id
    calls.answered(call_id, NOW + 10, other or f"trunk-{number}")
    return call_id


async def test_each_leg_has_its_turn(office: Credentials, writer: Writer, clock: FixedClock) -> None:
    """Those first that were not measured yet, or longest ago; none again too soon."""
    plans.change("office", 10, 0, NOW)
    asterisk = Statistics()
    measuring = Measuring(NODE, 4, asterisk, writer, Readers(), clock)  # type: ignore[arg-type]
    for number in range(5):
        up(office, number)
    for looks in range(1, 4):
        await measuring.look()
        assert len(asterisk.asked) == min(10, 4 * looks)
        assert set(asterisk.asked.values()) == {1}
    await measuring.look()
    assert sum(asterisk.asked.values()) == 10
    clock.now += AGAIN_MS
    await measuring.look()
    assert sum(asterisk.asked.values()) == 14
    for call in calls.live():
        finish(call.id)


async def test_what_was_measured_last_is_kept_with_the_call(
    office: Credentials, writer: Writer, clock: FixedClock
) -> None:
    """When it is over, once; a call that was never measured has nothing, and says so."""
    asterisk = Statistics()
    measuring = Measuring(NODE, 4, asterisk, writer, Readers(), clock)  # type: ignore[arg-type]
    first, second = up(office, 1), up(office, 2, other="local")
    await measuring.look()
    clock.now += AGAIN_MS
    await measuring.look()
    third = up(office, 3)
    asterisk.away = True  # what was known stays
    clock.now += AGAIN_MS
    await measuring.look()
    for call_id in (first, second, third):
        finish(call_id)
    with pytest.raises(NotFound, match="was not measured"):
        media.of_call(first)
    for _ in range(2):
        await measuring.look()
    found = media.of_call(first[:8])
    assert [(leg.side, leg.codec, leg.heard_packets) for leg in found.legs] == [
        ("pbx", "alaw", 100),
        ("trunk", "alaw", 100),
    ]
    assert found.mos == pytest.approx(440, abs=2)
    assert [leg.side for leg in media.of_call(second).legs] == ["pbx"]
    with pytest.raises(NotFound, match="was not measured"):
        media.of_call(third)
    with pytest.raises(NotFound, match="no CDR"):
        media.of_call("nothing")
    assert len(history.cdrs(10)) == 3
