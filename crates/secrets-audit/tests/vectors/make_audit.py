"""Makes the audit vectors beside it with pyca/cryptography and hashlib: nothing of this project takes part.

    python3 make_audit.py

Writes into the current directory a log of seven entries, checkpoints of its first 3 and all 7, the consistency
proof between them, a witness cosignature of the second, and the log's verifier key. Every key is fixed, so every
run writes the same bytes.

The vectors are older than two decisions, and their bytes stay as they are: their names say "vault" where the
project says "safe", and their payloads have the fields `obj`, `ver` and `cid` where the schema has `objs`. What is
signed and hashed are exact bytes whatever they hold, so they fix everything but the schema.
"""

import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "psm.invalid/vault/10111213/audit"
WITNESS = "witness.invalid/w1"
COSIGNED_AT = 1760000100
CONTEXT = b"sev1/audit-entry\0"
NOTE_KEY, WITNESS_KEY = 1, 4  # algorithm numbers of C2SP signed notes
SAID = [
    ("vault.init", "ok"),
    ("unlock", "denied"),
    ("unlock", "ok"),
    ("secret.write", "intent"),
    ("secret.write", "ok"),
    ("secret.read", "ok"),
    ("audit.checkpoint", "ok"),
]

log_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
witness_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def b64(data):
    return base64.b64encode(data).decode()


def leaf(payload):
    return hashlib.sha256(b"\x00" + payload).digest()


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """The largest power of two below count."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves):
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def consistency(old, leaves, complete=True):
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if complete else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return consistency(old, leaves[:k], complete) + [root(leaves[k:])]
    return consistency(old - k, leaves[k:], False) + [root(leaves[:k])]


def key_id(name, algorithm, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public(key)).digest()[:4]


def signature_line(name, algorithm, key, signature):
    return f"\u2014 {name} {b64(key_id(name, algorithm, key) + signature)}\n"


def entries():
    lines, leaves, previous = [], [], bytes(32)
    for number, (action, outcome) in enumerate(SAID):
        fields = {
            "v": 1,
            "seq": number,
            "prev": previous.hex(),
            "ts": 1760000000000 + number,
            "boot": "b0",
            "tenant": "20212223",
            "actor": "h:5f1c",
            "act": action,
            "obj": "7adcfd31531141c9804604b11695b2df",
            "ver": 1,
            "cid": "e3b0",
            "out": outcome,
        }
        payload = json.dumps(fields, separators=(",", ":")).encode()
        previous = leaf(payload)
        leaves.append(previous)
        lines.append(payload + b"\t" + b64(log_key.sign(CONTEXT + payload)).encode() + b"\n")
    return lines, leaves


def main():
    def write(name, text):
        pathlib.Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())

    lines, leaves = entries()
    write("audit.jsonl", b"".join(lines))
    for size in (3, 7):
        text = f"{ORIGIN}\n{size}\n{b64(root(leaves[:size]))}\n"
        signature = signature_line(ORIGIN, NOTE_KEY, log_key, log_key.sign(text.encode()))
        write(f"checkpoint-{size}.txt", f"{text}\n{signature}")
    cosigned = f"cosignature/v1\ntime {COSIGNED_AT}\n{text}".encode()
    signature = COSIGNED_AT.to_bytes(8, "big") + witness_key.sign(cosigned)
    write("cosignature-7.txt", signature_line(WITNESS, WITNESS_KEY, witness_key, signature))
    write("consistency-3-7.txt", "".join(b64(one) + "\n" for one in consistency(3, leaves)))
    encoded = b64(bytes([NOTE_KEY]) + public(log_key))
    write("vkey.txt", f"{ORIGIN}+{key_id(ORIGIN, NOTE_KEY, log_key).hex()}+{encoded}\n")


if __name__ == "__main__":
    main()
