"""How a phone is asked to answer by itself: exactly one header, by what the phone says it is; two confuse several kinds."""

from __future__ import annotations

HEADERS = {
    "call-info": ("Call-Info", "<sip:{realm}>;answer-after=0"),
    "alert-info": ("Alert-Info", "<http://{realm}>;info=alert-autoanswer;delay=0"),
    "auto-answer": ("Alert-Info", "Auto Answer"),
    "ring-answer": ("Alert-Info", "Ring Answer"),
    "answer-mode": ("Answer-Mode", "Auto"),  # RFC 5373
}
PROFILES = {
    # how its User-Agent begins, in lower case
    "aastra": "alert-info",
    "mitel": "alert-info",
    "yealink": "alert-info",
    "polycom": "ring-answer",
    "polyedge": "ring-answer",
    "baresip": "answer-mode",
}
OTHERS = "call-info"
"""Understood by Snom, Grandstream, Cisco SPA and MPP, Gigaset, and more than any other by the rest."""


def auto_answer(kind: str, user_agent: str, realm: str) -> tuple[tuple[str, str], ...]:
    """The header, if any: of this `kind`, or where that is empty of the phone's profile."""
    if not kind:
        name = user_agent.lower()
        kind = next((known for start, known in PROFILES.items() if name.startswith(start)), OTHERS)
    if kind == "none":
        return ()
    header, value = HEADERS[kind]
    return ((header, value.format(realm=realm)),)
