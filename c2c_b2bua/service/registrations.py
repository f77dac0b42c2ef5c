"""Which phones are registered: in the core's memory, and on disk for the next start."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec
import structlog

from c2c_b2bua.config import Config
from c2c_b2bua.registration.binding import Binding, Bound, Subscriber, Unbound
from c2c_b2bua.registration.registrar import Registrar
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.listing import GREGORIAN
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.service.trunks import PROXY_PARTS
from c2c_b2bua.sip.flow import DEFAULT_PORTS, Flow, Interfaces, bracketed
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.storage.bindings import BindingRow, BindingStore
from c2c_b2bua.storage.documents import DocumentStore

log = structlog.get_logger()


class PhoneEngine(Protocol):
    """What is needed of the engine."""

    @property
    def registrar(self) -> Registrar: ...
    @property
    def interfaces(self) -> Interfaces: ...
    def restore(self, bindings: Iterable[Binding]) -> None: ...
    def welcome(self, hosts: Iterable[str]) -> None: ...
    def subscribe_phones(self, listener: Callable[[Bound | Unbound], None]) -> None: ...
    def now(self) -> float: ...


class Kept(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A binding on disk: its flow by addresses, `local` ours."""

    aor: str
    uri: str
    call_id: str
    sequence: int
    registered_at: float
    refreshed_at: float
    q: float = 1.0
    instance: str = ""
    reg_id: int = 0
    path: tuple[str, ...] = ()
    user_agent: str = ""
    transport: str
    local: str = ""
    host: str = ""
    port: int = 0


encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Kept)


class Registrations:
    """Opens the registrar when the service starts, and keeps what it tells."""

    def __init__(
        self, settings: Config, engine: PhoneEngine, settings_store: DocumentStore, store: BindingStore
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.settings_store = settings_store
        self.store = store
        self.is_over = False
        self.counts: Counter[str] = Counter()
        """How often phones were bound, renewed, unbound, and why."""

    async def start(self) -> None:
        """Take back what was registered, and listen to phones; StorageError."""
        secret = await self.settings_store.setting("nonce_secret", secrets.token_hex(32))
        engine, now = self.engine, self.engine.now()
        rows = await self.store.load(now)
        await self.store.start()
        engine.registrar.open(self.settings.registrar, subscribers(self.settings), bytes.fromhex(secret), now)
        kept = [binding for row in rows if (binding := self.restored(row)) is not None]
        engine.restore(kept)
        engine.welcome(neighbours(self.settings))
        engine.subscribe_phones(self.hear)
        if kept:
            log.info("registrations restored", phones=engine.registrar.count)

    async def stop(self) -> None:
        """Write what is waiting."""
        await self.store.stop()

    def succeeded(self) -> None:
        """Another process knows the phones better from now on: nothing is written any more."""
        self.is_over = True

    def contacts(self, account: Account, phone: Phone) -> list[Binding]:
        """Where this phone can be called now, best first."""
        return self.engine.registrar.contacts(aor_of(account, phone), self.engine.now())

    def of(self, account: Account) -> Iterator[tuple[Phone, Binding]]:
        """All that phones of this account have registered."""
        now = self.engine.now()
        for phone in account.each_phone():
            if not phone.uri:
                for binding in self.engine.registrar.of(aor_of(account, phone), now):
                    yield phone, binding

    def hear(self, news: Bound | Unbound) -> None:
        """What the registrar tells."""
        if self.is_over:
            return
        if isinstance(news, Bound):
            self.counts["bound" if news.is_new else "renewed"] += 1
            self.store.put(row_of(news.binding))
        else:
            self.counts[news.why] += 1
            self.store.drop(news.binding.id)

    def restored(self, row: BindingRow) -> Binding | None:
        """The binding that was kept; one over a stream waits for its phone to come back. None: of another version."""
        try:
            kept = decoder.decode(row.body)
        except msgspec.DecodeError:
            return None
        flow = None
        if kept.local:
            same = [ours for ours in self.engine.interfaces.interfaces if ours.transport == kept.transport]
            ours = next((ours for ours in same if ours.sent_by == kept.local), None)
            flow = None if ours is None else Flow(ours, kept.host, kept.port)
        fields = {name: getattr(kept, name) for name in KEPT_AS_IT_IS}
        is_lost = bool(kept.local) and (flow is None or flow.is_reliable)
        return Binding(id=row.id, expires_at=row.expires_at, flow=flow, is_lost=is_lost, **fields)


KEPT_AS_IT_IS = tuple(name for name in Kept.__struct_fields__ if name in Binding.__struct_fields__)


def row_of(binding: Binding) -> BindingRow:
    """The binding as it is kept."""
    fields: dict[str, Any] = {name: getattr(binding, name) for name in KEPT_AS_IT_IS}
    flow = binding.flow
    if flow is not None:
        fields |= {"local": flow.interface.sent_by, "host": flow.host, "port": flow.port}
    return BindingRow(id=binding.id, expires_at=binding.expires_at, body=encoder.encode(Kept(**fields)).decode())


def aor_of(account: Account, phone: Phone) -> str:
    return f"{phone.number}@{account.realm}"


def subscribers(settings: Config) -> Iterator[Subscriber]:
    """Everybody with an extension and a password for it."""
    for account in settings.account:
        for user in account.user if account.enabled else ():
            if user.extension and user.sip_password:
                yield Subscriber(
                    user=user.extension,
                    domain=account.realm.lower(),
                    username=user.username,
                    password=user.sip_password,
                )


def neighbours(settings: Config) -> Iterator[str]:
    """The hosts of trunks and of phones that do not register."""
    uris = [trunk.proxy for trunk in settings.trunk]
    uris += [extension.uri for account in settings.account for extension in account.extension]
    for uri in uris:
        found = PROXY_PARTS.match(uri)
        if found is not None:
            yield found["host"].strip("[]").lower()


def shown(account: Account, phone: Phone, binding: Binding, now: float) -> dict[str, Any]:
    """A registration in Kazoo's words; what comes after `username` is ours."""
    uri = Uri.parse(binding.uri)
    flow = binding.flow
    network_ip, network_port = ("", 0) if flow is None else (flow.host, flow.port)
    return {
        "account_name": account.name,
        "account_realm": account.realm,
        "authorizing_id": phone.id,
        "authorizing_type": "device",
        "call_id": binding.call_id,
        "contact": binding.uri,
        "contact_ip": uri.host,
        "contact_port": uri.port or DEFAULT_PORTS.get(binding.transport, 5060),
        "event_timestamp": int(binding.refreshed_at) + GREGORIAN,
        "expires": max(0, int(binding.expires_at - now)),
        "from_host": account.realm,
        "from_user": phone.number,
        "network_ip": network_ip,
        "network_port": network_port,
        "original_contact": binding.uri,
        "owner_id": phone.user.id if phone.user else "",
        "realm": account.realm,
        "to_host": account.realm,
        "to_user": phone.number,
        "user_agent": binding.user_agent,
        "username": phone.number,
        "id": binding.id,
        "received": f"{bracketed(network_ip)}:{network_port}" if network_ip else "",
        "transport": binding.transport.lower(),
        "path": list(binding.path),
        "q": binding.q,
        "instance": binding.instance,
        "reachable": not binding.is_lost,
        "registered_at": timestamp(binding.registered_at),
    }
