"""Moments as all dialects show them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(at: float | None) -> str | None:
    """RFC 3339 in UTC with milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
