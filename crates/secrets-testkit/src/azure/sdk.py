"""Microsoft's SDK for Key Vault, driven by a test: a request in JSON on standard input, answers on standard output.

{"vault_url": …, "authority": …, "tenant_id": …, "ca_file": …, "addresses": {HOST: [IP, PORT]}, "credential": {…},
"calls": [[METHOD, PARAMETERS], …]} becomes [ANSWER, …]. A method is one of SecretClient. Times are seconds since 1970;
a refusal is {"refused": CLASS, "status": …, "code": …, "inner": …}.
"""

import datetime
import json
import logging
import socket
import sys
import urllib.parse

import azure.core.exceptions
import azure.identity
import azure.keyvault.secrets

resolve = socket.getaddrinfo


def without_port(url):
    parts = urllib.parse.urlsplit(url)
    return f"https://{parts.hostname}"


def mapped(addresses):
    """Finds the hosts of the request where they are said to be, loopback as it is, and nothing else."""

    def getaddrinfo(host, port, *arguments, **keywords):
        # Where the port is, too: in addresses it would be against the SDK's check of who asks for a token.
        name = host.decode() if isinstance(host, bytes) else host
        address = [name, port] if name == "127.0.0.1" else addresses.get(name)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not one of the test's hosts")
        return resolve(*address, *arguments, **keywords)

    return getaddrinfo


def credential(request):
    """The credential of the SDK that was asked for."""
    wanted = request["credential"]
    common = {"authority": without_port(request["authority"]), "connection_verify": request["ca_file"], "retry_total": 0}
    if wanted["kind"] == "secret":
        return azure.identity.ClientSecretCredential(
            request["tenant_id"], wanted["client_id"], wanted["secret"], **common
        )
    if wanted["kind"] == "certificate":
        return azure.identity.CertificateCredential(
            request["tenant_id"], wanted["client_id"], certificate_data=wanted["pem"].encode(), **common
        )
    if wanted["kind"] == "workload":
        return azure.identity.ClientAssertionCredential(
            request["tenant_id"], wanted["client_id"], lambda: wanted["token"], **common
        )
    # Where to ask is in the variables of an App Service.
    return azure.identity.ManagedIdentityCredential(client_id=wanted.get("client_id"))


TIMES = ("created_on", "updated_on", "expires_on", "not_before", "deleted_date", "scheduled_purge_date")
PLAIN = ("id", "name", "version", "content_type", "tags", "enabled", "recovery_level", "recoverable_days")


def shown(answer):
    """An answer as JSON: a secret, properties, a deleted secret, or a list of these."""
    if answer is None or isinstance(answer, str):
        return answer
    if not hasattr(answer, "name"):
        return [shown(item) for item in answer]
    # A secret and a deleted secret have their properties in an object of their own.
    parts = [answer] + ([answer.properties] if hasattr(answer, "properties") else [])
    found = {}
    for part in parts:
        found.update({name: getattr(part, name) for name in (*PLAIN, "value", "recovery_id") if hasattr(part, name)})
        times = {name: getattr(part, name) for name in TIMES if getattr(part, name, None)}
        found.update({name: int(time.timestamp()) for name, time in times.items()})
    return found


def given(name, value):
    return datetime.datetime.fromtimestamp(value, datetime.timezone.utc) if name in TIMES else value


def answer(client, method, parameters):
    try:
        reply = getattr(client, method)(**{name: given(name, value) for name, value in parameters.items()})
        if method.startswith("begin_"):
            reply.wait()
            reply = reply.result() if method == "begin_delete_secret" else None
        return shown(reply)
    except azure.core.exceptions.HttpResponseError as error:
        inner = getattr(error.error, "innererror", None) or {}
        return {
            "refused": type(error).__name__,
            "status": error.status_code,
            "code": getattr(error.error, "code", None),
            "inner": inner.get("code"),
            "message": error.message,
        }
    except azure.core.exceptions.AzureError as error:
        return {"refused": type(error).__name__}


# A refusal is an answer here, no news.
logging.disable(logging.CRITICAL)
request = json.load(sys.stdin)
socket.getaddrinfo = mapped(request["addresses"])
client = azure.keyvault.secrets.SecretClient(
    without_port(request["vault_url"]), credential(request), connection_verify=request["ca_file"], retry_total=0
)
json.dump([answer(client, method, parameters) for method, parameters in request["calls"]], sys.stdout)
