"""Makes the vectors of this directory, with salts and keys given, so that every run writes the same bytes.

Run:  python3 -m venv ve && ve/bin/pip install "cryptography>=50" && ve/bin/python make_vectors.py
Then: ve/bin/python check.py

One vector, one fault: everything else about a refused vector is right, seals included.
"""
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import sev1

HERE = os.path.dirname(os.path.abspath(__file__))


def run(first, length):
    """Bytes that count up from `first`."""
    return bytes((first + i) & 255 for i in range(length))


def write(name, content):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def flip(data, at, mask=1):
    out = bytearray(data)
    out[at] ^= mask
    return bytes(out)


SAFE, TENANT, WRITER = run(0x10, 16), run(0x20, 16), 0x1122334455667788
INDEX, EPOCH_KEY, DATA_KEY, ROOT = run(0x40, 32), run(0x60, 32), run(0x80, 32), run(0xE0, 32)
WRAP_SALT, PAYLOAD_SALT = run(0xA0, 24), run(0xC0, 24)
PATH = b"db/prod/password"
OBJECT = sev1.object_id(INDEX, PATH)
KEYS = dict(safe=SAFE, tenant=TENANT, index=INDEX, epochs={1: EPOCH_KEY, 2: EPOCH_KEY})


# --- The four envelopes that other implementations of this format know, and 26 that they refuse ----------

def rule_envelope(header, value, epoch=1, wrap_salt=WRAP_SALT):
    plain = sev1.payload(PATH, b"{}", value)
    return sev1.envelope(header, plain, epoch, EPOCH_KEY, DATA_KEY, wrap_salt, PAYLOAD_SALT)


def rule_vectors():
    def head(**fields):
        return sev1.envelope_header(SAFE, TENANT, OBJECT, **fields)

    one = rule_envelope(head(), b"correct horse battery staple")
    again = rule_envelope(head(), b"correct horse battery staple", epoch=2, wrap_salt=run(0xB0, 24))
    two = rule_envelope(head(version=2, parent=sev1.content_id(one)), b"second value")
    big = rule_envelope(head(version=3, parent=sev1.content_id(two)), bytes(range(256)) * 64 * 4)
    valid = []
    for name, data in (("v1", one), ("v1-rewrapped-epoch2", again), ("v2", two), ("v3-64KiB", big)):
        _, value = sev1.open_envelope(data, KEYS, PATH)
        valid.append(dict(name=name, len=len(data), value_sha256=hashlib.sha256(value).hexdigest(),
                          content_id=sev1.content_id(data).hex(), sha256=hashlib.sha256(data).hexdigest(),
                          envelope=data.hex() if len(data) < 2000 else None))
    places = ((4, "suite"), (5, "type"), (6, "flags"), (8, "safe"), (24, "tenant"), (40, "object"), (63, "version"),
              (71, "term"), (79, "writer"), (87, "created"), (88, "parent"), (123, "epoch"), (124, "wrapsuite"),
              (125, "reserved"), (128, "wrapsalt"), (152, "wrapcommit"), (184, "wrapct"), (232, "salt"),
              (256, "commit"), (288, "ct"), (len(one) - 1, "tag"))
    altered = [("flip-" + name, flip(one, at)) for at, name in places]
    altered += [("swap-payload-v1-into-v2", two[:232] + one[232:]),
                ("swap-wrap-v1-into-v2", two[:120] + one[120:232] + two[232:]),
                ("truncate-last-byte", one[:-1]), ("append-byte", one + b"\0"),
                ("truncate-last-chunk-64KiB", big[:288 + 4 * (sev1.CHUNK + 16)])]
    invalid = [dict(name=name, envelope_sha256=hashlib.sha256(data).hexdigest(), expect="reject")
               for name, data in altered]
    write("envelope_vectors.json", dict(
        IK=INDEX.hex(), TEK=EPOCH_KEY.hex(), DEK=DATA_KEY.hex(), safe=SAFE.hex(), tenant=TENANT.hex(),
        name=PATH.decode(), object_id=OBJECT.hex(), valid=valid, invalid=invalid))
    return one, two


# --- Envelopes: both suites, every field, one fault each -------------------------------------------------

def envelope_cases(one, two):
    def make(plain=None, value=b"value", path=PATH, metadata=b"{}", suite=1, wrap_suite=1, epoch=1,
             reserved=bytes(3), **fields):
        header = sev1.envelope_header(SAFE, TENANT, OBJECT, **({"suite": suite} | fields))
        plain = sev1.payload(path, metadata, value) if plain is None else plain
        return sev1.envelope(header, plain, epoch, EPOCH_KEY, DATA_KEY, WRAP_SALT, PAYLOAD_SALT,
                             suite if suite in sev1.AEADS else 1, wrap_suite, reserved)

    cases = []

    def case(name, expect, data, path=PATH, version=None):
        cases.append(dict(name=name, expect=expect, path=path.decode(), version=version, envelope=data.hex()))

    good = make()
    fixed = 12 + len(PATH) + 2
    case("suite-2", "opens", make(suite=2, wrap_suite=2))
    case("suite-2-payload-suite-1-wrap", "opens", make(suite=2))
    case("suite-1-payload-suite-2-wrap", "opens", make(wrap_suite=2))
    case("suite-2-of-two-chunks", "opens", make(suite=2, wrap_suite=2, value=run(0, 17000)))
    case("tombstone", "opens", make(kind=2, value=b""))
    case("empty-value", "opens", make(value=b""))
    case("empty-metadata", "opens", make(metadata=b""))
    case("metadata-of-many-bytes", "opens", make(metadata=json.dumps({"description": "x" * 3000}).encode()))
    case("value-that-fills-its-bucket", "opens", make(value=run(0, 256 - fixed)))
    case("value-one-over-its-bucket", "opens", make(value=run(0, 257 - fixed)))
    case("payload-of-exactly-one-chunk", "opens", make(value=run(0, 16384 - fixed)))
    case("largest-portable-value", "opens", make(value=run(0, 16128 - fixed)))
    case("every-field-at-its-largest", "opens", make(
        version=2**64 - 1, term=2**64 - 1, writer=2**64 - 1, created=2**64 - 1, parent=b"\xff" * 32))
    case("asked-for-version", "opens", make(version=7), version=7)

    case("version-0", "refused", make(version=0))
    case("flag-bit-0", "refused", make(flags=1))
    case("flag-bit-15", "refused", make(flags=0x8000))
    case("suite-0", "refused", make(suite=0))
    case("suite-3", "refused", make(suite=3))
    case("type-0", "refused", make(kind=0))
    case("type-3", "refused", make(kind=3))
    case("wrap-suite-0", "refused", make(wrap_suite=0))
    case("wrap-suite-3", "refused", make(wrap_suite=3))
    case("reserved-not-zero", "refused", make(reserved=b"\0\0\1"))
    case("envelope-version-2", "unsupported", make(magic=b"SEV2"))
    case("another-magic", "refused", make(magic=b"SEVA"))
    case("unknown-epoch", "unknown-epoch", make(epoch=9))
    case("epoch-0", "unknown-epoch", make(epoch=0))
    case("tombstone-with-a-value", "refused", make(kind=2))
    case("another-version-than-asked", "refused", make(version=7), version=8)
    case("another-path-than-asked", "refused", good, path=b"db/prod/passwor")
    staging = b"staging/app/key"
    case("another-environment-in-its-place", "refused", good, path=staging)
    case("inner-path-is-another", "refused", make(path=b"db/prod/passwore"))
    case("inner-path-empty", "refused", make(path=b""))
    case("incarnation-1", "refused", make(plain=sev1.payload(PATH, b"{}", b"value", incarnation=1)))
    plain = sev1.payload(PATH, b"{}", b"value")
    case("padding-not-zero", "refused", make(plain=plain[:-1] + b"\1"))
    case("padding-not-zero-in-front", "refused", make(plain=flip(plain, fixed + 5)))
    case("padding-of-one-more-bucket", "refused", make(plain=plain + bytes(256)))
    case("payload-of-no-whole-bucket", "refused", make(plain=plain + b"\0"))
    case("payload-too-short-for-a-bucket", "refused", make(plain=plain[:100]))
    case("payload-empty", "refused", make(plain=b""))
    case("path-length-over-the-end", "refused", make(plain=b"\xff\xff" + plain[2:]))
    at = 2 + len(PATH) + 4
    case("metadata-length-over-the-end", "refused", make(plain=plain[:at] + b"\xff\xff" + plain[at + 2:]))
    at += 2 + 2
    case("value-length-over-the-end", "refused", make(plain=plain[:at] + b"\xff" * 4 + plain[at + 4:]))

    def other(**change):
        fields = dict(safe=SAFE, tenant=TENANT, object_=OBJECT) | change
        return sev1.envelope(sev1.envelope_header(**fields), plain, 1, EPOCH_KEY, DATA_KEY, WRAP_SALT, PAYLOAD_SALT)

    case("another-safe", "refused", other(safe=run(0x11, 16)))
    case("another-tenant", "refused", other(tenant=run(0x21, 16)))
    case("another-object", "refused", other(object_=run(0x31, 16)))
    header = sev1.envelope_header(SAFE, TENANT, OBJECT)
    case("another-epoch-key", "refused", sev1.envelope(
        header, plain, 1, run(0x61, 32), DATA_KEY, WRAP_SALT, PAYLOAD_SALT))
    fields = struct.pack(">IB3x", 1, 1)
    wrapped = sev1.seal(1, EPOCH_KEY, WRAP_SALT, b"sev1/wrap\0" + header + fields, run(0x81, 32))
    case("another-data-key", "refused", header + fields + wrapped + good[232:])
    short = sev1.seal(1, EPOCH_KEY, WRAP_SALT, b"sev1/wrap\0" + header + fields, DATA_KEY[:31])
    case("data-key-of-31-bytes", "refused", header + fields + short + b"\0" + good[232:])
    body = sev1.seal(1, DATA_KEY, PAYLOAD_SALT, b"sev1/payload\0", plain)
    case("payload-without-the-header-as-context", "refused", good[:232] + body)
    body = sev1.seal(1, DATA_KEY, PAYLOAD_SALT, b"sev1/wrap\0" + header, plain)
    case("payload-under-another-separation", "refused", good[:232] + body)
    case("commitment-of-zeros", "refused", good[:256] + bytes(32) + good[288:])
    case("payload-of-the-version-before", "refused", two[:232] + one[232:])
    case("header-alone", "refused", good[:120])
    case("no-payload", "refused", good[:232])
    case("no-bytes", "refused", b"")
    big = make(value=run(0, 40000))
    chunk = sev1.CHUNK + 16
    case("chunks-exchanged", "refused",
         big[:288] + big[288 + chunk:288 + 2 * chunk] + big[288:288 + chunk] + big[288 + 2 * chunk:])
    case("chunk-repeated", "refused", big[:288] + big[288:288 + chunk] + big[288:])
    case("last-chunk-missing", "refused", big[:288 + 2 * chunk])
    case("first-chunk-missing", "refused", big[:288] + big[288 + chunk:])

    texts = []

    def text(name, expect, value):
        texts.append(dict(name=name, expect=expect, text=value))

    import base64
    plain_text = base64.urlsafe_b64encode(good).decode().rstrip("=")
    odd = base64.urlsafe_b64encode(good + b"\0").decode().rstrip("=")
    assert len(good) % 3 == 2 and len(good + b"\0") % 3 == 0
    text("canonical", "opens", "sev1:" + plain_text)
    text("padded", "refused", "sev1:" + plain_text + "=")
    text("stray-bits-in-the-last-character", "refused", "sev1:" + plain_text[:-1] + chr(ord(plain_text[-1]) + 1))
    text("standard-alphabet", "refused", "sev1:" + plain_text.replace("-", "+").replace("_", "/"))
    text("line-feed-behind", "refused", "sev1:" + plain_text + "\n")
    text("space-in-front", "refused", " sev1:" + plain_text)
    text("line-feed-inside", "refused", "sev1:" + plain_text[:76] + "\n" + plain_text[76:])
    text("upper-case-prefix", "refused", "SEV1:" + plain_text)
    text("no-prefix", "refused", plain_text)
    text("prefix-alone", "refused", "sev1:")
    text("empty", "refused", "")
    text("one-byte-more", "refused", "sev1:" + odd)
    text("later-version", "unsupported", "sev2:" + plain_text)
    assert any(c in plain_text for c in "-_")
    write("envelope.json", dict(
        safe=SAFE.hex(), tenant=TENANT.hex(), index_key=INDEX.hex(), epoch_key=EPOCH_KEY.hex(), epoch=1,
        text_path=PATH.decode(), cases=cases, texts=texts))


# --- Safe header -----------------------------------------------------------------------------------------

def header_cases():
    file_key, phrase_key, passphrase = run(0x01, 32), bytes([0x80] * 32), "correct horse battery staple".encode()
    secrets = {"key-file": (1, file_key), "passphrase": (2, passphrase), "phrase": (3, phrase_key),
               "other-passphrase": (2, b"correct horse battery stapl")}
    salts = [run(0x10 * i, 32) for i in range(1, 6)]

    def make_slot(ident, kind, kdf, memory, time, lanes, salt, label, secret):
        return sev1.slot(SAFE, ROOT, secrets[secret], ident, kind, kdf, memory, time, lanes, salt, label,
                         run(0xA0 + ident, 24))

    key_file = make_slot(1, 1, 1, 0, 0, 0, salts[0], b"key file", "key-file")
    argon2 = make_slot(2, 2, 2, 19456, 1, 1, salts[1], "Zoë".encode(), "passphrase")
    phrase = make_slot(3, 3, 1, 0, 0, 0, salts[2], b"recovery", "phrase")
    gone = sev1.removed_slot(4, salts[3])
    pbkdf2 = make_slot(5, 2, 3, 0, 600_000, 0, salts[4], b"x" * 32, "passphrase")
    slots = [key_file, argon2, phrase, gone]
    installs = [sev1.installation(7, run(0x90, 32)), sev1.installation(2**64 - 1, run(0x91, 32), state=2)]

    def make(slots=slots, installs=installs, sequence=3, **more):
        return sev1.header(SAFE, ROOT, sequence, slots, installs, **more)

    good = make()
    cases = []

    def case(name, expect, data, secret="key-file"):
        cases.append(dict(name=name, expect=expect, secret=secret, header=data.hex()))

    def fixed(content):
        """The same content with the checksum made anew, but the MAC of before: what a forger can do."""
        return content + hashlib.sha256(content).digest() + good[-32:]

    case("key-file-slot", "opens", good)
    case("argon2id-slot", "opens", good, "passphrase")
    case("recovery-phrase-slot", "opens", good, "phrase")
    case("pbkdf2-slot", "opens", make(slots=[key_file, pbkdf2]), "passphrase")
    case("no-installations", "opens", make(installs=[]))
    case("default-argon2id", "opens",
         make(slots=[make_slot(1, 2, 2, 65536, 3, 4, salts[0], b"", "passphrase")]), "passphrase")

    case("wrong-passphrase", "wrong-secret", good, "other-passphrase")
    case("no-slot-of-this-kind", "wrong-secret", make(slots=[key_file]), "phrase")
    case("no-slots", "wrong-secret", make(slots=[]))
    case("removed-slot-does-not-open", "wrong-secret", make(slots=[gone]))
    body = good[:-64]
    for at, name in ((0, "magic"), (5, "format"), (9, "size"), (17, "sequence"), (18, "safe"), (34, "slot-count"),
                     (35, "slot"), (35 + 4 * 184, "installation-count"), (len(body) - 1, "public-key")):
        case("torn-" + name, "malformed", flip(good, at))
    case("torn-checksum", "malformed", flip(good, len(body)))
    case("mac-flipped", "forged", flip(good, len(good) - 1))
    case("sequence-raised", "forged", fixed(flip(body, 17)))
    case("public-key-exchanged", "forged", fixed(flip(body, len(body) - 1)))
    case("installation-removed", "forged", fixed(flip(body, len(body) - 41 - 33, 3)))
    case("mac-under-another-root-key", "forged",
         sev1.finish_header(body, run(0xE1, 32), SAFE))
    case("safe-id-exchanged", "wrong-secret", fixed(flip(body, 18)))
    for at, name in ((0, "id"), (16, "salt"), (48, "label"), (80, "wrap-salt"), (104, "commitment"),
                     (136, "wrapped-key"), (183, "tag")):
        # The bit with which neither order nor text breaks.
        mask = 0x80 if name == "id" else 1
        case("slot-%s-exchanged" % name, "wrong-secret", fixed(flip(body, 35 + at, mask)))
    case("slot-argon2-passes-exchanged", "wrong-secret", fixed(flip(body, 35 + 184 + 11, 3)), "passphrase")

    # Everything authentic, one rule broken.
    case("newer-format", "unsupported", make(form=2))
    case("format-0", "unsupported", make(form=0))
    case("another-magic", "malformed", make(magic=b"SEVX"))
    case("size-one-less", "malformed", make(size=len(good) - 1))
    case("size-one-more", "malformed", make(size=len(good) + 1))
    case("one-byte-more", "malformed", good + b"\0")
    case("one-byte-less", "malformed", good[:-1])
    case("no-bytes", "malformed", b"")
    case("slots-not-ascending", "malformed", make(slots=[argon2, key_file]))
    case("two-slots-of-one-salt", "malformed", make(slots=[key_file, key_file]))
    case("slot-count-too-low", "malformed", make(slot_count=3))
    case("slot-count-too-high", "malformed", make(slot_count=5))
    case("installations-not-ascending", "malformed", make(installs=installs[::-1]))
    case("two-installations-of-one-id", "malformed", make(installs=[installs[0], installs[0]]))
    case("installation-state-3", "malformed", make(installs=[sev1.installation(7, run(0x90, 32), state=3)]))
    removed_with_key = flip(gone, 183)
    case("removed-slot-with-its-key", "malformed", make(slots=[key_file, removed_with_key]))
    case("removed-slot-with-a-kind", "malformed", make(slots=[key_file, flip(gone, 2)]))

    def odd(kind, kdf, memory, time, lanes, label=b"odd", secret="passphrase", ident=9, state=1):
        """A slot that no one could have made, with bytes of the right length in place of its seal."""
        salt = run(0x70, 32)
        return sev1.slot_fields(ident, kind, kdf, memory, time, lanes, salt, label, state) + run(0, 104)

    for name, slot in (("slot-id-0", odd(1, 1, 0, 0, 0, ident=0)), ("slot-state-0", odd(1, 1, 0, 0, 0, state=0)),
                       ("slot-state-3", odd(1, 1, 0, 0, 0, state=3)), ("slot-kind-0", odd(0, 1, 0, 0, 0)),
                       ("slot-kind-4", odd(4, 1, 0, 0, 0)), ("slot-kdf-0", odd(2, 0, 0, 0, 0)),
                       ("slot-kdf-4", odd(2, 4, 0, 0, 0)), ("hkdf-with-a-parameter", odd(1, 1, 0, 1, 0)),
                       ("pbkdf2-with-memory", odd(2, 3, 1, 600_000, 0)),
                       ("label-not-utf-8", odd(1, 1, 0, 0, 0, label=b"\xff")),
                       ("label-with-a-line-feed", odd(1, 1, 0, 0, 0, label=b"a\nb")),
                       ("label-with-a-zero-inside", odd(1, 1, 0, 0, 0, label=b"a\0b"))):
        case(name, "malformed", make(slots=[key_file, slot]))
    for name, slot in (("argon2-memory-of-4-tib", odd(2, 2, 2**32 - 1, 3, 4)),
                       ("argon2-memory-over-4-gib", odd(2, 2, 4 * 1024 * 1024 + 1, 3, 4)),
                       ("argon2-memory-too-low", odd(2, 2, 19455, 3, 4)),
                       ("argon2-no-passes", odd(2, 2, 65536, 0, 4)),
                       ("argon2-65-passes", odd(2, 2, 65536, 65, 4)),
                       ("argon2-no-lanes", odd(2, 2, 65536, 3, 0)),
                       ("argon2-17-lanes", odd(2, 2, 65536, 3, 17)),
                       ("pbkdf2-599999-iterations", odd(2, 3, 0, 599_999, 0)),
                       ("pbkdf2-over-50-million", odd(2, 3, 0, 50_000_001, 0))):
        case(name, "kdf-bounds", make(slots=[key_file, slot]), "passphrase")
    case("passphrase-slot-with-hkdf", "kdf-mismatch", make(slots=[odd(2, 1, 0, 0, 0)]), "passphrase")
    case("key-file-slot-with-argon2", "kdf-mismatch", make(slots=[odd(1, 2, 19456, 1, 1)]))
    case("absurd-slot-beside-a-good-one", "opens", make(slots=[argon2, odd(2, 2, 2**32 - 1, 3, 4)]), "passphrase")

    write("header.json", dict(
        safe=SAFE.hex(), root=ROOT.hex(), fingerprint=sev1.fingerprint(ROOT, SAFE),
        secrets={name: dict(kind=kind, secret=data.hex()) for name, (kind, data) in secrets.items()},
        cases=cases))


# --- Keyring ---------------------------------------------------------------------------------------------

def keyring_cases():
    detail, tenant_root, other_root = run(0x48, 32), run(0x68, 32), run(0x69, 32)
    first, second = run(0x6A, 32), run(0x6B, 32)
    epochs = [sev1.epoch_row(1, 2, 1000, first), sev1.epoch_row(0xABCD0123, 1, 2000, second),
              sev1.epoch_row(0xFFFFFFFF, 3, 500, b"")]

    def wrapped(ident, state=1, key=tenant_root, safe=SAFE, tenant=TENANT, root=ROOT, suite=1):
        return sev1.wrapped_root(safe, tenant, root, ident, state, key, run(0xA0 + ident, 24), suite)

    def make(roots=None, name="Ünï".encode(), content=None, epochs=epochs, sealing=(5, tenant_root),
             safe=SAFE, tenant=TENANT, root=ROOT, suite=1, **more):
        if roots is None:
            roots = [wrapped(3, state=3), wrapped(5, safe=safe, tenant=tenant, root=root, suite=suite)]
        if content is None:
            content = sev1.keyring_content(INDEX, detail, epochs)
        return sev1.keyring(safe, tenant, root, roots, name, content, sealing, run(0xB0, 24), run(0xC0, 24),
                            suite, **more)

    cases = []

    def case(name, expect, data):
        cases.append(dict(name=name, expect=expect, keyring=data.hex()))

    good = make()
    case("suite-1", "opens", good)
    case("suite-2", "opens", make(suite=2))
    case("two-root-keys", "opens", make(roots=[wrapped(5), wrapped(6, state=2, key=other_root)]))
    case("no-epochs", "opens", make(epochs=[]))
    case("empty-name", "opens", make(name=b""))
    case("longest-name", "opens", make(name=b"n" * 256))
    rows = [sev1.epoch_row(i, 2, i, run(i & 255, 32)) for i in range(1, 258)]
    case("as-many-epochs-as-fit", "opens", make(epochs=rows[:256]))
    case("one-epoch-too-many", "malformed", make(epochs=rows))
    many = [wrapped(i, state=3) for i in range(6, 54)]
    case("as-many-root-keys-as-fit", "opens", make(roots=[wrapped(5)] + many[:47]))
    case("one-root-key-too-many", "malformed", make(roots=[wrapped(5)] + many))

    case("another-magic", "malformed", make(magic=b"SEVX"))
    case("newer-format", "unsupported", make(form=2))
    case("size-one-more", "malformed", make(size=len(good) + 1))
    case("one-byte-more", "malformed", good + b"\0")
    case("one-byte-less", "malformed", good[:-1])
    case("no-bytes", "malformed", b"")
    case("another-safe", "foreign-safe", make(safe=run(0x11, 16)))
    case("another-tenant", "foreign-tenant", make(tenant=run(0x21, 16)))
    case("safe-id-exchanged", "foreign-safe", flip(good, 10))
    case("tenant-id-exchanged", "foreign-tenant", flip(good, 26))
    case("suite-0", "malformed", make(written_suite=0))
    case("suite-3", "malformed", make(written_suite=3))
    case("suite-exchanged", "refused", flip(good, 42, 3))
    case("under-another-root-key", "refused", make(root=run(0xE1, 32)))
    case("root-key-of-another-id", "refused", make(roots=[struct.pack(">I", 5) + wrapped(4)[4:]]))
    case("root-key-state-exchanged", "refused", flip(good, 45 + 109 + 4, 3))
    case("root-key-dropped", "refused",
         good[:6] + struct.pack(">I", len(good) - 109) + good[10:43] + b"\0\1" + good[45 + 109:])
    case("root-key-state-0", "malformed", make(roots=[wrapped(5, state=0)]))
    case("root-key-state-4", "malformed", make(roots=[wrapped(5, state=4)]))
    case("root-key-id-0", "malformed", make(roots=[wrapped(0), wrapped(5)]))
    case("root-keys-not-ascending", "malformed", make(roots=[wrapped(5), wrapped(3, state=3)]))
    case("destroyed-root-key-with-bytes", "malformed", make(roots=[flip(wrapped(3, state=3), 108), wrapped(5)]))
    case("sealed-under-a-destroyed-root-key", "malformed", make(sealing=(3, tenant_root)))
    case("sealed-under-a-missing-root-key", "malformed", make(sealing=(9, tenant_root)))
    case("sealed-under-another-root-key", "refused", make(sealing=(5, other_root)))
    case("name-not-utf-8", "malformed", make(name=b"\xff"))
    case("name-too-long", "malformed", make(name=b"n" * 257))
    case("sealed-name-flipped", "refused", flip(good, 45 + 2 * 109 + 2 + 60))
    case("content-flipped", "refused", flip(good, len(good) - 20))
    case("tag-flipped", "refused", flip(good, len(good) - 1))
    case("epoch-state-0", "malformed", make(epochs=[sev1.epoch_row(1, 0, 1, first)]))
    case("epoch-state-4", "malformed", make(epochs=[sev1.epoch_row(1, 4, 1, first)]))
    case("epoch-id-0", "malformed", make(epochs=[sev1.epoch_row(0, 1, 1, first)]))
    case("epochs-not-ascending", "malformed", make(epochs=epochs[::-1]))
    case("two-epochs-of-one-id", "malformed", make(epochs=[epochs[0], epochs[0]]))
    case("destroyed-epoch-with-its-key", "malformed", make(epochs=[struct.pack(">IBQ", 1, 3, 1) + first]))
    content = sev1.keyring_content(INDEX, detail, epochs)
    case("epoch-count-too-high", "malformed", make(content=content[:65] + b"\4" + content[66:]))
    case("epoch-count-too-low", "malformed", make(content=content[:65] + b"\2" + content[66:]))
    case("content-one-byte-more", "malformed", make(content=content + b"\0"))
    case("content-empty", "malformed", make(content=b""))
    write("keyring.json", dict(
        safe=SAFE.hex(), tenant=TENANT.hex(), root=ROOT.hex(), index_key=INDEX.hex(), detail_key=detail.hex(),
        tenant_root=tenant_root.hex(), cases=cases))


# --- State rows ------------------------------------------------------------------------------------------

def state_cases():
    key = sev1.state_key(ROOT, SAFE)
    cases = []

    def case(name, expect, row, table="seen", row_key=b"object", value=b"row"):
        cases.append(dict(name=name, expect=expect, table=table, row_key=row_key.hex(), row=row.hex(),
                          value=value.hex() if expect == "opens" else None))

    def make(table=b"seen", row_key=b"object", value=b"row", suite=1, number=None, key=key):
        sealed = sev1.seal(suite, key, run(0xA0, 24), sev1.state_context(table, row_key), value)
        return bytes([suite if number is None else number]) + sealed

    good = make()
    case("suite-1", "opens", good)
    case("suite-2", "opens", make(suite=2))
    case("empty-row", "opens", make(value=b""), value=b"")
    case("empty-key", "opens", make(row_key=b""), row_key=b"")
    case("row-of-exactly-one-chunk", "opens", make(value=run(0, 16384)), value=run(0, 16384))
    case("another-row", "refused", good, row_key=b"objects")
    case("another-table", "refused", good, table="see", row_key=b"nobject")
    case("another-safe", "refused", make(key=sev1.state_key(ROOT, run(0x11, 16))))
    case("another-root-key", "refused", make(key=sev1.state_key(run(0xE1, 32), SAFE)))
    case("suite-0", "refused", make(number=0))
    case("suite-3", "refused", make(number=3))
    case("suite-exchanged", "refused", make(number=2))
    for at, what in ((1, "salt"), (25, "commitment"), (57, "ciphertext"), (len(good) - 1, "tag")):
        case("flipped-" + what, "refused", flip(good, at))
    case("one-byte-more", "refused", good + b"\0")
    case("one-byte-less", "refused", good[:-1])
    case("no-bytes", "refused", b"")
    write("state.json", dict(safe=SAFE.hex(), root=ROOT.hex(), cases=cases))


# --- One ciphertext for two keys -------------------------------------------------------------------------

def times(a, b):
    """Product in the field of GHASH: bit 0 is the highest of the first byte."""
    product = 0
    for i in range(128):
        if a >> (127 - i) & 1:
            product ^= b
        b = b >> 1 ^ (0xE1 << 120 if b & 1 else 0)
    return product


def power(a, exponent):
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = times(result, a)
        a, exponent = times(a, a), exponent >> 1
    return result


def two_keys():
    """Two blocks of ciphertext and a tag that plain AES-GCM accepts under two keys.

    The tag is c1·H³ + c2·H² + len·H + E(J0). It must be equal for both keys: one linear equation for c1.
    """
    context, salt, second_block = b"sev1/payload\0", run(0xC0, 24), int.from_bytes(run(0x30, 16), "big")
    sides, length = [], 256
    for key in (run(0x01, 32), run(0x02, 32)):
        message, nonce, commitment = sev1.message_key(1, key, salt, context)
        nonce = nonce.to_bytes(12, "big")
        encrypt = Cipher(algorithms.AES(message), modes.ECB()).encryptor()
        subkey, mask = (int.from_bytes(encrypt.update(block), "big") for block in (bytes(16), nonce + b"\0\0\0\1"))
        fixed = times(second_block, power(subkey, 2)) ^ times(length, subkey) ^ mask
        sides.append((key, message, nonce, commitment, power(subkey, 3), fixed))
    first_block = times(sides[0][5] ^ sides[1][5], power(sides[0][4] ^ sides[1][4], 2**128 - 2))
    tags = {times(first_block, side[4]) ^ side[5] for side in sides}
    assert len(tags) == 1
    body = b"".join(number.to_bytes(16, "big") for number in (first_block, second_block, tags.pop()))
    for _, message, nonce, *_ in sides:
        sev1.AESGCM(message).decrypt(nonce, body, None)
    write("two_keys.json", dict(context=context.hex(), salt=salt.hex(), body=body.hex(), keys=[
        dict(key=key.hex(), message_key=message.hex(), nonce=nonce.hex(), commitment=commitment.hex())
        for key, message, nonce, commitment, *_ in sides]))


if __name__ == "__main__":
    first, second = rule_vectors()
    envelope_cases(first, second)
    header_cases()
    keyring_cases()
    state_cases()
    two_keys()
