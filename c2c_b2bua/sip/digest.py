"""Digest authentication as a client (RFC 3261 §22, RFC 7616, RFC 8760): from a challenge and a password to credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.grammar import quote


def octets(text: str) -> bytes:
    """The bytes that were on the wire, even where they are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def hash_md5(text: str) -> str:
    return hashlib.md5(octets(text), usedforsecurity=False).hexdigest()


def hash_sha256(text: str) -> str:
    return hashlib.sha256(octets(text)).hexdigest()


def hash_sha512_256(text: str) -> str:
    return hashlib.new("sha512_256", octets(text)).hexdigest()


# Strongest first: of several challenges of one realm the first one here is answered (RFC 8760 §2.4).
ALGORITHMS: dict[str, Callable[[str], str]] = {
    "SHA-512-256": hash_sha512_256,
    "SHA-256": hash_sha256,
    "MD5": hash_md5,
}


def algorithm_of(challenge: Challenge) -> str:
    """The algorithm's name in upper case with any `-SESS`; MD5 when the challenge names none (RFC 7616 §3.3)."""
    return challenge.parameters.get("algorithm", "MD5").upper()


def strength(challenge: Challenge) -> int | None:
    """Rank among ALGORITHMS, 0 the strongest; None for a challenge that we cannot answer."""
    base = algorithm_of(challenge).removesuffix("-SESS")
    qops = challenge.parameters.get("qop")
    if challenge.scheme.lower() != "digest" or base not in ALGORITHMS or "nonce" not in challenge.parameters:
        return None
    if qops is not None and "auth" not in [word.strip().lower() for word in qops.split(",")]:
        return None
    return list(ALGORITHMS).index(base)


def response_hash(
    challenge: Challenge,
    username: str,
    password: str,
    method: str,
    uri: str,
    nonce_count: str = "",
    client_nonce: str = "",
) -> str:
    """The `response` value (RFC 7616 §3.4.1); without `nonce_count` as RFC 2069, for challenges that offer no qop."""
    algorithm = algorithm_of(challenge)
    digest = ALGORITHMS[algorithm.removesuffix("-SESS")]
    realm, nonce = challenge.parameters.get("realm", ""), challenge.parameters["nonce"]
    secret = digest(f"{username}:{realm}:{password}")
    if algorithm.endswith("-SESS"):
        secret = digest(f"{secret}:{nonce}:{client_nonce}")
    subject = digest(f"{method}:{uri}")
    if not nonce_count:
        return digest(f"{secret}:{nonce}:{subject}")
    return digest(f"{secret}:{nonce}:{nonce_count}:{client_nonce}:auth:{subject}")


def credentials(
    challenge: Challenge, username: str, password: str, method: str, uri: str, count: int, client_nonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization; `count` is how often this nonce has been used, from 1 on."""
    given = challenge.parameters
    with_qop = "qop" in given
    needs_client_nonce = with_qop or algorithm_of(challenge).endswith("-SESS")
    nonce_count = f"{count:08x}" if with_qop else ""
    response = response_hash(challenge, username, password, method, uri, nonce_count, client_nonce)
    parts = [
        f"username={quote(username)}",
        f"realm={quote(given.get('realm', ''))}",
        f"nonce={quote(given['nonce'])}",
        f"uri={quote(uri)}",
        f'response="{response}"',
    ]
    if "algorithm" in given:
        parts.append(f"algorithm={given['algorithm']}")
    if needs_client_nonce:
        parts.append(f'cnonce="{client_nonce}"')
    if with_qop:
        parts.append(f"qop=auth, nc={nonce_count}")
    if "opaque" in given:
        parts.append(f"opaque={quote(given['opaque'])}")
    return "Digest " + ", ".join(parts)
