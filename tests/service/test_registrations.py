"""Registered phones as the service knows them: kept over a restart, found by number, called where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.kazoo_originate import outcome
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.config import Secret
from c2c_b2bua.registration.binding import Binding, Bound, Unbound
from c2c_b2bua.service.auto_answer import HEADERS, auto_answer
from c2c_b2bua.service.errors import UnroutableError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.originate import Connect, Wording
from c2c_b2bua.service.registrations import row_of, shown
from c2c_b2bua.sip.flow import Flow, Interface
from tests.api.conftest import SETTINGS, A, settings_at
from tests.api.scripted_engine import ScriptedEngine

PHONES = SETTINGS.replace('extension = "1009"', 'extension = "1009"\n  sip_password = "phone"')
UDP = Interface("UDP", "192.0.2.1", 5060)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
NOW = 1_800_000_000.0
StartExchange = Callable[[], Awaitable[Exchange]]


def binding(number: int = 1, **fields: Any) -> Binding:
    values: dict[str, Any] = {
        "id": f"{number:016x}",
        "aor": "1009@acme.example.com",
        "uri": f"sip:1009@192.168.1.{number}",
        "call_id": "desk",
        "sequence": 7,
        "registered_at": NOW - 100,
        "refreshed_at": NOW,
        "expires_at": NOW + 3600,
        "transport": "UDP",
        "flow": Flow(UDP, "203.0.113.5", 40000 + number),
    }
    return Binding(**values | fields)


@pytest.fixture
def text() -> str:
    return PHONES


@pytest.fixture
def engine() -> ScriptedEngine:
    made = ScriptedEngine()
    made.clock = NOW
    return made


@pytest.fixture
async def start(tmp_path: Path, text: str, engine: ScriptedEngine) -> AsyncIterator[Callable[[], Awaitable[Exchange]]]:
    """Starts one exchange after another on the same database."""
    started: list[Exchange] = []

    async def one() -> Exchange:
        exchange = Exchange(settings_at(tmp_path, text), engine)
        await exchange.start()
        started.append(exchange)
        return exchange

    yield one
    for exchange in started:
        await exchange.stop()


async def placed(exchange: Exchange, engine: ScriptedEngine, extension: str = "1009", **fields: Any) -> CallOrder:
    """What the engine is told for a connect of this extension."""
    headers = fields.pop("headers", None)
    body = {"name": "x", "extension": extension, **({"custom_sip_headers": headers} if headers else {})}
    document = await exchange.documents.save(exchange.documents.created(A, body))
    wording = Wording(lambda plan, call: b"{}", outcome)
    account = await exchange.accounts.account(A)
    values = {"contact": "4155550100", **fields}
    await exchange.calls.connect(Connect(account=account, document=document, wording=wording, **values))
    return engine.orders[-1]


# ── who may register ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_may_register(start: StartExchange, engine: ScriptedEngine) -> None:
    await start()
    names = engine.registrar.domains["acme.example.com"]
    assert {name: subscriber.aor for name, subscriber in names.items()} == {
        "1009": "1009@acme.example.com", "mrossi": "1009@acme.example.com",
    }  # fmt: skip
    assert isinstance(names["1009"].password, Secret)
    assert "phone" not in repr(names["1009"])


@pytest.mark.parametrize("text", [SETTINGS, PHONES.replace('realm = "acme', 'enabled = false\nrealm = "acme')])
async def test_without_a_password_or_an_account_nobody_may(start: StartExchange, engine: ScriptedEngine) -> None:
    await start()
    assert engine.registrar.domains == {}


async def test_trunks_and_fixed_phones_are_neighbours(start: StartExchange, engine: ScriptedEngine) -> None:
    await start()
    assert engine.welcomed == ["sip.carrier.example", "192.0.2.10", "192.0.2.11"]


# ── kept ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_restart(start: StartExchange, engine: ScriptedEngine) -> None:
    first = await start()
    over_tcp = binding(2, transport="TCP", flow=Flow(TCP, "203.0.113.5", 50000, 9), q=0.5)
    by_path = binding(3, flow=None, path=("<sip:edge.example.com;lr>",), instance="<urn:uuid:1>", reg_id=2)
    gone = binding(4)
    for one in (binding(1, user_agent="Yealink"), over_tcp, by_path, gone):
        engine.bind(one)
    first.registrations.hear(Unbound(gone, "removed"))
    first.registrations.hear(Bound(binding(1, user_agent="Yealink 2"), False))
    assert dict(first.registrations.counts) == {"bound": 4, "removed": 1, "renewed": 1}
    await first.stop()
    secret = engine.registrar.digest.nonces.secret
    engine.registrar.bindings.clear()
    engine.registrar.by_flow.clear()
    await start()
    lost = msgspec.structs.replace(over_tcp, flow=Flow(TCP, "203.0.113.5", 50000), is_lost=True)
    restored = {one.id: one for one in engine.registrar.of("1009@acme.example.com", NOW)}
    assert restored == {one.id: one for one in (binding(1, user_agent="Yealink 2"), lost, by_path)}
    assert [one.id[-1] for one in engine.registrar.contacts("1009@acme.example.com", NOW)] == ["1", "3"]
    # Phones go on with the nonces they have, as far as these are not too old.
    assert engine.registrar.digest.nonces.secret == secret
    assert len(secret) == 32


async def test_a_socket_that_is_no_more_reaches_nobody(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    elsewhere = binding(flow=Flow(Interface("UDP", "192.0.2.99", 5060), "203.0.113.5", 40001))
    restored = exchange.registrations.restored(row_of(elsewhere))
    assert restored is not None
    assert (restored.flow, restored.is_lost) == (None, True)


async def test_what_another_version_kept_is_passed_over(start: StartExchange) -> None:
    exchange = await start()
    assert exchange.registrations.restored(msgspec.structs.replace(row_of(binding()), body='{"a":1}')) is None


# ── called ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_is_rung_while_the_phone_is_away(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(transport="TCP", flow=Flow(TCP, "203.0.113.5", 50000, 9), is_lost=True))
    with pytest.raises(UnroutableError) as refused:
        await placed(exchange, engine)
    assert (refused.value.cause, engine.orders) == ("USER_NOT_REGISTERED", [])


async def test_a_registered_phone_is_called_over_its_flow(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding())
    order = await placed(exchange, engine)
    assert (order.a.target, order.a.uri) == ("1009", "sip:1009@192.168.1.1")
    assert (order.a.flow, order.a.routes) == (Flow(UDP, "203.0.113.5", 40001), ())
    assert (order.a_beside, order.a_instead) == ((), ())


async def test_a_path_leads_there(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(flow=None, path=("<sip:edge.example.com;lr>",)))
    order = await placed(exchange, engine)
    assert (order.a.flow, order.a.routes) == (None, ("<sip:edge.example.com;lr>",))


async def test_all_phones_of_a_user_ring_at_once(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    for one in (binding(1, q=0.1), binding(2), binding(3, expires_at=NOW), binding(4, refreshed_at=NOW + 1)):
        engine.bind(one)
    order = await placed(exchange, engine)
    rung = [order.a, *order.a_beside]
    assert [party.uri[-1] for party in rung] == ["4", "2", "1"]
    assert {party.target for party in rung} == {"1009"}


async def test_as_the_contact_too(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(1))
    engine.bind(binding(2))
    order = await placed(exchange, engine, "1001", contact="sip:1009@acme.example.com")
    assert [party.uri for party in (order.b, *order.b_beside)] == ["sip:1009@192.168.1.1", "sip:1009@192.168.1.2"]
    # Whoever is called is not made to answer.
    assert all(party.headers == () for party in (order.b, *order.b_beside))


# ── answering by themselves ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("user_agent", "header"),
    [
        ("Yealink SIP-T46S 66.86.0.15", "Alert-Info: <http://acme.example.com>;info=alert-autoanswer;delay=0"),
        ("Mitel 6867i", "Alert-Info: <http://acme.example.com>;info=alert-autoanswer;delay=0"),
        ("Aastra 57i/3.3", "Alert-Info: <http://acme.example.com>;info=alert-autoanswer;delay=0"),
        ("PolycomVVX-VVX_411-UA/6.4.3", "Alert-Info: Ring Answer"),
        ("baresip v3.11.0 (x86_64/Linux)", "Answer-Mode: Auto"),
        ("snomD785/10.1", "Call-Info: <sip:acme.example.com>;answer-after=0"),
        ("Grandstream GXP2170", "Call-Info: <sip:acme.example.com>;answer-after=0"),
        ("", "Call-Info: <sip:acme.example.com>;answer-after=0"),
    ],
)
async def test_one_header_by_phone(start: StartExchange, engine: ScriptedEngine, user_agent: str, header: str) -> None:
    exchange = await start()
    engine.bind(binding(user_agent=user_agent))
    order = await placed(exchange, engine)
    assert [f"{name}: {value}" for name, value in order.a.headers] == [header]


async def test_each_phone_of_a_user_gets_its_own(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(1, user_agent="Yealink"))
    engine.bind(binding(2, user_agent="Polycom", refreshed_at=NOW - 1))
    order = await placed(exchange, engine)
    names = [name for party in (order.a, *order.a_beside) for name, _ in party.headers]
    values = [value for party in (order.a, *order.a_beside) for _, value in party.headers]
    assert names == ["Alert-Info", "Alert-Info"]
    assert values[1] == "Ring Answer"


@pytest.mark.parametrize("text", [PHONES.replace('password = "phone"', 'password = "phone"\n  auto_answer = "none"')])
async def test_a_phone_that_shall_not(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(user_agent="Yealink"))
    assert (await placed(exchange, engine)).a.headers == ()


FIXED = 'uri = "sip:1001@192.0.2.10:5060"'


@pytest.mark.parametrize("text", [PHONES.replace(FIXED, f'{FIXED}\n  auto_answer = "auto-answer"')])
async def test_a_phone_that_does_not_register(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    assert (await placed(exchange, engine, "1001")).a.headers == (("Alert-Info", "Auto Answer"),)
    assert (await placed(exchange, engine, "2600")).a.headers == (
        ("Call-Info", "<sip:acme.example.com>;answer-after=0"),
    )


async def test_not_when_the_request_says_so(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding())
    assert (await placed(exchange, engine, auto_answer=False)).a.headers == ()


async def test_not_beside_a_header_of_the_document(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(user_agent="Yealink"))
    order = await placed(exchange, engine, headers={"Alert-Info": "Intercom"})
    assert order.a.headers == (("Alert-Info", "Intercom"),)


@pytest.mark.parametrize("kind", HEADERS)
def test_every_kind_can_be_chosen(kind: str) -> None:
    name, value = HEADERS[kind]
    assert auto_answer(kind, "Yealink", "x.example") == ((name, value.replace("{realm}", "x.example")),)


# ── shown ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_shown(start: StartExchange, engine: ScriptedEngine) -> None:
    exchange = await start()
    engine.bind(binding(user_agent="Yealink", uri="sip:1009@192.168.1.1:5062"))
    account = await exchange.accounts.account(A)
    ((phone, one),) = exchange.registrations.of(account)
    item = shown(account, phone, one, NOW + 600.5)
    assert phone.user is not None
    assert item["authorizing_id"] == item["owner_id"] == phone.user.id
    assert (item["username"], item["realm"]) == ("1009", "acme.example.com")
    assert (item["contact"], item["contact_ip"], item["contact_port"]) == (one.uri, "192.168.1.1", 5062)
    assert (item["network_ip"], item["network_port"]) == ("203.0.113.5", 40001)
    assert (item["received"], item["transport"], item["reachable"]) == ("203.0.113.5:40001", "udp", True)
    assert (item["expires"], item["user_agent"], item["call_id"]) == (2999, "Yealink", "desk")
    assert item["registered_at"] == "2027-01-15T07:58:20.000Z"
