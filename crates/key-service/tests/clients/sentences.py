"""Words for what must happen, for clients of any version."""

from contextlib import contextmanager


@contextmanager
def step(sentence):
    """Tells the sentence once everything in the block held."""
    yield
    print(sentence, flush=True)


def equal(shown, expected):
    assert shown == expected, f"\n  shown:    {shown}\n  expected: {expected}"
