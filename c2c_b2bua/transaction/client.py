"""Non-INVITE client transaction (RFC 3261 §17.1.2, figure 6)."""

from __future__ import annotations

from c2c_b2bua.sip.message import Response
from c2c_b2bua.transaction.actions import Forget, Respond, Send, StartTimer, Work
from c2c_b2bua.transaction.timings import T1, T2, TIMER_F, TIMER_K
from c2c_b2bua.transaction.transaction import (
    COMPLETED,
    PROCEEDING,
    PROVISIONAL,
    REFUSAL,
    SUCCESS,
    TERMINATED,
    TRANSPORT_ERROR,
    TRYING,
    ClientTransaction,
    break_off,
    forget,
    look_elsewhere,
    tell,
    time_out,
)


class Client(ClientTransaction):
    __slots__ = ()
    first_state = TRYING

    def start(self, now: float) -> Work:
        flow = self.flow
        if flow.interface.transport != "UDP":
            return [Send(self.sent, flow), StartTimer(self.key, "F", now + TIMER_F)]
        self.interval = T1
        return [Send(self.sent, flow), StartTimer(self.key, "E", now + T1)]


def retransmit(transaction: Client, message: None, now: float) -> Work:
    """Twice the interval each time up to T2; T2 at once when a provisional came (§17.1.2.2).

    The first time timer F is set too, for which most have no use any more by then.
    """
    give_up: Work = [StartTimer(transaction.key, "F", now - T1 + TIMER_F)] if transaction.interval == T1 else []
    interval = T2 if transaction.state == PROCEEDING else min(2 * transaction.interval, T2)
    transaction.interval = interval
    return [Send(transaction.sent, transaction.flow), StartTimer(transaction.key, "E", now + interval), *give_up]


def complete(transaction: Client, response: Response, now: float) -> Work:
    transaction.sent = b""
    news = Respond(transaction.owner, transaction.request, response)
    if transaction.flow.interface.transport != "UDP":
        transaction.state = TERMINATED
        return [news, Forget(transaction.key)]
    return [news, StartTimer(transaction.key, "K", now + TIMER_K)]


Client.table = {
    (TRYING, "E"): (TRYING, retransmit),
    (TRYING, "next"): (TRYING, look_elsewhere),
    (TRYING, "F"): (TERMINATED, time_out),
    (TRYING, TRANSPORT_ERROR): (TERMINATED, break_off),
    (TRYING, PROVISIONAL): (PROCEEDING, tell),
    (TRYING, SUCCESS): (COMPLETED, complete),
    (TRYING, REFUSAL): (COMPLETED, complete),
    (PROCEEDING, "E"): (PROCEEDING, retransmit),
    (PROCEEDING, "F"): (TERMINATED, time_out),
    (PROCEEDING, TRANSPORT_ERROR): (TERMINATED, break_off),
    (PROCEEDING, PROVISIONAL): (PROCEEDING, tell),
    (PROCEEDING, SUCCESS): (COMPLETED, complete),
    (PROCEEDING, REFUSAL): (COMPLETED, complete),
    (COMPLETED, "K"): (TERMINATED, forget),
}
