"""Column files: named arrays in one file, opened by mapping it into memory.

A file is eight bytes of magic, the length of its header, a SHA-256 of the header, the header
as JSON, and the arrays as they lie in memory, each from a multiple of 64 bytes on. Opening one
checks everything but the arrays' own bytes, which `damage` does.
"""

import hashlib
import json
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MAGIC = b"DBCOLS1\n"
_ALIGNED = 64  # bytes: a cache line, and the widest vector register
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8  # bytes of the header's length, little endian
_HEADER_AT = len(_MAGIC) + _LENGTH + _DIGEST
_KINDS = "biufmM"  # booleans, numbers and times: what has a fixed size and no pointers


class DamagedColumns(ValueError):
    """A column file that is not what was written; one line: file, what is wrong, what to do."""

    exit_code = 3


@dataclass(frozen=True, slots=True, eq=False)
class Columns(Mapping[str, Array]):
    """Arrays by name, read-only, shape (n,) each, and what was written beside them.

    The file stays mapped as long as one of its arrays is in use, also after it was replaced or
    removed.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def write_columns(path: Path, columns: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Write arrays and a header, whole or not at all; replaces what stands at ``path``.

    Whoever has the old file mapped keeps it. Of several writers at once the last one's file
    stands, and none is mixed.

    Parameters
    ----------
    path
        The file; its folder is made if need be.
    columns
        Shape (n,) each, n may differ; booleans, numbers or times of any size.
    header
        What is to be known about them: anything JSON can say.

    Raises
    ------
    ValueError
        For an array of another shape or kind, or a header that JSON cannot say.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "bids.columns"
    ...     write_columns(file, {"bid": np.array([27100, -1], np.int32)}, {"symbol": "SPY"})
    ...     read = mapped(file)
    ...     read.header["symbol"], read["bid"].tolist()
    ('SPY', [27100, -1])
    """
    arrays = {name: _plain(name, column) for name, column in columns.items()}
    head = _head(arrays, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.half")
    try:
        with half.open("xb") as file:  # unlike a temporary file, for whoever may read the rest
            file.write(head)
            for array in arrays.values():
                file.write(bytes(_until_aligned(file.tell())))
                file.write(_bytes(array))
        os.replace(half, path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def mapped(path: Path) -> Columns:
    """The arrays of a file, mapped: nothing is read before it is looked at.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedColumns
        If it was cut off, is of another version, or is not a column file at all.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error.strerror})") from None
    told, begin = _read_head(path, content)
    try:
        right = begin + told["size"]
        if size != right:
            raise _damaged(path, f"has {size:,} bytes where its header says {right:,}")
        arrays = {name: _view(content, begin, *where) for name, *where in told["columns"]}
        return Columns(told["header"], arrays)
    except DamagedColumns:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"has a header of another version ({error!r})") from None


def damage(path: Path) -> str | None:
    """What is wrong with a column file, in one sentence, all of its bytes read; or None."""
    try:
        columns = mapped(path)
        with path.open("rb") as file:
            told, _ = _read_head(path, file.read())
    except (DamagedColumns, FileNotFoundError) as error:
        return str(error)
    if _content(columns.arrays) != told["content"]:
        return str(_damaged(path, "holds other bytes than were written"))
    return None


def _damaged(path: Path, what: str) -> DamagedColumns:
    return DamagedColumns(f"{path} {what}; remove it, it is built again when needed")


def _plain(name: str, column: Array) -> Array:
    """The array as it is to lie in the file: contiguous and little endian."""
    if column.ndim != 1 or column.dtype.kind not in _KINDS:
        told = f"{column.ndim} dimensions of {column.dtype}"
        raise ValueError(f"column {name} must be one row of numbers or times, got {told}")
    return np.ascontiguousarray(column, column.dtype.newbyteorder("<"))


def _bytes(array: Array) -> memoryview:
    return array.view(np.uint8).data


def _until_aligned(position: int) -> int:
    return -position % _ALIGNED


def _head(arrays: Mapping[str, Array], header: Mapping[str, Any]) -> bytes:
    """Magic, length, checksum and header, filled up to where the first array begins."""
    laid, size = [], 0
    for name, array in arrays.items():
        size += _until_aligned(size)
        laid.append((name, array.dtype.str, size, len(array)))
        size += array.nbytes
    told = {"columns": laid, "size": size, "content": _content(arrays), "header": dict(header)}
    try:
        text = json.dumps(told, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the header of a column file must be JSON: {error}") from None
    head = _MAGIC + len(text).to_bytes(_LENGTH, "little") + hashlib.sha256(text).digest() + text
    return head + bytes(_until_aligned(len(head)))


def _content(arrays: Mapping[str, Array]) -> str:
    told = hashlib.sha256()
    for array in arrays.values():
        told.update(_bytes(array))
    return told.hexdigest()


def _read_head(path: Path, content: mmap.mmap | bytes) -> tuple[dict[str, Any], int]:
    """The header, proved by its checksum, and where the arrays begin."""
    if content[: len(_MAGIC)] != _MAGIC:
        raise _damaged(path, "is not a column file of this version")
    length = int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + _LENGTH], "little")
    text = content[_HEADER_AT : _HEADER_AT + length]
    if hashlib.sha256(text).digest() != content[_HEADER_AT - _DIGEST : _HEADER_AT]:
        raise _damaged(path, "has a header that is cut off or changed")
    begin = _HEADER_AT + length
    told: dict[str, Any] = json.loads(text)
    return told, begin + _until_aligned(begin)


def _view(content: mmap.mmap | bytes, begin: int, kind: str, offset: int, size: int) -> Array:
    view: Array = np.frombuffer(content, kind, size, begin + offset)
    return view
