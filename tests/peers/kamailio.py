"""Kamailio, started in the role a test wants: a carrier, one that has no line free, a registrar, a proxy before ours."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import pytest

from tests.sipp.ports import LOOPBACK, free_port, is_bound

PATIENCE = 15
MODULES = ("tm", "sl", "rr", "pv", "maxfwd", "textops", "siputils", "xlog", "usrloc", "registrar", "auth", "kex")
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=no
tcp_children=2
auto_aliases=no
alias="carrier.example"
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
{listens}
mpath="{modules}"
{loads}
modparam("usrloc", "db_mode", 0)
modparam("rr", "enable_double_rr", 1)
modparam("auth", "nonce_expire", {nonce_expire})
{parameters}

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    xlog("L_ERR", "SEEN $rm $ru over=$pr from=$fu asserted=$hdr(P-Asserted-Identity) route=$(hdr(Route)[*])\\n");
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ route(INSIDE); t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "Alive"); exit; }}
    if (is_method("REGISTER")) {{ route(REGISTER); exit; }}
    if (is_method("INVITE")) {{ route(INVITE); exit; }}
    sl_send_reply("405", "Method Not Allowed");
}}

{routes}
"""
TLS = """enable_tls=yes
listen=tls:{host}:{port}
"""
NOTHING = "route[INSIDE] { return; }\n"
AUTHENTICATED = """
route[REGISTER] {{
    if (!pv_www_authenticate("$td", "{password}", "0")) {{
        if ($rc == -4) www_challenge("$td", "17"); else www_challenge("$td", "1");
        exit;
    }}
    {before}
    if (save("location")) xlog("L_ERR", "BOUND $tU\n");
}}
"""
CARRIER = """
route[CHALLENGE] {{
    if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{
        if ($rc == -4) proxy_challenge("$fd", "17"); else proxy_challenge("$fd", "1");
        exit;
    }}
    consume_credentials();
}}
route[INSIDE] {{
    $var(sender) = $si + ":" + $sp;
    if (is_method("BYE") && $var(sender) != "{telephone}") route(CHALLENGE);
}}
route[INVITE] {{
    route(CHALLENGE);
    record_route();
    $du = "sip:{telephone}";
    t_relay();
}}
"""


def modules_folder() -> Path:
    """Where Debian has its modules."""
    folders = [*Path("/usr/lib").glob("*/kamailio/modules"), *Path("/").glob("usr/lib*/kamailio/modules")]
    assert folders, "Kamailio's modules are not installed (Debian: kamailio)"
    return folders[0]


class Secure(NamedTuple):
    """What Kamailio needs for TLS: its certificate and key, whom it believes, and whether peers have to show one."""

    certificate: Path
    key: Path
    ca: Path
    asks_for_one: bool = False


class Kamailio:
    """`nonce`: seconds that one lives; `secure`: it speaks TLS too, at `tls_port`.

    `async with` waits until it listens; at the end it is stopped.
    """

    modules: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[str] = ""

    def __init__(self, directory: Path, routes: str, nonce: int = 300, secure: Secure | None = None) -> None:
        self.directory = directory
        self.routes = routes
        self.nonce_expire = nonce
        self.secure = secure
        self.port = free_port()
        self.tls_port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def proxy(self) -> str:
        return f"sip:{LOOPBACK}:{self.port};lr"

    def config(self) -> str:
        modules, parameters = [*MODULES, *self.modules], self.parameters
        if self.secure:
            asks = int(self.secure.asks_for_one)
            modules.append("tls")
            parameters += (
                f'modparam("tls", "certificate", "{self.secure.certificate}")\n'
                f'modparam("tls", "private_key", "{self.secure.key}")\n'
                'modparam("tls", "tls_method", "TLSv1.2+")\n'
                f'modparam("tls", "ca_list", "{self.secure.ca}")\n'
                f'modparam("tls", "verify_certificate", {asks})\n'
                f'modparam("tls", "require_certificate", {asks})\n'
            )
        return CONFIG.format(
            host=LOOPBACK,
            port=self.port,
            listens=TLS.format(host=LOOPBACK, port=self.tls_port) if self.secure else "",
            modules=modules_folder(),
            loads="\n".join(f'loadmodule "{module}.so"' for module in modules),
            nonce_expire=self.nonce_expire,
            parameters=parameters,
            routes=self.routes,
        )

    async def __aenter__(self) -> Self:
        binary = shutil.which("kamailio", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert binary, "Kamailio is not installed (Debian: kamailio)"
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "kamailio.cfg"
        config.write_text(self.config())
        with (self.directory / "kamailio.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(binary, "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8"),
                *("-Y", str(self.directory), "-w", str(self.directory)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE):
            while not self.listens():
                if self.process.returncode is not None:
                    pytest.fail(f"Kamailio ended with {self.process.returncode}\n{self.output()}")
                await asyncio.sleep(0.02)
        return self

    def listens(self) -> bool:
        streams = [self.port, self.tls_port] if self.secure else [self.port]
        return is_bound(self.port, "udp") and all(is_bound(port, "tcp") for port in streams)

    async def __aexit__(self, *_: object) -> None:
        if self.process and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def output(self) -> str:
        return (self.directory / "kamailio.log").read_text(errors="replace")

    async def has_bound(self, *users: str) -> None:
        """Wait until these have registered."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not set(users) <= set(re.findall(r"BOUND (\S+)", self.output())):  # noqa: ASYNC110 (a file)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not all of {users} have registered\n{self.output()}")

    def seen(self, method: str) -> list[str]:
        """The requests of this method that came, a line each: URI and what is noted of it, Route last."""
        return re.findall(rf"SEEN {method} (.*)", self.output())


class Carrier(Kamailio):
    """Registers its customer, challenges every call and its end, record-routes it to `telephone` (`host:port`).

    `password` is that of any customer. Unless it `says_stale`, a nonce that is over is told by nothing but another one.
    """

    def __init__(
        self,
        directory: Path,
        telephone: str,
        password: str,
        nonce: int = 300,
        secure: Secure | None = None,
        says_stale: bool = True,
    ) -> None:
        routes = AUTHENTICATED.format(password=password, before="")
        routes += CARRIER.format(password=password, telephone=telephone)
        super().__init__(directory, routes if says_stale else routes.replace('"17"', '"1"'), nonce, secure)


class Refusing(Kamailio):
    """Wants neither calls nor registrations."""

    def __init__(self, directory: Path, status: int, reason: str) -> None:
        refusals = "".join(
            f'route[{method}] {{ sl_send_reply("{status}", "{reason}"); }}\n' for method in ("REGISTER", "INVITE")
        )
        super().__init__(directory, NOTHING + refusals)


def full(directory: Path) -> Refusing:
    """A carrier that has no line free, for nobody."""
    return Refusing(directory, 503, "No lines free")
