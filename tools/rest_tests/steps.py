"""The steps of a test: requests, and what must hold of their answers."""

import base64
import json
import re
import warnings

from elasticsearch import ApiError
from service import PASSWORD, USERNAME

# What a test may ask of its runner.
FEATURES = {"headers", "transform_and_set", "contains", "close_to", "warnings", "allowed_warnings", "regex", "catch_unauthorized", "arbitrary_key", "is_after"}

# The status that each word after `catch` stands for; `request` is any error, `param` one of the client.
STATUS = {"bad_request": 400, "unauthorized": 401, "forbidden": 403, "missing": 404, "request_timeout": 408, "conflict": 409, "unavailable": 503}

# The version that the service says it is.
VERSION = (9, 1, 0)

# Requests for which the client for Python has no method.
REQUESTS = {"security.bulk_grant_api_key": ("POST", "/_security/api_key/_bulk_grant")}


class Failed(Exception):
    """A step does not hold."""


class Skipped(Exception):
    """The test is not for this runner or for this version."""


def expect(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words))


class World:
    """A service, what was stored of its answers, and its last answer."""

    def __init__(self, service):
        self.service = service
        self.stash = {}
        self.body = None
        self.login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def take(self, step):
        for kind, argument in step.items():
            method = getattr(self, f"step_{kind}", None)
            if method is None:
                raise Skipped(f"the runner has no step {kind}")
            try:
                method(argument)
            except Failed as failed:
                raise Failed(f"{kind} {json.dumps(argument, default=str)[:300]}: {failed}") from None

    # What a test needs.

    def step_skip(self, asked):
        features = asked.get("features", [])
        self.needs([features] if isinstance(features, str) else features)
        for span in str(asked.get("version", "")).split(","):
            if span.strip() and within(span.strip()):
                raise Skipped(f"it is not for this version: {asked.get('reason', span)}")

    def step_requires(self, asked):
        features = asked.get("test_runner_features", [])
        self.needs([features] if isinstance(features, str) else features)

    def needs(self, features):
        missing = set(features) - FEATURES
        if missing:
            raise Skipped(f"the runner has not {', '.join(sorted(missing))}")

    # Requests.

    def step_do(self, asked):
        asked = dict(asked)
        catch = asked.pop("catch", None)
        headers = {name.lower(): self.value(text) for name, text in (asked.pop("headers", None) or {}).items()}
        for quiet in ("warnings", "warnings_regex", "allowed_warnings", "allowed_warnings_regex", "node_selector"):
            asked.pop(quiet, None)
        (name, arguments), *others = asked.items()
        expect(not others, "more than one request", others)
        try:
            self.body = self.ask(name, self.value(arguments or {}), headers)
        except ApiError as error:
            self.body = error.body
            expect(catch is not None, f"{name} answers {error.status_code}:", json.dumps(error.body, default=str)[:600])
            self.caught(catch, error)
            return
        except TypeError as error:
            expect(catch == "param", f"the client does not take it: {error}")
            return
        expect(catch is None, f"{name} is not refused as {catch}: {json.dumps(self.body, default=str)[:300]}")

    def ask(self, name, arguments, headers):
        headers.setdefault("authorization", f"Basic {self.login}")
        ignored = arguments.pop("ignore", None)
        client = self.service.client(headers=headers)
        if ignored is not None:
            client = client.options(ignore_status=[int(status) for status in ([ignored] if isinstance(ignored, (int, str)) else ignored)])
        if isinstance(arguments.get("body"), str):
            arguments["body"] = json.loads(arguments["body"])
        if name in REQUESTS:
            method, path = REQUESTS[name]
            json_type = {"accept": "application/json", "content-type": "application/json"}
            return client.perform_request(method, path, headers=headers | json_type, body=arguments.get("body")).body
        call = client
        for part in name.split("."):
            call = getattr(call, part, None)
            expect(call is not None, f"the client has no method {name}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = call(**{parameter: value for parameter, value in arguments.items() if value is not None})
        return answer if isinstance(answer, bool) else answer.body

    def caught(self, catch, error):
        if catch.startswith("/"):
            text = json.dumps(error.body, ensure_ascii=False, default=str)
            pattern = self.value(catch).strip("/")
            expect(re.search(pattern, text) or re.search(pattern, text.replace('\\"', '"')), f"{text[:600]} does not match {pattern}")
        elif catch == "request":
            expect(error.status_code >= 400, error.status_code)
        else:
            expect(error.status_code == STATUS[catch], f"the status is {error.status_code}, not that of {catch}: {str(error.body)[:300]}")

    # What is kept of an answer.

    def step_set(self, pairs):
        for path, name in pairs.items():
            self.stash[name] = self.at(path)

    def step_transform_and_set(self, pairs):
        for name, how in pairs.items():
            function, fields = re.fullmatch(r"#(\w+)\((.*)\)", how).groups()
            if function != "base64EncodeCredentials":
                raise Skipped(f"the runner has not {function}")
            texts = [str(self.at(path.strip())) for path in fields.split(",")]
            self.stash[name] = base64.b64encode(":".join(texts).encode()).decode()

    # What must hold.

    def step_match(self, pairs):
        for path, expected in pairs.items():
            shown, expected = self.at(path), self.value(expected)
            if isinstance(expected, str) and len(expected.strip()) > 1 and expected.strip().startswith("/") and expected.strip().endswith("/"):
                pattern = expected.strip()[1:-1]
                text = shown if isinstance(shown, str) else json.dumps(shown)
                expect(re.search(pattern, text, re.VERBOSE), f"{text} does not match {pattern}")
            else:
                expect(same(shown, expected), f"shown is {json.dumps(shown, default=str)[:400]}")

    def step_length(self, pairs):
        for path, expected in pairs.items():
            shown = self.at(path)
            expect(shown is not None and len(shown) == int(self.value(expected)), f"shown is {json.dumps(shown, default=str)[:400]}")

    def step_is_true(self, path):
        expect(self.at(path) not in (None, False, "", 0, "false"), f"shown is {self.at(path)}")

    def step_is_false(self, path):
        expect(self.at(path) in (None, False, "", 0, "false"), f"shown is {self.at(path)}")

    def step_exists(self, path):
        expect(self.at(path) is not None, "is not there")

    def step_contains(self, pairs):
        for path, expected in pairs.items():
            shown, expected = self.at(path), self.value(expected)
            if isinstance(shown, list) and isinstance(expected, dict):
                holds = any(all(same(entry.get(name), value) for name, value in expected.items()) for entry in shown)
            else:
                holds = shown is not None and expected in shown
            expect(holds, f"shown is {json.dumps(shown, default=str)[:400]}")

    def compare(self, pairs, holds):
        for path, bound in pairs.items():
            shown, bound = self.at(path), self.value(bound)
            expect(shown is not None and holds(shown, bound), f"shown is {shown}")

    def step_gt(self, pairs):
        self.compare(pairs, lambda shown, bound: shown > bound)

    def step_gte(self, pairs):
        self.compare(pairs, lambda shown, bound: shown >= bound)

    def step_lt(self, pairs):
        self.compare(pairs, lambda shown, bound: shown < bound)

    def step_lte(self, pairs):
        self.compare(pairs, lambda shown, bound: shown <= bound)

    # What stands for what.

    def value(self, given):
        """The value with every `$name` and `${name}` replaced by what was stored."""
        if isinstance(given, dict):
            return {self.value(key): self.value(value) for key, value in given.items()}
        if isinstance(given, list):
            return [self.value(value) for value in given]
        if not isinstance(given, str):
            return given
        whole = re.fullmatch(r"\$\{?(\w+)\}?", given)
        if whole and whole[1] in self.stash:
            return self.stash[whole[1]]
        return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: str(self.stash.get(found[1] or found[2], found[0])), given)

    def at(self, path):
        """What the last answer has at a path of names and numbers between dots. `\\.` is a dot of a name."""
        value = self.body
        if path in ("", "$body"):
            return value
        if path.startswith("$") and path.split(".")[0].strip("${}") in self.stash:
            first, *rest = path.split(".")
            value, path = self.stash[first.strip("${}")], ".".join(rest)
        for part in (part for part in re.split(r"(?<!\\)\.", path) if part):
            part = str(self.value(part.replace("\\.", ".")))
            if isinstance(value, list):
                value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
            elif isinstance(value, dict):
                value = next(iter(value), None) if part == "_arbitrary_key_" else value.get(part)
            else:
                return None
        return value


def same(shown, expected):
    """Equal, where a number equals its text as Elasticsearch's runner takes it."""
    if isinstance(shown, dict) and isinstance(expected, dict):
        return shown.keys() == expected.keys() and all(same(shown[key], expected[key]) for key in shown)
    if isinstance(shown, list) and isinstance(expected, list):
        return len(shown) == len(expected) and all(same(*pair) for pair in zip(shown, expected))
    if isinstance(shown, (int, float)) and isinstance(expected, str) and not isinstance(shown, bool):
        return str(shown) == expected
    return type(shown) is type(expected) and shown == expected or isinstance(shown, (int, float)) and isinstance(expected, (int, float)) and not isinstance(shown, bool) and shown == expected


def within(span):
    """Whether the service's version is in a span such as `8.0.0 - 8.4.99`, ` - 7.99.99` or `all`."""
    if span == "all":
        return True
    first, _, last = span.partition("-")
    number = lambda text: tuple(int(part) for part in re.findall(r"\d+", text))
    return (not first.strip() or number(first) <= VERSION) and (not last.strip() or VERSION <= number(last))
