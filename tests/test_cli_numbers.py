"""The commands for numbers, routes, accounts and voice mail, as a person and as a program use them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands import Command

SHEET = "number,country,area_code,monthly_fee\n+442079460110,GB,020,2.50\n+442079460111,GB,20,3\n"
OFFICE, BOUGHT = "+442079460100", "+442079460110"


def test_a_company_gets_a_number_and_has_it_ring(connector: Command, tmp_path: Path) -> None:
    """Import, price, buy, hours, mailbox, account, route, test, move, release: what is shown is what is."""
    sheet = tmp_path / "stock.csv"
    sheet.write_text(SHEET)
    assert connector.json("numbers", "import", str(sheet))["new"] == 2
    assert connector.json("numbers", "for-sale", "--area", "020")[0]["number"] == BOUGHT
    told = connector.json("numbers", "buy", "--country", "GB", "--profile", "office", "--period", "3", "--dry-run")
    assert (told["number"], told["price_micros"]) == (BOUGHT, 7_500_000)
    bought = connector.json("numbers", "buy", BOUGHT, "--profile", "office", "--period", "3")
    assert {**bought, "paid_until": 0, "created_at": 0} == {**told, "paid_until": 0, "created_at": 0}
    assert connector.json("hours", "set", "office", "mon-fri 09:00-17:30")["text"] == "mon-fri 09:00-17:30"
    assert len(connector.json("voicemail", "create", "101", "--name", "Reception")["pin"]) == 6
    made = connector.json("account", "create", "support", "--profile", "office", "--extension", "301",
                          "--forward", "voicemail 101")  # fmt: skip
    assert made["route"] == "extension 301, voicemail 101"
    text = tmp_path / "support.route"
    text.write_text("office: account support\nelse: voicemail 101\n")
    assert connector.json("route", "set", BOUGHT, f"@{text}")["route"] == "office: account support\nelse: voicemail 101"
    assert "office: account support; else: voicemail 101" in connector("route", "set", BOUGHT, f"@{text}")
    found = connector.json("route", "test", BOUGHT, "--at", "2026-11-23T10:00")
    assert [(hop["kind"], hop["to"]) for hop in found["path"]["hops"]] == [("ring", ["301"]), ("voicemail", ["101"])]
    assert found["at"] == "2026-11-23T10:00:00.000Z"
    shown = connector("route", "test", BOUGHT, "--at", "2026-11-23T20:00")
    assert "voice mail takes it" in shown
    assert "301" not in shown
    found = connector.json("why", "+442079460001", "--profile", "office")
    assert (found["carried"], found["reasons"]) == (True, [])
    assert "would be carried" in connector("why", "+442079460001", "--profile", "office")
    connector("profile", "drain", "office")
    told = connector("why", "+99", "--profile", "office", "--at", "2026-12-25T10:00")
    assert told.index("profile_draining") < told.index("number_invalid")
    assert "Resume the profile." in told
    connector("profile", "resume", "office")
    assert connector.json("numbers", "list")[1]["paid_until"] == bought["paid_until"]
    assert BOUGHT in connector("numbers", "list")
    for word in ("hours", "department"):
        connector(word, "list")
    assert "support" in connector("account", "list")
    assert "Reception" in connector("voicemail", "list")
    assert connector.json("voicemail", "messages", "101") == []
    pin = connector.json("voicemail", "pin", "101")["pin"]
    assert re.fullmatch("[0-9]{6}", pin)
    assert "there is no mailbox" in connector("voicemail", "pin", "199", status=1)
    assert connector.json("profile", "change", "office", "--country", "GB")["emergency"] == ["112", "999"]
    assert connector.json("profile", "change", "office", "--contact", "Ada")["contact"] == "Ada"
    assert connector.json("profile", "caller-id", "office", "--policy", "fixed", "--number", BOUGHT)["number"] == BOUGHT
    withheld = connector.json("profile", "caller-id", "office", "--withhold-prefixes", "*67 141")
    assert withheld["withhold"] == ["*67", "141"]
    priced = ("--allow", "101", "--title", "Police", "--fee", "0.15", "--per-minute", "0.008")
    (police,) = connector.json("profile", "service-numbers", "office", *priced)
    assert (police["digits"], police["connection_fee_micros"], police["price_per_minute_micros"]) == (
        "101",
        150_000,
        8000,
    )
    assert "£0.15" in connector("profile", "service-numbers", "office")
    assert connector.json("profile", "service-numbers", "office", "--forget", "101") == []
    assert "refused" in connector("profile", "service-numbers", "office")
    assert connector.json("numbers", "release", BOUGHT, "--yes")["renews"] is False
    assert connector.json("numbers", "keep", BOUGHT)["renews"] is True
    assert connector.json("numbers", "detach", OFFICE)["profile"] is None
    assert connector.json("numbers", "attach", OFFICE, "office")["profile"] == "office"
    assert connector.json("numbers", "verify", "+442079460777", "--evidence", "letter")["evidence"] == "letter"
    assert "letter" in connector("numbers", "verified")
    connector("numbers", "forget", "+442079460777")
    button = connector.json("button", "create", "website", "--account", "support", "--most", "3")
    assert button["link"].endswith(f"/call/{button['token']}")
    assert button["link"] in button["html"]
    assert connector("button", "show", "website", "--html") == button["html"] + "\n"
    assert "<a" not in connector("button", "show", "website")
    assert connector.json("button", "show", "website") == button
    assert connector.json("button", "change", "website", "--most", "4")["most"] == 4
    assert "website" in connector("button", "list")
    assert [view["account"] for view in connector.json("button", "list", "--company", "Acme")] == ["support"]
    assert connector.json("button", "remove", "website")["name"] == "website"
    assert connector.json("button", "list") == []
    assert connector.json("emergency") == []
    assert connector.json("ledger", "verify")["ok"] is True


def test_what_is_dialled_is_explained(connector: Command) -> None:
    """A number, an emergency, or why it is neither; for programs a null."""
    assert connector.json("numbers", "normalise", "(020) 7946 0001", "--country", "GB")["e164"] == "+442079460001"
    refused = connector.json("numbers", "normalise", "${EXTEN}&x")
    assert refused["e164"] is None
    assert refused["why"]
    assert "999" in connector("numbers", "normalise", "999", "--country", "GB")


# a command | what it complains of
WRONG = """
numbers normalise 1 --country gb                          | Invalid country
numbers buy                                               | say which number
numbers buy +442079460110                                 | is not for sale
numbers add +442079460100                                 | is taken
numbers add hello                                         | is not a number
numbers attach +442079460999 office                       | nobody has the number
numbers release +442079460999 --yes                       | nobody has the number
numbers import /nonexistent                               | cannot be read
numbers verify +442079460777 --evidence=                  | The evidence
route set +442079460100 ring                              | Invalid step
route set nobody pbx                                      | no number or account
route set +442079460100 @/nonexistent                     | cannot be read
route test +442079460100 --at 0001-01-01T00:00Z           | Invalid time
route test +442079460999                                  | nobody has the number
hours set office never                                    | Invalid period
hours set else mon                                        | A name for hours
hours remove office                                       | there is no hours
department set sales                                      | Missing argument
account create Support --profile office                   | small letters
account create support --profile nobody                   | no profile
button create a,b --account sales                         | letters, digits
button create website --account nobody                    | no account
button show website                                       | no call button
account attach support office                             | no number or account
voicemail create 1                                        | 2 to 10 digits
voicemail create 101 --email evil,x=y                     | Invalid e-mail address
voicemail create 101 --name a|b                           | printable characters
voicemail messages 999                                    | no mailbox
profile change office --country UK                        | Invalid country
profile change office --country GB --emergency 1          | 2 to 6 digits
profile caller-id office --policy any                     | Use one of: none, fixed, pass
profile caller-id office --number +447700900123           | it is not verified
profile caller-id office --withhold-prefixes +44          | 2 to 4 digits
profile service-numbers office --allow 1                  | 2 to 6 digits
profile service-numbers office --allow 112                | an emergency number
profile service-numbers office --allow 101 --fee -1       | the fee
profile service-numbers nobody --allow 101                | no profile
profile limits office --block +521                        | has retired it
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_bad_input_is_one_line_and_changes_nothing(connector: Command, line: str) -> None:
    """Whatever is wrong with it."""
    words, complaint = (cell.strip() for cell in line.split(" | "))
    before = connector.json("profile", "show", "office")
    said = connector(*words.split(), status=2 if "Missing" in complaint else 1)
    assert complaint in " ".join(said.split())
    assert connector.json("profile", "show", "office") == before


def test_arguments_that_are_no_text_are_refused(connector: Command) -> None:
    """Bytes that are no UTF-8, in a name."""
    for words in (("route", "set", "\udcff", "pbx"), ("route", "test", "\udcff"), ("hours", "remove", "\udcff")):
        assert "cannot be printed" in connector(*words, status=1)


def test_a_greeting_is_a_wav_that_asterisk_plays(connector: Command, tmp_path: Path) -> None:
    """Anything else is refused, and the old one stays."""
    connector.json("voicemail", "create", "101")
    wrong = tmp_path / "greeting.wav"
    wrong.write_bytes(b"RIFF is not enough")
    assert "is a WAV of 8 kHz" in connector("voicemail", "greeting", "101", str(wrong), status=1)
    assert json.loads(connector("voicemail", "list", "--json"))[0]["messages"] == 0
