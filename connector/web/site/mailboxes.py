"""Mailboxes of voice mail, and the messages in them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from urllib.parse import quote as quoted

from connector.core.times import iso
from connector.database import audit
from connector.database.audit import Doer
from connector.errors import AsteriskError, BadInput, NotFound
from connector.routing import mailboxes
from connector.routing.mailboxes import MailboxView, Message
from connector.web.endpoint import Ask, Download
from connector.web.render import when
from connector.web.rest import World
from connector.web.site.frame import Form, Outcome, Quote, Shown, SitePages, entry
from connector.words import tr

log = logging.getLogger(__name__)

pages = SitePages()

MESSAGES = "/mailboxes/{box}/messages"
_KINDS = {".wav": "audio/wav", ".ogg": "audio/ogg"}
# What app_voicemail writes where there is neither a name nor a number.
_NOBODY = "Unknown"
_NOT_PLAYED = "application/octet-stream"


@pages.form("/mailboxes/new", "numbers.write", "Add a mailbox", of_company=True, back="/numbers")
class NewMailbox(Form):
    """A box for voice mail."""

    button: ClassVar[str] = "Add"
    box: str = entry("Box", hint="2 to 10 digits, often those of the extension.")
    name: str = entry("Name", hint="Whose it is.")
    email: str = entry(
        "E-mail", "", kind="email", hint="Messages are sent to this address. If empty, no e-mail is sent."
    )

    def do(self, ask: Ask) -> Outcome:
        """Add it; its PIN is shown once."""
        made, pin = mailboxes.create(self.box, self.name, self.email, ask.now, ask.company)
        ask.place.voice_mail.set_aside(made.context, made.box, ask.now)
        return _with_pin(made.box, pin)


def _with_pin(box: str, pin: str) -> Outcome:
    said = tr("The telephone asks for this PIN. It is shown only now.")
    return Outcome("/numbers", said, ((tr("Box"), box), ("PIN", pin)))


@pages.form("/mailboxes/{box}", "numbers.write", "Change a mailbox", of_company=True, back="/numbers")
class ChangeMailbox(Form):
    """Whose it is, and who is written to."""

    name: str = entry("Name")
    email: str = entry("E-mail", "", kind="email", hint="Empty: nobody is written to.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, str]:
        """As it is."""
        found = mailboxes.show(ask.path["box"], ask.company)
        return {"name": found.name, "email": found.email}

    def do(self, ask: Ask) -> Outcome:
        """Change it."""
        mailboxes.change(ask.path["box"], self.name, self.email, ask.company)
        return Outcome("/numbers", tr("The mailbox {path} belongs to {name}", path=ask.path["box"], name=self.name))


@pages.form("/mailboxes/{box}/pin", "numbers.write", "Make a new PIN", of_company=True, back="/numbers")
class NewPin(Form):
    """For who has forgotten the one they had."""

    button: ClassVar[str] = "Make a new PIN"
    warning: ClassVar[str] = "The current PIN will no longer open the mailbox."

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Whose mailbox it is."""
        return tr("Mailbox of {name}.", name=mailboxes.show(ask.path["box"], ask.company).name)

    def do(self, ask: Ask) -> Outcome:
        """Make it; it is shown once."""
        made, pin = mailboxes.renew_pin(ask.path["box"], ask.company)
        ask.place.voice_mail.forget_pin(made.context, made.box)
        return _with_pin(made.box, pin)


@pages.form("/mailboxes/{box}/remove", "numbers.write", "Remove a mailbox", of_company=True, back="/numbers")
class RemoveMailbox(Form):
    """Take it away."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"
    warning: ClassVar[str] = "Its messages stay on the server, but nobody can listen to them any more."

    def quote(self, ask: Ask) -> Quote | None:
        """Which; not one that a route leads to."""
        found = mailboxes.remove(ask.path["box"], ask.company)
        return Quote([(tr("Box"), found.box), (tr("Name"), found.name)])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        mailboxes.remove(ask.path["box"], ask.company)
        return Outcome("/numbers", tr("The mailbox {path} was removed", path=ask.path["box"]))


@pages.get(MESSAGES, "messages.read", of_company=True)
def message_list(ask: Ask) -> Shown:
    """The messages of a mailbox on this node, the newest first."""
    box = mailboxes.show(ask.path["box"], ask.company)
    values: dict[str, Any] = {"box": box, "messages": [], "wrong": ""}
    try:
        values["messages"] = ask.place.voice_mail.messages(box.context, box.box)[::-1]
    except BadInput as error:
        values["wrong"] = error.translated()
    return Shown("messages.html", values | {"plays": _KINDS, "base": _base(ask), "caller_of": caller_of})


@pages.get(f"{MESSAGES}/{{message}}/sound", "messages.read", of_company=True)
def message_sound(ask: Ask) -> Download:
    """What somebody said."""
    _, found = _message(ask)
    if (
        not found.has_sound or not found.sound.is_file() or found.sound.is_symlink()
    ):  # whom Asterisk lets write there reads no other file
        raise NotFound("The sound of this message is not there any more.")
    kind = found.sound.suffix
    moment = (iso(found.left_at) or "").replace(":", "")[:15]
    return Download(found.sound, f"{ask.path['box']}-{moment}{kind}", _KINDS.get(kind, _NOT_PLAYED))


@pages.form(f"{MESSAGES}/{{message}}/heard", "messages.read", "Mark as heard", of_company=True, back=MESSAGES)
class Heard(Form):
    """It counts as new no more, and the lamp of a telephone goes out."""

    button: ClassVar[str] = "Mark as heard"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Whose it is, and of when."""
        return _from(ask)

    def do(self, ask: Ask) -> Outcome:
        """Look whether it is there; `after` has Asterisk do it."""
        _message(ask)
        return Outcome(_base(ask), tr("The message is marked as heard"))

    async def after(self, world: World, ask: Ask, doer: Doer) -> None:
        """Have Asterisk put it among those that were heard."""
        await _done(world.message_heard, world, ask)


@pages.form(f"{MESSAGES}/{{message}}/remove", "messages.read", "Delete a message", of_company=True, back=MESSAGES)
class RemoveMessage(Form):
    """For good."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Delete"
    warning: ClassVar[str] = "It cannot be brought back."

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Whose it is, and of when."""
        return _from(ask)

    def do(self, ask: Ask) -> Outcome:
        """Look whether it is there; `after` has Asterisk do it."""
        _message(ask)
        return Outcome(_base(ask), tr("The message is deleted"))

    async def after(self, world: World, ask: Ask, doer: Doer) -> None:
        """Have Asterisk delete it; then it is noted who did."""
        try:
            await _done(world.remove_message, world, ask)
        except BadInput:
            await world.store(_noted, mailboxes.removal_unconfirmed, ask, doer)
            raise
        await world.store(_noted, mailboxes.remove_message, ask, doer)


def caller_of(message: Message) -> str:
    """Who left a message, as the telephone showed them."""
    name, number = (part.strip(' "') for part in (message.caller.rstrip(">") + "<").split("<")[:2])
    if message.caller == _NOBODY:
        name = ""
    return ", ".join(filter(None, [name, number])) or tr("a withheld number")


def _from(ask: Ask) -> str:
    _, found = _message(ask)
    return tr("From {caller}, {when}.", caller=caller_of(found), when=when(found.left_at, ask.zone))


async def _done(work: Callable[[str, str, str, str], Awaitable[None]], world: World, ask: Ask) -> None:
    """Asterisk does something with the message of a page. BadInput if it does not say that it has."""
    box, found = await world.files(_message, ask)
    try:
        await work(box.context, box.box, found.folder, found.id)
    except AsteriskError as error:
        log.warning("a voice mail message was not changed, by request of %s: %s", ask.actor.name, error)
        raise BadInput(
            "Asterisk has not confirmed it. Look at the messages again; by telephone they can be deleted too."
        ) from None


def _noted(what: Callable[[str, str, str | None], MailboxView], ask: Ask, doer: Doer) -> None:
    with audit.acting(doer):
        what(ask.path["box"], ask.path["message"], ask.company)


def _message(ask: Ask) -> tuple[MailboxView, Message]:
    """The message of a page, and its mailbox. NotFound."""
    box = mailboxes.show(ask.path["box"], ask.company)
    for message in ask.place.voice_mail.messages(box.context, box.box):
        if message.id and message.id == ask.path["message"]:
            return box, message
    raise NotFound("This message is not there any more.")


def _base(ask: Ask) -> str:
    return f"/mailboxes/{quoted(ask.path['box'], safe='')}/messages"
