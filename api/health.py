"""Whether the service lives, whether it takes calls, and how many it has had."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import sqlalchemy as sa
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.trunk_watch import state_of
from c2c_b2bua.storage.database import StorageError

WEBHOOKS = {
    "delivered": "Events that arrived at a webhook",
    "failed": "Tries to deliver an event that failed",
    "dropped": "Events given up: every try failed, or too many were waiting",
}
Door = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class CallMetrics(Collector):
    """What the exchange has counted."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def collect(self) -> Iterator[Metric]:
        calls = self.exchange.calls
        yield GaugeMetricFamily("c2c_calls_live", "Calls that go on", value=len(calls.live))
        for kind, count in self.exchange.engine.counts.items():
            yield GaugeMetricFamily(f"c2c_{kind}_active", f"What the SIP engine holds of {kind}", value=count)
        yield CounterMetricFamily("c2c_connects_accepted", "Connects that became a call", value=calls.accepted)
        yield CounterMetricFamily("c2c_calls_bridged", "Calls whose two legs were joined", value=calls.bridged)
        refused = CounterMetricFamily("c2c_connects_refused", "Connects that did not", labels=["reason"])
        for reason, count in calls.refused.items():
            refused.add_metric([reason], count)
        yield refused
        ended = CounterMetricFamily("c2c_calls_ended", "Calls that ended", labels=["cause"])
        for cause, count in calls.ended.items():
            ended.add_metric([cause], count)
        yield ended
        deliveries = self.exchange.webhooks.deliveries
        for word, text in WEBHOOKS.items():
            yield CounterMetricFamily(f"c2c_webhooks_{word}", text, value=getattr(deliveries.counts, word))
        yield GaugeMetricFamily("c2c_webhooks_waiting", "Events on their way to webhooks", value=deliveries.waiting)
        yield GaugeMetricFamily("c2c_calls_queued", "Calls that wait for a trunk", value=len(calls.waiting))
        failed = CounterMetricFamily(
            "c2c_trunk_legs_failed", "Legs that a trunk did not get answered", labels=["trunk", "sip_code", "cause"]
        )
        live = GaugeMetricFamily("c2c_trunk_calls", "Calls on a trunk", labels=["trunk"])
        for trunk in calls.routes.trunks:
            live.add_metric([trunk.name], trunk.calls)
            for (code, cause), count in trunk.failed.items():
                failed.add_metric([trunk.name, str(code or ""), cause], count)
        up = GaugeMetricFamily("c2c_trunk_up", "1 unless a trunk is known to be down", labels=["trunk", "state"])
        for trunk in calls.routes.trunks:
            up.add_metric([trunk.name, state_of(trunk)], trunk.is_up)
        yield up
        yield live
        yield failed
        phones = self.exchange.registrations
        yield GaugeMetricFamily(
            "c2c_registrations_active", "Phones that are registered", value=phones.engine.registrar.count
        )
        heard = CounterMetricFamily("c2c_registrations", "What phones did, and what became of them", labels=["what"])
        for what, count in phones.counts.items():
            heard.add_metric([what], count)
        yield heard
        waiting = len(self.exchange.history.store.ended)
        yield GaugeMetricFamily("c2c_history_waiting", "Ends of calls not on disk yet", value=waiting)


def read_only(door: Door) -> Door:
    """The door, for those who only look."""

    async def guarded(http: web.BaseRequest) -> web.StreamResponse:
        if http.method in ("GET", "HEAD"):
            return await door(http)
        return web.Response(status=405, headers={"Allow": "GET, HEAD"})

    return guarded


class Health:
    """The three resources for whoever runs the service."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.registry = CollectorRegistry()
        self.registry.register(CallMetrics(exchange))

    async def healthz(self, _request: web.BaseRequest) -> web.Response:
        """200 while the process answers at all; also while it drains, as it is then in the best of health."""
        calls = self.exchange.calls
        if calls.draining:
            return web.json_response({"status": "draining", "calls": len(calls.live)})
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.BaseRequest) -> web.Response:
        """200 while a connect would be taken, else 503 and why."""
        if self.exchange.calls.draining:
            return web.json_response({"status": "draining"}, status=503)
        try:
            async with self.exchange.database.reading() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except StorageError as cause:
            return web.json_response({"status": "storage", "message": str(cause)}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _request: web.BaseRequest) -> web.Response:
        """Prometheus text."""
        await self.exchange.engine.recount()
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
