"""How each country numbers and dials, by libphonenumber's tables; the one who reads them.

The plan of a country is worked out once and kept; numbers.py asks it on the path of every call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Any

import phonenumbers
from phonenumbers import PhoneMetadata

from connector.core.retired import current_form
from connector.errors import BadInput
from connector.words import marked

# 3GPP TS 22.101, 10.1.1: what is an emergency number on a phone that does not know its country.
ANYWHERE = ("000", "08", "110", "112", "118", "119", "911", "999")
# RFC 3966 has "-", ".", "(" and ")" between digits; people write spaces and strokes too.
WRITTEN = re.compile(r"\+?\(?[0-9](?:[ ./()-]{0,3}[0-9])*")
_MOST_EMERGENCY_DIGITS = 6
MOST_DIGITS = 15  # E.164
_BETWEEN_DIGITS = str.maketrans("", "", "+ ()./-\u00a0")


@dataclass(frozen=True)
class DialPlan:
    """What a country's people dial. `code`: its country code; `leaves`: the prefixes that lead out of the country.

    `national` is what a whole national number looks like; `prefix`, where there is one, what is dialled before it, and
    `instead` what takes the prefix's place (mostly nothing). `emergency`: the numbers that bring help.
    """

    country: str
    code: str
    leaves: re.Pattern[str]
    national: re.Pattern[str]
    prefix: re.Pattern[str] | None
    instead: str
    emergency: tuple[str, ...]

    def e164(self, digits: str) -> str | None:
        """A national number in E.164, dialled with its prefix or without; None if the country has none like it."""
        found = self._without_prefix(digits)
        return f"+{self.code}{found}" if self.national.fullmatch(found) else None

    def _without_prefix(self, digits: str) -> str:
        """As libphonenumber does it: what is a number as it stands is not made another that is none."""
        found = self.prefix.match(digits) if self.prefix else None
        if not found:
            return digits
        groups = [group for group in found.groups() if group is not None]
        if self.instead and groups and found.groups()[-1] is not None:
            without = found.expand(self.instead) + digits[found.end() :]
        else:
            without = digits[found.end() :]
        whole = self.national.fullmatch
        return digits if whole(digits) and not whole(without) else without


@cache
def plan_of(country: str) -> DialPlan:
    """The plan of a country, by its two letters (ISO 3166). BadInput if it is none."""
    found: Any = PhoneMetadata.metadata_for_region(checked_country(country))
    parsing = found.national_prefix_for_parsing
    return DialPlan(
        country=country,
        code=str(found.country_code),
        leaves=re.compile(found.international_prefix or "00"),
        national=re.compile(found.general_desc.national_number_pattern),
        prefix=re.compile(parsing) if parsing else None,
        instead=found.national_prefix_transform_rule or "",
        emergency=emergency_numbers(country),
    )


def plan_of_number(digits: str) -> DialPlan | None:
    """The plan of the country that international digits (without `+`) are of; None if they are of none."""
    if digits.startswith("0"):
        return None
    for length in (1, 2, 3):
        countries = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length] or 0))
        if countries and countries[0] != "001":  # 001: numbers of no country, like satellites'
            return plan_of(countries[0])
    return None


@cache
def emergency_numbers(country: str | None) -> tuple[str, ...]:
    """The numbers that bring help in a country; without one, those that do on every phone."""
    if country is None:
        return ANYWHERE
    found: Any = PhoneMetadata.short_metadata_for_region(checked_country(country))
    if not found or not found.emergency or not found.emergency.national_number_pattern:
        return ANYWHERE
    lengths = found.emergency.possible_length or found.general_desc.possible_length
    pattern = re.compile(found.emergency.national_number_pattern)
    written = (product("0123456789", repeat=length) for length in lengths if length <= _MOST_EMERGENCY_DIGITS)
    return tuple(digits for each in written for digits in map("".join, each) if pattern.fullmatch(digits))


def emergency_of(country: str | None, own: str | None) -> tuple[str, ...]:
    """The emergency numbers of a profile: its own, as they are kept, or its country's."""
    return tuple(own.split()) if own else emergency_numbers(country)


def checked_emergency(text: str) -> tuple[str, ...]:
    """Emergency numbers as somebody writes them down: `112, 999`. BadInput if one is none."""
    found = tuple(text.replace(",", " ").split())
    if not found or any(not re.fullmatch(r"[0-9]{2,6}", each) for each in found):
        raise BadInput("emergency numbers have 2 to 6 digits: '112, 999'")
    return tuple(sorted(set(found)))


def checked_country(country: str) -> str:
    """Two letters that name a country. BadInput if they do not."""
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise BadInput("Invalid country {country!r}. Use two capital letters, like GB.", country=country[:20])
    return country


def checked_number(text: str, country: str | None = None) -> str:
    """A number that somebody writes down, in E.164. BadInput if no number of its country is so long."""
    if country is None and text.startswith("00"):
        text = "+" + text[2:]
    try:
        written = WRITTEN.fullmatch(text.strip(" "))
        found = phonenumbers.parse(text, country and checked_country(country)) if written else None
    except phonenumbers.NumberParseException:
        found = None
    if found is None or phonenumbers.is_possible_number_with_reason(found) != phonenumbers.ValidationResult.IS_POSSIBLE:
        form = marked("a number") if country else marked("a number in international form")
        raise BadInput("{given!r} is not {form}", given=text[:40], form=form)
    return current_form(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))


def checked_digits(text: str) -> str:
    """Digits that stand somewhere in a number, as people type them: `207 946` as `207946`. BadInput."""
    digits = text.translate(_BETWEEN_DIGITS)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS):
        raise BadInput("Type digits of a number, for example 207 946.")
    return digits


@lru_cache(maxsize=100_000)  # it takes 60 us, and a page asks it of every number
def country_of(number: str) -> str:
    """The country of a number in E.164, two letters; "" if it is of none."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


@lru_cache(maxsize=100_000)
def area_of(number: str) -> str:
    """The area code of a number in E.164, without its prefix; "" if it has none."""
    found = phonenumbers.parse(number)
    length = phonenumbers.length_of_geographical_area_code(found)
    return phonenumbers.national_significant_number(found)[:length]
