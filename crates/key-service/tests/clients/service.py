"""What every scenario begins with: a client of the super-user, and words for what must happen."""

import json
import os
import warnings

from elasticsearch import Elasticsearch, ElasticsearchWarning
from sentences import equal, step  # noqa: F401

warnings.filterwarnings("error", category=ElasticsearchWarning)

URL = os.environ["LATCHKEY_URL"]
USERNAME = os.environ["LATCHKEY_USERNAME"]
PASSWORD = os.environ["LATCHKEY_PASSWORD"]


class Client(Elasticsearch):
    """Tells of every answer in a file, so that nothing else may show the secrets in them."""

    def perform_request(self, *arguments, **named):
        answer = super().perform_request(*arguments, **named)
        with open(os.environ["LATCHKEY_ANSWERS"], "a") as file:
            file.write(json.dumps(answer.body, default=str) + "\n")
        return answer


def connect(**login):
    """A client that logs in like this, with what else it is told, takes the first answer for an answer, and has patience with a busy machine."""
    return Client(URL, max_retries=0, request_timeout=60, **login)


LOGIN = {"basic_auth": (USERNAME, PASSWORD)}

elastic = connect(**LOGIN)


def refused(kind, reason, call, *arguments, **named):
    """The error of a call, which must be of exactly this kind and say this."""
    try:
        answer = call(*arguments, **named)
    except kind as error:
        assert type(error) is kind, f"{type(error)} is not {kind}"
        assert reason in str(error), f"{error} does not say {reason}"
        return error
    raise AssertionError(f"not refused: {answer}")
