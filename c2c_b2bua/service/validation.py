"""A JSON Schema validator that collects every complaint, in the words and with the leniency of Kazoo's.

Of JSON Schema it knows what the click-to-call schema uses: type, properties, additionalProperties, required, items,
enum, lengths, minimum, default, oneOf.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from c2c_b2bua.service.errors import Complaints

Schema = dict[str, Any]
INTEGER = re.compile(r"-?[0-9]{1,15}")
BOOLEANS = {"true": True, "false": False}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def validate(value: Any, schema: Schema, path: str = "") -> tuple[Any, Complaints]:
    """`value` with strings made numbers or booleans where those are wanted and defaults added, and what is wrong."""
    complaints: Complaints = {}
    if "oneOf" in schema:
        if all(validate(value, choice, path)[1] for choice in schema["oneOf"]):
            complain(complaints, path, "not_one_schema_valid", "Value matches none of the allowed forms", value=value)
        return value, complaints
    wanted = schema.get("type")
    if wanted:
        value = coerced(value, wanted)
        if not has_type(value, wanted):
            complain(complaints, path, "type", f"Value did not match type(s): {wanted}", target=wanted, value=value)
            return value, complaints
    if isinstance(value, str):
        check_length(value, schema, path, complaints)
    if "minimum" in schema and value < schema["minimum"]:
        text = f"Value must be at least {schema['minimum']}"
        complain(complaints, path, "minimum", text, target=schema["minimum"], value=value)
    if "enum" in schema and value not in schema["enum"]:
        text = "Value not found in enumerated list of values"
        complain(complaints, path, "enum", text, target=schema["enum"], value=value)
    if isinstance(value, list) and "items" in schema:
        value = [merged(complaints, validate(item, schema["items"], f"{path}.{i}")) for i, item in enumerate(value)]
    if isinstance(value, dict):
        value = validate_members(value, schema, path, complaints)
    return value, complaints


def validate_members(value: dict[str, Any], schema: Schema, path: str, complaints: Complaints) -> dict[str, Any]:
    """An object, member by member; defaults are added for what is missing."""
    properties: dict[str, Schema] = schema.get("properties", {})
    rest: Schema = schema.get("additionalProperties", {})
    for name in schema.get("required", ()):
        if name not in value:
            complain(complaints, joined(path, name), "required", "Field is required but missing", value=name)
    checked = {
        name: merged(complaints, validate(item, properties.get(name, rest), joined(path, name)))
        for name, item in value.items()
    }
    for name, inner in properties.items():
        if name not in checked and "default" in inner:
            checked[name] = copy.deepcopy(inner["default"])
    return checked


def check_length(value: str, schema: Schema, path: str, complaints: Complaints) -> None:
    """Lengths are counted in bytes."""
    size = len(value.encode())
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if size < least:
        text = f"String must be at least {least} characters"
        complain(complaints, path, "minLength", text, target=least, cause=value, value=value)
    if most is not None and size > most:
        text = f"String must not be more than {most} characters"
        complain(complaints, path, "maxLength", text, target=most, cause=value, value=value)


def coerced(value: Any, wanted: str) -> Any:
    """A string that reads as the number or boolean that is wanted is that; nothing else changes."""
    if not isinstance(value, str):
        return value
    if wanted == "boolean":
        return BOOLEANS.get(value, value)
    if wanted == "integer" and INTEGER.fullmatch(value):
        return int(value)
    return value


def has_type(value: Any, wanted: str) -> bool:
    """A boolean is no integer here, other than in Python."""
    return isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def joined(path: str, name: str) -> str:
    """The path of a member; dots inside its name are escaped."""
    name = name.replace(".", "%2E")
    return f"{path}.{name}" if path else name


def merged(complaints: Complaints, outcome: tuple[Any, Complaints]) -> Any:
    """The value of an inner validation, its complaints added to ours."""
    complaints.update(outcome[1])
    return outcome[0]


def complain(complaints: Complaints, path: str, code: str, message: str, **values: Any) -> None:
    complaints.setdefault(path, {})[code] = {"message": message, **values}
