"""Which caller ID is shown."""

from __future__ import annotations

import pytest

from connector.core import refusals
from connector.core.callers import CallerPolicy, Shown, of_caller, show
from connector.errors import BadInput

MAIN, SECOND, STRANGER = "+442079460100", "+442079460101", "+447700900123"
OWN = {MAIN, SECOND}
# policy, foreign, main number (-: none) | what the PBX says, "private" if it withholds it | what is shown
TABLE = f"""
pass replace {MAIN}     | {SECOND}          | {SECOND}
pass replace {MAIN}     | 020 7946 0101     | {SECOND}
pass replace {MAIN}     | {SECOND} private  | {SECOND} private
pass replace {MAIN}     | {STRANGER}        | {MAIN}
pass replace {MAIN}     | {STRANGER} private| {MAIN} private
pass replace {MAIN}     | 101               | {MAIN}
pass replace {MAIN}     | anonymous         | {MAIN} private
pass replace {MAIN}     | Anonymous         | {MAIN} private
pass replace {MAIN}     |                   | {MAIN} private
pass replace {MAIN}     | 999               | {MAIN}
pass replace -          | {STRANGER}        | - private
pass replace {STRANGER} | {STRANGER}        | - private
pass refuse {MAIN}      | {SECOND}          | {SECOND}
pass refuse {MAIN}      | {STRANGER}        | refused
pass refuse {MAIN}      | 101               | refused
pass refuse {MAIN}      | anonymous         | {MAIN} private
fixed replace {SECOND}  | {MAIN}            | {SECOND}
fixed refuse {SECOND}   | {STRANGER}        | {SECOND}
fixed replace {SECOND}  | {MAIN} private    | {SECOND} private
fixed replace {STRANGER}| {MAIN}            | - private
fixed replace -         | {MAIN}            | - private
none replace {MAIN}     | {SECOND}          | {MAIN} private
none replace -          | {SECOND}          | - private
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_only_the_companys_own_numbers_are_shown(line: str) -> None:
    """Whatever the PBX says, and whatever the policy has: a number that was given back is not shown either."""
    how, said, wanted = (cell.strip() for cell in line.split("|"))
    policy, foreign, number = how.split()
    found = show(
        CallerPolicy(policy, None if number == "-" else number, foreign),
        said.removesuffix("private").strip(),
        said.endswith("private"),
        OWN,
        "GB",
    )
    if wanted == "refused":
        assert found == refusals.CALLER_FOREIGN
        return
    shown = None if wanted.startswith("-") else wanted.split()[0]
    assert found == Shown(shown, wanted.endswith("private"))


# what the carrier says, how it says numbers | what the PBX is told
CALLERS = """
+447700900123  plus    | +447700900123
447700900123   bare    | +447700900123
00447700900123 zeros   | +447700900123
07700900123    plus    | +447700900123
100            bare    | 100
alice          plus    | alice
a"<sip:b>&${X} plus    | asipbX
anonymous      plus    | withheld
;;;            plus    | withheld
"""


@pytest.mark.parametrize("line", CALLERS.strip().splitlines())
def test_a_pbx_is_told_a_number_or_what_can_do_no_harm(line: str) -> None:
    """In E.164 where it is one."""
    said, wanted = (cell.strip() for cell in line.split("|"))
    caller, form = said.split()
    found = of_caller(caller, False, form, "GB")
    assert found == (Shown(None, private=True) if wanted == "withheld" else Shown(wanted))
    assert of_caller(caller, True, form, "GB") == Shown(None, private=True)


def test_a_policy_is_one_of_its_words() -> None:
    """And nothing else."""
    with pytest.raises(BadInput):
        CallerPolicy("any")
    with pytest.raises(BadInput):
        CallerPolicy("pass", None, "allow")


@pytest.mark.parametrize("prefix", ["", "1", "12345", "+44", "*", "6*7", "*67x", "#31##", "1 41"])
def test_a_prefix_that_withholds_is_digits_with_signs_around_them(prefix: str) -> None:
    """Anything else could be a number, or be hidden in one."""
    with pytest.raises(BadInput, match="2 to 4 digits"):
        CallerPolicy(withhold=(prefix,))
    assert CallerPolicy(withhold=("*67", "141", "#31#", "*#31#")).withhold[0] == "*67"
    with pytest.raises(BadInput, match="at most 5"):
        CallerPolicy(withhold=("11", "12", "13", "14", "15", "16"))
