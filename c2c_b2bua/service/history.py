"""What became of every call: written when accepted and when ended, shown as Kazoo's items with our legs added."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import msgspec
import structlog

from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.service.course import ladder, timing
from c2c_b2bua.service.explanation import explain
from c2c_b2bua.service.listing import GREGORIAN, Listing, Page, page_of
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.history_rows import Ended, HistoryRow
from c2c_b2bua.storage.write_ahead import Accepted

log = structlog.get_logger()
encoder = msgspec.json.Encoder()
LEG_TIMES = ("invited_at", "ringing_at", "answered_at", "ended_at")
NOT_SHOWN = ("uri", "peer", "trail", "phrases")
"""What is kept of a leg for its ladder."""
CHUNK = 500
LAST = 0xFFFF_FFFF_FFFF
"""The last millisecond that an id can tell."""
ABANDONED = "RECOVERY_ON_TIMER_EXPIRE"
"""Q.850 102: what a call gets whose process was killed."""


record_decoder = msgspec.json.Decoder(CallRecord)
details_decoder = msgspec.json.Decoder(dict[str, Any])


class History:
    """The calls of the past and those going on; `now` gives seconds since 1970."""

    def __init__(self, store: HistoryStore, now: Callable[[], float]) -> None:
        self.store = store
        self.now = now
        self.closed: Callable[[HistoryRow, CallRecord], None] = lambda row, record: None
        """Told of each call that a killed process left open, and of the record it got."""
        self.written: Callable[[str], None] = lambda call_id: None
        """Told the id of each call whose end is on disk."""
        self.unwritten: dict[str, str] = {}
        """History id -> call id, of those whose end is not."""
        store.written = self.are_written

    async def start(self) -> None:
        """Begin to write."""
        await self.store.start()

    async def take_stock(
        self, adopt: Callable[[list[HistoryRow]], list[HistoryRow]] = lambda rows: rows, spared: Collection[str] = ()
    ) -> None:
        """Close what a killed process left open, and what `adopt` gives back of it.

        `spared`: ids of the calls with which a process that lives goes on.
        """
        self.abandon(adopt([row for row in await self.store.running() if row.id not in spared]))

    async def running(self, ids: Collection[str]) -> list[HistoryRow]:
        """Those of these calls that have not ended."""
        return [row for row in await self.store.running() if row.id in ids]

    def abandon(self, abandoned: list[HistoryRow]) -> None:
        """Close calls that nobody goes on with."""
        for row in abandoned:
            text = "the service was stopped while this call went on"
            self.closed(row, self.close(row.id, row.call_id, row.accepted_at, ABANDONED, text))
        if abandoned:
            log.warning("calls of a killed process closed", calls=len(abandoned))

    async def stop(self) -> None:
        """Write what is waiting."""
        await self.store.stop()

    def accept(self, row: Accepted) -> asyncio.Future[None]:
        """The call is known from here on; on disk when what is returned is done. StorageError in both."""
        return self.store.accept(row)

    @property
    def is_refused(self) -> bool:
        """The database did not take what was written last."""
        return bool(self.store.failure)

    async def try_again(self) -> None:
        """Give it a chance before somebody is refused for that."""
        await self.store.caught_up()

    def give_up(self, history_id: str, call_id: str, accepted_at: float) -> None:
        """Close a call that was accepted and then not made."""
        text = "the request was given up before anybody was rung"
        self.close(history_id, call_id, accepted_at, "ORIGINATOR_CANCEL", text)

    def close(self, history_id: str, call_id: str, accepted_at: float, cause: str, text: str) -> CallRecord:
        """Have the end of a call written of which no leg is known; the record it gets."""
        record = CallRecord(call_id=call_id, accepted_at=accepted_at, ended_at=self.now(), ended_by="error")
        record.cause, record.reason = cause, text
        self.end(history_id, record)
        return record

    def end(self, history_id: str, record: CallRecord) -> None:
        """Have the end of a call written."""
        self.unwritten[history_id] = record.call_id
        self.store.end(
            Ended(
                id=history_id,
                ended_at=record.ended_at if record.ended_at is not None else self.now(),
                result="error" if record.bridged_at is None else "success",
                cause=record.cause,
                ended_by=record.ended_by,
                record=encoder.encode(record).decode(),
            )
        )

    def are_written(self, rows: list[Ended]) -> None:
        """The store has these on disk."""
        for row in rows:
            call_id = self.unwritten.pop(row.id, None)
            if call_id is not None:
                self.written(call_id)

    async def page(self, account_id: str, document_id: str | None, listing: Listing) -> Page:
        """One page of a click-to-call's calls, empty when there is no such; None: of all the account's.

        InvalidError, TooMuchError.
        """
        start, end = listing.range(self.now())
        await self.store.caught_up()
        found = []
        async for item in self.items(account_id, document_id, listing, start, end):
            found.append((item["id"], item))
            if len(found) > listing.most:
                break
        return page_of(found, listing)

    async def items(
        self, account_id: str, document_id: str | None, listing: Listing, start: float, end: float
    ) -> AsyncIterator[dict[str, Any]]:
        """The calls that the filters let through, in order."""
        first, last = history_id_at(start), history_id_at(end) + "g"
        if listing.start_key and listing.descending:
            last = min(last, listing.start_key)
        elif listing.start_key:
            first = max(first, listing.start_key)
        limit = CHUNK if listing.conditions or listing.page_size is None else listing.page_size + 1
        while True:
            rows = await self.store.page(account_id, document_id, first, last, listing.descending, limit)
            for row in rows:
                item = shown(row)
                if listing.admits(item):
                    yield told(row, item)
            if len(rows) < limit:
                return
            if listing.descending:
                last = just_before(rows[-1].id)
            else:
                first = rows[-1].id + "0"

    async def count(self, document_id: str) -> int:
        """How many calls of a click-to-call are kept."""
        await self.store.caught_up()
        return await self.store.count(document_id)

    async def call(self, account_id: str, document_id: str, call_id: str) -> dict[str, Any] | None:
        """One call of a click-to-call, None when it has no such."""
        await self.store.caught_up()
        row = await self.store.call(call_id)
        return told(row, shown(row)) if row and (row.account_id, row.document_id) == (account_id, document_id) else None

    async def item(self, account_id: str, history_id: str) -> dict[str, Any] | None:
        """One call of an account by its history id, None when it has no such."""
        await self.store.caught_up()
        row = await self.store.by_id(history_id)
        return told(row, shown(row)) if row and row.account_id == account_id else None


def history_id(at: float, token: str) -> str:
    """A UUID of version 7 (RFC 9562) without its dashes: the time `at`, then 18 hex digits of `token`."""
    return f"{history_id_at(at)}7{token[:3]}8{token[3:18]}"


def history_id_at(at: float) -> str:
    """The first 12 of the 32 hex digits of an id: those of one millisecond begin like this, so ids sort by time."""
    milliseconds = int(at * 1000)
    return f"{milliseconds if 0 <= milliseconds < 1 << 48 else LAST if milliseconds > 0 else 0:012x}"


def just_before(history_id: str) -> str:
    """The id before this one."""
    return f"{int(history_id, 16) - 1:032x}"


def shown_leg(leg: LegRecord) -> dict[str, Any]:
    """The leg with its times as text."""
    members = msgspec.structs.asdict(leg)
    for name in NOT_SHOWN:
        del members[name]
    for name in LEG_TIMES:
        members[name] = timestamp(members[name])
    return members


def shown(row: HistoryRow) -> dict[str, Any]:
    """The item of one call; a call that goes on has neither result nor end."""
    item: dict[str, Any] = {
        "id": row.id,
        "timestamp": int(row.accepted_at) + GREGORIAN,
        "contact": row.contact,
        "call_id": row.call_id,
    }
    if row.details:
        item |= details_decoder.decode(row.details)
    if row.result is None or row.record is None:
        return item
    record = record_decoder.decode(row.record)
    item["result"] = row.result
    if row.result == "error" or row.cause not in (None, "NORMAL_CLEARING"):
        item["cause"] = row.cause
    if row.result == "error":
        item["sip_code"] = record.sip_code
        item["reason"] = record.reason
    item["ended_by"] = row.ended_by
    item["bridged_at"] = timestamp(record.bridged_at)
    item["ended_at"] = timestamp(row.ended_at)
    item["legs"] = [shown_leg(leg) for leg in record.legs]
    if record.attempts:
        item["attempts"] = [shown_leg(leg) for leg in record.attempts]
    return item


def told(row: HistoryRow, item: dict[str, Any]) -> dict[str, Any]:
    """The item of a call with its course added, and why it ended as it did, once it is over."""
    if row.record is None:
        return item
    record = record_decoder.decode(row.record)
    item["explanation"] = explain(record)
    item["timing"] = timing(record, row.accepted_at)
    item["ladder"] = ladder(record)
    return item
