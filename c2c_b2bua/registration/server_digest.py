"""Digest authentication as a server (RFC 3261 §22.4, RFC 7616, RFC 8760): who may register, without a table of nonces.

A nonce is its own proof: the time it was made, something unique, and a keyed hash over both, the realm and the address
it was given to. What is kept is only how often the young ones were used, and who guessed wrong lately.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from typing import Literal

from c2c_b2bua.sip.digest import response_hash
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.grammar import quote
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.throttle import Buckets

Verdict = Literal["accepted", "challenged", "stale", "failed"]

MOST_COUNTED = 200_000
"""Nonces whose uses are counted; beyond that, the oldest are taken for stale."""
SLOT = 60
"""Seconds of nonces that are forgotten together."""
GUESSES, GUESS_EVERY = 10.0, 20.0
"""Wrong passwords that one address has at once, and the seconds until it gets another one."""
MOST_REMEMBERED = 10_000
MD5_ONLY = ("baresip v0.", "baresip v1.", "baresip v2.", "twinkle/1.", "asterisk pbx", "freeswitch")
"""How the User-Agents begin, in lower case, of those that were seen to stop at a challenge with SHA-256."""


def source_of(host: str) -> str:
    """What counts as one peer: an IPv4 address, or the /64 that an IPv6 address is of."""
    if ":" not in host:
        return host
    try:
        return ipaddress.IPv6Address(host.partition("%")[0]).packed[:8].hex()
    except ValueError:
        return host


class Nonces:
    """Makes nonces and knows its own again; `since` is when it began: older ones are stale, their uses not known."""

    def __init__(self, secret: bytes, tokens: Tokens, lifetime: float, since: float) -> None:
        self.secret = secret
        self.tokens = tokens
        self.lifetime = lifetime
        self.since = since
        self.used: dict[int, dict[str, int]] = {}
        """Minute in which nonces were made -> nonce -> its highest count."""
        self.counted = 0

    def make(self, realm: str, source: str, now: float) -> str:
        """45 characters: time in milliseconds, 8 that are unique, 26 of proof."""
        stamp = f"{int(now * 1000):011x}{self.tokens.token()[:8]}"
        return stamp + self.proof(stamp, realm, source)

    def proof(self, stamp: str, realm: str, source: str) -> str:
        text = f"{stamp} {realm} {source}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self.secret, digest_size=13).hexdigest()

    def made_at(self, nonce: str, realm: str, source: str) -> float | None:
        """When this nonce was made for this source; None: it never was."""
        stamp = nonce[:19]
        if len(nonce) != 45 or not nonce.isascii():
            return None
        if not hmac.compare_digest(nonce[19:], self.proof(stamp, realm, source)):
            return None
        return int(stamp[:11], 16) / 1000

    def is_fresh(self, made_at: float, now: float) -> bool:
        return self.since <= made_at + 0.001 and now - made_at <= self.lifetime

    def count(self, nonce: str, made_at: float, use: int, now: float) -> bool:
        """Whether this use of a fresh nonce is a new one (RFC 7616 §3.4: replays have a count that was seen)."""
        slot = int(made_at // SLOT)
        uses = self.used.get(slot)
        if uses is None:
            self.forget(now)
            uses = self.used[slot] = {}
        last = uses.get(nonce, 0)
        if use <= last:
            return False
        uses[nonce] = use
        if not last:
            self.counted += 1
            if self.counted > MOST_COUNTED:
                self.drop(min(self.used))
        return True

    def forget(self, now: float) -> None:
        """Drop the counts of nonces that have expired."""
        for slot in [slot for slot in self.used if now - (slot + 1) * SLOT > self.lifetime]:
            self.counted -= len(self.used.pop(slot))

    def drop(self, slot: int) -> None:
        """Forget nonces before their time: they are stale from now on."""
        self.counted -= len(self.used.pop(slot))
        self.since = max(self.since, float((slot + 1) * SLOT))


class ServerDigest:
    """Challenges, and judges credentials; `algorithms` are those offered, in that order."""

    def __init__(self, secret: bytes, algorithms: Sequence[str], lifetime: float, since: float, tokens: Tokens) -> None:
        self.algorithms = algorithms
        self.nonces = Nonces(secret, tokens, lifetime, since)
        self.guesses = Buckets()
        self.unanswered: set[tuple[str, ...]] = set()
        """(user, User-Agent, source) that was shown all algorithms, and has not come back with credentials yet."""
        self.modest: set[tuple[str, ...]] = set()
        """(user, User-Agent) that proved to be who they are by the last of them."""

    def is_muted(self, host: str, now: float) -> bool:
        """Whether this address has guessed wrong so often that it is not listened to for a while."""
        bucket = self.guesses.buckets.get(source_of(host))
        return bucket is not None and bucket.tokens(now) < 1.0

    def judge(
        self, given: Challenge | None, method: str, hosts: Sequence[str], password: str | None, host: str, now: float
    ) -> Verdict:
        """What the credentials of a request prove; `password` None: its user is unknown, and the work is the same.

        `hosts` are our names, the realm first: the URI that was digested is at one of them.

        `stale` is nobody's fault: a nonce that is too old or was used before with the right password, or one that was
        never given to this address, of which nothing is then said about the password.
        """
        if given is None or not self.is_complete(given):
            return "challenged"
        parameters, source = given.parameters, source_of(host)
        made_at = self.nonces.made_at(parameters["nonce"], hosts[0], source)
        if made_at is None:
            return "stale"
        count, client_nonce = parameters.get("nc", ""), parameters.get("cnonce", "")
        expected = response_hash(
            given, parameters["username"], password or "", method, parameters["uri"], count, client_nonce
        )
        is_right = hmac.compare_digest(expected.encode(), parameters["response"].lower().encode("utf-8", "replace"))
        if not is_right or password is None or host_of(parameters["uri"]) not in hosts:
            self.guesses.take(source, GUESSES, 1 / GUESS_EVERY, now)
            return "failed"
        # Without qop there is no count (RFC 2069): such a nonce serves once.
        if not self.nonces.is_fresh(made_at, now) or not self.nonces.count(
            parameters["nonce"], made_at, int(count or "1", 16), now
        ):
            return "stale"
        return "accepted"

    def is_complete(self, credentials: Challenge) -> bool:
        """Whether these are credentials of the kind that was asked for: another kind is asked for again, not counted."""
        given = credentials.parameters
        if not all(name in given for name in ("username", "nonce", "uri", "response")):
            return False
        if given.get("algorithm", "MD5").upper() not in self.algorithms:
            return False
        if "qop" not in given:
            return "nc" not in given
        count = given.get("nc", "")
        is_count = len(count) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in count) and int(count, 16) > 0
        return given["qop"].lower() == "auth" and is_count and bool(given.get("cnonce"))

    def challenges(
        self, given: Challenge | None, realm: str, user: str, agent: str, host: str, is_stale: bool, now: float
    ) -> list[str]:
        """WWW-Authenticate values, strongest first (RFC 8760 §2.4); `agent` is the User-Agent.

        Phones from before RFC 8760 stop at a first challenge they do not know, instead of taking the next: whoever is
        such a phone, or was shown all and comes back without credentials, is shown only the last.
        """
        algorithms, source = self.algorithms, source_of(host)
        if len(algorithms) > 1 and self.is_modest(given, user, agent, source):
            algorithms = algorithms[-1:]
        nonce = self.nonces.make(realm, source, now)
        stale = ", stale=true" if is_stale else ""
        return [
            f'Digest realm={quote(realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{stale}'
            for algorithm in algorithms
        ]

    def is_modest(self, given: Challenge | None, user: str, agent: str, source: str) -> bool:
        """Whether this phone, which came with these credentials, knows the last algorithm only."""
        if given is not None:
            return self.is_last(given)
        if (user, agent) in self.modest or (user, agent, source) in self.unanswered:
            return True
        if self.algorithms[-1] == "MD5" and agent.lower().startswith(MD5_ONLY):
            return True
        remember(self.unanswered, (user, agent, source))
        return False

    def answered(self, given: Challenge | None, user: str, agent: str, host: str, is_accepted: bool) -> None:
        """A phone came with credentials: it understands what it was shown."""
        if given is not None:
            self.unanswered.discard((user, agent, source_of(host)))
            if is_accepted and self.is_last(given):
                remember(self.modest, (user, agent))

    def is_last(self, credentials: Challenge) -> bool:
        return credentials.parameters.get("algorithm", "MD5").upper() == self.algorithms[-1]


def remember(phones: set[tuple[str, ...]], who: tuple[str, ...]) -> None:
    """Nobody is remembered for ever."""
    if len(phones) >= MOST_REMEMBERED:
        phones.clear()
    phones.add(who)


def host_of(uri: str) -> str:
    """The host that a URI names, `""` for one that cannot be read."""
    try:
        return Uri.parse(uri).host
    except SipError:
        return ""
