"""`c2c load`: that it waits for nobody, what it counts, and what it draws."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from xml.etree import ElementTree

import aiohttp
import pytest
from aiohttp import web

from c2c_b2bua.commands import plot
from c2c_b2bua.commands.door import Door, DoorError
from c2c_b2bua.commands.load import Job
from c2c_b2bua.commands.tally import Attempt, Tally, percentile
from tests.command import run
from tests.sipp.ports import LOOPBACK

KEY = "0123456789abcdef" * 4


def tally_of(*attempts: Attempt) -> Tally:
    tally = Tally()
    tally.seconds = 10.0
    for attempt in attempts:
        tally.attempts.append(attempt)
        tally.answer(attempt)
    return tally


@pytest.mark.parametrize(
    ("ordered", "percent", "value"),
    [
        ([], 50, 0),
        ([7], 50, 7),
        ([1, 2, 3, 4], 50, 2),
        ([1, 2, 3, 4], 51, 3),
        ([1, 2, 3, 4], 100, 4),
        ([1, 2, 3], 1, 1),
    ],
)
def test_percentiles(ordered: list[float], percent: float, value: float) -> None:
    assert percentile(ordered, percent) == value


def test_the_report() -> None:
    tally = tally_of(
        *(Attempt(float(number), 0.002, f"call-{number}", end="bridged") for number in range(8)),
        Attempt(8.0, 0.004, "call-8", end="USER_BUSY (486), ended by B"),
        Attempt(9.0, 1.5, refusal="429 too_many_requests", began_late=True),
        Attempt(9.5, 0.1, "call-10"),
    )
    assert tally.lines() == [
        "offered         11 in 10.0 s: 1.1 connects/s, 1 of them begun late",
        "accepted        10",
        "bridged          8   0.8 calls/s",
        "failed           3",
        "         1 x USER_BUSY (486), ended by B",
        "         1 x refused: 429 too_many_requests",
        "         1 x not over, or not in history",
        "connect   p50 2.0 ms  p90 100.0 ms  p99 1500.0 ms  max 1500.0 ms",
    ]
    assert tally.lines(is_known=False)[1:4] == [
        "accepted        10",
        "failed           1",
        "         1 x refused: 429 too_many_requests",
    ]
    assert Tally().lines()[0].startswith("offered          0 in 0.0 s")


@pytest.mark.parametrize("count", [0, 1, 5, 2000])
def test_the_drawing(count: int) -> None:
    tally = tally_of(*(Attempt(number / 4, 0.001 * (1 + number % 7), f"call-{number}") for number in range(count)))
    if count == 5:
        tally.answer(Attempt(1.0, 60.0, refusal="no answer"))
    drawing = ElementTree.fromstring(plot.svg(tally, "2 < 3 & more"))
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "2 < 3 & more"
    assert {"accepted", "refused", "p50", "p99", "max", "seconds"} <= set(texts)
    for line in drawing.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= plot.WIDTH and 0 <= y <= plot.HEIGHT


class Service:
    """Answers connects when it is told to, and knows no history."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.begun: list[float] = []

    async def connect(self, request: web.Request) -> web.Response:
        self.begun.append(asyncio.get_running_loop().time())
        await self.may_answer.wait()
        number = len(self.begun)
        if number % 4 == 0:
            return web.json_response({"message": "too_many_requests"}, status=429)
        return web.json_response({"data": {"call_id": f"call-{number}-{id(request)}"}})


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, str]]:
    made = Service()
    app = web.Application()
    app.router.add_post("/v2/accounts/a/clicktocall/{click}/connect", made.connect)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    yield made, f"http://{LOOPBACK}:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_a_slow_service_slows_nobody_down(service: tuple[Service, str]) -> None:
    """Connects go out when they are due though none is answered; what they waited counts."""
    made, url = service
    job = Job(["one", "two"], ("2002",), 100.0, 40, 1.0)
    async with aiohttp.ClientSession(url) as http:
        offering = asyncio.create_task(job.offer(Door(http, "a", "token")))
        while len(made.begun) < 40:  # noqa: ASYNC110 (the news is over HTTP)
            await asyncio.sleep(0.01)
        assert not job.tally.answered
        made.may_answer.set()
        await offering
    assert (job.tally.accepted, job.tally.refused) == (0, 40)  # the last number is that of all of them
    first, last = job.tally.attempts[0], job.tally.attempts[-1]
    assert last.at == pytest.approx(0.39)
    assert first.latency > last.latency + 0.3
    assert job.tally.seconds >= 0.4


async def test_what_waits_for_a_connection_has_waited(service: tuple[Service, str]) -> None:
    made, url = service
    made.may_answer.set()
    job = Job(["one"], ("2002",), 1000.0, 20, 1.0)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=1)) as http:
        await job.offer(Door(http, "a", "token"))
    assert (job.tally.accepted, job.tally.refused) == (15, 5)
    assert len(job.of_click["one"]) == 15
    assert job.tally.failures[-1] == ("refused: 429 too_many_requests", 5)


async def test_nobody_is_there() -> None:
    outcome = await run(*WORDS, "--url", f"http://{LOOPBACK}:9", "--api-key", KEY, "--contact", "2002")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("The load did not begin: ")


async def test_no_such_service(service: tuple[Service, str]) -> None:
    _, url = service
    async with aiohttp.ClientSession(url) as http:
        with pytest.raises(DoorError, match="no such service"):
            await Door(http, "a", "").log_in(KEY)


WORDS = ("load", "0" * 32)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rate", "0"], "--rate 0.0: expected connects a second, more than 0"),
        (["--calls", "-1"], "--calls -1: expected a number above 0"),
        (["--duration", "-1"], "--duration -1.0: expected seconds, more than 0"),
        (["--wait", "0"], "--wait 0.0: expected seconds, more than 0"),
        (["--connections", "0"], "--connections 0: expected a number above 0"),
        (["--url", "localhost"], "--url localhost: expected http://host:port"),
        (["--token", "x"], "--account: whose click-to-calls? It is known only from an API key"),
        (
            ["--api-key", "env:NO_SUCH_NAME"],
            "--api-key env:NO_SUCH_NAME: the environment variable NO_SUCH_NAME is not set",
        ),
    ],
)
async def test_what_cannot_be_meant(words: list[str], complaint: str) -> None:
    key = [] if "--token" in words or "--api-key" in words else ["--api-key", KEY]
    outcome = await run(*WORDS, "--contact", "2002", *key, *words)
    assert (outcome.code, outcome.err) == (2, complaint)
