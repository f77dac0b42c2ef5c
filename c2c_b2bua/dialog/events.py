"""What happened to a leg, told to its call."""

from __future__ import annotations

from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import Action


class LegEvent(Action, frozen=True, gc=False):
    """`call` is the id of the leg's call, `leg` its name there, `a` or `b`."""

    call: str
    leg: str


class Ringing(LegEvent, frozen=True, gc=False):
    """The first 18x came."""


class Described(LegEvent, frozen=True, gc=False):
    """The peer says before it answers where its media comes from (`Party.early_media`)."""

    description: SessionDescription


class Answered(LegEvent, frozen=True, gc=False):
    """The INVITE's 2xx came with an answer; it is acknowledged."""


class Refused(LegEvent, frozen=True, gc=False):
    """The INVITE failed: the leg is down. `is_local`: nothing came or nothing went, the peer did not say it."""

    why: Why
    is_local: bool


class RangOut(LegEvent, frozen=True, gc=False):
    """The ring timer ended; the leg still rings."""


class Offered(LegEvent, frozen=True, gc=False):
    """The peer sent a re-INVITE or UPDATE with an offer, which `answer` or `refuse` with this `key` will settle."""

    key: str
    request: Request
    offer: SessionDescription


class OfferWanted(LegEvent, frozen=True, gc=False):
    """The peer sent a re-INVITE without an offer: the 2xx has to bring ours."""

    key: str
    request: Request


class Reanswered(LegEvent, frozen=True, gc=False):
    """Our re-INVITE was answered; the leg's `remote` description is the new one."""


class Rerefused(LegEvent, frozen=True, gc=False):
    """Our re-INVITE was refused; the session goes on as it was."""

    response: Response


class Acknowledged(LegEvent, frozen=True, gc=False):
    """The ACK to our 2xx came: offers may be made again. `moved`: it brought an answer."""

    moved: bool


class Refreshed(LegEvent, frozen=True, gc=False):
    """Our own refresh of the session is over: offers may be made again. `moved`: its answer is another than the last."""

    moved: bool


class Informed(LegEvent, frozen=True, gc=False):
    """The peer sent an INFO, to be answered with `key`."""

    key: str
    request: Request


class InformAnswered(LegEvent, frozen=True, gc=False):
    """The INFO that carried over `key` was answered."""

    key: str
    response: Response


class ReferAnswered(LegEvent, frozen=True, gc=False):
    """What the peer said to our REFER."""

    status: int


class Notified(LegEvent, frozen=True, gc=False):
    """How the call goes that our REFER told the peer to make; `is_last`: nothing more will be said of it."""

    status: int
    reason: str
    is_last: bool


class TransferWanted(LegEvent, frozen=True, gc=False):
    """The peer sent REFER, to be settled by `accept_refer` or `refuse` with this `key`."""

    key: str
    target: str
    """The URI of whoever shall take its place."""
    replaces: str
    """The dialog of the target that is to be taken over, as a Replaces header has it; `""`: none."""


class HungUp(LegEvent, frozen=True, gc=False):
    """The peer sent BYE, or the dialog is broken: the leg is down."""

    why: Why
    is_local: bool


class Down(LegEvent, frozen=True, gc=False):
    """The leg that we hung up is down."""
