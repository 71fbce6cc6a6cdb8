"""A route as rows of a form, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.route_rows import Row, rows_of, text_of
from connector.core.routes import parse
from connector.errors import BadInput

# the route as text | its rows: when, what, which, seconds
TABLE = """
pbx                                                    | ,pbx,,
extension 101 for 20, voicemail 101                    | ,extension,101,20 / ,voicemail 101,,
group 101 102, number +442079460200 for 30             | ,group,101 102, / ,number,+442079460200,30
office: department sales; else: busy                   | office,department sales,, / ,busy,,
holidays: busy; office: account desk, busy; else: pbx | holidays,busy,, / office,account desk,, / office,busy,, / ,pbx,,
"""
STEPS = ("pbx", "pbx for 20", "extension 101", "group 101 102 for 5", "number +442079460200", "department sales")
LAST = ("voicemail 101", "busy", "account desk", "extension a.b-c_d for 120")


@pytest.mark.parametrize("line", TABLE.strip("\n").splitlines())
def test_a_route_and_its_rows(line: str) -> None:
    """Each step is a row."""
    text, rows = (part.strip() for part in line.split("|"))
    wanted = [Row(*row.strip().split(",")) for row in rows.split(" / ")]
    assert rows_of(parse(text)) == wanted
    assert parse(text_of(wanted)) == parse(text)


RULES = st.tuples(
    st.sampled_from(["office", "night", "lunch"]), st.lists(st.sampled_from(STEPS), min_size=1, max_size=8)
)


@given(
    st.lists(RULES, max_size=4, unique_by=lambda rule: rule[0]),
    st.lists(st.sampled_from(STEPS), max_size=4),
    st.sampled_from(LAST),
    st.sampled_from(["", "within 30"]),
)  # fmt: skip
def test_rows_lose_nothing(rules: list[tuple[str, list[str]]], steps: list[str], last: str, within: str) -> None:
    """Whatever a route is, its rows are the same route."""
    lines = [f"{hours}: {', '.join(some)}" for hours, some in rules]
    route = parse("\n".join([*lines, ("else: " if lines else "") + ", ".join([*steps, last]), within]))
    assert parse(text_of(rows_of(route), str(route.within_s))) == route


def test_rows_of_the_same_hours_are_together() -> None:
    """Wherever they stand; those of all other times come last; a rule that no call comes to is left out."""
    rows = [Row("", "busy"), Row("office", "extension", "101"), Row("night", "busy"), Row("office", "pbx", "", "20")]
    assert text_of(rows, "45") == "office: extension 101, pbx for 20\nnight: busy\nelse: busy\nwithin 45"
    assert rows_of(parse("office: busy; office: pbx; else: pbx")) == [Row("office", "busy"), Row("", "pbx")]
    assert text_of([]) == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("office", "busy"), "all other times"),
        (Row("", "extension"), "which extension"),
        (Row("", "group", "  "), "which extension"),
        (Row("", "extension", "101, voicemail 1"), "is not an extension"),
        (Row("", "number", "+44\nelse: busy"), "is not an extension"),
        (Row("", "pbx", "", "20; busy"), "is not an extension"),
    ],
)
def test_what_is_missing_is_said(row: Row, words: str) -> None:
    """And what would be another step is none."""
    with pytest.raises(BadInput, match=words):
        text_of([row])
