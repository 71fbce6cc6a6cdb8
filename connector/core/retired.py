"""Forms of numbers that national plans have retired, and that phones, PBXs and carriers still send (BRIEF, rule 17).

One phone has one E.164 number here: a retired form becomes the current one, dialled, called, owned and imported alike.
Each rule has the length of the retired form, and a number that is valid today stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

# Pattern of the whole number without "+", and what it becomes.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), current)
    for pattern, current in (
        # Mexico, since 3 August 2019: mobiles without the 1 behind 52; 044, 045 and 01 are not dialled any more.
        (r"521([0-9]{10})", r"52\1"),
        (r"52(?:01|044|045)([0-9]{10})", r"52\1"),
        # Italy, San Marino and the Vatican, since 1998: the 0 of a landline is part of the number.
        (r"39([124-79][0-9]{7,9})", r"390\1"),
        # Brazil, since 2016: mobiles have a 9 before their eight digits.
        (r"55([1-9][1-9])([6-9][0-9]{7})", r"55\g<1>9\2"),
        # Benin, since 30 November 2024: 01 before the eight digits.
        (r"229([2-9][0-9]{7})", r"22901\1"),
        # Vietnam, since 2018: mobiles of eleven digits have ten.
        (r"84120([0-9]{7})", r"8470\1"),
        (r"84121([0-9]{7})", r"8479\1"),
        (r"84122([0-9]{7})", r"8477\1"),
        (r"84126([0-9]{7})", r"8476\1"),
        (r"84128([0-9]{7})", r"8478\1"),
        (r"84123([0-9]{7})", r"8483\1"),
        (r"84124([0-9]{7})", r"8484\1"),
        (r"84125([0-9]{7})", r"8485\1"),
        (r"84127([0-9]{7})", r"8481\1"),
        (r"84129([0-9]{7})", r"8482\1"),
        (r"8416([2-9])([0-9]{7})", r"843\1\2"),
        (r"84186([0-9]{7})", r"8456\1"),
        (r"84188([0-9]{7})", r"8458\1"),
        (r"84199([0-9]{7})", r"8459\1"),
    )
)
_CODES = ("+229", "+39", "+52", "+55", "+84")
# How only retired forms begin: no number of today does (libphonenumber's plans of 2026).
_PREFIX = re.compile(
    r"\+(?:52(?:1|01|044|045)|39[269]|55(?!486)[1-9][1-9][68]|229[2-9]|84(?:12[3-9]|16[2-9]|18[68]))[0-9]*"
)


def current_form(number: str) -> str:
    """A number in E.164 as its country's plan has it today; most are returned as they are."""
    if number.startswith(_CODES):
        for pattern, current in _RULES:
            found = pattern.fullmatch(number[1:])
            if found and not _is_current(number):
                return "+" + found.expand(current)
    return number


def is_retired_prefix(prefix: str) -> bool:
    """Whether every number that begins so has a retired form: what stands under it is asked of no number."""
    return prefix.startswith(_CODES) and _PREFIX.fullmatch(prefix) is not None


@lru_cache(maxsize=10_000)
def _is_current(number: str) -> bool:
    """Whether the number is one of today's as it is: Italy has ranges without a 0 too."""
    return phonenumbers.is_valid_number(phonenumbers.parse(number))
