"""Connect, hang up, and the calls that are going on."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.config import Config
from c2c_b2bua.service.errors import NotWhitelistedError, TooManyError, UnavailableError
from c2c_b2bua.service.history import History, encoder, history_id_at, shown
from c2c_b2bua.service.listing import GREGORIAN
from c2c_b2bua.service.originate import Connect, Plan, Planner
from c2c_b2bua.service.replays import DAY, Replays
from c2c_b2bua.service.routes import Trunk
from c2c_b2bua.storage.history import Accepted
from c2c_b2bua.throttle import Buckets

PATIENCE = 20.0
"""Seconds a blocking connect waits for the first leg."""
DRAINING_WAIT = 5.0


class CallEngine(Protocol):
    """What is needed of the engine."""

    def subscribe(self, listener: Callable[[CallNews], None]) -> None: ...
    def connect(self, order: CallOrder) -> None: ...
    def hang_up(self, call_id: str) -> bool: ...
    def now(self) -> float: ...
    @property
    def counts(self) -> dict[str, int]: ...


class LiveCall(msgspec.Struct, kw_only=True, eq=False):
    """A call that goes on; `outcome` is set when the first leg has answered or failed: "" or the cause."""

    history_id: str
    account_id: str
    document_id: str
    call_id: str
    contact: str
    accepted_at: float
    state: str = "dialling"
    trunks: tuple[Trunk, ...] = ()
    outcome: asyncio.Future[str] | None = None

    def shown(self) -> dict[str, Any]:
        """As a history item, with the state it is in."""
        return {
            "id": self.history_id,
            "timestamp": int(self.accepted_at) + GREGORIAN,
            "contact": self.contact,
            "call_id": self.call_id,
            "state": self.state,
        }


class Calls:
    """Every connect goes through here; while `draining`, none does."""

    def __init__(self, settings: Config, engine: CallEngine, history: History, planner: Planner) -> None:
        self.settings = settings
        self.engine = engine
        self.history = history
        self.planner = planner
        self.routes = planner.routes
        self.live: dict[str, LiveCall] = {}
        self.buckets = Buckets()
        self.contact_buckets = Buckets()
        self.replays = Replays()
        self.draining = False
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.accepted = 0
        self.bridged = 0
        engine.subscribe(self.hear)

    async def start(self) -> None:
        """Remember what was answered to idempotency keys before a restart."""
        for row in await self.history.store.replayable(history_id_at(self.engine.now() - DAY)):
            answer = row.reply.encode() if row.reply else encoder.encode(shown(row))
            key = f"{row.document_id}|{row.idempotency_key}"
            self.replays.remember(key, row.accepted_at, row.request_hash or "", answer)

    async def connect(self, request: Connect) -> bytes:
        """The answer's JSON, once the call is on disk and its first INVITE on the way; a ServiceError or StorageError.

        With `blocking`, once the first leg has answered or failed, or after PATIENCE.
        """
        try:
            if self.draining:
                raise UnavailableError("the service is stopping", DRAINING_WAIT)
            if request.idempotency_key is None:
                return await self.place(request)
            key = f"{request.document.id}|{request.idempotency_key}"
            now = self.engine.now()
            return await self.replays.once(key, request.fingerprint(), now, lambda: self.place(request))
        except Exception as error:
            self.refused[type(error).__name__.removesuffix("Error").lower()] += 1
            raise

    async def place(self, request: Connect) -> bytes:
        """Throttle, check, keep, ring: in this order, so that what is refused costs nothing and rings nobody."""
        now = self.engine.now()
        document = request.document
        if document.throttle:
            wait = self.buckets.take(document.id, document.throttle, document.throttle / 60, now)
            if wait:
                raise TooManyError("too many requests", wait)
        plan = self.planner.plan(request)
        if not document.admits(plan.contact.route):
            raise NotWhitelistedError(plan.contact.route)
        self.planner.find_routes(plan)
        self.check_limits(request, plan, now)
        token = secrets.token_hex(15)
        call_id = f"c2c-{document.id}-{token[:10]}"
        trunks = self.planner.take_trunks(plan, now)
        try:
            reply = request.render(plan, call_id)
            call = LiveCall(
                history_id=history_id_at(now) + token[10:],
                account_id=document.account_id,
                document_id=document.id,
                call_id=call_id,
                contact=plan.contact.route,
                accepted_at=now,
                trunks=trunks,
            )
            await self.keep(call, request, reply)
        except BaseException:
            release(trunks)
            raise
        self.live[call_id] = call
        self.accepted += 1
        if request.blocking:
            call.outcome = asyncio.get_running_loop().create_future()
        try:
            self.engine.connect(self.planner.order(plan, call_id))
        except BaseException:
            del self.live[call_id]
            release(trunks)
            self.history.give_up(call.history_id, call_id, now)
            raise
        return await self.outcome(call) if call.outcome else reply

    def check_limits(self, request: Connect, plan: Plan, now: float) -> None:
        """The limits that are not a click-to-call's own."""
        most, cooldown = self.settings.calls.max_calls, self.settings.calls.contact_cooldown
        if most and len(self.live) >= most:
            raise TooManyError("the service is at its limit of calls", 1.0)
        if cooldown and not request.trusted:
            key = f"{request.document.account_id}|{plan.contact.route}"
            if wait := self.contact_buckets.take(key, 1.0, 1 / cooldown, now):
                raise TooManyError("this contact was called just now", wait)

    async def keep(self, call: LiveCall, request: Connect, reply: bytes) -> None:
        """Put the call on disk; StorageError and nobody is rung."""
        row = Accepted(
            id=call.history_id,
            account_id=call.account_id,
            document_id=call.document_id,
            call_id=call.call_id,
            contact=call.contact,
            accepted_at=call.accepted_at,
        )
        if request.idempotency_key is not None:
            row.idempotency_key = request.idempotency_key
            row.request_hash = request.fingerprint()
            row.reply = None if request.blocking else reply.decode()
        try:
            await self.history.accept(row)
        except asyncio.CancelledError:
            self.history.give_up(row.id, row.call_id, row.accepted_at)
            raise
        if self.draining:
            self.history.give_up(row.id, row.call_id, row.accepted_at)
            raise UnavailableError("the service is stopping", DRAINING_WAIT)

    async def outcome(self, call: LiveCall) -> bytes:
        """The history item of a blocking connect, as it stands when the first leg has answered or failed."""
        assert call.outcome
        try:
            async with asyncio.timeout(PATIENCE):
                cause = await call.outcome
        except TimeoutError:
            cause = "timed out"
        item = call.shown()
        del item["state"]
        item["result"] = "error" if cause else "success"
        if cause:
            item["cause"] = cause
        return encoder.encode(item)

    def hear(self, news: CallNews) -> None:
        """What the engine tells of a call."""
        call = self.live.get(news.call_id)
        if call is None:
            return
        match news:
            case LegRinging(leg="a"):
                call.state = "ringing_a"
            case LegRinging():
                call.state = "ringing_b"
            case LegAnswered(leg="a"):
                call.state = "answered_a"
                settle(call, "")
            case CallBridged():
                call.state = "bridged"
                self.bridged += 1
            case CallEnded():
                del self.live[news.call_id]
                release(call.trunks)
                cause = news.record.cause or "NORMAL_TEMPORARY_FAILURE"
                self.ended[cause] += 1
                self.history.end(call.history_id, news.record)
                settle(call, cause)

    def hang_up(self, account_id: str, document_id: str, call_id: str) -> dict[str, Any] | None:
        """End a call that goes on; None when this click-to-call has no such."""
        call = self.live.get(call_id)
        if call is None or (call.account_id, call.document_id) != (account_id, document_id):
            return None
        item = call.shown()
        return item if self.engine.hang_up(call_id) else None

    def of(self, account_id: str, document_id: str) -> list[dict[str, Any]]:
        """The calls of a click-to-call that go on, newest first."""
        found = [c for c in self.live.values() if c.document_id == document_id and c.account_id == account_id]
        return [call.shown() for call in reversed(found)]


def settle(call: LiveCall, cause: str) -> None:
    """Tell a blocking connect, unless it knows already."""
    if call.outcome and not call.outcome.done():
        call.outcome.set_result(cause)


def release(trunks: tuple[Trunk, ...]) -> None:
    """Give back the places that a call had."""
    for trunk in trunks:
        trunk.calls -= 1
