"""Installs the connector's files into an Asterisk's config folder, updates them, and removes them.

Nothing of the admin's is rewritten: lines are added at the end of a few files, between two marks, and removed again
byte for byte. Everything else is in `DIR/connector/` and in connector.toml. How each file takes an include was read in
Asterisk 22.10's source: a second `[general]` is ignored in http.conf and manager.conf, an error in ari.conf, and
`[general](+)` appends to the first but is an error where there is none; so what is written depends on what is there.

FreePBX (read in the sources of its modules core, arimanager and cel, releases 16 and 17) writes most files itself, and
includes others that are the admin's, in which bare options belong to the section before. An include of a missing file
keeps Asterisk from reading the whole file, so an empty file of the admin's stays.

    DIR/connector/*.conf            ours, as Asterisk's user reads them
    DIR/connector/generated/        what the running connector writes (asterisk/apply.py)
    DIR/connector/installed.json    the folders and files outside DIR/connector that were made
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from connector import config
from connector.asterisk import accounts, conf_files
from connector.asterisk.accounts import READ, WRITE, Account
from connector.asterisk.templates import filled
from connector.core.calls import GATE_LIMIT_MS, LONGEST_BY_BUTTON_S
from connector.core.numbering import ANYWHERE
from connector.core.routes import MOST_WITHIN_S
from connector.errors import BadInput, SettingsError

OURS = "connector"
BOXES = "voicemail_boxes.conf"
RECORD = "installed.json"
OWN_TRANSPORT = "connector-udp"
JOURNAL = "cel-custom"
ROTATION = "asterisk-connector"
_OTHERS = ("pjsip.conf", "ari.conf", "manager.conf", "http.conf", "voicemail.conf", "cel.conf")
UNITS = ("asterisk-connector-gate.service", "asterisk-connector-control.service")
# Where the Debian package brings them (packaging/deb.py).
PACKAGED_UNITS = Path("/usr/lib/systemd/system")
# The script for sysvinit. It has the name of the rule for logrotate; the folder tells which of the two it is.
SCRIPT = "asterisk-connector"
SCRIPTS = "init.d"
_OF_SYSVINIT = ("update-rc.d", "start-stop-daemon")
LOG = Path("/var/log/asterisk-connector/connector.log")
_EACH_WEEK = "    weekly\n    maxsize 100M\n    rotate 8\n    missingok\n    notifempty\n    compress"
_HEAD = "# Written by `connector install`"
STORE = Path("/var/lib/asterisk-connector")
AS_ROOT = (
    "the connector must not run as root: 'adduser --system --group --no-create-home asterisk-connector' makes a user"
    " for it, 'connector setup' too; --user names another one"
)
VERSION_VARIABLE = "CONNECTOR_DIALPLAN"
RING_S = 60
_ODD_FOR_SYSTEMD = re.compile(r"""[\s"'%$;\\]""")
_BEGIN, _END = "; >>> connector", "; <<< connector"
_BROKEN = " (a line break was added before this)"
_MADE = " (this file was made for it)"
_HERE = Path(__file__).parent
_SECRET = re.compile(r"^([-+ ]?[\s;]*[\w-]*(?:pass|secret|token|auth)[\w-]*\s*=>?\s*).*$", re.IGNORECASE)
# The admin's files that FreePBX includes, instead of those that it writes.
_FREEPBX = {
    "extensions.conf": "extensions_custom.conf",
    "pjsip.conf": "pjsip_custom.conf",
    "ari.conf": "ari_additional_custom.conf",
    "manager.conf": "manager_custom.conf",
}
# Those in which a section is open already, and bare options belong.
_FREEPBX_OPTIONS = {
    "ari_general_custom.conf": ("enabled = yes", "websocket_write_timeout = 5000"),
    "http_custom.conf": ("enabled = yes", "sessionlimit = 200"),
    "cel_general_custom.conf": ("enable = yes", "events = CHAN_START,ANSWER,HANGUP"),
}
# `fwconsole chown`, at each start of FreePBX, gives everything in Asterisk's config folder to Asterisk's user, but for
# what this file names (FreePBX's Chown.class.php; some releases look at the folder of a file only, so both are named).
_FREEPBX_CHOWN = "freepbx_chown.conf"
# What has Asterisk read a changed file again, without ending a call.
_RELOADS = {
    "extensions.conf": "dialplan reload",
    "pjsip.conf": "module reload res_pjsip.so",
    "ari.conf": "module reload res_ari.so",
    "manager.conf": "manager reload",
    "voicemail.conf": "module reload app_voicemail.so",
    "cel.conf": "module reload cel",
    "cel_custom.conf": "module reload cel_custom.so",
    "http.conf": "module reload http",
}


@dataclass(frozen=True)
class Edit:
    """One thing to do. `action` is `folder` (made if missing), `file` (made whole, of `text`) or `lines` (`lines` are
    added at the end of a file of the admin's). `owner`: user and group numbers; None: whom the folder belongs to.
    """

    action: str
    path: Path
    text: str = ""
    lines: tuple[str, ...] = ()
    mode: int = 0o640
    owner: tuple[int, int] | None = None

    def view(self) -> dict[str, object]:
        """What people and programs may see of it: no content, for it has secrets."""
        shown: dict[str, object] = {"action": self.action, "path": str(self.path)}
        if self.action == "lines":
            return {**shown, "lines": list(self.lines)}
        return {**shown, "mode": f"{self.mode:o}", "owner": self.owner and accounts.numbered(*self.owner).name}


@dataclass(frozen=True)
class Plan:
    """Everything that would be done, and what an admin should know. `after`: the commands that come after it.
    `difference`: of an update, line by line.
    """

    conf: Path
    settings: Path
    edits: tuple[Edit, ...]
    notes: tuple[str, ...]
    after: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """What an uninstall takes away or changes, and what stays, with the reason."""

    touched: tuple[Path, ...]
    left: tuple[str, ...]


def own_texts(app: str, sip_host: str) -> dict[str, str]:
    """Our dialplan and our journal's mapping, by file name, filled in."""
    words = {
        "app_name": app,
        "gate_timeout_s": str(GATE_LIMIT_MS // 1000),
        "ring_s": str(RING_S),
        "longest_by_button_s": str(LONGEST_BY_BUTTON_S + MOST_WITHIN_S),
        "emergency": "-".join(ANYWHERE),
        "sip_host": sip_host,
        "dialplan_version": dialplan_version(),
    }
    return {path.name: filled(path.read_text(), words, path.name) for path in sorted(_HERE.glob("*.conf"))}


def unit_texts(words: Mapping[str, str]) -> dict[str, str]:
    """The service units, by file name, filled in. `words`: user, group, asterisk_group, python, settings, store,
    generated, protect_home.
    """
    return {name: _unit_text(name, words) for name in UNITS}


def _unit_text(name: str, words: Mapping[str, str]) -> str:
    odd = next((word for word in words.values() if _ODD_FOR_SYSTEMD.search(word)), None)
    if odd is not None:
        raise BadInput("systemd's units cannot name {odd!r}: it has a space, a quote, or one of % $ ; \\", odd=odd)
    return filled(_template(name), words, name)


def _script_text(words: Mapping[str, str]) -> str:
    return filled(_template(SCRIPT), {name: shlex.quote(word) for name, word in words.items()}, SCRIPT)


def _template(name: str) -> str:
    return (resources.files("connector.service") / "units" / name).read_text()


def service_folder() -> Path:
    """Where the init system that runs here looks for its units, or its scripts if it is sysvinit as Debian has it."""
    systemd, scripts = Path("/etc/systemd/system"), Path("/etc") / SCRIPTS
    is_debians = scripts.is_dir() and not scripts.is_symlink() and all(map(shutil.which, _OF_SYSVINIT))
    return scripts if is_debians and not Path("/run/systemd/system").exists() else systemd


def start_command(files: Iterable[Path]) -> str:
    """What starts the connector, now and at each boot, by those of the files that are for an init system; "" if none
    is.
    """
    if any(_is_script(path) for path in files):
        return f"update-rc.d {SCRIPT} defaults && service {SCRIPT} start"
    if any(path.name in UNITS for path in files):
        return f"systemctl daemon-reload && systemctl enable --now {' '.join(UNITS)}"
    return ""


def stop_command(files: Iterable[Path]) -> str:
    """What stops the connector and has the init system forget it, once its files are gone; "" if none is for an init
    system.
    """
    known = list(files)
    if any(_is_script(path) for path in known):  # which is gone by then
        stop = f"start-stop-daemon --stop --oknodo --retry TERM/20/KILL/5 --remove-pidfile --pidfile /run/{SCRIPT}.pid"
        return f"{stop}; update-rc.d {SCRIPT} remove"
    units = sorted({path.name for path in known if path.name in UNITS})
    return f"systemctl disable --now {' '.join(units)}; systemctl daemon-reload" if units else ""


def dialplan_version() -> str:
    """The name of this program's dialplan, which Asterisk has in the global variable VERSION_VARIABLE."""
    return hashlib.sha256((_HERE / "extensions.conf").read_bytes()).hexdigest()[:12]


def plan(
    conf: Path,
    settings: Path,
    sip_host: str,
    user: str = "",
    store: Path = STORE,
    logrotate: Path | None = None,
    units: Path | None = None,
) -> Plan:
    """What an install would do to the Asterisk whose config is in the folder `conf`.

    `user`: whom the connector will run as; "": who runs this. `logrotate`: the folder of its rules; None: the journal
    is not rotated. `units`: the folder for systemd's units, or one named init.d for a script; None: there are none.
    BadInput if there is no Asterisk config, or the connector is installed already, or there is no such user.
    """
    check_is_asterisks(conf)
    present = next((path for path in sorted(conf.glob("*.conf")) if _BEGIN in _text(path)), None)
    if present is not None:
        raise BadInput(
            "it is installed in {conf} already: {name} has our lines ('connector install --update'"
            " or 'connector uninstall')",
            conf=conf,
            name=present.name,
        )
    if settings.exists():
        raise BadInput(
            "{settings} is there already: move it away, or name another file by --settings", settings=settings
        )
    asterisk, ours = accounts.of_asterisk(conf), _ours(user)
    keys = tuple(secrets.token_urlsafe(24) for _ in range(3))
    freepbx = is_freepbx(conf)
    texts, notes = _own_files(conf, keys[0], keys[1], "connector", sip_host, freepbx)
    edits = _folders(conf, asterisk, ours) + _own_edits(conf, texts, _shared_group(asterisk, ours))
    words = _unit_words(conf, settings, store, ours, _shared_group(asterisk, ours))
    for path in _system_files(logrotate, units):
        if path.parent.is_dir():
            text = _system_text(path, conf, asterisk, words)
            if _text(PACKAGED_UNITS / path.name) != text:
                edits.append(_system_edit(path, text))
    after = ["asterisk -rx 'core restart when convenient'"]  # modules that were off are loaded then
    by_script = units is not None and units.name == SCRIPTS
    command = start_command([*([] if by_script else packaged_units()), *(edit.path for edit in edits)])
    after += [command] if command else []
    edits += _includes(conf, freepbx)
    edits.append(Edit("folder", store, mode=0o750, owner=(ours.uid, ours.gid)))
    edits.append(Edit("folder", settings.parent, mode=0o750, owner=(os.geteuid(), ours.gid)))
    mode = 0o600 if ours == accounts.own() else 0o640
    text = _settings(conf, keys, sip_host, store)
    try:
        config.parsed(text, settings)
    except SettingsError as error:
        raise BadInput("what Asterisk's config says does not fit: {error}", error=error) from error
    edits.append(Edit("file", settings, text, mode=mode, owner=(os.geteuid(), ours.gid)))
    notes += _notes(conf, freepbx)
    if ours.uid != 0 and _shared_group(asterisk, ours) not in ours.groups:
        command = f"usermod --append --groups {asterisk.group} {ours.name}"
        notes.append(f"{ours.name} cannot read Asterisk's journal: '{command}'")
    return Plan(
        conf,
        settings,
        tuple(edit for edit in edits if edit.action != "folder" or not edit.path.exists()),
        tuple(notes),
        tuple(after),
    )


def update_plan(conf: Path, settings: Path) -> Plan:
    """What an update would do: our files as this version of the program writes them. Secrets, settings, the admin's
    files and what the connector generated stay. BadInput if the connector is not installed there.
    """
    installed(conf)
    try:
        known = config.read(settings)
    except SettingsError as error:
        raise BadInput("{error}; name the settings file by --settings", error=error) from error
    freepbx = is_freepbx(conf)
    ari, ami = known.ari.password.get_secret_value(), known.ami.password.get_secret_value()
    own_transport = known.sip.transport == OWN_TRANSPORT
    texts, _ = _own_files(conf, ari, ami, known.ari.app, known.sip.host, freepbx, own_transport=own_transport)
    asterisk, ours = accounts.of_asterisk(conf), runs_as(known)
    shared = _shared_group(asterisk, ours)
    folders = [each for each in _folders(conf, asterisk, ours) if not _is_given(each)]
    files = [each for each in _own_edits(conf, texts, shared) if _text(each.path) != each.text or not _is_given(each)]
    lines = [each for each in _includes(conf, freepbx) if _block_of(_text(each.path)) != each.lines]
    store = known.store.path.parent if known.store.path else STORE
    system: dict[Path, str] = {}
    notes: list[str] = []
    words = _unit_words(conf, settings, store, ours, shared)
    for path in (found for found in recorded(conf) if found.name != JOURNAL):
        try:
            system[path] = _system_text(path, conf, asterisk, words)
        except BadInput as error:
            notes.append(f"{path} stays as it is: {error}")
    outside = [_system_edit(path, text) for path, text in system.items() if _text(path) != text]
    difference = [line for each in files for line in _difference(each)]
    difference += [f"{each.path}: {line}" for each in lines for line in each.lines]
    difference += [f"{each.path}: mode {each.mode:o}, group {accounts.group_name(shared)}" for each in folders]
    difference += [line for each in outside for line in _difference(each)]
    edits = [*folders, *files, *lines, *outside]
    changed = {each.path.name for each in edits}
    after = [f"asterisk -rx '{command}'" for name, command in _RELOADS.items() if name in changed]
    if any(path.name in UNITS for path in system):
        after.append(f"systemctl daemon-reload && systemctl restart {' '.join(UNITS)}")
    if any(_is_script(path) for path in system):
        after.append(f"service {SCRIPT} restart")
    return Plan(conf, settings, tuple(edits), tuple(notes), tuple(after), tuple(difference))


def install(found: Plan) -> list[str]:
    """Do what a plan says; what is wrong afterwards, for somebody cannot read or write what they must.

    BadInput, and what was done is taken back, if a file cannot be written.
    """
    undo: list[tuple[Edit, bytes | None]] = []
    try:
        for edit in found.edits:
            there = edit.path.exists()
            if edit.action == "folder":
                if not there:
                    undo.append((edit, None))
                _make_folder(edit)
                continue
            undo.append((edit, _bytes(edit.path) if there else None))
            if edit.action == "lines":
                _put_block(edit.path, edit.lines)
            else:
                _write(edit.path, edit.text, edit)
        made = [str(edit.path) for edit, was in undo if was is None and not edit.path.is_relative_to(found.conf)]
        record = found.conf / OURS / RECORD
        if made and not record.exists():
            _write(record, json.dumps({"made": made}) + "\n", Edit("file", record, mode=0o640))
    except OSError as error:
        _take_back(undo)
        raise BadInput(
            "{filename} cannot be written: {strerror}", filename=error.filename or "a file", strerror=error.strerror
        ) from error
    return unreadable(found.conf, runs_as(config.read(found.settings)), found.settings)


def runs_as(known: config.Settings) -> Account:
    """Whom the connector runs as: the owner of its store's folder, or of what it generates."""
    folder = known.store.path.parent if known.store.path else known.sip.generated
    return accounts.owner_of(folder) if folder.exists() else accounts.own()


def unreadable(conf: Path, ours: Account, settings: Path | None = None) -> list[str]:
    """What Asterisk's user cannot read of our files, and ours cannot write, in words; none if nothing is wrong.

    `settings`: the settings file, if it is to be looked at too.
    """
    asterisk = accounts.of_asterisk(conf)
    generated = conf / OURS / "generated"
    if not generated.is_dir():
        return []
    journal = _journal_folder(conf)
    wanted = [(asterisk, path, READ, "read") for path in _files_for_asterisk(conf)]
    wanted += [(asterisk, journal, WRITE | accounts.ENTER, "write to")]
    wanted += [(ours, generated, WRITE | accounts.ENTER, "write to")]
    if settings is not None:
        wanted += [(ours, settings, READ, "read")]
    found = []
    if not journal.is_dir():
        found.append(f"the folder {journal} is missing, and Asterisk does not make it")
    for account, path, mode, word in wanted:
        place = accounts.obstacle(account, path, mode)
        if place is not None:
            found.append(f"the user {account.name} cannot {word} {path}: {place} is {accounts.shown(place)}")
    return found


def installed(conf: Path) -> list[Path]:
    """The admin's files that have our lines, and our files. BadInput if there are none."""
    found = [path for path in sorted(conf.glob("*.conf")) if _BEGIN in _text(path)]
    found += sorted(path for path in (conf / OURS).rglob("*") if path.is_file())
    if not found:
        raise BadInput("the connector is not installed in {conf}", conf=conf)
    return found


def uninstall(conf: Path) -> Removal:
    """Remove our lines from the admin's files, and our files and folders. BadInput if there are none.

    connector.toml and the store stay: they are the company's books. So does what is not ours, and the journal of calls.
    """
    touched: list[Path] = []
    left: list[str] = []
    try:
        for path in (path for path in installed(conf) if not path.is_relative_to(conf / OURS)):
            _take_block_out(path)
            touched.append(path)
        for path in recorded(conf):
            _remove(path, touched, left)
        if (conf / OURS).exists():
            _remove_ours(conf, touched)
            _remove(conf / OURS, touched, left)
    except OSError as error:
        raise BadInput(
            "{filename} cannot be changed: {strerror}", filename=error.filename or "a file", strerror=error.strerror
        ) from error
    return Removal(tuple(touched), tuple(left))


def _remove_ours(conf: Path, touched: list[Path]) -> None:
    """Remove what is in our folder, the record last: whatever fails before it can be done again."""
    ours = conf / OURS
    folder = os.open(ours, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        generated = _stat("generated", folder)
        if generated is not None and stat.S_ISDIR(generated.st_mode):
            touched += sorted(path for path in (ours / "generated").rglob("*") if path.is_file())
            shutil.rmtree("generated", dir_fd=folder)
        for name in (*own_texts("", ""), *_OTHERS, RECORD):
            if _stat(name, folder) is not None:
                os.unlink(name, dir_fd=folder)
                touched.append(ours / name)
    finally:
        os.close(folder)


def _remove(path: Path, touched: list[Path], left: list[str]) -> None:
    """Remove a file, or a folder that is empty."""
    if path.is_symlink() or not path.exists():
        return
    if path.is_dir() and any(path.iterdir()):
        left.append(f"{path}: it is not empty")
        return
    path.rmdir() if path.is_dir() else path.unlink()
    touched.append(path)


def _folders(conf: Path, asterisk: Account, ours: Account) -> list[Edit]:
    """Our folders, and the one for Asterisk's journal, which it does not make itself."""
    shared = _shared_group(asterisk, ours)
    return [
        Edit("folder", conf / OURS, mode=0o750, owner=(_keeper(conf), shared)),
        Edit("folder", conf / OURS / "generated", mode=0o2750, owner=(ours.uid, shared)),
        Edit("folder", _journal_folder(conf), mode=0o2750, owner=(asterisk.uid, shared)),
    ]


def _own_edits(conf: Path, texts: Mapping[str, str], shared: int) -> list[Edit]:
    """Our files that Asterisk reads."""
    owner = (_keeper(conf), shared)
    return [Edit("file", conf / OURS / name, text, owner=owner) for name, text in texts.items()]


def _system_files(logrotate: Path | None, units: Path | None) -> list[Path]:
    """The files for logrotate and for the init system, in the folders that are given (None: there is none)."""
    found = [logrotate / ROTATION] if logrotate is not None else []
    if units is not None:
        found += [units / name for name in ((SCRIPT,) if units.name == SCRIPTS else UNITS)]
    return found


def _system_text(path: Path, conf: Path, asterisk: Account, words: Mapping[str, str]) -> str:
    """What one of those files is to have in it."""
    if path.name in UNITS:
        return _unit_text(path.name, words)
    return _script_text(words) if _is_script(path) else _rotation(_journal_folder(conf), asterisk)


def _is_script(path: Path) -> bool:
    return path.name == SCRIPT and path.parent.name == SCRIPTS


def _system_edit(path: Path, text: str) -> Edit:
    mode = 0o755 if _is_script(path) else 0o644
    return Edit("file", path, text, mode=mode, owner=(os.geteuid(), os.getegid()))


def check_is_asterisks(conf: Path) -> None:
    """BadInput unless the folder has the config of an Asterisk."""
    if not (conf / "asterisk.conf").is_file() and not (conf / "extensions.conf").is_file():
        raise BadInput("there is no Asterisk config in {conf}: name its folder by --asterisk-conf", conf=conf)


def packaged_units() -> list[Path]:
    """Those of our units that the Debian package brought."""
    return [PACKAGED_UNITS / name for name in UNITS if (PACKAGED_UNITS / name).exists()]


def _ours(user: str) -> Account:
    if not user and os.geteuid() == 0:
        raise BadInput(AS_ROOT)
    found = accounts.named(user) if user else accounts.own()
    if found is None:
        raise BadInput(
            "there is no user {user}: 'adduser --system --group --no-create-home {user}' makes it,"
            " then 'usermod --append --groups asterisk {user}'",
            user=user,
        )
    return found


def _shared_group(asterisk: Account, ours: Account) -> int:
    """The group by which each reads what the other writes: Asterisk's; ours, where Asterisk runs as root: nobody else
    should be in root's group, and root reads everything.
    """
    return asterisk.gid if asterisk.gid != 0 else ours.gid


def is_freepbx(conf: Path) -> bool:
    """Whether it is FreePBX's: its extensions.conf includes what FreePBX writes."""
    return conf / "extensions_additional.conf" in conf_files.includes(conf, "extensions.conf")


def _keeper(conf: Path) -> int:
    """The owner of our files, which Asterisk only reads: the user who installed them."""
    ours = conf / OURS
    return ours.stat().st_uid if ours.exists() else os.geteuid()


def _files_for_asterisk(conf: Path) -> list[Path]:
    found = sorted((conf / OURS).glob("*.conf"))
    return [*found, *sorted((conf / OURS / "generated").glob("*.conf")), conf / OURS / "generated"]


def _own_files(
    conf: Path, ari: str, ami: str, app: str, sip_host: str, freepbx: bool, *, own_transport: bool = False
) -> tuple[dict[str, str], list[str]]:
    """`own_transport`: ours is in use already."""
    notes = []
    pjsip = "; The connector's part of pjsip. Profiles and trunks are generated.\n"
    if own_transport or "udp" not in _transports(conf):
        pjsip += f"\n[{OWN_TRANSPORT}]\ntype = transport\nprotocol = udp\nbind = {sip_host}:5060\n"
        notes.append(f"there is no UDP transport in pjsip.conf: ours is bound to {sip_host}:5060")
    pjsip += f'\n#tryinclude "{OURS}/generated/pjsip_profiles.conf"\n'
    files = {
        **own_texts(app, sip_host),
        "pjsip.conf": pjsip,
        "ari.conf": _general(conf, "ari.conf", [] if freepbx else ["enabled = yes", "websocket_write_timeout = 5000"])
        + f"[connector]\ntype = user\nread_only = no\npassword_format = plain\npassword = {ari}\n",
        "manager.conf": _manager(conf, ami, freepbx),
    }
    if not freepbx:
        files["http.conf"] = _general(conf, "http.conf", ["enabled = yes", "sessionlimit = 200"])
        files["voicemail.conf"] = f'; The mailboxes.\n#tryinclude "{OURS}/generated/{BOXES}"\n'
        files["cel.conf"] = "[general]\nenable = yes\nevents = CHAN_START,ANSWER,HANGUP\n"
    return files, notes


def _theirs(conf: Path, name: str, section: str, key: str) -> str:
    """The value of an option in the admin's files: what we include in them does not count."""
    return conf_files.option(conf, name, section, key, without=conf / OURS)


def _general(conf: Path, name: str, options: Sequence[str]) -> str:
    """Options for the file's [general]: added to it, or with a new one where there is none."""
    if not options:
        return ""
    theirs = {each.name for each in conf_files.sections(conf, name, without=conf / OURS)}
    head = "[general](+)" if "general" in theirs else "[general]"
    return "\n".join([head, *options]) + "\n\n"


def _manager(conf: Path, secret: str, freepbx: bool) -> str:
    host, _ = _endpoint(conf, "manager.conf", "port", "5038")
    more = "" if host.startswith("127.") else f"permit = {host}\n"
    user = (
        f"[connector]\nsecret = {secret}\ndeny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.0/255.0.0.0\n{more}"
        "read = system,call\nwrite = system,call,user\nwritetimeout = 5000\n"
    )
    # ast_true of Asterisk's main/utils.c
    if freepbx or _theirs(conf, "manager.conf", "general", "enabled").lower() in ("yes", "true", "y", "t", "1", "on"):
        return user
    options = ["enabled = yes"]
    if host == "127.0.0.1":  # it was off: now that it is on, other machines do not reach it
        options.append("bindaddr = 127.0.0.1")
    return _general(conf, "manager.conf", options) + user


def _includes(conf: Path, freepbx: bool) -> list[Edit]:
    edits = []
    for name in (*_FREEPBX, "http.conf", "cel.conf", "voicemail.conf"):
        if freepbx and name not in _FREEPBX:
            continue
        path = conf / (_FREEPBX.get(name, name) if freepbx else name)
        edits.append(Edit("lines", path, lines=(f"#tryinclude {OURS}/{name}",)))
    if freepbx:
        edits += [Edit("lines", conf / name, lines=options) for name, options in _FREEPBX_OPTIONS.items()]
        kept = tuple(f"directory = {folder}" for folder in (conf / OURS, conf / OURS / "generated"))
        edits.append(Edit("lines", conf / _FREEPBX_CHOWN, lines=("[blacklist]", *kept)))
    edits.append(Edit("lines", conf / "cel_custom.conf", lines=(f"#tryinclude {OURS}/cel_custom.conf",)))
    return edits


def _settings(conf: Path, keys: Sequence[str], sip_host: str, store: Path) -> str:
    """The text of connector.toml. A JSON string is a TOML string too."""
    http, manager = _endpoint(conf, "http.conf", "bindport", "8088"), _endpoint(conf, "manager.conf", "port", "5038")
    prefix = _theirs(conf, "http.conf", "general", "prefix").strip("/")
    transports = _transports(conf)
    udp, udp_port = transports.get("udp", (OWN_TRANSPORT, 5060))
    sip = [f"host = {json.dumps(sip_host)}", f"port = {udp_port}"]
    sip.append(f"realm = {json.dumps(_theirs(conf, 'pjsip.conf', 'global', 'default_realm') or 'asterisk')}")
    sip.append(f"transport = {json.dumps(udp)}")
    if "tcp" in transports:
        sip.append(f"tcp_transport = {json.dumps(transports['tcp'][0])}")
    if "tls" in transports:
        sip += [f"tls_transport = {json.dumps(transports['tls'][0])}", f"tls_port = {transports['tls'][1]}"]
    sip.append(f"generated = {json.dumps(str(conf / OURS / 'generated'))}")
    ari = [f"host = {json.dumps(http[0])}", f"port = {http[1]}"]
    if prefix:
        ari.append(f"prefix = {json.dumps(prefix)}")
    log = _log_folder(conf)
    node = _theirs(conf, "asterisk.conf", "options", "systemname") or "asterisk"
    return "\n".join(
        [
            f"{_HEAD}. What each word means: connector/config.py",
            f"node = {json.dumps(node)}",
            f"\n[store]\npath = {json.dumps(str(store / 'connector.db'))}",
            "\n[ari]",
            *ari,
            f'user = "connector"\npassword = {json.dumps(keys[0])}',
            f"\n[ami]\nhost = {json.dumps(manager[0])}\nport = {manager[1]}",
            f'user = "connector"\npassword = {json.dumps(keys[1])}',
            "\n[sip]",
            *sip,
            f"\n[journal]\npath = {json.dumps(str(log / JOURNAL / 'connector.csv'))}",
            f"messages = {json.dumps(str(_messages(conf, log)))}",
            f"\n[web]\ntoken = {json.dumps(keys[2])}\n",
        ]
    )


def _endpoint(conf: Path, name: str, port_key: str, usual: str) -> tuple[str, int]:
    """The address and port by which this machine reaches what a file configures."""
    address = _theirs(conf, name, "general", "bindaddr").strip("[]")
    port = _theirs(conf, name, "general", port_key) or usual
    everywhere = address in ("", "0.0.0.0", "::", "*", "localhost", "::1")
    return ("127.0.0.1" if everywhere else address, int(port) if port.isdigit() else int(usual))


def _log_folder(conf: Path) -> Path:
    """Where Asterisk logs. BadInput for a name that could mean something else in a rule of logrotate."""
    found = _theirs(conf, "asterisk.conf", "directories", "astlogdir") or "/var/log/asterisk"
    if not re.fullmatch(r"/[A-Za-z0-9/._-]+", found):
        raise BadInput("asterisk.conf: astlogdir is not an absolute path of letters, digits, '.', '_' and '-'")
    return Path(found)


def _journal_folder(conf: Path) -> Path:
    return _log_folder(conf) / JOURNAL


def _messages(conf: Path, log: Path) -> Path:
    """The log file that has Asterisk's warnings, by logger.conf: `messages.log`, or `full` on FreePBX."""
    for section in conf_files.sections(conf, "logger.conf"):
        if section.name == "logfiles":
            for name, levels in section.options.items():
                words = {word.strip() for word in levels.lower().split(",")}
                if not name.startswith(("console", "syslog")) and words & {"warning", "*"}:
                    return log / name
    return log / "messages.log"


def _notes(conf: Path, freepbx: bool) -> list[str]:
    notes = []
    if freepbx:
        notes.append("FreePBX writes voicemail.conf itself: routes cannot use mailboxes of the connector")
        reached = _reached(conf)
        missing = [name for name in (*_FREEPBX.values(), *_FREEPBX_OPTIONS) if conf / name not in reached]
        if missing:
            notes.append(f"nothing in FreePBX's files includes {', '.join(missing)}: what stands there has no effect")
    if _theirs(conf, "modules.conf", "modules", "autoload") != "yes":
        notes.append("modules.conf does not load by itself what we need: 'connector doctor' says what is missing")
    if _theirs(conf, "http.conf", "general", "bindaddr") not in ("127.0.0.1", "localhost", "::1"):
        notes.append("http.conf lets other machines reach ARI: bindaddr = 127.0.0.1 would not")
    if not _theirs(conf, "asterisk.conf", "options", "systemname"):
        notes.append(
            "asterisk.conf has no systemname: several Asterisks on one store need one each, and [general] node the same"
        )
    return notes


def _reached(conf: Path) -> set[Path]:
    """The files that FreePBX's own files include."""
    mains = ("extensions.conf", "pjsip.conf", "ari.conf", "manager.conf", "http.conf", "cel.conf")
    return {path for name in mains for path in conf_files.includes(conf, name)}


def _transports(conf: Path) -> dict[str, tuple[str, int]]:
    """The name and port of the admin's first transport of each protocol, by protocol."""
    found: dict[str, tuple[str, int]] = {}
    for section in conf_files.sections(conf, "pjsip.conf", without=conf / OURS):
        options = section.options
        if options.get("type") != "transport" or section.is_template:
            continue
        protocol = options.get("protocol", "udp").lower()
        port = options.get("bind", "").rpartition(":")[2]
        usual = 5061 if protocol == "tls" else 5060
        found.setdefault(protocol, (section.name, int(port) if port.isdigit() else usual))
    return found


def recorded(conf: Path) -> list[Path]:
    """What an install made outside of our own folder and is to be removed: the rotation, the units or the script, and
    the journal's folder. Not the settings and the store, and nothing else, whatever the record says.
    """
    try:
        found = [Path(each) for each in json.loads(_text(conf / OURS / RECORD) or "{}").get("made", [])]
    except (ValueError, AttributeError, TypeError):
        return []
    ours = [path for path in found if path.name in (ROTATION, SCRIPT, *UNITS) and _HEAD in _text(path)[:100]]
    return [*ours, *(path for path in found if path.name == JOURNAL and not path.is_symlink())]


def _unit_words(conf: Path, settings: Path, store: Path, ours: Account, shared: int) -> dict[str, str]:
    """Where the units find everything. A Python in somebody's home is one that the units may read."""
    python = Path(sys.executable)
    at_home = any(
        path.is_relative_to(home)
        for home in ("/home", "/root")
        for path in (python, python.resolve(), settings, store, conf)
    )
    return {
        "user": ours.name,
        "group": ours.group,
        "asterisk_group": accounts.group_name(shared),
        "python": str(python),
        "settings": str(settings),
        "store": str(store),
        "generated": str(conf / OURS / "generated"),
        "protect_home": "read-only" if at_home else "yes",
    }


def _rotation(journal: Path, asterisk: Account) -> str:
    """The rule of logrotate for the journal, and for the log that there is under sysvinit. Asterisk makes the journal
    again with its next line; the connector reads `.1`.
    """
    known = asterisk.uid != 0 and not asterisk.name.isdigit() and not asterisk.group.isdigit()
    return f"""\
{_HEAD}, removed by `connector uninstall`
{journal / "connector.csv"} {{
{f"    su {asterisk.name} {asterisk.group}" if known else "    # Asterisk runs as root, or its user has no name here"}
{_EACH_WEEK}
    delaycompress
}}
{LOG} {{
{_EACH_WEEK}
    # It is appended to, by processes that keep it open.
    copytruncate
}}
"""


def _difference(edit: Edit) -> list[str]:
    """What a file has now, and will have, without secrets."""
    was, names = _text(edit.path).splitlines(), (f"{edit.path} (now)", f"{edit.path} (new)")
    lines = difflib.unified_diff(was, edit.text.splitlines(), *names, lineterm="")
    return [_SECRET.sub(r"\1(secret)", line) for line in lines]


def _text(path: Path) -> str:
    """What is in a file, its line ends and odd bytes as they are; "" if it cannot be read, or is a link."""
    try:
        return _bytes(path).decode(errors="surrogateescape")
    except OSError:
        return ""


def _bytes(path: Path) -> bytes:
    """OSError for a link too: Asterisk's user may write to the folder, and root would read wherever it says."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


def _block_of(text: str) -> tuple[str, ...] | None:
    """The lines between our marks; None if there are none."""
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < begin:
        return None
    return tuple(text[begin:end].splitlines()[1:])


def _must_be_balanced(path: Path, text: str) -> None:
    """BadInput if somebody has edited our marks: what is ours between them is not known then."""
    begin, end = text.find(_BEGIN), text.find(_END)
    if (text.count(_BEGIN), text.count(_END)) not in ((0, 0), (1, 1)) or end < begin:
        raise BadInput(
            "{path}: our marks ({begin!r} and {end!r}) were edited: put them around our lines again",
            path=path,
            begin=_BEGIN,
            end=_END,
        )


def _put_block(path: Path, lines: Sequence[str]) -> None:
    """Add our lines at the end of a file, or replace those that are there."""
    text = _text(path)
    _must_be_balanced(path, text)
    if _block_of(text) is not None:
        head = text[text.find(_BEGIN) :].splitlines()[0]
        begin, end = text.find(_BEGIN), text.find(_END)
        _write(path, text[:begin] + "\n".join([head, *lines]) + "\n" + text[end:], Edit("lines", path))
        return
    broken = bool(text) and not text.endswith("\n")
    head = _BEGIN + (_MADE if not path.exists() else _BROKEN if broken else "")
    block = "\n".join([head, *lines, _END]) + "\n"
    _write(path, text + ("\n" if broken else "") + block, Edit("lines", path))


def _take_block_out(path: Path) -> None:
    """Make a file what it was before our lines; one that was made for them is removed, if nothing else is in it."""
    text = _text(path)
    _must_be_balanced(path, text)
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0:
        return
    head = text[begin:].splitlines()[0]
    left = text[: begin - 1 if head == _BEGIN + _BROKEN else begin] + text[end + len(_END) + 1 :]
    if not left and head == _BEGIN + _MADE:
        path.unlink()
    else:
        _write(path, left, Edit("lines", path))


def _take_back(undo: Sequence[tuple[Edit, bytes | None]]) -> None:
    """Undo what was done, newest first."""
    for edit, was in reversed(undo):
        with contextlib.suppress(OSError):
            if edit.action == "folder":
                edit.path.rmdir()
            elif was is None:
                edit.path.unlink(missing_ok=True)
            else:
                _write(edit.path, was.decode(errors="surrogateescape"), Edit("lines", edit.path))


def _write(path: Path, text: str, edit: Edit) -> None:
    """Replace a file at once. A file of the admin's keeps its owner, its group and its mode."""
    # Asterisk's user may write to the config folder: no link is followed, at the file or at its folder.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    new = f".connector-{secrets.token_hex(8)}"
    try:
        there = _stat(path.name, folder)
        if there is not None and not stat.S_ISREG(there.st_mode):
            raise OSError(errno.EINVAL, "it is not a file, or a link, which is not followed", str(path))
        theirs = there if edit.action == "lines" else None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(text.encode(errors="surrogateescape"))
            file.flush()
            if theirs:
                _give(file.fileno(), (theirs.st_uid, theirs.st_gid), theirs.st_mode & 0o7777)
            else:
                of_folder = os.fstat(folder)
                _give(file.fileno(), edit.owner or (of_folder.st_uid, of_folder.st_gid), edit.mode)
            os.fsync(file.fileno())
        os.rename(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise
    finally:
        os.close(folder)


def _stat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _make_folder(edit: Edit) -> None:
    """Make a folder and those above it. Its owner and mode are set by its descriptor: a link is not followed."""
    edit.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(edit.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give(descriptor, edit.owner or _owner(edit.path.parent), edit.mode)
    finally:
        os.close(descriptor)


def _is_given(edit: Edit) -> bool:
    """Whether a file or folder has the owner and the mode that it is to have."""
    if not edit.path.exists():
        return False
    return _owner(edit.path) == edit.owner and edit.path.stat().st_mode & 0o7777 == edit.mode


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _give(descriptor: int, owner: tuple[int, int], mode: int) -> None:
    """Give what we made to whom it is for. Who is not root can give it to a group of theirs only."""
    try:
        os.fchown(descriptor, *owner)
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, -1, owner[1])
    os.fchmod(descriptor, mode)  # after the owner: a change of owner clears the set-group-id bit
