"""The command line: tables for people, `--json` for programs, one line for what goes wrong."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from connector import __version__
from connector.cli import (
    alerts,
    backups,
    buttons,
    calls,
    config,
    dropin,
    exports,
    money,
    moving,
    nodes,
    numbers,
    output,
    people,
    profiles,
    rates,
    reports,
    routes,
    setup,
    subscriptions,
    trunks,
    voicemail,
)
from connector.cli.output import AsJson, console, errors, plain, print_json, settings_path
from connector.errors import BadInput, ConnectorError, SettingsError, SeveralCompanies
from connector.service import doctor

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Prepaid SIP profiles for Asterisk.")
app.add_typer(calls.app)
app.add_typer(calls.cdr_app, name="cdr")
app.add_typer(profiles.app, name="profile")
app.add_typer(money.company_app, name="company")
app.add_typer(money.credit_app, name="credit")
app.add_typer(money.ledger_app, name="ledger")
app.add_typer(subscriptions.channels_app, name="channels")
app.add_typer(subscriptions.bundles_app, name="bundles")
app.add_typer(subscriptions.app)
app.add_typer(backups.app)
app.add_typer(moving.app)
app.add_typer(nodes.app, name="nodes")
app.add_typer(config.app, name="config")
app.add_typer(trunks.app, name="trunk")
app.add_typer(trunks.status_app)
app.add_typer(dropin.app)
app.add_typer(setup.app)
app.add_typer(rates.app, name="rates")
app.add_typer(numbers.app, name="numbers")
app.add_typer(voicemail.app, name="voicemail")
app.add_typer(routes.account_app, name="account")
app.add_typer(buttons.app, name="button")
app.add_typer(routes.route_app, name="route")
app.add_typer(routes.department_app, name="department")
app.add_typer(routes.hours_app, name="hours")
app.add_typer(reports.app, name="report")
app.add_typer(exports.app)
app.add_typer(alerts.notices_app)
app.add_typer(alerts.webhook_app, name="webhook")
app.add_typer(people.user_app, name="user")
app.add_typer(people.token_app, name="token")
app.add_typer(people.audit_app, name="audit")


class Part(StrEnum):
    """One of the two processes (connector/service)."""

    GATE = "gate"
    CONTROL = "control"


# Printed behind an error: the option or command that helps. The web has other words for it.
_NEXT_STEPS: dict[type[ConnectorError], str] = {
    SeveralCompanies: "Add --company NAME; 'connector company list' shows them.",
}


def main() -> None:
    """The entry point: an error of ours is one line and exit status 1."""
    try:
        for stream in (sys.stdout, sys.stderr):  # a terminal may have no £ and no €
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        if any(not word.isprintable() for word in sys.argv):  # bytes that are no UTF-8 among them
            raise BadInput("what was typed has characters that cannot be printed")
        app()
    except ConnectorError as error:
        step = f"Next step: {error.step.command}" if error.step else _NEXT_STEPS.get(type(error), "")
        text = f"{error} {step}".strip()
        errors.print(Text.assemble(("error: ", "red"), plain(text)), soft_wrap=True)
        sys.exit(1)
    except PermissionError as error:
        text = f"{error.filename or 'a file'} may not be used by you: run it as root, or as the connector's user"
        errors.print(Text.assemble(("error: ", "red"), plain(text)), soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output left
        sys.stderr.close()
        sys.exit(1)


@app.callback(invoke_without_command=True)
def options(
    settings: Annotated[
        Path | None, typer.Option("--config", help="The settings file; else $CONNECTOR_CONFIG, else the usual places.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Which settings file."""
    if version:
        sys.stdout.write(f"connector {__version__}\n")
        raise typer.Exit
    settings_path[0] = settings


@app.command()
def serve(
    part: Annotated[
        Part | None, typer.Option(help="Only this one of the two processes: gate decides calls, control is the rest.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Run the connector until it is stopped: the gate and the control process, each started again if it dies."""
    output.settings()  # what is wrong with them is said before anything begins
    words = [*(["--part", part.value] if part else []), *(["--verbose"] if verbose else [])]
    command = [sys.executable, "-P", "-m", "connector.service", "--config", str(output.settings_file()), *words]
    os.execv(sys.executable, command)  # which leaves the command line's own modules behind


def _examined() -> list[doctor.Check]:
    try:
        settings = output.settings()
    except SettingsError as error:
        return [doctor.Check("settings", "wrong", str(error), "mend the file, then restart both processes")]
    return asyncio.run(doctor.examine(settings))


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """Look at everything the connector needs, and say what to do about what is wrong. Exit status 1 if anything is."""
    found = _examined()
    if as_json:
        print_json([check.view() for check in found])
    else:
        signs = {"ok": "[green]ok[/green]", "warning": "[yellow]warning[/yellow]", "wrong": "[red]wrong[/red]"}
        table = Table("Check", "", "Found", "What to do", title="Doctor")
        for check in found:
            table.add_row(check.name, signs[check.state], plain(check.found), plain(check.advice))
        console.print(table)
    if any(check.state == "wrong" for check in found):
        raise typer.Exit(1)
