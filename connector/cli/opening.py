"""Where a command finds its settings and the store, and who runs it."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from connector import config
from connector.billing import profiles
from connector.cli.output import now, settings_path
from connector.core.access import EVERYTHING, Scope
from connector.database import audit
from connector.database.audit import Doer
from connector.database.store import Store
from connector.storage import stores


def scope_of(company: str | None) -> Scope:
    """What is seen of one company, by its name, or of all. NotFound."""
    return Scope(profiles.company_id(company)) if company else EVERYTHING


def settings() -> config.Settings:
    """The settings that the command was told to use, or the usual ones."""
    return config.read(settings_file())


def settings_file() -> Path:
    """The settings file of `--config`, or the usual one."""
    return settings_path[0] or config.default_path()


def open_store() -> Store:
    """Open the store, if it is there and of this program's version."""
    found = settings()
    opened = stores.opened(found.store)
    opened.check()
    audit.act_as(doer())
    return opened


def doer() -> Doer:
    """Who does what this command does, for the audit."""
    return Doer(f"{_login()} (command line)", now())


def _login() -> str:
    """The login name of the person who ran the command; before sudo, if sudo says it."""
    known = os.environ.get("SUDO_USER") or ""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", known):
        return known
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
