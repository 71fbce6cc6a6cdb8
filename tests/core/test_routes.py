"""Routes as text, and the path of a call by them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import hours, times
from connector.core.routes import PBX, Book, Path, Place, check, circle, parse, path
from connector.errors import BadInput

ZONE = "Europe/London"
OWN, ABROAD, OTHERS = "+442079460101", "+33123456789", "+442079460200"
BOOK = Book(
    ZONE,
    {"office": hours.parse("mon-fri 09:00-17:30"), "holidays": hours.parse("12-25..12-26, 2026-04-06")},
    {"sales": parse("extension 201, extension 202 for 10"), "night": parse("voicemail 100")},
    {
        "support": Place(parse("office: extension 301; else: department night"), "p"),
        "desk": Place(parse("account support"), "p"),
        "abroad": Place(PBX, "q"),
    },
    {OWN: Place(parse("department sales"), "p"), OTHERS: Place(PBX, "q")},
    frozenset({"100", "101"}),
)
WORK, NIGHT, XMAS = "2026-11-23T10:00", "2026-11-23T20:00", "2026-12-25T10:00"
# the route of +442079460100 | when | the path: each hop, its seconds, and at the end how long all of it may ring
PATHS = f"""
                                                              | {WORK}  | pbx 60 / 120
pbx for 20                                                    | {WORK}  | pbx 20 / 120
extension 101                                                 | {WORK}  | 101 25 / 120
extension 101 for 20 s, group 102 103 for 30                  | {WORK}  | 101 20, 102+103 30 / 120
office: extension 101; else: voicemail 100                    | {WORK}  | 101 25 / 120
office: extension 101; else: voicemail 100                    | {NIGHT} | vm 100 / 120
office: extension 101; else: voicemail 100                    | {XMAS}  | 101 25 / 120
holidays: busy; office: extension 101; else: voicemail 100    | {XMAS}  | busy / 120
holidays: busy; office: extension 101; else: voicemail 100    | {WORK}  | 101 25 / 120
holidays: busy; office: extension 101; else: voicemail 100    | 2026-04-06T10:00 | busy / 120
holidays: busy; office: extension 101; else: voicemail 100    | 2027-04-05T10:00 | 101 25 / 120
department sales, voicemail 101                               | {WORK}  | 201 25, 202 10, vm 101 / 120
account support                                               | {WORK}  | 301 25 / 120
account support                                               | {NIGHT} | vm 100 / 120
account support, extension 101                                | {NIGHT} | vm 100 / 120
account desk, extension 101                                   | {WORK}  | 301 25, 101 25 / 120
number {OWN}, busy                                            | {WORK}  | 201 25, 202 10, busy / 120
number {ABROAD} for 30, voicemail 101                         | {WORK}  | out {ABROAD} 30, vm 101 / 120
account abroad, extension 101                                 | {WORK}  | 101 25 / 120
number {OTHERS}, extension 101                                | {WORK}  | 101 25 / 120
voicemail 999                                                 | {WORK}  | nothing / 120
lunch: extension 101; else: extension 102                     | {WORK}  | 102 25 / 120
department gone, account gone                                 | {WORK}  | nothing / 120
extension 101; within 15                                      | {WORK}  | 101 25 / 15
"""


def written(found: Path) -> str:
    """A path as the table has it."""
    kinds = {"ring": "", "forward": "out ", "voicemail": "vm ", "busy": "busy"}
    hops = []
    for hop in found.hops:
        to = "+".join(hop.to) or ("pbx" if hop.kind == "ring" else "")
        hops.append(f"{kinds[hop.kind]}{to}" + (f" {hop.ring_s}" if hop.ring_s else ""))
    return f"{', '.join(hops) or 'nothing'} / {found.within_s}"


@pytest.mark.parametrize("line", PATHS.strip("\n").splitlines())
def test_the_path_of_a_call(line: str) -> None:
    """By the hour in the company's zone: the first line that covers it; names are followed, and what is not there is
    passed over, with a note. What takes the call is the end.
    """
    text, when, wanted = (cell.strip() for cell in line.split("|"))
    found = path("+442079460100", Place(parse(text), "p"), BOOK, times.instant(when, ZONE))
    assert written(found) == wanted
    for word in ("abroad", OTHERS, "gone", "999", "lunch"):
        assert (word in text) is any(word in note for note in found.notes)


def test_a_call_that_came_round_is_not_forwarded_out() -> None:
    """It is one that was forwarded."""
    place = Place(parse(f"number {ABROAD}, extension 101"), "p")
    found = path("+442079460100", place, BOOK, 0, may_forward=False)
    assert written(found) == "101 25 / 120"
    assert "has come back" in found.notes[0]


ROUND = {
    "itself": {"da": "department da"},
    "two": {"da": "extension 1, department db", "db": "department da"},
    "in other hours": {"da": "office: extension 101; else: department db", "db": "office: department da; else: busy"},
    "three": {"da": "department db", "db": "department dc", "dc": "extension 101, department da"},
}


@pytest.mark.parametrize("name", ROUND)
def test_circles_are_found_and_never_walked(name: str) -> None:
    """Whatever the hour; and if one were there all the same, a call's path ends."""
    book = Book(ZONE, BOOK.hours, {key: parse(text) for key, text in ROUND[name].items()})
    found = circle(book)
    assert found[0] == found[-1]
    assert len(found) == len(ROUND[name]) + 1
    for when in (WORK, NIGHT):
        path("x", Place(parse("department da"), None), book, times.instant(when, ZONE))
    assert circle(BOOK) == []


def test_numbers_and_accounts_make_circles_too() -> None:
    """A number that leads to an account that leads to the number."""
    book = Book(
        ZONE,
        accounts={"support": Place(parse(f"number {OWN}"), "p")},
        numbers={OWN: Place(parse("account support"), "p")},
    )
    assert circle(book) == ["account support", f"number {OWN}", "account support"]


def test_a_maze_takes_no_time() -> None:
    """Departments that each lead twice to the next would be a million ways."""
    names = [f"d{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    steps = [f"department {name}, department {name}" for name in names[1:]] + ["voicemail 999"]
    book = Book(ZONE, {}, {name: parse(step) for name, step in zip(names, steps, strict=True)})
    began = time.process_time()
    assert path("x", Place(parse("department da"), None), book, 0).hops == ()
    assert circle(book) == []
    assert time.process_time() - began < 1


# a route | what is wrong with it
WRONG = """
extension                                | After extension, write one word
extension 101 102                        | one word
extension 101 for 0                      | 1 to 120
extension 101 for 121                    | 1 to 120
extension 101&102                        | not a valid extension
extension ${X}                           | not a valid extension
extension h                              | not a valid extension
extension 101@evil                       | not a valid extension
extension 101/n                          | not a valid extension
group 101                                | 2 to 10 words
group 101 101                            | 2 to 10 words
ring 101                                 | Invalid step
voicemail abc                            | not a valid mailbox
voicemail 101 for 20                     | does not ring
voicemail 101, extension 101             | nothing comes after voicemail
busy, extension 101                      | nothing comes after busy
number 020 7946 0001                     | one word
number 02079460001                       | international form
number 999                               | international form
number +442079460001&+44                 | international form
department Sales                         | not a valid name of department
account sip:support@host                 | Invalid name .* for hours
account support@host                     | not a valid name of account
office: extension 101                    | The last line of a route
else: busy; else: busy                   | The last line of a route
extension 101; extension 102             | The last line of a route
Ho ho: busy; else: busy                  | Invalid name .* for hours
within 0                                 | within 1 to 300
within 301                               | within 1 to 300
extension 101; within soon               | within 1 to 300
,                                        | Invalid step
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_what_is_no_route_is_named(line: str) -> None:
    """One clear line."""
    text, words = (cell.strip() for cell in line.split("|"))
    with pytest.raises(BadInput, match=words):
        parse(text)


MISSING = """
lunch: busy; else: busy   | The hours 'lunch' do not exist
department gone           | The department 'gone' does not exist
voicemail 999             | The mailbox '999' does not exist
account gone              | no account
account abroad            | at another profile
number +442079460200      | at another profile
"""


@pytest.mark.parametrize("line", MISSING.strip().splitlines())
def test_a_route_names_only_what_is_there(line: str) -> None:
    """And what is in its own profile."""
    text, words = (cell.strip() for cell in line.split("|"))
    with pytest.raises(BadInput, match=words):
        check(parse(text), BOOK, "p")


@pytest.mark.parametrize("line", PATHS.strip("\n").splitlines())
def test_a_route_is_kept_as_it_is_read(line: str) -> None:
    """Its text, read again, is the same route."""
    route = parse(line.split("|")[0].strip())
    assert parse(str(route)) == route


@given(st.text(alphabet="extnsiogrup 0123456789:;,\nforwthalsecd-", max_size=120))
def test_any_text_is_a_route_or_bad_input(text: str) -> None:
    """Nothing else comes of it, and what is one stays itself."""
    try:
        route = parse(text)
    except BadInput:
        return
    assert parse(str(route)) == route
