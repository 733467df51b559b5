"""boto3, driven by a test: a request in JSON on standard input, its answers in JSON on standard output.

{"url": …, "service": …, "keys": [ID, SECRET], "calls": [[METHOD, PARAMETERS], …]} becomes {"answers": [ANSWER, …], "seconds": …}.
Bytes are {"base64": …} both ways, times are seconds since 1970; a refusal is {"refused": CODE}.
"""

import base64
import datetime
import json
import sys
import time

import boto3
import botocore.config
import botocore.exceptions


def client(url, service, keys):
    """What a program gets that sets nothing but the endpoint and the keys; a failure is not hidden by a retry."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def given(value):
    """The value of a parameter."""
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and "base64" in value else value


def shown(value):
    """A part of an answer that JSON has no form for."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)


def answer(service, method, parameters):
    try:
        reply = getattr(service, method)(**{name: given(value) for name, value in parameters.items()})
    except botocore.exceptions.ClientError as error:
        return {"refused": error.response["Error"]["Code"]}
    del reply["ResponseMetadata"]
    return reply


request = json.load(sys.stdin)
service = client(request["url"], request["service"], request["keys"])
started = time.monotonic()
answers = [answer(service, method, parameters) for method, parameters in request["calls"]]
seconds = time.monotonic() - started
json.dump({"answers": answers, "seconds": seconds}, sys.stdout, default=shown)
