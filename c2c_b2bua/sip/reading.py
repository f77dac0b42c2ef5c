"""Messages as they come in (RFC 3261 §7): at one glance what looks as nearly all do, line by line what does not."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import known_cseq
from c2c_b2bua.sip.glance import BLANKS, LONGEST_REST, RESPONSE_PATTERN, SPACED_PATTERN, known_rest, read_rest
from c2c_b2bua.sip.grammar import REQUEST_LINE_PATTERN, STATUS_LINE_PATTERN, has_bare
from c2c_b2bua.sip.headers import SPELLINGS, canonical_name
from c2c_b2bua.sip.message import Headers, Request, Response

FOLD_PATTERN = re.compile(r"(?:\r\n[ \t]+)+")
# The status of a status line and the blank behind it, as nearly every response has them.
STATUS_CODES = {f"{status} ": status for status in range(100, 700)}
LONGEST_LINE = 256
"""Characters of a request line that may be remembered."""
STATUSES = {str(status): status for status in range(100, 700)}


class MalformedError(SipError):
    """A message that cannot be read as a whole; `request` is what could be read of a request, to answer it."""

    def __init__(self, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason, status)
        self.request = request


def parse(data: bytes) -> Request | Response:
    """Read one message, the body being all that Content-Length says (or all there is, without one).

    MalformedError when the start line or a header line is none, or when the body is shorter than it says.
    """
    head_bytes, separator, body = data.partition(b"\r\n\r\n")
    head = head_bytes.decode("utf-8", "surrogateescape")
    response = glance(head, body) if separator else None
    return read_closely(head, bool(separator), body) if response is None else response


def read_closely(head: str, is_whole: bool, body: bytes) -> Request | Response:
    """Read a message line by line; `is_whole`: an empty line ends its head."""
    if "\r\n " in head or "\r\n\t" in head:
        head = FOLD_PATTERN.sub(" ", head)
    lines = head.split("\r\n")
    headers: Headers = {}
    message = parse_start_line(lines[0], headers)
    trouble = "" if is_whole else "the head does not end with an empty line"
    for line in islice(lines, 1, None):
        name, colon, value = line.partition(":")
        if not colon:
            trouble = trouble or f"header line without a colon: {name[:40]!r}"
            continue
        key = SPELLINGS.get(name)
        if key is None:
            try:
                key = canonical_name(name)
            except SipError as error:
                trouble = trouble or error.reason
                continue
        values = headers.get(key)
        if values is None:
            headers[key] = [value.strip(BLANKS)]
        else:
            values.append(value.strip(BLANKS))
    length = headers.pop("Content-Length", None)
    if length is not None:
        text = length[0]
        if (len(length) > 1 and len(set(length)) > 1) or not (text.isascii() and text.isdecimal()) or len(text) > 9:
            trouble = trouble or f"malformed Content-Length {', '.join(length)[:40]!r}"
        elif int(text) > len(body):
            trouble = trouble or f"Content-Length {text}, but {len(body)} bytes of body"
        else:
            body = body[: int(text)]
    if trouble or has_bare(" ".join(lines)):
        request = message if isinstance(message, Request) else None
        raise MalformedError(trouble or "a bare CR, LF or NUL in the head", 400, request)
    message.body = body
    return message


def glance(head: str, body: bytes) -> Response | None:
    """The response, if it looks as nearly all do; None: it has to be read line by line."""
    found = RESPONSE_PATTERN.match(head) or SPACED_PATTERN.match(head)
    if found is None or "\0" in head:
        return None
    text = head[found.end() :]
    rest = known_rest(text) if len(text) <= LONGEST_REST else read_rest(text)
    if rest is None:
        return None
    others, length = rest
    if length != len(body):
        if length > len(body):
            return None
        if length >= 0:
            body = body[:length]
    status, reason, via, branch, call_id, to, from_, later_to, later_call_id, cseq = found.groups()
    if (to is None) == (later_to is None) or (call_id is None) == (later_call_id is None):
        return None
    to, call_id = to or later_to, call_id or later_call_id
    if "\n" in f"{reason}{via}{from_}{to}{call_id}" or "," in via or '"' in via:
        return None
    headers = others.copy()
    headers["Via"] = [via]
    headers["From"] = [from_]
    headers["To"] = [to]
    headers["Call-ID"] = [call_id]
    headers["CSeq"] = [cseq]
    response = Response(STATUSES[status], reason, headers, body)
    response.read_cseq = numbered = known_cseq(cseq)
    response.key = f"{branch} {numbered.method}"
    address, _, tag = to.partition(">;tag=")
    if address and tag and ";" not in tag and '"' not in tag:
        response.read_to_tag = tag
    return response


def call_id_of(data: bytes) -> str:
    """The Call-ID of a message, `""` if it has none."""
    try:
        return parse(data).call_id
    except SipError:
        return ""


def split_request_line(line: str) -> tuple[str, str, str] | None:
    """Method, Request-URI and version (§7.1); None when it is no request line."""
    found = REQUEST_LINE_PATTERN.fullmatch(line)
    return None if found is None else (found[1], found[2], found[3])


known_request_line = lru_cache(maxsize=4096)(split_request_line)
"""Inside dialogs nearly all requests are for the one URI of our Contact."""


def parse_start_line(line: str, headers: Headers) -> Request | Response:
    """Request-Line or Status-Line (§7.1, §7.2); headers are filled in by the caller."""
    if line[:4] in ("SIP/", "sip/"):
        status = line[8:12]
        if line[:8] == "SIP/2.0 " and len(status) == 4 and status in STATUS_CODES:
            return Response(STATUS_CODES[status], line[12:], headers)
        found = STATUS_LINE_PATTERN.fullmatch(line)
        if found is not None:
            return Response(int(found[1]), found[2] or "", headers)
    parts = known_request_line(line) if len(line) <= LONGEST_LINE else split_request_line(line)
    if parts is not None:
        method, uri, version = parts
        request = Request(method, uri, headers)
        request.version = version
        return request
    # A request line may be wrong in its URI or spaces and the request still be answerable (RFC 4475 §3.1.2).
    words = line.split()
    if len(words) >= 3 and words[-1].upper().startswith("SIP/") and words[0].isascii() and words[0].isalpha():
        request = Request(words[0], line[len(words[0]) + 1 :].removesuffix(f" {words[-1]}"), headers)
        request.version = words[-1]
        return request
    raise MalformedError(f"neither a request line nor a status line: {line[:60]!r}")
