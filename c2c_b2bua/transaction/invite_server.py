"""INVITE server transaction (RFC 3261 §17.2.1 figure 7, RFC 6026 §7.1 and figure 1)."""

from __future__ import annotations

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Response
from c2c_b2bua.transaction.actions import Forget, Send, StartTimer, Unacknowledged, Work
from c2c_b2bua.transaction.timings import T1, T2, TIMER_H, TIMER_I, TIMER_L
from c2c_b2bua.transaction.transaction import (
    ACCEPTED,
    ACK,
    COMPLETED,
    CONFIRMED,
    EVENT_OF_STATUS,
    PROCEEDING,
    PROVISIONAL,
    REFUSAL,
    REQUEST,
    SUCCESS,
    TERMINATED,
    TRANSPORT_ERROR,
    Transaction,
    forget,
    ignore,
    resend,
)


class InviteServer(Transaction):
    __slots__ = ()

    def __init__(self, key: str, owner: str, flow: Flow) -> None:
        Transaction.__init__(self, key, owner, flow, PROCEEDING)

    def repeat(self, now: float) -> Work:
        """The INVITE came again."""
        return self.step(REQUEST, None, now)

    def acknowledge(self, now: float) -> Work:
        """The ACK to a refusal came."""
        return self.step(ACK, None, now)

    def respond(self, response: Response, now: float) -> Work:
        """The user answers; a 2xx may be sent again by the user, who waits for its ACK."""
        return self.step(EVENT_OF_STATUS[response.status // 100], response, now)


def send(transaction: InviteServer, response: Response, now: float) -> Work:
    transaction.sent = response.printed()
    return [Send(transaction.sent, transaction.flow)]


def accept(transaction: InviteServer, response: Response, now: float) -> Work:
    return [*send(transaction, response, now), StartTimer(transaction.key, "L", now + TIMER_L)]


def refuse(transaction: InviteServer, response: Response, now: float) -> Work:
    work = [*send(transaction, response, now), StartTimer(transaction.key, "H", now + TIMER_H)]
    if not transaction.flow.is_reliable:
        transaction.interval = T1
        work.append(StartTimer(transaction.key, "G", now + T1))
    return work


def retransmit(transaction: InviteServer, message: None, now: float) -> Work:
    transaction.interval = min(2 * transaction.interval, T2)
    return [Send(transaction.sent, transaction.flow), StartTimer(transaction.key, "G", now + transaction.interval)]


def confirm(transaction: InviteServer, message: None, now: float) -> Work:
    """The ACK is here; timer I outlasts its repetitions."""
    if transaction.flow.is_reliable:
        transaction.state = TERMINATED
        return [Forget(transaction.key)]
    return [StartTimer(transaction.key, "I", now + TIMER_I)]


def give_up(transaction: InviteServer, message: None, now: float) -> Work:
    return [Unacknowledged(transaction.owner), Forget(transaction.key)]


InviteServer.table = {
    (PROCEEDING, REQUEST): (PROCEEDING, resend),
    (PROCEEDING, PROVISIONAL): (PROCEEDING, send),
    (PROCEEDING, SUCCESS): (ACCEPTED, accept),
    (PROCEEDING, REFUSAL): (COMPLETED, refuse),
    (PROCEEDING, TRANSPORT_ERROR): (TERMINATED, forget),
    (COMPLETED, REQUEST): (COMPLETED, resend),
    (COMPLETED, "G"): (COMPLETED, retransmit),
    (COMPLETED, "H"): (TERMINATED, give_up),
    (COMPLETED, ACK): (CONFIRMED, confirm),
    (COMPLETED, TRANSPORT_ERROR): (TERMINATED, give_up),
    (CONFIRMED, ACK): (CONFIRMED, ignore),
    (CONFIRMED, "I"): (TERMINATED, forget),
    (ACCEPTED, REQUEST): (ACCEPTED, ignore),
    (ACCEPTED, SUCCESS): (ACCEPTED, send),
    (ACCEPTED, "L"): (TERMINATED, forget),
}
