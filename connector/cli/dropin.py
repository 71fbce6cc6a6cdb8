"""`connector install` and `uninstall`: into an Asterisk that somebody runs already, and out again."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from connector.asterisk import accounts
from connector.asterisk.dropin import install as dropin
from connector.cli.output import AsJson, console, errors, plain, print_json
from connector.core.sip import checked_address
from connector.errors import BadInput

app = typer.Typer()
USER = "asterisk-connector"
UNITS = "The folder of systemd's units, or an init.d for a script; else that of the init system that runs here."
Conf = Annotated[Path, typer.Option("--asterisk-conf", help="The folder of Asterisk's config.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show it, and change nothing.")]


def connector_user(named: str | None) -> str:
    """Whom the connector will run as: as it was said, else USER if there is one, else "". BadInput for root."""
    user = named or (USER if accounts.named(USER) else "")
    found = accounts.named(user) if user else None
    if found is not None and found.uid == 0:
        raise BadInput(dropin.AS_ROOT)
    return user


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
    store: Annotated[Path, typer.Option(help="The folder for the store.")] = dropin.STORE,
    sip_host: Annotated[
        str | None, typer.Option(help="The address by which PBXs and carriers reach this Asterisk; else its own.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help=f"Whom the connector runs as: else {USER}, if there is such a user, or you.")
    ] = None,
    logrotate: Annotated[Path, typer.Option(help="The folder for logrotate's rule of the journal.")] = Path(
        "/etc/logrotate.d"
    ),
    units: Annotated[Path | None, typer.Option(help=UNITS)] = None,
    update: Annotated[bool, typer.Option("--update", help="Only bring our files up to date; settings stay.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add our files beside Asterisk's, and an include line at the end of a few of them. Nothing is rewritten."""
    conf = asterisk_conf.resolve()
    if update:
        found = dropin.update_plan(conf, settings.absolute())
    else:
        host = checked_address(sip_host or own_address(), "the address of this Asterisk")
        run_as = connector_user(user)
        services = units.absolute() if units else dropin.service_folder()
        found = dropin.plan(conf, settings.absolute(), host, run_as, store.absolute(), logrotate, services)
    wrong = [] if dry_run else dropin.install(found)
    if as_json:
        print_json(
            {
                "done": not dry_run,
                "edits": [edit.view() for edit in found.edits],
                "difference": list(found.difference),
                "notes": list(found.notes),
                "next": list(found.after),
                "wrong": wrong,
            }
        )
    else:
        _show(found, update=update)
        for problem in wrong:
            errors.print(plain(f"wrong: {problem}"), soft_wrap=True)
        end = "done; 'connector uninstall' removes it" if found.edits else "everything is up to date"
        console.print("nothing was changed: a dry run" if dry_run else end)
    if wrong:
        raise typer.Exit(1)


def _show(found: dropin.Plan, *, update: bool) -> None:
    lines = list(found.difference)
    for edit in () if update else found.edits:
        if edit.action == "lines":
            lines += [f"add to {edit.path}:", *(f"    {line}" for line in edit.lines)]
        else:
            lines.append(f"make the {edit.action} {edit.path} (mode {edit.mode:o})")
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"then: {command}" for command in found.after]
    for line in lines:
        console.print(plain(line), soft_wrap=True)


@app.command("uninstall")
def uninstall(asterisk_conf: Conf = Path("/etc/asterisk"), dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Remove it again: the admin's files are as they were, byte for byte. connector.toml and the store stay."""
    conf = asterisk_conf.resolve()
    outside = dropin.recorded(conf)
    command = dropin.stop_command([*outside, *dropin.packaged_units()])
    would = (*dropin.installed(conf), *outside)
    removed = dropin.Removal(would, ()) if dry_run else dropin.uninstall(conf)
    after = [command] if command else []
    if as_json:
        print_json(
            {
                "done": not dry_run,
                "files": [str(path) for path in removed.touched],
                "left": list(removed.left),
                "next": after,
            }
        )
        return
    for path in removed.touched:
        console.print(plain(str(path)), soft_wrap=True)
    for what in removed.left:
        console.print(plain(f"left: {what}"), soft_wrap=True)
    for command in after:
        console.print(plain(f"then: {command}"), soft_wrap=True)
    console.print("nothing was changed: a dry run" if dry_run else "removed: have Asterisk reload, or restart it")
