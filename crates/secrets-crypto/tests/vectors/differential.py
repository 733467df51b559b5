"""The other side of the test `random_inputs_agree_with_pyca`: opens a ciphertext and seals its plaintext again.

Request: suite (1 byte), then key, salt, context and ciphertext, each behind its length (4 bytes, big-endian).
Answer: the new ciphertext behind its length; length 0 where the old one was refused.
"""
import struct
import sys

import sev1


def part(stream):
    length, = struct.unpack(">I", stream.read(4))
    return stream.read(length)


def answer(suite, key, salt, context, sealed):
    try:
        return sev1.seal(suite, key, salt, context, sev1.unseal(suite, key, context, sealed))
    except sev1.Refused:
        return b""


def main():
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while suite := requests.read(1):
        sealed = answer(suite[0], *(part(requests) for _ in range(4)))
        answers.write(struct.pack(">I", len(sealed)) + sealed)
        answers.flush()


if __name__ == "__main__":
    main()
