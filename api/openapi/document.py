"""The OpenAPI 3.1 document: all dialects, made into one."""

from __future__ import annotations

from typing import Any

from api.openapi.operation import Components, Dialect
from c2c_b2bua import __version__

TEXT = """Click-to-call without a PBX: one request rings your extension, then the person to be called, and joins the \
two. Four dialects speak to one service: Kazoo's Crossbar (v2 and v1), TVox's webapi, OMICall's API. A program written \
for one of them changes its base URL."""
SECURITY_SCHEMES: dict[str, Any] = {
    "X-Auth-Token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Auth-Token",
        "description": "A token of Kazoo's log-in",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "A token in `Authorization`; OMICall's API key too"},
    "Basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The account's id, and md5 of `user:password` in hex as the password",
    },
    "auth_token": {
        "type": "apiKey",
        "in": "query",
        "name": "auth_token",
        "description": "The same token in the address",
    },
    "JSESSIONID": {
        "type": "apiKey",
        "in": "cookie",
        "name": "JSESSIONID",
        "description": "The session of TVox's login",
    },
    "admin_token": {"type": "http", "scheme": "bearer", "description": "The `admin_token` of `[control]`"},
    "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey", "description": "The account's API key"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The account's API key"},
}
HEADERS: dict[str, Any] = {
    "ETag": "The revision, for `If-Match` and `If-None-Match`",
    "Location": "Where it is now",
    "Retry-After": "Seconds after which it makes sense to ask again",
    "Set-Cookie": "The session",
    "X-Auth-Token": "The token of the request",
    "X-Next-Start-Key": "With CSV: the `start_key` of the next page",
    "X-Request-ID": "That of the request, or a new one",
}


def described(dialects: list[Dialect]) -> dict[str, Any]:
    """The whole document."""
    components = Components()
    paths: dict[str, dict[str, Any]] = {}
    for dialect in dialects:
        for name, form in dialect.forms.items():
            components.add(name, form)
        for key, operation in dialect.operations.items():
            verb, _, path = key.partition(" ")
            paths.setdefault(path, {})[verb.lower()] = components.operation(dialect.name, path, operation)
    webhooks = {
        name: {"post": components.operation(dialect.name, "", operation)}
        for dialect in dialects
        for name, operation in dialect.webhooks.items()
    }
    used = {name for path in paths.values() for made in path.values() for choice in made["security"] for name in choice}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "C2C B2BUA",
            "version": __version__,
            "description": TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The server this comes from"}],
        "tags": [{"name": dialect.name, "description": dialect.text} for dialect in dialects],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "responses": dict(sorted(components.responses.items())),
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()},
            "securitySchemes": {name: scheme for name, scheme in SECURITY_SCHEMES.items() if name in used},
        },
    }
