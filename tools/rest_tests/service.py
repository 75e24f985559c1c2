"""A service for one test: a process of its own, with the user that Elasticsearch's tests log in as."""

import json
import subprocess
import tempfile
from pathlib import Path

from elasticsearch import Elasticsearch

# Whom Elasticsearch's build makes for its tests, and what it calls the native realm (x-pack/plugin/build.gradle).
USERNAME, PASSWORD = "x_pack_rest_user", "x-pack-test-password"
REALM = "xpack.security.authc.realms.native.default_native.order=0"


class Service:
    def __init__(self, latchkey):
        self.directory = tempfile.TemporaryDirectory()
        data = Path(self.directory.name, "data")
        data.mkdir(mode=0o700)
        # In a file, because tests count the native users.
        create = ["user", "create", "--file", data / "users.toml", "--role", "superuser", USERNAME]
        subprocess.run([latchkey, *create], input=PASSWORD, text=True, stdout=subprocess.DEVNULL, check=True)
        self.process = subprocess.Popen(
            [latchkey, "dev", "--json", "--listen=127.0.0.1:0", "-E", REALM, "--data", data],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        ready = json.loads(self.process.stdout.readline())
        self.url = ready["url"]

    def client(self, **named):
        return Elasticsearch(self.url, max_retries=0, request_timeout=60, **named)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()
