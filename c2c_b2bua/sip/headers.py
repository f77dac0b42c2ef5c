"""Names of header fields: canonical spelling, compact forms (RFC 3261 §7.3.3)."""

from __future__ import annotations

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.grammar import TOKEN_PATTERN

COMPACT_FORMS = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To", "s": "Subject",
    "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip

# A second one of these makes a message ambiguous, and so malformed (§7.3.1: "MUST NOT be combined").
SINGLE_HEADERS = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")

CANONICAL_NAMES = frozenset({
    "Accept", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events", "Answer-Mode",
    "Authentication-Info", "Authorization", "Call-ID", "Call-Info", "Contact", "Content-Disposition",
    "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "CSeq", "Date", "Diversion",
    "Error-Info", "Event", "Expires", "From", "History-Info", "Identity", "In-Reply-To", "Max-Forwards",
    "MIME-Version", "Min-Expires", "Min-SE", "Organization", "P-Asserted-Identity", "P-Preferred-Identity", "Path",
    "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "RSeq", "Reason",
    "Record-Route", "Refer-To", "Referred-By", "Remote-Party-ID", "Replaces", "Reply-To", "Require", "Retry-After",
    "Route", "Server", "Service-Route", "Session-Expires", "SIP-ETag", "SIP-If-Match", "Subject",
    "Subscription-State", "Supported", "Timestamp", "To", "Unsupported", "User-Agent", "Via", "Warning",
    "WWW-Authenticate",
}) | set(COMPACT_FORMS.values())  # fmt: skip

# Spelling as it comes on most wires -> canonical name; other spellings go through canonical_name().
SPELLINGS: dict[str, str] = {
    **{name: name for name in CANONICAL_NAMES},
    **{name.lower(): name for name in CANONICAL_NAMES},
    **COMPACT_FORMS,
    **{short.upper(): name for short, name in COMPACT_FORMS.items()},
}


def canonical_name(text: str) -> str:
    """The one spelling we use for a header's name; SipError 400 when it is no token. Unknown names are kept."""
    name = text.rstrip(" \t")
    known = SPELLINGS.get(name) or SPELLINGS.get(name.lower())
    if known is not None:
        return known
    if TOKEN_PATTERN.fullmatch(name) is None:
        raise SipError(f"malformed header name {name[:40]!r}")
    return name.title()
