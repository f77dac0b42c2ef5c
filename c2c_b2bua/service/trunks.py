"""Carriers: what each wants to see, and how busy we keep it."""

from __future__ import annotations

import re

from c2c_b2bua import config
from c2c_b2bua.numbers import normalized
from c2c_b2bua.throttle import TokenBucket

PROXY_PARTS = re.compile(r"sips?:(?:[^@]*@)?(?P<host>\[[^\]]*\]|[^:;]+)(?P<port>:\d+)?")


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
        self.calls = 0
        self.hotlines: dict[str, str] = {}
        """However a hotline may be written → as the operator wrote it."""
        for hotline in settings.hotlines:
            self.hotlines |= dict.fromkeys(spellings(hotline, country), hotline)
        rate = settings.calls_per_second
        self.pace = TokenBucket(max(1.0, rate), rate) if rate else None

    def wait(self, now: float) -> float:
        """0.0 and a place is taken, or the seconds after which asking again makes sense."""
        if self.settings.max_calls and self.calls >= self.settings.max_calls:
            return 1.0
        if self.pace and (wait := self.pace.take(now)):
            return wait
        self.calls += 1
        return 0.0

    def caller(self, number: str) -> str:
        """The user part of From: what the carrier wants to see."""
        if self.settings.from_user:
            return self.settings.from_user
        if not self.hotlines:
            return number
        return self.hotlines.get(number) or self.settings.hotlines[0]


def spellings(number: str, country: str) -> set[str]:
    """A number as it stands, as it is dialled, and as that without its plus."""
    full = normalized(number, country)
    return {number, number.removeprefix("+"), full, full.removeprefix("+")}
