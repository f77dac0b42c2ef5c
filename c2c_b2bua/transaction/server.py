"""Non-INVITE server transaction (RFC 3261 §17.2.2, figure 8)."""

from __future__ import annotations

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Response
from c2c_b2bua.transaction.actions import Forget, Send, StartTimer, Work
from c2c_b2bua.transaction.timings import TIMER_J
from c2c_b2bua.transaction.transaction import (
    COMPLETED,
    EVENT_OF_STATUS,
    PROCEEDING,
    PROVISIONAL,
    REFUSAL,
    REQUEST,
    SUCCESS,
    TERMINATED,
    TRANSPORT_ERROR,
    TRYING,
    Transaction,
    forget,
    resend,
)


class Server(Transaction):
    __slots__ = ()

    def __init__(self, key: str, owner: str, flow: Flow) -> None:
        Transaction.__init__(self, key, owner, flow, TRYING)

    def repeat(self, now: float) -> Work:
        """The request came again."""
        return self.step(REQUEST, None, now)

    def respond(self, response: Response, now: float) -> Work:
        """The user answers."""
        return self.step(EVENT_OF_STATUS[response.status // 100], response, now)


def send(transaction: Server, response: Response, now: float) -> Work:
    transaction.sent = response.printed()
    return [Send(transaction.sent, transaction.flow)]


def complete(transaction: Server, response: Response, now: float) -> Work:
    work = send(transaction, response, now)
    if transaction.flow.interface.transport != "UDP":
        transaction.state = TERMINATED
        return [*work, Forget(transaction.key)]
    return [*work, StartTimer(transaction.key, "J", now + TIMER_J)]


Server.table = {
    (TRYING, PROVISIONAL): (PROCEEDING, send),
    (TRYING, SUCCESS): (COMPLETED, complete),
    (TRYING, REFUSAL): (COMPLETED, complete),
    (TRYING, TRANSPORT_ERROR): (TERMINATED, forget),
    (PROCEEDING, REQUEST): (PROCEEDING, resend),
    (PROCEEDING, PROVISIONAL): (PROCEEDING, send),
    (PROCEEDING, SUCCESS): (COMPLETED, complete),
    (PROCEEDING, REFUSAL): (COMPLETED, complete),
    (PROCEEDING, TRANSPORT_ERROR): (TERMINATED, forget),
    (COMPLETED, REQUEST): (COMPLETED, resend),
    (COMPLETED, "J"): (TERMINATED, forget),
    (COMPLETED, TRANSPORT_ERROR): (TERMINATED, forget),
}
