"""Words by which the core and the store call things, for people: states, endings, directions, roles."""

from __future__ import annotations

from connector.words import Words, marked

_WORDS = {
    # profiles and trunks
    "active": marked("active"),
    "inactive": marked("inactive"),
    "archived": marked("deleted"),
    "cancelling": marked("cancelling"),
    "draining": marked("draining"),
    "open": marked("open"),
    "suspended": marked("suspended"),
    # calls: which way, and how they ended
    "in": marked("in"),
    "out": marked("out"),
    "ok": marked("ok"),
    "refused": marked("refused"),
    "busy": marked("busy"),
    "no_answer": marked("no answer"),
    "cut_off": marked("cut off"),
    "media_lost": marked("media lost"),
    "failed": marked("failed"),
    "estimated": marked("estimated"),
    "ringing": marked("ringing"),
    # whether a PBX or a trunk is reached
    "up": marked("up"),
    "down": marked("down"),
    "unknown": marked("unknown"),
    # exports and deliveries
    "sent": marked("sent"),
    "waiting": marked("waiting"),
    "running": marked("running"),
    "done": marked("done"),
    "gone": marked("gone"),
    # things
    "company": marked("company"),
    "profile": marked("profile"),
    "number": marked("number"),
    "account": marked("account"),
    "trunk": marked("trunk"),
    "live call": marked("live call"),
    "CDR": marked("CDR"),
    "user": marked("user"),
    "webhook": marked("webhook"),
    "call button": marked("call button"),
    "export": marked("export"),
    "threshold": marked("threshold"),
    "invoice": marked("invoice"),
    "payment": marked("payment"),
    "department": marked("department"),
    "hours": marked("hours"),
    "mailbox": marked("mailbox"),
    # users
    "owner": marked("owner"),
    "admin": marked("admin"),
    "finance": marked("finance"),
    "operator": marked("operator"),
    "viewer": marked("viewer"),
    "member": marked("member"),
}


def named(word: str) -> Words | str:
    """What people call it; a word that is not known stays as it is."""
    return _WORDS.get(word, word)


def term(word: str) -> str:
    """The same in the reader's language."""
    found = named(word)
    return found.translated() if isinstance(found, Words) else found
