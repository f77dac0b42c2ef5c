"""Events on their way to webhooks: one queue for each webhook, the events of a call one after the other, tried again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec
import structlog

from c2c_b2bua.config import Secret, Webhooks
from c2c_b2bua.service.events import CallEvent, decoded
from c2c_b2bua.service.webhook_client import Message
from c2c_b2bua.storage.database import StorageError
from c2c_b2bua.storage.webhooks import DeliveryRow, Outbox, WebhookStore

log = structlog.get_logger()
DISK_RETRY = 1.0
"""Seconds until an event is read again that the disk did not give."""

Rendered = Callable[[CallEvent], bytes]
"""The body of an event, in the dialect of those who registered webhooks."""


class Timer(Protocol):
    """Something that will happen later."""

    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


class Hook(msgspec.Struct, kw_only=True, eq=False):
    """A webhook; where it leads may change while events wait for it."""

    id: str
    account_id: str
    url: str
    secret: Secret


class Sender(Protocol):
    """What is needed of the client."""

    async def send(self, url: str, secret: Secret, message: Message, now: float) -> str: ...


class Counts(msgspec.Struct):
    """Since the start: events that arrived, tries that failed, events given up."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0


class Queue:
    """What waits for one webhook: `lines` by call, and in `ready` the calls whose first event may be sent now."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self.lines: dict[str, deque[DeliveryRow]] = {}
        self.ready: deque[str] = deque()
        self.timers: dict[str, Timer] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0

    def close(self) -> None:
        """Send nothing any more."""
        for timer in self.timers.values():
            timer.cancel()
        for task in self.tasks:
            task.cancel()
        self.timers.clear()
        self.ready.clear()


class Deliveries:
    """All queues. `now` gives seconds since 1970, `later` calls back after so many seconds."""

    def __init__(
        self,
        settings: Webhooks,
        store: WebhookStore,
        outbox: Outbox,
        now: Callable[[], float],
        later: Later,
    ) -> None:
        self.settings = settings
        self.store = store
        self.outbox = outbox
        self.now = now
        self.later = later
        self.queues: dict[str, Queue] = {}
        self.counts = Counts()
        self.rendered: Rendered | None = None
        self.sender: Sender | None = None
        self.idle = asyncio.Event()
        outbox.told = self.written

    @property
    def waiting(self) -> int:
        """Events that have neither arrived nor been given up."""
        return sum(queue.waiting for queue in self.queues.values())

    async def start(self, hooks: list[Hook], sender: Sender, spared: Collection[str] = ()) -> None:
        """Take over what a process before this one did not deliver; StorageError.

        `spared`: history ids of the calls of which a process that lives tells.
        """
        self.sender = sender
        for hook in hooks:
            self.open(hook)
        self.take_over([row for row in await self.store.waiting() if row.history_id not in spared])

    async def adopt(self, ids: Collection[str]) -> None:
        """The process that told of these calls is gone: what it has not delivered is ours; StorageError."""
        self.take_over([row for row in await self.store.waiting() if row.history_id in ids])

    @property
    def calls(self) -> set[str]:
        """History ids of the calls of which something is left to be told."""
        return {history_id for queue in self.queues.values() for history_id in queue.lines}

    def take_over(self, rows: list[DeliveryRow]) -> None:
        for row in rows:
            if queue := self.queues.get(row.webhook_id):
                queue.waiting += 1
                self.line_up(queue, row)
            else:
                self.outbox.settle(row.webhook_id, row.event_id)
        self.go_on()

    def speak(self, rendered: Rendered) -> None:
        """From now on there are words for events; before, they wait."""
        self.rendered = rendered
        self.go_on()

    def go_on(self) -> None:
        for queue in self.queues.values():
            self.advance(queue)

    async def stop(self, patience: float) -> None:
        """Finish what is being sent or could be at once, for at most `patience` seconds; the rest waits on disk."""
        try:
            async with asyncio.timeout(patience):
                while self.rendered and any(queue.tasks or queue.ready for queue in self.queues.values()):
                    self.idle.clear()
                    await self.idle.wait()
        except TimeoutError:
            log.info("webhooks are left for the next start", waiting=self.waiting)
        self.sender = None
        tasks = [task for queue in self.queues.values() for task in queue.tasks]
        for queue in self.queues.values():
            queue.close()
        if tasks:
            await asyncio.wait(tasks)

    def open(self, hook: Hook) -> None:
        """A new webhook, or the one of this id as it is now."""
        if queue := self.queues.get(hook.id):
            queue.hook = hook
        else:
            self.queues[hook.id] = Queue(hook)

    def close(self, hook: Hook) -> None:
        """The webhook is gone; what waits for it is dropped by whoever drops the webhook from the disk."""
        self.queues.pop(hook.id).close()

    def post(self, hook: Hook, event: CallEvent) -> None:
        """Have an event delivered; one for which there is no room is given up."""
        queue = self.queues[hook.id]
        if queue.waiting >= self.settings.max_waiting:
            self.counts.dropped += 1
            log.warning("event dropped: too many wait", webhook=hook.id, event_id=event.id, kind=event.kind)
            return
        queue.waiting += 1
        row = DeliveryRow(
            webhook_id=hook.id, event_id=event.id, history_id=event.history_id, event=event.encoded(), due_at=event.at
        )
        self.outbox.post(row)

    def written(self, rows: list[DeliveryRow]) -> None:
        """These are on disk: they may go."""
        for row in rows:
            if queue := self.queues.get(row.webhook_id):
                self.line_up(queue, msgspec.structs.replace(row, event=""))
                self.advance(queue)
            else:
                self.outbox.settle(row.webhook_id, row.event_id)

    def line_up(self, queue: Queue, row: DeliveryRow) -> None:
        """Behind the earlier events of its call."""
        line = queue.lines.get(row.history_id)
        if line is None:
            queue.lines[row.history_id] = deque([row])
            self.wait_for(queue, row)
        else:
            line.append(row)

    def wait_for(self, queue: Queue, row: DeliveryRow) -> None:
        """The first of its call goes now, or when it is due."""
        delay = row.due_at - self.now()
        if not row.attempts or delay <= 0:
            queue.ready.append(row.history_id)
        else:
            self.sleep(queue, row.history_id, delay)

    def sleep(self, queue: Queue, call: str, delay: float) -> None:
        """Let a call wait."""

        def wake() -> None:
            del queue.timers[call]
            queue.ready.append(call)
            self.advance(queue)

        queue.timers[call] = self.later(delay, wake)

    def advance(self, queue: Queue) -> None:
        """Send what may be sent, to this webhook no more at a time than it can bear."""
        if self.rendered is None or self.sender is None:
            return
        while queue.ready and len(queue.tasks) < self.settings.concurrency:
            row = queue.lines[queue.ready.popleft()][0]
            task = asyncio.ensure_future(self.deliver(queue, row, self.sender, self.rendered))
            queue.tasks.add(task)
            task.add_done_callback(lambda done: self.done(queue, done))

    def done(self, queue: Queue, task: asyncio.Task[None]) -> None:
        """There is room for another."""
        queue.tasks.discard(task)
        if not task.cancelled():
            self.advance(queue)
        self.idle.set()

    async def deliver(self, queue: Queue, row: DeliveryRow, sender: Sender, rendered: Rendered) -> None:
        """One try, and what follows from it."""
        try:
            text = await self.store.event(row.webhook_id, row.event_id)
        except StorageError as error:
            log.warning("event not read", webhook=row.webhook_id, event_id=row.event_id, reason=str(error))
            self.sleep(queue, row.history_id, DISK_RETRY)
            return
        if text is None:  # It was posted twice, once by a process that was killed then, and has arrived.
            self.settle(queue, row)
            return
        problem = await self.attempt(queue.hook, text, sender, rendered)
        if problem:
            self.try_again(queue, row, problem)
        else:
            self.counts.delivered += 1
            self.settle(queue, row)

    def try_again(self, queue: Queue, row: DeliveryRow, problem: str) -> None:
        """Later, unless this was the last try."""
        self.counts.failed += 1
        retries = self.settings.retries
        if row.attempts < len(retries):
            delay = retries[row.attempts]
            again = msgspec.structs.replace(row, attempts=row.attempts + 1, due_at=self.now() + delay)
            log.info(
                "event not delivered", webhook=row.webhook_id, event_id=row.event_id, reason=problem, again_in=delay
            )
            queue.lines[row.history_id][0] = again
            self.outbox.postpone(again)
            self.sleep(queue, row.history_id, delay)
        else:
            self.counts.dropped += 1
            log.warning(
                "event dropped: every try failed", webhook=row.webhook_id, event_id=row.event_id, reason=problem
            )
            self.settle(queue, row)

    async def attempt(self, hook: Hook, text: str, sender: Sender, rendered: Rendered) -> str:
        """`""` when it arrived, else why not."""
        try:
            event = decoded(text)
            message = Message(event.id, event.sequence, rendered(event))
            return await sender.send(hook.url, hook.secret, message, self.now())
        except Exception as error:
            log.exception("event not sent", webhook=hook.id)
            return type(error).__name__

    def settle(self, queue: Queue, row: DeliveryRow) -> None:
        """This one is over: the next of its call may go."""
        queue.waiting -= 1
        self.outbox.settle(row.webhook_id, row.event_id)
        line = queue.lines[row.history_id]
        line.popleft()
        if line:
            self.wait_for(queue, line[0])
        else:
            del queue.lines[row.history_id]
