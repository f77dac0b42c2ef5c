"""All cores: the engine of the desk and those of the workers, together one engine for the service.

The desk owns HTTP, storage, the registrar and all limits, so that these are right as they are in one process; workers
only carry calls. Calls of phones whose way in is at a socket of the desk are carried by the desk itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from c2c_b2bua.call.news import CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord, LegName
from c2c_b2bua.call.snapshot import parties_of
from c2c_b2bua.config import Config
from c2c_b2bua.engine import Engine
from c2c_b2bua.kept_calls import WORKER, KeptCalls
from c2c_b2bua.sip.flow import Hop
from c2c_b2bua.storage.recordings import Recordings
from c2c_b2bua.workers.balance import Balance, Seen
from c2c_b2bua.workers.member import Member
from c2c_b2bua.workers.messages import Begin, Connect, RefuseTransfer, Renew, Transfer

NOT_FROM_HERE = "cannot be called from where this call is"


class CrewCalls(KeptCalls):
    """The calls of all: those of the desk are here, others with their worker."""

    def __init__(self, path: Path, passwords: Mapping[str, str], workers: int) -> None:
        super().__init__(path, passwords, workers)
        self.members: list[Member] = []
        self.carriers: dict[str, Member] = {}
        """The worker that has a call, until its record is safe; none: the desk."""

    def survivors(self) -> dict[str, CallRecord]:
        found = super().survivors()
        for member in self.members:
            found |= member.found
            self.carriers |= dict.fromkeys(member.found, member)
        return found

    def release(self, tell: Callable[[CallNews], None]) -> None:
        super().release(tell)
        for member in self.members:
            member.release()

    def forget(self, call_id: str) -> None:
        carrier = self.carriers.pop(call_id, None)
        if carrier is None:
            super().forget(call_id)
        else:
            carrier.forget(call_id)


class Crew(Engine):
    """`command` starts a worker's process; the descriptor of its socket and its number are added."""

    def __init__(
        self, settings: Config, recordings: Recordings | None, kept: CrewCalls, command: Sequence[str]
    ) -> None:
        super().__init__(settings.sip, recordings, kept)
        self.members = kept.members
        self.carriers = kept.carriers
        self.balance = Balance()
        for number in range(1, settings.sip.workers):
            begin = beginning(settings, number)
            self.members.append(Member(number, begin, command, self.hear, self.weigh, self.now))

    async def start(self) -> None:
        await asyncio.gather(*(member.spawn() for member in self.members))
        await super().start()

    async def begin(self) -> None:
        """Have the workers open their sockets, and take over what is left of theirs; OSError."""
        await asyncio.gather(*(member.start() for member in self.members))
        for member in self.members:
            member.supervise()

    def hear(self, news: CallNews) -> None:
        """News of a worker's call."""
        for subscriber in self.subscribers:
            subscriber(news)

    def weigh(self, number: int, used: float) -> None:
        """A worker has used so many seconds of CPU by now."""
        self.balance.weigh(number, Seen(self.now(), time.process_time(), used))

    def renew_certificates(self) -> None:
        super().renew_certificates()
        for member in self.members:
            member.send(Renew())

    def welcome(self, hosts: Iterable[str]) -> None:
        hosts = list(hosts)
        super().welcome(hosts)
        for member in self.members:
            member.welcome(hosts)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, order: CallOrder) -> None:
        carrier = self.carrier_of(order)
        if carrier is None:
            super().connect(order)
            return
        self.carriers[order.call_id] = carrier
        carrier.connect(Connect(order), self.now())

    def lag(self) -> float:
        """Of the desk, which has to do with every call, or of the worker that is least behind."""
        return max(super().lag(), min([member.lag for member in self.ready()], default=0.0))

    def ready(self) -> list[Member]:
        return [member for member in self.members if member.is_ready]

    def carrier_of(self, order: CallOrder) -> Member | None:
        """Of the workers that are least behind the one with the fewest calls; None: the desk.

        SipError when A's next hop is no SIP URI.
        """
        ready = self.ready()
        if not ready or not all(map(can_be_anywhere, parties_of(order))):
            return None
        Hop.of(order.a.hop)
        if self.balance.is_for_desk(len(ready)):
            return None
        return min(ready, key=lambda member: (member.lag, len(member.calls)))

    def hang_up(self, call_id: str) -> bool:
        carrier = self.carriers.get(call_id)
        return super().hang_up(call_id) if carrier is None else carrier.hang_up(call_id)

    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...]) -> None:
        carrier = self.carriers.get(call_id)
        if carrier is None:
            super().transfer(call_id, leg, key, parties)
            return
        reachable = tuple(filter(can_be_anywhere, parties))
        if reachable:
            carrier.send(Transfer(call_id, leg, key, reachable))
        else:
            self.refuse_transfer(call_id, leg, key, 480, NOT_FROM_HERE)

    def refuse_transfer(self, call_id: str, leg: LegName, key: str, status: int, reason: str) -> None:
        carrier = self.carriers.get(call_id)
        if carrier is None:
            super().refuse_transfer(call_id, leg, key, status, reason)
        else:
            carrier.send(RefuseTransfer(call_id, leg, key, status, reason))

    # ── all together ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def counts(self) -> dict[str, int]:
        """How much is alive everywhere, as of the last `recount`."""
        counts = super().counts
        return {kind: number + sum(m.counts.get(kind, 0) for m in self.members) for kind, number in counts.items()}

    async def recount(self) -> None:
        await asyncio.gather(*(member.count() for member in self.members))

    async def close(self, grace: float = 10.0) -> None:
        """Hang up every call, wherever it is; workers stay until they are dismissed, as long as records are written."""
        await asyncio.gather(super().close(grace), *(member.close(grace) for member in self.members))

    async def dismiss(self) -> None:
        """End the workers' processes."""
        await asyncio.gather(*(member.dismiss() for member in self.members))


def beginning(settings: Config, number: int) -> Begin:
    """What worker `number` is told first: its share of the ports, a journal and a directory of its own."""
    calls, sip = settings.calls, settings.sip
    return Begin(
        sip=sip.of_worker(number),
        journal=f"{settings.storage.journal_path}{WORKER}{number}",
        passwords={trunk.name: str(trunk.password) for trunk in settings.trunk},
        replays=str(Path(calls.replays) / f"worker{number}") if calls.replays else "",
        replays_kept=max(1, calls.replays_kept // sip.workers),
    )


def can_be_anywhere(party: Party) -> bool:
    """Whether its requests may come from any of our sockets, not only where it has opened the way."""
    if party.flow is not None or party.routes:
        return False
    return party.hop.transport.lower() not in ("ws", "wss")
