"""DNS: asks what finding the next hop has to know, and remembers the answers for as long as they say (RFC 3263 §4).

The way from a name to its targets is `sip/next_hop.py`; `/etc/hosts` goes before DNS, as everywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import structlog

from c2c_b2bua.config import nameserver
from c2c_b2bua.sip.flow import Hop, Target
from c2c_b2bua.sip.next_hop import Address, Answer, Draw, Kind, Naptr, Question, Record, Srv, find_targets

TRY, LIFETIME = 1.5, 4.0
"""Seconds for one nameserver, and for the whole question."""
NEGATIVE = 30.0
"""Seconds that "there is none" is remembered, at most."""
FAILURE = 5.0
"""Seconds in which nameservers that failed are not asked the same again."""
LONGEST = 3600.0
MAX_REMEMBERED = 10_000
HOSTS = Path("/etc/hosts")
LOCALHOST = {"A": "127.0.0.1", "AAAA": "::1"}

log = structlog.get_logger()


class Resolver:
    """Answers from memory where it can; several who ask the same at once share the question.

    `nameservers` are `address` or `address:port`; without any it is the system's.
    """

    def __init__(self, nameservers: Sequence[str] = (), draw: Draw = secrets.randbelow, hosts: Path = HOSTS) -> None:
        self.nameservers = nameservers
        self.draw = draw
        self.hosts = hosts
        self.hosts_time = -1.0
        self.hosts_table: dict[tuple[str, str], list[Record]] = {}
        self.known: dict[Question, tuple[float, Answer]] = {}
        self.asking: dict[Question, asyncio.Future[Answer]] = {}
        self.dns: dns.asyncresolver.Resolver | None = None

    def recall(self, hop: Hop, kinds: Sequence[Kind]) -> list[Target] | None:
        """The targets of a hop, if all that leads to them is remembered."""
        search = find_targets(hop, kinds, self.draw)
        now = time.monotonic()
        try:
            questions = next(search)
            while True:
                remembered = [self.known.get(question, (0.0, ())) for question in questions]
                if any(until <= now for until, _ in remembered):
                    return None
                questions = search.send([answer for _, answer in remembered])
        except StopIteration as end:
            return list(end.value)

    async def targets(self, hop: Hop, kinds: Sequence[Kind]) -> list[Target]:
        """The targets of a hop, best first; empty: it has none, or nobody answered."""
        search = find_targets(hop, kinds, self.draw)
        try:
            questions = next(search)
            while True:
                questions = search.send(await asyncio.gather(*map(self.answer, questions)))
        except StopIteration as end:
            return list(end.value)

    async def answer(self, question: Question) -> Answer:
        until, answer = self.known.get(question, (0.0, ()))
        if until > time.monotonic():
            return answer
        asked = self.asking.get(question)
        if asked is None:
            asked = self.asking[question] = asyncio.ensure_future(self.ask(question))
        return await asyncio.shield(asked)

    async def ask(self, question: Question) -> Answer:
        """The answer of /etc/hosts or DNS, remembered; failures and missing names are empty."""
        try:
            answer, seconds = self.look_up(question), FAILURE
            if not answer:
                answer, seconds = await self.query(question)
        finally:
            self.asking.pop(question, None)
        if len(self.known) >= MAX_REMEMBERED:
            self.known.clear()
        self.known[question] = (time.monotonic() + seconds, answer)
        return answer

    async def query(self, question: Question) -> tuple[Answer, float]:
        """What DNS says, and for how many seconds it may be remembered."""
        kind = question.kind
        has_search_list = kind in ("A", "AAAA") and "." not in question.name
        try:
            if self.dns is None:
                self.dns = make_resolver(self.nameservers)
            found = await self.dns.resolve(question.name, kind, raise_on_no_answer=False, search=has_search_list)
        except dns.resolver.NXDOMAIN:
            return (), NEGATIVE
        except (dns.exception.DNSException, OSError) as error:
            log.warning("no answer from DNS", name=question.name, kind=kind, reason=str(error))
            return (), FAILURE
        seconds = float(found.chaining_result.minimum_ttl)
        records = [record_of(kind, entry) for entry in found.rrset or ()]
        return records, min(seconds, LONGEST if records else NEGATIVE)

    def look_up(self, question: Question) -> Answer:
        """What /etc/hosts says; it is read again when it has changed."""
        if question.kind not in ("A", "AAAA"):
            return ()
        with contextlib.suppress(OSError):
            changed = self.hosts.stat().st_mtime
            if changed != self.hosts_time:
                self.hosts_table = read_hosts(self.hosts.read_text(errors="replace"))
                self.hosts_time = changed
        found = self.hosts_table.get((question.name, question.kind), [])
        if not found and (question.name == "localhost" or question.name.endswith(".localhost")):
            return [Address(LOCALHOST[question.kind])]  # RFC 6761 §6.3
        return found

    def close(self) -> None:
        for asked in list(self.asking.values()):
            asked.cancel()


def make_resolver(nameservers: Sequence[str]) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*nameserver(text)) for text in nameservers]
    resolver.timeout, resolver.lifetime = TRY, LIFETIME
    return resolver


def record_of(kind: str, entry: Any) -> Record:
    """A record as the next hop wants it."""
    match kind:
        case "NAPTR":
            flags, service = entry.flags.decode("ascii", "replace"), entry.service.decode("ascii", "replace")
            return Naptr(entry.order, entry.preference, flags, service, entry.replacement.to_text())
        case "SRV":
            return Srv(entry.priority, entry.weight, entry.port, entry.target.to_text())
    return Address(entry.address)


def read_hosts(text: str) -> dict[tuple[str, str], list[Record]]:
    """(name, A or AAAA) -> addresses."""
    table: dict[tuple[str, str], list[Record]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            kind = "AAAA" if ":" in address else "A"
            table.setdefault((name.lower().rstrip("."), kind), []).append(Address(address.partition("%")[0]))
    return table
