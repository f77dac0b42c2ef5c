"""`c2c phone`: a simulated phone on the command line."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from typing import Annotated

from c2c_b2bua.commands.arguments import Switch, listen_address, secret, sip_uri, tls_files
from c2c_b2bua.commands.terminal import fail, run, say, set_up_log
from c2c_b2bua.config import HOST, Tls
from c2c_b2bua.handset import Handset
from c2c_b2bua.phone import Manners, PhoneNews
from c2c_b2bua.registration.registration import Identity, Registered, RegistrationFailed, Unregistered
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action

USER = r"[A-Za-z0-9_.!~*'()&=+$,?/%-]+"
"""What may stand before the @ of a SIP URI (RFC 3261 §25.1)."""


def phone(
    *,
    listen: str = "udp:127.0.0.1:5070",
    user: str = "phone",
    answer_after: float = 0.0,
    hangup_after: float | None = None,
    reply: int = 200,
    never_answer: Annotated[bool, Switch] = False,
    register: str = "",
    domain: str = "",
    username: str = "",
    password: str = "",
    expires: int = 3600,
    certificate: str = "",
    key: str = "",
    ca: str = "",
) -> None:
    """Be a simulated phone until Ctrl-C: ring, answer, hang up or refuse, as told. It sends no media.

    Prints one line for each thing that happens: ready, registered, ringing, talking, ended.
    Exit code 1 when its address cannot be had, or the registrar refuses it for good.

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
    register
        Registrar to register with, sip:host[:port].
    domain
        Domain of its address of record; by default the registrar's host.
    username
        Name for digest challenges; by default --user.
    password
        Password for digest challenges; env:NAME takes it from the environment.
    expires
        Seconds the registration is asked for; it is renewed in time.
    certificate
        PEM file of our certificate, for a --listen tls:…; without one TLS only connects out.
    key
        PEM file of its key, if that is not in the same file.
    ca
        PEM file of the authorities that are believed; by default those of the system.
    """
    if not 200 <= reply <= 699:
        fail(2, f"--reply {reply}: expected a final SIP response code, 200 to 699")
    if not re.fullmatch(USER, user):
        fail(2, f"--user {user}: expected what may stand before the @ of a SIP URI")
    for option, value in (("--answer-after", answer_after), ("--hangup-after", hangup_after or 0.0)):
        if not 0 <= value < 1e9:
            fail(2, f"{option} {value}: expected seconds, 0 or more")
    if not 60 <= expires <= 86_400:
        fail(2, f"--expires {expires}: expected seconds, 60 to 86400")
    identity = None
    if register:
        registrar = Uri.parse(sip_uri(register))
        if domain and not re.fullmatch(HOST, domain):
            fail(2, f"--domain {domain}: expected a domain such as acme.example.com")
        identity = Identity(
            user=user,
            domain=domain or registrar.host,
            registrar=register,
            username=username or user,
            password=secret(password),
            expires=expires,
        )
    manners = Manners(
        user=user, answer_after=None if never_answer else answer_after, hangup_after=hangup_after, reply=reply
    )
    address = listen_address(listen)
    tls = tls_files(certificate, key, ca)
    set_up_log("warning")
    if not run(be_a_phone(address, manners, identity, tls)):
        sys.exit(1)


async def be_a_phone(listen: str, manners: Manners, identity: Identity | None, tls: Tls) -> bool:
    """Run it until a signal; False: the registrar does not want it."""
    stopping = asyncio.Event()
    wanted = True

    def heard(news: Action) -> None:
        nonlocal wanted
        line = told(news)
        if line:
            say(line)
        if isinstance(news, RegistrationFailed) and news.again_in is None:
            wanted = False
            stopping.set()

    handset = Handset(listen, manners, heard, identity, tls)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await handset.start()
    say(f"{'ready':<12} {handset.uri}")
    await stopping.wait()
    await handset.stop()
    return wanted


def told(news: Action) -> str:
    """A line for something that happened."""
    match news:
        case PhoneNews():
            return f"{news.what.lower():<12} {news.call_id}  {news.text}".rstrip()
        case Registered():
            return f"{'registered':<12} {news.aor} for {news.seconds} s"
        case Unregistered():
            return f"{'unregistered':<12} {news.aor}"
        case RegistrationFailed():
            again = "" if news.again_in is None else f"; again in {news.again_in:.0f} s"
            return f"{'refused':<12} {news.aor}: {news.status} {news.reason}{again}"
    return ""
