"""Bridged calls through the real server: REST in, durable history out, a SIPp phone on either side.

The server has one core, the two SIPp processes and this client the other (where there are two).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp

from tests.bench.load import Load
from tests.bench.phones import Phones
from tests.bench.processes import (
    CORES,
    LOAD_CORE,
    SERVER_CORE,
    Process,
    children_of,
    cpu_of,
    listening,
    pin,
    resident_of,
)
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server

SCENARIOS = Path(__file__).resolve().parents[2] / "sipp_scenarios"
TALKS = 0.5
"""Seconds that B talks before it hangs up."""
LAST_CALLS = 10.0
"""Seconds that calls get to end once no more are made."""
SLACK, LONG_SLACK = 1.5, 5.0
"""Seconds by which connects or calls may be behind before it is clear that they pile up; in a run of a minute."""
LOOK_EVERY = 0.5
MODEST = 100.0
"""Calls a second that any machine carries."""
LEAST = 1e-4
"""Seconds of CPU that a call needs at least; a clock that counts hundredths may say 0."""
LATE, LATER = 0.4, 0.03
"""Seconds, and share of the time, by which the last connect may be answered late: more was not kept up."""


class Outcome(NamedTuple):
    """One run: what was asked for, what came of it."""

    asked: float
    rate: float
    """Connects accepted a second."""
    seconds: float
    offered: int
    bridged: int
    refused: int
    """503 and 429: told to come again."""
    failed: int
    """All others that were not bridged."""
    left: int
    """Calls that had not ended when it was their time."""
    cpus: tuple[float, ...]
    """Seconds of CPU of each process of the server, the one with HTTP first."""
    busy: float
    """Share of its time that the core with phones and client was at work for them."""
    trouble: str = ""
    """Why it was given up early."""

    @property
    def cpu(self) -> float:
        return sum(self.cpus)

    @property
    def each(self) -> float:
        """Seconds of CPU for each bridged call."""
        return self.cpu / max(1, self.bridged)

    @property
    def is_kept(self) -> bool:
        return not (self.failed or self.refused or self.left or self.trouble) and self.is_in_time

    @property
    def is_in_time(self) -> bool:
        planned = self.offered / self.asked
        return self.seconds <= planned + LATE + LATER * planned


class Sipp:
    """One SIPp process on one core that answers any number of calls. RuntimeError if it ends before it is told to."""

    def __init__(self, scenario: str, directory: Path, core: int, *options: str) -> None:
        self.port = free_port()
        self.uri = f"sip:phone@{LOOPBACK}:{self.port}"
        path = str(SCENARIOS / f"{scenario}.xml")
        common = ("-i", LOOPBACK, "-p", str(self.port), "-nostdin", "-l", "100000", "-buff_size", "4000000")
        self.process = Process(core, directory, "sipp", "-sf", path, *common, *options)

    async def __aenter__(self) -> Self:
        started = await self.process.__aenter__()
        self.pid = started.pid
        try:
            await listening(started, self.port)
        except BaseException:
            await self.process.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        code = self.process.process.returncode
        await self.process.__aexit__()
        if code is not None:
            raise RuntimeError(f"SIPp ended by itself, with {code}")


class Stage:
    """The server and its phones: 2001 answers, 2002 hangs up after half a second, 2003 and so on as `more` says.

    `async with` it. `sipp`: the two are SIPp; else they are phones of ours, which any number of engines may call.
    """

    def __init__(
        self,
        directory: Path,
        kind: type[Server] = Server,
        cores: Collection[int] = (SERVER_CORE,),
        more: tuple[str, ...] = (),
        sipp: bool = True,
        load_core: int = LOAD_CORE,
        talks: float = TALKS,
    ) -> None:
        self.directory = directory
        self.kind = kind
        self.cores = cores
        self.more = more
        self.sipp = sipp
        self.load_core = load_core
        self.talks = talks
        self.phones: list[int] = []
        """Process ids."""
        self.held = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self.begin()
        except BaseException:
            await self.held.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.held.aclose()

    async def begin(self) -> None:
        self.held.callback(os.sched_setaffinity, 0, CORES)
        # What the server starts with is where it stays; also threads that it makes before it can be told.
        os.sched_setaffinity(0, self.cores)
        uris = await (self.sipp_phones() if self.sipp else self.our_phones())
        extensions = {str(2001 + place): uri for place, uri in enumerate((*uris, *self.more))}
        self.server = self.kind(self.directory / "server", extensions, calls={"ring_timeout": 30.0, "grace": 0.0})
        self.held.push_async_callback(self.server.abandon)
        await self.server.start()
        assert self.server.process
        self.processes = [self.server.process.pid, *children_of(self.server.process.pid)]
        for process, core in zip(self.processes, self.places(), strict=True):
            pin(process, core)
        os.sched_setaffinity(0, {self.load_core} if len(self.cores) < len(CORES) else CORES)
        self.document = await self.server.create("2001")

    def places(self) -> list[set[int]]:
        """A core for each process of the server, if there are as many; else all share all."""
        cores = sorted(self.cores)
        if len(cores) == len(self.processes):
            return [{core} for core in cores]
        return [set(cores)] * len(self.processes)

    async def sipp_phones(self) -> list[str]:
        a = Sipp("a_answers_many", self.directory / "a", self.load_core)
        b = Sipp("b_hangs_up_many", self.directory / "b", self.load_core, "-d", str(round(1000 * self.talks)))
        for phone in (a, b):
            await self.held.enter_async_context(phone)
            self.phones.append(phone.pid)
        return [a.uri, b.uri]

    async def our_phones(self) -> list[str]:
        """One process for A, one for B, wherever there is a core for them."""
        spare = [core for core in CORES if core not in self.cores] or CORES
        uris = []
        for place, hangs_up in enumerate((None, self.talks)):
            directory = self.directory / f"phone-{place}"
            phones = Phones(directory, spare[place % len(spare)], hangs_up)
            await self.held.enter_async_context(phones)
            if len(self.cores) == len(CORES):
                pin(phones.pid, CORES)
            self.phones.append(phones.pid)
            uris += phones.uris
        return uris

    def load(self, contact: str = "2002") -> Load:
        path = f"/v2/accounts/{self.server.account}/clicktocall/{self.document}/connect?auto_answer=false"
        return Load(self.server.http_port, path, self.server.token, contact=contact)

    async def metrics(self) -> dict[str, float]:
        """Without those that have labels."""
        assert self.server.session
        timeout = aiohttp.ClientTimeout(total=10)
        async with self.server.session.get("/metrics", timeout=timeout) as reply:
            rows = [line.rpartition(" ") for line in (await reply.text()).splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows if "{" not in name}

    def cpus(self) -> list[float]:
        return [cpu_of(process) for process in self.processes]

    def resident(self) -> int:
        return sum(map(resident_of, self.processes))

    def load_cpu(self) -> float:
        """Seconds of CPU of phones and client."""
        return sum(map(cpu_of, self.phones)) + time.process_time()

    async def run(self, rate: float, seconds: float, give_up: bool = True) -> Outcome:
        """Offer `rate` connects a second for some seconds; wait until every call is over; count.

        `give_up` at once when something has failed, or calls pile up.
        """
        load = self.load()
        before = await self.metrics()
        cpus, load_cpu, started = self.cpus(), self.load_cpu(), time.perf_counter()
        watch = Watch(self, load, rate * (SLACK if seconds < 30 else LONG_SLACK) + 20, before)
        watching = asyncio.create_task(watch.look()) if give_up else None
        took = await load.at(rate, seconds)
        busy = (self.load_cpu() - load_cpu) / (time.perf_counter() - started)
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        try:
            async with asyncio.timeout(0.1 if watch.trouble else LAST_CALLS):
                counted = await self.metrics()
                while counted["c2c_calls_active"]:
                    await asyncio.sleep(0.1)
                    counted = await self.metrics()
        except (TimeoutError, aiohttp.ClientError):
            counted = watch.latest
            with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                counted = await self.metrics()
        bridged = int(counted["c2c_calls_bridged_total"] - before["c2c_calls_bridged_total"])
        refused = load.refused[503] + load.refused[429]
        failed, left = load.offered - refused - bridged, int(counted["c2c_calls_active"])
        used = tuple(now - earlier for now, earlier in zip(self.cpus(), cpus, strict=True))
        accepted = load.accepted / took
        return Outcome(rate, accepted, took, load.offered, bridged, refused, failed, left, used, busy, watch.trouble)


class Watch:
    """Looks at a run while it goes on, and stops it when it cannot succeed any more."""

    def __init__(self, stage: Stage, load: Load, many: float, before: dict[str, float]) -> None:
        """`many`: connects or calls that are behind, by which it is clear that they pile up."""
        self.stage = stage
        self.load = load
        self.many = many
        self.latest = before
        self.trouble = ""

    async def look(self) -> None:
        while not self.trouble:
            await asyncio.sleep(LOOK_EVERY)
            try:
                self.latest = await self.stage.metrics()
            except (TimeoutError, aiohttp.ClientError) as error:
                self.trouble = f"/metrics: {type(error).__name__}"
            else:
                self.trouble = self.what_is_wrong()
        self.load.stop()

    def what_is_wrong(self) -> str:
        if self.load.refused.total():
            statuses = ", ".join(str(status) for status in self.load.refused)
            return f"connects refused with {statuses}"
        if self.load.unanswered > self.many:
            return f"{self.load.unanswered} connects wait"
        active = self.latest["c2c_calls_active"]
        if active > self.many + self.load.rate * self.stage.talks:
            return f"{active:.0f} calls at a time"
        return ""


async def bridged_calls(directory: Path, rate: float, seconds: float, give_up: bool = True) -> Outcome:
    """One run between SIPp phones, everything new."""
    async with Stage(directory) as stage:
        return await stage.run(rate, seconds, give_up)


async def estimate(directory: Path, seconds: float) -> float:
    """Calls a second that the server's core has time for, by what each needs when it has half of them to do."""
    async with Stage(directory) as stage:
        modest = await stage.run(MODEST, seconds / 2)
        outcome = await stage.run(0.5 / max(modest.each, LEAST), seconds / 2)
        return 1 / max(outcome.each, LEAST)
