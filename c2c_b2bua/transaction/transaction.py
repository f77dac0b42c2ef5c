"""What the four machines share: a key, a state, kept bytes, and one step through their table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.transaction.actions import Elsewhere, Forget, Respond, Send, Work

Step = Callable[[Any, Any, float], Work]
Table = dict[tuple[str, str], tuple[str, Step]]
"""(state, event) -> (next state, what to do on the way); what has no row is ignored."""

# States, by the names of the RFC's figures; ABANDONED is ours: the INVITE has gone on to another target.
CALLING, TRYING, PROCEEDING, ACCEPTED, COMPLETED, CONFIRMED, TERMINATED, ABANDONED = (
    "CALLING", "TRYING", "PROCEEDING", "ACCEPTED", "COMPLETED", "CONFIRMED", "TERMINATED", "ABANDONED",
)  # fmt: skip

# Events: timers go by their letter.
PROVISIONAL, SUCCESS, REFUSAL = "1xx", "2xx", "300-699"
REQUEST, ACK, TRANSPORT_ERROR = "request", "ACK", "transport error"
EVENT_OF_STATUS = ("", PROVISIONAL, SUCCESS, REFUSAL, REFUSAL, REFUSAL, REFUSAL)


class Transaction:
    """A row of the table at a time; `sent` are the bytes a retransmission repeats."""

    __slots__ = ("flow", "interval", "key", "owner", "sent", "state", "way_back")
    table: ClassVar[Table]

    def __init__(self, key: str, owner: str, flow: Flow, state: str) -> None:
        self.key = key
        self.owner = owner
        self.flow = flow
        self.state = state
        self.sent = b""
        self.interval = 0.0
        self.way_back: Flow | None = None
        """Where a response goes when the stream that its request came over is gone (§18.2.2)."""

    def step(self, event: str, message: Request | Response | None, now: float) -> Work:
        """Take an event through the table and return what is to be done."""
        row = self.table.get((self.state, event))
        if row is None:
            return []
        self.state, action = row
        return action(self, message, now)

    def timer(self, name: str, now: float) -> Work:
        """The same for a timer, most of which come when their work is done."""
        row = self.table.get((self.state, name))
        if row is None:
            return []
        self.state, action = row
        return action(self, None, now)

    def turn_back(self) -> bool:
        """The stream broke: take the way back, if there is one and something is still to be sent."""
        if self.way_back is None or self.state not in (TRYING, PROCEEDING, ACCEPTED):
            return False
        self.flow, self.way_back = self.way_back, None
        return True

    def fail(self, now: float) -> Work:
        """The transport could not deliver what was sent."""
        return self.step(TRANSPORT_ERROR, None, now)


class ClientTransaction(Transaction):
    """The side that sent the request; responses go to its owner."""

    __slots__ = ("request",)
    first_state: ClassVar[str]

    def __init__(self, key: str, owner: str, flow: Flow, request: Request, data: bytes) -> None:
        self.key = key
        self.owner = owner
        self.flow = flow
        self.state = self.first_state
        self.request = request
        self.sent = data
        self.interval = 0.0
        self.way_back = None

    def receive(self, response: Response, now: float) -> Work:
        return self.step(EVENT_OF_STATUS[response.status // 100], response, now)


def resend(transaction: Transaction, message: Request | Response | None, now: float) -> Work:
    return [Send(transaction.sent, transaction.flow)] if transaction.sent else []


def ignore(transaction: Transaction, message: Request | Response | None, now: float) -> Work:
    return []


def forget(transaction: Transaction, message: Request | Response | None, now: float) -> Work:
    return [Forget(transaction.key)]


def tell(transaction: ClientTransaction, response: Response, now: float) -> Work:
    return [Respond(transaction.owner, transaction.request, response)]


def look_elsewhere(transaction: ClientTransaction, message: Request | Response | None, now: float) -> Work:
    """No response yet (RFC 3263 §4.3): whoever chose the target decides whether to wait on."""
    return [Elsewhere(transaction.key)]


def time_out(transaction: ClientTransaction, message: Request | Response | None, now: float) -> Work:
    """No final response in time counts as 408 (§8.1.3.1)."""
    return local_end(transaction, 408)


def break_off(transaction: ClientTransaction, message: Request | Response | None, now: float) -> Work:
    """A transport error counts as 503 (§8.1.3.1)."""
    return local_end(transaction, 503)


def local_end(transaction: ClientTransaction, status: int) -> Work:
    request = transaction.request
    return [Respond(transaction.owner, request, request.response(status), True), Forget(transaction.key)]
