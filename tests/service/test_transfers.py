"""What a phone may name in a REFER, and what that does to trunks."""

from __future__ import annotations

from pathlib import Path

import pytest

from c2c_b2bua.call.news import LegAnswered, LegJoined, LegStays, TransferAsked
from c2c_b2bua.call.record import LegName
from c2c_b2bua.engine import Engine
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.sip.flow import Interface, Interfaces
from tests.api.conftest import SETTINGS, A, settings_at
from tests.api.scripted_engine import ScriptedEngine
from tests.service.test_calls import made, request

OURS = ["192.0.2.7", "2001:db8::7", "Sip.Example.com"]


async def bridged(exchange: Exchange, engine: ScriptedEngine) -> str:
    """The id of a call that talks."""
    await exchange.calls.connect(await request(exchange, await made(exchange)))
    call_id = engine.orders[-1].call_id
    engine.bridge(call_id)
    return call_id


def refer(engine: ScriptedEngine, call_id: str, target: str, leg: LegName = "a") -> None:
    engine.tell(TransferAsked, call_id, leg=leg, key="key", target=target, replaces="")


@pytest.mark.parametrize(
    "host",
    ["192.0.2.7", "[2001:db8::7]", "sip.example.com", "ACME.example.com", "sip.carrier.example"],
)
async def test_a_host_of_ours_stands_for_the_account(exchange: Exchange, engine: ScriptedEngine, host: str) -> None:
    """A phone names whom it knows of us: the address in our Contact, its realm, or the carrier."""
    engine.interfaces = Interfaces([Interface("UDP", ours, 5060, index) for index, ours in enumerate(OURS)])
    call_id = await bridged(exchange, engine)
    refer(engine, call_id, f"sip:2600@{host}:5070")
    ((moved, leg, key, (party,)),) = engine.transfers
    assert (moved, leg, key, party.target, party.uri) == (call_id, "a", "key", "2600", "sip:2600@192.0.2.11:5060")
    assert engine.refusals == []


async def test_hosts_of_others_are_taken_as_they_stand(exchange: Exchange, engine: ScriptedEngine) -> None:
    """No further than a connect may go: a stranger's is refused."""
    call_id = await bridged(exchange, engine)
    refer(engine, call_id, "sip:2600@192.0.2.250")
    refer(engine, call_id, "sip:2600@partner.example")
    assert [status for _, _, _, status, _ in engine.refusals] == [403]
    assert [party.uri for *_, (party,) in engine.transfers] == ["sip:2600@partner.example"]


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]"])
async def test_listening_everywhere_is_at_the_address_that_phones_are_told(tmp_path: Path, wildcard: str) -> None:
    settings = settings_at(tmp_path, f'{SETTINGS}\n[sip]\nlisten = ["udp:{wildcard}:0"]\n')
    engine = Engine(settings.sip)
    exchange = Exchange(settings, engine)
    await engine.start()
    try:
        await exchange.start()
        account = await exchange.accounts.account(A)
        told = engine.interfaces.interfaces[0].sent_by.rpartition(":")[0]
        assert told != wildcard
        assert exchange.transfers.number(account, f"sip:2600@{told}") == "2600"
    finally:
        await exchange.stop()
        await engine.close_sockets()


# ── places on trunks ─────────────────────────────────────────────────────────────────────────────────────────────────

TWO_TRUNKS = """
[[trunk]]
name = "second"
proxy = "sip:sip.second.example"
hotlines = ["+14155550122"]
"""


def places(exchange: Exchange) -> list[int]:
    return [trunk.calls for trunk in exchange.calls.routes.trunks]


async def test_a_leg_that_is_handed_over_leaves_its_trunk_to_whoever_takes_the_call(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    """B was called by the trunk, and is an extension now; then somebody outside again."""
    call_id = await bridged(exchange, engine)
    assert places(exchange) == [1]
    refer(engine, call_id, "sip:2600@acme.example.com", "b")
    assert places(exchange) == [1]
    engine.tell(LegAnswered, call_id, leg="b")
    assert places(exchange) == [0]
    refer(engine, call_id, "sip:4155550123@acme.example.com", "b")
    assert places(exchange) == [1]
    engine.tell(LegAnswered, call_id, leg="b")
    assert places(exchange) == [1]
    engine.end(call_id, "NORMAL_CLEARING", "a")
    assert places(exchange) == [0]


async def test_nobody_takes_the_call_that_is_handed_over(exchange: Exchange, engine: ScriptedEngine) -> None:
    call_id = await bridged(exchange, engine)
    refer(engine, call_id, "sip:4155550123@acme.example.com", "a")
    assert places(exchange) == [2]
    engine.tell(LegStays, call_id, leg="a")
    assert places(exchange) == [1]
    refer(engine, call_id, "sip:4155550123@acme.example.com", "a")
    engine.end(call_id, "NORMAL_CLEARING", "b")
    assert places(exchange) == [0]


async def test_a_call_that_is_handed_over_by_its_first_leg_is_still_shown_as_bridged(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    call_id = await bridged(exchange, engine)
    refer(engine, call_id, "sip:2600@acme.example.com", "a")
    engine.tell(LegAnswered, call_id, leg="a")
    assert exchange.calls.live[call_id].state == "bridged"


@pytest.mark.parametrize("settings_text", [SETTINGS + TWO_TRUNKS])
async def test_a_leg_that_joins_another_call_takes_its_place_on_a_trunk_along(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    """A has a call with somebody by the first trunk, and one by the second; it joins the two."""
    first = await bridged(exchange, engine)
    document = await made(exchange, outbound_callee_id_number="+14155550122")
    await exchange.calls.connect(await request(exchange, document))
    second = engine.orders[-1].call_id
    engine.bridge(second)
    assert places(exchange) == [1, 1]
    engine.tell(LegJoined, first, leg="a", second=second, was="b")
    engine.end(second, "ATTENDED_TRANSFER", "a")
    assert places(exchange) == [1, 1]
    engine.end(first, "NORMAL_CLEARING", "b")
    assert places(exchange) == [0, 0]
