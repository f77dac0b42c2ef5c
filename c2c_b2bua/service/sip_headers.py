"""Headers of the INVITE that a document may add: none that steer the dialog, the route or who is believed to call."""

from __future__ import annotations

import re
from typing import Any

from c2c_b2bua.numbers import CONTROL
from c2c_b2bua.service.errors import Complaints

TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{2,64}")
"""RFC 3261 §25.1; names of one letter are compact forms of headers that are ours."""

# fmt: off
OURS = frozenset([
    "via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route", "path",
    "service-route", "content-type", "content-length", "content-encoding", "content-disposition",
    "content-language", "mime-version", "authorization", "proxy-authorization", "www-authenticate",
    "proxy-authenticate", "authentication-info", "identity", "identity-info", "require", "proxy-require",
    "supported", "unsupported", "allow", "allow-events", "event", "subscription-state", "expires", "min-expires",
    "refer-to", "referred-by", "replaces", "join", "target-dialog", "rseq", "rack", "session-expires", "min-se",
    "timestamp", "p-asserted-identity", "p-preferred-identity", "remote-party-id", "privacy",
])
# fmt: on
AUTO_ANSWER = frozenset({"call-info", "alert-info", "answer-mode"})
MOST = 32
LONGEST = 1024


def checked(value: Any, complaints: Complaints) -> tuple[tuple[str, str], ...]:
    """The headers to send, out of `{name: value}` or `{"out": {…}, "in": {…}}`; what is wrong goes to `complaints`."""
    path = "custom_sip_headers"
    outgoing: dict[str, Any] = value
    if set(value) <= {"in", "out"} and all(isinstance(inner, dict) for inner in value.values()):
        headers_of(value.get("in", {}), f"{path}.in", complaints)
        outgoing, path = value.get("out", {}), f"{path}.out"
    return headers_of(outgoing, path, complaints)


def headers_of(members: dict[str, Any], path: str, complaints: Complaints) -> tuple[tuple[str, str], ...]:
    """Name and value of each header that may be sent."""
    if len(members) > MOST:
        complaints[path] = {"maxItems": {"message": f"No more than {MOST} headers are allowed", "target": MOST}}
        return ()
    headers = []
    for name, value in members.items():
        here = f"{path}.{name.replace('.', '%2E')}"
        if not isinstance(value, str):
            message = "Value did not match type(s): string"
            complaints[here] = {"type": {"message": message, "target": "string", "value": value}}
        elif not TOKEN.fullmatch(name) or name.lower() in OURS:
            complaints[here] = {"forbidden": {"message": f"{name!r} is no header that may be set here", "value": name}}
        elif CONTROL.search(value) or len(value.encode()) > LONGEST:
            message = f"A header has no control characters and at most {LONGEST} bytes"
            complaints[here] = {"pattern": {"message": message, "value": value}}
        elif value.strip():
            headers.append((name, value.strip()))
    return tuple(headers)
