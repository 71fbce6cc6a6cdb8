"""`connector doctor`: what it finds, and the codes by which programs know its checks."""

from __future__ import annotations

import ast
import asyncio
import errno
import json
import re
import shutil
import ssl
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytest

from connector import config
from connector.asterisk import certificate
from connector.asterisk.apply import Plan, Step
from connector.asterisk.plan import Change
from connector.config import Settings
from connector.service import doctor, gate_status
from connector.service.gate_status import GateStatus
from lab.instance import PROJECT
from tests.commands import SETTINGS, Command


def test_the_document_has_every_code_and_no_other() -> None:
    """docs/monitoring.md lists them: a code that is renamed would silence somebody's alarm."""
    tree = ast.parse((PROJECT / "connector" / "service" / "doctor.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    of_checks = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id in ("Check", "_port")]
    names = {node.args[0].value for node in of_checks if isinstance(node.args[0], ast.Constant)}
    names |= {"SIP TCP", "SIP TLS"}  # named by a table
    codes = {str(name).lower().replace(" ", "_") for name in names}
    rows = re.findall(r"^\| (`.*?) \|", (PROJECT / "docs" / "monitoring.md").read_text(), re.MULTILINE)
    assert codes == {code for row in rows for code in re.findall(r"`(\w+)`", row)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose folders are there."""
    (tmp_path / "generated").mkdir()
    text = SETTINGS.format(path=tmp_path / "connector.db").replace("/nowhere", str(tmp_path / "generated"))
    return config.parsed(text + f'[journal]\npath = "{tmp_path}/journal.csv"\n', tmp_path / "connector.toml")


@pytest.mark.parametrize(("days", "state"), [(-1, "wrong"), (13, "warning"), (15.1, "ok")])
async def test_a_certificate_that_ends_soon_is_told(tmp_path: Path, days: float, state: str) -> None:
    """Of the pages, from its file, and of SIP, from what is shown, alike: two weeks before."""
    path = tmp_path / "certificate.pem"
    made, key = certificate.made("127.0.0.1", days)
    path.write_text(made + key)
    found, _, advice = doctor._good_until(path, "restart control")
    assert (found, bool(advice)) == (state, state != "ok")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        check = await doctor._sip_certificate("127.0.0.1", server.sockets[0].getsockname()[1])
        assert (check.state, bool(check.advice)) == (state, state != "ok")


def test_what_is_no_certificate_is_wrong(tmp_path: Path) -> None:
    """A file that is not there, and one with other text."""
    path = tmp_path / "certificate.pem"
    assert doctor._good_until(path, "restart control")[0] == "wrong"
    path.write_text("a key, perhaps")
    assert doctor._good_until(path, "restart control")[0] == "wrong"


async def test_a_gate_of_another_version_is_told(settings: Settings) -> None:
    """After an update that restarted nothing: it runs, and should be restarted."""
    now = [GateStatus("node", 7, ready=True, calls=3)]
    server = await gate_status.listen(settings.gate_socket, lambda: now[0])
    try:
        assert (await doctor._gate(settings)).state == "ok"
        now[0] = GateStatus("node", 7, ready=True, calls=3, version="0.0.9")
        told = await doctor._gate(settings)
        assert (told.state, "0.0.9" in told.found, told.advice) == (
            "warning",
            True,
            "restart both processes: calls go on",
        )
    finally:
        server.close()


async def test_config_that_asterisk_did_not_take_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, while something is not in effect: not when the change was undone. If Asterisk cannot be asked,
    it is not known.
    """
    assert (await doctor._config(settings)).state == "warning"
    versions = settings.sip.generated / "versions"
    versions.mkdir()
    refused = Step(1, "apply", "0123", None, "connector", 3, "the trunk a was well before it and is not now")
    (versions / "history.jsonl").write_text(json.dumps(asdict(refused)) + "\n")
    changes = [(Change("add", "aor", "a", "a"),), ()]

    async def settled(settings: Settings) -> Plan:
        """What Asterisk lacks; the real one is asked in tests/sipp/test_config.py."""
        return Plan("0123", None, changes.pop(0), (), held=False)

    monkeypatch.setattr(doctor, "_settled_plan", settled)
    told = await doctor._config(settings)
    assert (told.state, "the trunk a was well before it" in told.found) == ("wrong", True)
    assert (await doctor._config(settings)).state == "ok"


async def test_the_ports_of_sip_by_tcp_and_tls_are_looked_at(settings: Settings) -> None:
    """Where Asterisk's transports say, also if others see another address; nothing is said of one that is missing."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sip = settings.sip.model_copy(update={"tcp_transport": "a", "tls_transport": "b", "host": "192.0.2.1"})
    named = settings.model_copy(update={"sip": sip})

    async def states(**binds: str) -> list[tuple[str, str]]:
        """What is found where the transports are bound so."""
        found = await doctor._sip_over_tcp(named, {name: {"bind": bind} for name, bind in binds.items()})
        return [(check.name, check.state) for check in found]

    async with server:
        assert await states() == []
        assert await states(a=f"0.0.0.0:{port}") == [("SIP TCP", "ok")]
        assert await states(b=f"127.0.0.1:{port}") == [("SIP TLS", "ok"), ("SIP certificate", "ok")]
        assert await doctor._sip_over_tcp(settings, {"a": {"bind": f"0.0.0.0:{port}"}}) == []
        server.close()
        await server.wait_closed()
        assert await states(a=f"0.0.0.0:{port}", b=f"127.0.0.1:{port}") == [("SIP TCP", "wrong"), ("SIP TLS", "wrong")]


def test_a_folder_that_is_closed_to_us_is_left_to_the_other_checks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk's log folder may be closed to the connector's user: doctor goes on, and the journal's check tells it."""

    def closed(path: Path) -> bool:
        """What the system says then."""
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert doctor._written_to(settings) == [settings.store.path and settings.store.path.parent]


class Usage(NamedTuple):
    """What is free on a disk, in bytes."""

    free: int


def test_the_fullest_disk_counts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls need room for the store, for generated files and for the journal; with PostgreSQL for the last two."""
    free = {settings.sip.generated: 700, settings.journal.path.parent: 900}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(free[folder] * 10**6))
    assert doctor._disk(doctor._written_to(settings)).found == "700 MB free"
    free[settings.sip.generated] = 60
    full = doctor._disk(doctor._written_to(settings))
    assert (full.state, str(settings.sip.generated) in full.advice) == ("warning", True)
    elsewhere = settings.model_copy(update={"store": config.StoreSettings(url="postgresql://connector@db/connector")})
    assert set(doctor._written_to(elsewhere)) == set(free)


def test_settings_that_cannot_be_read_are_a_finding(connector: Command, tmp_path: Path) -> None:
    """As JSON too: a monitoring system reads what is wrong in the usual form."""
    connector.settings = tmp_path / "connector.toml"
    connector.settings.write_text("[web")
    (found,) = connector.json("doctor", status=1)
    assert (found["code"], found["state"], "is not TOML" in found["found"]) == ("settings", "wrong", True)
    connector.settings.unlink()
    assert "'connector setup' makes one" in connector.json("doctor", status=1)[0]["found"]
