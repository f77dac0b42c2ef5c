"""RFC 3261 §25.1 as regular expressions, under its ABNF names; each is linear in the length of its input.

Fragments are upper-case strings, to be joined; compiled patterns end in `_PATTERN`.
"""

from __future__ import annotations

import re

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
LWS = r"[ \t]*+"  # possessive: two of them with nothing between would else share out their blanks in every way
QUOTED_STRING = r'"(?:[^"\\\x00-\x08\x0a-\x1f]|\\[\x00-\x09\x0b-\x0c\x0e-\x7f])*"'
HOSTNAME = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_\-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_\-]*[A-Za-z0-9_])?\.?"
IPV6REFERENCE = r"\[[0-9A-Fa-f:.]+\]"
HOST = rf"(?:{HOSTNAME}|{IPV6REFERENCE})"
PORT = r"[0-9]{1,5}"

TOKEN_PATTERN = re.compile(TOKEN)
QUOTED_STRING_PATTERN = re.compile(QUOTED_STRING)

# ;name or ;name=value, with LWS wherever SEMI and EQUAL allow it. A value may hold what lax peers
# leave unquoted, but never a separator of the list it stands in.
GENERIC_PARAM_PATTERN = re.compile(rf"{LWS};{LWS}({TOKEN})(?:{LWS}={LWS}({QUOTED_STRING}|[^;,\"\s]*))?{LWS}")
# name=value of a challenge or of credentials (§20.7, §20.44)
AUTH_PARAM_PATTERN = re.compile(rf"{LWS}({TOKEN}){LWS}={LWS}({QUOTED_STRING}|[^,\"\s]*){LWS}(?:,|$)")

VIA_PATTERN = re.compile(
    rf"(SIP){LWS}/{LWS}({TOKEN}){LWS}/{LWS}({TOKEN})[ \t]+({HOST})(?:{LWS}:{LWS}({PORT}))?{LWS}", re.IGNORECASE
)
CSEQ_PATTERN = re.compile(rf"([0-9]+)[ \t]+({TOKEN})")
STATUS_LINE_PATTERN = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
REQUEST_LINE_PATTERN = re.compile(rf"({TOKEN}) ([^\s<>]+) (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE)

# userinfo: unreserved, user-unreserved, escaped (§25.1); password has no ? and no /
USER = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|%[0-9A-Fa-f]{2})+"
PASSWORD = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*"
PARAM = r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+"
HEADER = r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$]|%[0-9A-Fa-f]{2})"
SIP_URI_PATTERN = re.compile(
    rf"(sips?):(?:({USER})(?::({PASSWORD}))?@)?({HOST})(?::({PORT}))?"
    rf"((?:;{PARAM}(?:={PARAM})?)*);?(?:\?({HEADER}+=(?:{HEADER})*(?:&{HEADER}+=(?:{HEADER})*)*))?",
    re.IGNORECASE,
)
ABSOLUTE_URI_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*):([^\s<>\"]+)")

CONTROL_PATTERN = re.compile(r"[\x00-\x1f\x7f]")
QUOTED_PAIR_PATTERN = re.compile(r"\\(.)", re.DOTALL)


def unquote(text: str) -> str:
    """Take the quotes and escapes off a quoted-string; any other text stays as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        inner = text[1:-1]
        return QUOTED_PAIR_PATTERN.sub(r"\1", inner) if "\\" in inner else inner
    return text


def quote(text: str) -> str:
    """Print `text` as a quoted-string; control characters cannot be said in one and are left out."""
    clean = CONTROL_PATTERN.sub("", text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def delta_seconds(text: str | None) -> int | None:
    """The number of seconds that a header begins with; what follows, a comment or parameters, does not matter here."""
    number = (text or "").partition(";")[0].partition("(")[0].strip()
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None


def has_bare(text: str) -> bool:
    """Whether a text that has no line ends has a CR or LF, or a NUL where no backslash makes it a quoted-pair."""
    return "\n" in text or "\r" in text or ("\0" in text and text.count("\0") != text.count("\\\0"))


def split_list(text: str) -> list[str]:
    """Split a comma-separated header value (§7.3.1); commas in quotes and in angle brackets do not count."""
    if "," not in text:
        return [text]
    if '"' not in text and "<" not in text:
        return [part.strip() for part in text.split(",")]
    parts: list[str] = []
    start = position = 0
    end = len(text)
    in_brackets = False
    while position < end:
        character = text[position]
        if character == '"' and not in_brackets:
            quoted = QUOTED_STRING_PATTERN.match(text, position)
            position = quoted.end() if quoted else end
            continue
        if character == "<":
            in_brackets = True
        elif character == ">":
            in_brackets = False
        elif character == "," and not in_brackets:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    parts.append(text[start:].strip())
    return parts
