"""The signature of a post: by the secret, of the very body, and of now."""

from __future__ import annotations

import pytest

from connector.core import signatures

NOW = 1_795_000_000_000
SECRET, BODY = "a-secret-of-the-gateway-1", b'{"id": "evt_1"}'


def test_a_known_signature() -> None:
    """The same as `printf '%s' "$t.$body" | openssl dgst -sha256 -hmac "$secret"`, so that others can make it."""
    known = "cd570c0e661cd9ba178252b840880f05b484b5b9975f345c098bcc06b94bcb9f"
    assert signatures.made(SECRET, BODY, NOW) == f"t=1795000000,v1={known}"


@pytest.mark.parametrize(
    ("signature", "is_good"),
    [
        (signatures.made(SECRET, BODY, NOW), True),
        (signatures.made(SECRET, BODY, NOW - 299_000), True),
        (signatures.made(SECRET, BODY, NOW + 299_000), True),
        (signatures.made("another-secret", BODY, NOW) + ",v1=" + signatures.made(SECRET, BODY, NOW)[16:], True),
        (signatures.made(SECRET, BODY, NOW - 301_000), False),
        (signatures.made(SECRET, BODY, NOW + 301_000), False),
        (signatures.made("another-secret", BODY, NOW), False),
        (signatures.made(SECRET, BODY + b" ", NOW), False),
        (signatures.made(SECRET, BODY, NOW).replace("v1=", "v0="), False),
        (signatures.made(SECRET, BODY, NOW).upper(), False),
        ("", False),
        ("t=,v1=", False),
        ("t=\u0661\u0667\u0669\u0665,v1=0", False),
        ("t=9" + "9" * 40 + ",v1=0", False),
        ("t=1795000000,v1=\udcff", False),
        (",".join(["v1=0"] * 100_000), False),
    ],
)
def test_a_signature_is_of_the_body_and_of_now(signature: str, is_good: bool) -> None:
    """Five minutes late at the most, by the one secret; what is no signature is none."""
    assert signatures.is_good(signature, SECRET, BODY, NOW) is is_good
