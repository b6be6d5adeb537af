"""The runner: one notebook, its lock, its folder and one truthful record, whatever happens."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import nbformat
import psutil

from dollarbill_core.runs import pages, records
from dollarbill_core.runs.child import (
    Outcome,
    Watch,
    end_all,
    executed,
    read_notebook,
    write_notebook,
)
from dollarbill_core.runs.parameters import ParameterError, Value, declared, resolved
from dollarbill_core.runs.records import Exit, RunRecord, Status
from dollarbill_core.storage.settings import Settings

_CUT_SHORT = (Status.FAILED_KERNEL, Status.FAILED_DEADLINE, Status.STOPPED, Status.LOST)
_SESSION = ("session_date", "as_of", "month", "ledger")  # what two runs must not share


class RunLocked(RuntimeError):
    """The same notebook is being run for the same session; nothing was started or written."""

    exit_code = Exit.BAD_INPUT


def run_notebook(
    path: Path,
    given: Mapping[str, object],
    settings: Settings,
    watch: Watch = lambda number, total, line: None,
) -> RunRecord:
    """Run one notebook with some parameters; its folder, page and record stand under reports.

    Raises
    ------
    ParameterError
        For a parameter, or a value found impossible by the notebook itself; nothing is left.
    RunLocked
        If the same notebook is running for the same session; nothing is written.
    """
    notebook = _read(path)
    known = declared(_parameters_cell(notebook, path))
    values = resolved(known, given)
    with _lock(settings, path, values) as lock:
        _bury_the_lost(settings.reports, path.stem)
        draft = _draft(settings.reports, path.stem)
        blank = _blank(path, notebook, values)
        records.write_record(draft, blank)
        chosen = {name: values[name] for name in given}
        begun = time.monotonic()
        outcome = executed(path, chosen, draft, settings.deadline_minutes * 60, lock, watch)
        if outcome.exit_code == Exit.BAD_INPUT:
            shutil.rmtree(draft)
            raise ParameterError(outcome.reason)
        done = replace(blank, seconds=round(time.monotonic() - begun, 1))
        return _published(_concluded(done, outcome), draft, settings.reports)


# ---------------------------------------------------------------- before the kernel starts


def _read(path: Path) -> Any:
    try:
        return read_notebook(path)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, nbformat.ValidationError):
        raise ParameterError(f"{path} is not a notebook") from None


def _parameters_cell(notebook: Any, path: Path) -> str:
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            return str(cell.source)
    raise ParameterError(f"{path.name} has no cell tagged 'parameters'")


@contextmanager
def _lock(settings: Settings, path: Path, values: Mapping[str, Value]) -> Iterator[IO[str]]:
    """Hold the run's lock; the system lets go of it when the last holder dies."""
    session = {name: values[name] for name in _SESSION if name in values} or dict(values)
    digest = hashlib.sha256(json.dumps(session, sort_keys=True).encode()).hexdigest()[:12]
    folder = settings.home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{path.stem}-{digest}").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            shown = ", ".join(f"{name} = {value}" for name, value in session.items())
            raise RunLocked(f"{path.stem} is already running for {shown}") from None
        yield lock


def _draft(reports: Path, stem: str) -> Path:
    """A hidden folder, beside the place where the finished run will stand."""
    folder = (
        reports
        / f"{datetime.now():%Y-%m-%d}"
        / f".{stem}.{os.getpid()}-{secrets.token_hex(2)}.partial"
    )
    folder.mkdir(parents=True)
    return folder


def _blank(path: Path, notebook: Any, values: Mapping[str, Value]) -> RunRecord:
    return RunRecord(
        run="",
        notebook=path.name,
        title=_title(notebook, path),
        status=Status.RUNNING,
        exit_code=Exit.LOST,
        reason="",
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        seconds=0.0,
        parameters=dict(values),
        code=records.code_version(),
        packages=records.package_versions(),
    )


def _title(notebook: Any, path: Path) -> str:
    found = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    return found.group(1).strip() if found else path.stem


# ---------------------------------------------------------------- after the kernel ended


def _concluded(run: RunRecord, outcome: Outcome) -> RunRecord:
    return replace(
        run,
        status=outcome.status,
        exit_code=int(outcome.exit_code),
        reason=outcome.reason,
        failing_cell=outcome.failing_cell,
    )


def _published(run: RunRecord, draft: Path, reports: Path) -> RunRecord:
    """Make the page, look for secrets, write the record, show the folder, renew the index."""
    results = records.take_results(draft)
    run = replace(run, results=results, data_hash=str(results.get("data_hash", "")))
    run = _with_page(run, draft)
    folder = _free_folder(draft, Path(run.notebook).stem)
    run = replace(run, run=f"{folder.parent.name}/{folder.name}")
    run = _without_leaks(_listed(run, draft), draft)
    records.write_record(draft, run)
    draft.rename(folder)
    pages.write_index(reports)
    return run


def _with_page(run: RunRecord, draft: Path) -> RunRecord:
    """The page of a run; if it cannot be made, that is what is wrong with the run."""
    output = draft / run.notebook
    try:
        notebook = read_notebook(output)
    except Exception:  # cut off while it was being written: the notebook is lost, say so
        output.unlink()
        return replace(run, reason=f"{run.reason}; the executed notebook was lost")
    try:
        if run.status in _CUT_SHORT:
            _mark_failed(notebook, run)
            write_notebook(output, notebook)
        records.write_whole(draft / run.page, pages.page(notebook, run))
    except Exception as error:
        reason = f"the page could not be made: {type(error).__name__}: {error}"
        code = run.exit_code or int(Exit.REPORT_CHECK)
        return replace(run, status=Status.FAILED, exit_code=code, reason=run.reason or reason)
    return run


def _mark_failed(notebook: Any, run: RunRecord) -> None:
    """Papermill marks every cell completed when a kernel dies; say what is true instead."""
    about = notebook.metadata.setdefault("papermill", {})
    about["exception"], about["status"] = True, run.status.value
    for cell in notebook.cells[(run.failing_cell or {}).get("index", 0) :]:
        cell.metadata.setdefault("papermill", {})["status"] = "not completed"


def _free_folder(draft: Path, stem: str) -> Path:
    """``02_backtest``, or ``02_backtest-2`` and so on if the day has one already."""
    number = 1
    while True:
        folder = draft.parent / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()  # taken now; the finished draft is renamed onto the empty folder
            return folder
        number += 1


def _listed(run: RunRecord, draft: Path) -> RunRecord:
    return replace(run, files=tuple(sorted(p.name for p in draft.iterdir())))


def _without_leaks(run: RunRecord, draft: Path) -> RunRecord:
    """If a secret's value stands in any file, keep no file and fail the run."""
    records.write_record(draft, run)
    found = sorted(set(records.leaks(draft, os.environ)))
    if not found:
        return run
    for file in draft.iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    variable, file_name = found[0]
    return replace(
        run,
        title=Path(run.notebook).stem,
        status=Status.FAILED,
        exit_code=int(Exit.REPORT_CHECK),
        reason=f"the value of {variable} stood in {file_name}: every file was removed",
        failing_cell=None,
        parameters={},
        results={},
        data_hash="",
        files=(records.RECORD,),
    )


def _bury_the_lost(reports: Path, stem: str) -> None:
    """Publish what a killed runner left: we hold the lock, so nobody works on it any more."""
    for draft in reports.glob(f"[0-9]*/.{stem}.*.partial"):
        if psutil.pid_exists(int(draft.name.split(".")[-2].split("-")[0])):
            continue
        end_all(draft)
        lost = Outcome(Status.LOST, Exit.LOST, "the runner itself was killed")
        with suppress(FileNotFoundError):
            blank = records.read_record(draft / records.RECORD)
            _published(_concluded(blank, lost), draft, reports)
