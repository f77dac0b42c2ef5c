"""Carriers against the real server: registered with, watched, told who calls, left for another one."""

from __future__ import annotations

import asyncio
import datetime
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from .ports import LOOPBACK, free_port
from .server import PATIENCE, TICK, Record, Server
from .sipp import Message, Sipp
from .stage import CUSTOMER, leg

LOGIN = {"username": "trunk-user", "password": "trunk-secret"}
Settings = Mapping[str, object]


class Carriers:
    """A server whose trunks `t1`, `t2` … are scenarios, or nobody (""); each with settings of its own."""

    def __init__(self, directory: Path, *trunks: tuple[str, Settings], a: str = "", calls: int = 1) -> None:
        self.directory = directory
        self.trunks = trunks
        self.calls = calls
        self.a = Sipp(a, directory / "a") if a else None
        self.played: list[Sipp | None] = []
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self.a:
                await stack.enter_async_context(self.a)
            tables = ""
            for number, (scenario, settings) in enumerate(self.trunks, 1):
                name = f"t{number}"
                sipp = None
                if scenario:
                    sipp = await stack.enter_async_context(Sipp(scenario, self.directory / name, calls=self.calls))
                self.played.append(sipp)
                proxy = f"sip:{LOOPBACK}:{sipp.port if sipp else free_port()}"
                values = {"name": name, "proxy": proxy, **LOGIN, **settings}
                tables += "\n".join(
                    ["[[trunk]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
                )
            extensions = {"2001": self.a.uri if self.a else "sip:x@127.0.0.1:9"}
            self.server = Server(self.directory / "server", extensions, calls={"ring_timeout": 10.0})
            with self.server.config.open("a") as config:
                config.write(tables)
            await stack.enter_async_context(self.server)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.stack.__aexit__(*error)

    async def trunk(self, is_so: Callable[[Record], bool]) -> Record:
        """The first trunk as `GET …/trunks` shows it, once it is so."""
        found: Record = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    reply = await self.server.request("GET", f"/v2/accounts/{self.server.account}/trunks", 200)
                    found = next(trunk for trunk in reply["data"] if trunk["id"] == "t1")
                    if is_so(found):
                        return found
                    await asyncio.sleep(TICK)
        except TimeoutError:
            pytest.fail(f"{found}\n{self.server.output()}")

    async def called(self, **fields: object) -> Record:
        """A call from 2001 to the customer, when it is over."""
        document = await self.server.create("2001", **fields)
        reply = await self.server.connect(document, CUSTOMER)
        return await self.server.ended(document, reply["call_id"])

    async def metrics(self) -> str:
        assert self.server.session
        async with self.server.session.get("/metrics") as reply:
            return await reply.text()


def registers(sipp: Sipp | None) -> list[Message]:
    assert sipp
    return [message for message in sipp.messages() if not message.sent and message.first_line.startswith("REGISTER")]


# ── REGISTER ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_registered_whatever_comes_between_and_left_at_the_end(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("trunk_registers", {"register": True})) as carriers:
        carrier = carriers.played[0]
        assert carrier
        found = await carriers.trunk(lambda trunk: len(registers(carrier)) == 6 and trunk["state"] == "registered")
        assert found["registered"] is True
        assert found["reason"] is None
        assert found["registered_until"]
        assert 'c2c_trunk_up{state="registered",trunk="t1"} 1.0' in await carriers.metrics()
        await carriers.server.stop()
        await carrier.passed()
        at = [message.at for message in registers(carrier)]
        assert 0.9 <= (at[3] - at[2]).total_seconds() <= 1.5, "Retry-After"
        assert 1.9 <= (at[5] - at[4]).total_seconds() <= 2.5, "half of the 4 s that were granted"
        output = carriers.server.output()
        assert "trunk registered" in output
        assert "503 Service Unavailable" in output
        assert "trunk-secret" not in output


async def test_refused_and_not_tried_again(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("trunk_refuses_register", {"register": True})) as carriers:
        found = await carriers.trunk(lambda trunk: trunk["reason"] != "registering")
        assert (found["state"], found["reason"]) == ("not registered", "REGISTER: 403 Forbidden")
        assert found["next_try"]
        assert carriers.played[0]
        await carriers.played[0].passed()
        assert len(registers(carriers.played[0])) == 2
        assert "trunk not registered" in carriers.server.output()


async def test_a_trunk_that_is_not_registered_is_passed_over(tmp_path: Path) -> None:
    registering = ("trunk_refuses_register", {"register": True})
    async with Carriers(tmp_path, registering, ("b_busy", {}), a="a_is_released") as carriers:
        await carriers.trunk(lambda trunk: trunk["reason"] == "REGISTER: 403 Forbidden")
        record = await carriers.called()
        assert (leg(record, "b")["trunk"], record["cause"]) == ("t2", "USER_BUSY")
        assert "attempts" not in record


# ── OPTIONS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_there_or_not(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("trunk_answers_options", {"options_interval": 1})) as carriers:
        await carriers.trunk(lambda trunk: trunk["state"] == "up")
        found = await carriers.trunk(lambda trunk: trunk["state"] == "down")
        assert (found["reason"], found["answers_options"]) == ("OPTIONS: 503 Service Unavailable", False)
        assert 'c2c_trunk_up{state="down",trunk="t1"} 0.0' in await carriers.metrics()
        await carriers.trunk(lambda trunk: trunk["state"] == "up")
        assert carriers.played[0]
        await carriers.played[0].passed()
        # SIPp is gone, and the network says so.
        found = await carriers.trunk(lambda trunk: trunk["state"] == "down")
        assert found["reason"] == "OPTIONS: nobody can be reached there"


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_next_trunk_after_503(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("trunk_503", {}), ("b_hangs_up", {}), a="a_answers") as carriers:
        record = await carriers.called()
        for sipp in (carriers.a, *carriers.played):
            assert sipp
            await sipp.passed()
        assert record["result"] == "success"
        assert (leg(record, "b")["trunk"], leg(record, "b")["sip_code"]) == ("t2", 200)
        (attempt,) = record["attempts"]
        assert (attempt["trunk"], attempt["sip_code"], attempt["reason"]) == ("t1", 503, "No Channels")
        text = await carriers.metrics()
        failed = 'c2c_trunk_legs_failed_total{cause="NORMAL_TEMPORARY_FAILURE",sip_code="503",trunk="t1"} 1.0'
        assert failed in text
        assert 'c2c_trunk_calls{trunk="t1"} 0.0' in text
        assert 'c2c_trunk_calls{trunk="t2"} 0.0' in text
        found = await carriers.trunk(lambda trunk: True)
        assert found["paused_until"], "it asked to be left alone"
        await carriers.server.nothing_lives()


async def test_the_next_trunk_after_silence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, free_port()))
        proxy = {"proxy": f"sip:{LOOPBACK}:{silent.getsockname()[1]}"}
        async with Carriers(tmp_path, ("", proxy), ("b_hangs_up", {}), a="a_answers") as carriers:
            record = await carriers.called()
        assert record["result"] == "success"
        assert leg(record, "b")["trunk"] == "t2"
        (attempt,) = record["attempts"]
        assert (attempt["trunk"], attempt["sip_code"], attempt["cause"]) == ("t1", 408, "NO_USER_RESPONSE")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_next_trunk_where_nobody_listens(tmp_path: Path, transport: str) -> None:
    nobody = {"proxy": f"sip:{LOOPBACK}:{free_port()};transport={transport}"}
    async with Carriers(tmp_path, ("", nobody), ("b_hangs_up", {}), a="a_answers") as carriers:
        record = await carriers.called()
        assert record["result"] == "success"
        (attempt,) = record["attempts"]
        assert (attempt["trunk"], attempt["sip_code"]) == ("t1", 503)


async def test_nobody_is_rung_again_who_was_busy(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("b_busy", {}), ("b_hangs_up", {}), a="a_is_released") as carriers:
        record = await carriers.called()
        assert (leg(record, "b")["trunk"], record["cause"]) == ("t1", "USER_BUSY")
        assert carriers.played[1]
        assert carriers.played[1].messages() == []


async def test_calls_are_paced(tmp_path: Path) -> None:
    paced = ("a_busy", {"calls_per_second": 2})
    async with Carriers(tmp_path, paced, calls=5) as carriers:
        document = await carriers.server.create("2001", dial_first="contact")
        replies = [await carriers.server.connect(document, CUSTOMER) for _ in range(5)]
        assert [reply.get("queued") for reply in replies] == [None, None, True, True, True]
        assert "c2c_calls_queued 3.0" in await carriers.metrics()
        records = [await carriers.server.ended(document, reply["call_id"]) for reply in replies]
        assert [record["cause"] for record in records] == ["USER_BUSY"] * 5
        carrier = carriers.played[0]
        assert carrier
        await carrier.passed()
        invites = [message.at for message in carrier.messages() if message.first_line.startswith("INVITE")]
        since = [(at - invites[0]).total_seconds() for at in invites]
        assert len(since) == 5
        for seconds, told in zip(since[2:], (0.5, 1.0, 1.5), strict=True):
            assert told - 0.1 <= seconds <= told + 0.3
        for at, reply in zip(invites[2:], replies[2:], strict=True):
            expected = datetime.datetime.fromisoformat(reply["expected_start"]).astimezone().replace(tzinfo=None)
            assert abs((at - expected).total_seconds()) < 0.3


async def test_who_waits_when_the_service_stops_is_told(tmp_path: Path) -> None:
    async with Carriers(tmp_path, ("a_busy", {"calls_per_second": 0.01})) as carriers:
        document = await carriers.server.create("2001", dial_first="contact")
        first, second = [await carriers.server.connect(document, CUSTOMER) for _ in range(2)]
        await carriers.server.ended(document, first["call_id"])
        assert second["queued"]
        await carriers.server.stop()
        await carriers.server.start()
        record = await carriers.server.ended(document, second["call_id"])
        assert (record["result"], record["reason"], record["legs"]) == ("error", "the service is stopping", [])


async def test_what_a_carrier_is_told(tmp_path: Path) -> None:
    profile = {
        "from_user": "acme",
        "from_host": "acme.example.com",
        "identity": "pai",
        "privacy": "id",
        "diversion": "14155550199",
        "hotlines": ["14155550123"],
        "number_format": "e164",
        "prefix_add": "9",
    }
    async with Carriers(tmp_path, ("trunk_sees_identity", profile), a="a_is_released") as carriers:
        record = await carriers.called(outbound_callee_id_name='Sales "& Co"')
        assert carriers.played[0]
        await carriers.played[0].passed()
        assert record["cause"] == "USER_BUSY"
