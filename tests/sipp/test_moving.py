"""`connector move-to` with calls up: they go on, and are booked where the store is afterwards."""

from __future__ import annotations

import subprocess
import sys

from connector import config
from connector.billing import calls, history
from connector.storage import stores
from lab import process
from lab.load import Bench
from tests.databases import Databases

HOLD = "hold-and-refuse/caller.xml"
# Longer than a connector takes to stop, a store to move, and a connector to start, on a machine that others use too.
HOLD_S = 45


def moved(bench: Bench, target: str, legs: int) -> None:
    """The store is moved, with the connector stopped for it. AssertionError with its words if that failed."""
    words = [sys.executable, "-P", "-m", "connector", "--config", str(bench.instance.settings_path), "move-to", target]
    with bench.without_connector():
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert len(bench.legs()) == legs


def test_calls_go_on_through_a_move_to_postgresql_and_back(bench: Bench, databases: Databases) -> None:
    """Two calls are up while the store moves: they end by themselves, each with CDR and price in the new store, and all
    of it moves back.
    """
    settings = bench.instance.settings_path
    text, path = settings.read_text(), bench.instance.store.path
    outcome = bench.begin("moved")
    run = bench.caller(HOLD, 2, 10, hold_s=HOLD_S).start()
    bench.until(outcome, "2 calls are up", lambda: bench.answered() == 2, 10)
    try:
        with databases.one(migrated=False) as url:
            moved(bench, url, 4)
            new = config.read(settings).store
            assert new.url == url
            opened = stores.opened(new)
            try:
                assert [call.answered_at is not None for call in calls.live()] == [True, True]
                assert run.wait(2 * HOLD_S).successful == 2
                assert process.waited(lambda: calls.live() == [], 10, 0.2)
                booked = {cdr.id: (cdr.ending, cdr.price_micros) for cdr in history.cdrs(2)}
            finally:
                opened.close()
            assert [ending for ending, _ in booked.values()] == ["ok", "ok"]
            assert all(price for _, price in booked.values())
            moved(bench, str(path), 0)
    finally:
        settings.write_text(text)
    assert {cdr.id: (cdr.ending, cdr.price_micros) for cdr in bench.end(outcome)} == booked
    assert outcome.problems == []
