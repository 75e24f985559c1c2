"""What the client makes of a service that does not say the product's name."""

from elasticsearch import UnsupportedProductError
from service import elastic, refused, step

with step("the client refuses the service"):
    refused(UnsupportedProductError, "not Elasticsearch", elastic.security.authenticate)
