"""Whom Asterisk runs as, and what a user may read or write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.asterisk import accounts
from connector.asterisk.accounts import ENTER, READ, WRITE, Account

OWNER, MEMBER, STRANGER = (
    Account("owner", os.getuid() or 70_001, os.getgid(), (70_009,)),
    Account("member", 70_002, 70_008, (70_008, os.getgid())),
    Account("stranger", 70_003, 70_008, (70_008,)),
)
# Owner, member of the group, stranger: whether each may.
MODES = [
    (0o640, READ, (True, True, False)),
    (0o640, WRITE, (True, False, False)),
    (0o604, READ, (True, False, True)),
    (0o660, READ | WRITE, (True, True, False)),
    (0o007, READ, (False, False, True)),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="connector-accounts-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("mode", "wanted", "may"), MODES)
def test_the_mode_says_who_may(place: Path, mode: int, wanted: int, may: tuple[bool, bool, bool]) -> None:
    """The owner by the first digit, else a member of the group by the second, else by the third."""
    path = place / "file"
    path.write_text("")
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, OWNER.uid, -1)
    found = tuple(accounts.obstacle(each, path, wanted) is None for each in (OWNER, MEMBER, STRANGER))
    assert found == may


def test_a_folder_above_can_be_in_the_way(place: Path) -> None:
    """It is named, the outermost first; a file that is not there yet needs its folders only; root may do everything."""
    folder = place / "closed" / "open"
    folder.mkdir(parents=True)
    (place / "closed").chmod(0o700)
    assert accounts.obstacle(STRANGER, folder, ENTER) == place / "closed"
    assert accounts.obstacle(STRANGER, folder / "not" / "there", READ) == place / "closed"
    assert accounts.obstacle(Account("root", 0, 0, (0,)), folder, WRITE) is None


def test_asterisks_user_is_found_where_it_is_said_or_seen(tmp_path: Path) -> None:
    """asterisk.conf says it; else whom its socket belongs to, its database, or its config folder."""
    etc, run, database = tmp_path / "etc", tmp_path / "run", tmp_path / "db"
    for folder in (etc, run, database):
        folder.mkdir()
    text = f"[directories]\nastrundir => {run}\nastdbdir => {database}\n[options]\n"
    conf = etc / "asterisk.conf"
    conf.write_text(text)
    if os.getuid() == 0:
        os.chown(database, 70_004, 70_005)
        assert accounts.of_asterisk(etc) == Account("70004", 70_004, 70_005, (70_005,))
        (run / "asterisk.ctl").touch()
        os.chown(run / "asterisk.ctl", 70_006, 70_007)
        assert accounts.of_asterisk(etc).uid == 70_006
    conf.write_text(text + "runuser = daemon\nrungroup = nogroup\n")
    found = accounts.of_asterisk(etc)
    assert (found.name, found.uid, found.gid) == ("daemon", 1, 1)  # it is not in the group nogroup
    conf.write_text(text + "runuser = nobody-of-that-name\nrungroup = none-of-that-name\n")
    assert accounts.of_asterisk(etc).uid in (os.getuid(), 70_006)
