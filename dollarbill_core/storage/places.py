"""Where the store's files lie: a folder or any fsspec URL; no file is seen half-written."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dollarbill_core.storage.settings import load_settings, shown

OWN_FOLDER = ".local"  # of a store in a folder: staging and caches, never data
_AT_ONCE = 16  # files on their way to disk or network: what takes time there is the answer
HALF = ".half"  # how the name of a file ends that is still being written


class StoreError(ValueError):
    """A store that cannot be opened or changed; one line: which, why, what to do."""

    exit_code = 2


class Place(Protocol):
    """Files under one root, named by paths with ``/`` relative to it."""

    @property
    def name(self) -> str:
        """What messages call it: no password stands in it."""
        ...

    @property
    def local(self) -> Path:
        """A folder on this machine for staging and caches, whether it exists or not."""
        ...

    @property
    def lock(self) -> Path:
        """The file that whoever changes the store holds locked."""
        ...

    @property
    def filesystem(self) -> Any:
        """The fsspec file system; None for a folder of this machine."""
        ...

    def address(self, name: str) -> str:
        """The path or URL under which others find the file."""
        ...

    def content(self, name: str) -> bytes | None:
        """All bytes of the file, None if there is none."""
        ...

    def size(self, name: str) -> int | None:
        """The bytes of the file, None if there is none."""
        ...

    def opened(self, name: str) -> Any:
        """The file for reading: a path, or an open file of the file system."""
        ...

    def draft(self, folder: str) -> Path:
        """Where a file of that folder is to be written before ``publish``."""
        ...

    def publish(self, drafts: Iterable[tuple[Path, str]]) -> None:
        """Give finished drafts their names, so that they outlive a power cut."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Put new content in place of the old: readers see the one or the other."""
        ...

    def names(self) -> Iterator[str]:
        """Every file of the store, drafts included, what lies under ``local`` not."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    root: Path
    own: Path | None = None

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def local(self) -> Path:
        """In the folder itself; under home where only others may write to it."""
        if self.own is not None:
            return self.own
        if self.root.is_dir() and not os.access(self.root, os.W_OK):
            return _under_home(str(self.root))
        return self.root / OWN_FOLDER

    @property
    def lock(self) -> Path:
        return self.root / ".writer.lock"

    @property
    def filesystem(self) -> Any:
        return None

    def address(self, name: str) -> str:
        return str(self.root / name)

    def content(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None

    def opened(self, name: str) -> Any:
        return str(self.root / name)

    def draft(self, folder: str) -> Path:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        return self.root / folder / HALF

    def publish(self, drafts: Iterable[tuple[Path, str]]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            named = list(pool.map(self._publish, *zip(*drafts, strict=True)))
            # a new folder is a name in the folder above it
            list(pool.map(keep_names, {each for name in named for each in self._above(name)}))

    def _publish(self, draft: Path, name: str) -> Path:
        keep_content(draft)
        return draft.replace(self.root / name)

    def _above(self, file: Path) -> tuple[Path, ...]:
        """The folders on the way from the root to a file."""
        return tuple(self.root / each for each in file.relative_to(self.root).parents)[:-1]

    def replace(self, name: str, content: bytes) -> None:
        write_whole(self.root / name, content)

    def names(self) -> Iterator[str]:
        kept_out = {str(self.root / OWN_FOLDER), str(self.local)}
        for folder, folders, files in os.walk(self.root):
            folders[:] = [each for each in folders if f"{folder}/{each}" not in kept_out]
            here = Path(folder).relative_to(self.root).as_posix()
            yield from (each if here == "." else f"{here}/{each}" for each in files)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Anything that fsspec reaches by URL: object storage, a server, memory.

    Whoever reads must see a written file whole: object storage promises that.
    """

    url: str
    filesystem: Any
    root: str
    own: Path | None = None

    @property
    def name(self) -> str:
        return shown(self.url)

    @property
    def local(self) -> Path:
        return self.own or _under_home(self.url)

    @property
    def lock(self) -> Path:
        """On this machine only: that others write as well is seen when the catalog changes."""
        return self.local / ".writer.lock"

    def address(self, name: str) -> str:
        return str(self.filesystem.unstrip_protocol(self._path(name)))

    def content(self, name: str) -> bytes | None:
        try:
            with _reached():
                return bytes(self.filesystem.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        try:
            with _reached():
                return int(self.filesystem.size(self._path(name)))
        except FileNotFoundError:
            return None

    def opened(self, name: str) -> Any:
        with _reached():
            return self.filesystem.open(self._path(name), "rb")

    def draft(self, folder: str) -> Path:
        place = self.local / "drafts"
        place.mkdir(parents=True, exist_ok=True)
        return place / hashlib.sha256(folder.encode()).hexdigest()[:16]

    def publish(self, drafts: Iterable[tuple[Path, str]]) -> None:
        is_for_many = getattr(self.filesystem, "async_impl", False)
        with _reached(), ThreadPoolExecutor(_AT_ONCE if is_for_many else 1) as pool:
            list(pool.map(self._publish, *zip(*drafts, strict=True)))

    def _publish(self, draft: Path, name: str) -> None:
        path = self._path(name)
        self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.filesystem.put_file(str(draft), path)
        draft.unlink()

    def replace(self, name: str, content: bytes) -> None:
        with _reached():
            self.filesystem.makedirs(self.root, exist_ok=True)
            self.filesystem.pipe_file(self._path(name), content)

    def names(self) -> Iterator[str]:
        start = self.root.strip("/") + "/"
        with _reached():
            found = self.filesystem.find(self.root)
        for path in found:
            yield path.strip("/").removeprefix(start)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError), _reached():
            self.filesystem.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


@contextmanager
def _reached() -> Iterator[None]:
    """Every file system has errors of its own: here they become the system's."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def place_at(text: str | Path, local: Path | None = None) -> Place:
    """The place a path or URL names; nothing is created.

    Parameters
    ----------
    text
        A folder, ``file://...``, or a URL of any protocol fsspec knows.
    local
        Where staging and caches go, if not where they go by themselves: ``.local`` in the
        folder, for URLs a folder of its own under DOLLARBILL_HOME.

    Raises
    ------
    StoreError
        For a protocol that is unknown or needs a package that is not installed, and for what
        cannot be a folder.
    """
    name = str(text)
    if not name.strip():
        raise StoreError("a store has no place: name a folder or a URL")
    protocol, separator, path = name.partition("://")
    if not separator:
        return _folder(name, local)
    return _folder(path, local) if protocol in ("file", "local") else _bucket(name, local)


def _folder(path: str, local: Path | None) -> Folder:
    try:
        # through links: what is locked is the folder itself
        root = Path(path).expanduser().resolve()
        if root.is_symlink():  # what Python 3.13 leaves of a loop, where others raise
            raise OSError("its links go round in a circle")
        is_other = root.exists() and not root.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # a loop, no such user, no file name
        raise StoreError(f"{path!r} cannot be a folder: {error}") from None
    if is_other:
        raise StoreError(f"{root} is a file: a store is a folder or a URL")
    return Folder(root, local)


def _bucket(url: str, local: Path | None) -> Bucket:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # ships no types

    try:
        filesystem, root = url_to_fs(url)
    except ImportError as error:
        raise StoreError(f"{shown(url)} needs a package that is missing: {error}") from None
    except (ValueError, OSError) as error:
        raise StoreError(f"{shown(url)} cannot be opened: {error}") from None
    return Bucket(url, filesystem, root, local)


def _under_home(name: str) -> Path:
    return load_settings().home / "stores" / hashlib.sha256(name.encode()).hexdigest()[:16]


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that, whenever power is cut, the old or the new one is there, whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(file.name + HALF)
    with half.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    os.replace(half, file)
    keep_names(file.parent)


def keep_content(file: Path) -> None:
    """Bring a written file to disk; its name is another matter."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


def keep_names(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
