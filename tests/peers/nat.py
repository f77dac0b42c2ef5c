"""A router that masquerades, with a phone's network behind it: namespaces, veth pairs, iptables; root is needed.

    this machine 10.203.N.1 ── 10.203.N.2 router 192.168.M.1 ── 192.168.M.10 phones

From outside only the control ports that were opened are let in; all else has to be an answer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count
from typing import Self

from tests.side_by_side import PROCESS, part

INSIDE, ROUTER = f"192.168.{77 + PROCESS}.10", f"192.168.{77 + PROCESS}.1"
"""This machine has a route to the phones, for their control ports alone."""
NUMBERS = part(0, 250)
numbers = count(os.getpid())


class UnavailableError(Exception):
    """This machine lets nobody make a network."""


class Nat:
    """`with Nat() as nat`: `nat.outside` is our address as the phones see it, `nat.prefix` runs a command among them."""

    def __init__(self) -> None:
        number = NUMBERS[next(numbers) % len(NUMBERS)]
        self.outside, self.public = f"10.203.{number}.1", f"10.203.{number}.2"
        self.router, self.inside = f"c2c-router-{os.getpid()}-{number}", f"c2c-phones-{os.getpid()}-{number}"
        self.link = f"c2c{os.getpid() % 10**6}n{number}"
        self.prefix = ("ip", "netns", "exec", self.inside)

    def __enter__(self) -> Self:
        if os.geteuid() or not shutil.which("ip") or not shutil.which("iptables"):
            raise UnavailableError("needs root, ip and iptables (Debian: iproute2 iptables)")
        try:
            self.build()
        except UnavailableError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for words in (f"netns del {self.inside}", f"netns del {self.router}", f"link del {self.link}"):
            subprocess.run(["ip", *words.split()], capture_output=True, check=False)

    def build(self) -> None:
        run(f"ip netns add {self.router}")
        run(f"ip netns add {self.inside}")
        run(f"ip link add {self.link} type veth peer name wan netns {self.router}")
        run(f"ip addr add {self.outside}/30 dev {self.link}")
        run(f"ip link set dev {self.link} up")
        run(f"ip -n {self.router} addr add {self.public}/30 dev wan")
        run(f"ip -n {self.router} link set dev wan up")
        run(f"ip -n {self.router} link add name lan type veth peer name eth0 netns {self.inside}")
        run(f"ip -n {self.router} addr add {ROUTER}/24 dev lan")
        run(f"ip -n {self.router} link set dev lan up")
        run(f"ip -n {self.inside} addr add {INSIDE}/24 dev eth0")
        run(f"ip -n {self.inside} link set dev eth0 up")
        run(f"ip -n {self.inside} link set dev lo up")
        run(f"ip -n {self.inside} route add default via {ROUTER}")
        run(f"ip netns exec {self.router} sysctl -qw net.ipv4.ip_forward=1")
        # Other ports than the phones', as a router of a provider gives them.
        self.rule("-t nat -A POSTROUTING -o wan -j MASQUERADE --random")
        self.rule("-A FORWARD -i wan -m state --state NEW -j DROP")

    def open(self, port: int, protocol: str = "tcp") -> None:
        """Let packets in to this port of the phones' address, and have them find their way."""
        self.rule(f"-I FORWARD -i wan -p {protocol} --dport {port} -j ACCEPT")
        run(f"ip route replace {INSIDE}/32 via {self.public}")

    def shrink(self, mtu: int) -> None:
        """Let no longer packet through to the phones, and tell nobody."""
        run(f"ip -n {self.router} link set dev lan mtu {mtu}")
        run(f"ip -n {self.inside} link set dev eth0 mtu {mtu}")
        self.rule("-A OUTPUT -p icmp -j DROP")

    def rule(self, words: str) -> None:
        run(f"ip netns exec {self.router} iptables {words}")


def run(words: str) -> None:
    done = subprocess.run(words.split(), capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise UnavailableError(f"{words}: {done.stderr.strip()}")
