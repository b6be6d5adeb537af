"""Files into the store: every format by name, streamed, resumable, all of it or nothing."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dollarbill_core.formats.pieces import ImportOptions, Piece, Reader, Reject, UnreadableFile
from dollarbill_core.formats.registry import found_files, reader, sniff

if TYPE_CHECKING:  # a command's help must not load pyarrow
    from dollarbill_core.storage.changes import Change
    from dollarbill_core.storage.store import Store
    from dollarbill_core.storage.union import Added

CHECKPOINT_SECONDS = 3.0

_REJECTS = "rejects.csv"
_REJECT_COLUMNS = ("file", "place", "reason", "text")
_MOST_REASONS = 100  # kinds of reasons that are counted apart
_OTHER_REASONS = "other reasons"
_TOLD_REASONS = 5
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,15}")  # as a store takes them
_DETAIL = re.compile(r"'.*'|\".*\"|(?<![\w.])-?\d(?:[\d.,:-]*\d)?")


class ImportStopped(RuntimeError):
    """An import that was interrupted and can go on; one line: how far it is, and how to."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: the file, the share of all bytes that is read, and the counts."""

    file: Path
    done: float
    read: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    name
        The format.
    files
        How many were read.
    read
        Rows of the files, each of them taken or rejected.
    rows
        Rows given to the store: of a line that holds call and put, two.
    added
        What that changed in the store.
    reasons
        How many were rejected, by reason.
    rejects
        The file that says which, None if there are none.
    seconds
        Of this run; an earlier one that was interrupted is not in it.
    """

    name: str
    files: int
    read: int
    rows: int
    added: "Added"
    reasons: Mapping[str, int]
    rejects: Path | None
    seconds: float

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())

    def sentences(self) -> tuple[str, ...]:
        """The report in a few lines."""
        added = self.added
        files, rows = _counted(self.files, "file"), _counted(self.read, "row")
        said = [f"{self.name}: {files}, {rows} read in {self.seconds:.1f} s."]
        if not self.rows:
            which = " that can be stored" if self.read else ""
            said.append(f"Nothing changed: there was no row{which}.")
        elif added.new or added.changed:
            said.append(
                f"In the store: {added.new:,} new, {added.changed:,} changed, "
                f"{added.same:,} as they were."
            )
        else:
            said.append(f"Nothing changed: all {added.same:,} were there.")
        again = self.rows - (added.new + added.changed + added.same)
        if again > 0:
            said.append(f"{_counted(again, 'row')} came again, of which the last one counts.")
        if self.rejected:
            said.append(
                f"Rejected: {_counted(self.rejected, 'row')}; which and why: {self.rejects}"
            )
            most = sorted(self.reasons.items(), key=lambda each: -each[1])
            said += [f"  {count:,} x {reason}" for reason, count in most[:_TOLD_REASONS]]
            if len(most) > _TOLD_REASONS:
                said.append(f"  and {len(most) - _TOLD_REASONS} other reasons")
        return tuple(said)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


@dataclass(slots=True)
class _State:
    """How far an import is, as a checkpoint keeps it."""

    identity: str
    file: int = 0
    at: int = 0
    read: int = 0
    rows: int = 0
    rejects: int = 0  # bytes of the file of rejects
    reasons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "_State":
        return cls(**{**kept, "reasons": Counter(kept["reasons"])})

    def count(self, piece: Piece) -> None:
        rows = sum(table.num_rows for table in piece.rows.values())
        self.rows += rows
        self.read += piece.read or rows + len(piece.rejects)
        for reject in piece.rejects:
            reason = _DETAIL.sub("…", reject.reason)
            known = reason in self.reasons or len(self.reasons) < _MOST_REASONS
            self.reasons[reason if known else _OTHER_REASONS] += 1


def import_files(
    name: str,
    files: Iterable[str | Path],
    store: "Store",
    *,
    options: ImportOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> ImportReport:
    """Read files of one format into the store, in one commit.

    Memory does not grow with the files. What was read up to the last checkpoint, some seconds
    ago at most, survives an interruption, a kill and a power cut: the same call goes on from
    there, unless a file has changed since. Rows that are refused are counted and written, with
    file, place and reason, to ``rejects`` in the store's folder.

    Parameters
    ----------
    name
        One of `FORMATS`.
    files
        Files, folders and patterns.
    options
        What the files do not say themselves.
    progress
        Called after each piece.

    Raises
    ------
    UnreadableFile
        If a file is not of the format, before anything is stored.
    ImportStopped
        When interrupted, by the keyboard or by SIGTERM.
    StoreBusy, StoreError
        If the store cannot be written.
    """
    began = time.monotonic()
    options = options or ImportOptions()
    paths = found_files(files)
    one = reader(name, options)
    _check(one, paths)
    identity, called = _identity(paths, options), _change_name(name, paths, options)
    with _sigterm_interrupts(), _opened(store, called, identity) as change:
        state = _State.of(change.state) if change.state else _State(identity)
        draft = change.folder / _REJECTS
        try:
            with _RejectsFile(draft, state.rejects) as rejects:
                _read(one, paths, change, state, rejects, progress)
            added, kept_rejects = _committed(change, store, called, state)
        except KeyboardInterrupt:
            raise _stopped(state, paths) from None
        except UnreadableFile as error:
            raise _with_hint(error, name, paths[state.file]) from error
    seconds = time.monotonic() - began
    counts, reasons = (len(paths), state.read, state.rows), dict(state.reasons)
    return ImportReport(name, *counts, added, reasons, kept_rejects, seconds)


def _stopped(state: _State, paths: Sequence[Path]) -> ImportStopped:
    said = (
        "stopped while the rows went into the store, which has all of them or none: the same "
        "command makes sure of it"
    )
    if state.file < len(paths):
        said = (
            f"stopped in {paths[state.file].name}, {state.read:,} rows read; nothing is in the "
            "store yet, and the same command goes on from there"
        )
    return ImportStopped(said)


def _check(one: Reader, paths: Sequence[Path]) -> None:
    """Refuse a wrong file before hours are spent on those before it."""
    for path in paths if hasattr(one, "check") else ():
        try:
            with _reading(path):
                one.check(path)  # type: ignore[attr-defined]
        except UnreadableFile as error:
            raise _with_hint(error, one.name, path) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _writing_rejects() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        from dollarbill_core.storage.places import StoreError

        why = error.strerror or error
        raise StoreError(f"rejects cannot be written: {why}; the store is as it was") from error


def _with_hint(error: UnreadableFile, name: str, path: Path) -> UnreadableFile:
    like = sniff(path)
    hint = f"; this looks like {like}" if like not in (None, name) else ""
    return UnreadableFile(f"{error}{hint}")


def _identity(paths: Sequence[Path], options: ImportOptions) -> str:
    """What must be as it was for an interrupted import to go on."""
    facts = [(file.stat().st_size, file.stat().st_mtime_ns) for file in paths]
    return hashlib.sha256(repr((facts, asdict(options))).encode()).hexdigest()


def _change_name(name: str, paths: Sequence[Path], options: ImportOptions) -> str:
    """By which the same command finds its change again."""
    told = json.dumps([[str(path.resolve()) for path in paths], repr(options)])
    return f"import-{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@contextmanager
def _opened(store: "Store", called: str, identity: str) -> "Iterator[Change]":
    """The change of this import; a new one if a file is not what it was."""
    with store.change(called) as change:
        if not change.state or change.state["identity"] == identity:
            yield change
            return
        change.abandon()
    with store.change(called) as change:
        yield change


def _read(
    one: Reader,
    paths: Sequence[Path],
    change: "Change",
    state: _State,
    rejects: "_RejectsFile",
    progress: Callable[[Progress], None] | None,
) -> None:
    sizes = [path.stat().st_size for path in paths]
    kept_at = time.monotonic()
    while state.file < len(paths):
        path = paths[state.file]
        for piece in _pieces(one, path, state.at):
            for (table, symbol), rows in piece.rows.items():
                change.add(table, symbol, rows)
            rejects.write(path, piece.rejects)
            state.count(piece)
            # a reader may give several pieces that all go on from the same place
            is_further, state.at = piece.resume > state.at, piece.resume
            if is_further and time.monotonic() - kept_at > CHECKPOINT_SECONDS:
                _checkpoint(change, state, rejects)
                kept_at = time.monotonic()
            if progress:
                progress(_progress(path, state, sizes, piece.done))
        state.file, state.at = state.file + 1, 0
    _checkpoint(change, state, rejects)


def _pieces(one: Reader, path: Path, start: int) -> Iterator[Piece]:
    with _reading(path):
        for piece in one.pieces(path, start):
            for table, symbol in piece.rows:
                if table.by_symbol and not _SYMBOL.fullmatch(symbol):
                    raise UnreadableFile(f"{path}: {symbol!r} is no symbol: say --symbol")
            yield piece


def _checkpoint(change: "Change", state: _State, rejects: "_RejectsFile") -> None:
    state.rejects = rejects.kept()
    # ``asdict`` alone would count the items of a Counter
    change.checkpoint({**asdict(state), "reasons": dict(state.reasons)})


def _progress(path: Path, state: _State, sizes: Sequence[int], done: float) -> Progress:
    read = sum(sizes[: state.file]) + done * sizes[state.file]
    return Progress(path, read / max(sum(sizes), 1), state.read, state.reasons.total())


def _committed(
    change: "Change", store: "Store", called: str, state: _State
) -> "tuple[Added, Path | None]":
    """What was added, and where the rejects are; they are moved once the rows are in.

    Not called ``.half``: the commit clears those away.
    """
    folder = rejects_folder(store)
    final, draft = folder / f"{called}.csv", folder / f"{called}.csv.draft"
    if state.reasons:
        with _writing_rejects():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(change.folder / _REJECTS, draft)
    added = change.commit()
    if not state.reasons:
        final.unlink(missing_ok=True)
        return added, None
    os.replace(draft, final)
    return added, final


def rejects_folder(store: "Store") -> Path:
    """Where rejects are written: in the store's own folder, or for URLs in the local one."""
    root = getattr(store.place, "root", None)
    return (root if isinstance(root, Path) else store.local) / "rejects"


class _RejectsFile:
    """The rows that are refused, as CSV; what was written after a checkpoint is cut off."""

    @_writing_rejects()
    def __init__(self, file: Path, size: int) -> None:
        file.touch()
        os.truncate(file, size)
        self._out = file.open("a", encoding="utf-8", newline="")
        self._rows = csv.writer(self._out)
        if not size:
            self._rows.writerow(_REJECT_COLUMNS)

    @_writing_rejects()
    def write(self, file: Path, rejects: Iterable[Reject]) -> None:
        for each in rejects:
            self._rows.writerow((file.name, each.place, each.reason, each.text))

    @_writing_rejects()
    def kept(self) -> int:
        """Its size, once all that was written survives a power cut."""
        self._out.flush()
        os.fsync(self._out.fileno())
        return self._out.tell()

    def __enter__(self) -> "_RejectsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM as if the keyboard had interrupted, in the main thread, which alone gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: Any) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
