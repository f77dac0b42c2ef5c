"""The description as one page of HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import msgspec

from api.openapi.page_schema import kind, name_of, paragraphs, prose, row, rows, table

FOLDER = Path(__file__).parent
SERVER = "http://127.0.0.1:8000"
"""In the curl lines; the page puts its own origin there."""
CREDENTIALS = {
    "X-Auth-Token": ["-H", "X-Auth-Token: TOKEN"],
    "Bearer": ["-H", "Authorization: Bearer TOKEN"],
    "JSESSIONID": ["-b", "JSESSIONID=SESSION"],
}
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


def pre(value: Any) -> str:
    """JSON, laid out."""
    return f'<pre tabindex="0">{html.escape(laid_out(value))}</pre>'


def laid_out(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def examples_of(body: Json) -> dict[str, Any]:
    """Title → value, of what is sent as the first kind."""
    content = next(iter(body["content"].values()))
    if "example" in content:
        return {"": content["example"]}
    return {title: example["value"] for title, example in content["examples"].items()}


def commands(path: str, verb: str, operation: Json, examples: dict[str, Any]) -> Iterator[str]:
    """The request as commands, one for each example."""
    for title, example in examples.items() or (("", None),):
        command = f'<pre class="curl" tabindex="0">{html.escape(curl(path, verb, operation, example))}</pre>'
        head = f'<summary class="path">{html.escape(title)}</summary>'
        yield f'<details class="answer">{head}{command}</details>' if title else command


def filled(path: str, operation: Json) -> str:
    """The path with the examples of its parameters, and of the query's."""
    asked = []
    for found in operation.get("parameters", ()):
        value = str(found.get("example", ""))
        if found["in"] == "path":
            path = path.replace(f"{{{found['name']}}}", quote(value))
        elif found["in"] == "query" and isinstance(found.get("example"), str):
            asked.append(f"{found['name']}={quote(value)}")
    return f"{path}?{'&'.join(asked)}" if asked and "requestBody" not in operation else path


def curl(path: str, verb: str, operation: Json, example: Any) -> str:
    """The request as a command."""
    words = ["curl"] if verb == "get" else ["curl", "-X", verb.upper()]
    words.append(f"{SERVER}{filled(path, operation)}")
    lines = [words]
    schemes = [name for choice in operation["security"] for name in choice]
    if schemes and {} not in operation["security"]:
        lines.append(next((CREDENTIALS[name] for name in schemes if name in CREDENTIALS), []))
    if body := operation.get("requestBody"):
        lines += [["-H", f"Content-Type: {next(iter(body['content']))}"], ["-d", msgspec.json.encode(example).decode()]]
    return " \\\n  ".join(shlex.join(line) for line in lines if line)


def form(path: str, verb: str, operation: Json) -> str:
    """Fields for everything, and a button."""
    name = operation["operationId"]
    fields = [field(name, found) for found in operation.get("parameters", ())]
    media = ""
    if body := operation.get("requestBody"):
        media = next(iter(body["content"]))
        examples = examples_of(body)
        if len(examples) > 1:
            options = "".join(
                f'<option value="{html.escape(laid_out(value))}">{html.escape(title)}</option>'
                for title, value in examples.items()
            )
            control = f'<select id="{name}-example" class="example">{options}</select>'
            fields.append(labelled(f"{name}-example", "Example", control))
        text = html.escape(laid_out(next(iter(examples.values()))))
        area = f'<textarea id="{name}-body" data-in="body" spellcheck="false">{text}</textarea>'
        fields.append(labelled(f"{name}-body", "Body", area))
    schemes = [scheme for choice in operation["security"] for scheme in choice]
    token = next((scheme for scheme in schemes if scheme in CREDENTIALS), "")
    attributes = f'data-verb="{verb.upper()}" data-path="{html.escape(path)}" data-token="{token}" data-kind="{media}"'
    inside = "".join(fields)
    return f'<form {attributes}><h3>Try it</h3>{inside}<button>Send</button><output aria-live="polite"></output></form>'


def field(operation: str, found: Json) -> str:
    """An input for one parameter; a list to choose from where there are only so many values."""
    name, schema = found["name"], found["schema"]
    identity = f"{operation}-{name}"
    where = "pairs" if schema.get("type") == "object" else found["in"]
    attributes = f'id="{identity}" name="{name}" data-in="{where}"'
    if where == "path":
        attributes += f' value="{html.escape(str(found.get("example", "")))}" required'
    elif where == "pairs":
        attributes += ' placeholder="name=value&amp;name=value"'
    if choices := schema.get("enum"):
        options = "".join(f"<option>{html.escape(str(choice))}</option>" for choice in ("", *choices))
        control = f"<select {attributes}>{options}</select>"
    else:
        control = f'<input {attributes} autocomplete="off" spellcheck="false">'
    return labelled(identity, f"<code>{html.escape(name)}</code>", control)


def labelled(identity: str, label: str, control: str) -> str:
    return f'<div class="field"><label for="{identity}">{label}</label>{control}</div>'


def named_schema(name: str, schemas: Json) -> str:
    """One schema, folded."""
    schema = schemas[name]
    lines = (
        row(member, inner, member in schema.get("required", ()))
        for member, inner in schema.get("properties", {}).items()
    )
    inside = f"<p>{prose(schema.get('description', ''))}</p>{table(lines)}"
    head = f'<span class="path">{name}</span>'
    return folded(f"schema-{name}", head, inside)
