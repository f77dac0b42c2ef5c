"""What the description says is what the server does: every route, every answer, every example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from aiohttp import ClientResponse

from api.app import KAZOO as KAZOO_ROUTES
from api.app import Doors
from api.kazoo_shapes import ApplicationData, ChannelVars, Endpoint, Originate
from api.omicall_door import RESOURCES
from api.openapi.description import DIALECTS, description
from api.openapi.kazoo import KAZOO
from api.openapi.kazoo_phones import QuickcallOriginate
from api.openapi.kazoo_v1 import KAZOO_V1
from api.openapi.omicall import OMICALL
from api.openapi.operation import Dialect
from api.openapi.tvox import TVOX
from api.tvox import METHODS
from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import Api
from tests.api.described import Judge, examples

DOCUMENT = msgspec.json.decode(description().json.body)
VERBS = {"GET", "PUT", "POST", "PATCH", "DELETE"}


# --- Every route ----------------------------------------------------------------------------------------------------


def keys(dialect: Dialect) -> set[str]:
    """`VERB /path` with `*` for every parameter."""
    return {re.sub(r"{\w+}", "*", key) for key in dialect.operations}


@pytest.mark.parametrize(("dialect", "version"), [(KAZOO, "v2"), (KAZOO_V1, "v1")])
def test_every_kazoo_route_is_described(dialect: Dialect, version: str) -> None:
    routes = {f"{verb} /{version}/{'/'.join(route.parts)}" for route in KAZOO_ROUTES for verb in route.handlers}
    assert keys(dialect) == routes


def test_every_kazoo_route_that_needs_a_token_says_so() -> None:
    open_ones = {re.sub(r"{\w+}", "*", key) for key, operation in KAZOO.operations.items() if not operation.security}
    routes = {(f"{verb} /v2/{'/'.join(route.parts)}", route) for route in KAZOO_ROUTES for verb in route.handlers}
    assert open_ones == {key for key, route in routes if route.is_public}


def test_every_list_that_may_be_had_as_csv_says_so() -> None:
    lists = {
        re.sub(r"{\w+}", "*", key)
        for key, operation in KAZOO.operations.items()
        if "text/csv" in operation.answers[min(operation.answers)].others
    }
    assert lists == {f"GET /v2/{'/'.join(route.parts)}" for route in KAZOO_ROUTES if route.has_csv}


def test_every_tvox_method_is_described() -> None:
    body = TVOX.operations["POST /tvox/webapi"].body
    assert body and set(body.examples) == set(METHODS)
    schemas = DOCUMENT["components"]["schemas"]
    assert {schemas[f"{method}Call"]["properties"]["method"]["const"] for method in METHODS} == set(METHODS)


def test_every_omicall_route_is_described() -> None:
    assert keys(OMICALL) == {f"{verb} /api/{path}" for path, verbs in RESOURCES.items() for verb in verbs}


def test_every_door_is_described(exchange: Exchange) -> None:
    described = {path.split("/")[1] for path in DOCUMENT["paths"]}
    assert described == set(Doors(exchange).by_name)


# --- The document itself --------------------------------------------------------------------------------------------


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document, however deep."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from inside(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from inside(inner)


def operations() -> list[Any]:
    """(verb, path, operation), for pytest."""
    return [
        pytest.param(verb.upper(), path, operation, id=operation["operationId"])
        for path, verbs in DOCUMENT["paths"].items()
        for verb, operation in verbs.items()
    ]


def test_every_reference_leads_somewhere() -> None:
    for found in inside(DOCUMENT):
        if "$ref" in found:
            here = DOCUMENT
            for part in found["$ref"].removeprefix("#/").split("/"):
                here = here[part]


def test_nothing_stands_there_that_nobody_refers_to() -> None:
    referred = {found["$ref"] for found in inside(DOCUMENT) if "$ref" in found}
    for kind in ("schemas", "responses", "headers"):
        for name in DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in referred, name
    used = {scheme for found in inside(DOCUMENT["paths"]) for each in found.get("security", ()) for scheme in each}
    assert set(DOCUMENT["components"]["securitySchemes"]) == used


def test_every_schema_is_json_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema.get("description") or schema.get("type") == "array", name


@pytest.mark.parametrize("form", [Originate, ApplicationData, ChannelVars, Endpoint, QuickcallOriginate])
def test_whatever_an_answer_always_holds_is_required(form: type[msgspec.Struct]) -> None:
    schema = DOCUMENT["components"]["schemas"][form.__name__]
    fields = msgspec.structs.fields(form)
    assert schema["required"] == [field.encode_name for field in fields if field.default is not msgspec.UNSET]
    assert not [name for name, inner in schema["properties"].items() if "default" in inner]


def test_no_operation_id_stands_for_two() -> None:
    names = [found["operationId"] for found in inside(DOCUMENT["paths"]) if "operationId" in found]
    assert len(names) == len(set(names))
    assert [tag["name"] for tag in DOCUMENT["tags"]] == [dialect.name for dialect in DIALECTS]


@pytest.mark.parametrize(("verb", "path", "operation"), operations())
def test_an_operation_is_whole(verb: str, path: str, operation: dict[str, Any]) -> None:
    assert verb in VERBS
    parameters = operation.get("parameters", [])
    assert re.findall(r"{(\w+)}", path) == [found["name"] for found in parameters if found["in"] == "path"]
    assert len({(found["in"], found["name"]) for found in parameters}) == len(parameters)
    assert operation["summary"] and operation["x-section"]
    for status, response in operation["responses"].items():
        assert 200 <= int(status) < 600
        assert "$ref" in response or response["description"]


@pytest.mark.parametrize(("verb", "path", "operation"), operations())
def test_an_example_is_of_its_schema(verb: str, path: str, operation: dict[str, Any]) -> None:
    judge = Judge()
    if body := operation.get("requestBody"):
        for kind, media in body["content"].items():
            for title, example in examples(media):
                judge.validate(media["schema"], example, f"{kind} {title}")
    for status in operation["responses"]:
        for kind, media in judge.response(operation, int(status)).get("content", {}).items():
            for title, example in examples(media):
                judge.validate(media["schema"], example, f"{status} {kind} {title}")
    for found in operation.get("parameters", ()):
        if "example" in found:
            judge.validate(found["schema"], found["example"], found["name"])


# --- Handing it out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_it_is_handed_out_once(api: Api, path: str) -> None:
    async def get(verb: str = "GET", **headers: str) -> ClientResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await api.session.request(verb, f"{api.base}{path}", headers=given)
        await response.read()
        return response

    whole = await get(Accept_Encoding="identity")
    assert (whole.status, whole.headers["X-Content-Type-Options"]) == (200, "nosniff")
    zipped = await get(Accept_Encoding="gzip")
    assert await whole.read() == await zipped.read()
    assert int(zipped.headers["Content-Length"]) < len(await whole.read()) / 5
    assert whole.headers["ETag"] != zipped.headers["ETag"]
    for tag in (whole.headers["ETag"], zipped.headers["ETag"], f'"x", W/{whole.headers["ETag"]}', "*"):
        same = await get(If_None_Match=tag)
        assert (same.status, await same.read()) == (304, b"")
    assert (await get(If_None_Match='"x"')).status == 200
    head = await get("HEAD", Accept_Encoding="identity")
    assert (head.status, head.headers["Content-Length"]) == (200, whole.headers["Content-Length"])
    assert (await head.read()) == b""
    assert (await get("POST")).status == 405
    assert (await get("OPTIONS")).headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_the_document_is_the_same_that_is_served(api: Api) -> None:
    response = await api.session.get(f"{api.base}/openapi.json")
    assert (response.content_type, await response.json()) == ("application/json", DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")
