"""The commands that move money, as a person and as a program use them, on a store without an Asterisk."""

from __future__ import annotations

from pathlib import Path

from connector.billing import calls, credit, history
from connector.billing.profiles import Credentials
from connector.clock import SystemClock
from connector.database.sqlite import FileStore
from tests.billing.test_calls import admitted, finish
from tests.billing.test_ledger import tampered
from tests.commands import Command
from tests.conftest import DECK, NOW


def test_an_owner_buys_and_pays(connector: Command, store: FileStore) -> None:
    """Top up, buy, give, take back, recharge, change, cancel, delete; and the books add up."""
    assert connector.json("company", "topup", "100.50", "--key", "K")["available_micros"] == 10_069_650_000
    assert connector.json("company", "topup", "100.50", "--key", "K")["available_micros"] == 10_069_650_000
    assert "already used" in connector("company", "topup", "7", "--key", "K", status=1)
    connector.json("profile", "create", "desk")
    assert connector.json("channels", "buy", "desk", "105", "--bundles", "2")["channels"] == 110
    assert connector.json("channels", "show", "desk")["bundle_seconds_left"] == 600_000
    asked = connector.json("channels", "change", "desk", "20", "--bundles", "0", "--dry-run")
    assert asked["channels"] == 20
    assert connector.json("channels", "show", "desk")["channels"] == 110
    assert "Reduce the bundles" in connector("channels", "change", "desk", "1", status=1)
    assert connector.json("channels", "change", "desk", "20", "--bundles", "0")["charged_micros"] == 139_000_000
    assert "once a day" in connector("bundles", "buy", "desk", "1", status=1)
    assert connector.json("credit", "add", "desk", "5")["available_micros"] == 5_000_000
    assert connector.json("credit", "take-back", "desk", "2.5")["available_micros"] == 2_500_000
    got = connector.json(
        "credit", "auto-recharge", "desk", "--amount", "10", "--threshold", "3", "--monthly-limit", "50"
    )
    assert (got["available_micros"], got["recharged_micros"]) == (12_500_000, 10_000_000)
    assert connector.json("credit", "auto-recharge", "desk", "--off")["recharge_amount_micros"] is None
    assert connector.json("channels", "cancel", "desk", "--yes")["status"] == "cancelling"
    assert connector.json("profile", "limits", "desk", "--per-day", "3", "--block", "+33")["day_micros"] == 3_000_000
    assert connector.json("profile", "limits", "desk", "--per-day", "none", "--forget", "+33")["blocked"] == []
    assert connector.json("profile", "delete", "desk", "--yes")["credit_micros"] == 12_500_000
    assert connector.json("ledger", "verify")["ok"] is True
    assert "it adds up" in connector("ledger", "verify")
    assert connector.json("ledger", "balances")["profile:2:credit"] == 0
    assert connector.json("ledger", "entries", "--limit", "1")[0]["kind"] == "delete"
    assert connector.json("company", "prices", "--bundle", "40")["bundle_micros"] == 40_000_000
    assert len(connector.json("timemachine", "--days", "40")["days"]) == 1


WRONG = """
company topup NaN                              -> Invalid amount
company topup 1e309                            -> Invalid amount
company topup -5                               -> Invalid amount
company topup 1000000000000000000              -> Invalid amount
company topup 0.0000001                        -> Invalid amount
company topup 0                                -> Invalid amount
credit add office 999999                       -> is needed
credit add nobody 1                            -> no profile
credit take-back office 10.000001              -> is needed
credit auto-recharge office --amount 5         -> needs both
credit auto-recharge office                    -> say --amount
credit auto-recharge office --amount 5 --threshold 1 --monthly-limit= -> Invalid amount
credit add office 1 --key=                     -> a key has
ledger entries --company nope                  -> no company
credit auto-recharge office --amount NaN --threshold 1 -> Invalid amount
channels change office 301                     -> 1 to 300
channels change office -5                      -> 1 to 300
channels change office 0                       -> 1 to 300
channels change office 1000000000000000000     -> 1 to 300
channels buy office 5                          -> has a subscription
bundles buy office 4                           -> one bundle for each channel
bundles buy office -1                          -> cannot be sold
channels advise --erlangs NaN                  -> Use a plain decimal
channels advise --erlangs 1e309                -> Use a plain decimal
channels advise --erlangs 5 --blocking 0       -> a share
channels advise --employees 0                  -> the table is for
channels advise --profile office               -> no calls yet
channels advise                                -> say one of
rates price 12 --ms 1                          -> Invalid number
rates price +442079460001 --ms -1              -> Invalid duration
rates price +442079460001 --ms 1000000000000000000 -> Invalid duration
rates price +551112345678 --ms 1               -> No rate
rates load /nowhere/deck.csv                   -> cannot be read
profile limits office --per-day NaN            -> Invalid amount
profile limits office --calls-per-second 0     -> Invalid call count
profile limits office --allow 44               -> Invalid prefix
profile create huge --channels 301             -> 1 to 300
profile create dear --channels 300 --company Other -> no company
cdr explain nothing                            -> no CDR
company create Acme --currency GBP --time-zone Europe/London -> already
company create B --currency pounds --time-zone Europe/London -> is not a currency
company create B --currency GBP --time-zone Mars -> Unknown time zone
"""


def test_bad_input_is_one_clear_line_and_changes_nothing(connector: Command, store: FileStore) -> None:
    """Each of them, and afterwards everything is as it was."""
    before = connector("ledger", "balances")
    shown = connector.json("channels", "show", "office")
    for line in WRONG.strip().splitlines():
        words, said = line.split(" -> ")
        told = connector(*words.split(), status=1)
        assert said in told, (line, told)
        assert len(told.strip().splitlines()) <= 3, told
    for typed in (("credit", "show", chr(0xDCFF)), ("cdr", "show", "ab" + chr(0xDCFF)), ("rates", "load", "\x1b[2J")):
        assert "cannot be printed" in connector(*typed, status=1)
    assert connector("ledger", "balances") == before
    assert connector.json("channels", "show", "office") == shown


def test_a_deck_is_loaded_whole_or_not_at_all(connector: Command, tmp_path: Path) -> None:
    """The difference first, then the deck; with a broken line 150,000 nothing; with bytes that are no text nothing."""
    file = tmp_path / "deck.csv"
    file.write_text(DECK.replace("0.023", "0.03"))
    assert connector.json("rates", "load", str(file), "--dry-run")["dearer"] == 1
    assert len(connector.json("rates", "list")) == 1
    assert connector.json("rates", "load", str(file))["rates"] == 5
    (tmp_path / "short.csv").write_text("\n".join(DECK.splitlines()[:3]) + "\n")
    short = ("rates", "load", str(tmp_path / "short.csv"), "--full")
    assert "end: load the sheet with --yes" in connector(*short, "--json", status=1)
    assert len(connector.json(*short, "--dry-run")["ends"]) == 3
    lines = [f"{1_000_000 + n},Place,0.01,0,30/6,2026-01-01,standard" for n in range(200_000)]
    lines[149_998] = "1149998,Place,0.01,0,30/6,2026-13-01,standard"
    file.write_text(DECK.splitlines()[0] + "\n" + "\n".join(lines))
    assert "line 150000: Invalid date '2026-13-01'" in connector("rates", "load", str(file), status=1)
    file.write_bytes(b"prefix,name,price_per_minute\n44,\xff\x81,1\n")
    assert "is not a text" in connector("rates", "load", str(file), status=1)
    assert len(connector.json("rates", "list")) == 2


CARRIERS = "Carrier A;;;\nZiel;Vorwahl;Preis;Gültig ab\nÖsterreich;43;0,0089;01/02/2026\nIridium;8816;n/a;\n"


def test_a_carriers_sheet_is_loaded_after_one_look(connector: Command, office: Credentials, tmp_path: Path) -> None:
    """Programs are told how it is understood and what is asked, by exit status 2; answers are kept for the carrier."""
    file = tmp_path / "carrier.csv"
    file.write_bytes(CARRIERS.encode("cp1252"))
    load = ("rates", "load", str(file), "--carrier", "Carrier A")
    told = connector.json(*load, "--dry-run", status=2)
    assert told["ready"] is False
    assert [each["key"] for each in told["questions"]] == ["date_order"]
    assert [each["answer"] for each in told["questions"][0]["choices"]] == ["day", "month"]
    assert "--answer date_order=day" in connector(*load, "--dry-run", status=2)
    assert "--answer 'date_order=day'" in connector(*load, status=1)
    assert len(connector.json("rates", "list")) == 1
    told = connector.json(*load, "--dry-run", "--answer", "date_order=day")
    assert (told["ready"], told["confidence"], told["decimal_mark"]) == (True, 0.95, "comma")
    assert told["mapping"]["prefix"] == {"column": 2, "name": "Vorwahl", "confidence": 0.95}
    assert (told["counts"]["prefixes"], told["counts"]["blocked"]) == (2, 1)
    assert [each["valid_from"] for each in told["sample"]] == ["2026-02-01", ""]
    assert connector.json(*load, "--answer", "date_order=day")["rates"] == 7
    assert connector.json(*load, "--dry-run")["is_known"] is True
    spaced = (*load[:-1], " Carrier A ")
    assert connector.json(*spaced, "--answer", "date_order=month")["rates"] == 7
    assert connector.json(*load, "--dry-run")["sample"][0]["valid_from"] == "2026-01-02"
    connector(*load[:-1], "Carrier B", "--dry-run", status=2)
    assert "is not an answer" in connector(*load, "--answer", "day", status=1)
    file.write_text("Dest,Code,Price\nUK,4.47E+11,0.1\nFrance,33,0.1\n")
    told = connector.json("rates", "load", str(file), "--dry-run", status=2)
    assert [each["row"] for each in told["problems"]] == [2]
    shown = connector("rates", "load", str(file), "--dry-run", status=2)
    assert "Row 2: A spreadsheet has cut the digits" in shown
    file.write_bytes(b"PK\x03\x04")
    assert "is a broken workbook" in connector("rates", "load", str(file), "--dry-run", status=1)


def test_a_charge_is_explained(connector: Command, office: Credentials) -> None:
    """Prefix, deck, blocks, rounding, postings; to a person and to a program."""
    call = admitted(office.username)
    finish(call.call_id, answered_at=NOW, ended_at=NOW + 61_000)
    told = connector.json("cdr", "explain", call.call_id[:8])
    assert (told["price_micros"], told["recomputed_micros"], told["agrees"]) == (23_000, 23_000, True)
    assert told["entries"][-1]["postings"]["company:1:usage"] == 23_000
    assert "are 66 s in blocks of 30/6" in " ".join(
        connector("cdr", "explain", call.call_id[:8]).replace("│", "").split()
    )
    assert history.explain(call.call_id).deck_version == told["deck_version"]


def test_a_tampered_ledger_fails_the_command(connector: Command, store: FileStore) -> None:
    """`ok` is false, the exit status is 1, and the row is named."""
    credit.add("office", 1, "x", NOW)
    tampered(store, "UPDATE posting SET amount = amount * 2 WHERE id > 2")
    report = connector.json("ledger", "verify", status=1)
    assert report["ok"] is False
    assert any("the hash is not theirs" in problem for problem in report["problems"])


def test_a_payment_is_listed_and_taken_back(connector: Command) -> None:
    """By its number, with a reason, once by its key; a part is a part, and more than is left is refused."""
    connector("company", "topup", "40", "--key", "typed twice")
    (made, *_) = connector.json("company", "payments")
    assert (made["provider"], made["number"], made["amount_micros"]) == ("recorded", "typed twice", 40_000_000)
    number = str(made["id"])
    assert "Missing option" in connector("company", "reverse", number, status=2)
    assert "Write why" in connector("company", "reverse", number, "--why", " ", status=1)
    for _ in range(2):
        said = connector.json("company", "reverse", number, "15", "--why", "too much", "--key", "K")
        assert (said["taken_back_micros"], said["owed_micros"], said["why"]) == (15_000_000, 0, "too much")
    assert "The amount to take back is more" in connector("company", "reverse", number, "26", "--why", "x", status=1)
    connector("company", "reverse", number, "--why", "typed twice")
    assert "£40.00" in connector("company", "payments")
    assert "There is no payment 999" in connector("company", "reverse", "999", "--why", "x", status=1)


def test_what_carriers_cost_is_loaded_and_reported(connector: Command, office: Credentials, tmp_path: Path) -> None:
    """A cost sheet in dollars, its exchange rate, the margin of a month and of a call, and a floor that refuses."""
    file = tmp_path / "costs.csv"
    file.write_text("Destination;Code;Rate USD;Increment\nUK;44;0.02;60/60\nFrance;33;0.9;1/1\n")
    costs = ("rates", "load", str(file), "--trunk", "carrier", "--currency", "usd")
    assert "connector exchange set USD GBP RATE" in connector(*costs, status=1)
    assert connector.json("exchange", "set", "usd", "gbp", "0.5", "--from", "2026-01-01")["denominator"] == 2
    assert "0.5 GBP" in connector("exchange", "list")
    told = connector.json(*costs, "--dry-run")
    assert (told["sold_below_cost"], told["below_cost"][0]["prefix"]) == (1, "+33")
    assert "Sold below cost" in connector(*costs, "--dry-run")
    assert "would be sold below cost: load the sheet with --yes" in connector(*costs, status=1)
    assert connector.json(*costs, "--yes")["currency"] == "USD"
    assert len(connector.json("rates", "list")) == 1
    assert [each["trunk"] for each in connector.json("rates", "list", "--trunk", "carrier")] == ["carrier"]
    call = admitted(office.username)
    at = SystemClock().now_ms()  # the command's clock, by which the deck is in use
    calls.answered(call.call_id, at, "B")
    finish(call.call_id, answered_at=at, ended_at=at + 60_000)
    cost = connector.json("cdr", "explain", call.call_id[:8])["cost"]
    assert (cost["carrier_micros"], cost["exchange"], cost["cost_micros"]) == (20_000, "0.5", 10_000)
    assert connector.json("margin", "report")["total"]["margin_micros"] == 13_000
    assert "56.52 %" in connector("margin", "report")
    assert connector.json("ledger", "balances")["trunk:1:payable"] == -10_000
    assert connector.json("margin", "floor", "--per-minute", "0.001", "--profile", "office")["percent"] == "0"
    assert connector.json("margin", "floor", "--percent", "60", "--profile", "office")["per_minute_micros"] == 1_000
    said = " ".join(connector("why", "+442079460001", "--profile", "office").split())
    assert "Not by carrier: the call would leave less than the margin floor (below_floor, it takes 0.01)" in said
    assert connector.json("margin", "floor")[0]["profile"] == "office"
    assert connector.json("margin", "floor", "--remove", "--profile", "office") == []
    assert "say either" in connector("margin", "floor", "--remove", "--percent", "1", status=1)
