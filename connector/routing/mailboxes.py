"""Mailboxes for voice mail: who has one, and where its messages are announced."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from connector.core.routes import BOX
from connector.database import vault
from connector.database.audit import audited
from connector.database.models import Company, Mailbox
from connector.database.named import company_row
from connector.database.store import reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.routing import routes

MOST_NAME = 60
MOST_DIGITS = 10
PIN_DIGITS = 6
FIRST_BOX = 1001  # of those that are not named by a number
BEFORE_VOICE_MAIL_S = 25
NEW_FOLDERS = ("INBOX", "Urgent")
_UNFIT = ',|;[]"<>=\\'  # what means something in a line of voicemail.conf does not stand in it
_NAME = re.compile(f"[^{re.escape(_UNFIT)}]{{1,{MOST_NAME}}}")
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True)
class MailboxView:
    """A mailbox: `context` and `box` name it in Asterisk; "" for `email`: nobody is written to."""

    box: str
    context: str
    company: str
    name: str
    email: str
    created_at: int


@dataclass(frozen=True)
class KeptMailbox:
    """What Asterisk has to know of one; `pin` opens it to who listens by phone."""

    context: str
    box: str
    name: str
    email: str
    pin: str = field(repr=False)


@dataclass(frozen=True)
class Message:
    """A message that was left (connector/asterisk/voicemail.py): when, by whom (as the caller was shown), for how long,
    and where its sound is, or would be. `id` is Asterisk's; "" if it gave none. `folder`: `Old` is of those that were
    heard.
    """

    folder: str
    number: int
    left_at: int
    caller: str
    duration_s: int
    sound: Path
    id: str = ""
    has_sound: bool = True

    @property
    def is_new(self) -> bool:
        """Whether nobody has heard it yet."""
        return self.folder in NEW_FOLDERS


def context(company: int) -> str:
    """The voice mail context of a company's mailboxes."""
    return f"connector-{company}"


@audited("mailbox.create")
def create(box: str, name: str, email: str, now: int, company: str | None = None) -> tuple[MailboxView, str]:
    """Create a mailbox; it, and its PIN, which is shown now and never again. BadInput if it is unfit or taken."""
    if not BOX.fullmatch(box):
        raise BadInput("a mailbox has 2 to 10 digits")
    _checked(name, email)
    pin, sealed = _new_pin()
    with writing():
        owner = company_row(company)
        if Mailbox.get_or_none((Mailbox.company == owner) & (Mailbox.box == box)):
            raise BadInput("A mailbox {box} already exists.", box=box)
        row = Mailbox.create(company=owner, box=box, name=name.strip(), email=email, pin=sealed, created_at=now)
        return _view(row), pin


def of_number(number: str, email: str, now: int, company: str | None = None) -> tuple[MailboxView, bool]:
    """The mailbox of a number, which is named by it and has its last digits, and whether it is made now. One that is
    there gets the `email`, unless that is "". BadInput.
    """
    owner = company_row(company)
    for digits in range(MOST_DIGITS, 1, -1):  # of two numbers that end alike each has its own
        box = number[-digits:].lstrip("+")
        found = Mailbox.get_or_none((Mailbox.company == owner) & (Mailbox.box == box))
        if found is None:
            return create(box, number, email, now, company)[0], True
        if found.name == number:
            return change(box, None, email, company) if email not in ("", found.email) else _view(found), False
    raise BadInput("All mailbox numbers that fit {number} are taken. Add a mailbox by hand.", number=number)


def of_name(name: str, now: int, company: str | None = None) -> MailboxView:
    """A new mailbox with this name, and the first number that is free. BadInput."""
    taken = {view.box for view in listed(company_row(company).name)}
    free = next(box for box in map(str, range(FIRST_BOX, FIRST_BOX + len(taken) + 1)) if box not in taken)
    return create(free, name, "", now, company)[0]


def route_with(box: str) -> str:
    """The route of a number that rings at the PBX, and has voice mail."""
    return f"pbx for {BEFORE_VOICE_MAIL_S}, voicemail {box}"


@audited("mailbox.change")
def change(box: str, name: str | None, email: str | None, company: str | None = None) -> MailboxView:
    """Change whose it is, or who is written to; what is None stays. BadInput; NotFound."""
    with writing():
        row = _row(box, company)
        wanted = (row.name if name is None else name, row.email if email is None else email)
        _checked(*wanted)
        run("UPDATE mailbox SET name = ?, email = ? WHERE id = ?", *wanted, row.id)
        return _view(_row(box, company))


@audited("mailbox.renew-pin")
def renew_pin(box: str, company: str | None = None) -> tuple[MailboxView, str]:
    """Give a mailbox another PIN; it, and the PIN, which is shown now and never again. NotFound."""
    pin, sealed = _new_pin()
    with writing():
        row = _row(box, company)
        run("UPDATE mailbox SET pin = ? WHERE id = ?", sealed, row.id)
        return _view(row), pin


@audited("message.remove")
def remove_message(box: str, message: str, company: str | None = None) -> MailboxView:
    """Note that a message of a mailbox, by its id, was deleted: Asterisk did it. NotFound."""
    with writing():
        return _view(_row(box, company))


@audited("message.remove-unconfirmed")
def removal_unconfirmed(box: str, message: str, company: str | None = None) -> MailboxView:
    """Note that somebody asked for the deletion of a message, and Asterisk did not say that it did it. NotFound."""
    with writing():
        return _view(_row(box, company))


@audited("mailbox.remove")
def remove(box: str, company: str | None = None) -> MailboxView:
    """Take a mailbox away; its messages stay where they are. BadInput if a route leads to it; NotFound."""
    with writing():
        row = _row(box, company)
        view = _view(row)
        with routes.no_worse(row.company_id):
            run("DELETE FROM mailbox WHERE id = ?", row.id)
        return view


def listed(company: str | None = None) -> list[MailboxView]:
    """All mailboxes, by company and box; or a company's."""
    with reading():
        found = [_view(row) for row in Mailbox.select().join(Company).order_by(Company.name, Mailbox.box)]
        return [view for view in found if company in (None, view.company)]


def show(box: str, company: str | None = None) -> MailboxView:
    """One of them; NotFound."""
    with reading():
        return _view(_row(box, company))


def kept() -> list[KeptMailbox]:
    """All mailboxes as Asterisk has to know them, always in the same order. SecretsLocked without the key."""
    with reading():
        found = rows("SELECT company_id, box, name, email, pin FROM mailbox ORDER BY company_id, box")
    return [KeptMailbox(context(owner), box, name, email, vault.unseal(pin)) for owner, box, name, email, pin in found]


def _new_pin() -> tuple[str, str]:
    """A PIN, and what is kept of it."""
    pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
    return pin, vault.sealed(pin)


def checked_email(email: str) -> None:
    """BadInput if nobody can be written to there; "" is nobody."""
    if email and (len(email) > 200 or not _EMAIL.fullmatch(email)):
        raise BadInput("Invalid e-mail address {email!r}. Use a form like name@example.com.", email=email[:40])


def _checked(name: str, email: str) -> None:
    if not _NAME.fullmatch(name.strip()) or not name.isprintable():
        raise BadInput(
            "a mailbox's name has 1 to {most_name} printable characters, and none of {unfit}",
            most_name=MOST_NAME,
            unfit=_UNFIT,
        )
    checked_email(email)


def _row(box: str, company: str | None) -> Mailbox:
    owner = company_row(company)
    row = Mailbox.get_or_none((Mailbox.company == owner) & (Mailbox.box == box))
    if row is None:
        raise NotFound("there is no mailbox {box!r}", box=box[:40])
    return row


def _view(row: Mailbox) -> MailboxView:
    return MailboxView(row.box, context(row.company_id), row.company.name, row.name, row.email, row.created_at)
