"""Into somebody's Asterisk config and out again, without Asterisk: tests/sipp/test_dropin.py has the real one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connector import config
from connector.asterisk import accounts
from connector.asterisk.dropin import install as dropin
from connector.errors import BadInput
from lab import freepbx

PLAIN = {
    "asterisk.conf": "[options]\nsystemname = pbx1\n[directories]\nastlogdir => LOG\n",
    "extensions.conf": "[globals]\n[default]\nexten => 1,1,NoOp()",
    "pjsip.conf": "[global]\ndefault_realm = example.com\n[mine]\ntype = transport\nprotocol = udp\nbind = 0.0.0.0\n",
    "ari.conf": "[general]\nenabled = no\n",
    "manager.conf": "[general]\nenabled = no\nport = 5039\nbindaddr = 0.0.0.0\n",
    "http.conf": "; nothing is said here\n",
    "cel.conf": "",
    "modules.conf": "[modules]\nautoload = yes\n",
}


def laid_out(folder: Path, files: dict[str, str]) -> Path:
    """A config folder."""
    etc, log = folder / "etc", folder / "log"
    etc.mkdir()
    log.mkdir()
    for name, text in files.items():
        (etc / name).write_text(text.replace("LOG", str(log)))
    return etc


def contents(etc: Path) -> dict[str, str]:
    """Every file of it."""
    log = str(etc.parent / "log")
    return {
        str(path.relative_to(etc)): path.read_text().replace(log, "LOG") for path in etc.rglob("*") if path.is_file()
    }


def installed(etc: Path, folder: Path, services: str = "systemd") -> dropin.Plan:
    """Install it there."""
    settings, rotated = folder / "own" / "connector.toml", folder / "logrotate.d"
    units = folder / services
    rotated.mkdir(parents=True, exist_ok=True)
    units.mkdir(exist_ok=True)
    me, places = accounts.own().name, {"logrotate": rotated, "units": units}
    found = dropin.plan(etc, settings, "192.0.2.1", me, folder / "store", **places)
    dropin.install(found)
    return found


def test_what_is_there_decides_what_is_written(tmp_path: Path) -> None:
    """[general] is added to where there is one, and new where there is none; AMI that was off listens here only."""
    etc = laid_out(tmp_path, PLAIN)
    installed(etc, tmp_path)
    made = contents(etc)
    assert "[general](+)\nenabled = yes" in made["connector/ari.conf"]
    assert "[general]\nenabled = yes" in made["connector/http.conf"]
    assert "[general](+)\nenabled = yes\nbindaddr = 127.0.0.1" in made["connector/manager.conf"]
    assert "type = transport" not in made["connector/pjsip.conf"]
    found = config.read(tmp_path / "own" / "connector.toml")
    assert (found.node, found.ami.port, found.sip.realm, found.sip.transport) == ("pbx1", 5039, "example.com", "mine")
    assert found.ami.password.get_secret_value() in made["connector/manager.conf"]
    assert (tmp_path / "own" / "connector.toml").stat().st_mode & 0o777 == 0o600
    assert (etc / "connector" / "ari.conf").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "log" / "cel-custom").is_dir()
    assert (
        f"{tmp_path}/log/cel-custom/connector.csv {{" in (tmp_path / "logrotate.d" / "asterisk-connector").read_text()
    )


def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    """Both run as our user, in Asterisk's group, with this Python and these settings, and may write where they must."""
    etc = laid_out(tmp_path, PLAIN)
    installed(etc, tmp_path)
    gate, control = (tmp_path / "systemd" / name for name in dropin.UNITS)
    own, settings = accounts.own(), tmp_path / "own" / "connector.toml"
    for path, part in ((gate, "gate"), (control, "control")):
        text = path.read_text()
        assert f"ExecStart={sys.executable} -P -m connector.service --config {settings} --part {part}\n" in text
        assert f"User={own.name}\n" in text
        assert f"SupplementaryGroups={accounts.of_asterisk(etc).group}\n" in text
    state = f"ReadWritePaths={tmp_path / 'store'} -/var/lib/asterisk-connector"
    assert f"{state}\n" in gate.read_text()
    assert f"{state} {etc / 'connector' / 'generated'} -/var/spool/asterisk/voicemail\n" in control.read_text()
    verify = shutil.which("systemd-analyze")
    if verify is not None:  # where there is no systemd, nobody reads the units either
        command = [verify, "verify", "--man=no", str(gate), str(control)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert [line for line in ran.stderr.splitlines() if "asterisk-connector" in line] == []


def test_under_sysvinit_a_script_starts_it(tmp_path: Path) -> None:
    """Instead of units: an executable script, which the shell takes, whatever is in the paths; an update writes it
    anew, an uninstall removes it, and both say what to do in the words of that init system.
    """
    folder = tmp_path / "a 'folder'; touch here"
    folder.mkdir()
    etc = laid_out(tmp_path, PLAIN)
    found = installed(etc, folder, "init.d")
    script = folder / "init.d" / "asterisk-connector"
    assert found.after[-1] == "update-rc.d asterisk-connector defaults && service asterisk-connector start"
    assert script.stat().st_mode & 0o777 == 0o755
    subprocess.run(["sh", "-n", str(script)], check=True)
    ran = subprocess.run(["sh", str(script), "turn"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (2, f"usage: {script} start|stop|restart|force-reload|try-restart|status\n")
    settings, text = folder / "own" / "connector.toml", script.read_text()
    assert f"--config {shlex.quote(str(settings))} --keep-trying " in text
    assert "/var/log/asterisk-connector/connector.log {" in (folder / "logrotate.d" / "asterisk-connector").read_text()
    script.write_text(text.replace("TERM/20", "TERM/2"))
    again = dropin.update_plan(etc, settings)
    assert [edit.path for edit in again.edits] == [script]
    assert again.after == ("service asterisk-connector restart",)
    dropin.install(again)
    assert script.read_text() == text
    forget = dropin.stop_command(dropin.recorded(etc))
    assert forget.startswith("start-stop-daemon --stop ")
    assert forget.endswith("; update-rc.d asterisk-connector remove")
    dropin.uninstall(etc)
    assert not script.exists()
    assert not (folder / "logrotate.d" / "asterisk-connector").exists()


def test_a_path_that_a_unit_cannot_name_is_refused(tmp_path: Path) -> None:
    """systemd ends a word at a space, and reads % and quotes. Nothing is written then."""
    etc = laid_out(tmp_path, PLAIN)
    before = contents(etc)
    for name in ("two words", "100%", 'a"b'):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(BadInput, match="cannot name"):
            installed(etc, folder)
    assert contents(etc) == before


OPTIONS = [
    ({"http.conf": "[general]\nbindport=8090\nbindaddr=192.0.2.7\nprefix=pbx\n"}, "http://192.0.2.7:8090/pbx/ari"),
    ({"http.conf": "[general]\nbindaddr=::\n"}, "http://127.0.0.1:8088/ari"),
    ({"http.conf": "#include more.conf\n", "more.conf": "[general]\nbindport=8091\n"}, "http://127.0.0.1:8091/ari"),
    ({"http.conf": "[general]\nbindport=8090\n#include more.conf\n", "more.conf": "bindport=8092\n"}, ":8092/ari"),
    ({"http.conf": "[general]\nbindport=no number\n"}, "http://127.0.0.1:8088/ari"),
]


@pytest.mark.parametrize(("files", "url"), OPTIONS)
def test_the_settings_say_where_their_web_server_is(files: dict[str, str], url: str, tmp_path: Path) -> None:
    """Its address, port and prefix, also those of an included file: the last one counts, as for Asterisk."""
    etc = laid_out(tmp_path, {**PLAIN, **files})
    installed(etc, tmp_path)
    assert config.read(tmp_path / "own" / "connector.toml").ari.url.endswith(url)


def test_the_settings_name_their_transports_and_ports(tmp_path: Path) -> None:
    """The first of each protocol, also from a template; a template itself is none."""
    pjsip = """
        [one](!)
        type = transport
        protocol = udp
        [two](one)
        bind = 0.0.0.0:5160 ; the old one
        [three]
        type=transport
        protocol=tls
        bind=[::]:5161
    """
    etc = laid_out(tmp_path, {**PLAIN, "pjsip.conf": pjsip})
    installed(etc, tmp_path)
    found = config.read(tmp_path / "own" / "connector.toml").sip
    assert (found.transport, found.port, found.tls_transport, found.tls_port) == ("two", 5160, "three", 5161)
    assert found.tcp_transport is None


def test_taken_out_every_file_is_what_it_was(tmp_path: Path) -> None:
    """Also one whose last line had no end, one that was empty, one that was not there; and its mode, and its folder's.
    What somebody else put among our files stays, and so does the journal.
    """
    etc = laid_out(tmp_path, PLAIN)
    (etc / "ari.conf").chmod(0o604)
    installed(etc, tmp_path)
    assert "cel_custom.conf" in contents(etc)
    (etc / "connector" / "generated" / "pjsip_profiles.conf").write_text("generated\n")
    assert dropin.uninstall(etc).left == ()
    assert contents(etc) == PLAIN
    assert (etc / "ari.conf").stat().st_mode & 0o777 == 0o604
    assert not (etc / "connector").exists()
    assert not (tmp_path / "log" / "cel-custom").exists()
    assert [*(tmp_path / "logrotate.d").iterdir(), *(tmp_path / "systemd").iterdir()] == []
    installed(etc, tmp_path / "again")
    (etc / "connector" / "mine.conf").write_text("mine\n")
    (tmp_path / "log" / "cel-custom" / "connector.csv").write_text("a call\n")
    left = dropin.uninstall(etc).left
    assert [line.partition(":")[0] for line in left] == [str(tmp_path / "log" / "cel-custom"), str(etc / "connector")]
    assert contents(etc) == {**PLAIN, "connector/mine.conf": "mine\n"}


FREEPBX = {
    "asterisk.conf": "[directories]\nastlogdir => LOG\n[options]\n",
    **freepbx.files(port=5160, http_port=8188, ami_port=5138),
}
FREEPBX["pjsip.transports.conf"] += "[0.0.0.0-tls]\ntype=transport\nprotocol=tls\nbind=0.0.0.0:5161\n"


def test_freepbxs_own_files_are_not_touched(tmp_path: Path) -> None:
    """Its custom files have the lines; where its sections are open, bare options. Removed, empty ones are there and
    empty: an include of a file that is missing keeps Asterisk from starting.
    """
    etc = laid_out(tmp_path, FREEPBX)
    before = contents(etc)
    custom = {"extensions_custom.conf", "pjsip_custom.conf", "ari_additional_custom.conf", "manager_custom.conf"}
    custom |= {"ari_general_custom.conf", "http_custom.conf", "cel_general_custom.conf"}
    found = installed(etc, tmp_path)
    after = contents(etc)
    assert {name for name in FREEPBX if after[name] != before[name]} == custom
    assert "#tryinclude connector/extensions.conf" in after["extensions_custom.conf"]
    assert "enabled = yes" in after["http_custom.conf"]
    assert "[general]" not in after["http_custom.conf"]
    assert not any("includes" in note for note in found.notes)
    known = config.read(tmp_path / "own" / "connector.toml")
    sip = known.sip
    assert (sip.transport, sip.port, sip.tls_transport, sip.tls_port) == ("0.0.0.0-udp", 5160, "0.0.0.0-tls", 5161)
    assert (known.ari.port, known.ami.port) == (8188, 5138)
    assert known.journal.messages == tmp_path / "log" / "full"
    dropin.uninstall(etc)
    assert contents(etc) == before


def test_freepbx_leaves_our_folders_to_us(tmp_path: Path) -> None:
    """At each start it gives Asterisk's config to Asterisk's user. What the admin told it already stays."""
    told = "[blacklist]\ndirectory = /somewhere\n"
    etc = laid_out(tmp_path, {**FREEPBX, "freepbx_chown.conf": told})
    installed(etc, tmp_path)
    generated = etc / "connector" / "generated"
    (etc / "other").mkdir(mode=0o700)
    modes = {path: path.stat().st_mode for path in (generated, etc / "connector" / "ari.conf")}
    freepbx.chown(etc, os.geteuid(), os.getegid())
    assert {path: path.stat().st_mode for path in modes} == modes
    assert (etc / "other").stat().st_mode & 0o777 == 0o750
    assert (etc / "freepbx_chown.conf").read_text().startswith(told)
    generated.chmod(0o750)  # as by a release that does not read that file
    mended = dropin.update_plan(etc, tmp_path / "own" / "connector.toml")
    assert [(edit.path, f"{edit.mode:o}") for edit in mended.edits] == [(generated, "2750")]
    dropin.uninstall(etc)
    assert (etc / "freepbx_chown.conf").read_text() == told


def test_a_file_that_freepbx_does_not_include_is_named(tmp_path: Path) -> None:
    """Lines in it would do nothing, and nobody would know why."""
    etc = laid_out(tmp_path, {**FREEPBX, "pjsip.conf": "#include pjsip.transports.conf\n"})
    assert any("pjsip_custom.conf" in note for note in installed(etc, tmp_path).notes)


def test_an_update_changes_our_files_and_nothing_else(tmp_path: Path) -> None:
    """Secrets, settings, the admin's files and what was generated stay; the difference is shown without secrets, and
    Asterisk is told to read what changed. Another one finds nothing to do.
    """
    etc = laid_out(tmp_path, PLAIN)
    installed(etc, tmp_path)
    settings = tmp_path / "own" / "connector.toml"
    generated = etc / "connector" / "generated" / "pjsip_profiles.conf"
    generated.write_text("generated\n")
    before = contents(etc)
    old = etc / "connector" / "extensions.conf"
    old.write_text("[connector-from-profile]\nexten => _.,1,Hangup()\n")
    manager = etc / "connector" / "manager.conf"
    manager.write_text(manager.read_text().replace("writetimeout = 5000", "writetimeout = 100"))
    (etc / "ari.conf").write_text(
        (etc / "ari.conf").read_text().replace("#tryinclude connector/ari.conf", "#tryinclude x")
    )
    found = dropin.update_plan(etc, settings)
    reloads = ("dialplan reload", "manager reload", "module reload res_ari.so")
    *asterisk, units = found.after
    assert set(asterisk) == {f"asterisk -rx '{command}'" for command in reloads}
    assert units.startswith("systemctl daemon-reload && systemctl restart")
    shown = "\n".join(found.difference)
    assert "-writetimeout = 100" in shown
    assert config.read(settings).ami.password.get_secret_value() not in shown
    assert dropin.install(found) == []
    assert contents(etc) == before
    assert dropin.update_plan(etc, settings).edits == ()
    dropin.uninstall(etc)
    assert contents(etc) == PLAIN


def test_an_update_keeps_the_sections_that_the_admin_has(tmp_path: Path) -> None:
    """What we wrote ourselves is not mistaken for the admin's: the same is written each time."""
    etc = laid_out(
        tmp_path, {"asterisk.conf": "", "extensions.conf": "[globals]\n", "manager.conf": "", "ari.conf": ""}
    )
    installed(etc, tmp_path)
    assert dropin.update_plan(etc, tmp_path / "own" / "connector.toml").difference == ()


def test_an_update_mends_what_an_earlier_version_left(tmp_path: Path) -> None:
    """Files that Asterisk cannot read have their mode again, and a folder that is missing is made."""
    etc = laid_out(tmp_path, PLAIN)
    installed(etc, tmp_path)
    (etc / "connector" / "generated").rmdir()
    (etc / "connector" / "ari.conf").chmod(0o600)
    found = dropin.update_plan(etc, tmp_path / "own" / "connector.toml")
    assert {edit.path.name for edit in found.edits} == {"generated", "ari.conf"}
    assert dropin.install(found) == []
    assert (etc / "connector" / "ari.conf").stat().st_mode & 0o777 == 0o640
    assert (etc / "connector" / "generated").stat().st_mode & 0o7777 == 0o2750
    assert dropin.update_plan(etc, tmp_path / "own" / "connector.toml").edits == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_settings_that_our_user_cannot_reach_are_named(tmp_path: Path) -> None:
    """Their folder was there before, and is closed to the user that the connector will run as."""
    etc, own = laid_out(tmp_path, PLAIN), tmp_path / "own"
    own.mkdir(mode=0o700)
    found = dropin.plan(etc, own / "connector.toml", "192.0.2.1", "nobody", tmp_path / "store")
    assert any(
        "the user nobody cannot read" in problem and "connector.toml" in problem for problem in dropin.install(found)
    )


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Asterisk's user may write to its config folder, and root would write wherever a link there points."""
    etc = laid_out(tmp_path, PLAIN)
    precious = tmp_path / "precious"
    precious.write_text("precious\n")
    (etc / "ari.conf").unlink()
    (etc / "ari.conf").symlink_to(precious)
    with pytest.raises(BadInput, match="cannot be written"):
        installed(etc, tmp_path)
    assert precious.read_text() == "precious\n"
    assert not (etc / "connector").exists()


def test_what_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    """No Asterisk there; installed already; nothing to remove; no such user; settings that are there: no change."""
    with pytest.raises(BadInput, match="no Asterisk config"):
        dropin.plan(tmp_path, tmp_path / "c.toml", "192.0.2.1")
    etc = laid_out(tmp_path, PLAIN)
    before = contents(etc)
    for remove in (dropin.uninstall, dropin.installed):
        with pytest.raises(BadInput, match="not installed"):
            remove(etc)
    with pytest.raises(BadInput, match="not installed"):
        dropin.update_plan(etc, tmp_path / "c.toml")
    with pytest.raises(BadInput, match="there is no user nobody-of-that-name: 'adduser"):
        dropin.plan(etc, tmp_path / "c.toml", "192.0.2.1", "nobody-of-that-name")
    (tmp_path / "c.toml").write_text("")
    with pytest.raises(BadInput, match="is there already"):
        dropin.plan(etc, tmp_path / "c.toml", "192.0.2.1", accounts.own().name)
    assert contents(etc) == before
    installed(etc, tmp_path)
    with pytest.raises(BadInput, match=r"installed in .* already"):
        dropin.plan(etc, tmp_path / "d.toml", "192.0.2.1")
    with pytest.raises(BadInput, match="name the settings file"):
        dropin.update_plan(etc, tmp_path / "d.toml")


def test_what_fails_half_way_is_taken_back(tmp_path: Path) -> None:
    """A folder where a file should go: what was done before it is undone, folders and all."""
    etc = laid_out(tmp_path, PLAIN)
    (etc / "cel_custom.conf").mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        installed(etc, tmp_path)
    assert contents(etc) == PLAIN
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_dir())
    assert left == ["cel_custom.conf", "etc", "log", "logrotate.d", "systemd"]


def test_no_link_leads_an_uninstall_or_an_install_elsewhere(tmp_path: Path) -> None:
    """Asterisk's user moves our folder away and puts a link in its place: nothing of where it points is touched."""
    etc = laid_out(tmp_path, PLAIN)
    precious = tmp_path / "precious"
    (precious / "generated").mkdir(parents=True)
    for name in ("http.conf", "generated/mine"):
        (precious / name).write_text("precious\n")
    (etc / "connector").symlink_to(precious)
    with pytest.raises(BadInput, match="cannot be written"):
        installed(etc, tmp_path)
    (etc / "connector").unlink()
    installed(etc, tmp_path)
    (etc / "connector").rename(etc / "moved")
    (etc / "connector").symlink_to(precious)
    with pytest.raises(BadInput, match="cannot be changed"):
        dropin.uninstall(etc)
    assert contents(precious) == {"http.conf": "precious\n", "generated/mine": "precious\n"}


def test_line_ends_and_odd_bytes_come_back(tmp_path: Path) -> None:
    """Files from another system, and in another encoding, are what they were."""
    etc = laid_out(tmp_path, PLAIN)
    odd = b"[globals]\r\nNAME = M\xfcller\r\n"
    (etc / "extensions.conf").write_bytes(odd)
    (etc / "pjsip.conf.new").write_text("the admin's own\n")
    installed(etc, tmp_path)
    assert (etc / "extensions.conf").read_bytes().startswith(odd)
    dropin.uninstall(etc)
    assert (etc / "extensions.conf").read_bytes() == odd
    assert (etc / "pjsip.conf.new").read_text() == "the admin's own\n"


REFUSED = [
    ({"asterisk.conf": "[directories]\nastlogdir => /etc/* /x\n"}, "astlogdir"),
    ({"asterisk.conf": "[directories]\nastlogdir => log\n"}, "astlogdir"),
    ({"asterisk.conf": "[options]\nsystemname = pbx1.example.com\n[directories]\nastlogdir => LOG\n"}, "node"),
]


@pytest.mark.parametrize(("files", "said"), REFUSED)
def test_what_asterisks_config_must_not_say(files: dict[str, str], said: str, tmp_path: Path) -> None:
    """A folder that would be more than one in logrotate's rule; a name that our own settings do not take."""
    etc = laid_out(tmp_path, {**PLAIN, **files})
    with pytest.raises(BadInput, match=said):
        installed(etc, tmp_path)
    assert not (etc / "connector").exists()


def test_our_transport_stays_when_the_admin_makes_one(tmp_path: Path) -> None:
    """Every endpoint names it. AMI that is on stays where it listens, and our user may come from there."""
    files = {"pjsip.conf": "[global]\n", "manager.conf": "[general]\nenabled = true\nbindaddr = 10.0.0.5\n"}
    etc = laid_out(tmp_path, {**PLAIN, **files})
    installed(etc, tmp_path)
    assert "[connector-udp]" in (etc / "connector" / "pjsip.conf").read_text()
    manager = (etc / "connector" / "manager.conf").read_text()
    assert "permit = 10.0.0.5\n" in manager
    assert "bindaddr" not in manager
    pjsip = etc / "pjsip.conf"
    pjsip.write_text(pjsip.read_text() + "[mine]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5070\n")
    assert dropin.update_plan(etc, tmp_path / "own" / "connector.toml").edits == ()


def test_marks_that_somebody_edited_are_left_alone(tmp_path: Path) -> None:
    """What is ours is not known then: neither an update nor an uninstall takes anything away."""
    etc = laid_out(tmp_path, PLAIN)
    installed(etc, tmp_path)
    path = etc / "ari.conf"
    path.write_text(path.read_text().replace("; <<< connector\n", "") + "; the admin's\n")
    before = path.read_text()
    with pytest.raises(BadInput, match="our marks"):
        dropin.uninstall(etc)
    with pytest.raises(BadInput, match="our marks"):
        dropin.install(dropin.update_plan(etc, tmp_path / "own" / "connector.toml"))
    assert path.read_text() == before
