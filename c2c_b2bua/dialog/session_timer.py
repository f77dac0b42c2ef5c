"""How long a session lasts without a refresh, and whose turn it is to send one (RFC 4028); agreed anew by every refresh."""

from __future__ import annotations

import re
from math import inf

from c2c_b2bua.dialog.extensions import supports
from c2c_b2bua.sip.grammar import delta_seconds
from c2c_b2bua.sip.message import Headers, Message, Request, Response
from c2c_b2bua.sip.reason import Why

MINIMUM = 90
"""Seconds: the least that a peer may ask us for (§4)."""
SHORTEST = 10
"""Seconds: a peer that answers with less than the minimum hangs up by its own clock, so we follow it down to here."""
MAX_RAISES = 3
"""How often a 422 is given way to before a refresh succeeds."""
EXPIRED = Why("RECOVERY_ON_TIMER_EXPIRE", 408, "session timer expired")
REFRESHER_PATTERN = re.compile(r";\s*refresher\s*=\s*(uac|uas)\b", re.I)


def seconds(message: Message, name: str) -> int:
    """The value of Session-Expires or Min-SE; 0 without one, or for one that is none."""
    return delta_seconds(message.get(name)) or 0


def refresher(message: Message) -> str:
    """`uac`, `uas`, or `""` when the message does not say."""
    found = REFRESHER_PATTERN.search(message.get("Session-Expires") or "")
    return found[1].lower() if found else ""


def too_brief(request: Request) -> Response | None:
    """The 422 to a request whose sender could ask for a longer session (§9)."""
    if not 0 < seconds(request, "Session-Expires") < MINIMUM or not supports(request, "timer"):
        return None
    response = request.response(422)
    response.headers["Min-SE"] = [str(MINIMUM)]
    return response


class SessionTimer:
    """`interval` in seconds, 0 while none is agreed; `refresh_at` and `ends_at` are never while nothing is due."""

    __slots__ = ("ends_at", "interval", "is_agreed", "is_ours", "least", "raises", "refresh_at", "refusals")

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.least = 0
        """The largest Min-SE that a 422 named."""
        self.is_agreed = False
        self.is_ours = True
        """We are the refresher."""
        self.refresh_at = self.ends_at = inf
        self.raises = 0
        self.refusals = 0

    @property
    def due(self) -> float:
        return min(self.refresh_at, self.ends_at)

    def put_on(self, headers: Headers) -> None:
        """Ask for the interval in a request of ours; whose turn it is stays as it was agreed (§7.4)."""
        if self.interval:
            role = f";refresher={'uac' if self.is_ours else 'uas'}" if self.is_agreed else ""
            headers["Session-Expires"] = [f"{self.interval}{role}"]
        if self.least:
            headers["Min-SE"] = [str(self.least)]

    def raise_to(self, response: Response) -> bool:
        """Obey a 422; False when it names nothing longer than was asked for (§7.3)."""
        least = seconds(response, "Min-SE")
        self.raises += 1
        if not 0 < self.interval < least or self.raises > MAX_RAISES:
            return False
        self.interval = self.least = least
        return True

    def agree(self, response: Response, now: float) -> None:
        """Take the 2xx to a request of ours: without Session-Expires the session has no end (§7.2)."""
        interval = seconds(response, "Session-Expires")
        if not interval:
            self.stop()
            return
        self.begin(max(interval, SHORTEST), refresher(response) != "uas", now)

    def grant(self, request: Request, response: Response, now: float) -> None:
        """Say in our 2xx to a request of the peer what is agreed (§9, table 2)."""
        able = supports(request, "timer")
        interval = seconds(request, "Session-Expires")
        if 0 < interval < MINIMUM:
            interval = 0
        asked = refresher(request)
        if interval:
            named = asked == "uas" if asked else self.is_agreed and self.is_ours
        elif self.is_agreed:
            interval, named = max(self.interval, seconds(request, "Min-SE")), self.is_ours
        else:
            self.stop()
            return
        self.begin(interval, named or not able, now)
        response.headers["Session-Expires"] = [f"{interval};refresher={'uas' if self.is_ours else 'uac'}"]
        if able:
            response.headers["Require"] = ["timer"]

    def begin(self, interval: int, is_ours: bool, now: float) -> None:
        """Count from now: refresh at half the interval, BYE a little before its end (§7.4, §10)."""
        self.interval, self.is_ours, self.is_agreed = interval, is_ours, True
        self.raises = self.refusals = 0
        self.refresh_at = now + interval / 2 if is_ours else inf
        self.ends_at = now + interval - min(32, interval / 3)

    def stop(self) -> None:
        self.is_agreed = False
        self.interval = 0
        self.refresh_at = self.ends_at = inf
