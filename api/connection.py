"""One connection over HTTP, as aiohttp has it, but that it refuses in JSON what no door gets to see."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from aiohttp import web

from api.envelope import Reply, request_id_of, response


class Connection(web.RequestHandler):
    """A dialect is not known, as a request that cannot be parsed has no path: the envelope is Kazoo's."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The refusal, after aiohttp has logged why; its reason is the first paragraph, the next shows what was sent."""
        super().handle_error(request, status, exc, message)
        phrase = HTTPStatus(status).phrase
        reason = " ".join((message or phrase).partition("\n\n")[0].split()).rstrip(":")
        reply = Reply(status=status, message=phrase.lower(), data={"message": reason}, closes=True)
        return response(request, reply, request_id_of(request), "OPTIONS", {})


class Server(web.Server):
    """aiohttp's low-level server: its routing would cost a third of an answer."""

    def __call__(self) -> Connection:
        return Connection(self, loop=asyncio.get_running_loop(), access_log=None)  # type: ignore[arg-type]
