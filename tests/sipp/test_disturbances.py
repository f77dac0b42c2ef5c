"""What may happen to the real server while phones wait: hang-up by the API, a disk that refuses, garbage on the wire."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from pathlib import Path

from tests.sipp.ports import LOOPBACK
from tests.sipp.server import PATIENCE, TICK, Server
from tests.sipp.stage import leg, legs
from tests.sipp.test_scenarios import StageMaker


async def test_the_api_hangs_up(stage: StageMaker) -> None:
    """`DELETE …/calls/{call_id}` ends both legs; the record says who did."""
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await play.server.reaches(play.document, play.call_id, "bridged")
        path = f"/v2/accounts/{play.server.account}/clicktocall/{play.document}/calls/{play.call_id}"
        live = await play.server.request("GET", path, 200)
        assert live["data"]["state"] == "bridged"
        await play.server.request("DELETE", path, 200)
        record = await play.outcome()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "api", ["a", "b"])
    assert [leg(record, name)["cause"] for name in "ab"] == ["NORMAL_CLEARING"] * 2


class SilentPhone(asyncio.DatagramProtocol):
    """Knows by its Call-ID what reaches it, and answers nothing."""

    def __init__(self) -> None:
        self.rung: set[bytes] = set()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.rung |= {line for line in data.split(b"\r\n") if line.startswith(b"Call-ID:")}


async def test_while_the_database_is_locked_nothing_is_accepted_and_nothing_lost(tmp_path: Path) -> None:
    """The call that was accepted before the lock was seen is in history when it is gone."""
    transport, phone = await asyncio.get_running_loop().create_datagram_endpoint(SilentPhone, local_addr=(LOOPBACK, 0))
    uri = f"sip:phone@{LOOPBACK}:{transport.get_extra_info('sockname')[1]}"
    try:
        async with Server(tmp_path / "server", {"2001": uri, "2002": uri}, calls={"ring_timeout": 1.0}) as server:
            document = await server.create("2001")
            path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect"
            lock = sqlite3.connect(tmp_path / "server" / "c2c.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            first = await server.request("POST", path, 200, {"contact": "2002"})
            assert await server.history(document) == []
            refused = await server.request("POST", path, 503, {"contact": "2002"})
            assert (refused["message"], len(phone.rung)) == ("datastore_unreachable", 1)
            lock.execute("ROLLBACK")
            lock.close()
            (found,) = await server.history(document)
            assert found["call_id"] == first["data"]["call_id"]
            # With the lock gone the next one is taken, and rings.
            await server.request("POST", path, 200, {"contact": "2002"})
            async with asyncio.timeout(PATIENCE):
                while len(phone.rung) < 2:  # noqa: ASYNC110 (the news is a datagram)
                    await asyncio.sleep(TICK)
    finally:
        transport.close()


async def test_garbage_disturbs_no_call(stage: StageMaker) -> None:
    """Any bytes on any transport: the call that is going on goes on, and an answerable request is told why not."""
    async with stage(a="a_answers", b="b_answers", max_duration=3.0) as play:
        await play.connect()
        await play.server.reaches(play.document, play.call_id, "bridged")
        port = play.server.sip_port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(PATIENCE)
            for garbage in (
                b"\0" * 900,
                os.urandom(1200),
                b"INVITE sip:x SIP/2.0\r\n\r\n",
                b"SIP/2.0 200 OK\r\n\r\n",
                b"\r\n" * 40,
            ):
                udp.sendto(garbage, (LOOPBACK, port))
            lines = [
                "OPTIONS sip:c2c@127.0.0.1 SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{udp.getsockname()[1]};branch=z9hG4bKgarbage;rport",
                "From: <sip:x@example.com>;tag=1", "To: <sip:c2c@127.0.0.1>", "Call-ID: garbage", "CSeq: one OPTIONS",
            ]  # fmt: skip
            udp.sendto("\r\n".join([*lines, "", ""]).encode(), (LOOPBACK, port))
            answer = await asyncio.to_thread(udp.recv, 2000)
        assert answer.startswith(b"SIP/2.0 400 ")
        assert b"CSeq" in answer.split(b"\r\n", 1)[0]
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as tcp:
            tcp.sendall(b"this is no SIP\r\nnor: this\r\n\r\n")
            assert await asyncio.to_thread(tcp.recv, 100) == b""
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "timer")
