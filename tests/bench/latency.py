"""REST to wire: from the moment a client has sent its connect to the moment the first INVITE reaches the phone.

Both ends are this process, so that one clock sees them; what is measured holds two passes through the kernel as well. The
phone answers 486. Meanwhile ordinary calls go through the server at a given rate.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from statistics import quantiles
from typing import cast

from tests.bench.calls import CORES, LOAD_CORE, SERVER_CORE, SippUnderLoad
from tests.bench.load import Load
from tests.sipp.ports import LOOPBACK
from tests.sipp.server import Server

PROBES_PER_SECOND = 50
MARK = re.compile(rb"\r\nX-Probe: *(\d+)")
HEAD = re.compile(rb"(?im)^(?:via|from|call-id|cseq): .*$")
TO = re.compile(rb"(?im)^to: .*$")


class BusyPhone(asyncio.DatagramProtocol):
    """Notes when each INVITE comes, and refuses it."""

    def __init__(self) -> None:
        self.came: dict[int, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is one by its methods only

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        now = time.perf_counter()
        if not data.startswith(b"INVITE"):
            return
        if found := MARK.search(data):
            self.came.setdefault(int(found[1]), now)
        to = TO.search(data)
        assert to
        lines = [b"SIP/2.0 486 Busy Here", *HEAD.findall(data), to[0].rstrip() + b";tag=busy", b"Content-Length: 0"]
        self.transport.sendto(b"\r\n".join([line.rstrip(b"\r") for line in lines]) + b"\r\n\r\n", address)


async def busy_phone() -> tuple[BusyPhone, str]:
    """The phone and its URI."""
    loop = asyncio.get_running_loop()
    _, phone = await loop.create_datagram_endpoint(BusyPhone, local_addr=(LOOPBACK, 0))
    port = phone.transport.get_extra_info("sockname")[1]
    return phone, f"sip:busy@{LOOPBACK}:{port}"


async def probe(server: Server, phone: BusyPhone, extension: str, seconds: float) -> list[float]:
    """Milliseconds of each of the probes; each has a click-to-call of its own, whose header names it."""
    numbers = range(int(PROBES_PER_SECOND * seconds))
    documents = [await server.create(extension, custom_sip_headers={"X-Probe": str(number)}) for number in numbers]
    sent: dict[int, float] = {}
    base = f"/v2/accounts/{server.account}/clicktocall"

    async def one(number: int, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        assert server.session
        headers = {"X-Auth-Token": server.token}
        sent[number] = time.perf_counter()
        url = f"{base}/{documents[number]}/connect?auto_answer=false"
        async with server.session.post(url, json={"data": {"contact": "2002"}}, headers=headers) as reply:
            assert reply.status == 200, await reply.text()

    started = time.perf_counter() + 0.1
    await asyncio.gather(*(one(number, started + number / PROBES_PER_SECOND) for number in numbers))
    async with asyncio.timeout(10):
        while len(phone.came) < len(documents):  # noqa: ASYNC110 (a datagram more)
            await asyncio.sleep(0.02)
    return [1000 * (phone.came[number] - sent[number]) for number in numbers]


def percentiles(values: list[float]) -> tuple[float, float]:
    """The middle one, and the one that 99 % do not exceed."""
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]


async def at(directory: Path, rate: float, seconds: float = 10.0) -> list[float]:
    """Milliseconds of probes beside ordinary calls at `rate`, the server on one core."""
    os.sched_setaffinity(0, {LOAD_CORE})
    a = SippUnderLoad("a_answers_many", directory)
    b = SippUnderLoad("b_hangs_up_many", directory, "-d", "500")
    phone, uri = await busy_phone()
    server = Server(directory / "server", {"2001": a.uri, "2002": b.uri, "2003": uri}, calls={"ring_timeout": 30.0})
    try:
        for part in (a, b, server):
            await part.start()
        assert server.process
        os.sched_setaffinity(server.process.pid, {SERVER_CORE})
        document = await server.create("2001")
        path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect?auto_answer=false"
        load = asyncio.ensure_future(Load(server.http_port, path, server.token).at(rate, seconds + 6))
        found = await probe(server, phone, "2003", seconds)
        await load
        return found
    finally:
        phone.transport.close()
        await server.abandon()
        await a.stop()
        await b.stop()
        os.sched_setaffinity(0, set(CORES))
