"""A response read at one glance: the five headers that all have, by one pattern; the rest, which phones repeat, once.

Only what looks as responses nearly always look; anything else takes the long way, line by line.
"""

from __future__ import annotations

import re
from functools import lru_cache

from c2c_b2bua.sip.headers import SPELLINGS


def pattern_of(via: str, value: str) -> re.Pattern[str]:
    """The start of a response, up to its CSeq; `via` and `value` are what may follow the name of a header and its colon.

    Call-ID stands before From or behind To, To before or behind From: three orders cover the stacks we know.
    """
    return re.compile(
        rf"SIP/2\.0 ([1-6][0-9][0-9]) ([^\r]*)\r\nVia: {via}\r\n"
        rf"(?:Call-ID: {value}\r\n|)(?:To: {value}\r\n|)From: {value}\r\n"
        rf"(?:To: {value}\r\n|)(?:Call-ID: {value}\r\n|)"
        r"CSeq:[ \t]*([0-9]{1,9} [A-Z]+)[ \t]*\r\n"
    )


# One character left out of a class is looked for at a tenth of the cost of two: line ends inside a value are looked for
# afterwards. Each part ends where the next one begins and nowhere else, so that no text takes more time than its length.
SOLID = r"(?<![ \t])"
RESPONSE_PATTERN = pattern_of(
    rf"(SIP/[^;]+;(?:|(?:(?!branch=)[^;]*;)+)branch=([^; \t][^;]*){SOLID};[^\r]*){SOLID}", rf"([^ \t\r][^\r]*){SOLID}"
)
SPACED_PATTERN = pattern_of(
    rf"[ \t]*([^\r;]+(?:;(?!branch=)[^\r;]+)*;branch=([^\r; \t]+)(?:[ \t]*;[^\r]*|)){SOLID}[ \t]*",
    rf"[ \t]*([^\r]+){SOLID}[ \t]*",
)
"""The same with blanks around values, and with nothing behind the branch."""
TOP = ("Via", "From", "To", "Call-ID", "CSeq")
NOTHING: list[str] = []
BLANKS = " \t"
LONGEST_REST = 1024
Rest = tuple[dict[str, list[str]], int]


def read_rest(text: str) -> Rest | None:
    """The other header lines and what Content-Length says, -1 without one; None when they need a closer look.

    The five have their places in front of them, still empty.
    """
    headers: dict[str, list[str]] = dict.fromkeys(TOP, NOTHING)
    length = -1
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        key = SPELLINGS.get(name)
        if not colon or key is None or key in TOP or "\r" in line or "\n" in line:
            return None
        value = value.strip(BLANKS)
        if key != "Content-Length":
            headers.setdefault(key, []).append(value)
        elif length < 0 and value.isascii() and value.isdecimal() and len(value) <= 9:
            length = int(value)
        else:
            return None
    return headers, length


known_rest = lru_cache(maxsize=4096)(read_rest)
"""The same, remembered, for texts of no more than LONGEST_REST characters."""
