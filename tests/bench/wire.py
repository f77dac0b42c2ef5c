"""Datagrams through our UDP transport, echoed, against uvloop's own in the same process."""

from __future__ import annotations

import asyncio
import socket
import time
from statistics import median
from typing import cast

from c2c_b2bua.config import Limits
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.transport.flood import Flood
from c2c_b2bua.transport.udp import UdpSocket
from tests.sipp.ports import LOOPBACK

SIZE = 900
BURST = 64
ROUNDS = 5


class Bare(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is one by its methods only

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data, address)


async def echoes(rounds: int = ROUNDS, number: int = 40_000) -> tuple[float, float]:
    """Datagrams a second of CPU time: bare, ours; medians of interleaved rounds."""
    loop = asyncio.get_running_loop()
    bare, _ = await loop.create_datagram_endpoint(Bare, local_addr=(LOOPBACK, 0))
    holder: list[UdpSocket] = []

    def back(data: bytes, flow: Flow) -> None:
        holder[0].send(data, flow)

    ours = await UdpSocket.bind(LOOPBACK, 0, back, lambda: None, lambda *_: None, Flood(Limits(datagrams_per_second=0)))
    ours.interface = Interface("UDP", *ours.address)
    holder.append(ours)
    ports: dict[str, int] = {"bare": bare.get_extra_info("sockname")[1], "ours": ours.address[1]}
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        for name, port in ports.items():
            rates[name].append(await rate(port, number))
    bare.close()
    ours.close()
    return median(rates["bare"]), median(rates["ours"])


async def rate(port: int, number: int) -> float:
    """Bursts that a blocking thread sends and counts; the thread's own time is not ours."""
    number = max(BURST, number)
    started = time.process_time()

    def play() -> float:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(5)
            end.connect((LOOPBACK, port))
            data = b"x" * SIZE
            before = time.thread_time()
            for _ in range(number // BURST):
                for _ in range(BURST):
                    end.send(data)
                for _ in range(BURST):
                    end.recv(SIZE)
            return time.thread_time() - before

    its_own = await asyncio.get_running_loop().run_in_executor(None, play)
    return number // BURST * BURST / (time.process_time() - started - its_own)
