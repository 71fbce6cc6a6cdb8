"""Telephone numbers, as they are dialled and as we keep them (E.164: `+`, country code, at most 15 digits).

What was dialled is read here and nowhere else; whatever is not surely a number is none, and what goes on from here has
`+` and ASCII digits only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connector.core.numbering import WRITTEN, DialPlan, emergency_numbers, plan_of, plan_of_number
from connector.core.retired import current_form

MOST_DIALLED = 64
MOST_READ = 256
# ASCII digits only: \d would let the digits of other scripts in, which no carrier reads.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]{1,20}")
_SEPARATOR = str.maketrans("", "", " ./()-")
_SCHEME = re.compile(r"(tel|sips?):", re.IGNORECASE)
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[;?][!-~]*)?")
_PARAMETER = re.compile(r"([A-Za-z0-9-]+)(?:=([A-Za-z0-9.+_~:!*'()\[\]/-]*))?")
_CONTEXT = re.compile(r";phone-context=\+([0-9]{1,15})(?![0-9])", re.IGNORECASE)
# "+44 (0)20 ...": people write so, and mean that nobody dials both.
_EITHER = re.compile(r"\(0\)")


@dataclass(frozen=True)
class Dialled:
    """What became of something dialled: a number in `e164`, an `emergency` number, or why it is neither."""

    e164: str | None = None
    emergency: str | None = None
    why: str = ""


def normalise(said: str, country: str | None = None, emergency: Collection[str] | None = None) -> Dialled:
    """Read a number as somebody in a country dials or writes it; without a country in international form only.

    Understood are `+`, the country's way out (00, 011, ...) and 00, national numbers, separators between digits, and
    `tel:` and `sip:` forms. Everything else is refused, and `why` says why. `emergency`: the numbers that bring
    help, if they are not the country's.
    """
    if not said:
        return Dialled(why="nothing was dialled")
    if len(said) > MOST_READ:
        return Dialled(why=f"it has more than {MOST_READ} characters")
    if not said.isascii() or not said.isprintable():
        return Dialled(why="it has other characters than those of a number")
    help_ = _emergency_in(said.strip(" "), country, emergency)
    if help_:
        return Dialled(emergency=help_)
    text, why = _bare(said.strip(" "))
    if why:
        return Dialled(why=why)
    if not WRITTEN.fullmatch(text):
        return Dialled(why="it has other characters than those of a number")
    if text.startswith("+"):
        return _international(_EITHER.sub(_left_of_either(text), text).translate(_SEPARATOR)[1:])
    digits = text.translate(_SEPARATOR)
    if not _DIGITS.fullmatch(digits):
        return Dialled(why="it has more digits than any number" if digits else "it has no digits")
    return _national(digits, plan_of(country)) if country else _abroad(digits)


def _emergency_in(said: str, country: str | None, emergency: Collection[str] | None) -> str | None:
    """The emergency number in any form of one: alone, in `tel:` and `sip:` forms, and with parameters, whatever these
    say (BRIEF, rule 11). One of the country that a phone-context names is one too.
    """
    digits = digits_of(said)
    if digits is None:
        return None
    known = set(emergency_numbers(country) if emergency is None else emergency)
    context = _CONTEXT.search(said)
    plan = plan_of_number(context.group(1)) if context else None
    if plan is not None:
        known |= set(emergency_numbers(plan.country))
    return digits if digits in known else None


def digits_of(said: str) -> str | None:
    """The digits that were dialled, alone or in a `tel:` or `sip:` form, whatever its parameters say; None if there is
    more than digits. A short number is looked for by these.
    """
    digits = re.split("[;@?]", _without_scheme(said.strip(" ")), maxsplit=1)[0].translate(_SEPARATOR)
    return digits if _DIGITS.fullmatch(digits) else None


def without_prefix(said: str, prefixes: Sequence[str], country: str | None) -> tuple[str, bool]:
    """What was dialled behind a prefix that withholds the caller's number, and whether there was one.

    A prefix of digits only, like 141, is none where the whole is a number of the country.
    """
    text = said.strip(" ")
    for prefix in sorted(prefixes, key=len, reverse=True):
        rest = text.removeprefix(prefix).strip(" ")
        if rest and rest != text and not (prefix.isdigit() and e164(text, country)):
            return rest, True
    return said, False


def e164(dialled: str, country: str | None = None) -> str | None:
    """What was dialled, in E.164, or None if it is no number."""
    return normalise(dialled, country).e164


def from_the_wire(dialled: str, form: str) -> str:
    """A number as a trunk of this form says it, in international form: a bare one gets its `+`."""
    return "+" + dialled if form == "bare" and dialled[:1] in set("123456789") else dialled


def recorded(text: str) -> str:
    """What the network sent, fit to be kept: printable, and at most 64 characters of it."""
    kept = text[:MOST_DIALLED]
    return kept if kept.isprintable() else "".join(char if char.isprintable() else "?" for char in kept)


def _international(digits: str) -> Dialled:
    """Digits that begin with a country code. One that was dialled with the national prefix too loses that."""
    if not 7 <= len(digits) <= 15 and not (len(digits) == 16 and "0" in digits[1:4]):
        return Dialled(why=f"it has {len(digits)} digits, and a number has 7 to 15")
    digits = current_form(f"+{digits}")[1:]
    plan = plan_of_number(digits)
    if plan is not None and not plan.national.fullmatch(digits[len(plan.code) :]):
        found = plan.e164(digits[len(plan.code) :])
        if found is not None:
            return Dialled(e164=found)
    number = "+" + digits
    return Dialled(e164=number) if _E164.fullmatch(number) else Dialled(why="no number begins with 0")


def _national(digits: str, plan: DialPlan) -> Dialled:
    """What leads out of the country, or a number in it. 00 is understood everywhere; where a country has another way
    out that begins so, what can be read in two ways is refused: one of them is a number that nobody meant, and paid.
    """
    way_out = plan.leaves.match(digits)
    if way_out and digits[way_out.end() : way_out.end() + 1] not in ("", "0"):
        read = _international(digits[way_out.end() :])
    else:
        found = plan.e164(digits) or plan.e164(current_form(f"+{plan.code}{digits}")[len(plan.code) + 1 :])
        if found is None and digits.startswith(plan.code):  # as many PBXs say it: E.164 without its "+"
            bare = digits[len(plan.code) :]
            found = f"+{plan.code}{bare}" if plan.national.fullmatch(bare) else None
        read = Dialled(e164=found, why="" if found else f"{plan.country} has no such number")
    if not digits.startswith("00"):
        return read
    other = _international(digits[2:])
    if other.e164 in (None, read.e164) or (read.e164 and not _is_sound(other)):
        return read
    if read.e164 and _is_sound(read):
        return Dialled(why=f"it may be {read.e164} or {other.e164}: dial it with +")
    return other


def _is_sound(read: Dialled) -> bool:
    """Whether its country has numbers like it."""
    digits = (read.e164 or "")[1:]
    plan = plan_of_number(digits)
    return plan is not None and plan.national.fullmatch(digits[len(plan.code) :]) is not None


def _abroad(digits: str) -> Dialled:
    if not digits.startswith("00"):
        return Dialled(why="it is not in international form, and no country is said")
    return _international(digits[2:])


def _left_of_either(text: str) -> str:
    """What is left of "(0)" after a country code: nothing where it is the prefix, the 0 where numbers begin with it."""
    plan = plan_of_number(text.translate(_SEPARATOR)[1:])
    return "" if plan is not None and plan.prefix and plan.prefix.match("0") else "0"


def _without_scheme(said: str) -> str:
    scheme = _SCHEME.match(said)
    return said[scheme.end() :] if scheme else said


def _bare(said: str) -> tuple[str, str]:
    """The number in a `tel:` or `sip:` form, or in none; or why there is none."""
    scheme = _SCHEME.match(said)
    rest = said[scheme.end() :] if scheme else said
    if scheme and scheme.group(1).lower() != "tel":
        rest, at, host = rest.partition("@")
        if not at or not _HOST.fullmatch(host):
            return "", "it is no SIP address of a number"
    number, *parameters = rest.split(";")
    context = None
    for parameter in parameters:
        found = _PARAMETER.fullmatch(parameter)
        if not found:
            return "", "its parameters are none"
        if found.group(1).lower() == "phone-context":
            if context is not None:
                return "", "it says two contexts"
            context = found.group(2) or ""
    return (number, "") if context is None else _in_context(number, context)


def _in_context(number: str, context: str) -> tuple[str, str]:
    """A local number in the context that it says (RFC 3966, 5.1.5): a global prefix, or a name that we cannot know."""
    if number.startswith("+"):
        return "", "a number that begins with + has no context"
    if not context.startswith("+") or not WRITTEN.fullmatch(context) or not WRITTEN.fullmatch(number):
        return "", "its context is no prefix of numbers"
    return context + number, ""
