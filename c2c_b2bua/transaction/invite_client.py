"""INVITE client transaction (RFC 3261 §17.1.1 figure 5, RFC 6026 §7.2 and figure 2)."""

from __future__ import annotations

from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.transaction.actions import Forget, Respond, Send, StartTimer, Work
from c2c_b2bua.transaction.timings import T1, TIMER_B, TIMER_D, TIMER_M
from c2c_b2bua.transaction.transaction import (
    ABANDONED,
    ACCEPTED,
    CALLING,
    COMPLETED,
    PROCEEDING,
    PROVISIONAL,
    REFUSAL,
    SUCCESS,
    TERMINATED,
    TRANSPORT_ERROR,
    ClientTransaction,
    break_off,
    forget,
    look_elsewhere,
    resend,
    tell,
    time_out,
)


class InviteClient(ClientTransaction):
    __slots__ = ()
    first_state = CALLING

    def start(self, now: float) -> Work:
        flow = self.flow
        if flow.interface.transport != "UDP":
            return [Send(self.sent, flow), StartTimer(self.key, "B", now + TIMER_B)]
        self.interval = T1
        return [Send(self.sent, flow), StartTimer(self.key, "A", now + T1)]

    def abandon(self) -> None:
        """The INVITE has gone to another target; until timer B this one may still turn up, and is then cancelled.

        It is repeated as before: had it arrived and only its 180 been lost, nobody would know that a phone rings.
        """
        self.state = ABANDONED


def retransmit(transaction: InviteClient, message: None, now: float) -> Work:
    """Twice the interval each time. The first time timer B is set too, for which most have no use any more by then."""
    give_up: Work = [StartTimer(transaction.key, "B", now - T1 + TIMER_B)] if transaction.interval == T1 else []
    if not transaction.sent:
        return give_up
    transaction.interval *= 2
    return [
        Send(transaction.sent, transaction.flow),
        StartTimer(transaction.key, "A", now + transaction.interval),
        *give_up,
    ]


def hush(transaction: InviteClient, response: Response, now: float) -> Work:
    """It rings after all: what was left behind is repeated no more."""
    transaction.sent = b""
    return tell(transaction, response, now)


def accept(transaction: InviteClient, response: Response, now: float) -> Work:
    """A 2xx: its ACK is the user's; further 2xx, of this or another fork, are let through until timer M."""
    transaction.sent = b""
    return [
        Respond(transaction.owner, transaction.request, response),
        StartTimer(transaction.key, "M", now + TIMER_M),
    ]


def refuse(transaction: InviteClient, response: Response, now: float) -> Work:
    """A 300-699: the ACK is ours (§17.1.1.3); it is kept for the retransmissions that timer D outlasts."""
    transaction.sent = bytes(acknowledgement(transaction.request, response))
    work: Work = [
        Send(transaction.sent, transaction.flow),
        Respond(transaction.owner, transaction.request, response),
    ]
    if transaction.flow.is_reliable:
        transaction.state = TERMINATED
        return [*work, Forget(transaction.key)]
    return [*work, StartTimer(transaction.key, "D", now + TIMER_D)]


def acknowledgement(request: Request, response: Response) -> Request:
    """The ACK for a response other than 2xx: same branch and Route, the response's To."""
    ack = of_same_branch("ACK", request)
    ack.headers["To"] = response.headers["To"]
    return ack


def cancellation(invite: Request) -> Request:
    """The CANCEL of an INVITE (§9.1)."""
    return of_same_branch("CANCEL", invite)


def of_same_branch(method: str, invite: Request) -> Request:
    """A request that belongs to an INVITE: the same topmost Via, Route and CSeq number."""
    headers = {
        "Via": invite.headers["Via"][:1],
        "Max-Forwards": ["70"],
        "From": invite.headers["From"],
        "To": invite.headers["To"],
        "Call-ID": invite.headers["Call-ID"],
        "CSeq": [f"{invite.cseq.number} {method}"],
    }
    if "Route" in invite.headers:
        headers["Route"] = invite.headers["Route"]
    return Request(method, invite.uri, headers)


InviteClient.table = {
    (CALLING, "A"): (CALLING, retransmit),
    (CALLING, "next"): (CALLING, look_elsewhere),
    (CALLING, "B"): (TERMINATED, time_out),
    (CALLING, TRANSPORT_ERROR): (TERMINATED, break_off),
    (CALLING, PROVISIONAL): (PROCEEDING, tell),
    (CALLING, SUCCESS): (ACCEPTED, accept),
    (CALLING, REFUSAL): (COMPLETED, refuse),
    (ABANDONED, "A"): (ABANDONED, retransmit),
    (ABANDONED, "B"): (TERMINATED, forget),
    (ABANDONED, TRANSPORT_ERROR): (TERMINATED, forget),
    (ABANDONED, PROVISIONAL): (ABANDONED, hush),
    (ABANDONED, SUCCESS): (ACCEPTED, accept),
    (ABANDONED, REFUSAL): (COMPLETED, refuse),
    (PROCEEDING, PROVISIONAL): (PROCEEDING, tell),
    (PROCEEDING, SUCCESS): (ACCEPTED, accept),
    (PROCEEDING, REFUSAL): (COMPLETED, refuse),
    (COMPLETED, REFUSAL): (COMPLETED, resend),
    (COMPLETED, SUCCESS): (COMPLETED, tell),
    (COMPLETED, TRANSPORT_ERROR): (TERMINATED, forget),
    (COMPLETED, "D"): (TERMINATED, forget),
    (ACCEPTED, SUCCESS): (ACCEPTED, tell),
    (ACCEPTED, "M"): (TERMINATED, forget),
}
