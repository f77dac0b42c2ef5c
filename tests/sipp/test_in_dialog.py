"""What peers ask for inside a dialog, against the real server: PRACK, session timers, options, routes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import NamedTuple

import pytest

from .stage import Stage, leg


class Row(NamedTuple):
    """Two scenarios, and how the record says the call between them ended; `talked` are the seconds from answer to end."""

    a: str
    b: str
    result: str = "success"
    cause: str | None = None
    ended_by: str = "b"
    talked: tuple[float, float] = (0.0, 5.0)
    transport: str = "udp"


ROWS = [
    Row("a_answers", "b_prack"),
    Row("a_answers", "b_prack", transport="tcp"),
    Row("a_answers", "b_refreshed", talked=(10.0, 13.0)),
    Row("a_answers", "b_refreshed_by_reinvite", talked=(5.0, 8.0)),
    Row("a_answers", "b_session_expires", "success", "RECOVERY_ON_TIMER_EXPIRE", "timer", (6.5, 8.0)),
    Row("a_answers", "b_objects"),
    Row("a_answers", "b_wants_longer"),
    Row("a_hangs_up", "b_behind_proxies", ended_by="a"),
    Row("a_hangs_up", "b_behind_proxies", ended_by="a", transport="tcp"),
    Row("a_hangs_up", "b_behind_a_strict_router", ended_by="a"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.b}-{row.transport}")
async def test_in_a_dialog(stage: Callable[..., Stage], row: Row) -> None:
    async with stage(a=row.a, b=row.b, transport=row.transport) as play:
        await play.connect()
        record = await play.outcome()
    b = leg(record, "b")
    assert (record["result"], record.get("cause"), record["ended_by"]) == (row.result, row.cause, row.ended_by)
    assert (b["sip_code"], leg(record, "a")["sip_code"]) == (200, 200)
    least, most = (datetime.timedelta(seconds=seconds) for seconds in row.talked)
    assert least <= b["ended_at"] - b["answered_at"] < most
