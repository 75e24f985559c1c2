"""How schemathesis asks, and what it looks at besides its own checks."""

import json
import os
import re

import schemathesis

AUTHORIZATION = os.environ["LATCHKEY_AUTHORIZATION"]
HIDDEN = json.loads(os.environ["LATCHKEY_HIDDEN"])
CALLS = open(os.environ["LATCHKEY_CALLS"], "a", buffering=1)

# Parameters that hold an answer back, and values that do so for long.
WAITS = ["wait", "wait_for_edges"]
DURATION = re.compile(r"\d+(d|h|m|s)")


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers = case.headers or {}
    case.headers.pop("Authorization", None)
    if AUTHORIZATION:
        case.headers["Authorization"] = AUTHORIZATION
    # The document cannot say what is left of an answer.
    if case.query:
        case.query.pop("filter_path", None)
    for name in WAITS:
        if case.query and DURATION.fullmatch(str(case.query.get(name, ""))):
            case.query[name] = "1ms"


@schemathesis.hook
def after_call(context, case, response):
    # Other methods are tried as well, to see that they are refused.
    if response.request.method == case.operation.method.upper():
        operation = case.operation.definition.raw["operationId"]
        CALLS.write(f"{operation} {response.status_code}\n")


@schemathesis.check
def shows_nothing_of_others(context, response, case):
    # A refusal may repeat what was asked, and so may the answer to a change of many.
    body = response.request.body or b""
    asked = response.request.url + (body if isinstance(body, str) else body.decode(errors="replace"))
    if response.status_code < 300:
        for text in HIDDEN:
            assert text in asked or text not in response.text, f"shows {text}, which is of others"
