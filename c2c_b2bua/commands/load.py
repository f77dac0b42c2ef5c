"""`c2c load`: connects at a steady rate against a running service, and what became of them."""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import aiohttp
from cyclopts import Parameter
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from c2c_b2bua.commands import plot as drawing
from c2c_b2bua.commands.arguments import seconds, secret
from c2c_b2bua.commands.door import TIMEOUT, Door, DoorError, encoder
from c2c_b2bua.commands.tally import Attempt, Tally, milliseconds, percentile
from c2c_b2bua.commands.terminal import console, fail, run, say

LATE = 0.01
"""Seconds after which a connect that was due counts as begun late: by us, not by the service."""
TELL_EVERY = 0.25
SAY_EVERY = 5.0
RECENT = 500
"""Connects whose latencies are shown while it goes on."""
LOOK_EVERY = 1.0
INTERRUPTED = 130


def load(
    click_to_call: str,
    /,
    *others: str,
    url: str = "http://127.0.0.1:8000",
    account: str = "",
    api_key: str = "",
    token: str = "",
    contact: Annotated[tuple[str, ...], Parameter(negative="")],
    rate: float = 10.0,
    calls: int = 0,
    duration: float = 0.0,
    wait: float = 60.0,
    connections: int = 1000,
    plot: Path | None = None,
) -> None:
    """Make connects at a steady rate, whatever the service does, and report what became of the calls.

    A connect goes out when it is due, also when earlier ones have not been answered, and its latency counts from when it
    was due. When all are made, it waits for the calls to end and reads in history how. The first Ctrl-C makes no more,
    the second does not wait; there is a report either way. Behind the service there have to be phones that can take it:
    sipp_scenarios/README.md shows two.

    Exit code 0 when every call was bridged, 1 when one was not, 130 after Ctrl-C.

    Parameters
    ----------
    click_to_call
        Id of a click-to-call.
    others
        Ids of further ones; they take turns.
    url
        Where the service is.
    account
        Id of the account; by default that of the API key.
    api_key
        API key to log in with; env:NAME takes it from the environment.
    token
        Token instead of an API key. Without either, click-to-calls that anybody may connect can be connected, and what
        became of the calls is not known.
    contact
        Whom to call; of several, they take turns.
    rate
        Connects a second.
    calls
        How many connects; by default as many as the duration has room for.
    duration
        Seconds; by default as long as the calls take, without them 10.
    wait
        Seconds that calls get to end when no more are made.
    connections
        HTTP connections at the most; what is due waits for one, and the wait counts.
    plot
        File for a drawing of rates and latencies over time, SVG.
    """
    count = checked(rate, calls, duration, connections)
    if not url.startswith(("http://", "https://")):
        fail(2, f"--url {url}: expected http://host:port")
    if (token or not api_key) and not account:
        fail(2, "--account: whose click-to-calls? It is known only from an API key")
    job = Job([click_to_call, *others], contact, rate, count, seconds("--wait", wait))
    try:
        known = run(job.work(url, account, secret(api_key, "--api-key"), token, connections))
    except DoorError as error:
        fail(1, f"The load did not begin: {error}.")
    if plot is not None:
        title = f"{rate:g} connects a second to {url}: {job.tally.bridged} of {len(job.tally.attempts)} bridged"
        try:
            plot.write_text(drawing.svg(job.tally, title), encoding="utf-8")
        except OSError as error:
            fail(1, f"--plot {plot}: {error.strerror}")
    if job.interruptions:
        sys.exit(INTERRUPTED)
    everything = job.tally.accepted if not known else job.tally.bridged
    sys.exit(0 if everything == len(job.tally.attempts) else 1)


def checked(rate: float, calls: int, duration: float, connections: int) -> int:
    """How many connects there are to be."""
    if not 0 < rate <= 100_000:
        fail(2, f"--rate {rate}: expected connects a second, more than 0")
    if calls < 0:
        fail(2, f"--calls {calls}: expected a number above 0")
    if connections < 1:
        fail(2, f"--connections {connections}: expected a number above 0")
    if duration or not calls:
        fitting = math.ceil(rate * seconds("--duration", duration or 10.0))
        return min(calls, fitting) if calls else fitting
    return calls


class Job:
    """One load: `work` does it and prints the report."""

    def __init__(self, clicks: list[str], contacts: tuple[str, ...], rate: float, count: int, patience: float) -> None:
        self.clicks = clicks
        self.contacts = contacts
        self.rate = rate
        self.count = count
        self.patience = patience
        self.tally = Tally()
        self.of_click: dict[str, dict[str, Attempt]] = {click: {} for click in clicks}
        """Click-to-call -> call id -> the accepted calls that are not known to be over."""
        self.interruptions = 0
        self.stopped = asyncio.Event()
        self.given_up = asyncio.Event()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.interruptions += 1
        self.stopped.set()
        if self.interruptions > 1:
            self.given_up.set()

    async def work(self, url: str, account: str, api_key: str, token: str, connections: int) -> bool:
        """All of it; whether it is known what became of the calls. DoorError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupt)
        connector = aiohttp.TCPConnector(limit=connections)
        base = url.rstrip("/") + "/"
        async with aiohttp.ClientSession(base, connector=connector, timeout=TIMEOUT) as http:
            door = Door(http, account, token)
            if api_key:
                await door.log_in(api_key)
            began = time.time()
            with Display(self.count) as display:
                watch = asyncio.create_task(self.show(display))
                await self.offer(door)
                watch.cancel()
                display.update(self.tally)
                known = bool(door.token)
                trouble = "which is closed without an API key or a token" if not known else ""
                try:
                    await (self.settle(door, began, display.tell) if known else asyncio.sleep(0))
                except DoorError as error:
                    trouble = f"which cannot be read: {error}"
        for line in self.tally.lines(known):
            say(line)
        if trouble:
            say(f"What became of the calls is in history, {trouble}.")
        return known

    async def offer(self, door: Door) -> None:
        """Begin each connect when it is due, whatever became of those before; return when the last is answered."""
        clock = time.perf_counter  # a loop's own counts whole milliseconds
        headers = door.headers
        turns = itertools.cycle(itertools.product(self.clicks, self.contacts))
        ways = [
            (click, f"v2/{door.path(click)}/connect?auto_answer=false", encoder.encode({"data": {"contact": contact}}))
            for click, contact in itertools.islice(turns, len(self.clicks) * len(self.contacts))
        ]
        open_ones: set[asyncio.Task[None]] = set()
        started = clock()

        async def one(attempt: Attempt, click: str, path: str, body: bytes) -> None:
            attempt.began_late = clock() - started - attempt.at > LATE
            await door.connect(path, body, headers, attempt)
            attempt.latency = clock() - started - attempt.at
            self.tally.answer(attempt)
            if attempt.call_id:
                self.of_click[click][attempt.call_id] = attempt

        for number in range(self.count):
            attempt = Attempt(number / self.rate)
            left = started + attempt.at - clock()
            if left > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), left)
            elif number % 64 == 0:
                await asyncio.sleep(0)
            if self.stopped.is_set():
                break
            self.tally.attempts.append(attempt)
            task = asyncio.create_task(one(attempt, *ways[number % len(ways)]))
            open_ones.add(task)
            task.add_done_callback(open_ones.discard)
        else:
            # The last one has its share of the time, as each of those before.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), max(0.0, started + self.count / self.rate - clock()))
        self.tally.seconds = clock() - started
        while open_ones:
            await asyncio.wait(open_ones)

    async def settle(self, door: Door, began: float, tell: Callable[[str], None]) -> None:
        """Wait for the calls to end, and learn how; no longer than they are given."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience
        while not self.given_up.is_set():
            for click, pending in self.of_click.items():
                if pending:
                    await door.learn(click, pending, began)
            left = sum(map(len, self.of_click.values()))
            if not left or loop.time() >= until:
                return
            tell(f"waiting for {left} calls to end")
            with suppress(TimeoutError):
                await asyncio.wait_for(self.given_up.wait(), LOOK_EVERY)

    async def show(self, display: Display) -> None:
        """Say how it goes, until cancelled."""
        while True:
            await asyncio.sleep(TELL_EVERY)
            display.update(self.tally)


class Display:
    """A bar on a terminal; elsewhere a line now and then. `with` it."""

    def __init__(self, count: int) -> None:
        self.is_terminal = sys.stdout.isatty()
        self.progress = Progress(
            TextColumn("{task.completed}/{task.total}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
            console=console, transient=True, disable=not self.is_terminal,
        )  # fmt: skip
        self.count = count
        self.task = TaskID(0)
        self.said_at = self.looked_at = self.began = time.monotonic()
        self.before = 0
        self.rate = 0.0

    def __enter__(self) -> Display:
        self.progress.start()
        self.task = self.progress.add_task("", total=self.count)
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def update(self, tally: Tally) -> None:
        """How it stands."""
        now = time.monotonic()
        if now - self.looked_at >= 1.0 or not self.rate:
            answered = len(tally.answered)
            self.rate = (answered - self.before) / max(now - self.looked_at, TELL_EVERY)
            self.before, self.looked_at = answered, now
        recent = tally.latencies(RECENT)
        middle, slow = (milliseconds(percentile(recent, percent)) for percent in (50.0, 99.0))
        text = f"{self.rate:.0f}/s  {tally.accepted} accepted  {tally.refused} refused  p50 {middle}  p99 {slow}"
        self.progress.update(self.task, completed=len(tally.attempts), description=text)
        if not self.is_terminal and now - self.said_at >= SAY_EVERY:
            self.said_at = now
            say(f"{now - self.began:5.0f} s  {len(tally.attempts)} offered  {text}")

    def tell(self, text: str) -> None:
        """What is waited for."""
        if self.is_terminal:
            self.progress.update(self.task, description=text)
        elif time.monotonic() - self.said_at >= SAY_EVERY:
            self.said_at = time.monotonic()
            say(text)
