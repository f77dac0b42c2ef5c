"""All routes on one screen."""

from __future__ import annotations

from aiohttp import web

from api import auth, kazoo
from api.health import Health
from api.kazoo_door import KazooDoor, Resource
from c2c_b2bua.service.exchange import Exchange

ACCOUNT = "accounts/*/clicktocall"

KAZOO = [
    # path after /v2, without a token?, what each verb does
    Resource("api_auth", True, PUT=auth.api_auth),
    Resource("user_auth", True, PUT=auth.user_auth),
    Resource("user_auth/*", False, GET=auth.token_auth),
    Resource("token_auth", False, GET=auth.token_auth, DELETE=auth.end_token),
    Resource("schemas", True, GET=kazoo.list_schemas),
    Resource("schemas/*", True, GET=kazoo.read_schema),
    Resource(ACCOUNT, False, GET=kazoo.list_documents, PUT=kazoo.create),
    Resource(f"{ACCOUNT}/*", False, GET=kazoo.read, POST=kazoo.replace, PATCH=kazoo.patch, DELETE=kazoo.delete),
    Resource(f"{ACCOUNT}/*/connect", False, GET=kazoo.connect, POST=kazoo.connect),
    Resource(f"{ACCOUNT}/*/history", False, GET=kazoo.history),
    Resource(f"{ACCOUNT}/*/calls", False, GET=kazoo.list_calls),
    Resource(f"{ACCOUNT}/*/calls/*", False, GET=kazoo.read_call, DELETE=kazoo.hang_up),
]


def make_app(exchange: Exchange) -> web.Application:
    """The HTTP application; whoever made the exchange starts and stops it."""
    app = web.Application(client_max_size=exchange.settings.api.max_body)
    health = Health(exchange)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)
    app.router.add_route("*", "/{path:.*}", KazooDoor(exchange, KAZOO).__call__)
    return app
