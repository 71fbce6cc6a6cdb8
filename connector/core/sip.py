"""What Asterisk has to know of profiles and trunks, and what each may say on the wire.

An *inward* end signs in to us: the PBX of a `server` profile. An *outward* one we sign in to: a carrier, or the
provider of a `client` profile. Every word is checked here, before it is kept; `asterisk/pjsip.py` checks again.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

from connector.core.numbering import checked_country
from connector.errors import BadInput
from connector.words import marked

# The SIP answers after which the next trunk is tried, unless it is said otherwise.
FAILOVER = "408 500 502 503 504"
TRANSPORTS = ("udp", "tcp", "tls")
# The codecs, and the modules of Asterisk that convert each: any one of them. All but slin, in which Asterisk itself
# computes, need one; those that are not at 8 kHz need codec_resample.so too.
_CONVERTERS: dict[str, tuple[str, ...]] = {
    "alaw": ("codec_alaw.so",),
    "ulaw": ("codec_ulaw.so",),
    "g722": ("codec_g722.so",),
    "gsm": ("codec_gsm.so",),
    "g726": ("codec_g726.so",),
    "speex": ("codec_speex.so",),
    "opus": ("codec_opus_open_source.so", "codec_opus.so"),
    "ilbc": ("codec_ilbc.so",),
    "g729": ("codec_g729.so", "codec_g729a.so"),
    "slin": (),
}
CODECS = tuple(_CONVERTERS)
_RESAMPLED = {"g722", "opus"}
DTMF = ("rfc4733", "info", "inband", "auto", "auto_info")
TIMERS = ("no", "yes", "required", "always")
CALLER_ID = ("from", "pai", "both")
CALLED_IN = ("header", "uri")
FORWARDED_IN = ("none", "diversion", "history-info", "both")
NUMBER_FORMS = {"plus": "+", "bare": "", "zeros": "00"}
MOST_WORD = 128
MOST_ADDRESSES = 50
_HOST = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}"
                   r"[A-Za-z0-9])?")  # fmt: skip
_CONTEXT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,78}")
_USER = re.compile(r"[A-Za-z0-9!%*_+=~.@'()$/?&-]{1,64}")
_PLAIN_USER = re.compile(r"[A-Za-z0-9.+_~-]{1,64}")
_REALM = re.compile(r"[A-Za-z0-9._@ -]{1,60}")
_WIRE_PREFIX = re.compile(r"[0-9+*]{0,15}")
# A number has more digits than that, whatever its form.
MOST_STRIPPED = 6
_SIP_ANSWER = re.compile(r"[3-6][0-9][0-9]")


@dataclass(frozen=True)
class Options:
    """How an end speaks SIP. What is not said is what most PBXs and carriers want.

    `nat`: answer where packets come from, whatever they say. `qualify_s`: ask so often whether it is there; 0: never;
    not said, trunks are asked and PBXs that register are not, for what did not answer once gets no call until it does.
    `caller_id`: where the caller's number goes: From, P-Asserted-Identity, or both. `number_form`: E.164 with `+`,
    bare, or with 00. `acl`: the networks that may speak for it; empty: any. `match`: more addresses that an outward end
    calls from. `context`: where calls in to a client profile go on in the dialplan.
    `number_country`: whose national numbers a trunk sends; "": it sends international ones. `called_in`: where a PBX
    gets the number that is called: `header`, in P-Called-Party-ID; `uri`, in the Request-URI and To as well.
    `forwarded_in`: the headers in which a trunk gets the number that forwarded a call: `diversion` (RFC 5806),
    `history-info` (RFC 7044), `both`, or `none`. `called_strip`: so many characters are taken from the front of the
    number that a trunk gets, and `called_prefix` is put there; `caller_strip`, `caller_prefix`: of the caller's number.
    """

    transport: str = "udp"
    srtp: bool = False
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    dtmf: str = "rfc4733"
    nat: bool = True
    qualify_s: int | None = None
    timers: str = "yes"
    caller_id: str = "both"
    max_contacts: int = 1
    acl: tuple[str, ...] = ()
    number_form: str = "plus"
    match: tuple[str, ...] = ()
    from_user: str = ""
    from_domain: str = ""
    contact_user: str = ""
    context: str = "from-connector"
    number_country: str = ""
    called_in: str = "header"
    forwarded_in: str = "none"
    called_strip: int = 0
    called_prefix: str = ""
    caller_strip: int = 0
    caller_prefix: str = ""

    def __post_init__(self) -> None:
        _one_of(marked("transport"), self.transport, TRANSPORTS)
        _one_of("DTMF", self.dtmf, DTMF)
        _one_of(marked("session timers"), self.timers, TIMERS)
        _one_of(marked("caller ID"), self.caller_id, CALLER_ID)
        _one_of(marked("number form"), self.number_form, NUMBER_FORMS)
        _one_of(marked("the number that is called"), self.called_in, CALLED_IN)
        _one_of(marked("the number that was forwarded"), self.forwarded_in, FORWARDED_IN)
        if self.number_country:
            checked_country(self.number_country)
        if not self.codecs or len(set(self.codecs)) != len(self.codecs):
            raise BadInput("the codecs: at least one, and each once")
        for codec in self.codecs:
            _one_of(marked("a codec"), codec, CODECS)
        _between(marked("qualify"), self.qualify_s or 0, 0, 3600)
        _between(marked("the most contacts"), self.max_contacts, 1, 100)
        if max(len(self.acl), len(self.match)) > MOST_ADDRESSES:
            raise BadInput("networks and addresses: at most {most_addresses}", most_addresses=MOST_ADDRESSES)
        for network in self.acl:
            _network(network)
        for address in self.match:
            checked_address(address, marked("an address to match"))
        for what, word in (("from-user", self.from_user), ("contact-user", self.contact_user)):
            if word and not _PLAIN_USER.fullmatch(word):
                raise BadInput("{what} has 1 to 64 letters, digits, dots, '+', '-', '_' and '~'", what=what)
        for strip in (self.called_strip, self.caller_strip):
            _between(marked("the digits to strip"), strip, 0, MOST_STRIPPED)
        for prefix in (self.called_prefix, self.caller_prefix):
            if not _WIRE_PREFIX.fullmatch(prefix):
                raise BadInput("a prefix for numbers has at most 15 digits, '+' and '*'")
        if self.from_domain:
            checked_host(self.from_domain, marked("the from-domain"))
        if not _CONTEXT.fullmatch(self.context):
            raise BadInput("a context's name begins with a letter and has letters, digits, '-' and '_'")

    def changed(self, changes: Mapping[str, Any]) -> Options:
        """These with some of them changed. BadInput if one is unfit."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """What differs from the usual, the same text for the same options."""
        usual = asdict(Options())
        return json.dumps({name: value for name, value in asdict(self).items() if value != usual[name]}, sort_keys=True)

    @classmethod
    @lru_cache(maxsize=10_000)
    def from_json(cls, text: str) -> Options:
        """Options as they were kept."""
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
        }
        return cls(**kept)


@dataclass(frozen=True)
class Inward:
    """A PBX that signs in to us: by registration, with one of `digests` (HA1 for `name` and `realm`), or, where there
    are none, by the `address` and `port` that it calls from. `emergency`: its emergency numbers.
    """

    name: str
    realm: str = ""
    digests: tuple[str, ...] = field(default=(), repr=False)
    address: str = ""
    port: int = 0
    options: Options = field(default_factory=Options)
    emergency: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outward:
    """A carrier or provider at `host` and `port`. With a `username` we register there, by `password`.

    `profile` is the username of the client profile whose provider it is; "" for a carrier. `realm`, if it is known,
    spares Asterisk the password: a digest is enough then.
    """

    name: str
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    realm: str = ""
    profile: str = ""
    options: Options = field(default_factory=Options)


def convertible(modules: Collection[str]) -> tuple[str, ...]:
    """The codecs that an Asterisk can convert which runs these modules."""
    return tuple(
        codec
        for codec, converters in _CONVERTERS.items()
        if (not converters or any(each in modules for each in converters))
        and (codec not in _RESAMPLED or "codec_resample.so" in modules)
    )


def checked_host(text: str, what: str = marked("the address")) -> str:
    """A host's name or IPv4 address. BadInput if it is neither."""
    numeric = all(part.isdigit() for part in text.split("."))
    if not _HOST.fullmatch(text) or (numeric and not is_ipv4(text)):
        raise BadInput("{what} must be an IPv4 address or a host name", what=what)
    return text


def checked_address(text: str, what: str = marked("the address of a PBX")) -> str:
    """An IPv4 address that somebody may have. BadInput if it is none."""
    if not is_ipv4(text):
        raise BadInput("{what} must be an IPv4 address, like 192.0.2.10", what=what)
    address = ipaddress.IPv4Address(text)
    if address.is_unspecified or address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        raise BadInput("No host can have the address {given}. Use another IPv4 address.", given=text)
    return text


def known_by(host: str, port: int, registers: bool, options: Options) -> list[tuple[str, int | None]]:
    """The addresses, with a port or with None for any, by which calls from an outward end are known.

    No names: Asterisk would look them up while it loads, and drop the object when it cannot. Where we register, the
    line in our contact tells whose call it is: two may be at one provider. TCP and TLS come from any port.
    """
    found: list[tuple[str, int | None]] = []
    if not registers and is_ipv4(host):
        found.append((host, port if options.transport == "udp" else None))
    return found + [(address, None) for address in options.match]


def checked_known_by(host: str, options: Options) -> None:
    """Whoever calls from an outward end without registration has to be known by an address.

    A name would do, but Asterisk looks it up while it loads its config, and drops the object when it cannot.
    """
    if not is_ipv4(host) and not options.match:
        raise BadInput(
            "{host} is a host name, but its calls are identified by address. Enter its addresses ('match').", host=host
        )


def checked_port(port: int) -> int:
    """A port, 1 to 65535."""
    _between(marked("a port"), port, 1, 65535)
    return port


def usual_port(transport: str) -> int:
    """The port of SIP on a transport, where none is said (RFC 3261, 19.1.2)."""
    return 5061 if transport == "tls" else 5060


def checked_user(text: str, what: str) -> str:
    """The user part of a SIP address, as somebody gave it to us. BadInput if it cannot be one."""
    if not _USER.fullmatch(text):
        raise BadInput(
            "Invalid value for {what}. Use 1 to 64 letters, digits and other characters that a SIP user can have.",
            what=what,
        )
    return text


def checked_realm(text: str) -> str:
    """A realm that a provider named."""
    if text != text.strip() or not _REALM.fullmatch(text):
        raise BadInput("a realm has 1 to 60 letters, digits, dots, '-', '_', '@' and spaces")
    return text


def checked_password(text: str) -> str:
    """A password that a provider gave us: carried unchanged, or refused."""
    if not text.isprintable() or text != text.strip() or not 1 <= len(text.encode()) <= MOST_WORD:
        raise BadInput(
            "a password has 1 to {most_word} bytes that can be printed, and no space at its ends", most_word=MOST_WORD
        )
    return text


def checked_failover(text: str) -> str:
    """SIP answers, as `408 500 503`. BadInput if one is no final answer."""
    words = text.replace(",", " ").split()
    if any(not _SIP_ANSWER.fullmatch(word) for word in words):
        raise BadInput("failover is a list of final SIP answers, like '408 500 503'")
    return " ".join(sorted(set(words)))


def rewritten(number: str, form: str, strip: int = 0, prefix: str = "") -> str:
    """A number in E.164 as a trunk wants it: in its form, without its first `strip` characters, behind a prefix. A
    service number, and "", stay as they are.
    """
    return prefix + on_the_wire(number, form)[strip:] if number.startswith("+") else number


def on_the_wire(number: str, form: str) -> str:
    """A number in E.164 as a trunk wants it. A service number, which has no +, and "" stay as they are."""
    return NUMBER_FORMS[form] + number[1:] if number.startswith("+") else number


def is_ipv4(text: str) -> bool:
    """Whether it is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> None:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        raise BadInput(
            "Invalid network {given!r} in the ACL. Use IPv4 networks, like 192.0.2.0/24.", given=text[:40]
        ) from None


def _one_of(what: str, word: str, words: Any) -> None:
    if word not in words:
        raise BadInput("{what} is one of {words}", what=what, words=", ".join(words))


def _between(what: str, number: int, low: int, high: int) -> None:
    if not isinstance(number, int) or not low <= number <= high:
        raise BadInput("{what} is a number from {low} to {high}", what=what, low=low, high=high)
