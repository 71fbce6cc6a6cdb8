"""The command line: tables for people, `--json` for programs, one line for what goes wrong.

`main` is the entry point; which module has which command says `commands`, and that one alone is loaded.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from connector import __version__
from connector.cli.commands import Commands
from connector.cli.output import errors, plain, settings_path
from connector.errors import BadInput, ConnectorError, SeveralCompanies

app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, help="Prepaid SIP profiles for Asterisk."
)

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
        app(prog_name="connector")
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
