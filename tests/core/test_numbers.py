"""What is a number, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import numbering
from connector.core.numbers import digits_of, e164, normalise, recorded, without_prefix
from connector.errors import BadInput

COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
# where it is dialled ("-": nowhere in particular) | what is dialled | what it is: E.164, sos N, or refused
TABLE = """
-  | +442079460001                            | +442079460001
-  | 00442079460001                           | +442079460001
-  | +12025550123                             | +12025550123
-  | +999999999999999                         | +999999999999999
-  | 442079460001                             | refused
-  | 011442079460001                          | refused
-  | 02079460001                              | refused
-  | +44 20 7946 0001                         | +442079460001
-  | +44-20-7946-0001                         | +442079460001
-  | +44.20.7946.0001                         | +442079460001
-  | +44 (20) 7946 0001                       | +442079460001
-  | +44 (0)20 7946 0001                      | +442079460001
-  | +4402079460001                           | +442079460001
-  | +44--20                                  | refused
-  | +44 20 7946 0001 -                       | refused
GB | 020 7946 0001                            | +442079460001
GB | (020) 7946 0001                          | +442079460001
GB | 0044 20 7946 0001                        | +442079460001
GB | 442079460001                             | +442079460001
GB | 0113 496 0001                            | +441134960001
GB | 011 44 20 7946 0001                      | refused
GB | 1571                                     | refused
GB | 999                                      | sos 999
GB | 112                                      | sos 112
GB | 911                                      | refused
GB | 1999                                     | refused
GB | tel:999                                  | sos 999
GB | sip:112@pbx.example                      | sos 112
-  | 112                                      | sos 112
-  | 911                                      | sos 911
-  | 999                                      | sos 999
-  | 9-9-9                                    | sos 999
-  | 123                                      | refused
-  | +012025550123                            | refused
GB | +01 212 555 0123                         | refused
-  | 00012025550123                           | refused
US | 011 44 20 7946 0001                      | +442079460001
US | 0044 20 7946 0001                        | +442079460001
US | (202) 555-0123                           | +12025550123
US | 1-202-555-0123                           | +12025550123
US | 12025550123                              | +12025550123
US | 911                                      | sos 911
US | 9911                                     | refused
US | 555-0123                                 | refused
IT | 06 698 12345                             | +390669812345
IT | 340 123 4567                             | +393401234567
IT | 00 39 06 698 12345                       | +390669812345
-  | +39 06 698 12345                         | +390669812345
-  | +39 (0)6 698 12345                       | +390669812345
-  | +39 669812345                            | +390669812345
-  | +39 340 123 4567                         | +393401234567
IT | 6 698 12345                              | +390669812345
-  | +52 1 55 1234 5678                       | +525512345678
-  | +52 55 1234 5678                         | +525512345678
MX | 55 1234 5678                             | +525512345678
MX | 044 55 1234 5678                         | +525512345678
MX | 045 55 1234 5678                         | +525512345678
MX | 01 55 1234 5678                          | +525512345678
-  | tel:+5215512345678                       | +525512345678
-  | +55 11 8765 4321                         | +5511987654321
-  | +55 11 98765 4321                        | +5511987654321
-  | +55 11 3765 4321                         | +551137654321
-  | +229 9012 3456                           | +2290190123456
-  | +229 01 9012 3456                        | +2290190123456
-  | +84 120 123 4567                         | +84701234567
-  | +84 169 123 4567                         | +84391234567
DE | 030 123456                               | +4930123456
DE | 030/123456                               | +4930123456
DE | 110                                      | sos 110
GB | 999;phone-context=+44                    | sos 999
GB | tel:999;phone-context=+44                | sos 999
GB | sip:999@host;user=phone                  | sos 999
GB | 999;user=phone                           | sos 999
GB | sip:999;user=phone@host                  | sos 999
GB | sip:999;phone-context=+44@host           | sos 999
GB | 9 9 9                                    | sos 999
GB | tel:999;phone-context=example.com        | sos 999
GB | sip:112@anything at all                  | sos 112
DE | tel:911;phone-context=+1                 | sos 911
-  | 999;phone-context=+44                    | sos 999
GB | 9999;phone-context=+44                   | refused
AU | 0011 44 20 7946 0001                     | +442079460001
AU | 0044 20 7946 0001                        | +442079460001
AU | 02 1234 5678                             | +61212345678
AU | 000                                      | sos 000
JP | 010 44 20 7946 0001                      | +442079460001
JP | 0081 3 1234 5678                         | refused
RU | 8 10 44 20 7946 0001                     | +442079460001
HU | 06 1 234 5678                            | +3612345678
SM | 0549 886377                              | +3780549886377
-  | tel:+44-20-7946-0001                     | +442079460001
-  | TEL:+442079460001                        | +442079460001
-  | tel:+442079460001;isub=12;ext=9          | +442079460001
-  | tel:2079460001;phone-context=+44         | +442079460001
-  | tel:020 7946 0001;phone-context=+44      | +442079460001
-  | tel:555-0123;phone-context=+1-202        | +12025550123
-  | tel:7042;phone-context=example.com       | refused
-  | +442079460001;phone-context=example.com  | refused
-  | +442079460001;phone-context=+1           | refused
-  | tel:1;phone-context=+44;phone-context=+1 | refused
-  | tel:+442079460001;=x                     | refused
-  | tel:                                     | refused
-  | sip:+442079460001@host                   | +442079460001
-  | sips:+442079460001@[2001:db8::1]:5061    | +442079460001
-  | sip:+442079460001@host;user=phone        | +442079460001
-  | sip:+442079460001;cic=0288@host?x=y      | +442079460001
GB | sip:02079460001@host                     | +442079460001
-  | sip:+442079460001                        | refused
-  | sip:+442079460001:secret@host            | refused
-  | sip:+442079460001@                       | refused
-  | sip:+442079460001@a@b                    | refused
-  | sip:alice@host                           | refused
-  | sip:host                                 | refused
-  | http:+442079460001                       | refused
-  | +                                        | refused
-  | 00                                       | refused
-  | ++442079460001                           | refused
-  | +0442079460001                           | refused
-  | 000442079460001                          | refused
-  | +44207                                   | refused
-  | +123456                                  | refused
-  | +1234567                                 | +1234567
-  | +1234567890123456                        | refused
GB | 00123456789012345                        | +123456789012345
GB | 001234567890123456                       | refused
-  | +442079460001&PJSIP/evil                 | refused
-  | +442079460001&                           | refused
-  | +442079460001,60                         | refused
-  | +442079460001@evil                       | refused
-  | +442079460001^x                          | refused
-  | +4420794600${EXTEN}                      | refused
-  | ${SHELL(id)}                             | refused
-  | $[1+1]                                   | refused
-  | +44207946000x                            | refused
-  | *97                                      | refused
-  | #31#+442079460001                        | refused
-  | s                                        | refused
-  | h                                        | refused
-  | T                                        | refused
"""  # fmt: skip
# Digits of other scripts, full-width ones, what does not print, and whatever is too long.
HOSTILE = ["", "+44207946000\uff11", "\uff0b442079460001", "+44207946000\u0661", "+442079460001\n", "+4420\x007946",
           "\u202a+442079460001", "+44\u00a020 7946 0001", "+44\u201120", "x" * 9000, "0" * 9000, "(" * 200, ")" * 255,
           "1" + ")" * 250 + "x", "tel:" + ";a=b" * 80]  # fmt: skip


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_what_is_dialled_becomes_a_number_or_nothing(line: str) -> None:
    """By the country it is dialled in; whatever is not surely a number is refused, and says why."""
    country, said, wanted = (cell.strip() for cell in line.split("|"))
    found = normalise(said, None if country == "-" else country)
    assert (found.e164 or (f"sos {found.emergency}" if found.emergency else "refused")) == wanted
    assert bool(found.why) is (wanted == "refused")


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("country", [None, "GB", "US"])
def test_what_no_carrier_reads_is_no_number(said: str, country: str | None) -> None:
    """Other scripts, control characters, and lengths that only an attacker sends: refused, and at once."""
    found = normalise(said, country)
    assert (found.e164, found.emergency) == (None, None)
    assert found.why


@given(st.text(max_size=80), st.sampled_from([None, "GB", "US", "IT", "BR"]))
def test_only_plus_and_ascii_digits_ever_come_out(said: str, country: str | None) -> None:
    """Whatever goes in: so nothing of it can mean anything to a dialplan."""
    found = normalise(said, country)
    for out in (found.e164, found.emergency):
        assert out is None or (out.removeprefix("+").isascii() and out.removeprefix("+").isdigit())
    assert found.e164 is None or 7 <= len(found.e164) - 1 <= 15
    assert [found.e164 is not None, found.emergency is not None, bool(found.why)].count(True) == 1


def spoken(country: str) -> Iterator[tuple[str, str]]:
    """The examples of every kind of number of a country, in every form that is dialled; and each in E.164."""
    plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(country)
    way_out = plan.preferred_international_prefix or plan.international_prefix or ""
    form = phonenumbers.PhoneNumberFormat
    for kind in phonenumbers.PhoneNumberType.values():
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        number = phonenumbers.format_number(example, form.E164)
        if len(number) <= 7:  # one of Iran's, too short for who calls from abroad
            continue
        national = phonenumbers.format_number(example, form.NATIONAL)
        said = [number, national, "".join(char for char in national if char.isdigit()), f"00{number[1:]}"]
        said += [phonenumbers.format_number(example, each) for each in (form.INTERNATIONAL, form.RFC3966)]
        said += [way_out + number[1:]] if way_out.isdigit() else []
        yield from ((each, number) for each in said)


def test_it_reads_what_libphonenumber_reads() -> None:
    """Every example of every country: the same number; what can be read as two is refused, and that is rare."""
    read, unsure = 0, 0
    for country in COUNTRIES:
        for said, number in spoken(country):
            found = normalise(said, country)
            assert found.e164 == number or "it may be" in found.why, (country, said, found)
            read += 1
            unsure += found.e164 is None
    assert read > 8_000
    assert unsure < 30


def test_every_country_has_its_emergency_numbers() -> None:
    """Each is dialled as it is, and is never taken for an ordinary number."""
    for country in COUNTRIES:
        found = numbering.emergency_numbers(country)
        assert found, country
        assert all(normalise(number, country).emergency == number for number in found), country


def test_what_people_write_down_is_checked_by_the_library() -> None:
    """At import and in settings: the country's own form, or the international one; a number that cannot be is named."""
    assert numbering.checked_number("020 7946 0001", "GB") == "+442079460001"
    assert numbering.checked_number("+39 06 698 12345") == "+390669812345"
    assert numbering.country_of("+442079460001") == "GB"
    assert numbering.area_of("+442079460001") == "20"
    for wrong in (
        "020 7946 0001",
        "+44 20",
        "",
        "+44 20 7946 0001 ext 5",
        "+44207946000\uff11",
        "hello +442079460001",
        "+1800FLOWERS",
        "+12530000",
        "+44 20 7946 0001x",
    ):
        with pytest.raises(BadInput, match="is not a number in international form"):
            numbering.checked_number(wrong)
    with pytest.raises(BadInput, match="Invalid country"):
        numbering.checked_number("1", "gb")


def test_the_short_way_says_the_number_only() -> None:
    """`e164` is `normalise` for those who need no reason."""
    assert e164("020 7946 0001", "GB") == "+442079460001"
    assert e164("999", "GB") is None


# prefixes ; country ; dialled -> what is left ; withheld
PREFIXED = """
*67 141 #31# ; GB ; *6702079460001        -> 02079460001 ; yes
*67 141 #31# ; GB ; *67 +442079460001     -> +442079460001 ; yes
*67 141 #31# ; GB ; 14102079460001        -> 02079460001 ; yes
*67 141 #31# ; GB ; #31#+33142685300      -> +33142685300 ; yes
*67 141 #31# ; GB ; 141999                -> 999 ; yes
*67 141 #31# ; GB ; 02079460001           -> 02079460001 ; no
*67 141 #31# ; GB ; +14155550123          -> +14155550123 ; no
141          ; US ; 4155550123            -> 4155550123 ; no
141          ; US ; 14155550123           -> 14155550123 ; no
141          ;    ; 141+442079460001      -> +442079460001 ; yes
141          ; GB ; 141                   -> 141 ; no
*67          ; GB ; *67                   -> *67 ; no
*67 *671     ; GB ; *67102079460001       -> 02079460001 ; yes
             ; GB ; *6702079460001        -> *6702079460001 ; no
"""


@pytest.mark.parametrize("line", PREFIXED.strip().splitlines())
def test_a_prefix_that_withholds_the_number_is_taken_off(line: str) -> None:
    """The longest one that fits; digits that begin a number of the country are none."""
    asked, _, wanted = line.partition("->")
    prefixes, country, dialled = (part.strip() for part in asked.split(";"))
    left, withheld = (part.strip() for part in wanted.split(";"))
    assert without_prefix(dialled, prefixes.split(), country or None) == (left, withheld == "yes")


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("101", "101"), (" 101 ", "101"), ("tel:101;phone-context=+44", "101"), ("sip:101@host", "101"),
        ("101;user=phone", "101"), ("1-0-1", "101"), ("+101", None), ("*101", None), ("", None), ("10a1", None),
        ("１０１", None),
    ],
)  # fmt: skip
def test_a_short_number_is_found_by_its_digits(said: str, digits: str | None) -> None:
    """In every form in which an emergency number is found."""
    assert digits_of(said) == digits


def test_what_the_network_sent_is_kept_harmless() -> None:
    """Control characters become `?`, and 64 characters are enough."""
    assert recorded("a\x00b\x1b[31mc\nd") == "a?b?[31mc?d"
    assert len(recorded("x" * 9000)) == 64
