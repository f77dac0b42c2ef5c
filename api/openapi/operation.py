"""What one verb does at one path: how each dialect tells it, and how it reads in OpenAPI 3.1."""

from __future__ import annotations

import re
from typing import Any

import msgspec

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
REFERENCE = "#/components/schemas/{name}"
NAME = re.compile(r"{(\w+)}")
Schema = dict[str, Any]
Form = Any
"""A type that msgspec knows, one that is `Encoded`, or a JSON Schema."""


class Encoded(msgspec.Struct, frozen=True):
    """A struct that is only ever encoded: what has a default, other than UNSET, is always in it."""

    form: type


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a request carries as `kind`; `others` are forms for other kinds. One example, or several by title."""

    form: Form
    example: Any = None
    examples: dict[str, Any] = {}
    kind: str = JSON
    others: dict[str, Form] = {}
    is_required: bool = True


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back with one status; `form` None is an empty body. A `name` is shared by many operations."""

    text: str
    form: Form = None
    examples: dict[str, Any] = {}
    """Title → body."""
    kind: str = JSON
    others: dict[str, Form] = {}
    headers: tuple[str, ...] = ()
    name: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One verb at one path. `path`, `query` and `headers` are structs, a field for each parameter."""

    id: str
    summary: str
    text: str = ""
    section: str
    """Of the specification; tests are named after it."""
    path: Form = None
    query: Form = None
    headers: Form = None
    body: Body | None = None
    answers: dict[int, Answer]
    security: tuple[str, ...] = ()
    """The ways to say who asks, any of them; none: nobody needs to."""
    is_open: bool = False
    """Whether it may also be done without."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One group of operations, by `VERB /path`; `forms` are those that are referred to by name.

    `webhooks` are requests that are sent to others.
    """

    name: str
    text: str
    operations: dict[str, Operation]
    webhooks: dict[str, Operation] = {}
    forms: dict[str, Form] = {}


def any_of(*forms: type | str | Schema) -> msgspec.Meta:
    """For a field: forms which msgspec cannot tell apart or does not know; structs among them have to be added."""
    references = [
        form if isinstance(form, dict) else reference(form if isinstance(form, str) else form.__name__)
        for form in forms
    ]
    return msgspec.Meta(extra_json_schema=references[0] if len(references) == 1 else {"anyOf": references})


def schema_of(form: Form) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a type, and those of the structs in it by name. Patterns become those of JSON Schema."""
    if isinstance(form, Encoded):
        schema, named = schema_of(form.form)
        return schema, {name: encoded(inner) for name, inner in named.items()}
    (schema,), named = msgspec.json.schema_components([form], ref_template=REFERENCE)
    text = msgspec.json.encode([schema, named]).replace(rb"\\A", b"^").replace(rb"\\Z", b"$")
    found: tuple[Schema, dict[str, Schema]] = msgspec.json.decode(text, type=tuple[Schema, dict[str, Schema]])
    return found


def encoded(schema: Schema) -> Schema:
    """The schema of such a struct, where UNSET is no default."""
    properties = schema["properties"]
    always = [name for name in properties if name in schema["required"] or "default" in properties[name]]
    for inner in properties.values():
        inner.pop("default", None)
    return {**schema, "required": always}


def shown(examples: dict[str, Any]) -> dict[str, Any]:
    """Example objects."""
    return {title: {"value": value} for title, value in examples.items()}


def reference(name: str) -> Schema:
    """Where a schema stands."""
    return {"$ref": REFERENCE.format(name=name)}


class Components:
    """What many operations refer to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self.responses: dict[str, Any] = {}

    def add(self, name: str, form: Form) -> None:
        """A form that is referred to by its name."""
        schema = self.schema(form)
        if "$ref" not in schema:
            self.schemas[name] = schema

    def schema(self, form: Form) -> Schema:
        """The schema of a form; the structs in it become components."""
        if isinstance(form, dict):
            return form
        schema, named = schema_of(form)
        self.schemas.update(named)
        return schema

    def parameters(self, place: str, form: Form, only: list[str] | None = None) -> list[dict[str, Any]]:
        """Those of one place, `only` the named ones in that order."""
        if form is None:
            return []
        _, named = schema_of(form)
        schema = named.pop(form.__name__)
        self.schemas.update(named)
        required = schema.get("required", [])
        names = list(schema["properties"]) if only is None else only
        return [parameter(place, name, schema["properties"][name], name in required) for name in names]

    def response(self, answer: Answer) -> dict[str, Any]:
        """The answer, or where it stands."""
        if not answer.name:
            return self.made(answer)
        self.responses.setdefault(answer.name, self.made(answer))
        return {"$ref": f"#/components/responses/{answer.name}"}

    def made(self, answer: Answer) -> dict[str, Any]:
        """A response object."""
        response: dict[str, Any] = {"description": answer.text}
        if answer.headers:
            response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers}
        if answer.form is not None:
            media: dict[str, Any] = {"schema": self.schema(answer.form)}
            if answer.examples:
                media["examples"] = shown(answer.examples)
            others = {kind: {"schema": self.schema(form)} for kind, form in answer.others.items()}
            response["content"] = {answer.kind: media, **others}
        return response

    def operation(self, tag: str, path: str, operation: Operation) -> dict[str, Any]:
        """An operation object."""
        made: dict[str, Any] = {
            "tags": [tag],
            "operationId": operation.id,
            "summary": operation.summary,
            "x-section": operation.section,
        }
        if operation.text:
            made["description"] = operation.text
        parameters = [
            *self.parameters("path", operation.path if NAME.search(path) else None, NAME.findall(path)),
            *self.parameters("query", operation.query),
            *self.parameters("header", operation.headers),
        ]
        if parameters:
            made["parameters"] = parameters
        if body := operation.body:
            media: dict[str, Any] = {"schema": self.schema(body.form)}
            if body.examples:
                media["examples"] = shown(body.examples)
            else:
                media["example"] = body.example
            others = {kind: {"schema": self.schema(form)} for kind, form in body.others.items()}
            made["requestBody"] = {"required": body.is_required, "content": {body.kind: media, **others}}
        made["responses"] = {str(status): self.response(answer) for status, answer in sorted(operation.answers.items())}
        made["security"] = [{scheme: []} for scheme in operation.security] + ([{}] if operation.is_open else [])
        return made


def parameter(place: str, name: str, schema: Schema, is_required: bool) -> dict[str, Any]:
    """A parameter object; what describes the value describes the parameter."""
    inner = dict(schema)
    made: dict[str, Any] = {"name": name, "in": place, "required": is_required}
    if text := inner.pop("description", ""):
        made["description"] = text
    if inner.get("type") == "object":
        made |= {"style": "form", "explode": True}
    if examples := inner.pop("examples", None):
        made["example"] = examples[0]
    return {**made, "schema": inner}
