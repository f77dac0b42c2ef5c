"""TLS on loopback: names that are proved and names that are not, both ways, and files that cannot be used."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from c2c_b2bua.config import Limits, Sip, Tls
from c2c_b2bua.engine import Engine
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.transport.tls import names_of
from tests.certificates import Authority
from tests.transport.peers import TcpPeer, TcpPhone, UdpPeer, engine, options
from tests.transport.test_sockets import Ends, order


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Tls:
    """Settings of a server at 127.0.0.1."""
    certificate, key = authority.certificate("127.0.0.1", file="ours")
    return Tls(certificate=str(certificate), key=str(key), ca=str(authority.ca))


def believer(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca))


def server_of(authority: Authority, *names: str, file: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certificate(*names, file=file))
    return context


def knows(running: Engine, directory: Path, *names: str) -> None:
    """Let the engine find these names on loopback."""
    running.resolver.hosts = directory / "hosts"
    running.resolver.hosts.write_text(f"127.0.0.1 {' '.join(names)}\n")


# ── who connects to us ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_phone_connects(authority: Authority, ours: Tls) -> None:
    async with engine("tls:127.0.0.1:0", tls=ours) as running:
        interface = running.core.interfaces.interfaces[0]
        assert interface.contact == f"<sip:c2c@127.0.0.1:{interface.port};transport=tls>"
        peer = await TcpPeer.connect(interface, believer(authority))
        for number in (1, 2):
            peer.send(options(number, "TLS"))
            response = await peer.next()
            assert isinstance(response, Response)
            assert (response.status, response.via.transport) == (200, "TLS")
        peer.send(b"\r\n\r\n")
        assert await peer.exactly(2) == b"\r\n"
        await peer.close()


async def test_old_versions_are_refused(ours: Tls) -> None:
    async with engine("tls:127.0.0.1:0", tls=ours) as running:
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.maximum_version = old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(OSError):
            await TcpPeer.connect(running.core.interfaces.interfaces[0], old)


async def test_who_shakes_no_hands_is_closed(ours: Tls) -> None:
    async with engine("tls:127.0.0.1:0", tls=ours, limits=Limits(handshake=0.2)) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        assert await peer.closed()
        await peer.close()


async def test_a_certificate_is_demanded(authority: Authority, ours: Tls, tmp_path: Path) -> None:
    """Without one, with a stranger's, with one of the authority."""
    strict = msgspec.structs.replace(ours, require_client_certificate=True)
    async with engine("tls:127.0.0.1:0", tls=strict) as running:
        interface = running.core.interfaces.interfaces[0]
        for signer in (None, Authority(tmp_path, "stranger"), authority):
            context = believer(authority)
            if signer is not None:
                context.load_cert_chain(*signer.certificate("phone.example"))
            if signer is authority:
                peer = await TcpPeer.connect(interface, context)
                peer.send(options(1, "TLS"))
                assert (await peer.next()).cseq.number == 1
                await peer.close()
            else:
                with pytest.raises(OSError):
                    # With TLS 1.3 the client learns of it when it reads.
                    peer = await TcpPeer.connect(interface, context)
                    try:
                        peer.send(options(1, "TLS"))
                        await peer.exactly(1)
                    except asyncio.IncompleteReadError as error:
                        raise ConnectionResetError from error
                    finally:
                        peer.writer.transport.abort()


# ── whom we connect to ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_name_of_the_uri_is_proved(authority: Authority, ours: Tls, tmp_path: Path) -> None:
    """SNI says whom we want; two calls share the connection, a call to another name there does not (RFC 5923 §9.2)."""
    context = server_of(authority, "one.example", "two.example")
    wanted: list[str | None] = []
    context.sni_callback = lambda socket, name, context: wanted.append(name)
    async with engine("tls:127.0.0.1:0", tls=ours) as running, TcpPhone.open(tls=context) as phone:
        knows(running, tmp_path, "one.example", "two.example")
        running.connect(order(f"sips:a@one.example:{phone.port}", "call1"))
        first = await phone.next()
        invite = await first.next()
        assert isinstance(invite, Request)
        interface = running.core.interfaces.interfaces[0]
        assert invite.via.transport == "TLS"
        assert invite.headers["Contact"] == [f"<sips:c2c@127.0.0.1:{interface.port}>"]
        running.connect(order(f"sip:a@one.example:{phone.port};transport=tls", "call2"))
        assert isinstance(await first.next(), Request)
        running.connect(order(f"sips:a@two.example:{phone.port}", "call3"))
        second = await phone.next()
        assert isinstance(await second.next(), Request)
        assert wanted == ["one.example", "two.example"]
        # By its address the host can be had over what stands, whoever it has proved to be.
        running.connect(order(f"sips:a@127.0.0.1:{phone.port}", "call4"))
        assert isinstance(await first.next(), Request)


@pytest.mark.parametrize(
    ("names", "proved"),
    [
        (["sip:one.example"], True),
        (["sip:ONE.example.", "other.example"], True),
        (["other.example", "One.Example"], True),
        (["*.example"], False),
        (["sip:*.example"], False),
        (["sip:someone@one.example"], False),
        (["sips:one.example"], False),
    ],
)
async def test_what_a_certificate_may_name(
    authority: Authority, ours: Tls, tmp_path: Path, names: list[str], proved: bool
) -> None:
    """RFC 5922 §7: the domain of the URI, as SIP URI or DNS name; no wildcard is anybody's name."""
    certificate = server_of(authority, *names, file="peer")
    async with engine("tls:127.0.0.1:0", tls=ours) as running, TcpPhone.open(tls=certificate) as phone:
        ends = Ends(running)
        knows(running, tmp_path, "one.example")
        running.connect(order(f"sips:a@one.example:{phone.port}"))
        if proved:
            assert isinstance(await (await phone.next()).next(), Request)
        else:
            assert (await ends.next()).record.sip_code == 503
            assert not running.connections.by_number and not running.connections.by_peer


@pytest.mark.parametrize(
    ("certificate", "named"),
    [
        ({"subject": ((("commonName", "One.example"),),)}, {"one.example"}),
        ({"subject": ((("commonName", "x"),),), "subjectAltName": (("DNS", "b"),)}, {"b"}),
        ({"subject": ((("commonName", "x"),),), "subjectAltName": (("email", "a@b"),)}, set()),
        ({"subjectAltName": (("URI", "https://b"), ("URI", "SIP:b"), ("URI", "sip:b;transport=tls"))}, {"b"}),
        ({"subjectAltName": (("IP Address", "2001:DB8:0:0:0:0:0:1"),)}, {"2001:db8::1"}),
        ({}, set()),
    ],
)
def test_names_of_a_certificate(certificate: dict[str, Any], named: set[str]) -> None:
    assert names_of(certificate) == named


@pytest.mark.parametrize("reason", ["name", "authority", "none of either"])
async def test_who_proves_nothing_gets_nothing(
    authority: Authority, ours: Tls, tmp_path: Path, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"name": "other.example", "authority": "one.example", "none of either": "other.example"}
    signer = authority if reason == "name" else Authority(tmp_path, "stranger")
    async with (
        engine("tls:127.0.0.1:0", tls=ours) as running,
        TcpPhone.open(tls=server_of(signer, names[reason])) as phone,
    ):
        ends = Ends(running)
        knows(running, tmp_path, "one.example")
        running.connect(order(f"sips:a@one.example:{phone.port}"))
        assert (await ends.next()).record.sip_code == 503
        assert not running.connections.by_number
    said = capsys.readouterr().out
    assert "no connection" in said and "one.example" in said
    assert ("not valid for 'one.example'" if reason == "name" else "unable to get local issuer") in said


async def test_verification_can_be_turned_off(authority: Authority, tmp_path: Path) -> None:
    async with (
        engine("tls:127.0.0.1:5061", tls=Tls(verify=False)) as running,
        TcpPhone.open(tls=server_of(Authority(tmp_path, "stranger"), "other.example")) as phone,
    ):
        running.connect(order(f"sips:a@127.0.0.1:{phone.port}"))
        assert isinstance(await (await phone.next()).next(), Request)


async def test_without_a_certificate_tls_only_connects_out(authority: Authority, tmp_path: Path) -> None:
    context = server_of(authority, "one.example")
    async with (
        engine("tls:127.0.0.1:0", tls=Tls(ca=str(authority.ca))) as running,
        TcpPhone.open(tls=context) as phone,
    ):
        assert not running.connections.doors
        knows(running, tmp_path, "one.example")
        running.connect(order(f"sips:a@one.example:{phone.port}"))
        invite = await (await phone.next()).next()
        assert isinstance(invite, Request)
        assert invite.via.sent_by == "127.0.0.1:5061"


async def test_our_client_certificate_is_shown(authority: Authority, ours: Tls, tmp_path: Path) -> None:
    context = server_of(authority, "one.example")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    certificate, key = authority.certificate("client.example")
    tls = Tls(ca=str(authority.ca), client_certificate=str(certificate), client_key=str(key))
    async with engine("tls:127.0.0.1:0", tls=tls) as running, TcpPhone.open(tls=context) as phone:
        knows(running, tmp_path, "one.example")
        running.connect(order(f"sips:a@one.example:{phone.port}"))
        peer = await phone.next()
        assert isinstance(await peer.next(), Request)
        shown = peer.writer.get_extra_info("peercert")
        assert shown["subjectAltName"] == (("DNS", "client.example"),)


async def test_sips_never_goes_by_anything_else() -> None:
    async with engine("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        ends = Ends(running)
        running.connect(order(f"sips:a@127.0.0.1:{peer.port}"))
        record = (await ends.next()).record
        assert (record.sip_code, record.reason) == (503, "no TLS socket of ours reaches IPv4 127.0.0.1")


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"certificate": "nowhere.pem"}, r"sip\.tls\.certificate nowhere\.pem: No such file"),
        ({"key": "nowhere.key"}, r"sip\.tls\.key nowhere\.key: No such file"),
        (
            {"key": "{other}"},
            r"sip\.tls\.certificate .*ours\.pem, sip\.tls\.key .*other\.key: key of another certificate",
        ),
        ({"certificate": "{text}"}, r"sip\.tls\.certificate .*text\.pem.*: no PEM certificate and key"),
        ({"key": ""}, r"sip\.tls\.certificate .*ours\.pem.*: no PEM certificate and key"),
        ({"key": "{locked}"}, r"sip\.tls\.key: a key with a passphrase cannot be used"),
        ({"ca": "{text}"}, r"sip\.tls\.ca .*text\.pem: no PEM certificates"),
        ({"ca": "nowhere.pem"}, r"sip\.tls\.ca nowhere\.pem: No such file"),
        ({"client_certificate": "nowhere.pem"}, r"sip\.tls\.client_certificate nowhere\.pem: No such file"),
    ],
)
async def test_files_that_cannot_be_used(
    authority: Authority, ours: Tls, tmp_path: Path, change: dict[str, str], expected: str
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("not a certificate\n")
    places = {"text": text, "locked": lock(ours, tmp_path), "other": authority.certificate("other")[1]}
    filled = {name: value.format(**places) for name, value in change.items()}
    running = Engine(Sip(listen=["tls:127.0.0.1:0"], tls=msgspec.structs.replace(ours, **filled)))
    with pytest.raises(OSError, match=expected):
        await running.start()


def lock(tls: Tls, directory: Path) -> Path:
    """The same key under a passphrase."""
    path = directory / "locked.key"
    command = f"openssl pkcs8 -topk8 -in {tls.key} -out {path} -passout pass:secret"
    subprocess.run(command.split(), check=True, capture_output=True)
    return path


async def test_certificates_are_renewed_while_it_runs(authority: Authority, tmp_path: Path) -> None:
    """New connections see the new one; a file that cannot be used changes nothing."""
    certificate, key = authority.certificate("old.example")
    used, used_key = tmp_path / "used.pem", tmp_path / "used.key"
    used.write_bytes(certificate.read_bytes())
    used_key.write_bytes(key.read_bytes())

    async def shown() -> str:
        context = believer(authority)
        context.check_hostname = False
        peer = await TcpPeer.connect(interface, context)
        names = peer.writer.get_extra_info("peercert")["subjectAltName"]
        await peer.close()
        return str(names[0][1])

    async with engine("tls:127.0.0.1:0", tls=Tls(certificate=str(used), key=str(used_key))) as running:
        interface = running.core.interfaces.interfaces[0]
        assert await shown() == "old.example"
        certificate, key = authority.certificate("new.example")
        used.write_bytes(certificate.read_bytes())
        with pytest.raises(OSError, match=re.escape("key of another certificate")):
            running.connections.renew_certificates()
        assert await shown() == "old.example"
        used_key.write_bytes(key.read_bytes())
        running.connections.renew_certificates()
        assert await shown() == "new.example"
