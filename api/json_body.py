"""JSON out of a request's body, as far as it is beyond doubt: no key twice in an object, nothing nested without end."""

from __future__ import annotations

import json
from typing import Any

import msgspec

DEEPEST = 64
decoder = msgspec.json.Decoder()


class BadJsonError(ValueError):
    """One sentence about what is wrong with it."""


def decoded(body: bytes) -> Any:
    """The value in `body`, or BadJsonError; a byte order mark is passed over."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJsonError(f"not JSON: {error}") from None
    except RecursionError:
        raise BadJsonError("nested too deep") from None
    names, colons = counted(value, 0)
    # Each member has one colon of its own: where there are more, one has replaced another of the same name. Colons that
    # are written as escapes spoil the count.
    if body.count(b":") != names + colons or b"\\" in body:
        json.loads(body, object_pairs_hook=without_doubles)
    return value


def counted(value: Any, depth: int) -> tuple[int, int]:
    """(members of objects, colons in strings) of a value; BadJsonError when it is nested too deep."""
    if isinstance(value, str):
        return 0, value.count(":")
    if not isinstance(value, (dict, list)):
        return 0, 0
    if depth == DEEPEST:
        raise BadJsonError("nested too deep")
    names = colons = 0
    if isinstance(value, dict):
        names = len(value)
        for name, member in value.items():
            if type(member) is str:
                colons += name.count(":") + member.count(":")
            else:
                more = counted(member, depth + 1)
                names += more[0]
                colons += name.count(":") + more[1]
        return names, colons
    for member in value:
        more = counted(member, depth + 1)
        names += more[0]
        colons += more[1]
    return names, colons


def without_doubles(pairs: list[tuple[str, Any]]) -> None:
    """BadJsonError naming the key that an object has twice."""
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise BadJsonError(f"the key {name!r:.80} is there twice")
        seen.add(name)
