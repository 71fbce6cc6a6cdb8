"""Starts the connector in its container: writes its settings and all of Asterisk's config, then runs it.

Both are written at each start, from the environment (docker/.env by docker/compose.yaml) and from secrets that are made
at the first: a change of .env is in effect after `docker compose up -d`. What an admin adds to connector.toml (mail,
limits of calls) goes into extra.toml beside it, which is never written here; pjsip_custom.conf and
extensions_custom.conf in /etc/asterisk are the admin's too.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from connector import config
from connector.asterisk import certificate, files, templates
from connector.asterisk.dropin import install as dropin
from connector.core.sip import checked_address
from connector.errors import BadInput, ConnectorError

ETC, TEMPLATES = Path("/etc/asterisk"), Path("/usr/local/share/asterisk-connector/asterisk-conf")
SETTINGS, EXTRA = Path("/etc/asterisk-connector/connector.toml"), Path("/etc/asterisk-connector/extra.toml")
SECRETS, SHARED = Path("/etc/asterisk-connector/secrets.json"), Path("/secrets")
STORE, STATE, LOG = Path("/var/lib/asterisk-connector"), Path("/var/lib/asterisk-state"), Path("/var/log/asterisk")
ARI_PORT, AMI_PORT, FASTAGI_PORT, COPIES_PORT, WEB_PORT = 8088, 5038, 4573, 9060, 8080
CERTIFICATE_DAYS = 3650
MOST_FILES = 8192
WAIT_S = 120


@dataclass(frozen=True)
class Place:
    """What this container is told by its environment. `rtp`: Asterisk's first and last port for media."""

    node: str
    sip_host: str
    sip_port: int
    tls_port: int
    rtp: tuple[int, int]
    public_url: str
    network: str
    asterisk_address: str
    address: str
    is_first: bool
    on_postgres: bool


@dataclass(frozen=True)
class Secrets:
    """What Asterisk and the connector sign in to each other with, and a person to the pages by hand."""

    ari: str
    ami: str
    web: str
    fastagi: str


def place(env: Mapping[str, str]) -> Place:
    """What the environment says. BadInput, in a line that names the variable, if something is missing or no use."""
    profiles = env.get("COMPOSE_PROFILES", "").replace(",", " ").split()
    try:
        checked_address(env.get("SIP_HOST", ""))
    except BadInput:
        raise BadInput(
            "SIP_HOST in docker/.env: the IPv4 address by which PBXs and carriers reach this machine"
        ) from None
    return Place(
        env["NODE"],
        env["SIP_HOST"],
        _port(env, "SIP_PORT"),
        _port(env, "TLS_PORT"),
        (_port(env, "RTP_FIRST"), _port(env, "RTP_LAST")),
        env.get("PUBLIC_URL", ""),
        env["NETWORK"],
        env["ASTERISK_ADDRESS"],
        env["CONNECTOR_ADDRESS"],
        env.get("FIRST_NODE", "yes") == "yes",
        bool({"postgres", "kamailio"} & set(profiles)),
    )


def _port(env: Mapping[str, str], name: str) -> int:
    text = env.get(name, "")
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise BadInput(f"{name} in docker/.env: a port is a number from 1 to 65535")
    return int(text)


def kept_secrets(path: Path) -> Secrets:
    """The secrets in a file, which is made the first time."""
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(*(secrets.token_urlsafe(24) for _ in range(4)))
    _write(path, json.dumps(asdict(made)) + "\n", 0o600)
    return made


def settings_text(where: Place, keys: Secrets, store: str, extra: str) -> str:
    """connector.toml. A JSON string is a TOML string too."""
    web = f"public_url = {json.dumps(where.public_url)}\n" if where.public_url else ""
    return f"""\
# Written at each start of the container: what you want to add goes into {EXTRA}.
node = {json.dumps(where.node)}

[store]
{store}
[ari]
host = {json.dumps(where.asterisk_address)}
port = {ARI_PORT}
user = "connector"
password = {json.dumps(keys.ari)}

[ami]
host = {json.dumps(where.asterisk_address)}
port = {AMI_PORT}
user = "connector"
password = {json.dumps(keys.ami)}

[sip]
host = {json.dumps(where.sip_host)}
port = {where.sip_port}
tls_port = {where.tls_port}
tcp_transport = "connector-tcp"
tls_transport = "connector-tls"
generated = "{ETC / "generated"}"
copies_host = {json.dumps(where.address)}
copies_port = {COPIES_PORT}

[journal]
path = "{LOG / "cel-custom" / "connector.csv"}"
messages = "{LOG / "messages.log"}"

[voicemail]
spool = "{STATE / "spool" / "voicemail"}"

[fastagi]
host = {json.dumps(where.address)}
port = {FASTAGI_PORT}
allowed = [{json.dumps(where.asterisk_address)}]
secret = {json.dumps(keys.fastagi)}

[web]
host = "0.0.0.0"
port = {WEB_PORT}
token = {json.dumps(keys.web)}
proxies = [{json.dumps(where.network + ".1")}]
{web}
{extra}"""


def store_text(where: Place) -> str:
    """The `[store]` of the settings. On PostgreSQL it waits for the password, and on a later node for the key that the
    first makes. BadInput if there are books in a file already.
    """
    file = STORE / "connector.db"
    key, password = SHARED / "connector.key", SHARED / "store-password"
    if not where.on_postgres:
        if not where.is_first:
            raise BadInput("a second node needs COMPOSE_PROFILES=kamailio in docker/.env: both share one store")
        if key.exists() and not file.exists():
            raise BadInput(
                "the store is in PostgreSQL, and COMPOSE_PROFILES in docker/.env does not say so: put it back"
                " (docs/containers.md says how the store moves)"
            )
        return f"path = {json.dumps(str(file))}\n"
    if file.exists():
        raise BadInput(
            f"there are books in {file}, and COMPOSE_PROFILES in docker/.env says PostgreSQL: take it out to go on"
            " with them; docs/containers.md says how they move"
        )
    for path in (password,) if where.is_first else (password, key):
        _wait_for(path)
    return (
        f'url = "postgresql://connector@postgres/connector"\npassword = {json.dumps(password.read_text().strip())}\n'
        f"key = {json.dumps(str(key))}\n"
    )


def asterisk_texts(where: Place, keys: Secrets, sources: Path = TEMPLATES) -> dict[str, str]:
    """Every file of Asterisk's config folder, by its path in there."""
    options = "\n".join(
        [
            f"external_signaling_address = {where.sip_host}",
            f"external_media_address = {where.sip_host}",
            f"local_net = {where.network}.0/24",
        ]
    )
    words = {
        "etc_dir": str(ETC),
        "modules_dir": f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/asterisk/modules",
        "data_dir": "/usr/share/asterisk",
        "state_dir": str(STATE),
        "run_dir": "/run/asterisk",
        "log_dir": str(LOG),
        "mail_command": "cat > /dev/null",
        "system_name": where.node,
        "max_files": str(MOST_FILES),
        "user_agent": "connector",
        "realm": "asterisk",
        "sip_host": where.sip_host,
        "bind_host": "0.0.0.0",
        "sip_port": str(where.sip_port),
        "tls_port": str(where.tls_port),
        "transport_options": options,
        "tls_certificate": str(ETC / "tls" / "certificate.pem"),
        "tls_key": str(ETC / "tls" / "key.pem"),
        "ari_host": "0.0.0.0",
        "ari_port": str(ARI_PORT),
        "ari_user": "connector",
        "ari_password": keys.ari,
        "http_enabled": "yes",
        "ami_enabled": "yes",
        "ami_host": "0.0.0.0",
        "ami_port": str(AMI_PORT),
        "ami_user": "connector",
        "ami_password": keys.ami,
        "ami_permit": f"{where.address}/255.255.255.255",
        "copies_host": where.address,
        "copies_port": str(COPIES_PORT),
        "rtp_start": str(where.rtp[0]),
        "rtp_end": str(where.rtp[1]),
    }
    own = {f"connector/{name}": text for name, text in dropin.own_texts("connector", where.sip_host).items()}
    return {**own, **templates.whole_config([sources], words)}


def lay_out(etc: Path, texts: Mapping[str, str], where: Place) -> None:
    """Write Asterisk's files; last of all the words that they are for: Asterisk's container waits for its own."""
    words = " ".join(map(str, (where.sip_host, where.sip_port, where.tls_port, *where.rtp)))
    for folder in ("connector", "generated", "tls"):
        (etc / folder).mkdir(mode=0o750, exist_ok=True)
    pem, key = etc / "tls" / "certificate.pem", etc / "tls" / "key.pem"
    if not pem.exists():
        made, private = certificate.made(where.sip_host, CERTIFICATE_DAYS)
        _write(key, private, 0o640)
        _write(pem, made, 0o640)
    for name, text in texts.items():
        _write(etc / name, text, 0o640)
    _write(etc / "words", words + "\n", 0o640)


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a file, if it says something else: its time tells when it changed."""
    if not path.exists() or path.read_text() != text:
        files.write(path, text, mode)


def _wait_for(path: Path) -> None:
    """BadInput if it does not come."""
    until = time.monotonic() + WAIT_S
    while not path.exists():
        if time.monotonic() > until:
            raise BadInput(f"{path} is not there: another container makes it, see 'docker compose ps'")
        time.sleep(0.5)


def main() -> int:
    """Write everything, then become the connector; the exit status if that cannot be."""
    try:
        where = place(os.environ)
        keys = kept_secrets(SECRETS)
        text = settings_text(where, keys, store_text(where), EXTRA.read_text() if EXTRA.exists() else "")
        config.parsed(text, SETTINGS)
        _write(SETTINGS, text, 0o600)
        lay_out(ETC, asterisk_texts(where, keys), where)
    except (ConnectorError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 78  # EX_CONFIG of sysexits.h
    return os.execvp("connector", ["connector", "serve"])


if __name__ == "__main__":
    sys.exit(main())
