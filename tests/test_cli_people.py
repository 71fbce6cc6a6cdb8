"""The commands for users, tokens and the audit log, as a person and as a program use them."""

from __future__ import annotations

import pytest

from tests.commands import Command


def test_somebody_is_let_in_and_out(connector: Command) -> None:
    """Created with a link, listed, changed, disabled; a token made, listed, revoked; and all of it in the audit log."""
    made = connector.json("user", "create", "ada@example.com", "--name", "Ada")
    assert made["link"].startswith("http://127.0.0.1:1/welcome?link=")
    assert (made["role"], made["company"], made["ready"]) == ("owner", None, False)
    connector("user", "create", "bob@example.com", "--role", "member", "--company", "Acme", "--profile", "office")
    assert connector.json("user", "link", "ada@example.com")["link"] != made["link"]
    assert connector.json("user", "change", "bob@example.com", "--role", "viewer")["profile"] is None
    assert [row["email"] for row in connector.json("user", "list")] == ["ada@example.com", "bob@example.com"]
    assert "invited" in connector("user", "list")
    token = connector.json("token", "create", "bob@example.com", "--name", "wall", "--scope", "calls.read")
    assert token["secret"].startswith("conn_")
    assert "calls.read" in connector("token", "list")
    assert connector.json("token", "revoke", "bob@example.com", str(token["id"]))["revoked_at"] is not None
    assert connector.json("user", "disable", "bob@example.com")["disabled_at"] is not None
    assert connector.json("user", "enable", "bob@example.com")["disabled_at"] is None
    assert "numbers.write" in connector("token", "scopes")
    done = connector.json("audit", "list")
    assert {row["action"] for row in done} >= {
        "user.create",
        "user.link",
        "user.change",
        "token.create",
        "user.disable",
    }
    assert all(row["actor"].endswith("(command line)") for row in done)
    assert token["secret"] not in repr(done)
    assert [row["action"] for row in connector.json("audit", "list", "--action", "token", "--limit", "1")] == [
        "token.revoke"
    ]
    assert connector.json("audit", "list", "--company", "Acme")[0]["action"] == "user.enable"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("user", "create", "ada"), "Invalid e-mail address"),
        (("user", "create", "a@b.example", "--role", "king"), "Invalid role"),
        (("user", "create", "a@b.example", "--role", "member"), "needs a profile"),
        (("user", "create", "a@b.example", "--company", "Nobody"), "no company"),
        (("user", "link", "a@b.example"), "was not found"),
        (("user", "disable", "root@example.com"), "the last owner"),
        (("token", "create", "root@example.com", "--name", "x"), "say what it may"),
        (("token", "create", "root@example.com", "--name", "x", "--scope", "x"), "Invalid scope"),
        (("token", "revoke", "root@example.com", "7"), "no token"),
    ],
)
def test_what_cannot_be_done_is_one_line(connector: Command, words: tuple[str, ...], complaint: str) -> None:
    """Exit status 1, and nothing changed."""
    connector("user", "create", "root@example.com")
    assert complaint in connector(*words, status=1)
    assert len(connector.json("user", "list")) == 1
