"""From profiles and trunks to pjsip config: same input, same bytes, and nothing escapes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.asterisk import pjsip
from connector.asterisk.pjsip import ConfObject, Local
from connector.core.credentials import digest
from connector.core.sip import Inward, Options, Outward

LOCAL = Local({"udp": "connector-udp", "tls": "connector-tls"}, "127.0.0.1", 300)
PBX = Inward("pabc", "asterisk", ("0" * 32,))
CARRIER = Outward("carrier", "192.0.2.1", 5070)
PROVIDER = Outward(
    "pxyz", "sip.example.com", 5060, "99051", "secret;word", profile="pxyz", options=Options(caller_id="pai")
)

HOSTILE = [
    "",
    "a b",
    "a\nb",
    "a]\n[evil",
    "a;b",
    "#include x",
    "${SHELL(id)}",
    "a&b",
    "a,b",
    "a\x00b",
    "x" * 9000,
    "ж",
    "A_",
]


def made(*ends: Inward | Outward, local: Local = LOCAL) -> dict[tuple[str, str], dict[str, str]]:
    """The objects of some ends, by type and name."""
    inward = [end for end in ends if isinstance(end, Inward)]
    found = pjsip.wanted(inward, [end for end in ends if isinstance(end, Outward)], local)
    assert found.problems == ()
    return {(each.type, each.name): dict(each.fields) for each in found.objects}


def test_same_input_same_bytes() -> None:
    """Nothing of the moment or of the machine is in the text, and what is parsed is what was rendered."""
    once, again = (pjsip.wanted([PBX], [CARRIER, PROVIDER], LOCAL).objects for _ in range(2))
    text = pjsip.Wanted(tuple(once)).text
    assert text == pjsip.Wanted(tuple(again)).text
    assert tuple(pjsip.parse(text)) == once
    assert pjsip.loaded_version(text) == pjsip.version_of(once)


def test_a_pbx_that_registers_has_endpoint_auth_and_aor() -> None:
    """It is challenged, for its user and no other's, and one contact at a time is its own."""
    found = made(PBX)
    assert found.keys() == {("endpoint", "pabc"), ("auth", "pabc"), ("aor", "pabc")}
    assert found["auth", "pabc"]["password_digest"] == "MD5:" + "0" * 32
    assert found["endpoint", "pabc"]["auth"] == "pabc"
    assert found["endpoint", "pabc"]["direct_media"] == "no"


def test_after_a_rotation_both_passwords_are_good() -> None:
    """Two auths of one user; when the old one is over it goes, and nothing else changes."""
    found = made(Inward("pabc", "asterisk", ("1" * 32, "0" * 32)))
    assert found["endpoint", "pabc"]["auth"] == "pabc,pabc-old"
    assert found["auth", "pabc-old"]["password_digest"] == "MD5:" + "0" * 32


def test_a_pbx_known_by_address_is_not_challenged() -> None:
    """Its requests are known by address and UDP port, and calls to it go there."""
    found = made(Inward("pabc", address="192.0.2.7", port=5080))
    assert found.keys() == {("endpoint", "pabc"), ("identify", "pabc"), ("aor", "pabc")}
    assert found["identify", "pabc"]["match"] == "192.0.2.7:5080"
    assert found["endpoint", "pabc"]["identify_by"] == "ip"
    assert "auth" not in found["endpoint", "pabc"]
    assert found["aor", "pabc"]["contact"] == "sip:192.0.2.7:5080"


def test_a_carrier_is_known_by_its_address() -> None:
    """Endpoint, aor and identify, by a name that no object of the admin's has."""
    found = made(CARRIER)
    assert {name for _, name in found} == {"connector-carrier"}
    assert found["identify", "connector-carrier"]["match"] == "192.0.2.1:5070"
    assert found["endpoint", "connector-carrier"]["context"] == "connector-from-carrier"


def test_a_provider_is_registered_with() -> None:
    """As Skype Connect wanted it: our user and the provider's domain in From, the caller's number beside it."""
    found = made(PROVIDER)
    registration, endpoint = found["registration", "connector-pxyz"], found["endpoint", "connector-pxyz"]
    assert registration["server_uri"] == "sip:sip.example.com:5060"
    assert registration["client_uri"] == "sip:99051@sip.example.com"
    assert (registration["max_retries"], registration["auth_rejection_permanent"]) == ("1000000", "no")
    assert (registration["line"], registration["endpoint"]) == ("yes", "connector-pxyz")
    assert (endpoint["from_user"], endpoint["from_domain"], endpoint["send_pai"]) == ("99051", "sip.example.com", "yes")
    assert endpoint["context"] == "connector-from-provider"
    assert found["auth", "connector-pxyz"]["password"] == "secret;word"


def test_a_digest_is_enough_where_the_realm_is_known() -> None:
    """Then the password itself is in no file of Asterisk's."""
    found = made(Outward("t", "192.0.2.1", 5060, "user", "word", "realm"))["auth", "connector-t"]
    assert found["password_digest"] == "MD5:" + digest("user", "realm", "word")
    assert "password" not in found


def test_options_are_said_in_pjsips_words() -> None:
    """Transport, encryption, codecs, DTMF, NAT, timers, ACL, contacts, qualify."""
    options = Options(
        transport="tls",
        srtp=True,
        codecs=("g722", "alaw"),
        dtmf="info",
        nat=False,
        qualify_s=0,
        timers="no",
        caller_id="from",
        max_contacts=3,
        acl=("192.0.2.0/24", "198.51.100.0/24"),
    )
    found = pjsip.wanted([Inward("pabc", "r", ("0" * 32,), options=options)], [], LOCAL).objects
    endpoint = found[0].fields
    assert "transport" not in dict(endpoint)  # it is called by the transport that it registers by
    assert ("media_encryption", "sdes") in endpoint
    assert ("allow", "g722,alaw") in endpoint
    assert ("dtmf_mode", "info") in endpoint
    assert ("rewrite_contact", "no") in endpoint
    assert ("timers", "no") in endpoint
    assert [value for option, value in endpoint if option in ("deny", "permit")] == ["0.0.0.0/0.0.0.0", *options.acl]
    assert "send_pai" not in dict(endpoint)
    aor = dict(next(each for each in found if each.type == "aor").fields)
    assert aor == {"max_contacts": "3"}


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_makes_objects_of_its_own(word: str) -> None:
    """An end with a word that could mean something else to Asterisk is left out, and others are not; the word, which
    may be a secret, is not in the problem.
    """
    ends: list[Inward | Outward] = [
        Inward(word, "asterisk", ("0" * 32,)),
        Inward("pone", word + "\n", ("0" * 32,)),
        Inward("ptwo", "asterisk", (word,)),
        Inward("pthree", address=word, port=5060),
        Outward(word, "192.0.2.1", 5070),
        Outward("four", word + "\n", 5070),
        Outward("five", "192.0.2.1", 5070, "user", word + "\n"),
        Outward("six", "192.0.2.1", 5070, "user\n" + word, "word"),
    ]
    for end in ends:
        inward, outward = ([PBX, end], [CARRIER]) if isinstance(end, Inward) else ([PBX], [CARRIER, end])
        found = pjsip.wanted(inward, outward, LOCAL)
        assert len(found.problems) == 1, end
        assert len(word) < 3 or word not in found.problems[0]
        assert {each.name for each in found.objects} == {"pabc", "connector-carrier"}


@pytest.mark.parametrize(
    "word", [";", ";;", r"\;", r"a\;;b", ";--x--;", r"\\", "a=b", "=> x", "[x]", "#exec ls", "${x}", "ж", "a,b&c"]
)
def test_what_is_carried_is_carried_unchanged(word: str) -> None:
    """A password of any signs is one line, and read back as it was."""
    objects = pjsip.wanted([], [Outward("t", "192.0.2.1", 5060, "user", word)], LOCAL).objects
    text = pjsip.Wanted(tuple(objects)).text
    assert tuple(pjsip.parse(text)) == objects
    (auth,) = [each for each in pjsip.parse(text) if each.type == "auth"]
    assert dict(auth.fields)["password"] == word
    assert len([line for line in text.splitlines() if line.startswith("password = ")]) == 1


def test_a_transport_that_this_node_has_not_is_a_problem() -> None:
    """Said by the end's name; the others are there."""
    found = pjsip.wanted([Inward("pabc", "r", ("0" * 32,), options=Options(transport="tcp"))], [CARRIER], LOCAL)
    assert found.problems == ("pabc: this node has no transport for tcp: name one in [sip]",)
    assert len(found.objects) == 3


def test_a_secret_is_in_no_repr() -> None:
    """An end in a log line does not tell its secret."""
    assert "0000" not in repr(PBX)
    assert "secret" not in repr(PROVIDER)


def test_what_somebody_wrote_by_hand_is_read_too() -> None:
    """Comments, sections and lines that are not ours."""
    text = "x = 1\n; all mine\n[mine]\ntype = endpoint ; why not\ncontext=a\nrubbish\n"
    assert pjsip.parse(text) == [
        ConfObject("?", "?", (("x", "1"),)),
        ConfObject("endpoint", "mine", (("context", "a"), ("?", "rubbish"))),
    ]


def test_what_was_made_before_is_used_for_an_end_that_is_the_same_and_for_no_other() -> None:
    """Text and version are those that are made anew, whatever was made before; what is gone is forgotten."""
    before: pjsip.Made = {}
    unfit = replace(PBX, name="pbad", realm="a\nb")
    for ends in ([PBX], [PBX, replace(PBX, name="pother")], [replace(PBX, realm="new")], [unfit, PBX], []):
        kept, anew = pjsip.wanted(ends, [CARRIER], LOCAL, before), pjsip.wanted(ends, [CARRIER], LOCAL)
        assert (kept.text, kept.version, kept.problems) == (anew.text, anew.version, anew.problems)
        assert before.keys() == {end for end in ends if end is not unfit}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("", None),
        ("[connector_version]\ntype = aor\nvoicemail_extension = 0123456789abcdef", "0123456789abcdef"),
        ("x[connector_version]\ntype = aor\nvoicemail_extension = 0123456789abcdef\n", None),
        ("[connector_version]\ntype = aor\nvoicemail_extension = 0123456789abcdef0\n", None),
        (
            "[connector_version]\n[connector_version]\ntype = aor\nvoicemail_extension = 0123456789abcdef\n",
            "0123456789abcdef",
        ),
    ],
)
def test_a_file_says_its_version(text: str, version: str | None) -> None:
    """It is that of a whole object at the beginning of a line."""
    assert pjsip.loaded_version(text) == version
