"""Which numbers are in the United States, and which are blocked until they are allowed."""

from __future__ import annotations

import pytest

from connector.core import destinations
from connector.core.destinations import PrefixRule


@pytest.mark.parametrize("line", """
+12125550100  yes New York
+12025550100  yes DC
+18085550100  yes Hawaii
+19075550100  yes Alaska
+13035550100  yes Colorado
+14165550100  no  Toronto
+16045550100  no  Vancouver
+12425550100  no  Bahamas
+18765550100  no  Jamaica
+18095550100  no  Dominican Republic
+17875550100  no  Puerto Rico
+19395550100  no  Puerto Rico
+13405550100  no  US Virgin Islands
+16715550100  no  Guam
+16845550100  no  American Samoa
+16705550100  no  Northern Mariana Islands
+18005550100  no  toll free
+19005550100  no  premium
+15005550100  no  personal
+1212555010   no  too short
+121255501000 no  too long
+442125550100 no  another country
""".strip().splitlines())  # fmt: skip
def test_us_is_by_area_code(line: str) -> None:
    """The 50 states and DC; not Canada, the Caribbean, the Pacific, nor toll-free and premium codes (BRIEF, rule 9)."""
    number, wanted = line.split()[:2]
    assert destinations.in_us(number) is (wanted == "yes")


def test_the_table_has_a_state_code_for_every_state() -> None:
    """One well-known code of each of the 50 states, and of DC."""
    codes = """205 907 602 501 213 303 203 302 305 404 808 208 312 317 515 316 502 504 207 410 617 313 612 601 314 406
    402 702 603 201 505 212 704 701 216 405 503 215 401 803 605 615 214 801 802 804 206 304 414 307 202""".split()
    assert len(codes) == 51
    assert set(codes) <= destinations.US_AREA_CODES


@pytest.mark.parametrize("line", """
+442079460001 standard -                 -> yes
+449012345678 standard -                 -> no
+449012345678 premium  -                 -> no
+881612345678 standard -                 -> no
+870123456789 standard -                 -> no
+19005550100  standard -                 -> no
+442079460001 premium  -                 -> no
+449012345678 premium  a+449             -> yes
+449012345678 premium  a+44              -> yes
+449012345678 premium  a+44,b+449        -> no
+442079460001 standard b+                -> no
+442079460001 standard b+,a+44           -> yes
+331234567890 standard b+,a+44           -> no
+442079460001 standard b+4420            -> no
+442179460001 standard b+4420            -> yes
""".strip().splitlines())  # fmt: skip
def test_the_longest_rule_decides_and_what_is_dear_is_blocked(line: str) -> None:
    """Premium, satellite and the like are blocked until a rule of the company's own allows them."""
    number, kind, words, _, wanted = line.split()
    rules = [PrefixRule(word[1:], word[0] == "a") for word in words.split(",") if word != "-"]
    assert destinations.may_be_dialled(number, kind, rules) is (wanted == "yes")
