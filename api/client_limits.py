"""How much one client address may ask of one account, whatever the dialect: one bucket for all doors."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from c2c_b2bua import config
from c2c_b2bua.throttle import Buckets

LOG_IN = 35.0
"""What a log-in costs; anything else costs 1."""


class ClientLimits:
    """`rate_burst` tokens per client and account, `rate_per_second` new ones; none for those in `rate_exempt`."""

    def __init__(self, settings: config.Api) -> None:
        self.burst, self.rate = settings.rate_burst, settings.rate_per_second
        self.buckets = Buckets()
        networks = [ipaddress.ip_network(text) for text in settings.rate_exempt]

        @lru_cache(maxsize=4096)
        def is_exempt(client: str) -> bool:
            try:
                address = ipaddress.ip_address(client)
            except ValueError:
                return False
            return any(address in network for network in networks)

        self.is_exempt = is_exempt

    def wait(self, client: str, account_id: str, cost: float, now: float) -> float:
        """0.0 and `cost` is paid, or the seconds until it can be; `account_id` is empty where none is known yet."""
        if not self.burst or self.is_exempt(client):
            return 0.0
        return self.buckets.take(f"{client}|{account_id}", self.burst, self.rate, now, cost)

    def give_back(self, client: str, account_id: str, cost: float) -> None:
        """Some of what was paid."""
        if bucket := self.buckets.buckets.get(f"{client}|{account_id}"):
            bucket.full_at -= cost / bucket.per_second
