"""`c2c call`: one bridged call from the shell, drawn as it goes."""

from __future__ import annotations

import asyncio
import itertools
import signal
from typing import Annotated

from cyclopts import Parameter

from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.commands.arguments import advertised, bare, listen_address, seconds, secret, sip_uri, tls_files
from c2c_b2bua.commands.terminal import fail, run, say, set_up_log
from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.ladder import HEAD, Ladder
from c2c_b2bua.sip.reason import HUNG_UP

CALL = "c2c-call"
WHO = {"a": "A", "b": "B", "timer": "a timer", "error": "an error of ours", "api": "you"}


def call(
    a_uri: str,
    b_uri: str,
    /,
    *,
    listen: Annotated[tuple[str, ...], Parameter(negative="")] = ("udp:0.0.0.0:0", "tcp:0.0.0.0:0"),
    advertise: str = "",
    from_uri: str = "",
    proxy: str = "",
    username: str = "",
    password: str = "",
    ring_timeout: float = 30.0,
    max_duration: float = 14400.0,
    certificate: str = "",
    key: str = "",
    ca: str = "",
) -> None:
    """Ring A, on its answer ring B, join them; no server, no configuration, the ladder on the screen.

    It lasts until somebody hangs up; Ctrl-C or SIGTERM hangs up both, a second one without waiting for
    them. Exit code 0 when they were bridged, 1 when not.

    Parameters
    ----------
    a_uri
        SIP URI to ring first, such as sip:1001@192.0.2.10:5060.
    b_uri
        SIP URI to ring second.
    listen
        Our SIP address, transport:host:port; port 0 is any free one. May be given several times.
    advertise
        host[:port] that peers are told, when behind NAT.
    from_uri
        Who is calling; by default each phone sees the other's URI.
    proxy
        SIP URI that B is reached through, such as a trunk.
    username
        Name for digest challenges.
    password
        Password for digest challenges; env:NAME takes it from the environment.
    ring_timeout
        Seconds each phone may ring.
    max_duration
        Seconds the whole call may take.
    certificate
        PEM file of our certificate, for a --listen tls:…; without one TLS only connects out.
    key
        PEM file of its key, if that is not in the same file.
    ca
        PEM file of the authorities that are believed; by default those of the system.
    """
    for uri in (a_uri, b_uri, *filter(None, (proxy, from_uri))):
        sip_uri(uri)
    patience = seconds("--ring-timeout", ring_timeout)
    word = secret(password)

    def party(uri: str, other: str, next_hop: str = "") -> Party:
        return Party(
            target=uri,
            uri=uri,
            next_hop=next_hop,
            from_uri=from_uri or bare(other),
            username=username,
            password=word,
            ring_timeout=patience,
        )

    order = CallOrder(
        call_id=CALL,
        a=party(a_uri, b_uri),
        b=party(b_uri, a_uri, proxy),
        max_duration=seconds("--max-duration", max_duration),
    )
    sip = Sip(
        listen=[listen_address(text) for text in listen],
        advertise=advertised(advertise),
        tls=tls_files(certificate, key, ca),
    )
    set_up_log("warning")
    record = run(one_call(sip, order))
    who = WHO[record.ended_by or "error"]
    if record.bridged_at is None:
        code = f" (SIP {record.sip_code} {record.reason or ''})".replace(" )", ")") if record.sip_code else ""
        fail(1, f"Not bridged: {record.cause}{code}, ended by {who}.")
    say(f"Bridged for {(record.ended_at or record.bridged_at) - record.bridged_at:.1f} s, ended by {who}.")


async def one_call(sip: Sip, order: CallOrder) -> CallRecord:
    """Make the call, draw its ladder; the record of it."""
    engine = Engine(sip)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[CallRecord] = loop.create_future()
    await engine.start()

    def heard(news: CallNews) -> None:
        if isinstance(news, CallEnded):
            ended.set_result(news.record)

    ladder = Ladder(engine.now())

    def trace(direction: str, data: bytes, flow: object) -> None:
        rung = ladder.rung(direction, data, engine.now())
        if rung is not None:
            say(rung)

    interrupts = itertools.count()

    def interrupt() -> None:
        if next(interrupts) == 0:
            engine.hang_up(order.call_id)
        else:
            engine.carry_out(engine.core.abandon(order.call_id, HUNG_UP, engine.now()))

    engine.subscribe(heard)
    engine.traces.append(trace)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    say(HEAD)
    try:
        engine.connect(order)
        return await ended
    finally:
        await engine.close(1.0)
