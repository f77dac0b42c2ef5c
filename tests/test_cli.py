"""The commands as processes: what they print, what they exit with, and what SIGTERM does to running calls."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from c2c_b2bua.commands.terminal import colour
from tests.certificates import Authority
from tests.command import PATIENCE, Command, c2c, run
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import TICK, Server
from tests.sipp.sipp import Sipp

KEY = "0123456789abcdef" * 4
GOOD = f"""
[storage]
url = "postgresql://c2c:open-sesame@db.example/c2c"

[[account]]
id = "{"0" * 32}"
name = "acme"
realm = "acme.example.com"
api_key = "{KEY}"
"""


class TwoPhones:
    """`c2c phone` twice, each in a process of its own; `a` and `b` are what else they are told."""

    def __init__(self, a: str = "", b: str = "") -> None:
        self.ports = [free_port(), free_port()]
        self.words = [a.split(), b.split()]

    async def __aenter__(self) -> TwoPhones:
        async with AsyncExitStack() as stack:
            phones = [
                await stack.enter_async_context(
                    c2c("phone", "--listen", f"udp:{LOOPBACK}:{port}", "--user", user, *words)
                )
                for user, port, words in zip("ab", self.ports, self.words, strict=True)
            ]
            self.a, self.b = phones
            for phone in phones:
                await phone.says("^ready")
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.__aexit__(*error)  # type: ignore[arg-type]

    @property
    def uris(self) -> tuple[str, str]:
        a, b = (f"sip:{user}@{LOOPBACK}:{port}" for user, port in zip("ab", self.ports, strict=True))
        return a, b

    def server(self, directory: Path, **calls: object) -> Server:
        """One that knows them as 2001 and 2002."""
        return Server(directory, dict(zip(("2001", "2002"), self.uris, strict=True)), calls=calls)


async def bridged(server: Server) -> tuple[str, str]:
    """Connect 2001 with 2002, and wait until they are joined: the click-to-call and the call."""
    document = await server.create("2001")
    call_id = (await server.connect(document, "2002"))["call_id"]
    await server.reaches(document, call_id, "bridged")
    return document, call_id


# ── check, and what is no command ────────────────────────────────────────────────────────────────────────────────────


async def test_check_shows_what_is_in_effect_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "c2c.toml"
    path.write_text(GOOD)
    outcome = await run("check", "--config", str(path))
    assert (outcome.code, outcome.err) == (0, "")
    for shown in ('"ring_timeout": 30.0', '"name": "acme"', '"postgresql://c2c:***@db.example/c2c"'):
        assert shown in outcome.out
    assert KEY not in outcome.out
    assert "open-sesame" not in outcome.out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[api]\nlisten = "here"', 'api.listen: expected "host:port"'),
        ("[calls]\nring_timout = 3", 'calls.ring_timout: unknown key; did you mean "ring_timeout"?'),
        ("[calls]\nring_timeout = -3", "calls.ring_timeout: expected float > 0"),
        ("[api", "not TOML"),
        (None, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
async def test_a_bad_configuration(tmp_path: Path, command: str, text: str | None, complaint: str) -> None:
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_text(text)
    outcome = await run(command, "--config", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"{path}: ")
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("answer", 'Unknown command "answer"'),
        ("serve", "--config"),
        ("serve --config x --log-level loud", "--log-level"),
        ("call sip:a@127.0.0.1", "B_URI"),
        ("call sip:a@127.0.0.1 tel:+14155550100", "tel:+14155550100: expected sip:user@host[:port]"),
        ("call sip:a@127.0.0.1 sip:b@[", "sip:b@[: "),
        ("call sip:a@127.0.0.1 sip:b@127.0.0.1 --listen sctp:127.0.0.1:0", "--listen sctp:127.0.0.1:0: expected"),
        ("call sip:a@127.0.0.1 sip:b@127.0.0.1 --password env:NOT_THERE", "NOT_THERE is not set"),
        ("call sip:a@127.0.0.1 sip:b@127.0.0.1 --ring-timeout 0", "--ring-timeout 0.0: expected seconds"),
        ("call sip:a@127.0.0.1 sip:b@127.0.0.1 --advertise a/b", "--advertise a/b: expected host"),
        ("phone --reply 180", "--reply 180: expected a final SIP response code"),
        ("phone --listen 5070", "--listen 5070: expected"),
        ("phone --answer-after -1", "--answer-after -1.0: expected seconds"),
        ("phone --user a@b", "--user a@b: expected"),
        ("phone --register tel:1", "tel:1: expected sip:"),
        ("phone --ca nowhere.pem", "--ca nowhere.pem: No such file"),
        ("phone --key x.pem", "--key x.pem: whose? expected --certificate"),
        ("call sip:a@127.0.0.1 sip:b@127.0.0.1 --certificate nowhere.pem", "--certificate nowhere.pem: No such file"),
        ("account add acme --realm a_b --config {config}", "--realm expected a domain"),
    ],
)
async def test_what_cannot_be_meant(tmp_path: Path, words: str, complaint: str) -> None:
    config = tmp_path / "c2c.toml"
    config.write_text(f'[storage]\nurl = "sqlite:///{tmp_path}/c2c.db"\n')
    outcome = await run(*words.format(config=config).split())
    assert (outcome.code, outcome.out) == (2, "")
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err


async def test_help() -> None:
    outcome = await run("--help")
    assert outcome.code == 0
    for word in ("serve", "demo", "check", "call", "phone", "account", "Exit codes"):
        assert word in outcome.out
    outcome = await run("phone", "--help")
    assert outcome.code == 0
    assert "--register" in outcome.out


# ── serve ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("taken", ["http_port", "sip_port"])
async def test_a_second_server_says_so_and_harms_no_call_of_the_first(tmp_path: Path, taken: str) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path / "first") as server:
        document, call_id = await bridged(server)
        second = Server(tmp_path / "second", {})
        setattr(second, taken, getattr(server, taken))
        text = second.settings({}, "", {}, {}, {}).replace(str(tmp_path / "second"), str(tmp_path / "first"))
        second.config.write_text(text)
        outcome = await run("serve", "--config", str(second.config))
        assert (outcome.code, outcome.out) == (1, "")
        transport = "tcp" if taken == "http_port" else "udp"
        assert outcome.err.startswith(f"cannot listen on {transport}:{LOOPBACK}:{getattr(server, taken)}")
        assert outcome.err.endswith("Address already in use")
        assert "\n" not in outcome.err
        (record,) = await server.history(document)
        assert record["call_id"] == call_id
        assert "ended_by" not in record
        phones.b.tell(signal.SIGTERM)
        record = await server.ended(document, call_id)
        assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_database_that_cannot_be_had(tmp_path: Path) -> None:
    path = tmp_path / "c2c.toml"
    path.write_text(
        f'[api]\nlisten = "{LOOPBACK}:{free_port()}"\n[sip]\nlisten = ["udp:{LOOPBACK}:{free_port()}"]\n'
        f'[storage]\nurl = "sqlite:///{tmp_path}/away/c2c.db"\n'
    )
    database = f"cannot use the database sqlite:///{tmp_path}/away/c2c.db: unable to open database file"
    journal = f"cannot use {tmp_path}/away/c2c.db.calls: No such file or directory"
    for words, complaint in (
        (("serve",), journal),
        (("serve", "--replace"), database),
        (("account", "list"), database),
    ):
        outcome = await run(*words, "--config", str(path))
        assert outcome == (1, "", complaint)


async def test_sigterm_hangs_up_and_history_is_complete(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        async with phones.server(tmp_path) as server:
            document, call_id = await bridged(server)
            await server.stop()
            for phone in (phones.a, phones.b):
                await phone.says("^ended .*the other side hung up")
            assert '"event": "stopping"' in server.output()
            assert '"event": "stopped"' in server.output()
        async with server:
            (record,) = await server.history(document)
    assert record["call_id"] == call_id
    assert (record["result"], record["ended_by"]) == ("success", "api")
    assert [leg["ended_at"] is not None for leg in record["legs"]] == [True, True]


async def test_a_second_sigterm_waits_for_nobody(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        async with phones.server(tmp_path, grace=3600.0) as server:
            document, _ = await bridged(server)
            phones.b.tell(signal.SIGSTOP)  # it will not answer our BYE
            assert server.process
            server.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                while '"event": "stopping"' not in server.output():  # noqa: ASYNC110 (a file tells nobody)
                    await asyncio.sleep(TICK)
            refused = await server.request("POST", f"/v2/accounts/{server.account}/clicktocall/{document}/connect", 503)
            assert refused["status"] == "error"
            await server.stop()
        async with server:
            (record,) = await server.history(document)
    assert (record["result"], record["ended_by"]) == ("success", "api")
    assert [leg["ended_at"] is not None for leg in record["legs"]] == [True, True]


# ── call and phone ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_call() -> None:
    async with TwoPhones("--answer-after 0.2", "--hangup-after 0.2") as phones:
        outcome = await run("call", *phones.uris, "--listen", f"udp:{LOOPBACK}:0")
        assert (outcome.code, outcome.err) == (0, "")
        lines = outcome.out.splitlines()
        assert lines[0].split() == ["seconds", "A", "c2c", "B"]
        assert [sum(f" {word} " in line for line in lines) for word in ("INVITE", "180", "200", "ACK", "BYE")] == [
            3,
            2,
            5,
            3,
            2,
        ]
        assert lines[-1].startswith("Bridged for 0.")
        assert lines[-1].endswith("ended by B.")
        await phones.a.says("^ended .*the other side hung up")
        await phones.b.says("^ended .*hung up")


async def test_a_call_over_tls(tmp_path: Path) -> None:
    """Each believes what its --ca has signed, and nobody else."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.certificate(LOOPBACK, file="all")
    files = f"--certificate {certificate} --key {key} --ca {authority.ca}"
    a, b, ours = (free_port() for _ in range(3))
    async with (
        c2c("phone", *f"--listen tls:{LOOPBACK}:{a} {files}".split()) as first,
        c2c("phone", *f"--listen tls:{LOOPBACK}:{b} --hangup-after 0.2 {files}".split()) as second,
    ):
        await first.says("^ready .*;transport=tls$")
        await second.says("^ready ")
        uris = (f"sips:phone@{LOOPBACK}:{a}", f"sips:phone@{LOOPBACK}:{b}")
        outcome = await run("call", *uris, "--listen", f"tls:{LOOPBACK}:{ours}", *files.split())
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.splitlines()[-1].endswith("ended by B.")
        outcome = await run("call", *uris, "--listen", f"tls:{LOOPBACK}:0", "--ca", str(stranger.ca))
        assert outcome.code == 1
        assert "Not bridged: NORMAL_TEMPORARY_FAILURE (SIP 503" in outcome.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_call_that_is_interrupted_hangs_up(number: signal.Signals) -> None:
    async with TwoPhones() as phones, c2c("call", *phones.uris) as call:
        await call.says(" ACK ", times=3)
        call.tell(number)
        outcome = await call.ended()
        assert outcome.code == 0
        assert outcome.out.endswith("ended by you.")
        for phone in (phones.a, phones.b):
            await phone.says("^ended .*the other side hung up")


async def test_a_call_that_is_interrupted_twice_waits_for_nobody() -> None:
    async with TwoPhones() as phones, c2c("call", *phones.uris) as call:
        await call.says(" ACK ", times=3)
        phones.b.tell(signal.SIGSTOP)  # it will not answer our BYE
        call.tell(signal.SIGINT)
        await call.says(" BYE ", times=2)
        call.tell(signal.SIGINT)
        outcome = await call.ended()
        assert outcome.code == 0
        assert outcome.out.endswith("ended by you.")


async def test_a_call_that_is_interrupted_while_it_rings_was_not_bridged() -> None:
    async with TwoPhones(b="--never-answer") as phones, c2c("call", *phones.uris) as call:
        await phones.b.says("^ringing")
        call.tell(signal.SIGINT)
        outcome = await call.ended()
        assert outcome.code == 1
        assert outcome.err.startswith("Not bridged: ")
        assert outcome.err.endswith("ended by you.")
        await phones.b.says("^ended .*the caller gave up")
        await phones.a.says("^ended .*the other side hung up")


async def test_a_call_to_somebody_busy() -> None:
    async with TwoPhones(b="--reply 486") as phones:
        outcome = await run("call", *phones.uris)
        assert outcome.code == 1
        assert outcome.err == "Not bridged: USER_BUSY (SIP 486 Busy Here), ended by B."
        assert "── 486 Busy Here ──" in outcome.out
        await phones.b.says("^ended .*refused with 486")


async def test_a_phone_whose_port_is_taken_and_one_that_is_switched_off() -> None:
    async with TwoPhones() as phones:
        listen = f"udp:{LOOPBACK}:{phones.ports[0]}"
        outcome = await run("phone", "--listen", listen)
        assert outcome == (1, "", f"cannot listen on {listen}: Address already in use")
        phones.a.tell(signal.SIGTERM)
        assert (await phones.a.ended()).code == 0


async def test_a_phone_registers(tmp_path: Path) -> None:
    words = f"--user 1001 --listen udp:{LOOPBACK}:0 --expires 60 --domain acme.example.com --password env:SECRET"
    async with Sipp("registrar_challenges", tmp_path) as registrar:
        address = f"sip:{LOOPBACK}:{registrar.port}"
        async with c2c("phone", *words.split(), "--register", address, env={"SECRET": "phone-secret"}) as phone:
            await phone.says("^registered +sip:1001@acme.example.com for 7200 s$")
            phone.tell(signal.SIGTERM)
            outcome = await phone.ended()
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.endswith("unregistered sip:1001@acme.example.com")
        await registrar.passed()


async def test_a_phone_that_is_not_wanted(tmp_path: Path) -> None:
    async with Sipp("registrar_challenges", tmp_path) as registrar:
        address = f"sip:{LOOPBACK}:{registrar.port}"
        words = f"--user 1001 --listen udp:{LOOPBACK}:0 --domain acme.example.com --register {address}"
        outcome = await run("phone", *words.split(), "--password", "wrong")
    assert outcome.code == 1
    assert outcome.out.endswith("refused      sip:1001@acme.example.com: 403 Forbidden")


# ── account ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_accounts_beside_a_running_server(tmp_path: Path) -> None:
    async with Server(tmp_path, {}) as server:

        async def account(*words: str, code: int = 0) -> str:
            outcome = await run("account", *words, "--config", str(server.config))
            assert outcome.code == code, outcome
            assert "Traceback" not in outcome.err
            return outcome.err if code else outcome.out

        made = dict(
            line.split("\t") for line in (await account("add", "Beta", "--realm", "Beta.example.com")).split("\n")
        )
        assert made.keys() == {"id", "api_key"}
        reply = await server.request("PUT", "/v2/api_auth", 201, {"api_key": made["api_key"]})
        assert reply["data"]["account_id"] == made["id"]
        assert (await account("list")).split("\n") == [
            f"{server.account}\tacme\tacme.example.com\t\tfile",
            f"{made['id']}\tBeta\tbeta.example.com\t\tdatabase",
        ]
        word, _, renewed = (await account("rotate-key", made["id"])).partition("\t")
        assert word == "api_key"
        await server.request("PUT", "/v2/api_auth", 404, {"api_key": made["api_key"]})
        await server.request("PUT", "/v2/api_auth", 201, {"api_key": renewed})
        taken = await account("add", "Beta", "--realm", "gamma.example.com", code=1)
        assert taken == f"account {made['id']} has the name Beta and the realm beta.example.com."
        nobody = "f" * 32
        told = await account("add", "Gamma", "--realm", "gamma.example.com", "--parent", nobody, code=1)
        assert told == f"There is no account {nobody}."
        assert await account("rotate-key", nobody, code=1) == f"There is no account {nobody}."
        assert "in the configuration file" in await account("rotate-key", server.account, code=1)


# ── the screen ───────────────────────────────────────────────────────────────────────────────────────────────────────

CRASH = """
import sys
import structlog
from c2c_b2bua.commands.terminal import set_up_log
sys.stderr.isatty = lambda: {terminal}
set_up_log()
def log_in(password):
    raise RuntimeError("crash")
try:
    log_in("open" + "-sesame")
except RuntimeError:
    structlog.get_logger().exception("failed")
"""


@pytest.mark.parametrize("terminal", [True, False])
async def test_the_log_shows_a_traceback_but_no_values(terminal: bool) -> None:
    async with Command(sys.executable, "-c", CRASH.format(terminal=terminal)) as crash:
        outcome = await crash.ended()
    assert outcome.code == 0
    assert "Traceback" in outcome.err
    assert "RuntimeError: crash" in outcome.err
    assert "open-sesame" not in outcome.err


@pytest.mark.parametrize(
    ("status", "expected"), [(0, "cyan"), (100, "dim"), (199, "dim"), (200, "cyan"), (302, "red"), (486, "red")]
)
def test_what_failed_is_red(status: int, expected: str) -> None:
    assert colour(status) == expected
