"""What the client makes of a service that does not say the product's name."""

import os
from base64 import b64encode

from elasticsearch import Elasticsearch, UnsupportedProductError

# In the form that clients of all versions take.
login = b64encode(f"{os.environ['LATCHKEY_USERNAME']}:{os.environ['LATCHKEY_PASSWORD']}".encode()).decode()
client = Elasticsearch(os.environ["LATCHKEY_URL"], headers={"authorization": f"Basic {login}"}, max_retries=0)

try:
    raise AssertionError(f"not refused: {client.security.authenticate()}")
except UnsupportedProductError as error:
    assert "not Elasticsearch" in str(error), error

print("the client refuses the service")
