"""`connector move-to`: the store into PostgreSQL and back, or nothing at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from connector import config
from connector.billing import calls, credit, history, ledger, profiles, restored
from connector.billing.profiles import Credentials
from connector.cli import moving as cli_moving
from connector.core.calls import Admitted
from connector.database import postgresql, vault
from connector.database.sqlite import FileStore
from connector.service.running import alone
from connector.storage import backup, moving, stores
from tests.billing.test_calls import attempt, finish
from tests.commands import Command
from tests.conftest import NOW
from tests.databases import Databases


@pytest.fixture
def live(office: Credentials) -> str:
    """A call that is over, and one that is up, whose ID it is."""
    over = calls.admit(attempt(office.username), "node")
    assert isinstance(over, Admitted)
    calls.answered(over.call_id, NOW, "B")
    finish(over.call_id, answered_at=NOW, ended_at=NOW + 61_000)
    up = calls.admit(attempt(office.username), "node")
    assert isinstance(up, Admitted)
    calls.answered(up.call_id, NOW, "B")
    return up.call_id


def contents(connector: Command) -> tuple[Any, ...]:
    """What the settings' store says of everything that matters."""
    opened = stores.opened(config.read(connector.settings).store)
    try:
        return ledger.verify().heads, ledger.accounts(), history.cdrs(100), calls.live(), profiles.list_profiles()
    finally:
        opened.close()


def test_there_and_back(connector: Command, store: FileStore, live: str, databases: Databases, tmp_path: Path) -> None:
    """Ledger, CDRs, the call that is up and the key are the same; the old store is kept, and admits nothing."""
    settings = connector.settings
    settings.write_text(settings.read_text() + '[mail]\nhost = "mail.example"\nsender = "a@example.com"\n')
    before = contents(connector)
    assert [call.id for call in before[3]] == [live]
    with databases.one(migrated=False) as url:
        view = connector.json("move-to", url)
        assert (view["cdrs"], view["live_calls"], view["heads"]) == (1, 1, before[0])
        moved = config.read(settings)
        assert (moved.store.url, moved.store.path) == (url, None)
        assert moved.mail is not None, "the other sections stay"
        assert contents(connector) == before
        assert not store.path.exists()
        kept = FileStore(Path(view["source"]))
        assert restored.is_restored()
        kept.close()

        back = connector.json("move-to", str(tmp_path / "back.db"))
        assert back["heads"] == before[0]
        assert config.read(settings).store.path == tmp_path / "back.db"
        assert contents(connector) == before
        old = stores.opened(moved.store)
        assert restored.is_restored()
        old.close()
    connector("ledger", "verify")


def test_the_key_goes_along(
    connector: Command, store: FileStore, office: Credentials, databases: Databases, tmp_path: Path
) -> None:
    """To where --key says, and opens what was sealed before; another key there is not overwritten."""
    key = tmp_path / "shared" / "connector.key"
    key.parent.mkdir()
    vault.use(store.path.with_suffix(".key"))
    vault.make()
    with databases.one(migrated=False) as url:
        key.write_text("another")
        assert "another key" in connector("move-to", url, "--key", str(key), status=1)
        key.unlink()
        connector("move-to", url, "--key", str(key))
        found = config.read(connector.settings).store
        assert (found.key_path, key.stat().st_mode & 0o777) == (key, 0o600)
        assert key.read_bytes() == store.path.with_suffix(".key").read_bytes()
        connector("move-to", str(tmp_path / "back.db"))
        assert config.read(connector.settings).store.key_path == key
        contents(connector)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("postgresql://nobody:secret-word@127.0.0.1/x", "the password stands in store.password"),
        ("postgresql://127.0.0.1:1/x?connect_timeout=1", "Connection refused"),
        ("mysql://127.0.0.1/x", "a target is postgresql://"),
        ("{same}", "that is the store in use"),
        ("{taken}", "has a company already"),
        ("{busy}", "a connector already runs with the store"),
        ("/nowhere/at/all/x.db", "nowhere"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    connector: Command, store: FileStore, live: str, databases: Databases, tmp_path: Path, target: str, told: str
) -> None:
    """One line says why. The settings and the store are as they were, and no password is repeated."""
    with databases.one(migrated=False) as url:
        if target == "{taken}":
            connector("backup", str(tmp_path / "b.db"))
            usual = connector.settings.read_text()
            connector.settings.write_text(usual.replace(f'path = "{store.path}"', f'url = "{url}"'))
            connector("restore", str(tmp_path / "b.db"))
            connector.settings.write_text(usual)
        before, text = contents(connector), connector.settings.read_bytes()
        where = {"{same}": str(store.path), "{taken}": url, "{busy}": url}.get(target, target)
        if target == "{busy}":
            with alone(store.path, "gate"):
                said = connector("move-to", where, status=1)
        elif target.startswith("/nowhere"):
            (tmp_path / "file").write_text("")
            said = connector("move-to", str(tmp_path / "file" / "nowhere" / "x.db"), status=1)
        else:
            said = connector("move-to", where, status=1)
        assert told in said
        assert "secret-word" not in said
        assert contents(connector) == before
        assert connector.settings.read_bytes() == text
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".moving")] == []


def test_a_copy_that_differs_is_not_used(connector: Command, live: str, databases: Databases) -> None:
    """A database that loses a row, by a fault or a rule of somebody's, is found out before it is used."""
    text = connector.settings.read_bytes()
    with databases.one(migrated=True) as url:
        with psycopg.connect(url) as raw:
            raw.execute("CREATE RULE lost AS ON INSERT TO number DO INSTEAD NOTHING")
        assert "differs from" in connector("move-to", url, status=1)
        assert len(contents(connector)[2]) == 1
    assert connector.settings.read_bytes() == text


def given_up(connector: Command, store: FileStore, url: str, told: str) -> None:
    """A move fails with these words: the settings are as they were, and the old store, now open, admits calls."""
    text = connector.settings.read_bytes()
    assert told in connector("move-to", url, status=1)
    assert connector.settings.read_bytes() == text
    contents(connector)
    store.open()
    assert not restored.is_restored()


def test_what_is_posted_while_it_copies_is_not_lost(
    connector: Command, store: FileStore, live: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command gives credit after the copy was made: the move is given up, and the store stays in use."""
    proven = backup.proven

    def and_posted(copy: FileStore, name: Path) -> Any:
        """The copy is proven, and then somebody pays."""
        found = proven(copy, name)
        other = FileStore(store.path)
        credit.add("office", 1_000_000, "meanwhile", NOW)
        other.close()
        return found

    monkeypatch.setattr(moving, "proven", and_posted)
    with databases.one(migrated=False) as url:
        given_up(connector, store, url, "changed meanwhile")
        assert ledger.is_entered("add:meanwhile")


def test_settings_that_cannot_be_written_leave_the_store_in_use(
    connector: Command, store: FileStore, live: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at that moment: one line, and the old store admits calls as before."""

    def full(*_: object) -> None:
        """What a full disk says."""
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli_moving, "_replace", full)
    with databases.one(migrated=False) as url:
        given_up(connector, store, url, "No space left")


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (
            'node = "a"\n[store]\npath = "x"\n\n[ari]\nuser = "a"\n',
            'node = "a"\n[store]\nurl = "y"\n\n[ari]\nuser = "a"\n',
        ),
        ("[store]\npath = 'x'", '[store]\nurl = "y"\n'),
        ("  [store] # where\n# [ari]\npath = 'x'\n[web]\n", '[store]\nurl = "y"\n\n[web]\n'),
    ],
)
def test_only_the_section_of_the_store_is_written(text: str, becomes: str) -> None:
    """With comments and blanks of any kind."""
    assert config.with_store(text, ['url = "y"']) == becomes


def test_a_dry_run_says_what_would_be_moved(
    connector: Command, store: FileStore, live: str, databases: Databases
) -> None:
    """While a connector runs: the copy is proven, the target is looked at, and nothing is changed, there or here."""
    before, text = contents(connector), connector.settings.read_bytes()
    with databases.one(migrated=False) as url, alone(store.path, "gate"):
        view = connector.json("move-to", url, "--dry-run")
        assert (view["done"], view["cdrs"], view["live_calls"], view["heads"]) == (False, 1, 1, before[0])
        with psycopg.connect(url) as raw:
            assert raw.execute("SELECT to_regclass('company')").fetchall() == [(None,)]
        assert "nothing was changed" in connector("move-to", url, "--dry-run")
    assert contents(connector) == before
    assert connector.settings.read_bytes() == text
    assert [path.name for path in store.path.parent.iterdir() if path.name.startswith(".moving")] == []


def test_a_dry_run_finds_what_stands_in_the_way(
    connector: Command, live: str, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that may not make tables, a database that is in use, an old PostgreSQL, a folder that is not there."""
    with databases.one(migrated=False) as url:
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute("CREATE ROLE reader LOGIN")
            raw.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        try:
            as_reader = conninfo.make_conninfo(url, user="reader")
            parts = conninfo.conninfo_to_dict(as_reader)
            target = f"postgresql://reader@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"
            said = connector("move-to", target, "--dry-run", status=1)
            assert 'GRANT CREATE ON SCHEMA "public" TO "reader"' in said
        finally:
            with psycopg.connect(url, autocommit=True) as raw:
                raw.execute("DROP ROLE reader")
        monkeypatch.setattr(postgresql, "OLDEST_VERSION", 99)
        assert "99 or later is needed" in connector("move-to", url, "--dry-run", status=1)
    with databases.one(migrated=True) as url:
        monkeypatch.undo()
        opened = stores.opened(config.StoreSettings(url=url))
        profiles.create_company("Another", "EUR", "UTC", NOW)
        opened.close()
        assert "has a company already" in connector("move-to", url, "--dry-run", status=1)
    said = connector("move-to", str(tmp_path / "nowhere" / "x.db"), "--dry-run", status=1)
    assert "nowhere is not there" in said
    key = tmp_path / "copy.key"
    key.write_text("another")
    said = connector("move-to", str(tmp_path / "x.db"), "--key", str(key), "--dry-run", status=1)
    assert "is there already, and is another key" in said
    assert key.read_text() == "another"
