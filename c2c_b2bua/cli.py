"""The command line: composes everything. Exit codes: 0 done, 1 it did not work, 2 the command or configuration is wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import structlog
import uvloop
from cyclopts import App, Parameter
from rich.console import Console

from c2c_b2bua import __version__
from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.config import Config, ConfigError, Listen, Sip
from c2c_b2bua.demo import demo as play_demo
from c2c_b2bua.engine import Engine
from c2c_b2bua.handset import Handset
from c2c_b2bua.ladder import HEAD, Ladder
from c2c_b2bua.phone import Manners, PhoneNews
from c2c_b2bua.server import serve as run_server
from c2c_b2bua.service.settings import load
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.uri import Uri

app = App(
    name="c2c", help="Click-to-call without a PBX: one HTTP request, two phones, one bridged call.", version=__version__
)
account = App(name="account", help="Accounts that are kept in the database.")
app.command(account)
console = Console(highlight=False, soft_wrap=True)
ConfigFile = Annotated[Path, Parameter(help="The TOML file; config.example.toml shows all there is to set.")]


def fail(code: int, text: str) -> NoReturn:
    """Say what is wrong on standard error, and end."""
    print(text, file=sys.stderr)
    sys.exit(code)


def read_config(path: Path) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        fail(2, str(error))


def set_up_log(level: str = "info") -> None:
    """Lines for people on a terminal, JSON for machines elsewhere; both on standard error."""
    is_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


@app.command
def serve(*, config: ConfigFile, log_level: str = "info") -> None:
    """Run the service until SIGTERM or SIGINT; then running calls are hung up, and history is complete.

    Parameters
    ----------
    log_level
        debug, info, warning or error.
    """
    if log_level not in ("debug", "info", "warning", "error"):
        fail(2, f"--log-level {log_level}: expected debug, info, warning or error")
    settings = read_config(config)
    set_up_log(log_level)
    run(run_server(settings))


@app.command
def check(*, config: ConfigFile) -> None:
    """Validate a configuration and print the effective settings, secrets masked."""
    settings = read_config(config)
    console.print_json(data=settings.shown()) if sys.stdout.isatty() else print(json.dumps(settings.shown(), indent=2))


@app.command
def demo() -> None:
    """Play one click-to-call on loopback: the real server, two simulated phones, the ladder as it happens."""
    set_up_log("warning")
    ok = run(play_demo(say, show))
    say("")
    if not ok:
        fail(1, "The call was not bridged and torn down as it should.")
    say("Bridged and torn down cleanly.")


@app.command
def call(
    a_uri: str,
    b_uri: str,
    *,
    listen: str = "udp:0.0.0.0:0",
    advertise: str = "",
    from_uri: str = "",
    proxy: str = "",
    username: str = "",
    password: str = "",
    ring_timeout: float = 30.0,
    max_duration: float = 14400.0,
) -> None:
    """Make one bridged call without a server: ring A_URI, on its answer B_URI, join them, until somebody hangs up.

    Exit code 0: they were bridged. Ctrl-C hangs up.

    Parameters
    ----------
    a_uri
        SIP URI to ring first.
    b_uri
        SIP URI to ring second.
    listen
        Our SIP address, transport:host:port; port 0 is any free one.
    advertise
        host[:port] that peers are told, when behind NAT.
    from_uri
        Who is calling; by default each phone sees the other's URI.
    proxy
        SIP URI of an outbound proxy for B, such as a trunk.
    username
        Digest user for challenges.
    password
        Digest password; env:NAME takes it from the environment.
    ring_timeout
        Seconds each phone may ring.
    max_duration
        Seconds the whole call may take.
    """
    for text in (a_uri, b_uri, *([proxy] if proxy else []), *([from_uri] if from_uri else [])):
        checked_uri(text)
    secret = read_secret(password)
    order = CallOrder(
        call_id="c2c-call",
        a=Party(target=a_uri, uri=a_uri, from_uri=from_uri or bare(b_uri), username=username, password=secret,
                ring_timeout=ring_timeout),
        b=Party(target=b_uri, uri=b_uri, from_uri=from_uri or bare(a_uri), next_hop=proxy, username=username,
                password=secret, ring_timeout=ring_timeout),
        max_duration=max_duration,
    )  # fmt: skip
    set_up_log("warning")
    record = run(one_call(Sip(listen=[checked_listen(listen)], advertise=advertise), order))
    if record.bridged_at is None:
        who = {"a": "A", "b": "B", "timer": "a timer", "error": "an error", "api": "you"}[record.ended_by or "error"]
        code = f" (SIP {record.sip_code} {record.reason or ''})".rstrip() if record.sip_code else ""
        fail(1, f"Not bridged: {record.cause}{code}, ended by {who}.")


async def one_call(sip: Sip, order: CallOrder) -> Any:
    """Make the call, print its ladder; the record of it."""
    engine = Engine(sip)
    await engine.start()
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def heard(news: CallNews) -> None:
        if isinstance(news, CallEnded):
            ended.set_result(news.record)

    engine.subscribe(heard)
    ladder = Ladder(engine.now())

    def trace(direction: str, data: bytes, flow: object) -> None:
        line = ladder.line(direction, data, engine.now())
        if line is not None:
            say(line)

    engine.traces.append(trace)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: engine.hang_up(order.call_id))
    say(HEAD)
    try:
        engine.connect(order)
        return await ended
    finally:
        await engine.close(1.0)


@app.command
def phone(
    *,
    listen: str = "udp:127.0.0.1:5070",
    user: str = "phone",
    answer_after: float = 0.0,
    hangup_after: float | None = None,
    reply: int = 200,
    never_answer: bool = False,
) -> None:
    """Be a simulated phone until Ctrl-C: ring, answer, hang up, or refuse, as told.

    Parameters
    ----------
    listen
        Its address, transport:host:port.
    user
        User part of its URI.
    answer_after
        Seconds it rings.
    hangup_after
        Seconds it talks; without it, until the other side hangs up.
    reply
        Final response: 200 answers, 486 is busy, 603 declines, …
    never_answer
        Ring until the caller gives up.
    """
    if not 200 <= reply <= 699:
        fail(2, f"--reply {reply}: expected a final SIP response code, 200 to 699")
    manners = Manners(
        user=user, answer_after=None if never_answer else answer_after, hangup_after=hangup_after, reply=reply
    )
    set_up_log("warning")
    run(be_a_phone(checked_listen(listen), manners))


async def be_a_phone(listen: str, manners: Manners) -> None:
    def heard(news: PhoneNews) -> None:
        say(f"{news.what.lower():8} {news.call_id}  {news.text}".rstrip())

    handset = Handset(listen, manners, heard)
    await handset.start()
    say(f"ready    {handset.uri}")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    await handset.stop()


def say(text: str) -> None:
    """A line on standard output, at once; on a terminal the ladder's arrows have a colour."""
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    if "│" not in text:
        console.print(text, markup=False)
        return
    colour = "red" if any(f" {digit}" in text and f"{digit}" == text.split("─ ")[-1][:1] for digit in "456") else "cyan"
    console.print(text, style=colour, markup=False)


def show(value: Any) -> None:
    if sys.stdout.isatty():
        console.print_json(data=value)
    else:
        print(json.dumps(value, indent=2))


def checked_uri(text: str) -> Uri:
    try:
        uri = Uri.parse(text)
    except SipError as error:
        fail(2, f"{error.reason}: expected sip:user@host[:port]")
    if not uri.is_sip:
        fail(2, f"{text}: expected sip:user@host[:port]")
    return uri


def checked_listen(text: str) -> str:
    try:
        return str(Listen.parse(text))
    except ValueError as error:
        fail(2, f"--listen {text}: {error}")


def bare(uri: str) -> str:
    """A URI without parameters, fit for From."""
    parsed = Uri.parse(uri)
    return str(msgspec.structs.replace(parsed, parameters={}, headers=""))


def read_secret(text: str) -> str:
    import os

    if not text.startswith("env:"):
        return text
    if text[4:] not in os.environ:
        fail(2, f"the environment variable {text[4:]} is not set")
    return os.environ[text[4:]]


def run(work: Any) -> Any:
    """Run a coroutine on uvloop; what the machine refuses is one clear line and exit code 1."""
    try:
        return uvloop.run(work)
    except OSError as error:
        fail(1, error.strerror or str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
