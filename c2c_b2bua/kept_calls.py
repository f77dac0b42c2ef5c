"""The calls of this process in its journal, and those of the process before it that was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from glob import escape
from pathlib import Path

import structlog

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.call import ENDED
from c2c_b2bua.call.ledger import Ledger
from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.call.snapshot import (
    RECORD,
    STATE,
    decode_record,
    decode_snapshot,
    read,
    with_passwords,
)
from c2c_b2bua.storage.journal import Found, Journal
from c2c_b2bua.transaction.actions import Action

log = structlog.get_logger()

MOST_PROCESSES = 8
"""That may have calls of one database at a time, each in a file of its own."""
WORKER = ".worker"
"""What the name of a worker's file ends in, and then its number."""


class KeptCalls:
    """A call is kept until the core has released it and somebody has said, by `forget`, that its record is safe.

    `passwords` are those of trunks, by name: they are not written down. Workers whose number is below `workers` have
    files of their own. News of calls that are taken over wait until somebody is there to hear them.
    """

    def __init__(self, path: Path, passwords: Mapping[str, str], workers: int = 1) -> None:
        self.path = path
        self.workers = workers
        self.journal = Journal(path)
        self.passwords = passwords
        self.half_done: set[str] = set()
        """Calls of which one of the two has happened."""
        self.later: dict[str, CallRecord] = {}
        """Records of calls that have ended: they need not be written yet, and not at all if they are safe by then."""
        self.core: B2bua | None = None
        self.ledger: Ledger | None = None
        self.ended: dict[str, CallRecord] = {}
        """Calls that had ended when the process before this one was killed, or have ended since, unheard."""
        self.taken: set[str] = set()
        self.held: list[CallNews] | None = []
        """What has happened to the others; None: everything is told at once."""
        self.are_known = False
        """Somebody has asked for the survivors: from then on an end is news like any other."""

    def open(self, ours: Journal | None = None) -> dict[str, Found]:
        """What processes that are gone have left. OSError when there can be no journal.

        A process that still runs, because it drains, keeps the file it has: this one takes the next, unless it has `ours`.
        """
        left: dict[str, Found] = {}
        beside = (self.path.with_name(f"{self.path.name}.{number}") for number in range(2, MOST_PROCESSES + 1))
        for path in (self.path, *beside, *self.orphans()):
            journal = Journal(path)
            if ours is None and path.suffix.startswith(WORKER):
                break
            if ours is not None and not path.exists():
                continue
            try:
                found = journal.open()
            except BlockingIOError:
                continue
            except OSError as error:
                raise OSError(error.errno, f"cannot use {journal.path}: {error.strerror or error}") from error
            left |= found
            if ours is None:
                ours = self.journal = journal
                continue
            for call_id, parts in found.items():
                ours.write({call_id: parts})
            journal.path.unlink()
            journal.close()
        if ours is None:
            raise OSError(None, f"{MOST_PROCESSES} other processes have {self.path} and those beside it")
        return left

    def orphans(self) -> list[Path]:
        """The files of workers that there were, and are no more."""
        found = self.path.parent.glob(f"{escape(self.path.name)}{WORKER}*")
        numbers = {path: path.suffix.removeprefix(WORKER) for path in found}
        return sorted(path for path, number in numbers.items() if number.isdecimal() and int(number) >= self.workers)

    def take_over(self, core: B2bua, now: float, carry_out: Callable[[list[Action]], None]) -> None:
        """Go on with the calls of processes that are gone; one that cannot be is left to be recorded as lost."""
        self.core, self.ledger = core, core.ledger
        self.go_on(core, self.open(), now, carry_out)

    def inherit(self, now: float, carry_out: Callable[[list[Action]], None]) -> None:
        """The same with those of a process that was killed while this one ran; `survivors` and `release` have to follow."""
        assert self.core is not None
        self.held = []
        self.go_on(self.core, self.open(self.journal), now, carry_out)

    def go_on(
        self, core: B2bua, left: Mapping[str, Found], now: float, carry_out: Callable[[list[Action]], None]
    ) -> None:
        for call_id, parts in left.items():
            try:
                if RECORD in parts:
                    self.ended[call_id] = decode_record(parts[RECORD])
                    if decode_snapshot(parts[STATE]).state != ENDED:
                        self.half_done.add(call_id)
                        continue
                actions = core.take_over(with_passwords(read(parts), self.passwords), now)
            except Exception:
                log.exception("a call cannot be taken over", call_id=call_id)
                self.journal.drop(call_id)
                continue
            self.taken.add(call_id)
            carry_out(actions)
        if self.taken:
            log.warning("calls of a killed process taken over", calls=len(self.taken))

    def survivors(self) -> dict[str, CallRecord]:
        """How the calls stand that were taken over: those that have ended have an `ended_at`."""
        calls = self.core.calls if self.core is not None else {}
        self.are_known = True
        return {name: calls[name].record() for name in self.taken if name in calls} | self.ended

    def release(self, tell: Callable[[CallNews], None]) -> None:
        """Somebody is there, and knows of the survivors: tell what has happened since."""
        held, self.held = self.held or [], None
        self.taken, self.ended, self.are_known = set(), {}, False
        for news in held:
            tell(news)

    def close(self) -> None:
        self.save()
        self.journal.close()

    def write(self) -> None:
        """What is urgent is safe from a kill when this returns: only then may go out what the core sends."""
        ledger = self.ledger
        if ledger is not None and ledger.urgent:
            self.put(ledger, False)

    @property
    def waits(self) -> bool:
        """There is something that `save` has to be called for, soon."""
        return bool(self.later or (self.ledger is not None and self.ledger.silent))

    def save(self) -> None:
        """All that the core knows is safe from a kill when this returns."""
        if self.ledger is not None:
            self.put(self.ledger, True)

    def put(self, ledger: Ledger, is_all: bool) -> None:
        """Write what has changed of calls: what is urgent, or all."""
        try:
            changed = ledger.due()
            if is_all:
                changed |= ledger.rest()
            if ledger.over:
                self.settle(ledger)
            if is_all:
                for call_id in self.later:
                    changed.setdefault(call_id, {})
            if self.later:
                # Who knows that a call has ended, because legs of it linger, has to know how.
                for call_id, parts in changed.items():
                    if call_id in self.later:
                        parts[RECORD] = self.later.pop(call_id)
            is_kept = not changed or self.journal.write(changed)
        except Exception:
            # The fault of one call, or of ours: all calls go on, and are written anew.
            log.exception("calls are not safe from a kill")
            is_kept = False
        if not is_kept:
            ledger.write_anew()

    def settle(self, ledger: Ledger) -> None:
        """The core has done with calls."""
        over, ledger.over = ledger.over, []
        for call_id in over:
            self.done(call_id)

    def hear(self, action: Action) -> bool:
        """What the core says of its calls; True when nobody else is to hear it now."""
        if type(action) is CallEnded:
            self.later[action.call_id] = action.record
        return self.held is not None and self.withholds(action, self.held)

    def withholds(self, news: Action, held: list[CallNews]) -> bool:
        """Whether nobody is there yet to be told this; it is told later."""
        if not isinstance(news, CallNews) or news.call_id not in self.taken:
            return False
        if isinstance(news, CallEnded) and not self.are_known:
            self.ended[news.call_id] = news.record
        else:
            held.append(news)
        return True

    def forget(self, call_id: str) -> None:
        """The record of a call is on disk, or nobody wants it."""
        self.done(call_id)

    def done(self, call_id: str) -> None:
        if call_id in self.half_done:
            self.half_done.discard(call_id)
            self.later.pop(call_id, None)
            self.journal.drop(call_id)
        elif call_id in self.journal:
            self.half_done.add(call_id)
        else:
            # It has ended before anything of it was written: its record alone would be of no use to anybody.
            self.later.pop(call_id, None)
