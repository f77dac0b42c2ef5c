"""A JSON Schema as rows of a table: name, what it is, what it means."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
CODE = re.compile(r"`([^`]+)`")
LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "maxItems": "at most {} of them",
    "minItems": "at least {} of them",
}


def prose(text: str) -> str:
    """One line of text, with `code` in it."""
    return CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))


def paragraphs(text: str) -> str:
    """Text with empty lines in it."""
    return "".join(f"<p>{prose(part)}</p>" for part in text.split("\n\n"))


def name_of(reference: str) -> str:
    return reference.rpartition("/")[2]


def kind(schema: Schema) -> str:
    """What a value is, as HTML; named schemas are links."""
    if "$ref" in schema:
        name = name_of(schema["$ref"])
        return f'<a href="#schema-{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(kind(choice) for choice in schema[word]))
    if "const" in schema:
        return f"<code>{html.escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{html.escape(str(value))}</code>" for value in schema["enum"] if value != "")
    named = schema.get("type", "anything")
    if isinstance(named, list):
        return " or ".join(named)
    if named == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if named == "object" and isinstance(inner := schema.get("additionalProperties"), dict) and inner:
        return f"object of {kind(inner)}"
    return str(named)


def remarks(schema: Schema) -> str:
    """Description, limits and default, as HTML."""
    said = [prose(schema["description"])] if schema.get("description") else []
    if schema.get("minLength") == schema.get("maxLength") is not None:
        said.append(f"{schema['minLength']} characters")
        schema = {name: value for name, value in schema.items() if name not in ("minLength", "maxLength")}
    elif schema.get("minLength") == 1:
        said.append("not empty")
        schema = {name: value for name, value in schema.items() if name != "minLength"}
    said += [template.format(schema[word]) for word, template in LIMITS.items() if word in schema]
    if "pattern" in schema:
        said.append(f"<code>{html.escape(schema['pattern'])}</code>")
    if schema.get("default") not in (None, {}, []):
        default = str(schema["default"]).lower() if isinstance(schema["default"], bool) else str(schema["default"])
        said.append(f"default <code>{html.escape(default)}</code>")
    return "; ".join(said)


def row(name: str, schema: Schema, is_required: bool) -> str:
    """One line of the table."""
    must = ' <span class="must" title="required">*</span>' if is_required else ""
    return f"<tr><td><code>{html.escape(name)}</code>{must}</td><td>{kind(schema)}</td><td>{remarks(schema)}</td></tr>"


def rows(schema: Schema, components: dict[str, Schema], prefix: str = "") -> Iterator[str]:
    """The members of an object; those of its inner objects stand below it, by dotted names."""
    if "$ref" in schema:
        schema = components[name_of(schema["$ref"])]
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        inner = components[name_of(member["$ref"])] if "$ref" in member else member
        if "$ref" in member and "properties" in inner:
            yield row(
                f"{prefix}{name}", {"type": "object", "description": inner.get("description", "")}, name in required
            )
            yield from rows(inner, components, f"{prefix}{name}.")
        else:
            yield row(f"{prefix}{name}", member, name in required)


def table(lines: Iterator[str]) -> str:
    """The rows under their heads; nothing when there is none."""
    body = "".join(lines)
    head = "<thead><tr><th>Name</th><th>Is</th><th>Means</th></tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>' if body else ""
