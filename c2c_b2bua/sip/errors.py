"""What a peer did wrong, and the reply it deserves."""

from __future__ import annotations


class SipError(Exception):
    """The peer erred; `status` is the SIP response code that says so (RFC 3261 §21.4), 400 for bad syntax."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
