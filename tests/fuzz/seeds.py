"""What fuzzing begins with: our golden messages, what was found before, and messages that others wrote, where they are."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from tests.corpora import MESSAGES, ROOT

FOUND = MESSAGES / "found"
"""One folder for each property that once did not hold, with the inputs that showed it."""
AUTHENTICATION = ("WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization")
STUN = bytes.fromhex("000100002112a442") + b"transaction."
JSON = (
    b'{"data":{"contact":"+14155550100","auto_answer":true,"a":[1,2.5e3,null,"\\u00e9:"]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"dialNumber","params":["1001","+14155550100"]}',
    b'\xef\xbb\xbf[{"a":{"b":[[[["x:y"]]]]}}]',
)


def found(name: str) -> list[bytes]:
    """The inputs that once broke this property."""
    return [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]


def messages() -> list[bytes]:
    paths = [*MESSAGES.glob("*.sip"), *ROOT.glob("rfc3665/*.sip"), *ROOT.glob("rfc4475/*.dat")]
    return [path.read_bytes() for path in sorted(paths)]


def bodies() -> list[bytes]:
    """Session descriptions, and pairs of one with the next."""
    alone = {path.read_bytes() for path in ROOT.glob("sdp-offer-answer/*.sdp")}
    for data in messages():
        body = data.partition(b"\r\n\r\n")[2]
        if body.startswith(b"v=0"):
            alone.add(body)
    inputs = sorted(alone)
    return [*inputs, *(first + b"\0" + second for first, second in pairwise(inputs))]


def field_values() -> list[bytes]:
    """Every header value and Request-URI of the messages."""
    kept: set[str] = set()
    for data in messages():
        try:
            message = parse(data)
        except SipError:
            continue
        kept.update(value for values in message.headers.values() for value in values if len(value) < 300)
        if isinstance(message, Request):
            kept.add(message.uri)
    return [value.encode("utf-8", "surrogateescape") for value in sorted(kept)]


def challenges() -> list[bytes]:
    kept = {b'Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth,auth-int", opaque="", stale=TRUE'}
    for data in messages():
        try:
            message = parse(data)
        except SipError:
            continue
        for name in AUTHENTICATION:
            kept.update(value.encode("utf-8", "surrogateescape") for value in message.headers.get(name, []))
    vectors = ROOT / "digest" / "vectors.json"
    for vector in json.loads(vectors.read_text()) if vectors.exists() else []:
        parts = [f'{name}="{vector[name]}"' for name in ("realm", "nonce", "uri", "cnonce") if vector.get(name)]
        kept.add(f'Digest username="{vector["user"]}", {", ".join(parts)}, nc=00000001, qop=auth'.encode())
    return sorted(kept)


def seeds(name: str) -> list[bytes]:
    """What a property is first tried on."""
    match name:
        case "message":
            inputs = messages()
        case "stream":
            inputs = [b"\x40\x80\xa0\xc0" + first + b"\r\n\r\n" + first for first in messages()]
        case "description":
            inputs = bodies()
        case "values":
            inputs = field_values()
        case "challenge":
            inputs = challenges()
        case "binding_request":
            inputs = [STUN, STUN[:2] + b"\0\4" + STUN[4:] + b"\x80\x28\0\0"]
        case "json_body":
            inputs = list(JSON)
        case _:
            inputs = []
    return [*inputs, *found(name)]


def write(name: str, folder: Path) -> None:
    """Lay the seeds down where libFuzzer looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (folder / f"seed-{number:04}").write_bytes(data)
