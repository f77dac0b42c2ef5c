"""A baresip that registers, over UDP and TCP, with digest; then behind a NAT, over TLS too: it is called over its flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.command import C2C, Command
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip
from .nat import INSIDE, Nat
from .test_tls import with_tls

USERS = {"1001": "secret1", "1002": "secret2"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_registered_phones_hear_each_other(tmp_path: Path, transport: str) -> None:
    async with Server(tmp_path / "server", {}, users=USERS) as server:
        registrar = f"sip:{LOOPBACK}:{server.sip_port};transport={transport}"
        async with (
            Baresip("1001", 440, tmp_path / "a", held_first=True, registrar=registrar, password="secret1") as a,
            Baresip("1002", 880, tmp_path / "b", registrar=registrar, password="secret2") as b,
        ):
            phones = await server.registrations(2)
            assert {phone["transport"] for phone in phones} == {transport}
            assert all(phone["user_agent"].startswith("baresip v1.0.0") for phone in phones)
            document = await server.create("1001")
            call_id = (await server.connect(document, "1002"))["call_id"]
            await a.hears(880)
            await b.hears(440)
            await b.command("hangup")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")


# ── behind a NAT ─────────────────────────────────────────────────────────────────────────────────────────────────────


def server_for(nat: Nat, directory: Path) -> Server:
    """It is reached where the phones see it."""
    server = Server(directory, {}, users=USERS)
    text = server.config.read_text()
    server.config.write_text(text.replace(f"{LOOPBACK}:{server.sip_port}", f"{nat.outside}:{server.sip_port}"))
    return server


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_behind_a_nat_is_called(tmp_path: Path, nat: Nat, transport: str) -> None:
    async with server_for(nat, tmp_path / "server") as server:
        registrar = f"sip:{nat.outside}:{server.sip_port};transport={transport}"
        a = Baresip(
            "1001", 440, tmp_path / "a", registrar=registrar, password="secret1", host=INSIDE, prefix=nat.prefix
        )
        nat.open(a.control)
        listen = f"{transport}:{INSIDE}:{free_port()}"
        phone = "phone --user 1002 --domain acme.example.com --password secret2 --hangup-after 1 --expires 60"
        words = (*nat.prefix, *C2C, *phone.split(), "--listen", listen, "--register", registrar)
        async with a, Command(*words) as b:
            await b.says("^registered ")
            phones = {one["username"]: one for one in await server.registrations(2)}
            for one in phones.values():
                assert one["contact_ip"] == INSIDE
                assert one["network_ip"] == nat.public
                assert one["network_port"] != one["contact_port"]
            document = await server.create("1001")
            call_id = (await server.connect(document, "1002"))["call_id"]
            await a.happened("CALL_ESTABLISHED")
            await b.says("^talking ")
            await a.happened("CALL_CLOSED")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])


async def test_two_phones_behind_a_nat_are_called_over_tls(tmp_path: Path, nat: Nat) -> None:
    """Over the connections they opened, through which alone they can be reached; they hear each other at home."""
    authority = Authority(tmp_path)
    server = server_for(nat, tmp_path / "server")
    certificate, key = authority.certificate(nat.outside, file="server")
    port = free_port()
    text = server.config.read_text().replace('listen = ["udp:', f'listen = ["tls:{nat.outside}:{port}", "udp:')
    server.config.write_text(f'{text}\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    place = {"registrar": f"sip:{nat.outside}:{port};transport=tls", "host": INSIDE, "prefix": nat.prefix}
    a = with_tls(Baresip("1001", 440, tmp_path / "a", password="secret1", **place), authority)
    b = with_tls(Baresip("1002", 880, tmp_path / "b", password="secret2", **place), authority)
    for phone in (a, b):
        nat.open(phone.control)
    async with server, a, b:
        for one in await server.registrations(2):
            assert (one["transport"], one["contact_ip"], one["network_ip"]) == ("tls", INSIDE, nat.public)
            assert one["network_port"] != one["contact_port"]
        document = await server.create("1001")
        call_id = (await server.connect(document, "1002"))["call_id"]
        await b.happened("CALL_ESTABLISHED")
        await b.hears(440)
        await a.command("hangup")
        await b.happened("CALL_CLOSED")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")
