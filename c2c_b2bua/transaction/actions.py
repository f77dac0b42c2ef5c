"""What is asked of the transaction layer, what it asks of the outside, and what it tells its user."""

from __future__ import annotations

import msgspec

from c2c_b2bua.sip.flow import Flow, Hop
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.uri import Uri


class Action(msgspec.Struct, frozen=True, gc=False):
    """Something to be done by whoever settles the work."""


Work = list[Action]


class Send(Action, frozen=True, gc=False):
    """Put bytes on the wire."""

    data: bytes
    flow: Flow


class Misdirected(Action, frozen=True, gc=False):
    """A message that another engine waits for."""

    engine: str
    message: Request | Response


class StartTimer(Action, frozen=True, gc=False):
    """Call `timer(name)` of the machine with this key at a time; late and obsolete timers are ignored there."""

    key: str
    name: str
    at: float


class SendRequest(Action, frozen=True, gc=False):
    """Open a client transaction for `request`; its Via and Contact are added where the flow is chosen.

    `hop` says where it goes: a Route or the Request-URI; `flow` overrules it (CANCEL goes where its INVITE went).
    """

    owner: str
    request: Request
    hop: Uri
    flow: Flow | None = None


class Ack(msgspec.Struct, gc=False):
    """The ACK of a 2xx (§13.2.2.4): text on its way to `hop`, but for its Via; then only the bytes that it became."""

    start: str
    """The request line."""
    rest: str
    """All that follows the Via."""
    hop: Uri
    flow: Flow | None = None
    sent: Send | None = None


class SendAck(Action, frozen=True, gc=False):
    """Send an ACK: no transaction, no answer. The same `ack` sent again repeats its bytes."""

    owner: str
    ack: Ack


class Reply(Action, frozen=True, gc=False):
    """Answer the request of a server transaction."""

    key: str
    response: Response


class Locate(Action, frozen=True, gc=False):
    """Find the targets that a hop stands for, and call `located` with them and this ticket."""

    ticket: int
    hop: Hop


class Respond(Action, frozen=True, gc=False):
    """News for the user of a client transaction: a response, ours when nothing came (408) or nothing went (503)."""

    owner: str
    request: Request
    response: Response
    is_local: bool = False


class Elsewhere(Action, frozen=True, gc=False):
    """The client transaction with this key had no response for a while: its request shall try the next target."""

    key: str


class Unacknowledged(Action, frozen=True, gc=False):
    """News for the user of an INVITE server transaction: the ACK to its refusal never came."""

    owner: str


class Forget(Action, frozen=True, gc=False):
    """The transaction with this key is over."""

    key: str
