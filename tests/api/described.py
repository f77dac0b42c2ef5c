"""The accounts of the description's examples, and a judge: whether what the server says is what the description says."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import msgspec

from api.openapi.description import description
from api.openapi.kazoo_requests import ACCOUNT_ID, API_KEY
from tests.api.conftest import KEY, A

CHILD_ID = "5" * 32
SETTINGS = f"""
[storage]
url = "sqlite:///DATABASE"
busy_timeout = 0.05
[[account]]
id = "{ACCOUNT_ID}"
name = "acme"
realm = "acme.example.com"
api_key = "{API_KEY}"
  [[account.user]]
  username = "mrossi"
  password = "change me"
  extension = "1001"
  name = "Mario Rossi"
  email = "mrossi@acme.example.com"
  [[account.extension]]
  number = "2001"
  uri = "sip:2001@192.0.2.10:5060"
[[account]]
id = "{CHILD_ID}"
name = "child"
realm = "child.example.com"
parent = "{ACCOUNT_ID}"
[[account]]
id = "{A}"
name = "another"
realm = "another.example.com"
api_key = "{KEY}"
[[trunk]]
name = "carrier"
proxy = "sip:sip.carrier.example"
hotlines = ["842899959300"]
"""
NAME = re.compile(r"{\w+}")


def strict(schema: Any) -> Any:
    """The same schema, but nothing may come that it does not name."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(inner) for name, inner in schema.items()}
    if isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


class Judge:
    """Holds answers against the description."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = msgspec.json.decode(description().json.body)
        self.components = self.document["components"]
        self.strict = {"schemas": strict(self.components["schemas"])}
        self.paths = [
            (path, re.compile(NAME.sub("[^/]+", path.replace(".", r"\.")))) for path in self.document["paths"]
        ]
        self.seen: set[tuple[str, str, int]] = set()
        """(verb, path, status) of what was held good."""

    def operation(self, verb: str, path: str) -> tuple[str, dict[str, Any]]:
        """The path with its parameters' names, and the operation; the path with fewer parameters is meant."""
        found = sorted(
            (name for name, pattern in self.paths if pattern.fullmatch(path)), key=lambda name: name.count("{")
        )
        assert found, path
        return found[0], self.document["paths"][found[0]][verb.lower()]

    def response(self, operation: dict[str, Any], status: int) -> dict[str, Any]:
        found = operation["responses"].get(str(status))
        assert found, f"{operation['operationId']} has no {status}"
        if "$ref" in found:
            return dict(self.components["responses"][found["$ref"].rpartition("/")[2]])
        return dict(found)

    def hold(self, verb: str, path: str, status: int, kind: str, body: bytes) -> None:
        """AssertionError when the answer is not as described."""
        name, operation = self.operation(verb, path)
        response = self.response(operation, status)
        where = f"{verb} {name} {status}"
        if "content" not in response:
            assert body == b"", where
        else:
            media = response["content"].get(kind)
            assert media, f"{where}: {kind}"
            if kind == "application/json":
                self.validate(media["schema"], msgspec.json.decode(body), where)
        self.seen.add((verb, name, status))

    def validate(self, schema: dict[str, Any], value: Any, where: str) -> None:
        """AssertionError when the value is not of the schema, or has more than that names."""
        validator = jsonschema_rs.Draft202012Validator({**strict(schema), "components": self.strict})
        errors = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)
        ]
        assert not errors, (where, errors, value)

    def successes(self, tag: str) -> set[tuple[str, str, int]]:
        """(verb, path, status) of everything good that a dialect may answer; 202 is a matter of configuration."""
        return {
            (verb.upper(), path, int(status))
            for path, verbs in self.document["paths"].items()
            for verb, operation in verbs.items()
            for status in operation["responses"]
            if tag in operation["tags"] and status in ("200", "201", "204")
        }


def examples(media: dict[str, Any]) -> list[tuple[str, Any]]:
    found = [(title, example["value"]) for title, example in media.get("examples", {}).items()]
    return [*found, ("", media["example"])] if "example" in media else found
