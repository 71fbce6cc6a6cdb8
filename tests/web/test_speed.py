"""Pages are quick where there is much: at the server, with 1,000 profiles and 1,000,000 CDRs."""

from __future__ import annotations

import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from connector.billing import profiles
from connector.billing.sqlite import FileStore
from connector.billing.store import writing
from tests.conftest import NOW, TAMPERED
from tests.web.browsing import welcomed
from tests.web.conftest import Town

pytestmark = pytest.mark.alone

PROFILES = 1_000
CDRS = 1_000_000
DAYS_MS = 90 * 24 * 3_600_000
LIMIT_MS = 100
ROUNDS = 3
_CDR = (
    "INSERT INTO cdr (id, node, company_id, profile_id, direction, caller_id, dialled, called, trunk_id, gate_leg,"
    " started_at, answered_at, ended_at, booked_at, duration_ms, cause, ending, price_micros)"
    " VALUES (?, 'n', 1, ?, ?, '101', ?, ?, 1, 'leg', ?, ?, ?, ?, ?, 16, ?, ?)"
)
_DAY_OF = "DATE(booked_at / 1000, 'unixepoch')"
# As billing/usage.py would have added them up, but for the clock of the company's time zone.
_SUMS = (
    *(
        f"INSERT OR REPLACE INTO destination_month SELECT 1, SUBSTR({_DAY_OF}, 1, 7), {whose},"
        " 'Destination ' || (price_micros % 40), 'profile', COUNT(*), COUNT(*), SUM(duration_ms), 0, 0,"
        " SUM(price_micros) FROM cdr WHERE gate_leg = 'leg' GROUP BY 2, 3, 4"
        for whose in ("profile_id", "0")
    ),
    *(
        f"INSERT OR REPLACE INTO call_day SELECT 1, {_DAY_OF}, {whose}, COUNT(*), 0, 0, 0, SUM(duration_ms), 0, 0,"
        " SUM(price_micros) FROM cdr WHERE gate_leg = 'leg' GROUP BY 2, 3"
        for whose in ("profile_id", "0")
    ),
    f"INSERT OR REPLACE INTO refusal_month SELECT 1, SUBSTR({_DAY_OF}, 1, 7), profile_id, 'no_rate', COUNT(*), 0"
    " FROM cdr WHERE gate_leg = 'leg' GROUP BY 2, 3",
    "INSERT OR REPLACE INTO channel_hour SELECT profile_id, ended_at / 3600000 * 3600000, 2, 1, SUM(duration_ms)"
    " FROM cdr WHERE gate_leg = 'leg' GROUP BY 1, 2",
)


def cdrs(first: int) -> Iterator[tuple[Any, ...]]:
    """As many as there are, of three months, of every profile."""
    drawn = random.Random(7)
    for number in range(CDRS):
        ended, length = NOW - drawn.randrange(DAYS_MS), drawn.randrange(300_000)
        called = f"+4420794{number % 100_000:05d}"
        yield (
            f"{number:032x}",
            first + drawn.randrange(PROFILES),
            drawn.choice(("in", "out")),
            called,
            called,
            ended - length - 5_000,
            ended - length,
            ended,
            ended,
            length,
            drawn.choice(("ok", "ok", "ok", "busy", "no_answer")),
            drawn.randrange(100_000),
        )


@pytest.fixture
def much(store: FileStore, town: Town) -> str:
    """The username of one profile of many."""
    with writing():
        made = [profiles.create_profile(f"branch {n:04d}", 0, "asterisk", NOW, "Acme") for n in range(PROFILES)]
    first = profiles.profile_id(made[0].username)
    TAMPERED.add(store.name)  # CDRs without charges: the ledger does not know of them
    store.close()
    raw = sqlite3.connect(store.path)
    raw.executemany(_CDR, cdrs(first))
    for statement in _SUMS:
        raw.execute(statement)
    raw.commit()
    raw.close()
    return made[500].username


async def test_every_page_is_quick(much: str, make_client: Callable[[], TestClient[Any, Any]]) -> None:
    """Half of the tries take less than a tenth of a second, whatever is looked for. What does not is tried again later:
    others may use the machine, and whoever is slow by itself is slow each time.
    """
    paths = (
        "/",
        "/profiles",
        "/profiles?name=branch+05",
        f"/profiles/{much}",
        "/history",
        f"/history?profile={much}",
        "/history?direction=in&ending=busy",
        "/history?number=%2B44207942",
        "/history?number=%2B1",
        "/history?refusal=no_credit",
        "/history?since=2026-10-01&until=2026-10-02",
        "/numbers",
        "/calls",
        "/money",
        "/reports",
        f"/profiles/{much}/report",
        "/statement",
        "/trunks",
        "/audit",
        "/api/v1/profiles?limit=200",
        "/api/v1/cdrs?limit=200",
    )
    slow = {}
    async with make_client() as client:
        await welcomed(client, "owner@example.com")
        for path in (path for turn in range(ROUNDS) for path in paths if turn == 0 or path in slow):
            took = []
            for _ in range(5):
                began = time.monotonic()
                async with client.get(path) as answer:
                    await answer.read()
                    assert answer.status == 200, path
                took.append((time.monotonic() - began) * 1000)
            if statistics.median(took) >= LIMIT_MS:
                slow[path] = [round(ms) for ms in took]
            else:
                slow.pop(path, None)
    assert slow == {}
