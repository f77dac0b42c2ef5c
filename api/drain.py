"""`POST /drain`: from now on no call is taken, and when the last one has ended the service ends too."""

from __future__ import annotations

import hmac
import math

import structlog
from aiohttp import web

from api.client_limits import LOG_IN, ClientLimits
from c2c_b2bua.service.exchange import Exchange

log = structlog.get_logger()


class DrainDoor:
    """For whoever has the `admin_token`; where there is none, for nobody."""

    def __init__(self, exchange: Exchange, limits: ClientLimits) -> None:
        self.exchange = exchange
        self.limits = limits

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """202 and how many calls go on; repeated, the same."""
        if http.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        if wait := self.limits.wait(http.remote or "", "", LOG_IN, self.exchange.engine.now()):
            return refusal(429, "too many requests", Retry_After=str(max(1, math.ceil(wait))))
        token = self.exchange.settings.control.admin_token
        if not token:
            return refusal(403, "there is no admin_token in [control] of the configuration")
        scheme, _, given = http.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), token.encode()
        ):
            return refusal(401, "expected the admin_token as Bearer token", WWW_Authenticate="Bearer")
        calls = len(self.exchange.calls.live)
        if not self.exchange.drained.is_set():
            log.info("drained by request", peer=http.remote, calls=calls)
        self.exchange.drain()
        return web.json_response({"status": "draining", "calls": len(self.exchange.calls.live)}, status=202)


def refusal(status: int, message: str, **headers: str) -> web.Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"status": "error", "message": message}, status=status, headers=fields)
