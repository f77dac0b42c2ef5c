"""From the hop that a URI names to the targets it stands for, best first (RFC 3263 §4.1, §4.2; RFC 2782).

What has to be asked of DNS is yielded, the records are sent back in; nothing here knows a nameserver, a cache or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Literal

import msgspec

from c2c_b2bua.sip.flow import DEFAULT_PORTS, PREFERENCE, SECURE_TRANSPORTS, Hop, Target

MAX_RECORDS = 16
"""Records of one answer that are looked at: nobody makes us ask a thousand questions."""
MAX_TARGETS = 10
SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}
PREFIXES = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}


class Question(msgspec.Struct, frozen=True):
    """What DNS is asked."""

    name: str
    kind: Literal["NAPTR", "SRV", "A", "AAAA"]


class Naptr(msgspec.Struct, frozen=True):
    """Which services a domain has, and where their SRV records are (RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(msgspec.Struct, frozen=True):
    """One server of a service (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Address(msgspec.Struct, frozen=True):
    """An A or AAAA record."""

    address: str


Record = Naptr | Srv | Address
Answer = Sequence[Record]
Search = Generator[list[Question], list[Answer], list[Target]]
"""Yields questions that may be asked all at once, takes an answer to each; returns the targets."""
Kind = tuple[str, bool]
"""A transport, and whether over IPv6: what a socket of ours can do."""
Draw = Callable[[int], int]
"""A random number from 0 to `bound` - 1."""


def find_targets(hop: Hop, kinds: Sequence[Kind], draw: Draw) -> Search:
    """The targets of a hop for somebody with sockets of these kinds; `draw` is asked once for each choice by weight."""
    name = hop.host.rstrip(".").lower()
    if name == "invalid" or name.endswith(".invalid"):
        return []  # RFC 6761 §6.4; browsers write such Contacts (RFC 7118 §5.2): only their flow leads back
    spoken = [transport for transport in PREFERENCE if any(kind[0] == transport for kind in kinds)]
    if hop.transport is not None:
        spoken = [transport for transport in spoken if transport == hop.transport]
    elif hop.is_secure:
        spoken = [transport for transport in spoken if transport in SECURE_TRANSPORTS]
    if not spoken:
        return []
    if hop.port is not None:
        return (yield from addresses([(spoken[0], name, hop.port)], hop, kinds))
    services: list[tuple[str, str]] = []
    if hop.transport is None:
        (answer,) = yield [Question(name, "NAPTR")]
        services = services_of(answer, spoken)
    services = services or [(transport, PREFIXES[transport] + name) for transport in spoken]
    answers = yield [Question(service, "SRV") for _, service in services]
    servers: list[tuple[str, str, int]] = []
    for (transport, _), answer in zip(services, answers, strict=True):
        records = [record for record in answer if isinstance(record, Srv)]
        servers += [(transport, record.target, record.port) for record in in_order(records[:MAX_RECORDS], draw)]
    if not servers:
        servers = [(spoken[0], name, DEFAULT_PORTS[spoken[0]])]
    # A target of "." says that there is decidedly no such service (RFC 2782).
    servers = [(transport, target.rstrip(".").lower(), port) for transport, target, port in servers if target != "."]
    return (yield from addresses(servers[:MAX_RECORDS], hop, kinds))


def services_of(answer: Answer, spoken: list[str]) -> list[tuple[str, str]]:
    """The (transport, SRV name) of the services we speak, as the domain prefers them (§4.1)."""
    records = sorted(
        [record for record in answer if isinstance(record, Naptr)], key=lambda record: (record.order, record.preference)
    )
    found = []
    for record in records[:MAX_RECORDS]:
        transport = SERVICES.get(record.service.upper())
        if record.flags.lower() == "s" and transport in spoken and record.replacement.strip("."):
            found.append((transport, record.replacement.rstrip(".").lower()))
    return found


def in_order(records: list[Srv], draw: Draw) -> list[Srv]:
    """By priority, and within one by lot, a record of twice the weight being drawn twice as often (RFC 2782)."""
    ordered: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        # Those of weight 0 first, so that they have a small chance.
        left = sorted(
            [record for record in records if record.priority == priority], key=lambda record: record.weight > 0
        )
        while len(left) > 1:
            lot = draw(sum(record.weight for record in left) + 1)
            running = 0
            for record in left:
                running += record.weight
                if running >= lot:
                    break
            left.remove(record)
            ordered.append(record)
        ordered += left
    return ordered


def addresses(servers: list[tuple[str, str, int]], hop: Hop, kinds: Sequence[Kind]) -> Search:
    """The targets that (transport, host name, port) become, IPv4 before IPv6 where we have both (§4.2)."""
    questions: dict[Question, Answer] = {}
    for transport, name, _ in servers:
        if (transport, False) in kinds:
            questions[Question(name, "A")] = ()
        if (transport, True) in kinds:
            questions[Question(name, "AAAA")] = ()
    if questions:
        answers = yield list(questions)
        questions = dict(zip(questions, answers, strict=True))
    targets: dict[Target, None] = {}
    for transport, name, port in servers:
        proof = hop.host.rstrip(".").lower() if transport in SECURE_TRANSPORTS else ""
        for kind in ("A", "AAAA"):
            for record in questions.get(Question(name, kind), ()):
                if isinstance(record, Address) and (transport, ":" in record.address) in kinds:
                    targets[Target(transport, record.address, port, proof)] = None
    return list(targets)[:MAX_TARGETS]
