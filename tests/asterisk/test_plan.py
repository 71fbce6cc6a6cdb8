"""What would change in Asterisk's pjsip config: golden diffs."""

from __future__ import annotations

from connector.asterisk import pjsip
from connector.asterisk.pjsip import ConfObject, Local
from connector.asterisk.plan import Change, FieldChange, changes
from connector.core.sip import Inward, Options, Outward

LOCAL = Local({"udp": "connector-udp"}, "127.0.0.1", 300)
PBX = Inward("pabc", "asterisk", ("0" * 32,))
CARRIER = Outward("carrier", "192.0.2.1", 5070)


def objects(*ends: Inward | Outward) -> list[ConfObject]:
    """The objects of some ends."""
    inward = [end for end in ends if isinstance(end, Inward)]
    return list(pjsip.wanted(inward, [end for end in ends if isinstance(end, Outward)], LOCAL).objects)


def lines(found: list[Change]) -> list[str]:
    """A plan as text: an object a line, its options behind it."""
    return [
        f"{each.action} {each.type} {each.of}{' by hand' if each.by_hand else ''}"
        + "".join(f" {field.option}:{field.now}->{field.then}" for field in each.fields if each.action == "change")
        for each in found
    ]


def test_nothing_to_do_is_no_change() -> None:
    """The same ends, whatever their order was."""
    assert changes(objects(PBX, CARRIER), objects(PBX, CARRIER)) == []


def test_a_change_names_the_options_and_hides_secrets() -> None:
    """Object by object, and of a secret only that it is another one."""
    before = objects(PBX, CARRIER)
    after = objects(
        Inward("pabc", "asterisk", ("1" * 32,), options=Options(dtmf="info")), Outward("carrier", "192.0.2.9", 5070)
    )
    found = changes(before, after)
    assert lines(found) == [
        "change aor carrier contact:sip:192.0.2.1:5070->sip:192.0.2.9:5070",
        "change identify carrier match:192.0.2.1:5070->192.0.2.9:5070",
        "change auth pabc password_digest:(secret)->(secret)",
        "change endpoint pabc dtmf_mode:rfc4733->info",
    ]


def test_what_comes_and_goes() -> None:
    """Whole objects, with whose they are."""
    assert lines(changes(objects(PBX), objects(CARRIER))) == [
        "add aor carrier",
        "add endpoint carrier",
        "add identify carrier",
        "remove aor pabc",
        "remove auth pabc",
        "remove endpoint pabc",
    ]


def test_what_was_edited_by_hand_is_said_to_be_so() -> None:
    """An option changed, an object added: both go again, and the plan says that somebody wrote them."""
    wrote = objects(PBX)
    there = [
        *(
            ConfObject(each.type, each.name, (*each.fields, ("dtmf_mode", "inband")))
            if each.type == "endpoint"
            else each
            for each in wrote
        ),
        ConfObject("endpoint", "mine", (("context", "x"),)),
    ]
    assert lines(changes(there, objects(PBX), applied=wrote)) == [
        "remove endpoint mine by hand",
        "change endpoint pabc by hand dtmf_mode:rfc4733, inband->rfc4733",
    ]


def test_an_edit_that_is_what_the_store_says_is_no_change() -> None:
    """Somebody was quicker than we: there is nothing to do."""
    assert changes(objects(CARRIER), objects(CARRIER), applied=objects(PBX)) == []


def test_what_asterisk_lacks_is_loaded() -> None:
    """It is in the file as it should be, and Asterisk does not have it."""
    found = changes(objects(PBX), objects(PBX), missing={"pabc"})
    assert lines(found) == ["load endpoint pabc"]


def test_the_calls_that_are_touched_are_named() -> None:
    """Those by way of the profile, or of the trunk."""
    found = changes(objects(PBX), objects(), calls={"pabc": ["c1", "c2"], "carrier": ["c1"]})
    assert {each.calls for each in found} == {("c1", "c2")}
    assert found[0].fields[0] == FieldChange("max_contacts", "1", None)
