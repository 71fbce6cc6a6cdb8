"""What all tests share: a store and a clock of their own, and one running lab for those that need Asterisk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
from playwright.sync_api import Browser

from connector.billing import credit, decks, ledger, numbers, profiles
from connector.billing.profiles import Credentials
from connector.core.money import MICROS
from connector.database import vault
from connector.database.sqlite import FileStore
from connector.database.store import Store
from connector.routing import trunks
from connector.storage.writer import Writer
from lab import chromium, postgresql, sipp
from lab.errors import LabError
from lab.instance import remove
from lab.load import Bench, Outcome, open_bench
from lab.ports import HOST, Ports
from lab.run import ASTERISK_HOME
from tests.commands import SETTINGS, Command
from tests.databases import Databases

S = TypeVar("S", bound=Store)

# How long an example takes is nobody's claim.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

DECK = """\
prefix,name,price_per_minute,connection_fee,increments,valid_from,kind
44,United Kingdom,0.023,0,30/6,2026-01-01,standard
447,United Kingdom mobile,0.06,0.05,60/60,2026-01-01,standard
449,United Kingdom premium,1.5,0,60/60,2026-01-01,premium
1,United States and Canada,0.02,0,30/6,2026-01-01,standard
33,France,0.1,0,1/1,2026-01-01,standard
"""
NOW = 1_795_000_000_000
KEY = "connector.key"
# Tests that run beside others have ports of their own (lab/testing.py).
TEST_PORT_BASE = int(os.environ.get("CONNECTOR_TEST_PORTS", "15260"))


class FixedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self.set_by = 0

    def now_ms(self) -> int:
        """The time it was told."""
        return self.now

    def running_ms(self) -> int:
        """Nobody sets it by surprise, unless `set_by` says so."""
        return self.now - self.set_by


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture(autouse=True)
def _key(tmp_path: Path) -> None:
    """The store's secrets are sealed by a key beside it."""
    vault.use(tmp_path / KEY)
    vault.make()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of an empty store, migrated: tests begin with a copy of it."""
    path = tmp_path_factory.mktemp("store") / "connector.db"
    made = FileStore(path)
    made.migrate()
    made.close()
    return path


@pytest.fixture
def store(tmp_path: Path, migrated: Path) -> Iterator[FileStore]:
    """An empty store, migrated. After the test its ledger adds up."""
    yield from whole(FileStore(copied(migrated, tmp_path)))


def copied(migrated: Path, folder: Path) -> Path:
    """A copy of the empty store in a folder."""
    return Path(shutil.copyfile(migrated, folder / "connector.db"))


# The stores that a test has tampered with, by name.
TAMPERED: set[str] = set()


def whole(opened: S) -> Iterator[S]:
    """A store for a test, after which its ledger adds up, unless it was broken on purpose."""
    yield opened
    if opened.name not in TAMPERED:
        assert ledger.verify().problems == []
    opened.close()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Databases of a PostgreSQL of our own, which keeps nothing over a crash and is quick."""
    settings = ("fsync=off", "full_page_writes=off")
    with postgresql.running(ASTERISK_HOME / "postgresql", *settings, in_memory=True) as server:
        yield Databases(server)


@pytest.fixture
def writer() -> Iterator[Writer]:
    """The thread that writes to the store."""
    made = Writer()
    yield made
    made.close()


@pytest.fixture
def company(store: FileStore) -> str:
    """A company with a trunk named `carrier`, ten thousand pounds, and rates."""
    return make_company()


def make_company() -> str:
    """The same, in the store that is open."""
    profiles.create_company("Acme", "GBP", "Europe/London", NOW)
    trunks.create_trunk("carrier", HOST, 5070, NOW)
    credit.top_up(10_000 * MICROS, "first", NOW)
    decks.load(DECK, "test rates", NOW)
    return "Acme"


@pytest.fixture
def office(company: str) -> Credentials:
    """A profile `office` with 3 channels, one number, and ten pounds of credit."""
    return make_office()


def make_office() -> Credentials:
    """The same, of the company that is there."""
    made = profiles.create_profile("office", 3, "asterisk", NOW)
    credit.add("office", 10 * MICROS, "first", NOW)
    numbers.add("+442079460100", "office", NOW)
    return made


@pytest.fixture
def connector(
    store: FileStore,
    office: Credentials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The command, for a company with a profile."""
    settings = tmp_path / "connector.toml"
    settings.write_text(SETTINGS.format(path=store.path))
    return Command(settings, monkeypatch, capsys)


@pytest.fixture(scope="session")
def running_bench() -> Iterator[Bench]:
    """One lab for the whole session: Asterisk, far end, connector. In /tmp, for a control socket's path is short."""
    folder = Path(tempfile.mkdtemp(prefix="connector-test-"))
    bench = open_bench(folder, free_base(20))
    try:
        yield bench
    finally:
        bench.close()
        remove(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module."""
    with chromium.running() as found:
        yield found


@pytest.fixture
def bench(running_bench: Bench) -> Iterator[Bench]:
    """The lab, and after the test: every part alive, no call in the store, no leg in Asterisk."""
    yield running_bench
    sipp.end_all()
    running_bench.supervisor.tend()
    leaks = Outcome("leaks")
    running_bench.settle(leaks, "after the test")
    if leaks.problems:  # one test's leak is not the next one's
        for leg in running_bench.legs():
            running_bench.hang_up(leg["id"])
    assert leaks.problems == []
    told = (running_bench.instance.folder / "asterisk" / "log" / "messages.log").read_text(errors="replace")
    wrong = ("No application", "Abnormal", "does not exist in any format")
    assert [line for line in told.splitlines() if any(word in line for word in wrong)] == []


def free_base(count: int) -> int:
    """A port base from which so many ports are free: another lab may run on this machine."""
    for base in range(TEST_PORT_BASE, TEST_PORT_BASE + 400, 20):
        try:
            for lab in range(base, base + count, 20):
                Ports.from_base(lab).check_free()
        except LabError:
            continue
        return base
    raise LabError("no free ports for the tests")
