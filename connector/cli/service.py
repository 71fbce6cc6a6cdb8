"""`connector serve` and `connector doctor`: run it, and examine what it needs."""

from __future__ import annotations

import asyncio
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from connector.cli import opening
from connector.cli.output import AsJson, console, plain, print_json
from connector.errors import SettingsError
from connector.service import doctor

app = typer.Typer()


class Part(StrEnum):
    """One of the two processes (connector/service)."""

    GATE = "gate"
    CONTROL = "control"


@app.command()
def serve(
    part: Annotated[
        Part | None, typer.Option(help="Only this one of the two processes: gate decides calls, control is the rest.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Run the connector until it is stopped: the gate and the control process, each started again if it dies."""
    opening.settings()  # what is wrong with them is said before anything begins
    words = [*(["--part", part.value] if part else []), *(["--verbose"] if verbose else [])]
    command = [sys.executable, "-P", "-m", "connector.service", "--config", str(opening.settings_file()), *words]
    os.execv(sys.executable, command)  # which leaves the command line's own modules behind


def _examined() -> list[doctor.Check]:
    try:
        settings = opening.settings()
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
