"""Mutated cookies: ``python -m tests.sessions.mutations [COUNT [SEED]]`` makes a million, by default.

Every one is shown to a site of several keys. What counts is what the codec makes of it: an original
opens, anything else is a ``BadToken``, whatever it looks like, and no other exception escapes. Keys that
none of the site's tokens name cost no hash, and no stranger's compressed bytes are ever inflated.
"""

from __future__ import annotations

import sys
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any

from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.header import Header, Kind, flags_of
from nothing_shared.sessions.keys import Key, KeyRing, purpose_of
from nothing_shared.sessions.tokens import Codec, Token

__all__ = ["MUTATIONS", "Counting", "codec_of", "main", "originals", "run"]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NOW = 1_800_000_000


class Counting(Key):
    """A real key that counts how often it hashes."""

    hashes = 0

    def mac(self, message: bytes) -> bytes:
        type(self).hashes += 1
        return super().mac(message)

    def is_mac(self, mac: bytes, message: bytes) -> bool:
        type(self).hashes += 1
        return super().is_mac(mac, message)


def codec_of(*secrets: bytes, cookie: str = "sessionid", seals: bool = False) -> Codec:
    rings = {
        kind: KeyRing(secrets, purpose_of("session", kind.name, cookie), make=Counting)
        for kind in Kind
    }
    return Codec(rings, seals=seals, compresses=True)


def originals(random: Random) -> list[Token]:
    """Make tokens of all kinds, plain, compressed and sealed."""
    bodies = [b"\0", b"\0{}", b'\0{"a":1}', random.randbytes(300), b"\0" + b"much alike " * 300]
    codecs = [codec_of(b"old", b"new"), codec_of(b"old"), codec_of(b"old", b"new", seals=True)]
    return [
        codec.encode(
            Header(flags_of(kind), random.randbytes(16), NOW, NOW, NOW + 1000, 0, number), body
        )
        for codec in codecs
        for kind in Kind
        for number, body in enumerate(bodies)
    ]


Mutation = Callable[[str, str, Random], str]


def flip_bit(text: str, other: str, random: Random) -> str:
    raw = bytearray(_raw(text))
    raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    return _text(bytes(raw))


def change_character(text: str, other: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + random.choice(ALPHABET) + text[at + 1 :]


def insert(text: str, other: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(ALPHABET + "=.~ +/\n\0é\u2000") + text[at:]


def truncate(text: str, other: str, random: Random) -> str:
    return text[: random.randrange(len(text))]


def drop_the_front(text: str, other: str, random: Random) -> str:
    return text[random.randrange(1, len(text)) :]


def splice(text: str, other: str, random: Random) -> str:
    at = random.randrange(1, min(len(text), len(other)))
    return text[:at] + other[at:]


def swap_macs(text: str, other: str, random: Random) -> str:
    return _text(_raw(text)[:-32] + _raw(other)[-32:])


def change_header(text: str, other: str, random: Random) -> str:
    raw = bytearray(_raw(text))
    raw[random.randrange(38)] = random.randrange(256)
    return _text(bytes(raw))


def another_purpose(text: str, other: str, random: Random) -> str:
    """Take what the same keys have made for another cookie."""
    return _elsewhere[random.randrange(len(_elsewhere))]


def another_site(text: str, other: str, random: Random) -> str:
    return _abroad[random.randrange(len(_abroad))]


def bomb(text: str, other: str, random: Random) -> str:
    """Put a megabyte of nothing behind a header that says it is compressed."""
    raw = bytearray(_raw(text)[:38])
    raw[3] |= 0b100
    return _text(bytes(raw) + BOMB + random.randbytes(32))


def noise(text: str, other: str, random: Random) -> str:
    return _text(random.randbytes(random.randrange(200)))


BOMB = zlib.compress(bytes(2**20), wbits=-15)
MUTATIONS: tuple[Mutation, ...] = (
    flip_bit, change_character, insert, truncate, drop_the_front, splice, swap_macs, change_header,
    another_purpose, another_site, bomb, noise,
)  # fmt: skip

HEADS = [Header(flags_of(kind), bytes(16), NOW, NOW, NOW + 1000) for kind in Kind]
_elsewhere = [codec_of(b"old", b"new", cookie="other").encode(head, b"\0").text for head in HEADS]
_abroad = [codec_of(b"strange").encode(head, b"\0").text for head in HEADS]


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def run(count: int, seed: int) -> Counter[str]:
    """Show so many mutants to a site; return how many of each kind were refused."""
    random = Random(seed)
    good = originals(random)
    known = {token.text for token in good}
    codec = codec_of(b"old", b"new")
    assert all(codec.decode(token.text).packed == token.packed for token in good)
    refused: Counter[str] = Counter()
    number = 0
    while refused.total() < count:
        mutate = MUTATIONS[number % len(MUTATIONS)]
        number += 1
        text = mutate(random.choice(good).text, random.choice(good).text, random)
        if text in known:  # a mutation that changed nothing
            continue
        before = Counting.hashes
        try:
            token = codec.decode(text)
        except BadToken:
            refused[mutate.__name__] += 1
            assert Counting.hashes - before <= 1, f"{mutate.__name__} cost more than one hash"
        else:
            raise AssertionError(f"{mutate.__name__} was accepted (seed {seed}): {token}")
    return refused


def main(words: list[str]) -> int:
    count = int(words[0]) if words else 1_000_000
    seed = int(words[1]) if words[1:] else 1
    begun = monotonic()
    refused: Any = run(count, seed)
    print(*(f"{number:>9,}  {name}" for name, number in sorted(refused.items())), sep="\n")
    print(f"{sum(refused.values()):>9,}  refused, none accepted, {monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
