"""What every answer of OMICall's dialect is wrapped in.

What the API itself refuses is HTTP 200 with `status_code` -9999, as OMICall does it. What does not get that far (no
token, no such path, a body that is too long, too many requests, no database) has HTTP's own status, in the same envelope.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from api.envelope import NODE
from c2c_b2bua import __version__

OK, FAILED = 9999, -9999
INSTANCE = "c2c"
encoder = msgspec.json.Encoder()


class OmicallEnvelope(msgspec.Struct, kw_only=True):
    """Around every answer; `message` is there when something general is wrong."""

    status_code: int
    instance_id: str = INSTANCE
    instance_name: str = NODE
    instance_version: str = __version__
    message: str | UnsetType = UNSET
    payload: Any = None
    key_enabled: bool = False


class Failure(msgspec.Struct, kw_only=True):
    """The payload of a click-to-call that was not made."""

    status: str = "fail"
    error: str
    message: str


class RefusedError(Exception):
    """The request ends here: with a `message`, or with a payload that says why. `wait` is for Retry-After."""

    def __init__(self, message: str = "", status: int = 200, payload: Any = None, wait: float = 0.0) -> None:
        self.message = message
        self.status = status
        self.payload = payload
        self.wait = wait
        super().__init__(message)

    def encoded(self) -> bytes:
        """The envelope as JSON."""
        return encoder.encode(OmicallEnvelope(status_code=FAILED, message=self.message or UNSET, payload=self.payload))


def succeeded(payload: Any) -> bytes:
    """The envelope of a request that was granted."""
    return encoder.encode(OmicallEnvelope(status_code=OK, payload=payload))


def failed(error: str, message: str, status: int = 200, wait: float = 0.0) -> RefusedError:
    """A click-to-call that is not made."""
    return RefusedError(payload=Failure(error=error, message=message), status=status, wait=wait)
