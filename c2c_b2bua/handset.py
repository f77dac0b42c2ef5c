"""A simulated phone on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from c2c_b2bua.config import Sip, Tls
from c2c_b2bua.phone import Manners, Phone, uri_of
from c2c_b2bua.registration.registration import Identity
from c2c_b2bua.shell import Shell
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action

NO_FILES = Tls()


class Handset(Shell):
    """Runs a `Phone`; `heard_of` gets its news. With `identity` it registers, and unregisters when it is stopped."""

    core: Phone

    def __init__(
        self,
        listen: str,
        manners: Manners,
        heard_of: Callable[[Action], None] | None = None,
        identity: Identity | None = None,
        tls: Tls = NO_FILES,
    ) -> None:
        super().__init__(Sip(listen=[listen], tls=tls), manners.user)
        self.manners = manners
        self.heard_of = heard_of
        self.identity = identity
        self.idle = asyncio.Event()

    def make_core(self, interfaces: Interfaces, tokens: Tokens) -> Phone:
        return Phone(interfaces, tokens, self.manners)

    async def start(self) -> None:
        await super().start()
        if self.identity is not None:
            self.carry_out(self.core.register(self.identity, self.now()))

    @property
    def uri(self) -> str:
        """Where it can be called."""
        return str(uri_of(self.manners.user, self.core.interfaces))

    def heard(self, news: Action) -> None:
        if self.heard_of is not None:
            self.heard_of(news)
        if self.core.is_idle:
            self.idle.set()

    async def stop(self, grace: float = 2.0) -> None:
        """Hang up what is still going on, unregister, and close."""
        self.idle.clear()
        self.carry_out(self.core.switch_off(self.now()))
        if not self.core.is_idle:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.idle.wait()
        await self.close_sockets()
