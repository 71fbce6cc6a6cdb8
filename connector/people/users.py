"""Users: who may sign in, as what, and how they prove it. Passwords are here as hashes only (web/passwords.py)."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from peewee import JOIN

from connector.core.access import Actor, Scope, checked_role, permissions_of
from connector.core.paging import Page, Turn, page
from connector.database import audit, vault
from connector.database.models import ApiToken, Company, Profile, Session, SignInLink, User
from connector.database.named import company_row, open_profile_row
from connector.database.store import lock, reading, rows, run, writing
from connector.errors import BadInput, NotFound

PAGE_VIEWER = "page@connector.invalid"
LINK_MS = 24 * 3_600_000
MOST_NAME = 60
MOST_EMAIL = 254
# What a mail server could be given: one @, no spaces, nothing that ends a header. Whether it is read only a mail tells.
# The local part is RFC 5321's dot-string, so no encoded word of a header's (RFC 2047) either.
_EMAIL = re.compile(r"(?=.{1,64}@)[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


@dataclass(frozen=True)
class UserView:
    """Somebody who may sign in. `company` None: of the house. `profile`: the username of the one that a member sees.

    `ready`: has a password; before, only a link lets them in. `totp`: is asked for a code beside it.
    """

    id: int
    email: str
    name: str
    role: str
    company: str | None
    profile: str | None
    ready: bool
    totp: bool
    created_at: int
    disabled_at: int | None


@dataclass(frozen=True)
class Proof:
    """What proves who a user is: the hash of the password ("" for none yet), and whether a code is asked for too."""

    user: int
    hashed: str
    totp: bool


def create(email: str, name: str, role: str, now: int, company: str | None = None, profile: str | None = None) -> int:
    """Let somebody in, by a link that is made next (`link`); the user's id. Without a company: one of the house.

    BadInput if the address is unfit or taken, or role and company or profile do not go together; NotFound.
    """
    address, called = checked_email(email), _checked_name(name)
    with writing():
        owner: Any = company_row(company) if company else None
        one = _profile_of(owner, profile)
        checked_role(role, owner and owner.id, one and one.id)
        if rows("SELECT 1 FROM users WHERE email = ?", address):
            raise BadInput("{address} cannot be used here, because it is already taken.", address=address)
        row = User.create(email=address, name=called, role=role, company=owner, profile=one, created_at=now)
        audit.note_of(row.company_id, "user.create", address, role)
        return int(row.id)


def change(
    user: int, name: str | None = None, role: str | None = None, profile: str | None = None, *, now: int
) -> UserView:
    """Another name, or another role; what is None stays. Their sessions end if they may do other things from now on.

    BadInput if it is the last owner that would be none any more; NotFound.
    """
    with writing():
        row = _own_row(user)
        if name is not None:
            User.update(name=_checked_name(name)).where(User.id == user).execute()
        if role is None and profile is not None:
            role = row.role
        if role is not None:
            owner = Company.get_by_id(row.company_id) if row.company_id else None
            one = _profile_of(owner, profile)
            checked_role(role, row.company_id, one and one.id)
            if row.role == "owner" and role != "owner":
                _not_the_last_owner(row)
            User.update(role=role, profile=one).where(User.id == user).execute()
            end_sessions(user)
        audit.note_of(row.company_id, "user.change", row.email, f"{name or ''} {role or ''} {profile or ''}".strip())
        return _view(_row(user))


def disable(user: int, now: int) -> UserView:
    """Let somebody in no more: sessions, tokens and links end now. BadInput for the last owner; NotFound."""
    with writing():
        row = _own_row(user)
        if row.role == "owner":
            _not_the_last_owner(row)
        audit.note_of(row.company_id, "user.disable", row.email)
        User.update(disabled_at=now).where(User.id == user).execute()
        end_sessions(user)
        run("DELETE FROM sign_in_link WHERE user_id = ?", user)
        ApiToken.update(revoked_at=now).where((ApiToken.user == user) & ApiToken.revoked_at.is_null()).execute()
        return _view(_row(user))


def enable(user: int) -> UserView:
    """Let somebody in again, with the password they had; tokens stay revoked."""
    with writing():
        row = _own_row(user)
        audit.note_of(row.company_id, "user.enable", row.email)
        User.update(disabled_at=None).where(User.id == user).execute()
        return _view(_row(user))


def link(user: int, now: int) -> str:
    """A secret that lets a user in once, within a day, to choose a password; one before it is good no longer.

    It is kept nowhere. BadInput if the user is disabled; NotFound.
    """
    secret = secrets.token_urlsafe(32)
    with writing():
        row = _own_row(user)
        if row.disabled_at is not None:
            raise BadInput("{email} is disabled", email=row.email)
        audit.note_of(row.company_id, "user.link", row.email)
        run("DELETE FROM sign_in_link WHERE user_id = ?", user)
        SignInLink.create(user=user, hashed=hashed(secret), expires_at=now + LINK_MS)
    return secret


def redeem(secret: str, now: int) -> int:
    """The user whom a link lets in, and it is used up. NotFound if it was, or is over, or never was."""
    with writing():
        found = SignInLink.get_or_none(SignInLink.hashed == hashed(secret))
        if found is not None:
            lock("id = (SELECT company_id FROM users WHERE id = ?)", found.user_id)
            used = SignInLink.delete().where(SignInLink.hashed == found.hashed).execute()
            if used and found.expires_at > now:
                return int(found.user_id)
    raise NotFound("This link is no longer valid. Ask for a new one.")


def came_by_provider(user: int, hashed_password: str, now: int) -> None:
    """Somebody without a password signed in at a provider: they count as being here, with one that nobody knows. One
    that they have chosen meanwhile stays, and so do their sessions and their link.
    """
    with writing():
        row = _own_row(user)
        sql = "UPDATE users SET password = ?, password_at = ? WHERE id = ? AND password = '' RETURNING id"
        if rows(sql, hashed_password, now, user):
            audit.note_of(row.company_id, "user.provider", row.email)


def set_password(user: int, hashed_password: str, now: int) -> None:
    """A new password; every session and link of the user ends."""
    with writing():
        row = _own_row(user)
        audit.note_of(row.company_id, "user.password", row.email)
        User.update(password=hashed_password, password_at=now).where(User.id == user).execute()
        end_sessions(user)
        run("DELETE FROM sign_in_link WHERE user_id = ?", user)


def proof(email: str) -> Proof | None:
    """How somebody proves who they are; None if nobody may sign in by that address."""
    with reading():
        row = User.get_or_none((User.email == email.strip().lower()) & User.disabled_at.is_null())
        return None if row is None else Proof(row.id, row.password, row.totp is not None)


def proof_of(user: int) -> Proof:
    """The same, of a user who is known. NotFound."""
    with reading():
        row = _row(user)
        return Proof(row.id, row.password, row.totp is not None)


def set_language(user: int, language: str) -> None:
    """Write to a user in a language from now on, one of connector/words.py."""
    with writing():
        run("UPDATE users SET language = ? WHERE id = ?", language, user)


def set_totp(user: int, secret: str | None, but_session: int | None = None) -> None:
    """Ask a user for a code beside the password from now on, by this secret; None: no more. Their sessions end, but
    for one.
    """
    sealed = vault.sealed(secret) if secret else None
    with writing():
        row = _own_row(user)
        audit.note_of(row.company_id, "user.totp", row.email, "on" if secret else "off")
        User.update(totp=sealed, totp_used=None).where(User.id == user).execute()
        end_sessions(user, but_session)


def totp_secret(user: int) -> str | None:
    """By which secret a user's codes are made; None if none are asked for. SecretsLocked; NotFound."""
    with reading():
        row = _row(user)
    return vault.unseal(row.totp) if row.totp else None


def use_code(user: int, step: int) -> bool:
    """Note that the code of a time step was used; False if it, or a later one, was used before: it is good once."""
    with writing():
        row = _row(user)
        if row.totp_used is not None and row.totp_used >= step:
            return False
        User.update(totp_used=step).where(User.id == user).execute()
        return True


def show(user: int) -> UserView:
    """One user; NotFound."""
    with reading():
        return _view(_row(user))


def by_email(email: str) -> UserView:
    """One user; NotFound."""
    with reading():
        row = User.get_or_none(User.email == email.strip().lower())
        if row is None:
            raise NotFound("The user {email!r} was not found.", email=email)
        return _view(_row(row.id))


def page_of(scope: Scope, wanted: Turn) -> Page[UserView]:
    """Who may sign in, by address; a company sees its own."""
    with reading():
        found = _rows().order_by(User.email).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(User.company == scope.company)
        if wanted.after is not None:
            found = found.where(User.email > wanted.after[0])
        return page([_view(row) for row in found], wanted, lambda view: (view.email,))


def page_viewer(now: int) -> int:
    """The user of who holds the token of connector.toml: one of the house, who sees everything and changes nothing."""
    with writing():
        row = User.get_or_none(User.email == PAGE_VIEWER)
        if row is None:
            row = User.create(email=PAGE_VIEWER, name="connector.toml", role="viewer", created_at=now)
        return int(row.id)


def actor_of(user: int) -> Actor:
    """What a user may do; NotFound."""
    with reading():
        return actor(_row(user))


def actor(row: Any) -> Actor:
    """What a user may do: of a row of `users`."""
    allowed = permissions_of(row.role, of_house=row.company_id is None)
    return Actor(row.email, Scope(row.company_id, row.profile_id), allowed, user=row.id)


def end_sessions(user: int, but: int | None = None) -> None:
    """End a user's sessions, in the caller's transaction."""
    Session.delete().where((Session.user == user) & (Session.id != (but or 0))).execute()


def hashed(secret: str) -> str:
    """A secret of ours as the store keeps it. They are long and random: none is guessed, so one round is enough."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def _not_the_last_owner(row: Any) -> None:
    same = (User.company == row.company_id) if row.company_id else User.company.is_null()
    others = (User.role == "owner") & (User.id != row.id) & User.disabled_at.is_null()
    if row.disabled_at is None and not User.select().where(same & others).exists():
        raise BadInput("{email} is the last owner. Make another user an owner first.", email=row.email)


def _profile_of(owner: Any, profile: str | None) -> Any:
    if profile is None:
        return None
    found = open_profile_row(profile)
    if owner is None or found.company_id != owner.id:
        raise NotFound("there is no profile {profile!r}", profile=profile)
    return found


def _rows() -> Any:
    found = User.select(User, Company, Profile).join(Company, JOIN.LEFT_OUTER).switch(User)
    return found.join(Profile, JOIN.LEFT_OUTER)


def _row(user: int) -> Any:
    lock("id = (SELECT company_id FROM users WHERE id = ?)", user)
    row = _rows().where(User.id == user).get_or_none()
    if row is None:
        raise NotFound("there is no user {user}", user=user)
    return row


def _own_row(user: int) -> Any:
    """Of somebody who is somebody: the user of the page's token has no password, and stays as it is."""
    row = _row(user)
    if row.email == PAGE_VIEWER:
        raise BadInput("this is the user of the token in connector.toml: it stays as it is")
    return row


def _view(row: Any) -> UserView:
    return UserView(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        company=row.company.name if row.company_id else None,
        profile=row.profile.username if row.profile_id else None,
        ready=bool(row.password),
        totp=row.totp is not None,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def checked_email(text: str) -> str:
    """An e-mail address, in small letters. BadInput if it is none that may sign in."""
    address = text.strip().lower()
    if (
        address == PAGE_VIEWER
        or len(address) > MOST_EMAIL
        or not address.isprintable()
        or not _EMAIL.fullmatch(address)
    ):
        raise BadInput("Invalid e-mail address {given!r}. Use a form like name@example.com.", given=text[:60])
    return address


def _checked_name(text: str) -> str:
    name = text.strip()
    if len(name) > MOST_NAME or not name.isprintable():
        raise BadInput("a name has at most {most_name} printable characters", most_name=MOST_NAME)
    return name
