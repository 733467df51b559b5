"""Opens every committed vector of this directory with pyca/cryptography and compares with what it expects.

It reads the committed files, not the generator's. `cargo xtask vectors --check` runs it where Python and
cryptography 50 or later are there. Its last line says how many vectors agree.
"""
import base64
import hashlib
import json
import os
import sys

import sev1

HERE = os.path.dirname(os.path.abspath(__file__))
unhex = bytes.fromhex


def load(name):
    with open(os.path.join(HERE, name)) as file:
        return json.load(file)


def outcome(work):
    try:
        return "opens", work()
    except sev1.Refused as refused:
        return str(refused), None


def text_bytes(text):
    sev1.need(text[:4] != "sev2", "unsupported")
    sev1.need(text.startswith("sev1:"))
    encoded = text[5:]
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        raise sev1.Refused("refused") from None
    sev1.need(base64.urlsafe_b64encode(data).decode().rstrip("=") == encoded)
    return data


def rule_vectors():
    file = load("envelope_vectors.json")
    keys = dict(safe=unhex(file["safe"]), tenant=unhex(file["tenant"]), index=unhex(file["IK"]),
                epochs={1: unhex(file["TEK"]), 2: unhex(file["TEK"])})
    path = file["name"].encode()
    for case in file["valid"]:
        if case["envelope"] is None:
            continue
        data = unhex(case["envelope"])
        got, opened = outcome(lambda: sev1.open_envelope(data, keys, path))
        same = (got == "opens" and hashlib.sha256(opened[1]).hexdigest() == case["value_sha256"]
                and sev1.content_id(data).hex() == case["content_id"]
                and hashlib.sha256(data).hexdigest() == case["sha256"])
        yield "envelope_vectors/" + case["name"], same, got


def envelopes():
    file = load("envelope.json")
    keys = dict(safe=unhex(file["safe"]), tenant=unhex(file["tenant"]), index=unhex(file["index_key"]),
                epochs={file["epoch"]: unhex(file["epoch_key"])})
    for case in file["cases"]:
        got, _ = outcome(lambda: sev1.open_envelope(
            unhex(case["envelope"]), keys, case["path"].encode(), case["version"]))
        yield "envelope/" + case["name"], got == case["expect"], got
    for case in file["texts"]:
        got, _ = outcome(lambda: sev1.open_envelope(
            text_bytes(case["text"]), keys, file["text_path"].encode()))
        yield "text/" + case["name"], got == case["expect"], got


def headers():
    file = load("header.json")
    secrets = {name: (entry["kind"], unhex(entry["secret"])) for name, entry in file["secrets"].items()}
    for case in file["cases"]:
        got, root = outcome(lambda: sev1.unlock_header(unhex(case["header"]), secrets[case["secret"]]))
        same = got == case["expect"] and (root is None or root.hex() == file["root"])
        yield "header/" + case["name"], same, got
    same = sev1.fingerprint(unhex(file["root"]), unhex(file["safe"])) == file["fingerprint"]
    yield "header/fingerprint", same, "another"


def keyrings():
    file = load("keyring.json")
    for case in file["cases"]:
        got, opened = outcome(lambda: sev1.open_keyring(
            unhex(case["keyring"]), unhex(file["root"]), unhex(file["safe"]), unhex(file["tenant"])))
        same = got == case["expect"] and (
            opened is None or opened[1:3] == (unhex(file["index_key"]), unhex(file["detail_key"])))
        yield "keyring/" + case["name"], same, got


def rows():
    file = load("state.json")
    for case in file["cases"]:
        got, value = outcome(lambda: sev1.open_row(
            unhex(file["root"]), unhex(file["safe"]), case["table"].encode(), unhex(case["row_key"]),
            unhex(case["row"])))
        yield "state/" + case["name"], got == case["expect"] and (value is None or value.hex() == case["value"]), got


def two_keys():
    file = load("two_keys.json")
    for i, committed in enumerate(file["keys"]):
        sealed = unhex(file["salt"]) + unhex(committed["commitment"]) + unhex(file["body"])
        for j, key in enumerate(file["keys"]):
            sev1.AESGCM(unhex(key["message_key"])).decrypt(unhex(key["nonce"]), unhex(file["body"]), None)
            got, _ = outcome(lambda: sev1.unseal(1, unhex(key["key"]), unhex(file["context"]), sealed))
            yield "two_keys/%d-%d" % (i, j), (got == "opens") == (i == j), got


def main():
    passed = failed = 0
    for checks in (rule_vectors, envelopes, headers, keyrings, rows, two_keys):
        for name, same, got in checks():
            if same:
                passed += 1
            else:
                failed += 1
                print("differs:", name, "is", got)
    print("%d vectors agree, %d differ" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
