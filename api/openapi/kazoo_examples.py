"""What the examples of Kazoo's dialect show."""

from __future__ import annotations

from api.openapi.kazoo_requests import ACCOUNT_ID, CALL_ID, CLICK_ID, HISTORY_ID

SALES = {"name": "Sales", "extension": "1001"}
STORED_SALES = {"id": CLICK_ID, **SALES, "auth_required": True, "custom_application_vars": {}}
OWNER = {
    "account_id": ACCOUNT_ID,
    "account_name": "acme",
    "reseller_id": ACCOUNT_ID,
    "is_reseller": False,
    "language": "en-us",
    "apps": [],
}
CALL = {"id": HISTORY_ID, "timestamp": 63945331200, "contact": "2001", "call_id": CALL_ID}
LEG = {
    "leg": "a",
    "call_id": "a-7d1f",
    "target": "1001",
    "trunk": None,
    "invited_at": "2026-05-01T12:00:00.010Z",
    "ringing_at": "2026-05-01T12:00:00.120Z",
    "answered_at": None,
    "ended_at": "2026-05-01T12:00:03.400Z",
    "sip_code": 486,
    "reason": "Busy Here",
    "cause": "USER_BUSY",
}
ENDED = {
    **CALL,
    "result": "error",
    "cause": "USER_BUSY",
    "sip_code": 486,
    "reason": "Busy Here",
    "ended_by": "a",
    "bridged_at": None,
    "ended_at": "2026-05-01T12:00:03.400Z",
    "legs": [LEG],
}
ENDPOINT = {"invite_format": "loopback", "route": "1001", "to_did": "1001", "to_realm": "acme.example.com"}
ORIGINATE = {
    "application_name": "transfer",
    "application_data": {"route": "2001"},
    "call_id": CALL_ID,
    "outbound_call_id": CALL_ID,
    "origination_call_id": CALL_ID,
    "endpoints": [ENDPOINT],
    "timeout": 30,
    "ignore_early_media": True,
    "outbound_callee_id_name": "1001",
    "outbound_callee_id_number": "1001",
    "outbound_caller_id_name": "Sales",
    "outbound_caller_id_number": "2001",
    "dial_endpoint_method": "single",
    "continue_on_fail": True,
    "custom_channel_vars": {
        "account_id": ACCOUNT_ID,
        "authorizing_id": CLICK_ID,
        "authorizing_type": "clicktocall",
        "auto_answer_loopback": True,
        "from_uri": "1001@acme.example.com",
        "request_uri": "2001@acme.example.com",
        "loopback_request_uri": "2001@acme.example.com",
        "inherit_codec": False,
        "retain_cid": True,
    },
    "custom_application_vars": {},
    "export_custom_channel_vars": ["Account-ID", "Authorizing-ID"],
    "simplify_loopback": False,
    "loopback_bowout": False,
    "start_control_process": False,
}
