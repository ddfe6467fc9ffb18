"""What the address of a thumbnail says: which source, in which version, drawn how; and signed.

::

    <signature>/<storage>/<version>/<spec>/<name>

The signature covers all that stands after it. Where no version is known, ``-`` stands in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Protocol
from urllib.parse import quote

__all__ = ["BrokenPromise", "ForgedPromise", "Promise", "UnsafeName", "name_version", "safe_name"]

NO_VERSION = "-"
LONGEST_NAME = 1024
UNQUOTED = "/~!*()@:,;=+$"
"""Characters of a name that may stand in the path of an address as they are, besides letters."""

_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{16}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.~-]{1,64}", re.ASCII)
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f\\\\]")


class UnsafeName(ValueError):
    """A name that no storage should be asked for; the text says why."""


class BrokenPromise(ValueError):
    """What was asked for has not the form of an address of a thumbnail."""


class ForgedPromise(BrokenPromise):
    """It has the form, and this site did not sign it."""


class Signer(Protocol):
    """What itsdangerous' ``Signer`` can do."""

    def get_signature(self, value: str) -> bytes: ...

    def verify_signature(self, value: str, sig: str) -> bool: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Promise:
    """A source by storage alias and name, its version ("" where none is known), and a spec's text."""

    storage: str
    name: str
    spec: str
    version: str = ""

    def signed(self, signer: Signer) -> str:
        """Return it as the end of a URL: quoted, and nothing in it but what is signed."""
        said = f"{self.storage}/{self.version or NO_VERSION}/{self.spec}/{self.name}"
        return f"{signer.get_signature(said).decode()}/{quote(said, safe=UNQUOTED)}"

    @classmethod
    def read(cls, path: str, signer: Signer) -> Promise:
        """Return what an unquoted path promises.

        Raises :class:`BrokenPromise`, and no other error, whatever the path is.
        """
        signature, _, said = path.partition("/")
        parts = said.split("/", 3)
        if len(parts) < 4 or not _SIGNATURE.fullmatch(signature):
            raise BrokenPromise("this is no address of a thumbnail.")
        try:
            is_ours = signer.verify_signature(said, signature)
        except UnicodeEncodeError:
            is_ours = False
        if not is_ours:
            raise ForgedPromise("this address was not signed by this site, or by a key long gone.")
        storage, version, spec, name = parts
        try:
            safe_name(name)
        except UnsafeName as failure:  # signed by a release that allowed it
            raise BrokenPromise(str(failure)) from None
        return cls(storage, name, spec, "" if version == NO_VERSION else version)


def safe_name(name: str) -> str:
    """Return the name of a file in a storage, or raise :class:`UnsafeName`.

    Safe is what means the same to every storage, browser and proxy: relative, without ``.``, ``..``
    and empty parts, backslashes and control characters, and encodable.
    """
    if not name or len(name) > LONGEST_NAME:
        raise UnsafeName(f"a name has 1 to {LONGEST_NAME} characters, this one {len(name)}.")
    if _UNSAFE.search(name):
        raise UnsafeName(f"{name!r} has control characters or backslashes; allowed: none.")
    if not name.isprintable() and not _is_encodable(name):
        raise UnsafeName(f"{name!r} can't be written in UTF-8; allowed: what can.")
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise UnsafeName(f"{name!r} is no plain relative path; allowed: parts other than . and ..")
    return name


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_version(version: object) -> str:
    """Return a version as a word of an address: itself where it is one, else its hash; "" for none.

    Moments count to the microsecond.
    """
    if version is None or version == "":
        return ""
    if isinstance(version, datetime):  # the same in every time zone
        version = round(version.timestamp() * 1_000_000)
    text = str(version)
    if _WORD.fullmatch(text) and text != NO_VERSION and not isinstance(version, float):
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
