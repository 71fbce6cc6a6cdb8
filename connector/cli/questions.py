"""Asking for what a command was not told: at a terminal, until the answer can be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from connector.cli.output import errors, plain
from connector.core.numbering import checked_country
from connector.core.times import checked_zone
from connector.errors import BadInput

T = TypeVar("T")
_CONFIG_FOLDERS = (Path("/etc/asterisk"), Path("/usr/local/etc/asterisk"), Path("/opt/asterisk/etc/asterisk"))
_ZONES = Path("/usr/share/zoneinfo")


def may_ask() -> bool:
    """Whether somebody is at the terminal who can answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(
    said: str | None,
    option: str,
    question: str,
    read: Callable[[str], T],
    *,
    usual: str | None = None,
    needed: bool = True,
) -> T:
    """What `read` makes of what was said as an option, or of what is typed now.

    `usual` is taken for an empty answer, and where nobody can be asked if it is not `needed`. An answer that `read`
    does not take is asked for again. BadInput: `said` is unfit, or nobody can be asked for what is needed.
    """
    if said is not None:
        return read(said)
    if not may_ask():
        if needed or usual is None:
            raise BadInput("{partition}: say {option}", partition=question.partition(",")[0], option=option)
        return read(usual)
    while True:
        answer = typer.prompt(question, default=usual, show_default=bool(usual), err=True)
        try:
            return read(str(answer).strip())
        except BadInput as error:
            errors.print(plain(str(error)), soft_wrap=True)


def confirm(question: str) -> bool:
    """Whether the one at the terminal says yes."""
    return typer.confirm(question, err=True)


def config_folder() -> Path:
    """Where the config of this machine's Asterisk is: of Debian's or FreePBX's package, or from source."""
    return next((folder for folder in _CONFIG_FOLDERS if _is_file(folder / "asterisk.conf")), _CONFIG_FOLDERS[0])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above it is closed to this user
        return False


def zone_here() -> str | None:
    """This machine's time zone, as in Europe/London; None if it does not say, or says UTC, as servers often do."""
    try:
        zone = checked_zone(str(Path("/etc/localtime").resolve().relative_to(_ZONES)))
    except (BadInput, OSError, ValueError):
        return None
    return zone if "/" in zone and not zone.startswith("Etc/") else None


def country_of(zone: str) -> str | None:
    """The country of a time zone, by the system's own table; None if it is not known."""
    try:
        lines = (_ZONES / "zone.tab").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    found = next((row[0] for row in rows if row[2:3] == [zone]), "")
    try:
        return checked_country(found)
    except BadInput:
        return None
