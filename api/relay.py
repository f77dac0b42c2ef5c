"""HTTP while one process takes over from another: requests wait, and are then answered here or passed on to there.

Connections that stand stay with the old process: it passes on what comes over them, and closes each after that.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

OF_ONE_CONNECTION = frozenset({
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect",
    "content-length",
})  # fmt: skip
"""Header fields that are not passed on (RFC 9110 §7.6.1), and those that are made anew."""
OF_ENCODING = frozenset({"content-encoding"})
"""A body that came packed has been unpacked."""
NOT_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}

log = structlog.get_logger()


class Gate:
    """Open: requests are answered here. Shut: they wait. Moved: they are passed on."""

    def __init__(self) -> None:
        self.is_shut = False
        self.opened = asyncio.Event()
        self.elsewhere: URL | None = None
        self.session: ClientSession | None = None

    def shut(self) -> None:
        self.is_shut = True
        self.opened.clear()

    def open(self) -> None:
        """Requests are answered here (again)."""
        self.is_shut, self.elsewhere = False, None
        self.opened.set()

    def move(self, host: str, port: int) -> None:
        """Requests are answered there."""
        self.elsewhere = URL.build(scheme="http", host=LOOPBACK.get(host, host), port=port).origin()
        self.opened.set()

    async def passed(self, http: web.BaseRequest) -> web.StreamResponse | None:
        """The answer from elsewhere, once it is known where; None: it is to be answered here."""
        await self.opened.wait()
        if self.elsewhere is None:
            return None
        path = http.raw_path if http.raw_path.startswith("/") else "/"
        url = URL(f"{self.elsewhere}{path}", encoded=True)
        try:
            body = await http.read()
        except web.HTTPException as error:
            return closing(web.Response(status=error.status))
        self.session = self.session or ClientSession(auto_decompress=False, timeout=ClientTimeout(total=None))
        try:
            async with self.session.request(
                http.method,
                url,
                data=body or None,
                headers=kept(http.headers, OF_ONE_CONNECTION | OF_ENCODING),
                skip_auto_headers=NOT_OURS,
                allow_redirects=False,
            ) as reply:
                headers = kept(reply.headers, OF_ONE_CONNECTION)
                return closing(web.Response(status=reply.status, body=await reply.read(), headers=headers))
        except (ClientError, OSError) as error:
            log.warning("request not passed on", reason=str(error) or type(error).__name__)
            return closing(web.Response(status=503, headers={"Retry-After": "1"}))

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


def kept(headers: CIMultiDictProxy[str], without: frozenset[str]) -> CIMultiDict[str]:
    fields = headers.copy()
    for name in {name.lower() for name in fields} & without:
        fields.popall(name)
    return fields


def closing(response: web.Response) -> web.Response:
    response.force_close()
    return response
