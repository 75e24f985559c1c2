"""The tests of a checkout, as they stand in its YAML files."""

import re
from dataclasses import dataclass, field

import yaml

# Where the tests are in a clone of elastic/elasticsearch, and in one of elastic/elasticsearch-clients-tests.
PLACES = ["x-pack/plugin/src/yamlRestTest/resources/rest-api-spec/test", "rest-api-spec/src/yamlRestTest/resources/rest-api-spec/test", "tests"]

# Parts of a file that are no tests.
PARTS = ["setup", "teardown", "requires"]


class Loader(yaml.SafeLoader):
    """YAML as Elasticsearch's tests have it: dates are texts, and only `true` and `false` are truth values."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


@dataclass
class Case:
    file: str
    title: str
    steps: list
    setup: list = field(default_factory=list)
    teardown: list = field(default_factory=list)

    @property
    def name(self):
        return f"{self.file}: {self.title}"


def cases(checkout, patterns):
    """Every test of the files that one of these patterns names, in order."""
    for place in PLACES:
        root = checkout / place
        files = sorted({file for pattern in patterns for file in root.glob(pattern)})
        for file in files:
            yield from in_file(file, str(file.relative_to(root)))


def in_file(path, name):
    documents = [document for document in yaml.load_all(path.read_text(), Loader) if document]
    parts = {part: document[part] for document in documents for part in PARTS if part in document}
    # Tests of Elastic's hosted service, which has no users and roles, say so.
    if isinstance(parts.get("requires"), dict) and parts["requires"].get("stack") is False:
        return
    for document in documents:
        for title, steps in document.items():
            if title not in PARTS:
                yield Case(name, title, steps or [], parts.get("setup") or [], parts.get("teardown") or [])
