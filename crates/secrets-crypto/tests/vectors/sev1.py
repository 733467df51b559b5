"""The formats of docs/spec/, written a second time over pyca/cryptography, to make and to check vectors.

It shares no code with the Rust crate. Sealing is written with primitives alone, so that salts can be given;
opening suite 1 uses pyca's own implementation of C2SP chunked-encryption.
"""
import hashlib
import hmac
import struct

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

CHUNK = 16384
NAMES = {1: b"AEAD_AES_256_GCM", 2: b"AEAD_CHACHA20_POLY1305"}
AEADS = {1: AESGCM, 2: ChaCha20Poly1305}


class Refused(Exception):
    """Carries the class of the refusal, as the vectors name it."""


def need(condition, why="refused"):
    if not condition:
        raise Refused(why)


# --- AEAD -----------------------------------------------------------------------------------------------

def message_key(suite, key, salt, context):
    label = b"c2sp.org/chunked-encryption@v1+" + NAMES[suite] + b"\0"
    okm = HKDFExpand(hashes.SHA512(), 76, label + salt + context).derive(key)
    return okm[:32], int.from_bytes(okm[32:44], "big"), okm[44:]


def seal(suite, key, salt, context, plaintext):
    message, nonce, commitment = message_key(suite, key, salt, context)
    aead, out, i = AEADS[suite](message), salt + commitment, 0
    while True:
        chunk = plaintext[i * CHUNK:(i + 1) * CHUNK]
        out += aead.encrypt((nonce ^ i).to_bytes(12, "big"), chunk, None)
        i += 1
        if len(chunk) < CHUNK:
            return out


def unseal(suite, key, context, sealed):
    try:
        if suite == 1:
            decryptor = Cobblestone256Decryptor(key, context)
            return decryptor.update(sealed) + decryptor.finalize()
        need(suite == 2 and len(sealed) >= 72)
        salt, commitment, chunks = sealed[:24], sealed[24:56], sealed[56:]
        message, nonce, expected = message_key(suite, key, salt, context)
        need(hmac.compare_digest(commitment, expected))
        aead, out = ChaCha20Poly1305(message), b""
        full, last = divmod(len(chunks), CHUNK + 16)
        need(last >= 16)
        for i in range(full + 1):
            chunk = chunks[i * (CHUNK + 16):(i + 1) * (CHUNK + 16)]
            out += aead.decrypt((nonce ^ i).to_bytes(12, "big"), chunk, None)
        return out
    except (InvalidTag, ValueError):
        raise Refused("refused") from None


def hkdf(key, salt, info):
    return HKDF(hashes.SHA512(), 32, salt, info).derive(key)


# --- Envelope -------------------------------------------------------------------------------------------

def object_id(index_key, path, incarnation=0):
    data = b"sev1/object\0" + struct.pack(">IH", incarnation, len(path)) + path
    return hmac.new(index_key, data, hashlib.sha256).digest()[:16]


def envelope_header(safe, tenant, object_, suite=1, kind=1, flags=0, version=1, term=1,
                    writer=0x1122334455667788, created=1760000000000, parent=bytes(32), magic=b"SEV1"):
    header = magic + struct.pack(">BBH", suite, kind, flags) + safe + tenant + object_
    header += struct.pack(">QQQQ", version, term, writer, created) + parent
    assert len(header) == 120
    return header


def payload(path, metadata, value, incarnation=0, bucket=256):
    plain = struct.pack(">H", len(path)) + path + struct.pack(">I", incarnation)
    plain += struct.pack(">H", len(metadata)) + metadata + struct.pack(">I", len(value)) + value
    return plain + bytes(-len(plain) % bucket)


def envelope(header, plain, epoch, epoch_key, data_key, wrap_salt, payload_salt, suite=1, wrap_suite=1,
             reserved=bytes(3)):
    """`suite` and `wrap_suite` are what is done; what is written may be set apart, to make a fault."""
    fields = struct.pack(">IB", epoch, wrap_suite) + reserved
    wrapped = seal(wrap_suite if wrap_suite in AEADS else 1, epoch_key, wrap_salt,
                   b"sev1/wrap\0" + header + fields, data_key)
    return header + fields + wrapped + seal(suite, data_key, payload_salt, b"sev1/payload\0" + header, plain)


def content_id(env):
    return hashlib.sha256(b"sev1/content\0" + env[:120] + env[232:]).digest()


def open_envelope(env, keys, path, version=None):
    """`keys`: safe, tenant, index, epochs {id: key}. Returns metadata and value."""
    need(len(env) >= 4 and env[:3] == b"SEV" and env[3:4].isdigit() and env[3:4] != b"0")
    need(env[3:4] == b"1", "unsupported")
    need(len(env) >= 232 + 72 + 256)
    suite, kind, flags = struct.unpack(">BBH", env[4:8])
    need(suite in AEADS and kind in (1, 2) and flags == 0)
    epoch, wrap_suite = struct.unpack(">IB", env[120:125])
    number, = struct.unpack(">Q", env[56:64])
    need(wrap_suite in AEADS and env[125:128] == bytes(3) and number > 0)
    need(env[8:24] == keys["safe"] and env[24:40] == keys["tenant"])
    need(env[40:56] == object_id(keys["index"], path) and version in (None, number))
    need(epoch in keys["epochs"], "unknown-epoch")
    header = env[:120]
    data_key = unseal(wrap_suite, keys["epochs"][epoch], b"sev1/wrap\0" + header + env[120:128], env[128:232])
    plain = unseal(suite, data_key, b"sev1/payload\0" + header, env[232:])
    try:
        at = 2 + struct.unpack_from(">H", plain)[0]
        inner = plain[2:at]
        incarnation, metadata_len = struct.unpack_from(">IH", plain, at)
        at += 6 + metadata_len
        value_len, = struct.unpack_from(">I", plain, at)
    except struct.error:
        raise Refused("refused") from None
    metadata, value, rest = plain[at - metadata_len:at], plain[at + 4:at + 4 + value_len], plain[at + 4 + value_len:]
    need(len(value) == value_len and incarnation == 0 and inner == path)
    need(len(plain) % 256 == 0 and len(rest) < 256 and not any(rest))
    need(kind == 1 or not value)
    return metadata, value


# --- State rows -----------------------------------------------------------------------------------------

def state_key(root, safe):
    return hkdf(root, None, b"sev1/state-key\0" + safe)


def state_context(table, row_key):
    return b"sev1/state\0" + struct.pack(">H", len(table)) + table + row_key


def open_row(root, safe, table, row_key, row):
    need(row[:1] in (b"\1", b"\2"))
    return unseal(row[0], state_key(root, safe), state_context(table, row_key), row[1:])


# --- Safe header ----------------------------------------------------------------------------------------

def slot_key(secret, kdf, memory, time, lanes, salt, safe):
    kind, data = secret
    if kdf == 1:
        info = {1: b"sev1/slot-key-file\0", 3: b"sev1/slot-phrase\0"}[kind]
        return hkdf(data, salt, info + safe)
    if kdf == 2:
        return Argon2id(salt=salt, length=32, iterations=time, lanes=lanes, memory_cost=memory).derive(data)
    return PBKDF2HMAC(hashes.SHA256(), 32, salt, time).derive(data)


def slot_fields(ident, kind, kdf, memory, time, lanes, salt, label, state=1):
    return struct.pack(">BBBBIII", ident, state, kind, kdf, memory, time, lanes) + salt + label.ljust(32, b"\0")


def slot(safe, root, secret, ident, kind, kdf, memory, time, lanes, salt, label, seal_salt):
    fields = slot_fields(ident, kind, kdf, memory, time, lanes, salt, label)
    key = slot_key(secret, kdf, memory, time, lanes, salt, safe)
    return fields + seal(1, key, seal_salt, b"sev1/slot\0" + safe + fields, root)


def removed_slot(ident, salt):
    return struct.pack(">BB", ident, 2) + bytes(14) + salt + bytes(32 + 104)


def installation(ident, key, state=1):
    return struct.pack(">QB", ident, state) + key


def header(safe, root, sequence, slots, installations, form=1, slot_count=None, magic=b"SEVH", mac=None, size=None):
    body = struct.pack(">Q", sequence) + safe
    body += bytes([len(slots) if slot_count is None else slot_count]) + b"".join(slots)
    body += bytes([len(installations)]) + b"".join(installations)
    total = 10 + len(body) + 64
    return finish_header(magic + struct.pack(">HI", form, total if size is None else size) + body, root, safe, mac)


def finish_header(content, root, safe, mac=None):
    out = content + hashlib.sha256(content).digest()
    key = hkdf(root, None, b"sev1/header-mac\0" + safe)
    return out + (hmac.new(key, out, hashlib.sha256).digest() if mac is None else mac)


def fingerprint(root, safe):
    verifier = hkdf(root, None, b"sev1/root-verifier\0" + safe)
    digits = hashlib.sha256(b"sev1/fingerprint\0" + safe + verifier).hexdigest()[:32]
    return "-".join(digits[i:i + 4] for i in range(0, 32, 4))


def unlock_header(data, secret, memory_max=4 * 1024 * 1024):
    """Returns the root key, or raises Refused with malformed, unsupported, kdf-bounds, wrong-secret, forged."""
    need(len(data) >= 100 and data[:4] == b"SEVH", "malformed")
    form, size = struct.unpack(">HI", data[4:10])
    need(size == len(data) <= 16384, "malformed")
    content, checksum, mac = data[:-64], data[-64:-32], data[-32:]
    need(hashlib.sha256(content).digest() == checksum, "malformed")
    need(form == 1, "unsupported")
    safe, count, at, slots, salts, ids = content[18:34], content[34], 35, [], [b""], [-1]
    need(count <= 48, "malformed")
    for _ in range(count):
        part = content[at:at + 184]
        need(len(part) == 184, "malformed")
        fields, at = struct.unpack(">BBBBIII", part[:16]), at + 184
        ident, state, kind, kdf, memory, time, lanes = fields
        salt, label, sealed = part[16:48], part[48:80], part[80:]
        need(ident > 0 and salts[-1] < salt, "malformed")
        salts.append(salt)
        if state == 2:
            need(fields[2:] == (0, 0, 0, 0, 0) and not any(label + sealed), "malformed")
            continue
        need(state == 1 and kind in (1, 2, 3) and kdf in (1, 2, 3), "malformed")
        need(kdf != 1 or (memory, time, lanes) == (0, 0, 0), "malformed")
        need(kdf != 3 or (memory, lanes) == (0, 0), "malformed")
        try:
            text = label.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise Refused("malformed") from None
        need(all(c >= " " and not "\x7f" <= c < "\xa0" for c in text), "malformed")
        slots.append((kind, kdf, memory, time, lanes, salt, part[:80], sealed))
    need(at < len(content), "malformed")
    count, at = content[at], at + 1
    need(count <= 128 and at + 41 * count == len(content), "malformed")
    for i in range(count):
        ident, state = struct.unpack(">QB", content[at + 41 * i:at + 41 * i + 9])
        need(ids[-1] < ident and state in (1, 2), "malformed")
        ids.append(ident)
    failure = "wrong-secret"
    for kind, kdf, memory, time, lanes, salt, fields, sealed in slots:
        if kind != secret[0]:
            continue
        if kdf == 2 and not (19456 <= memory <= memory_max and 1 <= time <= 64 and 1 <= lanes <= 16):
            failure = "kdf-bounds"
            continue
        if kdf == 3 and not 600_000 <= time <= 50_000_000:
            failure = "kdf-bounds"
            continue
        if (kdf == 1) != (kind in (1, 3)):
            failure = "kdf-mismatch"
            continue
        try:
            root = unseal(1, slot_key(secret, kdf, memory, time, lanes, salt, safe),
                          b"sev1/slot\0" + safe + fields, sealed)
        except Refused:
            continue
        key = hkdf(root, None, b"sev1/header-mac\0" + safe)
        need(hmac.compare_digest(hmac.new(key, data[:-32], hashlib.sha256).digest(), mac), "forged")
        return root
    raise Refused(failure)


# --- Keyring --------------------------------------------------------------------------------------------

def epoch_row(ident, state, created, key):
    return struct.pack(">IBQ", ident, state, created) + (bytes(32) if state == 3 else key)


def keyring_content(index, detail, epochs):
    return index + detail + struct.pack(">H", len(epochs)) + b"".join(epochs)


def wrapped_root(safe, tenant, root, ident, state, key, salt, suite=1):
    if state == 3:
        return struct.pack(">IB", ident, state) + bytes(104)
    context = b"sev1/tenant\0" + safe + tenant + struct.pack(">I", ident)
    return struct.pack(">IB", ident, state) + seal(suite, root, salt, context, key)


def keyring(safe, tenant, root, roots, name, content, sealing, name_salt, salt, suite=1, form=1, size=None,
            magic=b"SEVK", written_suite=None):
    """`roots`: their rows; `sealing`: id and key of the tenant root key that seals the content."""
    sealed_name = seal(suite, root, name_salt, b"sev1/tenant-name\0" + safe + tenant, name)
    body = safe + tenant + bytes([suite if written_suite is None else written_suite])
    body += struct.pack(">H", len(roots)) + b"".join(roots)
    body += struct.pack(">H", len(sealed_name)) + sealed_name + struct.pack(">I", sealing[0])
    total = 10 + len(body) + 56 + len(content) + 16 * (len(content) // CHUNK + 1)
    before = magic + struct.pack(">HI", form, total if size is None else size) + body
    return before + seal(suite, sealing[1], salt, b"sev1/keyring\0" + safe + tenant + before, content)


def open_keyring(data, root, safe, tenant):
    """Returns name, index key, detail key and epochs, or raises Refused with the class of the refusal."""
    try:
        need(data[:4] == b"SEVK", "malformed")
        form, size = struct.unpack(">HI", data[4:10])
        need(form == 1, "unsupported")
        need(size == len(data), "malformed")
        need(data[10:26] == safe, "foreign-safe")
        need(data[26:42] == tenant, "foreign-tenant")
        suite, count = struct.unpack(">BH", data[42:45])
        need(suite in AEADS and count <= 48, "malformed")
        roots, at, last = {}, 45, 0
        for _ in range(count):
            ident, state = struct.unpack(">IB", data[at:at + 5])
            wrapped, at = data[at + 5:at + 109], at + 109
            need(len(wrapped) == 104 and state in (1, 2, 3), "malformed")
            if state == 3:
                need(not any(wrapped), "malformed")
            else:
                roots[ident] = unseal(suite, root, b"sev1/tenant\0" + safe + tenant + struct.pack(">I", ident), wrapped)
            need(ident > last, "malformed")
            last = ident
        length, = struct.unpack(">H", data[at:at + 2])
        sealed_name, at = data[at + 2:at + 2 + length], at + 2 + length
        need(len(sealed_name) == length, "malformed")
        name = unseal(suite, root, b"sev1/tenant-name\0" + safe + tenant, sealed_name)
        ident, = struct.unpack(">I", data[at:at + 4])
        at += 4
        need(ident in roots, "malformed")
        content = unseal(suite, roots[ident], b"sev1/keyring\0" + safe + tenant + data[:at], data[at:])
        need(len(name) <= 256, "malformed")
        epochs, last = {}, 0
        count, = struct.unpack(">H", content[64:66])
        need(count <= 256 and len(content) == 66 + 45 * count, "malformed")
        for i in range(count):
            row = content[66 + 45 * i:66 + 45 * (i + 1)]
            ident, state, created = struct.unpack(">IBQ", row[:13])
            need(ident > last and state in (1, 2, 3) and (state != 3 or not any(row[13:])), "malformed")
            epochs[ident], last = (state, created, row[13:]), ident
        return name.decode(), content[:32], content[32:64], epochs
    except struct.error:
        raise Refused("malformed") from None
    except UnicodeDecodeError:
        raise Refused("malformed") from None
