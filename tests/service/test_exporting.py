"""Sheets are whole, add up to the ledger, and cannot run in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import re
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.billing import calls, exports, plans, reports
from connector.billing.exports import KINDS, OF_COMPANY
from connector.billing.profiles import Credentials
from connector.config import StoreSettings
from connector.core.access import EVERYTHING
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.paging import Turn
from connector.core.sheets import neutral
from connector.database.sqlite import FileStore
from connector.errors import BadInput, StoreUnavailable
from connector.service.exporting import Exporter, write
from connector.storage.apart import Apart
from connector.storage.writer import Writer
from tests.ari_app.conftest import until
from tests.commands import Command
from tests.conftest import NOW, TAMPERED, FixedClock

HOSTILE = '=HYPERLINK("http://evil","x")'
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def talk(office: Credentials, number: int, called: str = "+442079460001", caller: str = "101") -> None:
    """A call out of a minute and a bit."""
    at = NOW + number * 100_000
    attempt = Attempt(f"call{number:012d}", Direction.OUT, "leg", office.username, called, caller, at, at)
    if isinstance(calls.admit(attempt, "node"), Admitted):
        calls.answered(attempt.call_id, at + 1_000, "other")
        progress = Progress("leg")
        progress.answered_at = at + 1_000
        progress.leg_ended("leg", at + 50_000 + number * 777, 16)
        calls.ended(attempt.call_id, progress, at + 99_000)


@pytest.fixture
def talked(office: Credentials) -> str:
    """The office, after some calls, one of them by somebody who would like to be a formula."""
    for number, called in enumerate(["+442079460001", "+12125550100", "+33123456789", "banana", "+447700900123"]):
        talk(office, number, called, HOSTILE if number == 2 else "101")
    return office.username


def nothing(rows: int, total: int) -> None:
    """Nobody listens."""


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a sheet, by their columns."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def parts(folder: Path) -> list[Path]:
    """What was begun and not ended."""
    return [left for left in folder.iterdir() if left.name.endswith(".part")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("month", [None, "2026-11", "2026-10"])
def test_a_sheet_has_every_row_and_no_formula(talked: str, tmp_path: Path, kind: str, month: str | None) -> None:
    """Of each kind, of a month, of one without anything, and of all time."""
    path = tmp_path / "sheet.csv"
    rows, price = write(exports.sheet(kind, None, None, month), path, nothing)
    found = read(path)
    assert len(found) == rows
    assert bool(rows) == (month != "2026-10")
    assert not [cell for row in found for cell in row.values() if cell[:1] in FORMULA and not NUMBER.fullmatch(cell)]
    if kind in ("calls", "usage", "summary"):
        column = "price" if kind == "calls" else "cost"
        charged = reports.statement(None, "2026-11", NOW).calls_micros if rows else 0
        assert sum(Decimal(row[column] or 0) for row in found) * 1_000_000 == price == charged
        if kind not in OF_COMPANY:
            own = tmp_path / "own.csv"
            assert write(exports.sheet(kind, None, talked, month), own, nothing) == (rows, price)
            assert own.read_bytes() == path.read_bytes()
    assert not parts(tmp_path)


def test_money_in_the_ledgers_sheet_balances(talked: str, tmp_path: Path) -> None:
    """What accounts gain is what others lose, in money and in seconds."""
    plans.change("office", 3, 1, NOW + 1_000_000)
    write(exports.sheet("ledger", None, None, None), tmp_path / "ledger.csv", nothing)
    found = read(tmp_path / "ledger.csv")
    for unit in ("GBP", "s"):
        sums = [(Decimal(row["gains"]), Decimal(row["loses"])) for row in found if row["currency"] == unit]
        assert sum(gains for gains, _ in sums) == sum(loses for _, loses in sums) > 0


def test_a_sheet_that_is_not_the_ledgers_is_none(talked: str, tmp_path: Path, store: FileStore) -> None:
    """A CDR whose price somebody changed behind our back: no file, and why."""
    TAMPERED.add(store.name)
    raw = sqlite3.connect(store.path)
    raw.execute("UPDATE cdr SET price_micros = price_micros + 1 WHERE price_micros > 0")
    raw.commit()
    raw.close()
    with pytest.raises(StoreUnavailable, match=r"the ledger has .* for these calls, and they say"):
        write(exports.sheet("calls", None, None, None), tmp_path / "sheet.csv", nothing)
    assert list(tmp_path.glob("sheet*")) == []


@given(st.text())
def test_no_cell_begins_a_formula(cell: str) -> None:
    """Whatever is in it; and nothing of it is lost. A number, "+" and digits, is left as it is."""
    made = neutral(cell)
    assert made[:1] not in FORMULA or NUMBER.fullmatch(made)
    assert made.removeprefix("'") == cell.removeprefix("'")


@pytest.mark.parametrize(
    ("cell", "written"),
    [("+442079460100", "+442079460100"), ("-12.50", "-12.50"), ("+44 20", "'+44 20"), ("=1", "'=1"), ("+1+1", "'+1+1"),
     ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"), ("@SUM(1)", "'@SUM(1)"), ("\t1", "'\t1"), ("+4\n", "'+4\n")],
)  # fmt: skip
def test_numbers_are_left_alone(cell: str, written: str) -> None:
    """A number of an export can be loaded again; what could be a formula is still neutral."""
    assert neutral(cell) == written


async def eventually(number: int, state: str) -> exports.ExportView:
    """An export in a state, soon."""
    await until(lambda: exports.show(number).state == state, limit_s=30)
    return exports.show(number)


@pytest.fixture(params=["here", "apart"])
def apart(request: pytest.FixtureRequest, store: FileStore) -> Apart | None:
    """Whether a process of its own writes the sheets."""
    return Apart(StoreSettings(path=store.path)) if request.param == "apart" else None


async def test_exports_are_written_in_the_background(
    talked: str,
    tmp_path: Path,
    writer: Writer,
    clock: FixedClock,
    apart: Apart | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One by one, on the node that was asked; one that was begun before a restart too; kept for a week."""
    monkeypatch.setattr("connector.service.exporting.EVERY_S", 0.01)
    monkeypatch.setattr("connector.service.exporting.OLD_EVERY_MS", 0)
    folder = tmp_path / "exports"
    first = exports.ask("calls", "node", NOW, "Acme", month="2026-11")
    begun = exports.claim("node")
    assert begun is not None and begun.state == "running"
    others = exports.ask("ledger", "another", NOW, "Acme")
    running = asyncio.create_task(Exporter(folder, "node", writer, clock, apart).run())
    done = await eventually(first.id, "done")
    assert (done.rows, done.total, done.name) == (5, 5, "acme-calls-2026-11.csv")
    assert (folder / f"{first.id}.csv").stat().st_size == done.bytes
    assert (folder / f"{first.id}.csv").stat().st_mode & 0o777 == 0o600
    assert exports.show(others.id).state == "waiting"
    clock.now += exports.KEPT_MS + 1
    await eventually(first.id, "gone")
    await until(lambda: list(folder.iterdir()) == [])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_export_that_cannot_be_written_says_why(talked: str, tmp_path: Path, writer: Writer) -> None:
    """A folder that is a file: failed, in words."""
    (tmp_path / "exports").write_text("")
    asked = exports.ask("calls", "node", NOW, profile=talked)
    running = asyncio.create_task(Exporter(tmp_path / "exports", "node", writer, FixedClock()).run())
    assert (await eventually(asked.id, "failed")).why == "File exists"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_the_newest_sheets_are_kept(talked: str) -> None:
    """Of each company, however many somebody asks for."""
    numbers = []
    for _ in range(exports.MOST_KEPT + 2):
        numbers.append(exports.ask("calls", "node", NOW).id)
        exports.done(numbers[-1], 1, 1, 0, NOW)
    assert sorted(exports.expired("node", NOW)) == numbers[:2]
    assert exports.expired("node", NOW) == []


async def test_a_disk_that_is_nearly_full_is_left_alone(
    talked: str, tmp_path: Path, writer: Writer, apart: Apart | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store may be on it: the sheet fails, and says so."""
    monkeypatch.setattr("connector.service.exporting.LEAST_FREE", 2**60)
    asked = exports.ask("calls", "node", NOW, profile=talked)
    running = asyncio.create_task(Exporter(tmp_path, "node", writer, FixedClock(), apart).run())
    assert "free on the disk" in (await eventually(asked.id, "failed")).why
    assert not parts(tmp_path)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_what_cannot_be_exported_is_refused(talked: str) -> None:
    """Another kind, a month that is none, a company's of a profile, and more than are good for it at once."""
    for kind, profile, month in (("secrets", None, None), ("calls", None, "2026-13"), ("ledger", talked, None)):
        with pytest.raises(BadInput):
            exports.ask(kind, "node", NOW, profile=profile, month=month)
    for _ in range(exports.MOST_WAITING):
        exports.ask("calls", "node", NOW)
    with pytest.raises(BadInput, match="5 exports are still being written"):
        exports.ask("calls", "node", NOW)
    assert len(exports.page_of(EVERYTHING, Turn(None, 100)).items) == exports.MOST_WAITING


def test_the_commands_for_reports_and_sheets(talked: str, connector: Command, tmp_path: Path) -> None:
    """As a person and as a program use them."""
    report = connector.json("report", "calls", "--month", "2026-11")
    assert (report["calls_out"], report["refused"]) == (4, 1)
    assert report["price_micros"] == connector.json("report", "statement", "--month", "2026-11")["calls_micros"] > 0
    assert "United Kingdom mobile" in connector("report", "calls", "--month", "2026-11")
    assert "office" in connector("report", "calls", "--month", "2026-11", "--profile", "office")
    assert "subscription" in connector("report", "statement", "--month", "2026-11")
    assert "2026-11" in connector.json("report", "months")
    path = tmp_path / "calls.csv"
    said = connector.json("export", "calls", "--all", "--output", str(path))
    assert (said["rows"], said["price_micros"]) == (5, report["price_micros"])
    assert len(read(path)) == 5
    for words in (("calls",), ("calls", "--month", "2026-11", "--all"), ("calls", "--all"), ("nothing", "--all")):
        assert "error: " in connector("export", *words, "--output", str(path), status=1)
