"""What we speak of SIP, and what a peer makes us leave out or insist on (RFC 3261 §8.1.3.5, §8.2.2.3, §21.4.15-16)."""

from __future__ import annotations

from c2c_b2bua.sip.message import Headers, Message, Request, Response

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY"
SUPPORTED = ("100rel", "timer")
SUPPORTED_VALUE = ", ".join(SUPPORTED)


def unsupported(request: Request) -> list[str]:
    """The options that a request requires and we do not have."""
    return [option for option in request.values("Require") if option.lower() not in SUPPORTED]


def bad_extension(request: Request, options: list[str], to_tag: str = "") -> Response:
    """420, naming what we do not have."""
    response = request.response(420, to_tag=to_tag)
    response.headers["Unsupported"] = [", ".join(options)]
    return response


def introduce(response: Response) -> Response:
    """Say in a response what we understand (§13.3.1, §20.5, §20.37)."""
    response.headers["Allow"] = [ALLOW]
    response.headers["Supported"] = [SUPPORTED_VALUE]
    return response


def supports(message: Message, option: str) -> bool:
    """Whether a message names an option in Supported or Require; option tags know no case (§7.3.1)."""
    return any(option == value.lower() for name in ("Supported", "Require") for value in message.values(name))


class Terms:
    """The options that one leg names in its requests: ours, until a 420 or 421 of its peer says otherwise."""

    __slots__ = ("demanded", "offered")

    def __init__(self, offered: tuple[str, ...] = SUPPORTED) -> None:
        self.offered = offered
        self.demanded: tuple[str, ...] = ()

    def absorb(self, response: Response) -> bool:
        """Give way to a 420 or 421; True when the next try says something else. Each option gives way once."""
        header = "Unsupported" if response.status == 420 else "Require"
        named = {option.lower() for option in response.values(header)}
        before = self.offered, self.demanded
        if response.status == 420:
            self.offered = tuple(option for option in self.offered if option not in named)
            self.demanded = tuple(option for option in self.demanded if option not in named)
        elif named <= set(self.offered):
            self.demanded += tuple(option for option in self.offered if option in named - set(self.demanded))
        return (self.offered, self.demanded) != before

    def put_on(self, headers: Headers) -> None:
        """Name the options in a request."""
        if self is STANDARD:
            headers["Supported"] = [SUPPORTED_VALUE]
            return
        for name, options in (("Supported", self.offered), ("Require", self.demanded)):
            headers.pop(name, None)
            if options:
                headers[name] = [", ".join(options)]


STANDARD = Terms()
"""Those of a leg whose peer has not objected; not to be changed."""
