"""Filters of the history: periods that move with today, and those that users save for themselves."""

from __future__ import annotations

import re

import pytest

from connector.core import times
from connector.errors import BadInput, NotFound
from connector.people import filters, users
from tests.conftest import NOW
from tests.web.browsing import Client, get, send, welcomed
from tests.web.conftest import Town

# At 2026-11-18 in London; the day of a change of clocks; the first of a month, of a year.
PERIODS = """
today       2026-11-18T12:00:00  Europe/London     2026-11-18T00:00 2026-11-19T00:00
yesterday   2026-11-18T12:00:00  Europe/London     2026-11-17T00:00 2026-11-18T00:00
week        2026-11-18T12:00:00  Europe/London     2026-11-12T00:00 2026-11-19T00:00
month       2026-11-18T12:00:00  Europe/London     2026-11-01T00:00 2026-12-01T00:00
last_month  2026-11-18T12:00:00  Europe/London     2026-10-01T00:00 2026-11-01T00:00
last_month  2027-01-01T00:00:00  Europe/London     2026-12-01T00:00 2027-01-01T00:00
today       2026-10-25T23:30:00  Europe/London     2026-10-25T00:00 2026-10-26T00:00
yesterday   2026-11-18T23:30:00  America/New_York  2026-11-17T00:00 2026-11-18T00:00
"""


@pytest.mark.parametrize("row", PERIODS.strip().splitlines())
def test_a_period_is_of_the_companys_days(row: str) -> None:
    """Whole days and months in its zone; a day with a change of clocks has 25 hours."""
    name, now, zone, since, until = row.split()
    found = times.period(name, times.instant(now, zone), zone)
    assert found == (times.instant(since, zone), times.instant(until, zone))
    with pytest.raises(BadInput, match="not one of the periods"):
        times.period("century", NOW, zone)


async def test_the_history_of_a_period_is_shown(client: Client, town: Town) -> None:
    """It moves with today: what was today is yesterday's a day later."""
    await welcomed(client, "owner@example.com")
    for period, there in (
        ("today", True),
        ("week", True),
        ("month", True),
        ("yesterday", False),
        ("last_month", False),
    ):
        text = await get(client, f"/history?period={period}")
        assert ('href="/history/refused"' in text) == there, period
    assert 'class="notice bad"' in await get(client, "/history?period=century")


async def test_a_filter_is_saved_for_who_saves_it(client: Client, town: Town) -> None:
    """By a name, replaced by another of the same name, shown, and removed; others neither see nor remove it."""
    await welcomed(client, "owner@example.com")
    assert "Saved filters" not in await get(client, "/history")
    query = "refusal=destination_blocked&period=week"
    text = await get(client, f"/history?{query}")
    (link,) = re.findall(r'href="(/history/filters/new\?[^"]+)"', text)
    link = link.replace("&amp;", "&")
    assert link.endswith(query)
    assert "It filters by: The profile is not allowed to call this destination., the last seven days" in await get(
        client, link
    )
    status, text = await send(client, link, name="<b>refused</b>")
    assert status == 200
    assert "&lt;b&gt;refused&lt;/b&gt;" in text
    await send(client, "/history/filters/new?period=today", name="<b>refused</b>")
    owner = users.by_email("owner@example.com").id
    (kept,) = filters.of_user(owner)
    assert kept.query == "period=today"
    assert f'href="/history?{kept.query}"' in await get(client, "/history")
    status, text = await send(client, "/history/filters/new", name="nothing")
    assert (status, "Choose something in the filter first." in text) == (422, True)
    assert (await send(client, "/history/filters/new?period=today", name="x" * 41))[0] == 422
    client.session.cookie_jar.clear()
    await welcomed(client, "viewer@example.com")
    assert "Saved filters" not in await get(client, "/history")
    assert (await send(client, f"/history/filters/{kept.id}/remove"))[0] in (404, 422)
    assert filters.of_user(owner) == [kept]
    filters.remove(owner, kept.id)
    with pytest.raises(NotFound):
        filters.remove(owner, kept.id)


async def test_dates_that_a_period_replaces_are_not_kept(client: Client, town: Town) -> None:
    """They would say something else than what is shown."""
    await welcomed(client, "owner@example.com")
    text = await get(client, "/history?period=today&since=2020-01-01&until=2020-01-02")
    assert '/history/filters/new?period=today"' in text
    assert 'value="2020' not in text


def test_nobody_saves_more_than_they_can_look_through(town: Town) -> None:
    """Thirty; another name is refused, and one that is there can still be replaced."""
    viewer = users.by_email("viewer@example.com").id
    for number in range(filters.MOST_FILTERS):
        filters.save(viewer, f"filter {number:02d}", "period=today", NOW)
    with pytest.raises(BadInput, match="Remove one first"):
        filters.save(viewer, "one more", "period=today", NOW)
    filters.save(viewer, "filter 00", "period=week", NOW)
    assert [each.query for each in filters.of_user(viewer)][:2] == ["period=week", "period=today"]
