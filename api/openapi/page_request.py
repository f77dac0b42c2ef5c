"""One operation as somebody would ask for it: as a command, and as a form that sends it."""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

SERVER = "http://127.0.0.1:8000"
"""In the curl lines; the page puts its own origin there."""
CREDENTIALS = {
    "X-Auth-Token": ["-H", "X-Auth-Token: TOKEN"],
    "Bearer": ["-H", "Authorization: Bearer TOKEN"],
    "JSESSIONID": ["-b", "JSESSIONID=SESSION"],
}
Json = dict[str, Any]


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
        options = "".join(f"<option>{html.escape(str(choice))}</option>" for choice in dict.fromkeys(["", *choices]))
        control = f"<select {attributes}>{options}</select>"
    else:
        control = f'<input {attributes} autocomplete="off" spellcheck="false">'
    return labelled(identity, f"<code>{html.escape(name)}</code>", control)


def labelled(identity: str, label: str, control: str) -> str:
    return f'<div class="field"><label for="{identity}">{label}</label>{control}</div>'


def pre(value: Any) -> str:
    """JSON, laid out."""
    return f'<pre tabindex="0">{html.escape(laid_out(value))}</pre>'


def laid_out(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
