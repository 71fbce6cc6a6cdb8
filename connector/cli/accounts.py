"""Whom a command acts as: what root makes in the store's folder the connector could not use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connector.asterisk import accounts
from connector.asterisk.accounts import Account
from connector.config import Settings


def runs_as(ours: Settings) -> Account:
    """Whom the connector runs as: the owner of its store's folder, or of what it generates."""
    folder = ours.store.path.parent if ours.store.path else ours.sip.generated
    return accounts.owner_of(folder) if folder.exists() else accounts.own()


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Root acts as another user until the block ends; anybody else stays who they are."""
    if os.geteuid() != 0 or account.uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def as_ourselves(do: Callable[[], object]) -> None:
    """Do one thing as the user who began the command, within `acting_as`."""
    euid, egid = os.geteuid(), os.getegid()
    if os.getuid() != 0 or euid == 0:
        do()
        return
    os.seteuid(0)
    os.setegid(0)
    try:
        do()
    finally:
        os.setegid(egid)
        os.seteuid(euid)
