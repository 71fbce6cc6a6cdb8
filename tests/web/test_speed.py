"""Pages are quick where there is much: at the server, with 1,000 profiles and 1,000,000 CDRs."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from connector.billing import profiles
from connector.database.sqlite import FileStore
from connector.database.store import writing
from lab.speed.much import write_cdrs
from tests.conftest import NOW, TAMPERED
from tests.web.browsing import welcomed
from tests.web.conftest import Town

pytestmark = pytest.mark.quiet

PROFILES = 1_000
CDRS = 1_000_000
LIMIT_MS = 100
ROUNDS = 3
# What is worked on beside each page, and how long it took where the limit was set, on a machine that did nothing else:
# a slower one, or one that others use, has as much more time for its pages.
BESIDE = {"items": [{"id": n, "name": f"profile {n}", "price": n * 1.5, "ok": n % 2 == 0} for n in range(400)]}
BESIDE_MS = 46


@pytest.fixture
def much(store: FileStore, town: Town) -> str:
    """The username of one profile of many."""
    with writing():
        made = [profiles.create_profile(f"branch {n:04d}", 0, "asterisk", NOW, "Acme") for n in range(PROFILES)]
    first = profiles.profile_id(made[0].username)
    TAMPERED.add(store.name)  # CDRs without charges: the ledger does not know of them
    store.close()
    write_cdrs(store.path, CDRS, NOW, first_profile=first, profiles=PROFILES, alone=True)
    return made[500].username


async def test_every_page_is_quick(much: str, make_client: Callable[[], TestClient[Any, Any]]) -> None:
    """Half of the tries take less than a tenth of a second, whatever is looked for; longer as the machine is slower at
    that moment. What does not is tried again later: what is slow by itself is slow each time.
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
            took, beside = [], []
            for _ in range(5):
                beside.append(_beside_ms())
                began = time.monotonic()
                async with client.get(path) as answer:
                    await answer.read()
                    assert answer.status == 200, path
                took.append((time.monotonic() - began) * 1000)
            if statistics.median(took) >= LIMIT_MS * max(1, statistics.median(beside) / BESIDE_MS):
                slow[path] = [round(ms) for ms in took]
            else:
                slow.pop(path, None)
    assert slow == {}


def _beside_ms() -> float:
    began = time.monotonic()
    for _ in range(60):
        json.loads(json.dumps(BESIDE))
    return (time.monotonic() - began) * 1000
