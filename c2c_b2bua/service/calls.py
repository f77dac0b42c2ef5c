"""Connect, hang up, and the calls that are going on."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegFailed, LegRerouted, LegRinging
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import CallRecord, EndedBy
from c2c_b2bua.config import Config
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.service.documents import ClickToCall
from c2c_b2bua.service.errors import NotWhitelistedError, TooManyError, UnavailableError
from c2c_b2bua.service.history import History, encoder, history_id, history_id_at, shown
from c2c_b2bua.service.live_call import NO_DETAILS, LiveCall
from c2c_b2bua.service.originate import Connect, Plan, Planner
from c2c_b2bua.service.pacing import Timer, WaitingRoom
from c2c_b2bua.service.replays import DAY, Replays
from c2c_b2bua.service.under_way import UnderWay
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.storage.database import StorageError
from c2c_b2bua.storage.write_ahead import Accepted, Replied
from c2c_b2bua.throttle import Buckets

PATIENCE = {"ringing": 2.0, "answered": 20.0}
"""Seconds a connect waits at most for the first leg to do this."""
DRAINING_WAIT = 5.0
MOST_LAG = 0.2
"""Seconds for which messages may have come faster than they are taken in, before no call is begun any more."""
BUSY_WAIT = 1.0
Later = Callable[[float, Callable[[], None]], Timer]
"""Call something after so many seconds."""

log = structlog.get_logger()


class CallEngine(Protocol):
    """What is needed of the engine."""

    def subscribe(self, listener: Callable[[CallNews], None]) -> None: ...
    def connect(self, order: CallOrder) -> None: ...
    async def rehearse(self, order: CallOrder) -> str: ...
    def hang_up(self, call_id: str) -> bool: ...
    def now(self) -> float: ...
    def lag(self) -> float: ...
    async def recount(self) -> None: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def kept(self) -> KeptCalls | None: ...


class Calls:
    """Every connect goes through here; while `draining`, none does."""

    def __init__(self, settings: Config, engine: CallEngine, history: History, planner: Planner, later: Later) -> None:
        self.settings = settings
        self.engine = engine
        self.history = history
        self.planner = planner
        self.routes = planner.routes
        self.live: dict[str, LiveCall] = {}
        self.active: Counter[str] = Counter()
        """Live calls of a click-to-call."""
        self.listeners: list[Callable[[LiveCall, CallNews], None]] = []
        """Told of everything that happens to a call, after it is known here."""
        self.buckets = Buckets()
        self.contact_buckets = Buckets()
        self.replays = Replays()
        self.tokens = Tokens(secrets.token_bytes(32))
        self.waiting = WaitingRoom(
            settings.calls.queue_size, settings.calls.queue_timeout, engine.now, later, self.start_waiting, self.give_up
        )
        self.draining = False
        self.under_way = UnderWay()
        self.idle = asyncio.Event()
        """Set when the last call that went on has ended."""
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.accepted = 0
        self.bridged = 0
        history.written = self.is_written
        engine.subscribe(self.hear)

    async def start(self) -> None:
        """Remember what was answered to idempotency keys before a restart."""
        for row in await self.history.store.replayable(history_id_at(self.engine.now() - DAY)):
            answer = row.reply.encode() if row.reply else encoder.encode(shown(row))
            key = f"{row.document_id}|{row.idempotency_key}"
            self.replays.remember(key, row.accepted_at, row.request_hash or "", answer)

    async def connect(self, request: Connect) -> bytes:
        """The answer's JSON, once the call is on disk and its first INVITE on the way; a ServiceError or StorageError.

        With `until`, once the first leg has come that far or failed, or after the patience for it.
        """
        try:
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
        if self.history.is_refused:
            await self.history.try_again()
        self.require_open()
        now = self.engine.now()
        request.account.require_enabled(now)
        self.throttle(request.document, now)
        plan = self.planner.plan(request)
        self.check_whitelist(plan)
        self.planner.find_routes(plan)
        self.check_limits(plan, now)
        call = self.admit(plan, now)
        try:
            reply = request.wording.accepted(plan, call)
            on_disk = self.keep(call, request, reply)
        except BaseException:
            self.waiting.leave(call)
            self.forget(call)
            raise
        self.accepted += 1
        if request.until != "accepted":
            call.outcome = asyncio.get_running_loop().create_future()
            call.settles_at = "ringing_a" if request.until == "ringing" else "answered_a"
        if call.state == "queued":
            self.waiting.ready(call)
        else:
            self.ring(call, plan)
        try:
            await on_disk
        except StorageError:
            if call.call_id in self.live:
                self.hang_up(call)
            raise
        return await self.outcome(call, request) if call.outcome else reply

    async def answered(self, call: LiveCall, request: Connect, answer: bytes) -> bytes:
        """The answer, once it is on disk where it may be asked for again; a disk that refuses it does not change it."""
        if request.idempotency_key is not None:
            try:
                await self.history.store.reply(Replied(id=call.history_id, reply=answer.decode()))
            except StorageError as error:
                log.warning("answer not kept", call_id=call.call_id, reason=str(error))
        return answer

    def ring(self, call: LiveCall, plan: Plan) -> None:
        """Make the call."""
        try:
            self.engine.connect(self.planner.order(plan, call.call_id))
        except BaseException:
            self.forget(call)
            self.history.give_up(call.history_id, call.call_id, call.accepted_at)
            raise

    # ── waiting for a trunk ──────────────────────────────────────────────────────────────────────────────────────

    def needs_to_wait(self, plan: Plan, now: float) -> bool:
        """False: all trunks it needs are taken. True: it may wait for them. TooManyError."""
        if self.waiting and plan.needs_trunk:
            self.waiting.require_space(self.routes.trunks.wait(now))
            return True
        try:
            self.planner.take_trunks(plan, now)
        except TooManyError as error:
            self.waiting.require_space(error.wait)
            return True
        return False

    def start_waiting(self, call: LiveCall, plan: Plan) -> float:
        """It is the turn of a call that waited: 0.0 and it is made, or the seconds after which to try again."""
        now = self.engine.now()
        try:
            self.planner.take_trunks(plan, now)
        except TooManyError as error:
            return error.wait
        call.takes(plan.ways)
        call.state = "dialling"
        try:
            self.ring(call, plan)
        except Exception:
            log.exception("a call that waited cannot be made", call_id=call.call_id)
            call.settle("NORMAL_TEMPORARY_FAILURE")
        return 0.0

    def give_up(self, call: LiveCall) -> None:
        """It waited in vain."""
        text = f"no trunk had a place within {self.settings.calls.queue_timeout:g} s"
        self.end_waiting(call, "timer", "NORMAL_CIRCUIT_CONGESTION", text)

    def end_waiting(self, call: LiveCall, ended_by: EndedBy, cause: str, text: str) -> None:
        """The end of a call of which nobody was rung."""
        now = self.engine.now()
        record = CallRecord(call_id=call.call_id, accepted_at=call.accepted_at, ended_at=now, ended_by=ended_by)
        record.cause, record.reason = cause, text
        self.hear(CallEnded(call.call_id, now, record))

    def drain(self) -> None:
        """No new calls; those that wait for a trunk are ended."""
        self.draining = True
        for call in self.waiting.close():
            self.end_waiting(call, "error", "NORMAL_TEMPORARY_FAILURE", "the service is stopping")

    # ── what has to be right ─────────────────────────────────────────────────────────────────────────────────────

    def require_open(self) -> None:
        """UnavailableError while draining, and while there is more to do for the calls that go on than can be done."""
        if self.draining:
            raise UnavailableError("the service is stopping", DRAINING_WAIT)
        if self.engine.lag() > MOST_LAG:
            raise UnavailableError("the service has more to do than it can", BUSY_WAIT)

    def throttle(self, document: ClickToCall, now: float) -> None:
        """A click-to-call's own limits; TooManyError."""
        if document.max_active and self.active[document.id] >= document.max_active:
            raise TooManyError("too many active calls of this click-to-call", 1.0)
        self.throttle_rate(document, now)

    def throttle_rate(self, document: ClickToCall, now: float) -> None:
        """How often a click-to-call may be used; TooManyError."""
        if document.throttle:
            wait = self.buckets.take(document.id, document.throttle, document.throttle / 60, now)
            if wait:
                raise TooManyError("too many requests", wait)

    def check_whitelist(self, plan: Plan) -> None:
        """NotWhitelistedError."""
        if not plan.request.document.admits(plan.contact.route):
            raise NotWhitelistedError(plan.contact.route)

    def admit(self, plan: Plan, now: float) -> LiveCall:
        """What the call is from here on; it counts."""
        document = plan.request.document
        has_to_wait = self.needs_to_wait(plan, now)
        token = self.tokens.token() + self.tokens.token()
        call = LiveCall(
            history_id=history_id(now, token[10:]),
            account_id=document.account_id,
            document_id=document.id,
            call_id=f"c2c-{document.id}-{token[:10]}",
            contact=plan.contact.route,
            extension=plan.extension.route,
            accepted_at=now,
            details=plan.request.details or NO_DETAILS,
        )
        if has_to_wait:
            call.state = "queued"
            call.expected_start = self.routes.trunks.next_start(self.waiting.enter(call, plan), now)
        elif plan.needs_trunk:
            call.takes(plan.ways)
        self.count_in(call)
        return call

    def count_in(self, call: LiveCall) -> None:
        """From here on the call counts."""
        self.live[call.call_id] = call
        self.active[call.document_id] += 1

    def forget(self, call: LiveCall) -> None:
        """The call counts no longer."""
        self.waiting.wake()
        del self.live[call.call_id]
        call.release()
        self.active[call.document_id] -= 1
        if not self.active[call.document_id]:
            del self.active[call.document_id]
        if not self.live:
            self.idle.set()

    async def until_idle(self) -> None:
        """Returns when no call goes on."""
        while self.live:
            self.idle.clear()
            await self.idle.wait()

    def check_limits(self, plan: Plan, now: float) -> None:
        """The limits that are not a click-to-call's own; TooManyError."""
        most, cooldown = self.settings.calls.max_calls, self.settings.calls.contact_cooldown
        if most and len(self.live) >= most:
            raise TooManyError("the service is at its limit of calls", 1.0)
        if cooldown and not plan.request.trusted:
            key = contact_key(plan)
            if wait := self.contact_buckets.take(key, 1.0, 1 / cooldown, now):
                raise TooManyError("this contact was called just now", wait)

    def keep(self, call: LiveCall, request: Connect, reply: bytes) -> asyncio.Future[None]:
        """Put the call where a killed process has it from; on disk when what is returned is done. StorageError."""
        row = Accepted(
            id=call.history_id,
            account_id=call.account_id,
            document_id=call.document_id,
            call_id=call.call_id,
            contact=call.contact,
            accepted_at=call.accepted_at,
        )
        if call.details:
            row.details = encoder.encode(call.details).decode()
        if request.idempotency_key is not None:
            row.idempotency_key = request.idempotency_key
            row.request_hash = request.fingerprint()
            row.reply = None if request.until == "answered" else reply.decode()
        return self.history.accept(row)

    async def outcome(self, call: LiveCall, request: Connect) -> bytes:
        """The answer to a connect that waits, as it stands when the first leg has come so far or failed."""
        assert call.outcome
        self.under_way.rest()
        try:
            async with asyncio.timeout(PATIENCE[request.until]):
                cause = await call.outcome
        except TimeoutError:
            cause = "timed out" if request.until == "answered" else ""
        finally:
            self.under_way.go_on()
        return await self.answered(call, request, request.wording.outcome(call, cause))

    def hear(self, news: CallNews) -> None:
        """What the engine tells of a call."""
        call = self.live.get(news.call_id)
        if call is None:
            if type(news) is CallEnded:
                self.is_written(news.call_id)
            return
        # By the type itself: to ask one class of msgspec after the other takes longer than what is then done.
        if type(news) is LegRinging:
            call.reaches("ringing_a" if news.leg == "a" else "ringing_b")
        elif type(news) is LegAnswered:
            if news.leg == "a" and call.state != "bridged":
                call.reaches("answered_a")
        elif type(news) is CallBridged:
            call.reaches("bridged")
            self.bridged += 1
        elif type(news) is CallEnded:
            self.forget(call)
            cause = news.record.cause or "NORMAL_TEMPORARY_FAILURE"
            self.ended[cause] += 1
            self.history.end(call.history_id, news.record)
            call.settle(cause)
        elif type(news) is LegRerouted:
            call.moves(news.leg, self.routes.trunks.by_name[news.trunk], news.at)
            self.waiting.wake()
        elif type(news) is LegFailed:
            self.routes.trunks.by_name[news.trunk].fail(news.why, news.is_local, news.at)
        for listener in self.listeners:
            listener(call, news)

    def is_written(self, call_id: str) -> None:
        """The record of a call is on disk, or nobody wants it."""
        if self.engine.kept is not None:
            self.engine.kept.forget(call_id)

    def find(self, account_id: str, call_id: str, document_id: str | None = None) -> LiveCall | None:
        """A call of this account that goes on, of this click-to-call if one is named."""
        call = self.live.get(call_id)
        if call is None or call.account_id != account_id or document_id not in (None, call.document_id):
            return None
        return call

    def hang_up(self, call: LiveCall) -> bool:
        """End a call that goes on; False when it is over by now."""
        if call.state == "queued":
            if not self.waiting.is_ready(call):
                return False
            self.waiting.leave(call)
            self.end_waiting(call, "api", "ORIGINATOR_CANCEL", "hung up before a trunk had a place")
            return True
        return self.engine.hang_up(call.call_id)

    def of(self, account_id: str, document_id: str | None = None) -> list[LiveCall]:
        """The calls of an account that go on, or of one of its click-to-calls, newest first."""
        found = [c for c in self.live.values() if c.account_id == account_id and document_id in (None, c.document_id)]
        return found[::-1]


def contact_key(plan: Plan) -> str:
    """What a contact's cool-down goes by."""
    return f"{plan.request.account.id}|{plan.contact.route}"
