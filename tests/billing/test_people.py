"""Users, tokens, the audit log, and deeds that are done once, on both stores."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from connector import billing
from connector.billing import credit, numbers, profiles
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING, PERMISSIONS, ROLES, Actor, Owner, Scope, check, check_grant
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.database import audit
from connector.database.audit import Doer
from connector.database.models import Audit, User
from connector.database.store import Store, run, writing
from connector.errors import BadInput, Forbidden, KeyReused, NotFound, StoreUnavailable
from connector.notices import acts
from connector.notices.acts import Once
from connector.people import tokens, users
from tests.conftest import NOW
from tests.databases import at_once

DAY_MS = 24 * 3_600_000
DOER = Doer("somebody", NOW)
ALL = Turn(None, 200)


def owner_of(store: Store) -> Actor:
    """The owner of Acme."""
    made = users.create("owner@example.com", "Olive", "owner", NOW, "Acme")
    return users.actor(User.get_by_id(made))


def actions() -> list[tuple[str, str, str]]:
    """What is in the audit log, oldest first: action, subject, detail."""
    return [(row.action, row.subject, row.detail) for row in reversed(audit.page_of(EVERYTHING, ALL).items)]


def test_roles_are_as_they_are_written(office: Credentials) -> None:
    """Each role may read; only some may move money, and nobody of a company what is at others' cost."""
    assert {role: ("money.move" in allowed, "users.write" in allowed) for role, allowed in ROLES.items()} == {
        "owner": (True, True),
        "finance": (True, False),
        "operator": (False, False),
        "viewer": (False, False),
        "member": (False, False),
    }
    for role in ROLES:
        assert not ROLES[role] & {"companies.write", "money.bring", "rates.write", "stock.write", "trunks.write"}


def test_one_place_decides(office: Credentials) -> None:
    """Others' things are not there; what the role may not is forbidden; a member sees one profile."""
    owner = Actor("o", Scope(1), ROLES["owner"])
    member = Actor("m", Scope(1, 7), ROLES["member"])
    check(owner, "money.move", Owner(1), "x")
    check(member, "calls.read", Owner(1, 7), "x")
    check(member, "numbers.read", None, "x")
    not_there = (
        (owner, "calls.read", Owner(2)),
        (owner, "calls.read", Owner()),
        (member, "calls.read", Owner(1, 8)),
        (member, "calls.read", Owner(2, 7)),
    )
    for actor, permission, owned in not_there:
        with pytest.raises(NotFound):
            check(actor, permission, owned, "x")
    not_allowed = (
        (owner, "rates.write", Owner(1)),
        (member, "calls.read", Owner(1)),
        (member, "money.move", Owner(1, 7)),
    )
    for actor, permission, owned in not_allowed:
        with pytest.raises(Forbidden):
            check(actor, permission, owned, "x")


def test_a_user_is_let_in_by_a_link_once(store: Store, office: Credentials) -> None:
    """Good once, for a day; a new one ends the one before; nothing that opens anything is in the store."""
    user = users.create(" Ada@Example.com ", "Ada", "owner", NOW)
    assert users.by_email("ADA@example.com").company is None
    first, second = users.link(user, NOW), users.link(user, NOW)
    for secret, at in ((first, NOW), ("", NOW), ("x", NOW), (second, NOW + DAY_MS)):
        with pytest.raises(NotFound, match="no longer valid"):
            users.redeem(secret, at)
    third = users.link(user, NOW)
    assert users.redeem(third, NOW + DAY_MS - 1) == user
    with pytest.raises(NotFound):
        users.redeem(third, NOW)
    assert not users.show(user).ready
    users.set_password(user, "a hash", NOW)
    assert users.show(user).ready
    assert third not in repr(actions())


@pytest.mark.parametrize(
    ("email", "role", "whose", "profile", "why"),
    [
        ("nobody", "owner", None, None, "Invalid e-mail"),
        ("a@b c", "owner", None, None, "Invalid e-mail"),
        ("a\n@example.com", "owner", None, None, "Invalid e-mail"),
        ("x" * 70 + "@example.com", "owner", None, None, "Invalid e-mail"),
        ("a@example.com", "king", None, None, "Invalid role"),
        ("a@example.com", "member", "Acme", None, "needs a profile"),
        ("a@example.com", "viewer", "Acme", "office", "needs a profile"),
        ("taken@example.com", "viewer", "Acme", None, "already taken"),
        ("TAKEN@example.com", "viewer", None, None, "already taken"),
    ],
)
def test_a_user_that_cannot_be_is_refused(
    office: Credentials, email: str, role: str, whose: str | None, profile: str | None, why: str
) -> None:
    """In words, and nothing is changed."""
    users.create("taken@example.com", "", "viewer", NOW, "Acme")
    with pytest.raises(BadInput, match=why):
        users.create(email, "", role, NOW, whose, profile)
    assert len(users.page_of(EVERYTHING, ALL).items) == 1


def test_the_last_owner_cannot_go(office: Credentials) -> None:
    """A disabled one does not count, nor another company's."""
    first = users.create("a@example.com", "", "owner", NOW, "Acme")
    second = users.create("b@example.com", "", "owner", NOW, "Acme")
    users.create("house@example.com", "", "owner", NOW)
    users.disable(second, NOW)
    with pytest.raises(BadInput, match="the last owner"):
        users.disable(first, NOW)
    with pytest.raises(BadInput, match="the last owner"):
        users.change(first, role="viewer", now=NOW)
    users.enable(second)
    assert users.change(first, role="viewer", now=NOW).role == "viewer"


def test_a_token_may_what_both_may(store: Store, office: Credentials) -> None:
    """Its scopes and its user's role, whatever becomes of the role; its secret is kept nowhere."""
    user = users.create("a@example.com", "", "viewer", NOW, "Acme")
    users.create("b@example.com", "", "owner", NOW, "Acme")
    made = tokens.create(user, "everything", tuple(PERMISSIONS), None, NOW)
    found = tokens.find(made.secret, NOW)
    assert found is not None
    assert found[0].permissions == ROLES["viewer"]
    users.change(user, role="owner", now=NOW)
    found = tokens.find(made.secret, NOW)
    assert found is not None
    assert "users.write" in found[0].permissions
    assert tokens.find(made.secret[:-1], NOW) is None
    assert made.secret not in repr([made.token, actions(), list(User.select().dicts())])
    for scopes in ((), ("nothing.write",)):
        with pytest.raises(BadInput):
            tokens.create(user, "x", scopes, None, NOW)


def test_what_people_change_is_written_down_with_it(store: Store, office: Credentials) -> None:
    """Once, in the same transaction, without secrets; what the connector does by itself is not; what failed is not."""
    assert actions() == []
    with audit.acting(DOER):
        profiles.rename("office", "front desk")
        issued = profiles.rotate(office.username, NOW)
        with pytest.raises(BadInput):
            credit.add(office.username, 10**15, "big", NOW)
    assert [row[:2] for row in actions()] == [("profile.rename", "office"), ("profile.rotate", office.username)]
    assert "front desk" in actions()[0][2]
    assert issued.password not in repr(actions())
    credit.add(office.username, MICROS, "by itself", NOW)
    assert len(actions()) == 2
    row = Audit.select().order_by(Audit.id).first()
    assert (row.actor, row.company_id, row.at) == ("somebody", 1, NOW)


def test_no_secret_can_be_told(office: Credentials) -> None:
    """Whatever is audited: an argument that is a secret is known by its name; and what was set is not in the log."""
    for path in sorted(Path(str(billing.__file__)).parent.glob("*.py")):
        for name in re.findall(r"@audited\([^)]*\)\ndef \w+\(([^)]*)\)", path.read_text()):
            for argument in re.findall(r"(\w+)\s*:", name):
                assert audit.is_secret(argument) == bool(
                    re.search("password|secret|sign_in|pin|digest|hash|code|token", argument)
                )
    user = users.create("a@example.com", "", "owner", NOW, "Acme")
    with audit.acting(DOER):
        users.set_password(user, "$argon2id$the-hash", NOW)
        users.set_totp(user, "JBSWY3DPEHPK3PXP")
        secret = users.link(user, NOW)
        made = tokens.create(user, "x", ("calls.read",), None, NOW)
    told = repr(audit.page_of(EVERYTHING, ALL).items)
    for hidden in ("the-hash", "JBSWY3DPEHPK3PXP", secret, made.secret):
        assert hidden not in told
    assert [row[0] for row in actions()] == ["user.password", "user.totp", "user.link", "token.create"]


def test_nobody_makes_somebody_who_may_more(office: Credentials) -> None:
    """Neither by a role nor by a house: a scoped token least of all."""
    scoped = Actor("t", Scope(1), frozenset(("users.write", "users.read")), token=1)
    owner = Actor("o", Scope(1), ROLES["owner"])
    check_grant(owner, "owner", of_house=False)
    check_grant(owner, "member", of_house=False)
    for actor, role, of_house in ((scoped, "viewer", False), (scoped, "owner", False), (owner, "owner", True)):
        with pytest.raises(Forbidden):
            check_grant(actor, role, of_house=of_house)


def test_the_user_of_the_pages_token_is_nobodys(store: Store, office: Credentials) -> None:
    """No tenant can be it beforehand, change it, or have a link or a token of it."""
    with pytest.raises(BadInput, match="Invalid e-mail"):
        users.create(users.PAGE_VIEWER, "", "viewer", NOW, "Acme")
    user = users.page_viewer(NOW)
    assert users.page_viewer(NOW) == user
    deeds: tuple[Callable[[], object], ...] = (
        lambda: users.link(user, NOW),
        lambda: users.disable(user, NOW),
        lambda: users.change(user, role="owner", now=NOW),
        lambda: users.set_totp(user, "x"),
        lambda: tokens.create(user, "x", ("calls.read",), None, NOW),
    )
    for deed in deeds:
        with pytest.raises(BadInput, match=r"connector\.toml"):
            deed()


def test_a_deed_that_was_done_is_answered_though_its_thing_is_gone(store: Store, office: Credentials) -> None:
    """A number that was given back at once: the same key has the same answer."""
    actor = owner_of(store)

    def deed() -> object:
        """Give it back."""
        return numbers.release("+442079460100", NOW, at_once=True).number

    def asked() -> acts.Done:
        """With one key."""
        return acts.do(actor, "money.move", ("number", "+442079460100"), deed, DOER, Once("k", "f"))

    assert (asked().again, asked().again) == (False, True)


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'me'", "DELETE FROM audit"])
def test_the_audit_log_only_grows(store: Store, office: Credentials, statement: str) -> None:
    """The store refuses to change it, whoever asks."""
    with audit.acting(DOER):
        profiles.rename("office", "front desk")
    with pytest.raises(StoreUnavailable, match="append only"), writing():
        run(statement)
    assert Audit.select().where(Audit.actor == "somebody").count() == 1


def test_a_deed_is_done_once(store: Store, office: Credentials) -> None:
    """However many ask at once with one key: one does it, all have the same answer."""
    actor = owner_of(store)
    before = credit.balance("Acme").available_micros
    answers: list[acts.Done] = []
    lock = threading.Lock()

    def ask() -> None:
        """Add a pound."""

        def deed() -> object:
            """In the transaction."""
            return credit.add(office.username, MICROS, acts.money_key(actor, "k"), NOW).available_micros

        done = acts.do(actor, "money.move", ("profile", office.username), deed, DOER, Once("k", "a pound"))
        store.close()
        with lock:
            answers.append(done)

    at_once(ask, 6)
    assert len(answers) == 6
    assert {done.answer for done in answers} == {answers[0].answer}
    assert sorted(done.again for done in answers) == [False] + [True] * 5
    assert credit.balance("Acme").available_micros == before - MICROS
    with pytest.raises(KeyReused):
        acts.do(actor, "money.move", None, lambda: None, DOER, Once("k", "two pounds"))
    assert acts.do(actor, "money.move", None, lambda: 1, DOER, Once("other", "two pounds")).answer == 1
    acts.forget(NOW + 1)
    assert not acts.do(actor, "money.move", None, lambda: 1, DOER, Once("other", "three pounds")).again


def test_what_may_not_be_done_leaves_nothing(store: Store, office: Credentials) -> None:
    """Neither a key, nor a row, nor anything that the deed did before it failed."""
    actor = owner_of(store)

    def fails() -> object:
        """Half of something."""
        profiles.rename(office.username, "half")
        raise BadInput("and no more")

    with pytest.raises(BadInput, match="and no more"):
        acts.do(actor, "profiles.write", ("profile", office.username), fails, DOER, Once("k", "f"))
    with pytest.raises(NotFound):
        acts.do(actor, "profiles.write", ("profile", "p0000000000"), fails, DOER)
    with pytest.raises(Forbidden):
        acts.do(actor, "rates.write", None, fails, DOER)
    assert profiles.show_profile("office").username == office.username
    assert actions() == []
    assert acts.do(actor, None, None, lambda: "now", DOER, Once("k", "g")).answer == "now"


def test_the_store_knows_the_roles(store: Store, office: Credentials) -> None:
    """A role that there is not is refused by the store itself."""
    with pytest.raises(StoreUnavailable, match=r"CHECK|check"), writing():
        User.create(email="x@example.com", name="", role="king", created_at=NOW)
