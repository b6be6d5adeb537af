"""The runner: one notebook, one process, one truthful record, whatever happens to the kernel."""

import fcntl
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import nbformat
import psutil

from dollarbill_core.runs import pages, records
from dollarbill_core.runs.parameters import ParameterError, Value, declared, resolved
from dollarbill_core.runs.records import EXIT_OF, RUN_FOLDER, Exit, RunRecord, Status
from dollarbill_core.sources.settings import Settings

Watch = Callable[[int, int, str], None]  # cell number from 1, number of cells, first line
_SESSION = ("session_date", "as_of", "month", "ledger")  # what two runs must not share
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class RunLocked(RuntimeError):
    """The same notebook is being run for the same session; nothing was started or written."""

    exit_code = Exit.BAD_INPUT


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the execution ended, before the page is made."""

    status: Status
    exit_code: int
    reason: str = ""
    failing_cell: Mapping[str, Any] | None = None


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
        outcome = _executed(path, chosen, draft, settings.deadline_minutes * 60, lock, watch)
        if outcome.exit_code == Exit.BAD_INPUT:
            shutil.rmtree(draft)
            raise ParameterError(outcome.reason)
        done = replace(blank, seconds=round(time.monotonic() - begun, 1))
        return _published(_concluded(done, outcome), draft, settings.reports)


# ---------------------------------------------------------------- before the kernel starts


def _read(path: Path) -> Any:
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, nbformat.reader.NotJSONError):
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
    folder = reports / f"{datetime.now():%Y-%m-%d}" / f".{stem}.{os.getpid()}.partial"
    shutil.rmtree(folder, ignore_errors=True)
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


# ---------------------------------------------------------------- the process that executes


def _executed(
    path: Path,
    chosen: Mapping[str, Value],
    draft: Path,
    deadline: float,
    lock: IO[str],
    watch: Watch,
) -> Outcome:
    """Execute in a process of our own, to its end or to the deadline; no process survives."""
    output = draft / path.name
    shutil.copy(path, output)  # so that something readable stands there whatever happens
    with tempfile.TemporaryDirectory(prefix="dollarbill-") as scratch:
        job = {"source": str(path), "output": str(output), "parameters": dict(chosen)}
        environment = os.environ | {RUN_FOLDER: str(draft), "JUPYTER_RUNTIME_DIR": scratch}
        with (Path(scratch) / "messages").open("w+") as messages:
            child = subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(job)],
                stdin=subprocess.PIPE,  # its end tells the child that we are gone
                stdout=subprocess.PIPE,
                stderr=messages,
                env=environment,
                pass_fds=[lock.fileno()],  # the lock outlives us as long as the child lives
                text=True,
            )
            try:
                told = _followed(child, time.monotonic() + deadline, watch)
            finally:
                _end_all(draft)
                child.wait()
            messages.seek(0)
            last_words = (messages.read().strip().splitlines() or ["no message"])[-1]
    return _outcome(output, told, deadline, last_words)


def _followed(child: subprocess.Popen[str], deadline: float, watch: Watch) -> dict[str, Any]:
    """The child's last word, or what we say in its place; cells are reported on the way."""
    lines: queue.Queue[str] = queue.Queue()
    stdout = child.stdout
    assert stdout is not None

    def listen() -> None:
        for line in stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    cell: dict[str, Any] = {}
    try:
        while line := lines.get(timeout=max(deadline - time.monotonic(), 0.01)):
            said = json.loads(line)
            if said["event"] != "cell":
                return cell | said
            cell = said
            watch(said["number"], said["total"], said["first_line"])
    except queue.Empty:
        return cell | {"event": "deadline"}
    except KeyboardInterrupt:
        return cell | {"event": "stopped"}
    return cell | {"event": "gone"}


def _end_all(draft: Path) -> None:
    """Kill what still runs for this run: each process that carries its folder's name."""
    ours = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(RUN_FOLDER) == str(draft) and process.pid != os.getpid():
                process.kill()
                ours.append(process)
    psutil.wait_procs(ours, timeout=10)


def _outcome(output: Path, told: dict[str, Any], deadline: float, last_words: str) -> Outcome:
    cell = {key: told[key] for key in ("index", "first_line") if key in told} or None
    place = f"in cell {cell['index']}: {cell['first_line']}" if cell else "before any cell"
    match told["event"]:
        case "done":
            return _verdict(output)
        case "deadline":
            reason = f"stopped at the deadline of {deadline / 60:g} minutes {place}"
            return Outcome(Status.FAILED_DEADLINE, Exit.DEADLINE, reason, cell)
        case "stopped":
            return Outcome(Status.STOPPED, Exit.STOPPED, f"stopped by hand {place}", cell)
        case "dead" | "gone" if cell:
            return Outcome(
                Status.FAILED_KERNEL, Exit.KERNEL_DIED, f"the kernel died {place}", cell
            )
    return Outcome(Status.FAILED, Exit.FAILED, f"the kernel did not start: {last_words}")


def _verdict(output: Path) -> Outcome:
    """What the executed notebook says of itself: no error, a chosen end, or a failing cell."""
    for index, cell in enumerate(nbformat.read(output, as_version=4).cells):
        for told in cell.get("outputs", ()):
            if told.output_type == "error":
                place = {"index": index, "first_line": _first_line(cell.source)}
                return _error(told.ename, _ANSI.sub("", str(told.evalue)), place)
    return Outcome(Status.OK, Exit.OK)


def _error(name: str, text: str, place: Mapping[str, Any]) -> Outcome:
    line = _first_line(text)[:200]
    if name == "SystemExit":
        code = int(line) if line in {str(int(known)) for known in Exit} else 1
        if line in ("", "0", "None"):
            return Outcome(Status.NOOP, Exit.OK, "ended by its own choice", place)
        return Outcome(Status.FAILED, code, f"ended by its own choice: {line}", place)
    code = EXIT_OF.get(name, Exit.FAILED)
    reason = line if code == Exit.BAD_INPUT else f"{name}: {line}"
    return Outcome(Status.FAILED, code, reason, place)


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")


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
        notebook = nbformat.read(output, as_version=4)
    except Exception:  # cut off while it was being written: the notebook is lost, say so
        output.unlink()
        return replace(run, reason=f"{run.reason}; the executed notebook was lost")
    try:
        if run.exit_code:
            _mark_failed(notebook, run)
            nbformat.write(notebook, output)
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
        if not any(output.output_type == "error" for output in cell.get("outputs", ())):
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
        if psutil.pid_exists(int(draft.name.split(".")[-2])):
            continue
        _end_all(draft)
        lost = Outcome(Status.LOST, Exit.LOST, "the runner itself was killed")
        with suppress(FileNotFoundError):
            blank = records.read_record(draft / records.RECORD)
            _published(_concluded(blank, lost), draft, reports)


# ---------------------------------------------------------------- in the child


def _child(job: Mapping[str, Any]) -> None:
    """Execute with papermill; tell each cell, and the end, as one JSON line on stdout."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    voice = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the kernel inherits stdout; only we may speak to the runner
    total = len(nbformat.read(job["source"], as_version=4).cells)

    def say(event: str, **more: Any) -> None:
        voice.write(json.dumps({"event": event, **more}) + "\n")

    def cell_started(cell: Any, cell_index: int) -> None:
        line = _first_line(cell.source)
        say("cell", index=cell_index, number=cell_index + 1, total=total, first_line=line)

    threading.Thread(target=_leave_with_the_runner, daemon=True).start()
    try:
        papermill.execute_notebook(
            job["source"],
            job["output"],
            parameters=job["parameters"],
            kernel_name="python3",
            progress_bar=False,
            on_cell_start=cell_started,
            config=Config(KernelManager={"transport": "ipc"}),  # no port, and no warning
        )
        say("done")
    except PapermillExecutionError:
        say("done")
    except DeadKernelError:
        say("dead")


def _leave_with_the_runner() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    _child(json.loads(sys.argv[1]))
