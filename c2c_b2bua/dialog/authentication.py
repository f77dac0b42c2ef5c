"""How a leg answers 401 and 407 (RFC 3261 §22): one more try for a fresh nonce, never a loop."""

from __future__ import annotations

from contextlib import suppress

from c2c_b2bua.sip.digest import credentials, strength
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.tokens import Tokens

HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
MAX_TRIES = 3
"""Requests for one purpose: without credentials, with them, and once more should the nonce have gone stale."""


class Authentication:
    """What the peers of one leg have asked for; credentials go on every later request of the leg."""

    __slots__ = ("asked", "password", "tokens", "username")

    def __init__(self, username: str, password: str, tokens: Tokens) -> None:
        self.username = username
        self.password = password
        self.tokens = tokens
        self.asked: dict[tuple[str, str], tuple[Challenge, int]] = {}
        """(header that answers, realm) -> (challenge, how often its nonce has been used)"""

    def absorb(self, request: Request, response: Response, tries: int) -> bool:
        """Learn the challenges of a 401 or 407; True when another try has a chance.

        It has none without a password, after MAX_TRIES, without an algorithm of ours, or when the peer
        gives back the nonce that was just used.
        """
        challenges: list[Challenge] = []
        for value in response.headers.get(HEADERS[response.status][0], []):
            with suppress(SipError):  # one that cannot be read does not spoil the others
                challenges.append(Challenge.parse(value))
        if not self.username or tries >= MAX_TRIES:
            return False
        answer_header = HEADERS[response.status][1]
        strongest: dict[str, Challenge] = {}
        for challenge in challenges:
            rank = strength(challenge)
            realm = challenge.parameters.get("realm", "")
            best = strongest.get(realm)
            if rank is not None and (best is None or rank < (strength(best) or 0)):
                strongest[realm] = challenge
        fresh = False
        for realm, challenge in strongest.items():
            known = self.asked.get((answer_header, realm))
            was_sent = known is not None and answer_header in request.headers
            if was_sent and known is not None and known[0].parameters["nonce"] == challenge.parameters["nonce"]:
                continue
            self.asked[answer_header, realm] = (challenge, 0)
            fresh = True
        return fresh

    def again(self, request: Request, sequence: int) -> Request:
        """The same request with credentials, another CSeq, and room for a new branch."""
        again = request.renewed(sequence)
        again.tries += 1
        self.sign(again)
        return again

    def sign(self, request: Request) -> None:
        """Put credentials on a request, for every realm that has asked."""
        for key, (challenge, count) in self.asked.items():
            header, _ = key
            self.asked[key] = (challenge, count + 1)
            value = credentials(
                challenge, self.username, self.password, request.method, request.uri, count + 1, self.tokens.token()
            )
            request.headers.setdefault(header, []).append(value)
