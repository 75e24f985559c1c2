"""Runs Elasticsearch's own REST tests against `latchkey`: python3 tools/rest_tests LATCHKEY CHECKOUT [WORD].

CHECKOUT is a clone of elastic/elasticsearch or of elastic/elasticsearch-clients-tests. Of its tests those are run whose files are listed in
files.txt, and with a WORD those whose file or name contains it. What is expected to fail, or not run at all, stands in exceptions.txt with the
reason. Every other test must pass.

The tests are not part of this tree: their licence is their own.
"""

import sys
from pathlib import Path

from cases import cases
from service import Service
from steps import Failed, Skipped, World

HERE = Path(__file__).parent


def listed(name):
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def exceptions():
    """The reasons by the test's name: `file: test` or `file`."""
    pairs = (line.split(" | ", 1) for line in listed("exceptions.txt"))
    return {name.strip(): reason.strip() for name, reason in pairs}


def run(latchkey, case):
    """What went wrong, or nothing. Each test has a service of its own, as Elasticsearch's have an empty one."""
    with Service(latchkey) as service:
        world = World(service)
        try:
            for steps in (case.setup, case.steps):
                for step in steps:
                    world.take(step)
        except Failed as failed:
            return str(failed)
        for step in case.teardown:
            try:
                world.take(step)
            except Failed as failed:
                return f"at the end: {failed}"
    return None


def main(latchkey, checkout, word=""):
    expected = exceptions()
    passed, skipped, excepted, wrong = 0, 0, 0, []
    told = lambda what, case, why="": print(f"{what:8} {case.name}{why and ': '}{why}", flush=True)
    found = list(cases(Path(checkout), listed("files.txt")))
    if not found:
        sys.exit(f"rest-tests: no test of files.txt is in {checkout}")
    for case in (case for case in found if word in case.name):
        if case.file in expected:
            excepted += 1
            told("not run", case, expected[case.file])
            continue
        reason = expected.get(case.name)
        try:
            trouble = run(latchkey, case)
        except Skipped as why:
            skipped += 1
            told("skipped", case, why)
            continue
        if trouble is None and reason is None:
            passed += 1
            told("passed", case)
        elif trouble is not None and reason is not None:
            excepted += 1
            told("excepted", case, reason)
        else:
            wrong.append(case.name)
            told("FAILED", case, trouble or f"it passes, and is expected to fail: {reason}")
    print(f"rest-tests: {passed} passed, {len(wrong)} failed, {excepted} excepted, {skipped} skipped")
    sys.exit(1 if wrong or not passed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
