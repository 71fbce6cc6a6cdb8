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


# Who hung up a call (Progress.hung_up_by), the reason behind it.
_HUNG_UP = {
    "caller": marked("the caller"),
    "callee": marked("the called side"),
    "us": marked("Asterisk"),
    "us: caller does not answer": marked("Asterisk, because the caller's side stopped responding"),
    "us: callee does not answer": marked("Asterisk, because the called side stopped responding"),
    "us: not answered in time": marked("Asterisk, because nobody answered in time"),
    "us: time limit": marked("Asterisk, because the money or the time of the call was used up"),
    "us: no media": marked("Asterisk, because no audio was received for too long"),
    "us: no common codec": marked("Asterisk, because the two sides have no codec in common"),
}
# The reason phrases of RFC 3261, 21: field terms, in English everywhere.
_SIP_ANSWERS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 415: "Unsupported Media Type", 420: "Bad Extension", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip


def hung_up(text: str) -> str:
    """Who hung up a call, for people; "" if that is not known, or nobody did: it was refused."""
    found = _HUNG_UP.get(text)
    return found.translated() if found is not None else ""


def sip_answer(status: int) -> str:
    """A final answer of SIP: `486 Busy Here`."""
    return f"{status} {_SIP_ANSWERS.get(status, '')}".strip()


def named(word: str) -> Words | str:
    """What people call it; a word that is not known stays as it is."""
    return _WORDS.get(word, word)


def term(word: str) -> str:
    """The same in the reader's language."""
    found = named(word)
    return found.translated() if isinstance(found, Words) else found
