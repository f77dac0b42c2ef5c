"""A simulated wire: machines that talk SIP, joined by latency, loss, duplication and reordering drawn from a seed.

Nothing waits: the clock jumps from event to event. What crossed the wire is kept as a ladder.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.transaction.actions import Action, Send
from c2c_b2bua.transaction.layer import TransactionLayer


def interfaces_at(port: int, user: str = "c2c", host: str = "192.0.2.1") -> Interfaces:
    return Interfaces([Interface("UDP", host, port, 0, user), Interface("TCP", host, port, 1, user)])


class Wire:
    """Carries datagrams between machines known by port; `loss` and `duplication` are probabilities."""

    def __init__(self, seed: int = 0, loss: float = 0.0, duplication: float = 0.0, jitter: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.duplication = duplication
        self.jitter = jitter
        self.latency = 0.001
        self.now = 0.0
        self.machines: dict[int, TransactionLayer] = {}
        self.names: dict[int, str] = {}
        self.queue: list[tuple[float, int, int, int, bytes]] = []
        self.count = 0
        self.ladder: list[str] = []
        self.keep_ladder = False
        self.news: Callable[[int, Action], None] = lambda port, news: None

    def add(self, port: int, name: str, machine: TransactionLayer) -> None:
        self.machines[port] = machine
        self.names[port] = name

    def carry(self, port: int, actions: list[Action]) -> None:
        """Take what a machine puts out."""
        for action in actions:
            if isinstance(action, Send):
                self.send(port, action)
            else:
                self.news(port, action)

    def send(self, port: int, action: Send) -> None:
        lost = self.random.random() < self.loss
        if self.keep_ladder:
            start = action.data.split(b"\r\n", 1)[0].decode()
            mark = "  lost" if lost else ""
            line = f"{self.now:8.3f} {self.names[port]} -> {self.names[action.flow.port]} {start}{mark}"
            self.ladder.append(line)
        copies = 0 if lost else 2 if self.random.random() < self.duplication else 1
        for _ in range(copies):
            self.count += 1
            at = self.now + self.latency + self.random.random() * self.jitter
            heapq.heappush(self.queue, (at, self.count, port, action.flow.port, action.data))

    def step(self) -> bool:
        """Go to the next event; False when nothing will ever happen again."""
        due = (
            min((at, port) for port, machine in self.machines.items() if (at := machine.next_due) is not None)
            if any(machine.next_due is not None for machine in self.machines.values())
            else None
        )
        if self.queue and (due is None or self.queue[0][0] <= due[0]):
            at, _, source, target, data = heapq.heappop(self.queue)
            self.now = max(self.now, at)
            machine = self.machines[target]
            flow = Flow(machine.interfaces.interfaces[0], "192.0.2.1", source)
            self.carry(target, machine.receive(data, flow, self.now))
            return True
        if due is None:
            return False
        self.now = max(self.now, due[0])
        self.carry(due[1], self.machines[due[1]].tick(self.now))
        return True

    def run(self, until: float | None = None) -> None:
        while (until is None or self.now < until) and self.step():
            pass
