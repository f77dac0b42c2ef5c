"""Carriers: what each wants to see, how busy we keep it, and which one a call takes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

import msgspec
import re2

from c2c_b2bua import config
from c2c_b2bua.numbers import formatted, normalized
from c2c_b2bua.registration.trunk import TrunkChanged
from c2c_b2bua.service.errors import TooManyError
from c2c_b2bua.service.identity import Identity, present
from c2c_b2bua.service.pace import Pace
from c2c_b2bua.sip.reason import Why

PROXY_PARTS = re.compile(r"sips?:(?:[^@]*@)?(?P<host>\[[^\]]*\]|[^:;]+)(?P<port>:\d+)?")
UNLIMITED = 1 << 30
BUSY = 1.0
"""Seconds after which a trunk that has all the calls it takes is asked again."""


class Trunk:
    """A carrier, and how busy we keep it."""

    def __init__(self, settings: config.Trunk, country: str) -> None:
        parts = PROXY_PARTS.match(settings.proxy)
        assert parts
        self.settings = settings
        self.name = settings.name
        self.host = parts["host"]
        self.host_port = parts["host"] + (parts["port"] or "")
        self.scheme = settings.proxy.partition(":")[0]
        self.status = TrunkChanged(settings.name, 0.0)
        self.calls = 0
        """That are on it, or about to be."""
        self.failed: Counter[tuple[int | None, str]] = Counter()
        """Legs that it did not get answered, by SIP code and cause."""
        self.hotlines: dict[str, str] = {}
        """However a hotline may be written → as the operator wrote it."""
        for hotline in settings.hotlines:
            self.hotlines |= dict.fromkeys(spellings(hotline, country), hotline)
        self.pace = Pace(settings.calls_per_second)
        self.country = country
        self.rules = [(re2.compile(rule.match), rule.replace) for rule in settings.rewrite]

    @property
    def is_up(self) -> bool:
        """Whether calls go by it while there are others: nothing is known against it."""
        return self.status.is_registered is not False and self.status.is_there is not False

    @property
    def is_full(self) -> bool:
        """It has all the calls it takes."""
        return bool(self.settings.max_calls) and self.calls >= self.settings.max_calls

    @property
    def free(self) -> int:
        """How many more calls it takes."""
        return max(0, self.settings.max_calls - self.calls) if self.settings.max_calls else UNLIMITED

    def is_open(self, now: float) -> bool:
        """Whether a call may come over from another trunk that failed, be the pace what it will."""
        return not self.is_full and self.pace.paused_until <= now

    def wait(self, now: float) -> float:
        """0.0, or the seconds after which asking for a place again makes sense."""
        return BUSY if self.is_full else self.pace.wait(now)

    def take(self, now: float) -> None:
        """One more call."""
        self.calls += 1
        self.pace.take(now)

    def release(self) -> None:
        """One call less."""
        self.calls -= 1

    def fail(self, why: Why, is_local: bool, now: float) -> None:
        """A leg came to nothing; `is_local`: not by the trunk's own word."""
        self.failed[why.sip_code, why.cause] += 1
        if why.sip_code == 503 and not is_local:
            self.pace.refused(now, why.retry_after)

    def dialled(self, number: str) -> str:
        """A number as this carrier wants it dialled: its format, then the prefixes or the first rule that matches."""
        settings = self.settings
        number = formatted(number, settings.number_format, self.country)
        for pattern, replacement in self.rules:
            if found := pattern.search(number):
                return str(number[: found.start()] + found.expand(replacement) + number[found.end() :])
        return settings.prefix_add + number.removeprefix(settings.prefix_strip)

    def caller(self, number: str) -> str:
        """The caller id that is presented: one of the hotlines, if there are some, in this carrier's format."""
        if self.hotlines:
            number = self.hotlines.get(number) or self.settings.hotlines[0]
        if not self.settings.number_format:
            return number
        return formatted(normalized(number, self.country), self.settings.number_format, self.country)

    def present(self, number: str, name: str) -> Identity:
        """What an INVITE by this trunk says of a caller."""
        return present(self.settings, self.host, self.caller(number), name)


class Way(msgspec.Struct, frozen=True):
    """A place on a trunk, and the trunks to be tried should that one fail."""

    trunk: Trunk
    others: tuple[Trunk, ...] = ()


class Trunks:
    """All of them, in the order of the file."""

    def __init__(self, settings: config.Config) -> None:
        self.all = [Trunk(trunk, settings.numbers.country) for trunk in settings.trunk]
        self.by_name = {trunk.name: trunk for trunk in self.all}

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Trunk:
        return self.all[index]

    def for_caller(self, number: str) -> list[Trunk]:
        """Those a call may take, best first: with this caller id before others, and those that are down only if all are."""
        trunks = self.all if len(self.all) == 1 else [trunk for trunk in self.all if trunk.is_up] or self.all
        if any(trunk.hotlines for trunk in trunks):
            trunks = sorted(trunks, key=lambda trunk: number not in trunk.hotlines)
        return trunks

    def take(self, callers: list[str | None], now: float) -> tuple[Way | None, ...]:
        """A place for each leg that needs one, in the order in which they are rung; None: it does not.

        TooManyError when there is none, and then none is held. Only the first leg has to keep the pace: nobody knows
        when the next one is rung.
        """
        ways: list[Way | None] = []
        is_first = True
        for caller in callers:
            if caller is None:
                ways.append(None)
                continue
            way = self.find(caller, is_first, now)
            if isinstance(way, float):
                give_back(ways)
                raise TooManyError("every trunk is at its limit of calls", way)
            way.trunk.take(now)
            is_first = False
            ways.append(way)
        return tuple(ways)

    def wait(self, now: float) -> float:
        """Seconds until one of them has a place."""
        return min(trunk.wait(now) for trunk in self.all) or BUSY

    def best(self, callers: list[str | None]) -> tuple[Way | None, ...]:
        """The ways as if every trunk had a place; none is taken."""
        found = [self.for_caller(caller) if caller is not None else None for caller in callers]
        return tuple(Way(trunks[0], tuple(trunks[1:])) if trunks else None for trunks in found)

    def next_start(self, ahead: int, now: float) -> float | None:
        """When a call is made that has so many before it, if nobody hangs up; None: somebody has to."""
        trunks = [trunk for trunk in self.all if trunk.is_up] or self.all
        starts = [at for trunk in trunks for at in trunk.pace.starts(now, min(trunk.free, ahead + 1))]
        return sorted(starts)[ahead] if len(starts) > ahead else None

    def find(self, caller: str, is_paced: bool, now: float) -> Way | float:
        """The way of a leg, or the seconds after which asking again makes sense."""
        shortest = math.inf
        found = None
        trunks = self.for_caller(caller)
        for trunk in trunks:
            wait = trunk.wait(now)
            if not wait:
                found = trunk
                break
            shortest = min(shortest, wait)
        others = [] if len(trunks) == 1 else [trunk for trunk in trunks if trunk is not found and trunk.is_open(now)]
        if found is None and not is_paced:
            found = next((trunk for trunk in trunks if trunk.is_open(now)), None)
            others = others[1:]
        return Way(found, tuple(others)) if found else shortest


def give_back(ways: list[Way | None] | tuple[Way | None, ...]) -> None:
    """Nobody goes these ways after all."""
    for way in ways:
        if way:
            way.trunk.release()
            way.trunk.pace.give_back()


def spellings(number: str, country: str) -> set[str]:
    """A number as it stands, as it is dialled, and as that without its plus."""
    full = normalized(number, country)
    return {number, number.removeprefix("+"), full, full.removeprefix("+")}
