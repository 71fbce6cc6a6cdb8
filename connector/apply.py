"""Puts generated config into effect: write, have Asterisk load it, read back what it has, roll back if it refused."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Protocol

from connector.errors import ConfigRefused

log = logging.getLogger(__name__)

LOAD_LIMIT_S = 10.0
_MODULE = "res_pjsip.so"


class Manager(Protocol):
    """The two things asked of Asterisk here."""

    async def reload(self, module: str) -> None:
        """Reload one module."""

    async def endpoint_names(self) -> set[str]:
        """The endpoints that Asterisk has."""
        ...


async def apply(text: str, expected: set[str], path: Path, manager: Manager, *, force: bool) -> bool:
    """Make `text` the content of `path` and of Asterisk, which then has to show the endpoints `expected`.

    True if Asterisk was made to load it. `force`: it is, even if the file is the same already, for Asterisk may have
    read an older one and have endpoints of the same names. Raises ConfigRefused with the old file in place again, or
    AmiUnavailable with the new one in place (Asterisk reads it when it starts).
    """
    old = await asyncio.to_thread(_read, path)
    if old == text and not force and expected <= await manager.endpoint_names():
        return False
    await asyncio.to_thread(write, path, text)
    await manager.reload(_MODULE)
    missing = await _missing(expected, manager)
    if missing:
        await asyncio.to_thread(write, path, old or "")
        await manager.reload(_MODULE)
        raise ConfigRefused(f"Asterisk did not load {', '.join(sorted(missing)[:5])} from {path}; rolled back")
    return True


def write(path: Path, text: str) -> None:
    """Replace a file by another at once, on the disk when this returns, readable by owner and group only."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


async def _missing(expected: set[str], manager: Manager) -> set[str]:
    """The expected endpoints that Asterisk still lacks when the limit is over: a reload answers before it is done."""
    deadline = asyncio.get_running_loop().time() + LOAD_LIMIT_S
    while missing := expected - await manager.endpoint_names():
        if asyncio.get_running_loop().time() > deadline:
            return missing
        await asyncio.sleep(0.05)
    return set()
