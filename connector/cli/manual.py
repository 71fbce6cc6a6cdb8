"""The manual page `man connector`: every command with its words and options, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from connector import __version__
from connector.cli.commands import PLACES, loaded

_HEAD = """\
.TH CONNECTOR 1 "" "connector {version}" "Connector for Asterisk"
.SH NAME
connector \\- prepaid SIP profiles for Asterisk
.SH SYNOPSIS
.B connector
[\\fB\\-\\-config\\fR \\fIFILE\\fR] \\fICOMMAND\\fR ...
.SH DESCRIPTION
Gives a company's PBX a SIP profile on the Asterisk that runs here: so many simultaneous channels, prepaid credit,
numbers, and a record of every call. \\fBconnector setup\\fR does what is needed for a first call.
.PP
With \\fB\\-\\-json\\fR a command prints JSON, for programs: sums of money are millionths of the currency's unit there,
and times are in UTC.
"""
_TAIL = """\
.SH ENVIRONMENT
.TP
\\fBCONNECTOR_CONFIG\\fR
The settings file, where \\fB\\-\\-config\\fR is not given.
.SH FILES
.TP
\\fI/etc/asterisk\\-connector/connector.toml\\fR
The settings.
.TP
\\fI/var/lib/asterisk\\-connector\\fR
The store.
.SH EXIT STATUS
0 if it was done, 1 if not: one line on standard error says why and what to do. 2 for an unknown option.
"""


def page() -> str:
    """The whole page, in roff."""
    return "".join((_HEAD.format(version=_escaped(__version__)), *_commands(), _TAIL))


def _commands() -> Iterator[str]:
    for heading, places in PLACES.items():
        yield f".SH {_escaped(heading.upper())}\n"
        for name in places:
            yield from _command(loaded(name), f"connector {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for name, each in inner.items():
            yield from _command(each, f"{path} {name}")
        return
    context = typer.Context(command, info_name=path)
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    words = [_argument(each) for each in shown if each.param_type_name == "argument"]
    yield f".SS {_escaped(' '.join((path, *words)))}\n{_text(command.help)}\n"
    for each in shown:
        if each.param_type_name == "argument" and not each.help:
            continue  # the heading names it
        record = each.get_help_record(context)
        if record is not None:
            yield f".TP\n\\fB{_escaped(record[0])}\\fR\n{_text(record[1])}\n"


def _argument(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper().strip("{}")
    return name if argument.required else f"[{name}]"


def _text(words: str | None) -> str:
    return "\n".join(_escaped(line.strip()) for line in (words or "").splitlines() if line.strip())


def _escaped(text: str) -> str:
    r"""Text as roff prints it: `-` can be copied, a line that begins with a dot or quote is no request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
