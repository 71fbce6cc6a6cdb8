"""Backups: whole while calls go on, proven, restored; and a restored store charges nothing before somebody looked."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from connector.asterisk import accounts
from connector.billing import calls, credit, history, ledger, plans, restored
from connector.billing.profiles import Credentials
from connector.cli.accounts import acting_as
from connector.core.calls import Admitted
from connector.core.plans import DAY_MS
from connector.database.models import database
from connector.database.sqlite import FileStore
from connector.errors import BadInput, ConnectorError, SettingsError, StoreUnavailable
from connector.service.running import alone, once, wait_for_a_look
from connector.storage import backup
from tests.billing.test_calls import attempt, finish
from tests.billing.test_ledger import tampered
from tests.commands import SETTINGS, Command
from tests.conftest import NOW


def left_behind(folder: Path) -> list[str]:
    """Files of a try that did not come to its end."""
    return [path.name for path in folder.iterdir() if any(word in path.name for word in ("making", "restoring"))]


def busy(path: Path, username: str, begun: Event, stop: Event) -> None:
    """Another process, in which calls come and go."""
    opened = FileStore(path)
    while not stop.is_set():
        got = calls.admit(attempt(username), "node")
        if isinstance(got, Admitted):
            calls.answered(got.call_id, NOW, "B")
            finish(got.call_id, answered_at=NOW, ended_at=NOW + 1_000)
            begun.set()
    opened.close()


def test_a_backup_is_whole_while_calls_go_on(office: Credentials, store: FileStore, tmp_path: Path) -> None:
    """Calls come and go meanwhile: each backup is of one moment, and adds up."""
    context = multiprocessing.get_context("spawn")
    begun, stop = context.Event(), context.Event()
    working = context.Process(target=busy, args=(store.path, office.username, begun, stop))
    working.start()
    try:
        assert begun.wait(20)
        found = [backup.backup(store, tmp_path / f"{number}.db") for number in range(5)]
    finally:
        stop.set()
        working.join(20)
    assert working.exitcode == 0
    entries = [view.entries for view in found]
    assert entries == sorted(entries)
    assert entries[-1] > entries[0]
    assert all(Path(view.path).stat().st_mode & 0o777 == 0o600 for view in found)
    assert left_behind(tmp_path) == []


def test_a_restored_store_is_as_it_was_and_charges_nothing(
    office: Credentials, store: FileStore, tmp_path: Path
) -> None:
    """A call that was up then is closed without charge when somebody says so; what was there is kept beside it."""
    got = calls.admit(attempt(office.username), "node")
    assert isinstance(got, Admitted)
    calls.answered(got.call_id, NOW, "B")
    before = ledger.accounts()
    made = backup.backup(store, tmp_path / "kept.db")
    finish(got.call_id, answered_at=NOW, ended_at=NOW + 90_000)
    credit.add("office", 1_000_000, "later", NOW)
    database.close()
    view = backup.restore(tmp_path / "kept.db", store, NOW + 40 * DAY_MS)
    assert (ledger.accounts(), restored.is_restored(), view.books_end_at) == (before, True, made.books_end_at)
    assert view.kept is not None
    assert Path(view.kept).exists()
    told = restored.view(NOW + 40 * DAY_MS)
    assert (told.live_calls, told.held_micros, [term.subject for term in told.terms]) == (1, 23_000, ["office"])
    assert restored.done(NOW + 40 * DAY_MS) == 1
    (cdr,) = history.cdrs(10)
    assert (cdr.ending, cdr.price_micros, restored.is_restored()) == ("estimated", 0, False)
    with pytest.raises(BadInput, match="nothing to reconcile"):
        restored.view(NOW)
    assert plans.renew_due(NOW + 40 * DAY_MS) == 1


@pytest.mark.parametrize("wrong", ["nothing", "a letter", "tampered", "in use", "newer"])
def test_a_bad_backup_changes_nothing(wrong: str, office: Credentials, store: FileStore, tmp_path: Path) -> None:
    """It is no store, does not add up, is in use, or is of a later program: one line, and all is as before."""
    source = tmp_path / "bad.db"
    if wrong == "a letter":
        source.write_text("Dear friend, " * 1000)
    elif wrong != "nothing":
        backup.backup(store, source)
        if wrong == "in use":
            source.with_name("bad.db-wal").write_text("")
        elif wrong == "newer":
            sql = "INSERT INTO schema_migration (name, applied) VALUES ('9999_x', '2027-01-01')"
            with backup.opened_copy(source) as newer:
                newer.db.execute_sql(sql)  # type: ignore[no-untyped-call]
        else:
            with backup.opened_copy(source) as bad:
                pass
            tampered(bad, "UPDATE posting SET amount = amount + 1 WHERE id = 1")
    before = ledger.accounts()
    with pytest.raises(ConnectorError):
        backup.restore(source, store, NOW)
    assert (ledger.accounts(), restored.is_restored()) == (before, False)
    assert left_behind(store.path.parent) == []
    assert list(store.path.parent.glob("*before*")) == []


def test_a_backup_overwrites_nothing_and_of_broken_books_there_is_none(
    office: Credentials, store: FileStore, tmp_path: Path
) -> None:
    """What is there stays; a backup of books that do not add up would be a promise that cannot be kept."""
    target = tmp_path / "there.db"
    target.write_text("mine")
    with pytest.raises(BadInput, match="overwrites nothing"):
        backup.backup(store, target)
    assert target.read_text() == "mine"
    tampered(store, "UPDATE account SET balance = balance + 1 WHERE name = 'company:1:balance'")
    with pytest.raises(StoreUnavailable, match="does not add up"):
        backup.backup(store, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    assert left_behind(tmp_path) == []


def test_the_command(connector: Command, store: FileStore, tmp_path: Path) -> None:
    """Backup, restore, look, go on; while a connector runs there is no restore."""
    made = connector.json("backup", str(tmp_path / "kept.db"))
    assert (made["books_end_at"], made["live_calls"]) == ("2026-11-18T11:06:40.000Z", 0)
    with alone(store.path, "gate"):
        assert "already runs" in connector("restore", str(tmp_path / "kept.db"), status=1)
    assert "nothing by itself" in connector("restore", str(tmp_path / "kept.db"))
    assert "The books end at 2026-11-18T11:06:40.000Z" in connector("reconcile")
    assert connector.json("reconcile")["live_calls"] == 0
    assert connector.json("reconcile", "--done")["calls_closed_without_charge"] == 0
    assert "nothing to reconcile" in connector("reconcile", status=1)
    assert connector.json("ledger", "verify")["ok"]


def test_what_root_restores_belongs_to_the_connectors_user(
    office: Credentials,
    store: FileStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also from a backup that only root can read: else the connector could not write to its store."""
    backup.backup(store, tmp_path / "kept.db")
    database.close()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        account = accounts.named("nobody") if os.geteuid() == 0 else accounts.own()
        assert account is not None
        os.chown(folder, account.uid, account.gid)
        settings = folder / "connector.toml"
        settings.write_text(SETTINGS.format(path=folder / "connector.db"))
        Command(settings, monkeypatch, capsys)("restore", str(tmp_path / "kept.db"))
        store.open()
        made = {path.name: path.stat().st_uid for path in folder.iterdir() if path != settings}
    assert "connector.db" in made
    assert set(made.values()) == {account.uid}
    assert os.geteuid() == os.getuid()


def test_who_acts_as_another_user_does_not_have_roots_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's library would look for certificates there, and fail because it may not."""
    monkeypatch.setenv("HOME", "/root")
    other = accounts.named("nobody") if os.geteuid() == 0 else accounts.own()
    assert other is not None
    with acting_as(other):
        assert os.environ.get("HOME") == (None if os.getuid() == 0 else "/root")
    assert os.environ["HOME"] == "/root"


async def test_nothing_begins_before_somebody_has_looked(office: Credentials) -> None:
    """The parts that admit, renew and pay wait; when it is done they begin by themselves."""
    restored.mark(NOW)
    begun = asyncio.Event()
    looked_at = asyncio.Event()

    async def part() -> None:
        begun.set()

    asked = asyncio.Event()

    async def ask(function: object, *args: object) -> object:
        """Run it here."""
        asked.set()
        return function(*args)  # type: ignore[operator]

    tasks = [
        asyncio.create_task(once(looked_at, part)),
        asyncio.create_task(wait_for_a_look(ask, looked_at)),  # type: ignore[arg-type]
    ]
    await asyncio.wait_for(asked.wait(), 5)
    assert not begun.is_set()
    restored.done(NOW)
    await asyncio.wait_for(begun.wait(), 5)
    for task in tasks:
        task.cancel()


def test_only_one_may_run(store: FileStore) -> None:
    """A second gate, a second control process, or a restore beside either, is refused in one line."""
    for part in ("gate", "control"):
        for other in (part, ""):
            with alone(store.path, part), pytest.raises(SettingsError, match="already runs"), alone(store.path, other):
                pass
    with alone(store.path, "gate"), alone(store.path, "control"):
        pass
