"""A call as a ladder: one line for each message, us in the middle, a phone on either side."""

from __future__ import annotations

from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response, parse

WIDTH = 30
"""Columns between two of the three lines."""
HEAD = f"{'seconds':>9}  {'A':<{WIDTH}}{'c2c':^5}{'B':>{WIDTH - 2}}"


class Ladder:
    """Draws the messages of one call; the legs are known by the order in which their Call-IDs turn up."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.legs: dict[str, str] = {}

    def line(self, direction: str, data: bytes, now: float) -> str | None:
        """The line of one message; `direction` is `<-` to a phone, `->` from one. None: not of this call."""
        try:
            message = parse(data)
            call_id = message.call_id
        except SipError:
            return None
        if call_id not in self.legs:
            if len(self.legs) == 2 or direction == "->":
                return None
            self.legs[call_id] = "b" if self.legs else "a"
        leg = self.legs[call_id]
        arrow = rung(said(message), to_the_right=(direction == "->") == (leg == "a"))
        left, right = (arrow, " " * WIDTH) if leg == "a" else (" " * WIDTH, arrow)
        return f"{now - self.started:9.3f}  │{left}│{right}│"


def said(message: Request | Response) -> str:
    """A message in a few words: method or status, and what its description offers."""
    words = message.method if isinstance(message, Request) else f"{message.status} {message.reason}"
    if message.body and message.content_type == "application/sdp":
        try:
            description = SessionDescription.parse(message.body)
        except SipError:
            return f"{words} (bad SDP)"
        ports = [media.port for media in description.media if media.port]
        held = "" if description.direction == "sendrecv" else f" {description.direction}"
        words += f" (RTP {ports[0]}{held})" if ports else " (no media)"
    return words


def rung(text: str, to_the_right: bool) -> str:
    """`── text ──>` or `<── text ──`, exactly WIDTH wide."""
    text = f" {text[: WIDTH - 6]} "
    line = text.center(WIDTH - 1, "─")
    return line + ">" if to_the_right else "<" + line
