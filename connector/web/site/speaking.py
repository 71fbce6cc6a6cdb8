"""How a PBX or a trunk speaks SIP, as fields of forms (core/sip.py says what each means)."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.core.sip import (
    CALLED_IN,
    CALLER_ID,
    CODECS,
    DTMF,
    FORWARDED_IN,
    MOST_STRIPPED,
    NUMBER_FORMS,
    TIMERS,
    Options,
    on_the_wire,
)
from connector.web.endpoint import Ask, may_speak
from connector.web.site.frame import Form, Line, NumberOrNone, entry
from connector.words import marked, phrase

_USUAL = Options()
_CALLED_IN = {"header": marked("in P-Called-Party-ID"), "uri": marked("in the Request-URI, To and P-Called-Party-ID")}
_FORWARDED_IN = {
    "none": marked("not sent"),
    "diversion": marked("in Diversion"),
    "history-info": marked("in History-Info"),
    "both": marked("in Diversion and History-Info"),
}
_LISTS = ("codecs", "acl", "match")
_SAMPLE = "+442079460001"
_CALLER_ID = {
    "both": marked("in From and in P-Asserted-Identity"),
    "from": marked("in From"),
    "pai": marked("in P-Asserted-Identity"),
}


def _same(words: tuple[str, ...]) -> list[Line]:
    return [(word, word) for word in words]


class Speaking(Form):
    """What PBXs and trunks have in common."""

    transport: str = entry("Transport", _USUAL.transport, kind="choice")
    srtp: bool = entry("Encrypt the media (SRTP)", default=False, kind="check")
    codecs: str = entry(
        "Codecs", ", ".join(_USUAL.codecs), hint=phrase("In this order, of: {codecs}.", codecs=", ".join(CODECS))
    )
    dtmf: str = entry("Keys that are pressed", _USUAL.dtmf, choices=_same(DTMF))
    nat: bool = entry("Answer where packets come from (NAT)", default=False, kind="check")
    qualify_s: NumberOrNone = entry(
        "Seconds between two checks whether it is reachable",
        None,
        kind="number",
        hint="0: never. If empty, trunks are checked, and PBXs that register are not.",
        ge=0,
        le=3600,
    )
    timers: str = entry("Session timers", _USUAL.timers, choices=_same(TIMERS))
    caller_id: str = entry(
        "The caller's number goes",
        _USUAL.caller_id,
        choices=[(word, _CALLER_ID[word]) for word in CALLER_ID],
    )
    number_form: str = entry(
        "Numbers look like", _USUAL.number_form, choices=[(word, on_the_wire(_SAMPLE, word)) for word in NUMBER_FORMS]
    )

    number_country: str = entry(
        "Country of its national numbers",
        "",
        hint="Two letters, like GB: numbers that it sends without + are read as numbers of this"
        " country. If empty, they have the form above.",
    )
    called_in: str = entry(
        "The number that is called is sent",
        _USUAL.called_in,
        choices=[(word, _CALLED_IN[word]) for word in CALLED_IN],
    )

    @classmethod
    def spoken(cls, options: Options) -> dict[str, Any]:
        """What stands in the fields for these options."""
        return {
            name: ", ".join(value) if name in _LISTS else "" if value is None else value
            for name, value in ((name, getattr(options, name)) for name in cls._names())
        }

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What is usual."""
        return cls.spoken(_USUAL)

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The transports that this node has."""
        return {"transport": [(each, each) for each in ask.place.sip.transports]}

    def options(self, ask: Ask) -> dict[str, Any]:
        """What the fields say. BadInput if Asterisk has no such transport here."""
        may_speak(ask, self.transport)
        return {
            name: _words(value) if name in _LISTS else value
            for name, value in ((name, getattr(self, name)) for name in self._names())
        }

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in cls.model_fields if name in Options.__dataclass_fields__]


class PbxSpeaking(Speaking):
    """What is a PBX's alone."""

    max_contacts: int = entry(
        "Contacts registered at once", 1, kind="number", ge=1, le=100, hint="A call in rings one of them."
    )
    acl: str = entry(
        "Networks that may sign in", "", hint="For example 192.0.2.0/24, separated by commas. If empty, any."
    )


class TrunkSpeaking(Speaking):
    """What is a trunk's alone."""

    folded: ClassVar[Line] = ("transport", marked("How it speaks SIP"))
    forwarded_in: str = entry(
        "For forwarded calls, our number is",
        _USUAL.forwarded_in,
        choices=[(word, _FORWARDED_IN[word]) for word in FORWARDED_IN],
    )
    called_strip: int = entry(
        "Strip from the called number",
        0,
        kind="number",
        ge=0,
        le=MOST_STRIPPED,
        hint="So many characters from its front, in the form above.",
    )
    called_prefix: str = entry("Put before the called number", "", hint="A technical prefix of the carrier, as 77001.")
    caller_strip: int = entry("Strip from the caller's number", 0, kind="number", ge=0, le=MOST_STRIPPED)
    caller_prefix: str = entry("Put before the caller's number", "")
    match: str = entry("More addresses that it calls from", "", hint="By commas.")
    from_user: str = entry("User in From", "")
    from_domain: str = entry("Domain in From", "")
    contact_user: str = entry("User in the contact that we register", "")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())
