"""A baresip over TLS: registered with us over a connection of its own, or called by us at its address; we prove who we are."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.certificates import Authority
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip

USERS = {"1001": "secret1", "1002": "secret2"}


def secure(
    directory: Path, authority: Authority, extensions: dict[str, str], users: dict[str, str]
) -> tuple[Server, int]:
    """A server that speaks TLS beside UDP, and at which port."""
    port = free_port()
    server = Server(directory, extensions, users=users)
    certificate, key = authority.certificate(LOOPBACK, file="server")
    text = server.config.read_text().replace('listen = ["udp:', f'listen = ["tls:{LOOPBACK}:{port}", "udp:')
    tls = f'\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\nca = "{authority.ca}"\n'
    server.config.write_text(text + tls)
    return server, port


def with_tls(phone: Baresip, authority: Authority) -> Baresip:
    """The phone believes the authority, and has a certificate of it."""
    certificate, key = authority.certificate(LOOPBACK, file=phone.name)
    both = authority.directory / f"{phone.name}-both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    prepare = phone.prepare

    def prepare_with_tls() -> None:
        prepare()
        with (phone.directory / "config").open("a") as config:
            config.write(f"sip_certificate {both}\nsip_cafile {authority.ca}\n")

    phone.prepare = prepare_with_tls  # type: ignore[method-assign]
    return phone


async def test_two_phones_that_register_over_tls_hear_each_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, port = secure(tmp_path / "server", authority, {}, USERS)
    registrar = f"sip:{LOOPBACK}:{port};transport=tls"
    async with (
        server,
        with_tls(
            Baresip("1001", 440, tmp_path / "a", held_first=True, registrar=registrar, password="secret1"), authority
        ) as a,
        with_tls(Baresip("1002", 880, tmp_path / "b", registrar=registrar, password="secret2"), authority) as b,
    ):
        phones = await server.registrations(2)
        assert {phone["transport"] for phone in phones} == {"tls"}
        document = await server.create("1001")
        call_id = (await server.connect(document, "1002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        await a.command("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")


async def test_a_phone_that_is_called_over_tls(tmp_path: Path) -> None:
    """Its certificate names its address; one that names another is not called."""
    authority = Authority(tmp_path)
    a = with_tls(Baresip("extension", 440, tmp_path / "a", held_first=True), authority)
    b = Baresip("contact", 880, tmp_path / "b")
    secured = f"sip:extension@{LOOPBACK}:{a.port + 1};transport=tls"
    misnamed = f"sip:extension@localhost:{a.port + 1};transport=tls"
    server, _ = secure(tmp_path / "server", authority, {"2001": secured, "2002": b.uri, "2003": misnamed}, {})
    async with a, b, server:
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        await a.command("hangup")
        record = await server.ended(document, call_id)
        assert (record["result"], record["ended_by"]) == ("success", "a")
        document = await server.create("2003")
        call_id = (await server.connect(document, "2002"))["call_id"]
        record = await server.ended(document, call_id)
        assert (record["result"], leg(record, "a")["sip_code"]) == ("error", 503)
    assert "certificate is not valid for 'localhost'" in server.output()


async def test_what_openssl_sees(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, port = secure(tmp_path / "server", authority, {}, {})
    async with server:
        client = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", "-CAfile", str(authority.ca)),
            *("-verify_return_error", "-verify_ip", LOOPBACK, "-brief"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(client.communicate(), 10)
    assert client.returncode == 0, said
    assert b"Verification: OK" in said
    assert b"Protocol version: TLSv1.3" in said
