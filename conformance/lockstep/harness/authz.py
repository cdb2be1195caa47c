"""`envoy.service.auth.v3.Authorization/Check` by hand: the words of `x-authz` become its answer.

`ok; set NAME VALUE; add NAME VALUE; remove NAME; back NAME VALUE` or `deny STATUS BODY; back NAME VALUE`."""

import struct


def answer(note: dict, body: bytes, plan):
    """Notes what was asked and plans the answer."""
    asked = fields(body[5:])
    request = _dig(asked, 1, 4, 2)
    headers = sorted(_pair(entry) for n, entry in request if n == 3)
    names = {2: "id", 4: "path", 5: "host", 6: "scheme", 7: "query", 8: "fragment", 9: "size", 10: "protocol", 11: "body", 12: "raw"}
    note["method"] = next((v.decode() for n, v in request if n == 2), "")
    note["asked"] = " ".join(f"{names.get(n, n)}={_show(v)}" for n, v in request if n not in (1, 2, 3))
    note["asked headers"] = str([pair for pair in headers if pair[0] != "x-authz"])
    note.pop("body", None)
    words = dict(headers).get("x-authz", "ok")
    plan.headers = [("content-type", "application/grpc")]
    plan.trailers, plan.framing = [("grpc-status", "0")], "chunked"
    for step in words.split(";"):
        verb, _, rest = step.strip().partition(" ")
        if verb == "fail":
            plan.trailers = [("grpc-status", rest)]
            plan.body = ""
            return plan
        if verb == "wait":
            plan.wait = float(rest)
        if verb == "rst":
            plan.end = "rst"
    message = _check(words)
    plan.body = (b"\0" + struct.pack(">I", len(message)) + message).decode("latin-1")
    return plan


def _check(words: str) -> bytes:
    steps = [step.strip().split(" ", 2) + ["", ""] for step in words.split(";")]
    option = lambda n, v, append=False: _field(1, _field(1, n) + _field(2, v)) + (_field(2, _bool(1, True)) if append else b"")
    back = b"".join(_field(6, option(s[1], s[2])) for s in steps if s[0] == "back")
    if steps[0][0] == "deny":
        inner = _field(1, _int(1, int(steps[0][1]))) + b"".join(_field(2, option(s[1], s[2])) for s in steps if s[0] == "back")
        inner += _field(3, steps[0][2]) if steps[0][2] else b""
        return _field(1, _int(1, 7)) + _field(2, inner)
    inner = b"".join(_field(2, option(s[1], s[2], s[0] == "add")) for s in steps if s[0] in ("set", "add"))
    inner += b"".join(_field(5, s[1]) for s in steps if s[0] == "remove")
    return _field(1, b"") + _field(3, inner + back)


def fields(data: bytes) -> list:
    """(number, value) of one message."""
    found, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            size = 8 if tag & 7 == 1 else 4
            value, at = data[at : at + size], at + size
        found.append((tag >> 3, value))
    return found


def _dig(message: list, *path: int) -> list:
    for number in path:
        message = fields(next((v for n, v in message if n == number), b""))
    return message


def _pair(entry: bytes) -> tuple[str, str]:
    both = dict(fields(entry))
    return both.get(1, b"").decode("latin-1"), both.get(2, b"").decode("latin-1")


def _show(value) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _encode(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value) -> bytes:
    data = value.encode("latin-1") if isinstance(value, str) else value
    return _encode(number << 3 | 2) + _encode(len(data)) + data


def _int(number: int, value: int) -> bytes:
    return _encode(number << 3) + _encode(value)


def _bool(number: int, value: bool) -> bytes:
    return _int(number, int(value))


