"""Whom a command acts as: what root makes in the store's folder the connector could not use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connector.asterisk.accounts import Account


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Root acts as another user until the block ends; anybody else stays who they are."""
    if os.geteuid() != 0 or account.uid == 0:
        yield
        return
    groups, home = os.getgroups(), os.environ.pop("HOME", None)  # PostgreSQL's library reads files there
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        if home is not None:
            os.environ["HOME"] = home


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
