"""A simulated phone on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from c2c_b2bua.config import Listen
from c2c_b2bua.engine import Shell
from c2c_b2bua.phone import Manners, Phone, PhoneNews, uri_of
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action


class Handset(Shell):
    """Runs a `Phone`; `heard_of` gets its news."""

    core: Phone

    def __init__(self, listen: str, manners: Manners, heard_of: Callable[[PhoneNews], None] | None = None) -> None:
        super().__init__([Listen.parse(listen)], user=manners.user)
        self.manners = manners
        self.heard_of = heard_of
        self.idle = asyncio.Event()

    def make_core(self, interfaces: Interfaces, tokens: Tokens) -> Phone:
        return Phone(interfaces, tokens, self.manners)

    @property
    def uri(self) -> str:
        """Where it can be called."""
        return str(uri_of(self.manners.user, self.core.interfaces))

    def heard(self, news: Action) -> None:
        if isinstance(news, PhoneNews) and self.heard_of is not None:
            self.heard_of(news)
        if not self.core.calls:
            self.idle.set()

    async def stop(self, grace: float = 2.0) -> None:
        """Hang up what is still going on, and close."""
        if self.core.calls:
            self.idle.clear()
            self.carry_out(self.core.hang_up_all(self.now()))
            try:
                async with asyncio.timeout(grace if self.core.calls else 0):
                    await self.idle.wait()
            except TimeoutError:
                pass
        await self.close_sockets()
