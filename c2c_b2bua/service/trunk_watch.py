"""How it stands with each trunk: registered or not, there or not, and why; said in the log whenever it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import structlog

from c2c_b2bua.registration.registration import Identity
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkOrder
from c2c_b2bua.service.identity import as_user
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.service.trunks import Trunk, Trunks

log = structlog.get_logger()


class TrunkEngine(Protocol):
    """What is needed of the engine."""

    def watch(self, orders: Iterable[TrunkOrder]) -> None: ...
    def subscribe_trunks(self, listener: Callable[[TrunkChanged], None]) -> None: ...


class TrunkWatch:
    """Has the engine register with trunks and ask for them, and keeps what it tells."""

    def __init__(self, trunks: Trunks, engine: TrunkEngine) -> None:
        self.trunks = trunks
        self.engine = engine
        self.heard: list[Callable[[], None]] = []
        """Called when a trunk has come up or gone down."""
        engine.subscribe_trunks(self.hear)

    def start(self) -> None:
        """From now on until the engine closes."""
        self.engine.watch([order for trunk in self.trunks if (order := order_of(trunk))])

    def hear(self, news: TrunkChanged) -> None:
        """What the engine tells of a trunk."""
        trunk = self.trunks.by_name[news.trunk]
        before, trunk.status = trunk.status, news
        if (before.is_registered, before.is_there, before.reason) != (news.is_registered, news.is_there, news.reason):
            tell = log.info if trunk.is_up else log.warning
            tell(
                f"trunk {state_of(trunk)}",
                trunk=trunk.name,
                reason=news.reason or None,
                again_at=timestamp(news.again_at),
            )
        for listener in self.heard:
            listener()


def order_of(trunk: Trunk) -> TrunkOrder | None:
    """What the engine shall do with a trunk besides calls."""
    settings = trunk.settings
    if not settings.register and not settings.options_interval:
        return None
    domain = settings.from_host or trunk.host
    user = settings.from_user or settings.username or "c2c"
    identity = None
    if settings.register:
        identity = Identity(
            user=as_user(settings.username),
            domain=domain,
            registrar=settings.registrar or settings.proxy,
            username=settings.username,
            password=str(settings.password),
            expires=settings.register_expires,
        )
    return TrunkOrder(
        trunk=trunk.name,
        proxy=settings.proxy,
        from_uri=f"sip:{as_user(user)}@{domain}",
        identity=identity,
        options_interval=settings.options_interval,
    )


def state_of(trunk: Trunk) -> str:
    """In one word."""
    status = trunk.status
    if status.is_registered is False:
        return "not registered"
    if status.is_there is False:
        return "down"
    if status.is_registered:
        return "registered"
    return "up" if status.is_there else "unknown"


def summary(trunk: Trunk, now: float) -> dict[str, Any]:
    """For any account that calls by it: what a call of its own would find out."""
    is_available = trunk.is_up and not trunk.wait(now)
    return {"id": trunk.name, "name": trunk.name, "state": state_of(trunk), "available": is_available}


def shown(trunk: Trunk, priority: int, now: float) -> dict[str, Any]:
    """For whoever may see it all: nothing that a carrier trusts us with. `priority`: its place in the file."""
    status, settings = trunk.status, trunk.settings
    return {
        **summary(trunk, now),
        "priority": priority,
        "proxy": settings.proxy,
        "reason": status.reason or None,
        "since": timestamp(status.at) if status.at else None,
        "registered": status.is_registered,
        "registered_until": timestamp(status.until),
        "next_try": timestamp(status.again_at),
        "answers_options": status.is_there,
        "calls": trunk.calls,
        "max_calls": settings.max_calls,
        "calls_per_second": trunk.pace.rate_at(now),
        "paused_until": timestamp(trunk.pace.paused_until) if trunk.pace.paused_until > now else None,
        "hotlines": settings.hotlines,
    }
