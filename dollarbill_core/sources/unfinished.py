"""A file that is not whole yet: its bytes so far, and which version of it they are of."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedRandom
from pathlib import Path

_HEAD = 16  # bytes that tell a web page from data


class Busy(Exception):
    """Another process holds the file."""


class Kind(StrEnum):
    """What a file must look like; anything else is refused before it is put in place."""

    PARQUET = "Parquet"
    CSV = "CSV"
    JSON = "JSON"


@dataclass(slots=True)
class Unfinished:
    """The bytes so far, held by this process alone, and which version of the file they are of.

    Attributes
    ----------
    file, notes, address
        Open to append and read; what is written beside it; a hash of where it comes from.
    validator, total
        What tells this version from another, and its whole length; None if unknown.
    """

    file: BufferedRandom
    notes: Path
    address: str
    validator: str | None = None
    total: int | None = None

    @property
    def size(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    @property
    def path(self) -> Path:
        return Path(self.file.name)

    def recall(self) -> None:
        """Take up what was left behind, if it is known what it is."""
        try:
            told = json.loads(self.notes.read_text(encoding="utf-8"))
            is_ours = told["url"] == self.address and bool(told["validator"])
            validator, total = told["validator"], told["total"]
        except (OSError, ValueError, KeyError, TypeError):
            is_ours = False
        if is_ours:
            self.validator, self.total = validator, total
        else:
            self.clear()

    def begin(self, validator: str | None, total: int | None) -> None:
        """Start over with a version; noted before its first byte is kept."""
        self.clear()
        self.validator, self.total = validator, total
        told = {"url": self.address, "validator": validator, "total": total}
        self.notes.write_text(json.dumps(told), encoding="utf-8")

    def clear(self) -> None:
        self.file.truncate(0)
        self.notes.unlink(missing_ok=True)
        self.validator = self.total = None

    def ends(self) -> tuple[bytes, bytes]:
        """The first and last bytes."""
        size = self.size
        self.file.seek(0)
        head = self.file.read(_HEAD)
        self.file.seek(max(size - _HEAD, 0))
        return head, self.file.read(_HEAD)

    def place(self, to: Path) -> None:
        """Put the file where it belongs, at once."""
        self.file.flush()
        os.fsync(self.file.fileno())
        os.replace(self.path, to)
        self.notes.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """Checksum of the bytes so far, hexadecimal."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()


@contextmanager
def unfinished(to: Path, url: str) -> Iterator[Unfinished]:
    """What is there of the file ``to``, in ``<to>.part``; left there for the next one.

    Raises
    ------
    Busy
        While another process holds it.
    """
    with to.with_name(to.name + ".part").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        address = hashlib.sha256(url.encode()).hexdigest()
        part = Unfinished(file, to.with_name(to.name + ".part.json"), address)
        part.recall()
        try:
            yield part
        finally:
            if not part.size:
                part.path.unlink(missing_ok=True)


def fault(kind: Kind, head: bytes, tail: bytes | None = None) -> str:
    """Why such a file cannot begin and, if given, end with these bytes; empty if it can."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return f"nothing came instead of {kind}"
    if text.startswith(b"<"):
        return f"a web page came instead of {kind}"
    if kind is Kind.PARQUET:
        if not head.startswith(b"PAR1"[: len(head)] if tail is None else b"PAR1"):
            return "what came is not Parquet"
        is_cut = tail is not None and not tail.endswith(b"PAR1")
        return "the Parquet file lacks its end" if is_cut else ""
    is_json = not text or text.startswith((b"{", b"["))
    if b"\0" in head or (kind is Kind.JSON and not is_json):
        return f"what came is not {kind}"
    return ""
