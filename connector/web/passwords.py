"""Passwords as Argon2id hashes (RFC 9106), and codes beside them (TOTP, RFC 6238).

A hash takes a tenth of a second and 64 MiB on purpose: two at a time are worked out, on threads of their own, so that
no call and no page waits for who guesses.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from connector.errors import BadInput, StoreBusy

R = TypeVar("R")

LEAST = 12
MOST = 200
STEP_S = 30
_AT_ONCE = 2
_MOST_WAITING = 20


class Passwords:
    """Works out hashes."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()  # its usual figures are RFC 9106's second choice: 64 MiB, 3 passes, 4 lanes
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._threads.submit(_unknown)  # now: who guesses first would wait longer
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """The hash of a password. BadInput if it is too short or too long."""
        if not LEAST <= len(password) <= MOST:
            raise BadInput("A password has {least} to {most} characters.", least=LEAST, most=MOST)
        return await self._run(self._hasher.hash, password)

    async def fits(self, hashed: str, password: str) -> bool:
        """Whether a password is the one. Where there is none it takes as long: who guesses learns nothing."""
        found = await self._run(self._verified, hashed, password[:MOST])
        return found and bool(hashed)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verified(self, hashed: str, password: str) -> bool:
        with contextlib.suppress(VerificationError, InvalidHashError):
            return self._hasher.verify(hashed or _unknown(), password)
        return False

    async def _run(self, function: Callable[..., R], *arguments: str) -> R:
        if self._waiting >= _MOST_WAITING:
            raise StoreBusy("Many people are signing in right now. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self._waiting -= 1


@cache
def _unknown() -> str:
    """The hash of a password that nobody has, the same as long as the process lives."""
    return PasswordHasher().hash(secrets.token_urlsafe())


def new_secret() -> str:
    """A secret for codes, as telephones take it."""
    return pyotp.random_base32()


def telephone_url(secret: str, email: str) -> str:
    """What a telephone reads from the square."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Connector for Asterisk")


def step_of(secret: str, code: str, now: int) -> int | None:
    """The time step that a code is of, now or one step ago or ahead; None if it is none of them."""
    digits = code.replace(" ", "")
    if len(digits) != 6 or not (digits.isascii() and digits.isdecimal()):
        return None
    codes = pyotp.TOTP(secret)
    here = now // 1000 // STEP_S
    for step in (here, here - 1, here + 1):
        if pyotp.utils.strings_equal(codes.generate_otp(step), digits):
            return step
    return None
