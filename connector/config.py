"""connector.toml, read and checked once at start. Unknown keys are errors: a typo must not become a default.

connector/sample-settings.toml shows every setting with its usual value.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connector.core import invoices, times
from connector.core.money import checked_currency
from connector.errors import BadInput, SettingsError

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")]
# FreePBX names them by their address: 0.0.0.0-udp.
Transport = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,60}$")]


def _not_the_samples(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value() == "...":
        raise PydanticCustomError("secret", "it is the sample's: put your own in its place")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_not_the_samples)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _networks(found: tuple[str, ...]) -> tuple[str, ...]:
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            raise PydanticCustomError("networks", "they are addresses or networks") from None
    return found


class StoreSettings(_Section):
    """Where the store is: `path` of a file for one node, or `url` of a PostgreSQL that several nodes share.

    `url` is libpq's, without a password: that is `password`, or in libpq's own password file. `key` is the file of the
    key that seals secrets in the store; beside it, if it is a file.
    """

    path: Path | None = None
    key: Path | None = None
    url: Annotated[str, Field(pattern=r"^postgresql://")] | None = None
    password: Secret | None = None

    @property
    def key_path(self) -> Path:
        """The file of the key."""
        if self.key or self.path:
            return self.key or self.path.with_suffix(".key")  # type: ignore[union-attr]
        # The service may not write to /etc; a key that an earlier version made there stays the key.
        old = Path("/etc/asterisk-connector/connector.key")
        return old if os.access(old, os.F_OK) else Path("/var/lib/asterisk-connector/connector.key")

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise PydanticCustomError("url", "the password stands in store.password, not in the URL")
        return url

    @model_validator(mode="after")
    def _one_of_them(self) -> StoreSettings:
        if (self.path is None) == (self.url is None):
            raise PydanticCustomError("store", "it has either a path (SQLite) or a url (PostgreSQL)")
        return self


class AriSettings(_Section):
    """How Asterisk's REST interface is reached, and under which application name. `prefix` is http.conf's, if any."""

    host: str = "127.0.0.1"
    port: Port = 8088
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{0,60}$")] = ""
    user: Name
    password: Secret
    app: Name = "connector"

    @property
    def url(self) -> str:
        """Where the interface begins, without a slash at its end."""
        return f"http://{self.place}/ari"

    @property
    def place(self) -> str:
        """Address, port and prefix of Asterisk's web server, as they stand in a URL."""
        prefix = self.prefix.strip("/")
        return f"{self.host}:{self.port}" + (f"/{prefix}" if prefix else "")


class AmiSettings(_Section):
    """How Asterisk's manager interface is reached."""

    host: str = "127.0.0.1"
    port: Port = 5038
    user: Name
    password: Secret


class SipSettings(_Section):
    """Where Asterisk's SIP transports are, and what the generated objects need to know of them.

    `host` also goes into SDP as the media address, and to PBXs as their server. `transport`, `tcp_transport` and
    `tls_transport` are pjsip's names of them; nobody can use one that is not named. `generated` is the folder that
    pjsip.conf includes; with `auto_apply` the connector brings it up to date by itself, seconds after a change. A
    call that gets no media for `rtp_timeout_s` is ended, for its other side is gone without a word; 0: never. A call on
    hold has `rtp_timeout_hold_s` instead; 0: never, and what it has paid for ends it.

    `copies_port`: the UDP port at `copies_host` to which Asterisk sends copies of SIP messages (hep.conf); 0: none. By
    them a trunk's history tells of calls that Asterisk refuses for their codecs.
    """

    host: str = "127.0.0.1"
    port: Port = 5060
    tls_port: Port = 5061
    realm: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")] = "asterisk"
    transport: Transport = "connector-udp"
    tcp_transport: Transport | None = None
    tls_transport: Transport | None = None
    generated: Path
    auto_apply: bool = True
    rtp_timeout_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    rtp_timeout_hold_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    copies_host: str = "127.0.0.1"
    copies_port: Annotated[int, Field(ge=0, le=65_535)] = 0

    @property
    def transports(self) -> dict[str, str]:
        """The transports that there are, by udp, tcp and tls."""
        named = {"udp": self.transport, "tcp": self.tcp_transport, "tls": self.tls_transport}
        return {kind: name for kind, name in named.items() if name}


class JournalSettings(_Section):
    """Where Asterisk writes about its legs, by asterisk-conf/cel_custom.conf: calls whose end was not heard are settled
    from there. `messages` is its log, with warnings: why a registration failed is said there only.
    """

    path: Path = Path("/var/log/asterisk/cel-custom/connector.csv")
    messages: Path = Path("/var/log/asterisk/messages.log")


class VoicemailSettings(_Section):
    """`spool`: where Asterisk keeps messages and greetings."""

    spool: Path = Path("/var/spool/asterisk/voicemail")


class CallSettings(_Section):
    """`longest_s`: Asterisk itself ends a call then, whether we live or not.

    `slice_s`: a call out is paid ahead in slices so long. A long slice costs fewer writes and lets calls go on for
    longer while the connector is dead; a short one binds less credit: more calls share a thin balance to its end.

    `warning_s`: so long before a call ends for want of money, its caller hears a tone; 0 for none.

    `new_profile_per_day` (whole units of the company's currency) and `new_profile_calls_per_second` limit a profile
    that is made from now on, until its company sets something else; 0: no limit.
    """

    longest_s: Annotated[int, Field(ge=1, le=86_400)] = 14_400
    warning_s: Annotated[int, Field(ge=0, le=60)] = 0
    slice_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    new_profile_per_day: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    new_profile_calls_per_second: Annotated[int, Field(ge=0, le=1_000)] = 10


class ListenSettings(_Section):
    """Where one of our own servers listens."""

    host: str = "127.0.0.1"
    port: Port


class WebSettings(ListenSettings):
    """The web pages and the REST API. `token` signs one in to the page (it stands in this file only). What one of
    `proxies` (addresses or networks) says of who asked it, in X-Forwarded-For, is believed. `public_url`: what people
    type, if that is not the address that it listens on. `requests_per_minute`: of one token or session. With
    `certificate` and `private_key` (PEM) it speaks TLS itself; without, a proxy does, or nobody beyond this machine.
    `exports`: the folder for sheets that people asked for, for a week; else beside the store. `visitors`: so many call
    at once by call buttons, whose sound goes through this server; 0: nobody.
    `brand_name`, `brand_logo` (a file of PNG or SVG) and `brand_color` (like #1d5bc4): how the pages look.
    """

    port: Port = 8080
    token: Secret
    proxies: tuple[str, ...] = ()
    certificate: Path | None = None
    private_key: Path | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 12_000
    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,255}$")] | None = None
    exports: Path | None = None
    visitors: Annotated[int, Field(ge=0, le=100)] = 20
    brand_name: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    brand_logo: Path | None = None
    brand_color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = None

    @property
    def url(self) -> str:
        """Where people find the pages, without a slash at its end."""
        kind = "https" if self.certificate else "http"
        return self.public_url or f"{kind}://{self.host}:{self.port}"

    @model_validator(mode="after")
    def _both_of_them(self) -> WebSettings:
        if (self.certificate is None) != (self.private_key is None):
            raise PydanticCustomError("web", "TLS takes both, certificate and private_key")
        return self

    @field_validator("brand_name")
    @classmethod
    def _printable(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise PydanticCustomError("brand", "a name has printable characters")
        return name

    @field_validator("brand_logo")
    @classmethod
    def _drawn(cls, path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower() not in (".svg", ".png"):
            raise PydanticCustomError("brand", "a logo is a file that ends in .svg or .png")
        return path

    _check_proxies = field_validator("proxies")(_networks)


class MailSettings(_Section):
    """The mail server by which people are written to. `security`: starttls (usual), tls from the first byte, or none,
    for one on this machine. `sender` is whom mails are from.
    """

    host: str
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None
    sender: Annotated[str, Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$")]


class WebhookSettings(_Section):
    """Webhooks go to public addresses only, and to these networks of ours besides."""

    allowed: tuple[str, ...] = ()

    _check_allowed = field_validator("allowed")(_networks)


class MediaSettings(_Section):
    """`legs_per_second`: of so many legs of calls that are up the sound is measured (service/measuring.py); 0: none."""

    legs_per_second: int = Field(default=8, ge=0, le=100)


class PaymentSettings(_Section):
    """`instructions`: how companies pay, such as the bank account, in lines; shown on the page Add money with the
    company's payment reference.

    `hook_secret`: what a payment gateway signs its posts with (docs/payments.md); without it there is no address to
    post to.
    """

    instructions: Annotated[str, Field(max_length=2_000)] = ""
    hook_secret: Annotated[Secret, Field(min_length=24, max_length=200)] | None = None

    @field_validator("instructions")
    @classmethod
    def _lines(cls, text: str) -> str:
        if not text.replace("\n", "").isprintable():
            raise PydanticCustomError("payments", "the instructions have printable characters and line breaks only")
        return text.strip()


class FastAgiSettings(ListenSettings):
    """The FastAGI server; only these addresses are answered, and only with the `secret` in the URL
    (`agi://127.0.0.1/balance?secret=...&profile=...`): others on this machine have the same address. Without a secret
    nobody is answered.
    """

    port: Port = 4573
    allowed: tuple[str, ...] = ("127.0.0.1",)
    secret: Secret | None = None


class GateSettings(_Section):
    """`socket`: where the gate process says how it is (connector/service/gate_status.py); else beside the store."""

    socket: Path | None = None


class BackupSettings(_Section):
    """`folder`: where backups are put, by a timer or by hand. `connector doctor` warns if the newest file there is
    older than `oldest_h` hours. Without a folder it does not look.
    """

    folder: Path | None = None
    oldest_h: Annotated[int, Field(ge=1, le=10_000)] = 26


class StripeSettings(_Section):
    """Payments by card at Stripe. `secret_key`: of its API; a restricted key that may write Checkout Sessions is
    enough. `webhook_secret`: what Stripe signs its events with.
    """

    secret_key: Secret
    webhook_secret: Secret
    api: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "https://api.stripe.com"


class OidcSettings(_Section):
    """Sign-in by OpenID Connect at a provider. `issuer`: as the provider calls itself; https, but for one on this
    machine. `client_secret`: none for a public client. `name`: as people know the provider. `email_is_verified`: it has
    made sure of each address, though it says nothing of that. `client_authentication`: how the client was registered.
    """

    issuer: Annotated[
        str, Field(pattern=r"^(https://[^\s?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#]*)?)$")
    ]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret: Secret | None = None
    name: Annotated[str, Field(min_length=1, max_length=40)] = "single sign-on"
    client_authentication: Literal["basic", "post"] = "basic"
    email_is_verified: bool = False


def _written_as_text(value: object) -> object:
    """A rate or a day that was written without quotes."""
    return str(value) if isinstance(value, int | float | date) and not isinstance(value, bool) else value


TextOrNumber = Annotated[str, BeforeValidator(_written_as_text)]


class InvoiceSettings(_Section):
    """Invoices and credit notes. `seller_*`: who sells, as it stands on them. `vat_rate`: percent, or by the first day
    of each rate. `tax_point`: a document for each payment, or for what was used in each month; it stays as it was with
    the first document. `series`: what their numbers begin with. `first_day`: of what was before it there are none.
    `currency` and `time_zone`: those of the seller's books.
    """

    seller_name: Annotated[str, Field(min_length=1, max_length=100)]
    seller_street: Annotated[str, Field(min_length=1, max_length=100)]
    seller_extra: Annotated[str, Field(max_length=100)] = ""
    seller_postcode: Annotated[str, Field(max_length=20)] = ""
    seller_city: Annotated[str, Field(min_length=1, max_length=100)]
    seller_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    seller_vat_number: Annotated[str, Field(min_length=4, max_length=30)]
    vat_rate: TextOrNumber | dict[str, TextOrNumber]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    time_zone: str = "UTC"
    tax_point: Literal["payment", "use"] = "payment"
    series: Annotated[str, Field(max_length=20, pattern=r"^([A-Za-z0-9][A-Za-z0-9/-]*)?$")] = "INV-"
    first_day: TextOrNumber

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        try:
            self.terms()
        except BadInput as error:
            raise PydanticCustomError("invoices", "{why}", {"why": str(error)}) from None
        return self

    def terms(self) -> invoices.Terms:
        """The same, as invoices are issued by it. BadInput."""
        names = ("name", "street", "extra", "postcode", "city", "country", "vat_number")
        seller = invoices.checked_party({name: str(getattr(self, f"seller_{name}")) for name in names})
        by_day = self.vat_rate if isinstance(self.vat_rate, dict) else {"2000-01-01": self.vat_rate}
        rates = []
        for day, rate in sorted(by_day.items()):
            made = invoices.checked_tax("standard", invoices.rate_of(rate), "", None, seller)
            rates.append((times.checked_day(day), made.rate))
        if not rates:
            raise BadInput("vat_rate has no rate")
        times.checked_day(self.first_day)
        if self.tax_point == "use" and not self.first_day.endswith("-01"):
            raise BadInput("with the tax point 'use' the first_day is the first of a month")
        zone, currency = times.checked_zone(self.time_zone), checked_currency(self.currency)
        return invoices.Terms(seller, tuple(rates), self.tax_point, self.series, self.first_day, currency, zone)


class Settings(_Section):
    """All of connector.toml. `node` is Asterisk's systemname."""

    node: Name
    store: StoreSettings
    ari: AriSettings
    ami: AmiSettings
    sip: SipSettings
    web: WebSettings
    fastagi: FastAgiSettings = FastAgiSettings()
    gate: GateSettings = GateSettings()
    calls: CallSettings = CallSettings()
    journal: JournalSettings = JournalSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    mail: MailSettings | None = None
    webhooks: WebhookSettings = WebhookSettings()
    media: MediaSettings = MediaSettings()
    payments: PaymentSettings = PaymentSettings()
    stripe: StripeSettings | None = None
    invoices: InvoiceSettings | None = None
    oidc: OidcSettings | None = None
    backups: BackupSettings = BackupSettings()

    @property
    def gate_socket(self) -> Path:
        """Where the gate process says how it is."""
        shared = Path("/var/lib/asterisk-connector") / f"gate-{self.node}.sock"
        return self.gate.socket or (self.store.path.with_suffix(".sock") if self.store.path else shared)

    @property
    def exports(self) -> Path:
        """The folder for sheets that people asked for."""
        beside = self.store.path.parent if self.store.path else Path("/var/lib/asterisk-connector")
        return self.web.exports or beside / "exports"


def default_path() -> Path:
    """$CONNECTOR_CONFIG, else the lab's file if this is a checkout with one, else the system's."""
    named = os.environ.get("CONNECTOR_CONFIG")
    if named:
        return Path(named)
    lab = Path(__file__).parent.parent / "var" / "connector.toml"
    return lab if lab.is_file() else Path("/etc/asterisk-connector/connector.toml")


def read(path: Path) -> Settings:
    """The settings in `path`. SettingsError, in one line that quotes no value, if they cannot be used."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise SettingsError(
            f"settings file {path} not found: 'connector setup' makes one, or pass another with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    return parsed(text, path)


def with_store(text: str, store: Sequence[str]) -> str:
    """The text of a settings file with these lines as its [store]; all the rest stays as it is. SettingsError if it has
    no such section, or more than one.
    """
    found = list(re.finditer(r"^[ \t]*\[store\][^\n]*\n(?:(?![ \t]*\[)[^\n]*\n?)*", text, re.MULTILINE))
    if len(found) != 1:
        raise SettingsError("the settings file has no section [store] that could be replaced")
    head, tail = text[: found[0].start()], text[found[0].end() :]
    return head + "\n".join(["[store]", *store]) + "\n" + (f"\n{tail}" if tail else "")


def parsed(text: str, path: Path) -> Settings:
    """The settings in the text of the file `path`. SettingsError, as above."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from error
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"the settings file {path}: {place}: {first['msg']}") from None
