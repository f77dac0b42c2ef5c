"""What a click-to-call document may hold, as JSON Schema (the union of Kazoo's versions, our words)."""

from __future__ import annotations

from typing import Any

STRINGS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}

CLICK_TO_CALL: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "id": "clicktocall",
    "description": "A click-to-call: whom a request rings, whom it joins them with, and on what terms",
    "type": "object",
    "required": ["name", "extension"],
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "What it is called; the extension sees it as the caller's name",
        },
        "extension": {"type": "string", "description": "The number, extension or SIP URI to join contacts with"},
        "realm": {"type": "string", "description": "The realm of the extension; kept and shown, not used"},
        "auth_required": {"type": "boolean", "default": True, "description": "Whether a connect needs a token"},
        "dial_first": {"type": "string", "enum": ["extension", "contact"], "description": "Who is rung first"},
        "caller_id_number": {"type": "string", "description": "Shown to the extension; else the contact's number is"},
        "outbound_callee_id_name": {"type": "string", "description": "Name shown to the contact"},
        "outbound_callee_id_number": {"type": "string", "description": "Number shown to the contact"},
        "whitelist": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "Patterns (RE2) one of which must be found in the contact's normalized number",
        },
        "throttle": {"type": "integer", "description": "Connects per minute; 0: no limit"},
        "max_active": {"type": "integer", "description": "Calls at a time; 0: no limit. On /v1 this is `throttle`"},
        "timeout": {"type": "integer", "description": "Seconds the first leg may ring"},
        "ringback": {"type": "string", "description": "What the first leg hears while the second rings"},
        "media": {"type": "object", "properties": {"ignore_early_media": {"type": "boolean"}}},
        "music_on_hold": {"type": "object", "properties": {"media_id": {"type": "string", "maxLength": 2048}}},
        "bypass_media": {"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["auto", "true", "false"]}]},
        "presence_id": {"type": "string"},
        "custom_application_vars": STRINGS,
        "custom_sip_headers": {
            "type": "object",
            "description": "Headers of the INVITEs: name to value, or those of each direction under in and out",
        },
    },
}
