"""A Kamailio that is a carrier: registrar for its customer, challenges every call, record-routes it to a telephone."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Self

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
mpath="{modules}"
{loads}
modparam("usrloc", "db_mode", 0)
modparam("rr", "enable_double_rr", 1)
modparam("auth", "nonce_expire", {nonce_expire})

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    xlog("L_ERR", "SEEN $rm $ru route=$(hdr(Route))\\n");
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "Alive"); exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{
            if ($rc == -4) www_challenge("$td", "17"); else www_challenge("$td", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (is_method("INVITE")) {{
        if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{
            if ($rc == -4) proxy_challenge("$fd", "17"); else proxy_challenge("$fd", "1");
            exit;
        }}
        consume_credentials();
        record_route();
        $du = "sip:{telephone}";
        t_relay();
        exit;
    }}
    sl_send_reply("405", "Method Not Allowed");
}}
"""


def modules_folder() -> Path:
    """Where Debian has its modules."""
    folders = [*Path("/usr/lib").glob("*/kamailio/modules"), *Path("/").glob("usr/lib*/kamailio/modules")]
    assert folders, "Kamailio's modules are not installed (Debian: kamailio)"
    return folders[0]


class Kamailio:
    """`telephone` is `host:port` of who is called; `password` that of any customer; `nonce`: seconds that one lives.

    `async with Kamailio(...)` waits until it listens; at the end it is stopped.
    """

    def __init__(self, directory: Path, telephone: str, password: str, nonce: int = 300) -> None:
        self.directory = directory
        self.telephone = telephone
        self.password = password
        self.nonce_expire = nonce
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def proxy(self) -> str:
        return f"sip:{LOOPBACK}:{self.port};lr"

    async def __aenter__(self) -> Self:
        binary = shutil.which("kamailio", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert binary, "Kamailio is not installed (Debian: kamailio)"
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                host=LOOPBACK,
                port=self.port,
                modules=modules_folder(),
                loads="\n".join(f'loadmodule "{module}.so"' for module in MODULES),
                nonce_expire=self.nonce_expire,
                password=self.password,
                telephone=self.telephone,
            )
        )
        with (self.directory / "kamailio.log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(binary, "-f", str(config), "-DD", "-E", "-m", "32", "-M", "4"),
                *("-Y", str(self.directory), "-w", str(self.directory)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE):
            while not is_bound(self.port, "udp"):
                if self.process.returncode is not None:
                    pytest.fail(f"Kamailio ended with {self.process.returncode}\n{self.output()}")
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def output(self) -> str:
        return (self.directory / "kamailio.log").read_text(errors="replace")

    def seen(self, method: str) -> list[str]:
        """The requests of this method that came, a line each: URI and Route."""
        return [
            line.partition(f"SEEN {method} ")[2] for line in self.output().splitlines() if f"SEEN {method} " in line
        ]
