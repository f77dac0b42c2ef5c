"""Which of many things a list shows: filters, order, pages."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from c2c_b2bua.service.errors import FaultyPageError, InvalidError, TooMuchError

GREGORIAN = 62_167_219_200
"""Seconds from year 0 to 1970."""
PAGE = 50
LARGEST_PAGE = 1000
LARGEST_LIST = 50_000
"""Items in one answer when no pages are wanted."""
MONTH = 31 * 86400
MISSING = object()
Condition = Callable[[dict[str, Any]], bool]


class Listing(msgspec.Struct, frozen=True):
    """A question about a list; times in seconds since 1970."""

    page_size: int | None = PAGE
    """None: everything on one page."""
    start_key: str = ""
    descending: bool = True
    conditions: tuple[Condition, ...] = ()
    created_from: float | None = None
    created_to: float | None = None
    modified_from: float | None = None
    modified_to: float | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Listing:
        """The question in a query string; FaultyPageError, InvalidError. What is not known is ignored."""
        if not query:
            return EVERYTHING
        times = {name: seconds(name, query[name]) for name in TIMES if query.get(name)}
        return cls(
            page_size=None if query.get("paginate") == "false" else page_size(query.get("page_size", str(PAGE))),
            start_key=decoded(query.get("start_key", "")),
            descending=query.get("descending") != "false" and query.get("ascending") != "true",
            conditions=tuple(found for name, value in query.items() if (found := condition(name, value))),
            **times,
        )

    @property
    def most(self) -> int:
        """How many items there may be in the answer."""
        return LARGEST_LIST if self.page_size is None else self.page_size

    @property
    def is_choosy(self) -> bool:
        """Whether it asks for some only."""
        times = (self.created_from, self.created_to, self.modified_from, self.modified_to)
        return bool(self.conditions) or times != (None, None, None, None)

    def admits(self, document: dict[str, Any]) -> bool:
        """Whether every filter lets this through."""
        return all(holds(document) for holds in self.conditions)

    def is_within(self, created_at: float, modified_at: float) -> bool:
        """Whether both times lie in the ranges that were asked for."""
        return (
            (self.created_from is None or created_at >= self.created_from)
            and (self.created_to is None or created_at <= self.created_to)
            and (self.modified_from is None or modified_at >= self.modified_from)
            and (self.modified_to is None or modified_at <= self.modified_to)
        )

    def range(self, now: float) -> tuple[float, float]:
        """From and to, a month at most; InvalidError when they are the wrong way round or further apart."""
        start, end = self.created_from, self.created_to
        if end is None:
            end = now + 3600 if start is None else start + MONTH
        if start is None:
            start = end - MONTH - 3600 if self.created_to is None else end - MONTH
        elif end < start:
            texts = int(end) + GREGORIAN, int(start) + GREGORIAN
            message = f"created_to {texts[0]} is prior to created {texts[1]}"
            raise InvalidError.of("created_from", "date_range", message, cause=texts[1])
        elif end - start > MONTH:
            texts = int(end) + GREGORIAN, int(start) + GREGORIAN
            message = f"created_to {texts[0]} is more than {MONTH} seconds from created_from {texts[1]}"
            raise InvalidError.of("created_from", "date_range", message, cause=texts[0])
        return start, end


EVERYTHING = Listing()


class Page(msgspec.Struct, frozen=True):
    """What is shown; the keys are opaque, None where there is none."""

    items: list[Any]
    start_key: str | None = None
    next_start_key: str | None = None
    is_whole: bool = False
    """No pages were wanted."""


def page_of(found: Iterable[tuple[str, Any]], listing: Listing) -> Page:
    """The page that begins with what comes first in `found`, pairs of key and item in order; TooMuchError."""
    pairs = list(itertools.islice(found, listing.most + 1))
    return cut([key for key, _ in pairs], [item for _, item in pairs], listing)


def cut(keys: list[str], items: list[Any], listing: Listing) -> Page:
    """The page of these items, of which there is one too many when there is another page; TooMuchError."""
    most = listing.most
    first = encoded(keys[0]) if keys else None
    if len(keys) <= most:
        return Page(items, first, is_whole=listing.page_size is None)
    if listing.page_size is None:
        raise TooMuchError(f"there are more than {most} items; ask for pages, or for fewer")
    return Page(items[:most], first, encoded(keys[most]))


def page_size(text: str) -> int:
    """A number from 1 on; what is beyond reason is cut."""
    try:
        size = int(text)
    except ValueError:
        raise FaultyPageError("invalid page size") from None
    if size < 1:
        raise FaultyPageError("page size must be at least 1")
    return min(size, LARGEST_PAGE)


def seconds(name: str, text: str) -> float:
    """Gregorian seconds as seconds since 1970, or InvalidError."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        message = "Value did not match type(s): integer"
        raise InvalidError.of(name, "type", message, target="integer", value=text)
    return float(int(text) - GREGORIAN)


def condition(name: str, value: str) -> Condition | None:
    """The filter that this parameter is, None when it is none."""
    if name.startswith("filter_not_"):
        matches = matching(name.removeprefix("filter_not_"), value)
        return lambda document: not matches(document)
    if name.startswith("filter_"):
        return matching(name.removeprefix("filter_"), value)
    if name == "has_key":
        return lambda document: at(document, value) is not MISSING
    if name == "key_missing":
        return lambda document: at(document, value) is MISSING
    if name == "has_value":
        return lambda document: not is_blank(at(document, value))
    if name in ("value_missing", "missing_value"):
        return lambda document: is_blank(at(document, value))
    return None


def matching(path: str, value: str) -> Condition:
    """Whether the field at the dotted path reads as `value`, or as one of a JSON list."""
    wanted: set[str | None] = {value}
    if value.startswith("["):
        try:
            wanted = {as_text(item) for item in msgspec.json.decode(value, type=list[Any])}
        except msgspec.MsgspecError:
            wanted = {value}
    return lambda document: as_text(at(document, path)) in wanted


def at(document: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, MISSING when there is none."""
    here: Any = document
    for key in path.split("."):
        if not isinstance(here, dict) or key not in here:
            return MISSING
        here = here[key]
    return here


def is_blank(value: Any) -> bool:
    return value is MISSING or value is None or value in ("", [], {})


def as_text(value: Any) -> str | None:
    """How a value is written in a query; None for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decoded(text: str) -> str:
    """The key in an opaque start key; what is no such key is one itself."""
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return text


TIMES = ("created_from", "created_to", "modified_from", "modified_to")
