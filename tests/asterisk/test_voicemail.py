"""Mailboxes' config, greetings and messages, without an Asterisk."""

from __future__ import annotations

import errno
import io
import os
import wave
from pathlib import Path

import pytest

from connector.asterisk import voicemail
from connector.billing.profiles import Credentials
from connector.errors import AriUnavailable, BadInput, NotFound
from connector.routing import mailboxes, routes
from connector.routing.mailboxes import KeptMailbox
from tests.conftest import NOW

BOXES = [
    KeptMailbox("connector-1", "101", "Reception", "desk@example.com", "123456"),
    KeptMailbox("connector-1", "102", "Workshop", "", "234567"),
    KeptMailbox("connector-2", "101", "Others", "", "345678"),
]
MESSAGE = """\
;
; Message Information file
;
[message]
origmailbox=101
context=connector-ring
callerid="Jo %(evil)s [x]" <+447700900123>
origtime=1795000000
duration=12
"""


def test_each_company_has_a_context_of_its_own() -> None:
    """And each mailbox a line."""
    assert voicemail.render(BOXES).splitlines()[2:] == [
        "[connector-1]",
        "101 => 123456,Reception,desk@example.com,,attach=yes|passwordlocation=spooldir",
        "102 => 234567,Workshop,,,attach=yes|passwordlocation=spooldir",
        "[connector-2]",
        "101 => 345678,Others,,,attach=yes|passwordlocation=spooldir",
    ]


class Asterisk:
    """Counts reloads, and may be away."""

    def __init__(self) -> None:
        self.loads = 0
        self.away = False

    async def reload(self, module: str) -> None:
        """Count it."""
        if self.away:
            raise AriUnavailable("away")
        self.loads += 1


async def test_asterisk_reads_what_changed_and_no_more(tmp_path: Path) -> None:
    """Without mailboxes nothing is written; one that could not be asked is asked again."""
    asterisk = Asterisk()
    path = tmp_path / voicemail.FILE_NAME
    boxes = voicemail.Boxes(tmp_path, asterisk)
    assert not await boxes.keep([])
    assert not path.exists()
    asterisk.away = True
    with pytest.raises(AriUnavailable):
        await boxes.keep(BOXES)
    asterisk.away = False
    assert await boxes.keep(BOXES)
    assert not await boxes.keep(BOXES)
    assert await boxes.keep(BOXES[:1])
    assert await boxes.keep([])
    assert not await boxes.keep([])
    assert asterisk.loads == 3
    assert path.stat().st_mode & 0o777 == 0o640
    assert "101" not in path.read_text()


def test_messages_are_read_as_they_lie(tmp_path: Path) -> None:
    """Of every folder, the oldest first; a torn one harms nobody."""
    inbox = tmp_path / "connector-1" / "101" / "INBOX"
    inbox.mkdir(parents=True)
    (inbox / "msg0000.txt").write_text(MESSAGE)
    (inbox / "msg0001.txt").write_text("torn")
    (inbox / "msg0002.wav").write_text("no words of it")
    (inbox / "other.txt").write_text("")
    found = voicemail.Spool(tmp_path).messages("connector-1", "101")
    assert [(message.number, message.duration_s, message.left_at) for message in found] == [
        (1, 0, 0),
        (0, 12, 1_795_000_000_000),
    ]
    assert found[1].caller == '"Jo %(evil)s [x]" <+447700900123>'
    assert voicemail.Spool(tmp_path).messages("connector-1", "102") == []


def sound(rate: int = 8000, channels: int = 1, frames: int = 800) -> bytes:
    """A WAV."""
    made = io.BytesIO()
    with wave.open(made, "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(b"\0\0" * channels * frames)
    return made.getvalue()


@pytest.mark.parametrize("wrong", [b"", b"RIFF", sound(44_100), sound(channels=2), sound(frames=0), b"x" * 6_000_000])
def test_a_greeting_of_another_form_is_refused(tmp_path: Path, wrong: bytes) -> None:
    """And nothing is put in place."""
    with pytest.raises(BadInput, match="a greeting is a WAV"):
        voicemail.Spool(tmp_path).set_greeting("connector-1", "101", wrong)
    assert not (tmp_path / "connector-1").exists()


def test_a_greeting_is_for_both_ways_to_the_mailbox(tmp_path: Path) -> None:
    """Unanswered and busy; and it may be taken away."""
    voicemail.Spool(tmp_path).set_greeting("connector-1", "101", sound())
    home = tmp_path / "connector-1" / "101"
    assert sorted(path.name for path in home.iterdir()) == ["busy.wav", "unavail.wav"]
    voicemail.Spool(tmp_path).set_greeting("connector-1", "101", None)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("name", ["a,b", "a|b", "a;b", "a\nb", "[x]", 'a"b', "a=b", "x" * 61, "", "a\\b", "\u202ea"])
def test_a_name_that_means_something_to_asterisk_is_refused(office: Credentials, name: str) -> None:
    """It stands in a line of its config."""
    with pytest.raises(BadInput, match="name has 1 to 60"):
        mailboxes.create("101", name, "", NOW)
    for email in ("a@b,c", "a b@c", "@c", "a@", "a@b;c", "a|b@c", "-x@y"):
        with pytest.raises(BadInput, match="Invalid e-mail address"):
            mailboxes.create("101", "x", email, NOW)
    assert mailboxes.listed() == []


def test_a_mailbox_is_kept_while_a_route_needs_it(office: Credentials) -> None:
    """Its PIN is sealed; names are its company's own."""
    made, pin = mailboxes.create("101", "Reception", "desk@example.com", NOW)
    assert mailboxes.kept() == [KeptMailbox("connector-1", "101", "Reception", "desk@example.com", pin)]
    assert pin not in repr(mailboxes.kept())
    assert made.context == "connector-1"
    with pytest.raises(BadInput, match="already"):
        mailboxes.create("101", "Again", "", NOW)
    routes.set_route("+442079460100", "voicemail 101")
    with pytest.raises(BadInput, match="mailbox '101' does not exist"):
        mailboxes.remove("101")
    assert mailboxes.change("101", None, "").email == ""
    routes.set_route("+442079460100", "")
    mailboxes.remove("101")
    with pytest.raises(NotFound):
        mailboxes.show("101")


def test_what_an_earlier_mailbox_left_is_not_the_new_ones(tmp_path: Path) -> None:
    """Its messages, its greeting, and a PIN that was changed by phone are moved aside."""
    home = tmp_path / "connector-1" / "101"
    assert voicemail.Spool(tmp_path).set_aside("connector-1", "101", NOW) is None
    home.mkdir(parents=True)
    (home / "secret.conf").write_text("0000")
    aside = voicemail.Spool(tmp_path).set_aside("connector-1", "101", NOW)
    assert aside is not None
    assert (aside / "secret.conf").read_text() == "0000"
    assert not home.exists()


def test_where_nothing_may_be_written_a_mailbox_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that is only to be read (systemd's ProtectSystem): an error only if something lies there."""

    def read_only(*_: object) -> None:
        """What the kernel says, whether the file is there or not."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    spool = voicemail.Spool(tmp_path)
    assert spool.set_aside("connector-1", "101", NOW) is None
    spool.forget_pin("connector-1", "101")
    home = tmp_path / "connector-1" / "101"
    home.mkdir(parents=True)
    (home / "secret.conf").write_text("0000")
    with pytest.raises(BadInput, match=r"cannot be moved aside: .*Read-only"):
        spool.set_aside("connector-1", "101", NOW)
    with pytest.raises(BadInput, match=r"so it stays: .*Read-only"):
        spool.forget_pin("connector-1", "101")


def test_nothing_is_written_where_somebody_put_a_link(tmp_path: Path) -> None:
    """Asterisk's user may write to the spool: a link there leads root's command nowhere."""
    victim, elsewhere = tmp_path / "victim", tmp_path / "elsewhere"
    victim.write_text("as it was")
    elsewhere.mkdir()
    home = tmp_path / "connector-1" / "101"
    home.mkdir(parents=True)
    (home / "unavail.wav.new").symlink_to(victim)
    (home / "busy.wav").symlink_to(victim)
    voicemail.Spool(tmp_path).set_greeting("connector-1", "101", sound())
    assert victim.read_text() == "as it was"
    assert not (home / "busy.wav").is_symlink()
    (tmp_path / "connector-1" / "102").symlink_to(elsewhere)
    with pytest.raises(BadInput, match="no folder"):
        voicemail.Spool(tmp_path).set_greeting("connector-1", "102", sound())
    assert list(elsewhere.iterdir()) == []


def test_folders_of_the_spool_belong_to_whom_it_belongs(tmp_path: Path) -> None:
    """Else Asterisk could not take a message after root put a greeting there."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(tmp_path, 1234, 1234)
    voicemail.Spool(tmp_path).set_greeting("connector-1", "101", sound())
    made = [tmp_path / "connector-1", tmp_path / "connector-1" / "101", tmp_path / "connector-1" / "101" / "busy.wav"]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(1234, 1234)}
