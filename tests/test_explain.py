"""`c2c explain`: calls of the past as the command draws them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.ladder import HEAD
from c2c_b2bua.sip.trail import AGAIN, RECEIVED, SENT, pack
from c2c_b2bua.storage.database import Database
from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.history_rows import Ended
from c2c_b2bua.storage.write_ahead import Accepted, WriteAhead
from tests.command import run

START = 1_800_000_000.0
CALL = f"c2c-{'1' * 32}-0123456789"
GOING_ON = f"c2c-{'1' * 32}-9876543210"


def trail(*steps: tuple[float, int]) -> bytes:
    return b"".join(pack(*step) for step in steps)


A = LegRecord(
    leg="a",
    call_id="1-a",
    target="1001",
    invited_at=START + 0.25,
    ringing_at=START + 0.75,
    answered_at=START + 2.25,
    ended_at=START + 4,
    uri="sip:1001@192.0.2.10",
    trail=trail(
        (0.0, SENT["INVITE"]),
        (0.5, RECEIVED["INVITE"] | 180),
        (2.0, RECEIVED["INVITE"] | 200),
        (2.0, SENT["ACK"]),
        (3.5, SENT["BYE"]),
        (3.75, RECEIVED["BYE"] | 200),
    ),
)
FIRST = LegRecord(
    leg="b",
    call_id="1-b",
    target="+14155550100",
    trunk="first",
    invited_at=START + 2.25,
    uri="sip:+14155550100@nowhere.example",
    trail=trail((0.0, RECEIVED["INVITE"] | 503 | AGAIN)),
    phrases={503: "no address for nowhere.example"},
)
B = LegRecord(
    leg="b",
    call_id="1-b",
    target="+14155550100",
    trunk="carrier",
    invited_at=START + 2.25,
    ended_at=START + 3.75,
    uri="sip:+14155550100@carrier.example",
    trail=trail((0.0, SENT["INVITE"]), (0.5, SENT["INVITE"] | AGAIN), (1.5, RECEIVED["INVITE"] | 403)),
    phrases={403: "From: unknown"},
)
RECORD = CallRecord(
    call_id=CALL,
    accepted_at=START + 0.25,
    ended_at=START + 4,
    ended_by="b",
    cause="CALL_REJECTED",
    sip_code=403,
    reason="From: unknown",
    legs=[A, B],
    attempts=[FIRST],
)
PRINTED = f"""\
{CALL} to +14155550100, 2027-01-15T08:00:00.000Z

{HEAD}
  0.250  │<─── INVITE sip:1001@192.0.2.10 ──│                                  │
  0.750  │────────── 180 Ringing ──────────>│                                  │
  2.250  │───────────── 200 OK ────────────>│                                  │
  2.250  ┆ B: 1: not sent: no address for nowhere.example
  2.250  │<────────────── ACK ──────────────│                                  │
  2.250  │                                  │── INVITE sip:+14155550100@… ×2 ─>│
  3.750  │                                  │<─────── 403 From: unknown ───────│
  3.750  │<────────────── BYE ──────────────│                                  │
  3.750  │                                  │────────────── ACK ──────────────>│
  4.000  │───────────── 200 OK ────────────>│                                  │
1: B was tried as sip:+14155550100@nowhere.example by first

call     queue 0.250 s
leg A    dns 0.000 s, ring 0.500 s, answer 1.500 s
leg B    dns 0.000 s

The trunk "carrier" refused the From user (403 From: unknown): set from_user to one it knows; or ask whether \
+14155550100 is allowed. Another phone or trunk was tried, too."""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A configuration whose database knows two calls."""
    path = tmp_path / "c2c.toml"
    path.write_text(f'[storage]\nurl = "sqlite:///{tmp_path}/c2c.db"\n')

    async def fill() -> None:
        database = Database(f"sqlite:///{tmp_path}/c2c.db", 1.0)
        await database.start()
        store = HistoryStore(database, tmp_path / "accepted")
        await store.start()
        for number, call_id in enumerate((CALL, GOING_ON)):
            row = Accepted(
                id=f"{number:032x}",
                account_id="a" * 32,
                document_id="1" * 32,
                call_id=call_id,
                contact="+14155550100",
                accepted_at=START,
            )
            await store.accept(row)
        record = msgspec.json.encode(RECORD).decode()
        store.end(
            Ended(id="0" * 32, ended_at=START + 4, result="error", cause="CALL_REJECTED", ended_by="b", record=record)
        )
        await store.stop()
        await database.stop()

    asyncio.run(fill())
    return path


async def test_a_call_is_drawn_timed_and_explained(settings: Path) -> None:
    by_call_id = await run("explain", CALL, "--config", str(settings))
    assert (by_call_id.code, by_call_id.out, by_call_id.err) == (0, PRINTED, "")
    by_history_id = await run("explain", "0" * 32, "--config", str(settings))
    assert by_history_id.out == PRINTED


async def test_what_cannot_be_explained_is_said_in_a_line(settings: Path) -> None:
    unknown = await run("explain", "c2c-nobody", "--config", str(settings))
    assert (unknown.code, unknown.out, unknown.err) == (1, "", "There is no call c2c-nobody in history.")
    going_on = await run("explain", GOING_ON, "--config", str(settings))
    assert (going_on.code, going_on.out, going_on.err) == (1, "", f"The call {GOING_ON} has not ended yet.")
    missing = await run("explain", CALL, "--config", str(settings.parent / "none.toml"))
    assert missing.code == 2


async def test_a_call_that_was_accepted_just_now_has_not_ended(settings: Path) -> None:
    """The database does not have it yet, and the process that has its log goes on with it."""
    ahead = WriteAhead(settings.parent / "c2c.db.accepted")
    ahead.open()
    call_id = f"c2c-{'1' * 32}-1111111111"
    ahead.append(
        Accepted(id="2" * 32, account_id="a", document_id="1", call_id=call_id, contact="1", accepted_at=START)
    )
    for name in (call_id, "2" * 32):
        just_now = await run("explain", name, "--config", str(settings))
        assert (just_now.code, just_now.err) == (1, f"The call {name} has not ended yet.")
    await ahead.close()


async def test_a_database_that_cannot_be_had(tmp_path: Path) -> None:
    path = tmp_path / "c2c.toml"
    path.write_text(f'[storage]\nurl = "sqlite:///{tmp_path}/no/c2c.db"\n')
    outcome = await run("explain", CALL, "--config", str(path))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"cannot use the database sqlite:///{tmp_path}/no/c2c.db: ")
