"""Phones that answer any number of calls, in a process of their own: nothing is kept of a call that talks.

`python -m tests.bench.phones FILE - 0.5` is two: the first waits for the BYE, the second hangs up half a second after it
was acknowledged. Their ports are in FILE once they listen.

     <- INVITE   -> 180, 200   <- ACK
     (<- INVITE   -> 200   <- ACK) any number
     <- BYE   -> 200, or the other way round

200s are repeated until the ACK comes, BYE until its 200 does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from tests.bench.processes import Process
from tests.sipp.ports import LOOPBACK

REPEAT, REPEATS = 0.5, 20
TICK = 0.02
BUFFER = 4_000_000
SDP = (
    b"v=0\r\no=phone 7 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40010 RTP/AVP 0\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=%s\r\n"
)
HELD, TALKING = SDP % b"inactive", SDP % b"sendrecv"

Address = Any
Key = tuple[bytes, bytes]
"""Call-ID and CSeq number, or Call-ID and BYE."""


class Told(NamedTuple):
    """What may have to be said again."""

    data: bytes
    to: Address
    times: int


class Phone(asyncio.DatagramProtocol):
    """One socket, many calls; `hangs_up` seconds after it was acknowledged, never if below 0."""

    def __init__(self, hangs_up: float) -> None:
        self.hangs_up = hangs_up
        self.transport: Any = None
        self.told: dict[Key, Told] = {}
        self.repeats: deque[tuple[float, Key]] = deque()
        self.prepared: dict[bytes, Told] = {}
        """BYEs of calls that were not acknowledged yet, by Call-ID."""
        self.byes: deque[tuple[float, bytes, Told]] = deque()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.loop = asyncio.get_running_loop()
        self.tick()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
        headers: dict[bytes, bytes] = {}
        vias = []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name = name.lower()
            if name == b"via":
                vias.append(line)
            headers.setdefault(name, value.strip())
        call_id = headers[b"call-id"]
        sequence, _, method = headers[b"cseq"].partition(b" ")
        start = lines[0]
        if start.startswith(b"SIP/2.0"):
            if method == b"BYE" and start[8:9] != b"1":
                self.told.pop((call_id, b"BYE"), None)
        elif method == b"ACK":
            self.told.pop((call_id, sequence), None)
            if bye := self.prepared.pop(call_id, None):
                self.byes.append((self.loop.time() + self.hangs_up, call_id, bye))
        else:
            self.answer(method, vias, headers, (call_id, sequence), addr)

    def answer(self, method: bytes, vias: list[bytes], headers: dict[bytes, bytes], key: Key, addr: Address) -> None:
        to = headers[b"to"]
        is_first = b";tag=" not in to
        if is_first:
            to += b";tag=t%d" % self.port
        head = b"%s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:phone@%s:%d>\r\n" % (
            b"\r\n".join(vias), headers[b"from"], to, key[0], headers[b"cseq"], LOOPBACK.encode(), self.port,
        )  # fmt: skip
        if method != b"INVITE":
            self.transport.sendto(b"SIP/2.0 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n", addr)
            return
        if is_first:
            self.transport.sendto(b"SIP/2.0 180 Ringing\r\n" + head + b"Content-Length: 0\r\n\r\n", addr)
            if self.hangs_up >= 0:
                self.prepared[key[0]] = Told(self.bye(headers, to, key[0]), addr, 0)
        body = HELD if is_first and self.hangs_up < 0 else TALKING
        answer = b"SIP/2.0 200 OK\r\n%sContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (
            head, len(body), body,
        )  # fmt: skip
        self.say(key, Told(answer, addr, 0))

    def bye(self, headers: dict[bytes, bytes], to: bytes, call_id: bytes) -> bytes:
        target = headers[b"contact"].partition(b"<")[2].partition(b">")[0] or headers[b"contact"]
        return (
            b"BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bKbye%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\n"
            b"To: %s\r\nCall-ID: %s\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        ) % (target, LOOPBACK.encode(), self.port, call_id, to, headers[b"from"], call_id)

    def say(self, key: Key, told: Told) -> None:
        """Now, and again until it is known to have come."""
        self.transport.sendto(told.data, told.to)
        if told.times < REPEATS:
            self.told[key] = told._replace(times=told.times + 1)
            self.repeats.append((self.loop.time() + REPEAT, key))
        else:
            self.told.pop(key, None)

    def tick(self) -> None:
        now = self.loop.time()
        while self.byes and self.byes[0][0] <= now:
            _, call_id, bye = self.byes.popleft()
            self.say((call_id, b"BYE"), bye)
        while self.repeats and self.repeats[0][0] <= now:
            _, key = self.repeats.popleft()
            if told := self.told.get(key):
                self.say(key, told)
        self.loop.call_later(TICK, self.tick)


class Phones:
    """The process, from outside; `uris` of its phones, as they were asked for."""

    def __init__(self, directory: Path, core: int, *hangs_up: float | None) -> None:
        self.file = directory / "ports"
        words = ["-" if one is None else str(one) for one in hangs_up]
        command = (sys.executable, "-m", "tests.bench.phones", str(self.file.absolute()), *words)
        directory.mkdir(parents=True, exist_ok=True)
        self.process = Process(core, Path(__file__).resolve().parents[2], *command)
        self.uris: list[str] = []
        self.pid = 0

    async def __aenter__(self) -> Phones:
        started = await self.process.__aenter__()
        self.pid = started.pid
        try:
            async with asyncio.timeout(20):
                while not self.file.exists():
                    if started.returncode is not None:
                        raise RuntimeError(f"the phones ended with {started.returncode} before they listened")
                    await asyncio.sleep(0.02)
        except BaseException:
            await self.process.__aexit__()
            raise
        self.uris = [f"sip:phone@{LOOPBACK}:{port}" for port in self.file.read_text().split()]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.__aexit__()


async def serve(file: Path, hangs_up: list[float]) -> None:
    loop = asyncio.get_running_loop()
    ports = []
    for seconds in hangs_up:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        end.bind((LOOPBACK, 0))
        end.setblocking(False)
        ports.append(str(end.getsockname()[1]))
        await loop.create_datagram_endpoint(functools.partial(Phone, seconds), sock=end)
    draft = file.with_suffix(".new")
    draft.write_text(" ".join(ports))
    draft.replace(file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), [-1.0 if word == "-" else float(word) for word in sys.argv[2:]]))
