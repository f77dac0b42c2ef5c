"""Webhooks of the real server, whose phones are SIPp: the times are those of the call, and a kill loses nothing."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.sipp.server import Record, Server
from tests.sipp.sipp import Sipp
from tests.sipp.stage import A_NUMBER, B_NUMBER, CUSTOMER
from tests.sipp.test_postgresql import database, keep_in  # noqa: F401 (a fixture)
from tests.webhook_receiver import Delivery, Receiver

HOTLINE = "14155550199"
WEBHOOKS = '\n[webhooks]\nallowed_networks = ["127.0.0.0/8"]\nretries = [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]\n'


class OmicallServer(Server):
    """Asked in OMICall's dialect, with the API key."""

    def add(self, text: str) -> None:
        """Write more into the configuration."""
        self.config.write_text(self.config.read_text() + text)

    async def ask(self, method: str, path: str, fields: Any = None) -> Any:
        """The payload of a request that is granted."""
        assert self.session
        headers = {"x-api-key": self.api_key}
        async with self.session.request(method, f"/api/{path}", json=fields, headers=headers) as reply:
            body = await reply.json()
            assert body["status_code"] == 9999, f"{path}: {body}\n{self.output()}"
            return body["payload"]

    async def register(self, receiver: Receiver) -> str:
        """The secret."""
        (hook,) = await self.ask("POST", "webhooks/register", {"webhook": {"type": "call", "url": receiver.url}})
        return str(hook["secret"])

    async def call(self, phone_number: str) -> str:
        """The call_uuid of a call of extension 2001."""
        fields = {"extension": A_NUMBER, "hotline": HOTLINE, "phone_number": phone_number}
        return str((await self.ask("POST", "click2call", fields))["call_uuid"])

    async def record(self) -> Record:
        """The history item of the only call of extension 2001, once it has ended."""
        document = hashlib.md5(f"{self.account}:extension {A_NUMBER}".encode()).hexdigest()
        (item,) = await self.history(document)
        return await self.ended(document, item["call_id"])


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_a_call_is_told_as_it_goes(tmp_path: Path) -> None:
    async with (
        Receiver() as receiver,
        Sipp("a_hangs_up", tmp_path / "a") as a,
        Sipp("trunk_challenges", tmp_path / "b") as b,
    ):
        carrier = b.uri.replace(f"{b.scenario}@", "")
        server = OmicallServer(tmp_path / "server", {A_NUMBER: a.uri}, carrier)
        server.add(f'hotlines = ["{HOTLINE}"]\n{WEBHOOKS}')
        async with server:
            secret = await server.register(receiver)
            call_uuid = await server.call(CUSTOMER)
            deliveries = await receiver.several(4)
            await a.passed()
            await b.passed()
            record = await server.record()
            detail = await server.ask("GET", f"call_transaction/detail/{call_uuid}")
    assert [delivery.state for delivery in deliveries] == ["ringing", "answered", "hangup", "cdr"]
    assert [delivery.sequence for delivery in deliveries] == [1, 2, 3, 4]
    ringing, answered, hangup, cdr = (delivery.body for delivery in deliveries)
    for delivery in deliveries:
        assert delivery.is_signed_with(secret)
        assert delivery.body["call_uuid"] == call_uuid == str(uuid.UUID(record["id"]))
        told = {name: delivery.body[name] for name in ("from_number", "to_number", "hotline", "direction")}
        assert told == {"from_number": A_NUMBER, "to_number": CUSTOMER, "hotline": HOTLINE, "direction": "outbound"}
    legs = {leg["leg"]: leg for leg in record["legs"]}
    assert ringing["date_time"] == milliseconds(legs["a"]["ringing_at"])
    assert answered["date_time"] == milliseconds(record["bridged_at"])
    assert hangup["date_time"] == milliseconds(record["ended_at"])
    assert ringing["date_time"] < answered["date_time"] < hangup["date_time"]
    assert cdr["time_end_call"] == hangup["date_time"] // 1000
    assert cdr["time_start_to_answer"] == answered["date_time"] // 1000
    assert cdr["bill_sec"] == round((hangup["date_time"] - answered["date_time"]) / 1000)
    assert (cdr["disposition"], cdr["ended_by"]) == ("answered", "a")
    for name in ("disposition", "bill_sec", "answer_sec", "duration", "time_start_to_answer", "ended_by"):
        assert detail[name] == cdr[name]
    invite = next(message for message in b.messages() if message.first_line.startswith("INVITE"))
    assert f"<sip:{HOTLINE}@" in invite.header("From")


async def test_a_kill_between_the_end_of_a_call_and_its_delivery_loses_nothing(tmp_path: Path) -> None:
    async with Receiver() as receiver, Sipp("a_answers", tmp_path / "a") as a, Sipp("b_hangs_up", tmp_path / "b") as b:
        server = OmicallServer(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: b.uri})
        server.add(WEBHOOKS)

        async def never(delivery: Delivery) -> int:
            return await asyncio.Event().wait() or 200

        receiver.answer = never
        async with server:
            secret = await server.register(receiver)
            call_uuid = await server.call(B_NUMBER)
            tried = await receiver.next()
            await a.passed()
            await b.passed()
            before = await server.record()
            await server.kill()
            assert receiver.received.empty()
            receiver.answer = lambda delivery: 200
            await server.start()
            deliveries = await receiver.several(4)
            after = await server.record()
    assert before == after
    assert [delivery.state for delivery in deliveries] == ["ringing", "answered", "hangup", "cdr"]
    assert deliveries[0].id == tried.id
    assert {delivery.body["call_uuid"] for delivery in deliveries} == {call_uuid}
    assert all(delivery.is_signed_with(secret) for delivery in deliveries)
    assert deliveries[3].body["disposition"] == "answered"
    assert deliveries[2].body["date_time"] == milliseconds(after["ended_at"])
    assert receiver.received.empty()


@pytest.mark.parametrize(
    ("a", "b", "before", "ended_by", "cause"),
    [
        ("a_answers", "b_hangs_up", ["ringing", "answered"], "b", "NORMAL_CLEARING"),
        ("a_never_answers", "b_answers", ["ringing"], "error", "RECOVERY_ON_TIMER_EXPIRE"),
    ],
)
async def test_a_call_that_outlives_a_kill_is_told_to_its_end(
    tmp_path: Path, a: str, b: str, before: list[str], ended_by: str, cause: str
) -> None:
    async with Receiver() as receiver, Sipp(a, tmp_path / "a") as phone, Sipp(b, tmp_path / "b") as other:
        server = OmicallServer(tmp_path / "server", {A_NUMBER: phone.uri, B_NUMBER: other.uri})
        server.add(WEBHOOKS)
        async with server:
            await server.register(receiver)
            call_uuid = await server.call(B_NUMBER)
            assert [delivery.state for delivery in await receiver.several(len(before))] == before
            await server.kill()
            await server.start()
            told = [await receiver.next()]
            while told[-1].state != "cdr":
                told.append(await receiver.next())
            record = await server.record()
    # What arrived just before the kill may arrive again.
    hangup, cdr = [delivery for delivery in told if delivery.state not in before]
    assert (hangup.state, hangup.sequence, cdr.state, cdr.sequence) == ("hangup", 3, "cdr", 4)
    assert (hangup.body["call_uuid"], cdr.body["transaction_id"]) == (call_uuid, call_uuid)
    assert (cdr.body["cause"], cdr.body["ended_by"]) == (cause, ended_by)
    assert (cdr.body["from_number"], cdr.body["to_number"]) == (A_NUMBER, B_NUMBER)
    assert hangup.body["date_time"] == milliseconds(record["ended_at"])


@pytest.mark.parametrize("signal", ["kill", "stop"])
async def test_webhooks_in_postgresql(tmp_path: Path, database: str, signal: str) -> None:  # noqa: F811
    async with Sipp("a_busy", tmp_path / "a") as phone:
        server = OmicallServer(tmp_path / "server", {A_NUMBER: phone.uri, B_NUMBER: phone.uri})
        keep_in(database, server)
        server.add(WEBHOOKS)
        receiver = Receiver()
        async with receiver:
            pass  # It has its port, and nobody listens there.
        async with server:
            await server.register(receiver)
            assert server.session
            fields = {"extension": A_NUMBER, "hotline": HOTLINE, "phone_number": B_NUMBER}
            headers = {"x-api-key": server.api_key}
            async with server.session.post("/api/click2call", json=fields, headers=headers) as reply:
                assert (await reply.json())["payload"]["error"] == "user_busy"
            await phone.passed()
            await server.record()
            await (server.kill() if signal == "kill" else server.stop())
            async with receiver:
                await server.start()
                hangup, cdr = await receiver.several(2)
                assert (hangup.state, cdr.state, cdr.body["cause"]) == ("hangup", "cdr", "USER_BUSY")
                page = await server.ask("GET", f"call_transaction/list?{everything(cdr)}")
                assert [item["transaction_id"] for item in page["items"]] == [cdr.body["transaction_id"]]
                await server.ask("POST", "webhooks/destroy?hook_type=call")
                assert await server.ask("GET", "webhooks/list") == []


def everything(cdr: Delivery) -> str:
    at = cdr.body["time_start_call"] * 1000
    return f"from_date={at - 60_000}&to_date={at + 60_000}"
