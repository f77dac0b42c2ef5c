"""A call as a ladder: one line for each message, us in the middle, a phone on either side."""

from __future__ import annotations

import msgspec

from c2c_b2bua.call.record import LegName
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.service import course
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.reason import legible

WIDTH = 34
"""Columns between two of the three lines, so that a ladder is 80 wide."""
ROOM = WIDTH - 6
"""Columns for what a message says."""
HEAD = f"{'seconds':>7}  A{'c2c':^{2 * WIDTH + 1}}B"
DISCARD = 9
"""The port of an offer that expects no media."""


class Rung(msgspec.Struct, frozen=True):
    """One message of the ladder; `status` is 0 for a request. `str` is the whole line."""

    at: float
    leg: LegName
    arrow: str
    status: int = 0

    def parts(self) -> tuple[str, str, str]:
        """What stands before the arrow, the arrow, what stands after it."""
        space = " " * WIDTH
        if self.leg == "a":
            return f"{self.at:7.3f}  │", self.arrow, f"│{space}│"
        return f"{self.at:7.3f}  │{space}│", self.arrow, "│"

    def __str__(self) -> str:
        return "".join(self.parts())


class Ladder:
    """Draws the messages of one call; the legs are known by the order in which they are invited."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.legs: dict[str, LegName] = {}

    def rung(self, direction: str, data: bytes, now: float) -> Rung | None:
        """The line of one message; `direction` is `<-` to a phone, `->` from one. None: not of this call."""
        try:
            message = parse(data)
            call_id = message.call_id
        except SipError:
            return None
        is_request = isinstance(message, Request)
        if call_id not in self.legs:
            if len(self.legs) == 2 or direction == "->" or not is_request:
                return None
            self.legs[call_id] = "b" if self.legs else "a"
        leg = self.legs[call_id]
        arrow = drawn(said(message), to_the_right=(direction == "->") == (leg == "a"))
        return Rung(now - self.started, leg, arrow, message.status if isinstance(message, Response) else 0)

    def note(self, text: str, now: float) -> str:
        """A line for what happened beside SIP, at its time."""
        return f"{now - self.started:7.3f}  ┆ {text}"


def recalled(rung: course.Rung, started: float) -> Rung | str:
    """The line of a message that history remembers; a note for what was concluded from there being none."""
    step = rung.step
    number = f"{rung.attempt}: " if rung.attempt else ""
    if step.is_local or step.missing:
        return Ladder(started).note(f"{rung.leg.upper()}: {number}{rung.text}", rung.at)
    times = f" ×{step.times}" if step.times > 1 else ""
    text = cut(number + rung.text, ROOM - len(times)) + times
    arrow = drawn(text, to_the_right=step.is_ours == (rung.leg == "b"))
    return Rung(rung.at - started, rung.leg, arrow, step.status)


def said(message: Request | Response) -> str:
    """A message in a few words: method or status, and what its description offers."""
    words = message.method if isinstance(message, Request) else f"{message.status} {legible(message.reason)}"
    media = described(message)
    return cut(words, ROOM - len(media)) + media


def cut(words: str, room: int) -> str:
    return words if len(words) <= room else words[: room - 1] + "…"


def described(message: Request | Response) -> str:
    """The session description of a message: port, and direction unless it is both ways."""
    if not message.body or message.content_type != "application/sdp":
        return ""
    try:
        description = SessionDescription.parse(message.body)
    except SipError:
        return " (bad SDP)"
    ports = [media.port for media in description.media if media.port]
    if not ports:
        return " (no media)"
    words = [] if ports[0] == DISCARD else [f"RTP {ports[0]}"]
    words += [] if description.direction == "sendrecv" else [description.direction]
    return f" ({' '.join(words)})" if words else ""


def drawn(text: str, to_the_right: bool) -> str:
    """`── text ──>` or `<── text ──`, exactly WIDTH wide."""
    line = f" {text} ".center(WIDTH - 1, "─")
    return line + ">" if to_the_right else "<" + line
