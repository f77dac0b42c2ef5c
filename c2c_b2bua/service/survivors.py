"""Calls of a killed process that the engine has taken over: known again to the service, or closed with what is known."""

from __future__ import annotations

import structlog

from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.service.calls import Calls
from c2c_b2bua.service.history import History
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.transactions import Extensions, details_of
from c2c_b2bua.storage.history_rows import HistoryRow

log = structlog.get_logger()


class Survivors:
    """`adopt` is asked once, with the calls that history has no end of, before anybody else is told of calls."""

    def __init__(self, calls: Calls, history: History, extensions: Extensions) -> None:
        self.calls = calls
        self.history = history
        self.extensions = extensions

    def adopt(self, rows: list[HistoryRow]) -> list[HistoryRow]:
        """Those of which the engine knows nothing: they are lost."""
        kept = self.calls.engine.kept
        if kept is None:
            return rows
        survivors = kept.survivors()
        lost = []
        for row in rows:
            record = survivors.pop(row.call_id, None)
            if record is None:
                lost.append(row)
            elif record.ended_at is not None:
                self.history.end(row.id, record)
                self.history.closed(row, record)
            else:
                self.go_on(row, record)
        for call_id in survivors:
            # Its end is in history, and only the journal had not been told; or history was lost, and nobody will ask.
            if not self.calls.engine.hang_up(call_id):
                kept.forget(call_id)
        kept.release(self.calls.hear)
        return lost

    def go_on(self, row: HistoryRow, record: CallRecord) -> None:
        """The call is as if it had been made by this process; nobody waits for its outcome."""
        details = details_of(row)
        call = LiveCall(
            history_id=row.id,
            account_id=row.account_id,
            document_id=row.document_id,
            call_id=row.call_id,
            contact=row.contact,
            extension=self.extensions.of(row, record, details),
            accepted_at=row.accepted_at,
            details=details,
            state="bridged" if record.bridged_at is not None else "ringing_b",
        )
        trunks = self.calls.routes.trunks.by_name
        for leg in record.legs:
            if leg.trunk in trunks:
                call.places[leg.leg] = trunks[leg.trunk]
                trunks[leg.trunk].calls += 1
        self.calls.count_in(call)
