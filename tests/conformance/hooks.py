"""What no schema of text says: PostgreSQL stores no NUL. The API refuses it with 422, which a pass of its own checks."""

import os

import schemathesis

SENDS_NUL = os.environ.get("CONFORMANCE_SENDS_NUL") == "1"


def holds_nul(value) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, bytes):
        return b"\x00" in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(inner) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return any(holds_nul(inner) for inner in value)
    return False


@schemathesis.hook
def filter_body(context, body):
    return SENDS_NUL or not holds_nul(body)


@schemathesis.hook
def filter_query(context, query):
    return SENDS_NUL or not holds_nul(query)
