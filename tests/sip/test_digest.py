"""Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from c2c_b2bua.sip.digest import credentials, response_hash, strength
from c2c_b2bua.sip.fields import Challenge
from tests.corpora import ROOT, corpus

VECTORS = ROOT / "digest" / "vectors.json"


def vectors() -> list[Any]:
    """Each vector; where there are none, one that is skipped."""
    return json.loads(VECTORS.read_text()) if VECTORS.exists() else [None]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector and f"{vector['alg']}-{vector['qop']}")
def test_vectors(vector: dict[str, str]) -> None:
    corpus("digest/vectors.json")
    given = {"realm": vector["realm"], "nonce": vector["nonce"], "algorithm": vector["alg"]}
    if vector["qop"]:
        given["qop"] = vector["qop"]
    found = response_hash(
        Challenge("Digest", given),
        vector["user"],
        vector["password"],
        vector["method"],
        vector["uri"],
        vector["nc"] if vector["qop"] else "",
        vector["cnonce"],
    )
    # RFC 7616 §3.9.2 prints a SHA-512 cut short; FIPS 180-4's SHA-512/256, which it names, is what was recomputed.
    assert found == vector.get("recomputed", vector["response"])


def test_the_vector_that_rfc_7616_prints_is_not_its_algorithm() -> None:
    found = [
        vector for vector in json.loads(corpus("digest/vectors.json").read_text()) if vector.get("matches") is False
    ]
    assert [vector["source"] for vector in found] == ["RFC 7616 3.9.2 SHA-512-256 as printed"]
    assert found[0]["response"] != found[0]["recomputed"]


CHALLENGE = Challenge(
    "Digest", {"realm": "example.com", "nonce": "n1", "qop": "auth,auth-int", "opaque": 'o"1', "algorithm": "MD5"}
)


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_credentials_with_qop() -> None:
    secret, subject = md5("bob:example.com:zanzibar"), md5("INVITE:sip:b@c")
    response = md5(f"{secret}:n1:0000000a:abcd:auth:{subject}")
    assert credentials(CHALLENGE, "bob", "zanzibar", "INVITE", "sip:b@c", 10, "abcd") == (
        f'Digest username="bob", realm="example.com", nonce="n1", uri="sip:b@c", response="{response}", '
        'algorithm=MD5, cnonce="abcd", qop=auth, nc=0000000a, opaque="o\\"1"'
    )


def test_credentials_as_rfc_2069() -> None:
    """No qop, no algorithm, no opaque offered: none of them is sent (§3.4)."""
    challenge = Challenge("Digest", {"realm": "r", "nonce": "n"})
    response = md5(f"{md5('u:r:p')}:n:{md5('BYE:sip:x')}")
    assert credentials(challenge, "u", "p", "BYE", "sip:x", 1, "abcd") == (
        f'Digest username="u", realm="r", nonce="n", uri="sip:x", response="{response}"'
    )


def test_session_algorithms_send_a_client_nonce_even_without_qop() -> None:
    challenge = Challenge("Digest", {"realm": "r", "nonce": "n", "algorithm": "MD5-sess"})
    response = md5(f"{md5(md5('u:r:p') + ':n:abcd')}:n:{md5('BYE:sip:x')}")
    assert credentials(challenge, "u", "p", "BYE", "sip:x", 1, "abcd") == (
        f'Digest username="u", realm="r", nonce="n", uri="sip:x", response="{response}", '
        'algorithm=MD5-sess, cnonce="abcd"'
    )


def test_a_user_name_cannot_leave_its_quotes() -> None:
    text = credentials(CHALLENGE, 'a", nonce="x\r\nEvil: 1', "p", "BYE", "sip:x", 1, "c")
    assert text.startswith('Digest username="a\\", nonce=\\"xEvil: 1", realm=')


def test_a_realm_of_bytes_that_are_no_utf8() -> None:
    """Hashed as they came; str.encode() raised UnicodeEncodeError out of the core."""
    realm = b"caf\xe9".decode("utf-8", "surrogateescape")
    found = response_hash(Challenge("Digest", {"realm": realm, "nonce": "n"}), "u", "p", "BYE", "sip:x")
    secret = hashlib.md5(b"u:caf\xe9:p").hexdigest()
    assert found == md5(f"{secret}:n:{md5('BYE:sip:x')}")


@pytest.mark.parametrize(
    ("given", "rank"),
    [
        ({"nonce": "n"}, 2),
        ({"nonce": "n", "algorithm": "md5"}, 2),
        ({"nonce": "n", "algorithm": "MD5-sess"}, 2),
        ({"nonce": "n", "algorithm": "SHA-256"}, 1),
        ({"nonce": "n", "algorithm": "sha-256-SESS"}, 1),
        ({"nonce": "n", "algorithm": "SHA-512-256"}, 0),
        ({"nonce": "n", "algorithm": "SHA-512-256", "qop": "auth-int, auth"}, 0),
        ({"nonce": "n", "algorithm": "SHA-512-256", "qop": "auth-int"}, None),
        ({"nonce": "n", "algorithm": "AKAv1-MD5"}, None),
        ({"algorithm": "MD5"}, None),
    ],
)
def test_strength(given: dict[str, str], rank: int | None) -> None:
    assert strength(Challenge("Digest", given)) == rank
    assert strength(Challenge("dIGEST", given)) == rank
    assert strength(Challenge("Basic", given)) is None
