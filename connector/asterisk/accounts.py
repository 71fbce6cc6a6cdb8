"""Which user Asterisk runs as, and what a user may read or write. Asks the system only; changes nothing.

Debian's package runs Asterisk as `asterisk`, by its service unit or its init script; an Asterisk from source as root or
as `runuser` of asterisk.conf says; FreePBX as `asterisk`.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from connector.asterisk import conf_files

READ, WRITE, ENTER = 4, 2, 1


@dataclass(frozen=True)
class Account:
    """A user of the system: its name, its number, its main group, and all of its groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def group(self) -> str:
        """The name of its main group."""
        return group_name(self.gid)


def group_name(gid: int) -> str:
    """The name of a group; its number if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def named(name: str) -> Account | None:
    """The account of a user's name; None if the system does not know it."""
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):  # or a name with a zero byte
        return None
    return Account(name, found.pw_uid, found.pw_gid, tuple(os.getgrouplist(name, found.pw_gid)))


def numbered(uid: int, gid: int) -> Account:
    """The account of a user's number; `gid` is its group if the system does not know it."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return Account(str(uid), uid, gid, (gid,))
    return named(name) or Account(name, uid, gid, (gid,))


def owner_of(path: Path) -> Account:
    """The account that a file or folder belongs to."""
    found = path.stat()
    return numbered(found.st_uid, found.st_gid)


def own() -> Account:
    """Who runs this program."""
    found = numbered(os.geteuid(), os.getegid())
    return Account(found.name, found.uid, os.getegid(), tuple({os.getegid(), *os.getgroups()}))


def of_asterisk(etc: Path) -> Account:
    """The user that Asterisk with the config in `etc` runs as: by asterisk.conf, else the owner of what it writes.

    Its control socket is asked first, which is the running Asterisk's own, then the folder of its database.
    """
    user = conf_files.option(etc, "asterisk.conf", "options", "runuser")
    group = conf_files.option(etc, "asterisk.conf", "options", "rungroup")
    found = named(user) if user else None
    if found is None:
        places = [
            (
                conf_files.option(etc, "asterisk.conf", "directories", "astrundir") or "/var/run/asterisk",
                "asterisk.ctl",
            ),
            (conf_files.option(etc, "asterisk.conf", "directories", "astdbdir") or "/var/lib/asterisk", ""),
        ]
        found = owner_of(
            next((path for path in (Path(folder) / name for folder, name in places) if path.exists()), etc)
        )
    try:
        gid = grp.getgrnam(group).gr_gid if group else found.gid
    except (KeyError, ValueError):
        gid = found.gid
    # Asterisk's user may write to asterisk.conf: a group that it is not in, such as one of the system's, is not given
    # to others in its name.
    if gid not in (found.gid, *found.groups):
        gid = found.gid
    return Account(found.name, found.uid, gid, tuple({gid, *found.groups}))


def obstacle(account: Account, path: Path, wanted: int) -> Path | None:
    """What keeps an account from a file or folder: itself, or a folder above it; None if nothing does.

    `wanted` is READ, WRITE, ENTER or a sum of them. Of a file that is not there, the nearest folder is asked.
    """
    if account.uid == 0:
        return None
    while not path.exists() and path != path.parent:
        path, wanted = path.parent, ENTER
    for folder in [*reversed(path.parents), path]:
        needed = wanted if folder == path else ENTER
        if not _may(account, folder, needed):
            return folder
    return None


def shown(path: Path) -> str:
    """The owner, the group and the mode of what is there, for people."""
    found = path.stat()
    return f"{owner_of(path).name}:{group_name(found.st_gid)} with mode {found.st_mode & 0o7777:o}"


def _may(account: Account, path: Path, wanted: int) -> bool:
    """By its mode alone; access control lists are not looked at."""
    try:
        found = path.stat()
    except OSError:
        return False
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == account.uid:
        mode >>= 6
    elif found.st_gid in account.groups:
        mode >>= 3
    return mode & wanted == wanted
