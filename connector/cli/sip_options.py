"""What commands about profiles and trunks have in common: the options of SIP, secrets, and ending calls."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.billing import calls
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, as_dict, console, print_one
from connector.core.sip import (
    CALLED_IN,
    CALLER_ID,
    CODECS,
    DTMF,
    FORWARDED_IN,
    NUMBER_FORMS,
    TIMERS,
    TRANSPORTS,
    usual_port,
)
from connector.errors import BadInput
from connector.routing.trunks import SignIn


def _words(words: Any) -> str:
    return ", ".join(words)


# name -> its type, and its help; None is "not said".
_OPTIONS: dict[str, Any] = {
    "transport": Annotated[str | None, typer.Option(help=f"{_words(TRANSPORTS)}.")],
    "srtp": Annotated[bool | None, typer.Option(help="Encrypt the media.")],
    "codecs": Annotated[str | None, typer.Option(help=f"In this order, by commas: {_words(CODECS)}.")],
    "dtmf": Annotated[str | None, typer.Option(help=f"{_words(DTMF)}.")],
    "nat": Annotated[bool | None, typer.Option(help="Answer where packets come from.")],
    "qualify_s": Annotated[int | None, typer.Option("--qualify", help="Ask every so many seconds; 0: never.")],
    "timers": Annotated[str | None, typer.Option(help=f"Session timers: {_words(TIMERS)}.")],
    "caller_id": Annotated[str | None, typer.Option(help=f"Where the caller's number goes: {_words(CALLER_ID)}.")],
    "max_contacts": Annotated[int | None, typer.Option(help="Contacts registered at once; a call in rings one.")],
    "acl": Annotated[str | None, typer.Option(help="Networks that may use it, by commas; 'any' for no limit.")],
    "number_form": Annotated[str | None, typer.Option(help=f"Numbers on the wire: {_words(NUMBER_FORMS)}.")],
    "number_country": Annotated[
        str | None, typer.Option(help="Country whose national numbers a trunk sends, like GB; '' for none.")
    ],
    "called_in": Annotated[
        str | None, typer.Option(help=f"Where its PBX gets the number that is called: {_words(CALLED_IN)}.")
    ],
    "called_strip": Annotated[
        int | None,
        typer.Option(help="Take so many characters from the front of the called number, as a trunk gets it."),
    ],
    "called_prefix": Annotated[
        str | None, typer.Option(help="Put this before it then: a carrier's technical prefix, as in 77001.")
    ],
    "caller_strip": Annotated[int | None, typer.Option(help="The same for the caller's number.")],
    "caller_prefix": Annotated[str | None, typer.Option(help="The same for the caller's number.")],
    "forwarded_in": Annotated[
        str | None, typer.Option(help=f"Headers for the number that forwarded a call: {_words(FORWARDED_IN)}.")
    ],
    "match": Annotated[str | None, typer.Option(help="More addresses it calls from, by commas; 'none'.")],
    "from_user": Annotated[str | None, typer.Option(help="The user in From.")],
    "from_domain": Annotated[str | None, typer.Option(help="The domain in From.")],
    "contact_user": Annotated[str | None, typer.Option(help="The user in the contact that we register.")],
    "context": Annotated[str | None, typer.Option(help="Where calls in to a client profile go on in the dialplan.")],
}
_LISTS = {"codecs": (), "acl": ("any",), "match": ("none",)}

Password = Annotated[
    Path | None,
    typer.Option("--password-file", help="Read the provider's password from a file; '-' is standard input."),
]


def with_sip_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `said` is a dict of options of core.sip: each becomes an option of the command."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "said"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]

    def wrapped(**values: Any) -> None:
        """The command, called by Typer."""
        given = {name: values.pop(name) for name in _OPTIONS}
        command(**values, said={name: _value(name, value) for name, value in given.items() if value is not None})

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + more
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapped.__doc__ = command.__doc__
    return wrapped


def _value(name: str, value: Any) -> Any:
    if name not in _LISTS:
        return value
    if value in _LISTS[name]:
        return ()
    return tuple(word.strip() for word in value.split(",") if word.strip())


def add_state_commands(
    app: typer.Typer, set_state: Callable[[str, str], Any], suspended: str, names: Callable[..., list[str]]
) -> None:
    """`suspend`, `drain` and `resume`, for what can be closed. `suspended`: what the first means, in words; `names`:
    what the shell offers.
    """

    def add(command: str, state: str, words: str) -> None:
        """One of them."""

        @app.command(command, help=words)
        def said(name: str = typer.Argument(autocompletion=names), as_json: AsJson = False) -> None:
            """Set it, and show what it is now."""
            open_store()
            print_one(as_dict(set_state(name, state)), as_json)

    add("suspend", "suspended", suspended)
    add("drain", "draining", "No new calls; those that are up finish, and it stays registered.")
    add("resume", "open", "As usual again.")


def port_or_usual(port: int | None, said: dict[str, Any]) -> int:
    """The port that was said, else the transport's usual one."""
    return usual_port(said.get("transport", "udp")) if port is None else port


def sign_in(username: str, password_file: Path | None, realm: str | None) -> SignIn:
    """What a provider gave us, the password from a file, from standard input, or typed unseen; never an argument."""
    try:
        if password_file is not None and str(password_file) != "-":
            password = password_file.read_text()
        elif sys.stdin.isatty():
            password = typer.prompt("Password", hide_input=True, err=True)
        else:
            password = sys.stdin.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("the password cannot be read: {error}", error=error) from None
    return SignIn(username, password.rstrip("\r\n"), realm)


def hang_up_all(mine: list[calls.LiveCall]) -> None:
    """End those of these calls that are on this node, and say how many."""
    from connector.asterisk.ari_http import Asterisk  # aiohttp takes longer to load than a list of profiles to print

    found = settings()
    here = [call for call in mine if call.node == found.node]

    async def work() -> int:
        """How many were ended."""
        asterisk = Asterisk(found.ari)
        try:
            ended = 0
            for call in here:
                legs = [leg for leg in (call.gate_leg, call.other_leg) if leg]
                calls.note_end(call)
                ended += any([await asterisk.hang_up(leg) for leg in legs])
            return ended
        finally:
            await asterisk.close()

    ended = asyncio.run(work())
    console.print(f"{ended} call{'s' * (ended != 1)} ended")
    if len(here) < len(mine):
        elsewhere = sorted({call.node for call in mine} - {found.node})
        console.print(f"{len(mine) - len(here)} are on {', '.join(elsewhere)}: say it there")
