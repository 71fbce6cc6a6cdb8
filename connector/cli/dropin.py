"""`connector install` and `uninstall`: into an Asterisk that somebody runs already, and out again."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from connector.asterisk.dropin import install as dropin
from connector.cli.output import console, plain
from connector.core.sip import checked_address

app = typer.Typer()
Conf = Annotated[Path, typer.Option("--asterisk-conf", help="The folder of Asterisk's config.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show it, and change nothing.")]


def own_address() -> str:
    """The address by which this machine would speak to others, if it can; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            found = str(probe.getsockname()[0])
    except OSError:
        found = "0.0.0.0"
    return "127.0.0.1" if found == "0.0.0.0" else found


@app.command("install")
def install(
    asterisk_conf: Conf = Path("/etc/asterisk"),
    settings: Annotated[Path, typer.Option(help="Where our own settings go.")] = Path(
        "/etc/asterisk-connector/connector.toml"
    ),
    sip_host: Annotated[
        str | None, typer.Option(help="The address by which PBXs and carriers reach this Asterisk; else its own.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Put our files beside Asterisk's, and an include line at the end of a few of them. Nothing is rewritten."""
    host = checked_address(sip_host or own_address(), "the address of this Asterisk")
    found = dropin.plan(asterisk_conf.absolute(), settings.absolute(), host)
    if not dry_run:
        dropin.install(found)
    for edit in found.edits:
        if edit.lines:
            console.print(plain(f"add to {edit.path}:"), soft_wrap=True)
            for line in edit.lines:
                console.print(plain(f"    {line}"), soft_wrap=True)
        else:
            console.print(
                plain(f"make {edit.path} (mode {edit.mode:o}, {len(edit.text.splitlines())} lines)"), soft_wrap=True
            )
    for note in found.notes:
        console.print(plain(f"note: {note}"), soft_wrap=True)
    console.print("nothing was changed: a dry run" if dry_run else "done; 'connector uninstall' takes it out again")


@app.command("uninstall")
def uninstall(asterisk_conf: Conf = Path("/etc/asterisk"), dry_run: DryRun = False) -> None:
    """Take it out again: their files are as they were, byte for byte. connector.toml and the store stay."""
    if dry_run:
        for path in dropin.installed(asterisk_conf.absolute()):
            console.print(plain(str(path)), soft_wrap=True)
        console.print("nothing was changed: a dry run")
        return
    for path in dropin.uninstall(asterisk_conf.absolute()):
        console.print(plain(str(path)), soft_wrap=True)
    console.print("taken out: have Asterisk reload, or restart it")
