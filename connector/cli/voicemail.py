"""`connector voicemail`: mailboxes, their greetings, and the messages in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.asterisk.voicemail import Spool
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, Company, as_dict, console, now, plain, print_json, print_many, print_one
from connector.core.times import iso
from connector.errors import BadInput
from connector.routing import mailboxes

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str | None, typer.Option(help="Whose it is: it stands in the e-mails.")]
Email = Annotated[str | None, typer.Option(help="Where messages are sent to; '' for nowhere.")]


@app.command("create")
def voicemail_create(
    box: str, name: Name = None, email: Email = None, company: Company = None, as_json: AsJson = False
) -> None:
    """Make a mailbox. Its PIN, for those who listen by phone, is shown now, and never again."""
    open_store()
    made, pin = mailboxes.create(box, name or box, email or "", now(), company)
    aside = _spool().set_aside(made.context, box, made.created_at)
    print_one({**as_dict(made), "pin": pin, **({"earlier_messages": str(aside)} if aside else {})}, as_json)


@app.command("change")
def voicemail_change(
    box: str, name: Name = None, email: Email = None, company: Company = None, as_json: AsJson = False
) -> None:
    """Change whose it is, or where messages are sent to."""
    open_store()
    print_one(as_dict(mailboxes.change(box, name, email, company)), as_json)


@app.command("pin")
def voicemail_pin(box: str, company: Company = None, as_json: AsJson = False) -> None:
    """Give it another PIN, which is shown now, and never again; one that was set by telephone holds no more."""
    open_store()
    spool = _spool()
    before = mailboxes.show(box, company)
    spool.forget_pin(before.context, box)
    made, pin = mailboxes.renew_pin(box, company)
    print_one({**as_dict(made), "pin": pin}, as_json)


@app.command("remove")
def voicemail_remove(box: str, company: Company = None, as_json: AsJson = False) -> None:
    """Take it away; its messages stay on the disk."""
    open_store()
    print_one(as_dict(mailboxes.remove(box, company)), as_json)


@app.command("list")
def voicemail_list(as_json: AsJson = False) -> None:
    """All mailboxes, and how many messages each has on this node."""
    open_store()
    spool = _spool()
    found = [(box, len(spool.messages(box.context, box.box))) for box in mailboxes.listed()]
    if as_json:
        print_json([{**as_dict(box), "messages": count} for box, count in found])
        return
    print_many(
        "Mailboxes",
        ("Box", "Company", "Name", "E-mail", "Messages"),
        [(box.box, box.company, box.name, box.email or "-", str(count)) for box, count in found],
        "No mailbox yet: 'connector voicemail create 101 --name Reception' makes one.",
        may_shrink=("Name", "E-mail", "Company"),
    )


@app.command("messages")
def voicemail_messages(box: str, company: Company = None, as_json: AsJson = False) -> None:
    """The messages in a mailbox, on this node."""
    open_store()
    found = _spool().messages(mailboxes.show(box, company).context, box)
    if as_json:
        print_json([{**as_dict(message), "sound": str(message.sound)} for message in found])
        return
    print_many(
        f"Messages in {box} (times are UTC)",
        ("When", "Folder", "From", "Seconds", "Sound"),
        [(iso(m.left_at) or "", m.folder, m.caller, str(m.duration_s), str(m.sound)) for m in found],
        "None.",
        may_shrink=("Sound", "From"),
    )


@app.command("greeting")
def voicemail_greeting(
    box: str,
    file: Annotated[Path | None, typer.Argument(help="A WAV of 8 kHz, 16 bits, one channel; none: the usual.")] = None,
    company: Company = None,
) -> None:
    """What callers hear before the tone, on this node."""
    open_store()
    try:
        sound = file.read_bytes() if file is not None else None
    except OSError as error:
        raise BadInput("{file} cannot be read: {error}", file=file, error=error) from None
    _spool().set_greeting(mailboxes.show(box, company).context, box, sound)
    console.print(plain(f"{box} has {'its own' if sound else 'the usual'} greeting"))


def _spool() -> Spool:
    return Spool(settings().voicemail.spool)
