"""The INVITE that opens a leg, and the CANCEL that takes it back (RFC 3261 §8.1.1, §9.1, §13.2.1)."""

from __future__ import annotations

from functools import lru_cache

from c2c_b2bua.dialog.extensions import ALLOW, SUPPORTED_VALUE
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.fields import CSeq, NameAddr
from c2c_b2bua.sip.message import Headers, Request
from c2c_b2bua.sip.uri import Uri

FIRST = CSeq(1, "INVITE")
CREDENTIALS = ("Authorization", "Proxy-Authorization")


def compose_invite(party: Party, call_id: str, tag: str) -> Request:
    """The first INVITE to a party; Via and Contact come with the flow, the body with the offer."""
    headers = invite_headers(party.session_expires).copy()
    headers["From"] = [f"{print_caller(party.from_uri, party.from_name)};tag={tag}"]
    headers["To"] = [f"<{party.uri}>"]
    headers["Call-ID"] = [call_id]
    if party.routes:
        headers["Route"] = [*party.routes]
    elif ";lr" in party.next_hop:
        headers["Route"] = [f"<{party.next_hop}>"]
    for name, value in party.headers:
        headers[name] = [*headers.get(name, ()), value]
    request = Request("INVITE", party.uri, headers)
    request.read_cseq = FIRST
    return request


@lru_cache(maxsize=64)
def invite_headers(session_expires: int) -> Headers:
    """The headers of an INVITE; its own values have their places, still empty."""
    headers: Headers = {
        "Via": [],
        "Max-Forwards": ["70"],
        "From": [],
        "To": [],
        "Call-ID": [],
        "CSeq": [str(FIRST)],
        "Contact": [],
        "Allow": [ALLOW],
        "Supported": [SUPPORTED_VALUE],
        "User-Agent": ["C2C-B2BUA"],
    }
    if session_expires:
        headers["Session-Expires"] = [str(session_expires)]
    headers["Content-Type"] = ["application/sdp"]
    return headers


def shorten_answered(invite: Request) -> None:
    """Keep of an INVITE with a 2xx what the ACK of another needs, and the dialog of another fork."""
    sent = invite.headers
    headers = {"Via": sent["Via"], "From": sent["From"], "To": sent["To"], "Call-ID": sent["Call-ID"]}
    for name in CREDENTIALS:
        if name in sent:
            headers[name] = sent[name]
    invite.headers, invite.body = headers, b""


@lru_cache(maxsize=1024)
def print_caller(uri: str, name: str) -> str:
    """Who calls, as in From; the same in very many calls."""
    return str(NameAddr(Uri.parse(uri), name))


def compose_cancel(invite: Request) -> Request:
    """The CANCEL of an INVITE: the same branch, the same Route, the same CSeq number."""
    headers = {name: invite.headers[name] for name in ("Via", "Max-Forwards", "From", "To", "Call-ID")}
    headers["CSeq"] = [f"{invite.cseq.number} CANCEL"]
    if "Route" in invite.headers:
        headers["Route"] = invite.headers["Route"]
    return Request("CANCEL", invite.uri, headers)
