"""Early dialogs: one for each fork that says more than 100, its reliable responses acknowledged (RFC 3262, RFC 3261 §12.1).

A fork is known by its To tag. It has a route set, a CSeq and a description of its own; its PRACKs carry no offer.
"""

from __future__ import annotations

from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.extensions import supports
from c2c_b2bua.dialog.leg import INVITING, RINGING, Leg
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.transaction.actions import SendRequest, Work

MAX_FORKS = 50
"""Forks of one INVITE that are remembered; those of a peer that makes up ever new tags only ring."""


class Fork:
    """What one fork has said. `dialog` is there from its first reliable response on."""

    __slots__ = ("body", "dialog", "has_answered", "received", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        """CSeq of the last request to it."""
        self.dialog: Dialog | None = None
        self.received = 0
        """RSeq of the last reliable response that was taken."""
        self.body = b""
        """What it last said of its media."""
        self.has_answered = False
        """It answered our offer reliably, so that offers may be made (RFC 3311 §5.1)."""


def fork_of(leg: Leg, response: Response) -> Fork:
    assert leg.invite is not None
    tag = response.to_tag or ""
    fork = leg.forks.get(tag)
    if fork is None:
        fork = Fork(leg.invite.cseq.number)
        leg.forks = {**leg.forks, tag: fork}
    return fork


def listen(leg: Leg, response: Response) -> Work | None:
    """Take a 101-199 of a fork; None for one that shall not be looked at: it came before, or one before it did not."""
    has_description = bool(response.body) and response.content_type == "application/sdp"
    number = reliable_number(response) if "RSeq" in response.headers else 0
    if len(leg.forks) >= MAX_FORKS and response.to_tag not in leg.forks:
        return []
    if not number:
        if has_description:
            fork_of(leg, response).body = response.body
        return []
    fork = fork_of(leg, response)
    if fork.received and number != fork.received + 1:
        return None
    work = acknowledge(leg, fork, response, number)
    if has_description:
        fork.body = response.body
        fork.has_answered = bool(work)
    return work


def reliable_number(response: Response) -> int:
    """The RSeq of a reliable response; 0 for any other, and for one that no RAck could name (RFC 3262 §7.1)."""
    text = response.get("RSeq") or ""
    if not supports(response, "100rel") or not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return 0
    number = int(text)
    return number if number < 2**32 and response.to_tag else 0


def acknowledge(leg: Leg, fork: Fork, response: Response, number: int) -> Work:
    """The PRACK (§7.2), by the fork's own route set; nothing when its Contact or Record-Route is none."""
    assert leg.invite is not None
    if fork.dialog is None:
        try:
            fork.dialog = Dialog(leg.invite, response, leg.party.flow)
        except SipError:
            return []
    fork.received = number
    fork.sequence += 1
    request = fork.dialog.request("PRACK", fork.sequence)
    request.headers["RAck"] = [f"{number} {response.cseq}"]
    leg.sign(request)
    return [SendRequest(leg.key, request, fork.dialog.hop, fork.dialog.flow)]


def is_early(leg: Leg, request: Request) -> bool:
    """Whether a fork that has not answered yet sent this: an UPDATE (RFC 3311 §5.1), with the tag that only the called know."""
    return request.method == "UPDATE" and leg.state in (INVITING, RINGING) and request.to_tag == leg.tag
