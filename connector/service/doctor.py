"""Looks at everything that the connector needs and says what to do. Asks and reads only; changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from cryptography import x509

from connector import __version__
from connector.ari_app import journal
from connector.asterisk import accounts, apply, conf_files, dialplan_files, pjsip, voicemail
from connector.asterisk.ami import AmiLink
from connector.asterisk.apply import Configurator, Plan
from connector.asterisk.ari_http import Asterisk
from connector.asterisk.dropin import install
from connector.billing import invoices, profiles, recharges
from connector.clock import SystemClock
from connector.config import Settings
from connector.core.access import EVERYTHING
from connector.core.paging import Turn
from connector.core.sip import Inward, Outward, convertible
from connector.core.times import from_asterisk
from connector.database import sqlite
from connector.errors import AmiUnavailable, AsteriskError, GateUnavailable, SecretsLocked, StoreUnavailable
from connector.routing import buttons, mailboxes, trunks
from connector.service import applying, gate_status
from connector.storage import stores

T = TypeVar("T")

OLDEST_ASTERISK = (22, 10, 1)
MODULES = (
    "app_dial.so",
    "app_stasis.so",
    "cel_custom.so",
    "chan_pjsip.so",
    "func_cdr.so",
    "func_timeout.so",
    "res_ari_applications.so",
    "res_ari_channels.so",
    "res_ari_events.so",
    "res_pjsip_authenticator_digest.so",
    "res_pjsip_endpoint_identifier_ip.so",
    "res_pjsip_endpoint_identifier_user.so",
    "res_pjsip_header_funcs.so",
    "res_pjsip_registrar.so",
    "res_pjsip_rfc3326.so",
)
BUTTON_MODULES = ("chan_websocket.so", "app_senddtmf.so")
CLOCK_LIMIT_MS = 1000
# 300 calls took about 3,000 descriptors of Asterisk (measured on 22.10).
LEAST_FILES = 4_000
EXPIRES_SOON_DAYS = 14
# A change is applied so long after the last one before it, and Asterisk takes a second to load it.
APPLIED_LIMIT_S = applying.SETTLE_S + 3
EMERGENCY_CONTEXT = "from-connector-emergency"


# How backups end: those of `connector backup`, and of pg_dump.
BACKUPS_END_IN = (".db", ".dump", ".sql", ".gz")


@dataclass(frozen=True)
class Check:
    """One thing looked at. `state` is ok, warning or wrong; `advice` is empty when it is ok."""

    name: str
    state: str
    found: str
    advice: str = ""

    def view(self) -> dict[str, str]:
        """For programs. The code of a check stays the same in later versions."""
        return {"code": self.name.lower().replace(" ", "_"), **asdict(self)}


async def examine(settings: Settings) -> list[Check]:
    """All checks, the settings' own first (they were read, or we were not here)."""
    return [
        Check("settings", "ok", f"node {settings.node}"),
        _store(settings),
        _secrets(settings),
        await _config(settings),
        *_files(settings),
        *_descriptors(settings),
        *_certificate(settings),
        *([_sqlite()] if settings.store.path else []),
        _disk(_written_to(settings)),
        *_backups(settings),
        _host_name(),
        *await _ari(settings),
        await _ami(settings),
        await _gate(settings),
        await _web(settings),
        await _port("FastAGI", [settings.fastagi.host], settings.fastagi.port, "start 'connector serve'"),
        _sip(settings),
        _journal(settings),
        *_voicemail(settings),
        *_invoices(settings),
        *_recharges(settings),
        *_emergency(settings),
    ]


def _journal(settings: Settings) -> Check:
    """Asterisk's journal, from which calls are settled whose end was not heard."""
    path = settings.journal.path
    advice = (
        "let Asterisk write it (asterisk-conf/cel.conf and cel_custom.conf) where journal.path says, readable by us"
    )
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            last = file.read().decode(errors="replace").splitlines(keepends=True)[-1:]
    except FileNotFoundError:
        return Check("journal", "warning", f"{path} is not there: no call yet, or another path", advice)
    except OSError as error:
        return Check("journal", "wrong", f"{path} cannot be read: {error.strerror}", advice)
    if last and journal.time_of(last[0]) is None:
        return Check("journal", "wrong", f"{path} is not written as cel_custom.conf says", advice)
    return Check("journal", "ok", str(path))


def _store(settings: Settings) -> Check:
    try:
        opened = stores.opened(settings.store)
        opened.check()
        opened.close()
    except StoreUnavailable as error:
        return Check("store", "wrong", str(error), "start 'connector serve', or mend the path in the settings")
    if settings.store.path is None:
        return Check("store", "ok", opened.name)
    mode = settings.store.path.stat().st_mode & 0o777
    if mode & 0o007:
        return Check("store", "warning", f"everybody may open it ({mode:o})", f"chmod 600 {settings.store.path}")
    return Check("store", "ok", str(settings.store.path))


def _secrets(settings: Settings) -> Check:
    try:
        opened = stores.opened(settings.store)
        try:
            profiles.inward(0)
            trunks.outward()
        finally:
            opened.close()
    except SecretsLocked as error:
        return Check("secrets", "wrong", str(error), "put back the copy of the key that was kept")
    except StoreUnavailable:
        return Check("secrets", "warning", "the store cannot be read", "see above")
    return Check("secrets", "ok", f"{settings.store.key_path} opens them")


async def _config(settings: Settings) -> Check:
    """Whether Asterisk has what the store says. A change of the last seconds is waited for."""
    if (settings.sip.generated / "held").exists():
        return Check("config", "warning", "it was rolled back: changes wait", "'connector config plan', then 'apply'")
    try:
        plan = await _settled_plan(settings)
        steps = apply.history(settings.sip.generated)
    except OSError as error:
        return Check("config", "warning", f"{error.filename} cannot be read: {error.strerror}", "run doctor as root")
    except (StoreUnavailable, SecretsLocked, AsteriskError):
        return Check("config", "warning", "not known: the store or Asterisk cannot be asked", "see the other checks")
    if plan.problems:
        return Check("config", "warning", f"left out: {'; '.join(plan.problems)}", "'connector config plan' shows it")
    if not plan.changes:
        return Check("config", "ok", f"Asterisk has what the store says, version {plan.version}")
    if steps and steps[-1].outcome != "done":
        found = f"version {steps[-1].version} is not in effect: {steps[-1].outcome}"
        return Check("config", "wrong", found, "change what it names; 'connector config plan' shows it")
    if settings.sip.auto_apply:
        found, advice = f"{len(plan.changes)} changes are not in effect", "'connector config plan', then 'apply'"
        return Check("config", "wrong", found, advice)
    return Check("config", "ok", f"{len(plan.changes)} changes wait for 'connector config apply', as it is set")


async def _settled_plan(settings: Settings) -> Plan:
    """What Asterisk lacks of what the store says, after control had time to apply it. Errors as `Configurator.plan`."""
    opened = stores.opened(settings.store)
    asterisk = Asterisk(settings.ari)
    try:
        made = Configurator(settings.sip, asterisk, SystemClock(), node=settings.node)
        plan = await made.plan(made.wanted())
        until = time.monotonic() + (APPLIED_LIMIT_S if settings.sip.auto_apply else 0)
        while plan.changes and time.monotonic() < until:
            await asyncio.sleep(applying.EVERY_S)
            plan = await made.plan(made.wanted())
        return plan
    finally:
        await asterisk.close()
        opened.close()


def _files(settings: Settings) -> list[Check]:
    """Whether Asterisk's user can read our files, and the connector's can write where it must; nothing is said of an
    Asterisk that the connector was not installed into.
    """
    conf = _installed_into(settings)
    if conf is None:
        return []
    problems = install.unreadable(conf, install.runs_as(settings))
    if problems:
        advice = f"as root: connector install --update --asterisk-conf {conf}"
        return [Check("files", "wrong", "; ".join(problems), advice)]
    return [Check("files", "ok", f"Asterisk reads them as {accounts.of_asterisk(conf).name}")]


def _installed_into(settings: Settings) -> Path | None:
    """The config folder of the Asterisk that `connector install` was used for; None for an Asterisk of our own."""
    ours = settings.sip.generated.parent
    return ours.parent if ours.name == install.OURS else None


def _descriptors(settings: Settings) -> list[Check]:
    """Whether the Asterisk that the connector was installed into may open files enough for 300 calls: each has RTP and
    RTCP ports, timers and pipes. Many systems allow 1,024.
    """
    conf = _installed_into(settings)
    if conf is None:
        return []
    run = conf_files.option(conf, "asterisk.conf", "directories", "astrundir") or "/var/run/asterisk"
    try:
        pid = int((Path(run) / "asterisk.pid").read_text())
        limits = Path(f"/proc/{pid}/limits").read_text()
    except (OSError, ValueError):
        advice = f"start Asterisk, and look whether {run}/asterisk.pid is there"
        return [Check("descriptors", "warning", "how many files Asterisk may open is unknown", advice)]
    found = re.search(r"^Max open files\s+(\S+)", limits, re.MULTILINE)
    most = int(found.group(1)) if found and found.group(1).isdigit() else None
    if most is not None and most < LEAST_FILES:
        advice = f"maxfiles = {4 * LEAST_FILES} in [options] of asterisk.conf, then restart it"
        return [Check("descriptors", "warning", f"Asterisk may open {most} files: too few for 300 calls", advice)]
    return [Check("descriptors", "ok", f"Asterisk may open {most or 'any number of'} files")]


def _certificate(settings: Settings) -> list[Check]:
    """Whether the certificate of the pages is still good; nothing is said where a proxy has it."""
    path = settings.web.certificate
    if path is None:
        return []
    return [Check("certificate", *_good_until(path, "restart control"))]


def _good_until(path: Path, then: str) -> tuple[str, str, str]:
    """State, finding and advice about a certificate in a file; `then`: what makes a new one known."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return "wrong", f"{path} cannot be read: {error}", "put a certificate there, as PEM"
    return _ends(found, f"renew {path}, then {then}")


def _ends(certificate: x509.Certificate, advice: str) -> tuple[str, str, str]:
    until = certificate.not_valid_after_utc
    days = (until.timestamp() - time.time()) / 86_400
    if days < 0:
        return "wrong", f"it ended on {until:%Y-%m-%d}", advice
    if days < EXPIRES_SOON_DAYS:
        return "warning", f"it ends on {until:%Y-%m-%d}", advice
    return "ok", f"good until {until:%Y-%m-%d}", ""


def _sqlite() -> Check:
    version = ".".join(str(part) for part in sqlite.sqlite_version())
    if sqlite.journal_mode() == "wal":
        return Check("SQLite", "ok", f"{version}, WAL")
    return Check(
        "SQLite",
        "warning",
        f"{version} can lose commits in WAL mode; the slower rollback journal is used",
        "install the locked requirements, which bring a later SQLite",
    )


def _written_to(settings: Settings) -> list[Path]:
    """The folders that calls need room in: for the store, if it is a file, for generated files, for the journal."""
    store = settings.store.path
    folders = [store.parent] if store else []
    return [*folders, *(each for each in (settings.sip.generated, settings.journal.path.parent) if _is_folder(each))]


def _is_folder(path: Path) -> bool:
    """Whether this user can see the folder. The checks of the files in a folder report that it is closed to them."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _disk(folders: list[Path]) -> Check:
    """The room on the fullest of their disks."""
    free: dict[Path, int] = {}
    for folder in folders:
        try:
            free[folder] = shutil.disk_usage(folder).free // 10**6
        except OSError as error:
            return Check(
                "disk", "wrong", f"{folder}: {error.strerror}", "make the folder, or mend the path in the settings"
            )
    if not free:
        return Check("disk", "warning", "no folder to write to is there", "make [sip] generated, or mend its path")
    folder = min(free, key=lambda each: free[each])
    state = "ok" if free[folder] >= 500 else "warning" if free[folder] >= 50 else "wrong"
    advice = "" if state == "ok" else f"make room on the disk of {folder}"
    return Check("disk", state, f"{free[folder]} MB free", advice)


def _backups(settings: Settings) -> list[Check]:
    """How old the newest backup is; nothing is said where no folder for them is named."""
    folder, limit_h = settings.backups.folder, settings.backups.oldest_h
    if folder is None:
        return []
    advice = f"run 'connector backup {folder}/NAME.db' from a timer, or name another folder by [backups] folder"
    try:
        found = [path.stat() for path in folder.iterdir() if path.suffix in BACKUPS_END_IN and path.is_file()]
    except OSError as error:
        return [Check("backups", "wrong", f"{folder} cannot be read: {error.strerror}", advice)]
    times = [each.st_mtime for each in found if each.st_size and each.st_mtime <= time.time() + 60]
    if not times:
        ends = ", ".join(BACKUPS_END_IN)
        return [Check("backups", "warning", f"there is none in {folder} (a file that ends in {ends})", advice)]
    hours = (time.time() - max(times)) / 3600
    state = "ok" if hours <= limit_h else "warning"
    return [Check("backups", state, f"the newest is {max(0.0, hours):.0f} hours old", "" if state == "ok" else advice)]


def _host_name() -> Check:
    name = socket.gethostname()
    try:
        return Check("host name", "ok", f"{name} is {socket.gethostbyname(name)}")
    except OSError:
        return Check(
            "host name",
            "wrong",
            f"{name} does not resolve: Asterisk would wait for DNS in every call",
            f"add '127.0.1.1 {name}' to /etc/hosts",
        )


async def _ari(settings: Settings) -> list[Check]:
    """Asterisk's version, modules, application and clock, by plain HTTP: the websocket is the running connector's."""
    ari = settings.ari
    headers = {"Authorization": aiohttp.encode_basic_auth(ari.user, ari.password.get_secret_value())}
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as session:
            async with session.get(f"{ari.url}/asterisk/info") as answer:
                if answer.status == 401:
                    return [Check("ARI", "wrong", "the password is refused", "compare [ari] with Asterisk's ari.conf")]
                answer.raise_for_status()
                info = await answer.json()
            async with session.get(f"{ari.url}/asterisk/modules") as answer:
                modules = {module["name"] for module in await answer.json() if module["status"] == "Running"}
            async with session.get(f"{ari.url}/asterisk/ping") as answer:
                ping = await answer.json()
                there_ms = from_asterisk(ping["timestamp"])
                here_ms = time.time_ns() // 1_000_000
            async with session.get(f"{ari.url}/applications/{ari.app}") as answer:
                connected = answer.status == 200
            question = {"variable": install.VERSION_VARIABLE}
            async with session.get(f"{ari.url}/asterisk/variable", params=question) as answer:
                dialplan = str((await answer.json()).get("value", ""))
            transports = {name: await _transport(session, ari.url, name) for name in _transports(settings)}
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        said = str(error) or type(error).__name__
        return [Check("ARI", "wrong", f"{ari.url}: {said}", "start Asterisk, and compare [ari] with http.conf")]
    application = (
        Check("application", "ok", f"{ari.app} is connected")
        if connected
        else Check("application", "wrong", f"nobody serves {ari.app}: every call is refused", "start 'connector serve'")
    )
    return [
        Check("ARI", "ok", ari.url),
        _version(info["system"]["version"]),
        _node(settings, info),
        _modules(modules),
        *_buttons(settings, modules),
        _codecs(settings, modules),
        application,
        _dialplan(dialplan),
        _lacking(settings, [name for name, options in transports.items() if options is None]),
        *await _sip_over_tcp(settings, transports),
        _clock(there_ms - here_ms),
    ]


def _version(text: str) -> Check:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    version = tuple(int(part) for part in found.groups()) if found else ()
    oldest = ".".join(str(part) for part in OLDEST_ASTERISK)
    if version < OLDEST_ASTERISK:
        return Check("Asterisk", "wrong", text, f"install {oldest} or later: it closes two holes in ARI")
    return Check("Asterisk", "ok", text)


def _transports(settings: Settings) -> list[str]:
    """The transports that connector.toml names."""
    sip = settings.sip
    return [name for name in (sip.transport, sip.tcp_transport, sip.tls_transport) if name]


async def _transport(session: aiohttp.ClientSession, ari: str, name: str) -> dict[str, str] | None:
    """The options of a transport in Asterisk; None if it has no such transport."""
    async with session.get(f"{ari}/asterisk/config/dynamic/res_pjsip/transport/{quote(name, safe='')}") as answer:
        if answer.status != 200:
            return None
        return {str(pair["attribute"]): str(pair["value"]) for pair in await answer.json()}


def _lacking(settings: Settings, names: list[str]) -> Check:
    if names:
        found = f"Asterisk has no transport {', '.join(names)}: nobody can use it"
        return Check("transports", "wrong", found, "name a transport of pjsip.conf in [sip] ('pjsip show transports')")
    return Check("transports", "ok", ", ".join(_transports(settings)))


def _dialplan(version: str) -> Check:
    advice = "connector install --update, then asterisk -rx 'dialplan reload'"
    if not version:
        return Check("dialplan", "wrong", "Asterisk has no dialplan of the connector, or one from before 0.1.0", advice)
    if version != install.dialplan_version():
        return Check("dialplan", "warning", "Asterisk has the dialplan of another version of the connector", advice)
    return Check("dialplan", "ok", f"this version's ({version})")


def _node(settings: Settings, info: dict[str, dict[str, str]]) -> Check:
    name = info["config"].get("name", "")
    if not name and settings.store.path is not None:
        return Check("node", "ok", f"{settings.node}; Asterisk has no systemname, and needs none without other nodes")
    if name != settings.node:
        return Check(
            "node", "wrong", f"Asterisk's systemname is {name!r}, ours {settings.node!r}", "make them the same"
        )
    return Check("node", "ok", name)


def _invoices(settings: Settings) -> list[Check]:
    """Whether invoices can be issued; nothing is said where none are."""
    if settings.invoices is None:
        return []
    terms = settings.invoices.terms()
    wrong = _in_store(settings, lambda: [invoices.problem(terms)])
    if any(wrong):
        return [Check("invoices", "wrong", wrong[0], "change [invoices] in the settings, and restart the connector")]
    if waiting := _in_store(settings, lambda: invoices.waiting(terms)):
        advice = "'connector invoice address' and 'connector invoice tax', or the page Invoices"
        return [Check("invoices", "warning", f"they wait: {'; '.join(waiting[:10])}", advice)]
    return [Check("invoices", "ok", f"of the series {terms.series!r}")] if wrong else []


def _recharges(settings: Settings) -> list[Check]:
    """Whether companies are recharged by card that want to be; nothing is said where there are none."""
    counted = _in_store(settings, lambda: [recharges.count()])
    if not any(counted):
        return []
    companies = "1 company" if counted[0] == 1 else f"{counted[0]} companies"
    if settings.stripe is None:
        advice = "put [stripe] into the settings, and restart the connector"
        return [Check("recharges", "wrong", f"{companies}, and no card can be charged", advice)]
    now = time.time_ns() // 1_000_000
    if troubled := _in_store(settings, lambda: recharges.troubled(now)):
        advice = "the page Auto-recharge by card says what to do; of events that did not come, Stripe's dashboard"
        return [Check("recharges", "warning", ", ".join(troubled[:10]), advice)]
    return [Check("recharges", "ok", f"{companies} by card")]


def _voicemail(settings: Settings) -> list[Check]:
    """Mailboxes that Asterisk does not know take no message; nothing is said where there are none."""
    boxes = _in_store(settings, mailboxes.listed)
    if not boxes:
        return []
    generated = settings.sip.generated
    said = [path.read_text(errors="replace") for path in _voicemail_conf(generated) if path.is_file()]
    if any(voicemail.FILE_NAME in text or "connector/voicemail.conf" in text for text in said):
        return [Check("voice mail", "ok", f"{len(boxes)} mailboxes")]
    advice = f'add to it: #tryinclude "{generated / voicemail.FILE_NAME}"'
    return [Check("voice mail", "wrong", "voicemail.conf does not include the mailboxes", advice)]


def _buttons(settings: Settings, running: set[str]) -> list[Check]:
    """Whether call buttons can be used; nothing is said where there are none."""
    if not _in_store(settings, lambda: buttons.page_of(EVERYTHING, Turn(None, 1)).items):
        return []
    missing = [name for name in BUTTON_MODULES if name not in running]
    if missing:
        advice = "load them in modules.conf"
        return [Check("call buttons", "wrong", f"nobody can call by them: {', '.join(missing)} not running", advice)]
    if settings.web.visitors == 0:
        return [
            Check("call buttons", "warning", "nobody may call by them: web.visitors is 0", "set it, or remove them")
        ]
    if not settings.web.url.startswith("https:"):
        advice = "set web.certificate and web.private_key, or web.public_url and a proxy"
        return [Check("call buttons", "warning", "browsers give their microphone to https only", advice)]
    return [Check("call buttons", "ok", settings.web.url)]


def _codecs(settings: Settings, running: set[str]) -> Check:
    """Whether Asterisk can convert every codec in use: a call with another one would be answered and then fail."""
    handled = convertible(running)
    now = time.time_ns() // 1_000_000
    ends: list[Inward | Outward] = _in_store(settings, lambda: [*profiles.inward(now), *trunks.outward()])
    lacking = sorted({codec for end in ends for codec in end.options.codecs if codec not in handled})
    if not lacking:
        return Check("codecs", "ok", f"all in use can be converted ({', '.join(handled)})")
    who = sorted({end.name for end in ends if set(end.options.codecs) & set(lacking)})
    advice = "load their modules (and codec_resample.so) in modules.conf, or take them out of the profile or trunk"
    return Check("codecs", "wrong", f"cannot be converted: {', '.join(lacking)}, of {', '.join(who[:10])}", advice)


def _emergency(settings: Settings) -> list[Check]:
    """Whether the local context for emergency calls has patterns: with one, any short number that somebody makes an
    emergency number of a profile would be a free call.
    """
    folders = (settings.sip.generated.parent, settings.sip.generated.parent.parent)
    lines = [line for etc in folders for line in dialplan_files.extensions(etc, EMERGENCY_CONTEXT)]
    found = list(dict.fromkeys(f"{line.name} in {line.path}" for line in lines if line.name.startswith("_")))
    if not found:
        return []
    advice = "list each emergency number by itself (docs/emergency.md)"
    return [Check("emergency", "warning", f"patterns in {EMERGENCY_CONTEXT}: {', '.join(found[:5])}", advice)]


def _in_store(settings: Settings, question: Callable[[], list[T]]) -> list[T]:
    """What a store says that can be used; nothing of one that cannot, which was said already."""
    try:
        opened = stores.opened(settings.store)
        try:
            opened.check()
            return question()
        finally:
            opened.close()
    except (StoreUnavailable, SecretsLocked):
        return []


def _voicemail_conf(generated: Path) -> list[Path]:
    """Where voicemail.conf may be, seen from the generated files: beside them, or above the connector's own folder."""
    return [folder / "voicemail.conf" for folder in (generated.parent, generated.parent.parent)]


def _modules(running: set[str]) -> Check:
    missing = [name for name in MODULES if name not in running]
    if missing:
        return Check("modules", "wrong", f"not running: {', '.join(missing)}", "load them in modules.conf")
    return Check("modules", "ok", f"all {len(MODULES)} that are needed run")


def _clock(apart_ms: int) -> Check:
    if abs(apart_ms) > CLOCK_LIMIT_MS:
        return Check("clock", "wrong", f"Asterisk's clock is {apart_ms} ms from ours", "run NTP on both machines")
    return Check("clock", "ok", "Asterisk's and ours agree")


async def _ami(settings: Settings) -> Check:
    link = AmiLink(settings.ami)
    running = asyncio.create_task(link.run())
    try:
        await link.connected()
        names = await link.endpoint_names()
        generated = settings.sip.generated / pjsip.FILE_NAME
        if not generated.exists():
            return Check("AMI", "warning", f"{generated} is not there", "start 'connector serve', which writes it")
        return Check("AMI", "ok", f"{len(names)} pjsip endpoints")
    except AmiUnavailable:
        return Check(
            "AMI", "wrong", f"no sign-in at {settings.ami.host}:{settings.ami.port}", "compare [ami] with manager.conf"
        )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _gate(settings: Settings) -> Check:
    """The process that decides calls, and whether it is of the version that is installed."""
    try:
        found = await gate_status.ask(settings.gate_socket, settings.node)
    except GateUnavailable as error:
        return Check("gate", "wrong", str(error), "start 'connector serve', or read its log")
    if not found.ready:
        return Check("gate", "wrong", f"process {found.pid} runs, but every call is refused", "read its log")
    if found.version != __version__:
        runs = f"process {found.pid} is of version {found.version or 'unknown'}, installed is {__version__}"
        return Check("gate", "warning", runs, "restart both processes: calls go on")
    return Check("gate", "ok", f"process {found.pid} decides calls; {found.calls} are up")


async def _web(settings: Settings) -> Check:
    """The process of the pages and all the rest."""
    url = f"{'https' if settings.web.certificate else 'http'}://{settings.web.host}:{settings.web.port}/health"
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
    try:
        # The certificate has the name that people type, not this one.
        async with session, session.get(url, ssl=False) as answer:
            store = bool((await answer.json())["store"])
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError):
        return Check("control", "wrong", f"nothing answers at {url}", "start 'connector serve', or read its log")
    if not store:
        return Check("control", "wrong", "it cannot write to the store", "make room on the disk, or read its log")
    return Check("control", "ok", url.removesuffix("/health"))


async def _sip_over_tcp(settings: Settings, transports: Mapping[str, dict[str, str] | None]) -> list[Check]:
    """Whether Asterisk listens where its transports for TCP and TLS say, and how long the certificate is good.

    `transports`: their options in Asterisk, by name. Of one that Asterisk does not have it was said already.
    """
    sip, found = settings.sip, []
    for name, transport, usual in (("SIP TCP", sip.tcp_transport, 5060), ("SIP TLS", sip.tls_transport, 5061)):
        options = transports.get(transport or "")
        if options is None:
            continue
        host, _, port = options.get("bind", "").rpartition(":")
        # One that is bound to every address is found at one of them; the one that others see may be a router's.
        hosts = [each for each in (host, settings.ari.host, "127.0.0.1", sip.host) if each not in ("", "0.0.0.0")]
        place = int(port) if port.isdecimal() else usual
        advice = "look whether Asterisk's log has an error of this transport ('pjsip show transports')"
        check = await _port(name, hosts, place, advice)
        found.append(check)
        if name == "SIP TLS" and check.state == "ok":
            found.append(await _sip_certificate(check.found.rpartition(":")[0], place))
    return found


async def _sip_certificate(host: str, port: int) -> Check:
    """How long the certificate is good that Asterisk shows: its file may be on another machine."""
    try:
        async with asyncio.timeout(3):
            unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
            _, writer = await asyncio.open_connection(host, port, ssl=unchecked)
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
        found = x509.load_der_x509_certificate(shown)
    except (OSError, TimeoutError, ValueError, TypeError):  # a transport that wants the client's certificate, say
        return Check("SIP certificate", "ok", "not looked at: Asterisk shows it to nobody without one")
    return Check("SIP certificate", *_ends(found, "renew it, then have Asterisk reload res_pjsip.so"))


async def _port(name: str, hosts: Sequence[str], port: int, advice: str) -> Check:
    """Whether something listens at the port of one of these addresses of the same machine."""
    for host in hosts:
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
            writer.close()
            return Check(name, "ok", f"{host}:{port}")
    return Check(name, "wrong", f"nothing listens at {hosts[0]}:{port}", advice)


def _answers_options(host: str, port: int) -> bool:
    """Whether something there answers a SIP request by UDP, whatever the answer is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect((host, port))
            address, mine = probe.getsockname()
            probe.send(
                f"OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {address}:{mine};branch=z9hG4bK-doctor-{mine}"
                f"\r\nFrom: <sip:doctor@{address}>;tag=1\r\nTo: <sip:{host}>\r\nCall-ID: doctor-{mine}@{address}\r\n"
                "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return probe.recv(4096).startswith(b"SIP/2.0 ")
        except OSError:
            return False


def _sip(settings: Settings) -> Check:
    """Whether a program listens at the SIP port: this one cannot bind it then."""
    # The address that others see may be a router's: then the port is looked for on all addresses of this machine.
    for address in (settings.sip.host, "0.0.0.0"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, settings.sip.port))
                break
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return Check("SIP", "ok", f"{settings.sip.host}:{settings.sip.port}/udp is served")
    if _answers_options(settings.ari.host, settings.sip.port):  # Asterisk runs elsewhere: in another container
        return Check("SIP", "ok", f"{settings.ari.host}:{settings.sip.port}/udp is served")
    return Check(
        "SIP",
        "wrong",
        f"nothing has {settings.sip.host}:{settings.sip.port}/udp",
        "compare [sip] with the transport in pjsip.conf",
    )
