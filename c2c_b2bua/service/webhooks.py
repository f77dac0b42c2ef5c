"""Who wants to be told of an account's calls, and what of them there is to tell."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from yarl import URL

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegRinging
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.config import Secret
from c2c_b2bua.config import Webhooks as Settings
from c2c_b2bua.numbers import CONTROL
from c2c_b2bua.service.deliveries import Deliveries, Hook, Later, Rendered
from c2c_b2bua.service.errors import InvalidError, UnknownError
from c2c_b2bua.service.events import KINDS, CallEvent, Kind
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.transactions import Extensions, details_of
from c2c_b2bua.service.webhook_client import SECRET_PREFIX, Networks, WebhookClient
from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.history_rows import HistoryRow
from c2c_b2bua.storage.webhooks import WebhookRow, WebhookStore

TYPES = ("call",)
LONGEST_URL = 2048
LAST_WORDS = 2.0
"""Seconds that deliveries under way get when the service stops."""


class Webhook(Hook, kw_only=True, eq=False):
    """One registration; an account has one of each type."""

    type: str
    kinds: frozenset[Kind]
    created_at: float


class Webhooks:
    """The registrations of all accounts, kept in memory; `now` gives seconds since 1970."""

    def __init__(
        self,
        settings: Settings,
        history: HistoryStore,
        extensions: Extensions,
        now: Callable[[], float],
        later: Later,
    ) -> None:
        self.settings = settings
        self.store = WebhookStore(history.database)
        self.extensions = extensions
        self.history = history
        self.now = now
        self.networks = Networks(settings.allowed_networks)
        self.deliveries = Deliveries(settings, self.store, history.outbox, now, later)
        self.client: WebhookClient | None = None
        self.one_change = asyncio.Lock()
        self.by_account: dict[str, Webhook] = {}
        self.rung: dict[str, set[str]] = {}
        """Of accounts that have a webhook: the calls that go on and of which it was told that they ring."""

    async def start(self, spared: Collection[str] = ()) -> None:
        """Read them, and go on with what was not delivered, except what is `spared`; StorageError."""
        for row in await self.store.load():
            self.by_account[row.account_id] = from_row(row)
        self.client = WebhookClient(self.networks, self.settings.timeout)
        await self.deliveries.start([*self.by_account.values()], self.client, spared)

    def speak(self, rendered: Rendered) -> None:
        """Deliver events in these words."""
        self.deliveries.speak(rendered)

    async def stop(self) -> None:
        """Deliver what has just happened, if that goes quickly; everything else after the next start."""
        await self.history.caught_up()
        await self.deliveries.stop(LAST_WORDS)
        if self.client:
            await self.client.close()

    def of(self, account_id: str) -> list[Webhook]:
        """Those of an account."""
        hook = self.by_account.get(account_id)
        return [hook] if hook else []

    async def register(self, account_id: str, kind_of_hook: Any, url: Any, kinds: frozenset[Kind]) -> Webhook:
        """Make or change the account's webhook of a type; InvalidError, StorageError.

        The secret stays as long as the URL does.
        """
        check_type(kind_of_hook)
        url = self.checked_url(url)
        async with self.one_change:
            known = self.by_account.get(account_id)
            hook = Webhook(
                id=known.id if known else secrets.token_hex(16),
                account_id=account_id,
                type=kind_of_hook,
                url=url,
                kinds=kinds,
                secret=known.secret if known and known.url == url else new_secret(),
                created_at=known.created_at if known else self.now(),
            )
            await self.store.save(as_row(hook))
            self.by_account[account_id] = hook
            self.deliveries.open(hook)
        return hook

    async def destroy(self, account_id: str, kind_of_hook: Any) -> Webhook:
        """Drop the account's webhook of a type, and what waits for it; InvalidError, UnknownError, StorageError."""
        check_type(kind_of_hook)
        async with self.one_change:
            hook = self.by_account.get(account_id)
            if hook is None:
                raise UnknownError(kind_of_hook)
            await self.store.remove(hook.id)
            del self.by_account[account_id]
            self.rung.pop(account_id, None)
            self.deliveries.close(hook)
        return hook

    def checked_url(self, value: Any) -> str:
        """A URL that can be called; InvalidError."""
        if not isinstance(value, str) or not value:
            raise InvalidError.of("url", "required", "The URL of the webhook is missing")
        if len(value) > LONGEST_URL or CONTROL.search(value):
            raise invalid_url(f"has control characters or more than {LONGEST_URL} characters", value)
        try:
            url = URL(value)
            port = url.port
        except ValueError as error:
            raise invalid_url(str(error), value) from None
        if url.scheme not in ("http", "https") or not url.host or not port:
            raise invalid_url("expected http://… or https://…", value)
        if url.user is not None or url.password is not None:
            raise invalid_url("expected no user name or password in it: deliveries are signed", value)
        if self.networks.forbids(url.host):
            raise invalid_url(f"{url.host} is not a public address, nor in [webhooks] allowed_networks", value)
        return value

    def hear(self, call: LiveCall, news: CallNews) -> None:
        """What happens to a call."""
        hook = self.by_account.get(call.account_id)
        if hook is None:
            return
        rung = self.rung.setdefault(call.account_id, set())
        match news:
            case LegRinging():
                if call.call_id not in rung:
                    rung.add(call.call_id)
                    self.tell(hook, live_event("ringing", news.at, call))
            case CallBridged():
                self.tell(hook, live_event("answered", news.at, call))
            case CallEnded():
                rung.discard(call.call_id)
                self.tell(hook, live_event("ended", news.at, call))
                self.tell(hook, live_event("recorded", news.at, call, news.record))

    def hear_abandoned(self, row: HistoryRow, record: CallRecord) -> None:
        """The end of a call that a killed process left open."""
        hook = self.by_account.get(row.account_id)
        if hook is None or record.ended_at is None:
            return
        details = details_of(row)
        for kind in KINDS[2:]:
            event = CallEvent(
                kind=kind,
                at=record.ended_at,
                account_id=row.account_id,
                history_id=row.id,
                call_id=row.call_id,
                contact=row.contact,
                extension=self.extensions.of(row, record, details),
                accepted_at=row.accepted_at,
                details=details,
                record=record if kind == "recorded" else None,
            )
            self.tell(hook, event)

    def tell(self, hook: Webhook, event: CallEvent) -> None:
        """Have it delivered, if it is wanted."""
        if event.kind in hook.kinds:
            self.deliveries.post(hook, event)


def live_event(kind: Kind, at: float, call: LiveCall, record: CallRecord | None = None) -> CallEvent:
    return CallEvent(
        kind=kind,
        at=at,
        account_id=call.account_id,
        history_id=call.history_id,
        call_id=call.call_id,
        contact=call.contact,
        extension=call.extension,
        accepted_at=call.accepted_at,
        details=call.details,
        record=record,
    )


def check_type(value: Any) -> None:
    """InvalidError when there are no webhooks of this type."""
    if value not in TYPES:
        message = f"Value not found in enumerated list of values: {', '.join(TYPES)}"
        raise InvalidError.of("type", "enum", message, target=list(TYPES), value=value)


def invalid_url(text: str, value: str) -> InvalidError:
    return InvalidError.of("url", "pattern", f"Value is no URL for a webhook: {text}", value=value[:LONGEST_URL])


def new_secret() -> Secret:
    """32 random bytes, written as Standard Webhooks does."""
    return Secret(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


def from_row(row: WebhookRow) -> Webhook:
    kinds = frozenset(KINDS) if row.kinds is None else msgspec.json.decode(row.kinds, type=frozenset[Kind])
    return Webhook(
        id=row.id,
        account_id=row.account_id,
        type=row.type,
        url=row.url,
        kinds=kinds,
        secret=Secret(row.secret),
        created_at=row.created_at,
    )


def as_row(hook: Webhook) -> WebhookRow:
    kinds = (
        None if hook.kinds == frozenset(KINDS) else msgspec.json.encode(sorted(hook.kinds, key=KINDS.index)).decode()
    )
    return WebhookRow(
        id=hook.id,
        account_id=hook.account_id,
        type=hook.type,
        url=hook.url,
        kinds=kinds,
        secret=str(hook.secret),
        created_at=hook.created_at,
    )
