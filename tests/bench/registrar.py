"""What a registrar costs: REGISTER with digest in the core and over real sockets, and the memory of its bindings."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from c2c_b2bua import config
from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.registration.binding import Subscriber
from c2c_b2bua.sip.digest import credentials
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send
from tests.bench.core import ROUNDS
from tests.bench.processes import LOAD_CORE, SERVER_CORE, cpu_of, on_core, pin
from tests.sipp.ports import LOOPBACK
from tests.sipp.server import Server

DOMAIN = "acme.example.com"
INTERFACE = Interface("UDP", "192.0.2.1", 5060)
WINDOW = 64
"""Phones that wait for an answer at a time."""


class Phone:
    """One of many, as text; `challenge` is the last it was shown."""

    __slots__ = ("challenge", "flow", "number", "sequence", "uses")

    def __init__(self, number: int) -> None:
        self.number = number
        self.flow = Flow(INTERFACE, f"198.{51 + number // 65536}.{number // 256 % 256}.{number % 256}", 5060)
        self.sequence = 0
        self.uses = 0
        self.challenge: Challenge | None = None

    def register(self) -> bytes:
        """With credentials, once there is a challenge."""
        self.sequence += 1
        answer = ""
        if self.challenge is not None:
            self.uses += 1
            answer = (
                "Authorization: "
                + credentials(
                    self.challenge, f"{self.number}", "secret", "REGISTER", f"sip:{DOMAIN}", self.uses, "0a4f113b"
                )
                + "\r\n"
            )
        return (
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK{self.number}x{self.sequence};rport\r\n"
            f"From: <sip:{self.number}@{DOMAIN}>;tag=49583\r\nTo: <sip:{self.number}@{DOMAIN}>\r\n"
            f"Call-ID: {self.number}@192.168.1.10\r\nCSeq: {self.sequence} REGISTER\r\nMax-Forwards: 70\r\n"
            f'Contact: <sip:{self.number}@192.168.1.10:5060>;+sip.instance="<urn:uuid:{self.number:032x}>"\r\n'
            f"Expires: 3600\r\nUser-Agent: Yealink SIP-T46S 66.86.0.15\r\nSupported: path, outbound, replaces\r\n"
            f"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, NOTIFY, REFER\r\n{answer}Content-Length: 0\r\n\r\n"
        ).encode()

    def take(self, data: bytes) -> bool:
        """Read a response; True: it is registered."""
        if data.startswith(b"SIP/2.0 200"):
            return True
        assert data.startswith(b"SIP/2.0 401"), data
        line = next(line for line in data.decode().split("\r\n") if line.startswith("WWW-Authenticate:"))
        self.challenge, self.uses = Challenge.parse(line.partition(": ")[2]), 0
        return False


class Desks:
    """Many phones of one core; `spent` is only what the core itself took."""

    def __init__(self, number: int) -> None:
        self.core = B2bua(Interfaces([INTERFACE]), Tokens(b"bench"))
        subscribers = [Subscriber(user=f"{one}", domain=DOMAIN, password="secret") for one in range(number)]
        self.core.registrar.open(config.Registrar(nat_keepalive=0), subscribers, b"bench", 0.0)
        self.phones = [Phone(one) for one in range(number)]
        self.now = 1000.0
        self.step = 0.0001
        """Seconds between two messages."""
        self.spent = 0.0

    def give(self, phone: Phone) -> bool:
        """One REGISTER and its response; whether it is registered."""
        data = phone.register()
        self.now += self.step
        core, now = self.core, self.now
        started = time.process_time()
        actions: list[Action] = core.receive(data, phone.flow, now)
        while (due := core.next_due) is not None and due <= now:
            actions += core.tick(now)
        self.spent += time.process_time() - started
        (sent,) = [action for action in actions if isinstance(action, Send)]
        return phone.take(sent.data)

    def register(self) -> None:
        """All of them, challenge and answer."""
        for phone in self.phones:
            assert not self.give(phone)
            assert self.give(phone)


def per_second(number: int = 3000, rounds: int = ROUNDS) -> Iterator[tuple[str, float]]:
    """Medians of rounds: phones that register, challenge included, and REGISTERs that renew; in the core, a second."""
    first, again = [], []
    for _ in range(rounds):
        desks = Desks(number)
        desks.register()
        first.append(number / desks.spent)
        desks.spent = 0.0
        for phone in desks.phones:
            assert desks.give(phone)
        again.append(number / desks.spent)
        del desks
        gc.collect()
    yield "phones registering in the core, 401 and 200", median(first)
    yield "REGISTER with digest in the core, renewing", median(again)


def resident(number: int) -> float:
    """Bytes of a process of its own that `number` registered phones make it grow by."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.registrar", str(number)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def grown(number: int) -> int:
    """What `resident` runs: phones that come within ten minutes; in memory only their bindings stay."""
    before = resident_now()
    core = B2bua(Interfaces([INTERFACE]), Tokens(b"bench"))
    subscribers = [Subscriber(user=f"{one}", domain=DOMAIN, password=f"secret{one}"[:6]) for one in range(number)]
    core.registrar.open(config.Registrar(nat_keepalive=0), subscribers, b"bench", 0.0)
    desks = Desks(0)
    desks.core, desks.step = core, 300 / number
    for one in range(number):
        phone = Phone(one)
        assert not desks.give(phone)
        assert desks.give(phone)
    assert core.registrar.count == number
    return resident_now() - before


def resident_now() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Wire(asyncio.DatagramProtocol):
    """All phones behind one socket: whoever gets an answer is counted, and the next one registers."""

    def __init__(self, phones: list[Phone], port: int) -> None:
        self.phones = {phone.number: phone for phone in phones}
        self.order = phones
        self.next = 0
        self.port = port
        self.registered = 0
        self.all_registered = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, phone: Phone) -> None:
        self.transport.sendto(phone.register(), (LOOPBACK, self.port))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        start = data.index(b"Call-ID: ") + 9
        phone = self.phones[int(data[start : data.index(b"@", start)])]
        if not phone.take(data):
            self.send(phone)
            return
        self.registered += 1
        if self.registered == len(self.order):
            self.all_registered.set()
        self.send_next()

    def send_next(self) -> None:
        phone = self.order[self.next % len(self.order)]
        self.next += 1
        self.send(phone)


async def on_the_wire(folder: Path, number: int = 1000, seconds: float = 4.0) -> tuple[float, float]:
    """REGISTERs with digest that `c2c serve` answers with 200 in a second, and its CPU seconds for each."""
    with on_core(SERVER_CORE):
        server = Server(folder / "server", {}, users={f"{one}": "secret" for one in range(number)})
        await server.start()
    assert server.process is not None
    pin(server.process.pid, {SERVER_CORE})
    try:
        with on_core(LOAD_CORE):
            loop = asyncio.get_running_loop()
            wire = Wire([Phone(one) for one in range(number)], server.sip_port)
            await loop.create_datagram_endpoint(lambda: wire, local_addr=(LOOPBACK, 0))
            for _ in range(min(WINDOW, number)):
                wire.send_next()
            async with asyncio.timeout(60):
                await wire.all_registered.wait()
            begun, cpu, counted = loop.time(), cpu_of(server.process.pid), wire.registered
            await asyncio.sleep(seconds)
            registered, took = wire.registered - counted, loop.time() - begun
            spent = cpu_of(server.process.pid) - cpu
            wire.transport.close()
            await server.stop()
    finally:
        await server.abandon()
    return registered / took, spent / max(1, registered)


if __name__ == "__main__":
    print(grown(int(sys.argv[1])))
