"""Drops the connector into an Asterisk that somebody runs: our files beside theirs, an include line in a few of theirs.

Nothing of theirs is rewritten: lines are added at the end, between two marks, and taken out again byte for byte. All
that is ours lies in `DIR/connector/` and in connector.toml. How each file takes an include was read in Asterisk 22.10's
source: a second `[general]` is ignored in http.conf and manager.conf, an error in ari.conf, and `[general](+)` appends
to the first but is an error where there is none; so what is written depends on what is there.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from connector.core.calls import GATE_LIMIT_MS, LONGEST_BY_BUTTON_S
from connector.core.numbering import ANYWHERE
from connector.core.routes import MOST_WITHIN_S
from connector.errors import BadInput

OURS = "connector"
BOXES = "voicemail_boxes.conf"
RING_S = 60
_BEGIN, _END = "; >>> connector", "; <<< connector"
_BROKEN = " (a line break was added before this)"
_HERE = Path(__file__).parent
# FreePBX: who owns the lines, instead of the files that it generates.
_FREEPBX = {
    "extensions.conf": "extensions_custom.conf",
    "pjsip.conf": "pjsip_custom.conf",
    "ari.conf": "ari_additional_custom.conf",
    "manager.conf": "manager_custom.conf",
}
# Where FreePBX's sections are open already, and bare keys belong.
_FREEPBX_KEYS = {
    "ari_general_custom.conf": ("enabled = yes", "websocket_write_timeout = 5000"),
    "http_custom.conf": ("enabled = yes", "sessionlimit = 200"),
    "cel_general_custom.conf": ("enable = yes", "events = CHAN_START,ANSWER,HANGUP"),
}


@dataclass(frozen=True)
class Edit:
    """A file that is made whole (`text`), or one of theirs that gets `lines` at its end."""

    path: Path
    text: str = ""
    lines: tuple[str, ...] = ()
    mode: int = 0o640


@dataclass(frozen=True)
class Plan:
    """Everything that would be done, and what an admin should know."""

    edits: tuple[Edit, ...]
    notes: tuple[str, ...]


def own_texts(app: str, sip_host: str) -> dict[str, str]:
    """Our dialplan and our journal's mapping, by file name, filled in."""
    words = {
        "app_name": app,
        "gate_timeout_s": str(GATE_LIMIT_MS // 1000),
        "ring_s": str(RING_S),
        "longest_by_button_s": str(LONGEST_BY_BUTTON_S + MOST_WITHIN_S),
        "emergency": "-".join(ANYWHERE),
        "sip_host": sip_host,
    }
    found = {}
    for path in sorted(_HERE.glob("*.conf")):
        found[path.name] = re.sub(r"@([a-z_]+)@", lambda word: words[word.group(1)], path.read_text())
    return found


def plan(conf: Path, settings: Path, sip_host: str) -> Plan:
    """What to do for the Asterisk whose config is in a folder. BadInput if there is none, or ours is there already."""
    if not (conf / "asterisk.conf").is_file() and not (conf / "extensions.conf").is_file():
        raise BadInput(f"there is no Asterisk config in {conf}")
    for path in sorted(conf.glob("*.conf")):
        if _BEGIN in _text(path):
            raise BadInput(f"it is installed in {conf} already: {path.name} has our lines ('connector uninstall')")
    if settings.exists():
        raise BadInput(f"{settings} is there already: move it away, or say --settings")
    freepbx = "freepbx" in _text(conf / "extensions.conf").lower()
    ari, ami, web = (secrets.token_urlsafe(24) for _ in range(3))
    transport = _transport(conf)
    ours, notes = _own_files(conf, ari, ami, transport, sip_host, freepbx)
    if freepbx:
        notes.append("FreePBX writes voicemail.conf itself: routes can use no mailboxes of the connector's")
    edits = [Edit(conf / OURS / name, text) for name, text in ours.items()]
    edits += _includes(conf, freepbx)
    edits.append(Edit(settings, _settings(conf, ari, ami, web, transport, sip_host), mode=0o600))
    return Plan(tuple(edits), tuple(notes + _notes(conf)))


def install(found: Plan) -> None:
    """Do it. BadInput, and what was done is taken back, if a file cannot be written."""
    done: list[Edit] = []
    try:
        for edit in found.edits:
            done.append(edit)
            if edit.lines:
                _append(edit.path, edit.lines)
            else:
                edit.path.parent.mkdir(mode=0o750, exist_ok=True, parents=True)
                _write(edit.path, edit.text, edit.mode)
        for folder in {edit.path.parent for edit in found.edits if edit.path.parent.name == OURS}:
            (folder / "generated").mkdir(mode=0o750, exist_ok=True)
            _as_their_group(folder / "generated", folder.parent)
            _as_their_group(folder, folder.parent)
    except OSError as error:
        for edit in done:
            _take_out(edit.path) if edit.lines else edit.path.unlink(missing_ok=True)
        raise BadInput(f"{error.filename or 'a file'} cannot be written: {error.strerror}") from error


def installed(conf: Path) -> list[Path]:
    """Their files that have our lines, and ours. BadInput if there are none."""
    found = [path for path in sorted(conf.glob("*.conf")) if _BEGIN in _text(path)]
    found += sorted(path for path in (conf / OURS).rglob("*") if path.is_file())
    if not found:
        raise BadInput(f"nothing of the connector is in {conf}")
    return found


def uninstall(conf: Path) -> list[Path]:
    """Take our lines out of their files, and our files away; which were touched. BadInput if there are none.

    connector.toml and the store stay: they are the company's books.
    """
    touched = installed(conf)
    try:
        for path in touched:
            if path.is_relative_to(conf / OURS):
                path.unlink()
            else:
                _take_out(path)
        for folder in (*sorted((conf / OURS).rglob("*"), reverse=True), conf / OURS):
            if folder.is_dir():
                folder.rmdir()
    except OSError as error:
        raise BadInput(f"{error.filename or 'a file'} cannot be changed: {error.strerror}") from error
    return touched


def _own_files(
    conf: Path, ari: str, ami: str, transport: str | None, sip_host: str, freepbx: bool
) -> tuple[dict[str, str], list[str]]:
    notes = []
    pjsip = "; The connector's part of pjsip. Profiles and trunks are generated.\n"
    if transport is None:
        pjsip += f"\n[connector-udp]\ntype = transport\nprotocol = udp\nbind = {sip_host}:5060\n"
        notes.append(f"there is no UDP transport in pjsip.conf: ours is bound to {sip_host}:5060")
    pjsip += f'\n#tryinclude "{OURS}/generated/pjsip_profiles.conf"\n'
    files = {
        **own_texts("connector", sip_host),
        "pjsip.conf": pjsip,
        "ari.conf": _general(conf / "ari.conf", [] if freepbx else ["enabled = yes", "websocket_write_timeout = 5000"])
        + f"[connector]\ntype = user\nread_only = no\npassword_format = plain\npassword = {ari}\n",
        "manager.conf": _manager(conf, ami, freepbx),
    }
    if not freepbx:
        files["http.conf"] = _general(conf / "http.conf", ["enabled = yes", "sessionlimit = 200"])
        files["voicemail.conf"] = f'; The mailboxes.\n#tryinclude "{OURS}/generated/{BOXES}"\n'
        files["cel.conf"] = "[general]\nenable = yes\nevents = CHAN_START,ANSWER,HANGUP\n"
    return files, notes


def _general(path: Path, keys: list[str]) -> str:
    """Keys for the file's [general]: added to it, or with a new one where there is none."""
    if not keys:
        return ""
    head = "[general](+)" if _has_section(path, "general") else "[general]"
    return "\n".join([head, *keys]) + "\n\n"


def _manager(conf: Path, secret: str, freepbx: bool) -> str:
    user = (
        f"[connector]\nsecret = {secret}\ndeny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.0/255.0.0.0\n"
        "read = system,call\nwrite = system,call\nwritetimeout = 5000\n"
    )
    if freepbx or _key(conf / "manager.conf", "general", "enabled") == "yes":
        return user
    return _general(conf / "manager.conf", ["enabled = yes", "bindaddr = 127.0.0.1"]) + user


def _includes(conf: Path, freepbx: bool) -> list[Edit]:
    edits = []
    for name in (*_FREEPBX, "http.conf", "cel.conf", "voicemail.conf"):
        if freepbx and name not in _FREEPBX:
            continue
        path = conf / (_FREEPBX.get(name, name) if freepbx else name)
        edits.append(Edit(path, lines=(f"#tryinclude {OURS}/{name}",)))
    if freepbx:
        edits += [Edit(conf / name, lines=keys) for name, keys in _FREEPBX_KEYS.items()]
    edits.append(Edit(conf / "cel_custom.conf", lines=(f"#tryinclude {OURS}/cel_custom.conf",)))
    return edits


def _settings(conf: Path, ari: str, ami: str, web: str, transport: str | None, sip_host: str) -> str:
    realm = _key(conf / "pjsip.conf", "global", "default_realm") or "asterisk"
    ports = {
        "ari": _key(conf / "http.conf", "general", "bindport") or "8088",
        "ami": _key(conf / "manager.conf", "general", "port") or "5038",
    }
    log = _key(conf / "asterisk.conf", "directories", "astlogdir") or "/var/log/asterisk"
    return f"""\
# Written by `connector install`. What each word means: connector/config.py
node = "{_key(conf / "asterisk.conf", "options", "systemname") or "asterisk"}"

[store]
path = "/var/lib/asterisk-connector/connector.db"

[ari]
port = {ports["ari"]}
user = "connector"
password = "{ari}"

[ami]
port = {ports["ami"]}
user = "connector"
password = "{ami}"

[sip]
host = "{sip_host}"
realm = "{realm}"
transport = "{transport or "connector-udp"}"
generated = "{conf / OURS / "generated"}"

[journal]
path = "{log}/cel-custom/connector.csv"
messages = "{log}/messages.log"

[web]
token = "{web}"
"""


def _notes(conf: Path) -> list[str]:
    notes = []
    log = _key(conf / "asterisk.conf", "directories", "astlogdir") or "/var/log/asterisk"
    notes.append(f"make the folder {log}/cel-custom, writable for Asterisk: it does not make it itself")
    if _key(conf / "modules.conf", "modules", "autoload") != "yes":
        notes.append("modules.conf does not load by itself what we need: 'connector doctor' says what is missing")
    if _key(conf / "http.conf", "general", "bindaddr") not in ("127.0.0.1", "localhost", "::1"):
        notes.append("http.conf lets others than this machine reach ARI: bindaddr = 127.0.0.1 would not")
    if not _key(conf / "asterisk.conf", "options", "systemname"):
        notes.append(
            "asterisk.conf has no systemname: with several Asterisks each needs one, and [general] node the same"
        )
    notes.append("then restart Asterisk ('core restart when convenient'): modules that were off are loaded then")
    return notes


def _transport(conf: Path) -> str | None:
    """The name of their UDP transport, if they have one."""
    for path in sorted(conf.glob("pjsip*.conf")):
        for name, keys in _sections(path):
            if keys.get("type") == "transport" and keys.get("protocol", "udp") == "udp":
                return name
    return None


def _sections(path: Path) -> Iterable[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for line in _text(path).splitlines():
        bare = line.partition(";")[0].strip()
        section = re.match(r"\[([^\]]+)\]", bare)
        if section:
            found.append((section.group(1), {}))
        elif "=" in bare and found:
            key, _, value = bare.partition("=")
            found[-1][1][key.strip()] = value.lstrip("> ").strip()
    return found


def _has_section(path: Path, name: str) -> bool:
    return any(section == name for section, _ in _sections(path))


def _key(path: Path, section: str, key: str) -> str:
    return next((keys[key] for name, keys in _sections(path) if name == section and key in keys), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _append(path: Path, lines: tuple[str, ...]) -> None:
    text = _text(path)
    broken = bool(text) and not text.endswith("\n")
    block = "\n".join([_BEGIN + (_BROKEN if broken else ""), *lines, _END]) + "\n"
    _write(path, text + ("\n" if broken else "") + block, None)


def _take_out(path: Path) -> None:
    """Their file as it was; one that we made is gone."""
    text = _text(path)
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < 0:
        return
    broken = text[begin:].startswith(_BEGIN + _BROKEN)
    left = text[: begin - 1 if broken else begin] + text[end + len(_END) + 1 :]
    if left:
        _write(path, left, None)
    else:
        path.unlink()


def _write(path: Path, text: str, mode: int | None) -> None:
    """Replace a file at once; theirs keeps its owner, its group and its mode."""
    there = path.stat() if path.exists() else None
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text.encode(errors="surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), there.st_mode & 0o7777 if there else mode or 0o640)
    try:
        if there:
            os.chown(new, there.st_uid, there.st_gid)
        elif mode != 0o600:
            _as_their_group(new, path.parent)
        new.rename(path)
    except OSError:
        new.unlink()
        raise


def _as_their_group(path: Path, like: Path) -> None:
    """Readable for who reads the folder, which is Asterisk."""
    os.chown(path, -1, like.stat().st_gid)
