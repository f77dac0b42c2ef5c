"""A list as CSV (RFC 4180): a column for every field there is, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""What a spreadsheet may take for a formula begins with one of these."""
NUMBER = re.compile(r"[+-]?[0-9]{1,32}(?:\.[0-9]{1,32})?")


def written(items: Iterable[dict[str, Any]], columns: Iterable[str]) -> bytes:
    """The items as UTF-8 text with a head line; to `columns` are added those that only some items have."""
    rows = [dict(cells(item, "")) for item in items]
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([harmless(name) for name in names])
    writer.writerows([[row.get(name, "") for name in names] for row in rows])
    return text.getvalue().encode(errors="replace")


def cells(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Column → text of everything inside; members of objects are `outer.inner`, a leg is called by its letter."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from cells(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and all(isinstance(leg, dict) and "leg" in leg for leg in value):
        for leg in value:
            yield from cells({name: member for name, member in leg.items() if name != "leg"}, f"{path}.{leg['leg']}")
    elif isinstance(value, str):
        yield path, harmless(value)
    elif value is not None:
        yield path, harmless(msgspec.json.encode(value).decode())


def harmless(text: str) -> str:
    """With an apostrophe before what would be live; telephone numbers and negative numbers are not."""
    return f"'{text}" if text.startswith(LIVE) and not NUMBER.fullmatch(text) else text
