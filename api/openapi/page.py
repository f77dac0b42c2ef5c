"""The description as one page of HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from api.openapi.page_request import commands, examples_of, form, pre
from api.openapi.page_schema import kind, name_of, paragraphs, prose, row, rows, table

FOLDER = Path(__file__).parent
Json = dict[str, Any]


def page(document: Json) -> tuple[bytes, str]:
    """The page, and the Content-Security-Policy that lets it do what it does and nothing else."""
    style, script = ((FOLDER / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    template = Template((FOLDER / "page.html").read_text(encoding="utf-8"))
    components = document["components"]
    groups = [group(tag, document) for tag in document["tags"]]
    text = template.substitute(
        title=html.escape(document["info"]["title"]),
        version=html.escape(document["info"]["version"]),
        text=paragraphs(document["info"]["description"]),
        navigation="".join(navigation(tag, document) for tag in document["tags"]),
        groups="".join(groups),
        answers="".join(shared_answer(name, found) for name, found in components["responses"].items()),
        schemas="".join(named_schema(name, components["schemas"]) for name in components["schemas"]),
        style=style,
        script=script,
    )
    policy = (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy


def digest(text: str) -> str:
    """How a policy names an inline text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def operations(tag: Json, document: Json) -> Iterator[tuple[str, str, Json]]:
    """(path, verb, operation) of one group."""
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            if tag["name"] in operation["tags"]:
                yield path, verb, operation


def anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def webhooks(tag: Json, document: Json) -> list[Json]:
    """What is sent to others on behalf of one group."""
    found = [hook["post"] for hook in document["webhooks"].values()]
    return [operation for operation in found if tag["name"] in operation["tags"]]


def navigation(tag: Json, document: Json) -> str:
    """The list of one group's operations."""
    found = [*(operation for _, _, operation in operations(tag, document)), *webhooks(tag, document)]
    links = "".join(f'<li><a href="#{each["operationId"]}">{prose(each["summary"])}</a></li>' for each in found)
    return f"<details><summary>{html.escape(tag['name'])}</summary><ul>{links}</ul></details>"


def group(tag: Json, document: Json) -> str:
    """One dialect."""
    inside = "".join(shown(path, verb, operation, document) for path, verb, operation in operations(tag, document))
    inside += "".join(webhook(operation, document["components"]) for operation in webhooks(tag, document))
    name = anchor(tag["name"])
    title = f'<h2 id="{name}-title">{html.escape(tag["name"])}</h2>'
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">{title}{paragraphs(tag["description"])}{inside}</section>'
    )


def shown(path: str, verb: str, operation: Json, document: Json) -> str:
    """One operation."""
    components = document["components"]
    head = (
        f'<span class="verb {verb}">{verb.upper()}</span><span class="path">{html.escape(path)}</span>'
        f'<span class="what">{prose(operation["summary"])}</span>'
    )
    parts = [paragraphs(operation["description"])] if "description" in operation else []
    parts.append(needed(operation))
    if parameters := operation.get("parameters"):
        parts.append(f"<h3>Parameters</h3>{table(parameter(each) for each in parameters)}")
    examples: dict[str, Any] = {}
    if body := operation.get("requestBody"):
        parts.append(request_body(body, components["schemas"]))
        examples = examples_of(body)
    parts.append(f"<h3>Answers</h3>{''.join(answers(operation, components))}")
    parts.append(f"<h3>With curl</h3>{''.join(commands(path, verb, operation, examples))}")
    parts.append(form(path, verb, operation))
    return folded(operation["operationId"], head, "".join(parts))


def webhook(operation: Json, components: Json) -> str:
    """A request that is sent to others."""
    head = '<span class="verb post">POST</span><span class="path">your URL</span>'
    head += f'<span class="what">{prose(operation["summary"])}</span>'
    body = operation["requestBody"]
    examples = "".join(f"<p>{prose(title)}</p>{pre(value)}" for title, value in examples_of(body).items())
    text = paragraphs(operation["description"])
    return folded(operation["operationId"], head, f"{text}{request_body(body, components['schemas'])}{examples}")


def folded(name: str, head: str, inside: str) -> str:
    return f'<details class="operation" id="{name}"><summary>{head}</summary><div>{inside}</div></details>'


def parameter(found: Json) -> str:
    """The row of one parameter."""
    schema = {**found["schema"], "description": found.get("description", "")}
    name = f"{found['name']} ({found['in']})" if found["in"] != "query" else found["name"]
    return row(name, schema, found["required"])


def needed(operation: Json) -> str:
    """Who may do it."""
    schemes = [name for choice in operation["security"] for name in choice]
    if not schemes:
        return "<p>Nobody needs to log in for this.</p>"
    named = ", ".join(f"<code>{html.escape(scheme)}</code>" for scheme in schemes)
    also = " Or nothing, where it is open." if {} in operation["security"] else ""
    return f"<p>Say who you are by one of: {named}.{also}</p>"


def request_body(body: Json, schemas: Json) -> str:
    """What is sent: members, and an example."""
    found = []
    for media, content in body["content"].items():
        choices = content["schema"].get("oneOf") or content["schema"].get("anyOf") or [content["schema"]]
        optional = "" if body["required"] else ", may be left out"
        found.append(f"<h3>Body <code>{html.escape(media)}</code>{optional}</h3>")
        if len(choices) > 1:
            found.append(f"<p>{kind(content['schema'])}</p>")
        else:
            found.append(table(rows(choices[0], schemas)))
    return "".join(found)


def answers(operation: Json, components: Json) -> Iterator[str]:
    """Every status, folded; those that many share stand at the end of the page."""
    for status, found in operation["responses"].items():
        if "$ref" in found:
            name = name_of(found["$ref"])
            text = prose(components["responses"][name]["description"])
            yield f'<p class="answer"><span class="status">{status}</span> <a href="#answer-{name}">{text}</a></p>'
        else:
            head = f'<span class="status">{status}</span> {prose(found["description"])}'
            yield f'<details class="answer"><summary>{head}</summary>{answer(found)}</details>'


def answer(response: Json) -> str:
    """What comes with it."""
    inside = []
    if headers := response.get("headers"):
        inside.append(f"<p>Headers: {', '.join(f'<code>{name}</code>' for name in headers)}</p>")
    for media, content in response.get("content", {}).items():
        inside.append(f"<p><code>{html.escape(media)}</code>: {kind(content['schema'])}</p>")
        for title, example in content.get("examples", {}).items():
            inside.append(f"<p>{prose(title)}</p>{pre(example['value'])}")
    return "".join(inside) or "<p>Empty.</p>"


def shared_answer(name: str, response: Json) -> str:
    """One that many give, folded."""
    head = f'<span class="path">{name}</span><span class="what">{prose(response["description"])}</span>'
    return folded(f"answer-{name}", head, answer(response))


def named_schema(name: str, schemas: Json) -> str:
    """One schema, folded."""
    schema = schemas[name]
    lines = (
        row(member, inner, member in schema.get("required", ()))
        for member, inner in schema.get("properties", {}).items()
    )
    inside = f"<p>{prose(schema.get('description', ''))}</p>{table(lines) or kind(schema)}"
    head = f'<span class="path">{name}</span>'
    return folded(f"schema-{name}", head, inside)
