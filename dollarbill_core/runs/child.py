"""One notebook executed in a process of our own: to its end, its death or its deadline."""

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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nbformat
import psutil

from dollarbill_core.runs.parameters import Value
from dollarbill_core.runs.records import EXIT_OF, RUN_FOLDER, Exit, Status, write_whole

Watch = Callable[[int, int, str], None]  # cell number from 1, number of cells, first line
MARKER = "papermill-error-cell-tag"  # on the cells that papermill adds to a failed notebook
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the execution ended, before the page is made."""

    status: Status
    exit_code: int
    reason: str = ""
    failing_cell: Mapping[str, Any] | None = None


def executed(
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
    job = {"source": str(path), "output": str(output), "parameters": dict(chosen)}
    with (
        tempfile.TemporaryDirectory(prefix="dollarbill-") as scratch,
        (Path(scratch) / "messages").open("w+") as messages,
    ):
        with _started(job, draft, scratch, lock, messages) as child:
            try:
                told = _followed(child, time.monotonic() + deadline, watch)
            finally:
                end_all(draft)
        messages.seek(0)
        last_words = (messages.read().strip().splitlines() or ["no message"])[-1]
    return _outcome(output, told, deadline, last_words)


def _started(
    job: Mapping[str, Any], draft: Path, scratch: str, lock: IO[str], messages: IO[str]
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(job)],
        stdin=subprocess.PIPE,  # its end tells the child that we are gone
        stdout=subprocess.PIPE,
        stderr=messages,
        env=os.environ | {RUN_FOLDER: str(draft), "JUPYTER_RUNTIME_DIR": scratch},
        pass_fds=[lock.fileno()],  # the lock outlives us as long as the child lives
        start_new_session=True,  # a Ctrl-C reaches us alone, and we end the child
        text=True,
    )


def read_notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: Any) -> None:
    write_whole(path, nbformat.writes(notebook))


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
            said: dict[str, Any] = json.loads(line)
            if said["event"] != "cell":
                return cell | said
            cell = said
            watch(said["number"], said["total"], said["first_line"])
    except queue.Empty:
        return cell | {"event": "deadline"}
    except KeyboardInterrupt:
        return cell | {"event": "stopped"}
    return cell | {"event": "gone"}


def end_all(draft: Path) -> None:
    """Kill what still runs for this run: each process that carries its folder's name."""
    ours = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(RUN_FOLDER) == str(draft) and process.pid != os.getpid():
                process.kill()
                ours.append(process)
    psutil.wait_procs(ours, timeout=10)


def _outcome(output: Path, told: dict[str, Any], deadline: float, last_words: str) -> Outcome:
    keys = ("index", "first_line")
    cell: dict[str, Any] | None = {key: told[key] for key in keys if key in told} or None
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
    cells = read_notebook(output).cells
    own = [cell for cell in cells if MARKER not in cell.metadata.get("tags", ())]
    for index, cell in enumerate(own):
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


# ---------------------------------------------------------------- in the child


def _child(job: Mapping[str, Any]) -> None:
    """Execute with papermill; tell each cell, and the end, as one JSON line on stdout."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    voice = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the kernel inherits stdout; only we may speak to the runner
    total = len(read_notebook(Path(job["source"])).cells) + bool(job["parameters"])

    def say(event: str, **more: Any) -> None:
        voice.write(json.dumps({"event": event, **more}) + "\n")

    def cell_started(cell: Any, cell_index: int) -> None:
        line = _first_line(cell.source)
        say("cell", index=cell_index, number=cell_index + 1, total=total, first_line=line)

    # Sockets of our own: no port and no warning. Unless told, Jupyter names them kernel-ipc-1
    # and so on in the working directory, where two runs that start at once take the same.
    sockets = str(Path(os.environ["JUPYTER_RUNTIME_DIR"]) / "kernel")
    kernel = Config(KernelManager={"transport": "ipc", "ip": sockets})
    threading.Thread(target=_leave_with_the_runner, daemon=True).start()
    try:
        papermill.execute_notebook(
            job["source"],
            job["output"],
            parameters=job["parameters"],
            kernel_name="python3",
            language="python",
            progress_bar=False,
            on_cell_start=cell_started,
            config=kernel,
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
