"""What happened in a run: its exit class, its record, and what the notebook hands over."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

from dollarbill_core import __version__

RUN_FOLDER = "DOLLARBILL_RUN_DIR"  # set by the runner for the kernel, and for nobody else
RECORD = "run.json"
RESULTS = "results.json"
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)
_SHORTEST_SECRET = 8  # shorter values occur in prose by chance


class Exit(IntEnum):
    """What a scheduler is told. The numbers are documented and do not change."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    STALE_DATA = 3
    BROKER = 4
    RISK_GATE = 5
    UNRECONCILED = 6
    REPORT_CHECK = 7
    DEADLINE = 124
    STOPPED = 130
    LOST = 137
    KERNEL_DIED = 138


class Status(StrEnum):
    """How a run ended, in one word."""

    RUNNING = "RUNNING"
    OK = "OK"
    NOOP = "NOOP"
    FAILED = "FAILED"
    FAILED_KERNEL = "FAILED_KERNEL"
    FAILED_DEADLINE = "FAILED_DEADLINE"
    STOPPED = "STOPPED"
    LOST = "LOST"


# A kernel reports an exception by name only, so a notebook's exit class is looked up by name.
EXIT_OF: Mapping[str, Exit] = {
    "ParameterError": Exit.BAD_INPUT,
    "SettingsError": Exit.BAD_INPUT,
    "LedgerTooNew": Exit.BAD_INPUT,
    "LedgerLocked": Exit.BAD_INPUT,
    "LedgerMismatch": Exit.BAD_INPUT,
    "NotALedger": Exit.BAD_INPUT,
    "NoChains": Exit.BAD_INPUT,
    "StoreError": Exit.BAD_INPUT,
    "NotStored": Exit.STALE_DATA,
    "Damaged": Exit.STALE_DATA,
    "NoQuote": Exit.STALE_DATA,
    "OrderRefused": Exit.BROKER,
    "DuplicateOrder": Exit.BROKER,
    "BrokerUnreachable": Exit.BROKER,
    "NotAllowed": Exit.RISK_GATE,
    "Unreconciled": Exit.UNRECONCILED,
    "StatementCheckFailed": Exit.REPORT_CHECK,
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, as ``run.json`` holds it. ``run`` is its folder under the reports folder."""

    run: str
    notebook: str
    title: str
    status: Status
    exit_code: int
    reason: str
    started: str
    seconds: float
    parameters: Mapping[str, Any]
    failing_cell: Mapping[str, Any] | None = None
    data_hash: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        return f"{Path(self.notebook).stem}.html"

    @property
    def label(self) -> str:
        """What the notebook calls its numbers, such as BACKTEST · MODELLED."""
        return str(self.results.get("label", ""))


def write_record(folder: Path, record: RunRecord) -> None:
    write_whole(folder / RECORD, json.dumps(asdict(record), indent=2, default=plain) + "\n")


def read_records(reports: Path) -> list[RunRecord]:
    """Every finished run under the reports folder, newest first."""
    files = reports.glob(f"[0-9]*/[!.]*/{RECORD}")
    return sorted(map(read_record, files), key=lambda record: record.started, reverse=True)


def read_record(file: Path) -> RunRecord:
    told = json.loads(file.read_text(encoding="utf-8"))
    told["status"] = Status(told["status"])
    told["files"] = tuple(told["files"])
    return RunRecord(**told)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a half."""
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)


def plain(value: Any) -> Any:
    """JSON's word for what JSON has no word for."""
    if isinstance(value, Decimal | date | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise TypeError(f"a run's record cannot hold a {type(value).__name__}")


# ---------------------------------------------------------------- called by notebooks


def run_folder() -> Path | None:
    """The folder of the run that this kernel serves; None in Lab, nbval and plain papermill."""
    folder = os.environ.get(RUN_FOLDER)
    return Path(folder) if folder else None


def record(**values: Any) -> None:
    """Hand figures of record to the runner, which puts them into run.json under results.

    ``label`` and ``data_hash`` are shown with the run. Does nothing outside the runner.
    """
    if folder := run_folder():
        known = _results(folder) | values
        write_whole(folder / RESULTS, json.dumps(known, indent=2, default=plain) + "\n")


def keep(name: str, content: str | bytes) -> Path | None:
    """Put a file, such as statement.html, beside the run's page; where it now is, or None."""
    if Path(name).name != name or name == RECORD or name.startswith("."):
        raise ValueError(f"keep needs a plain file name, got {name!r}")
    folder = run_folder()
    if folder is None:
        return None
    write_whole(folder / name, content)
    return folder / name


def _results(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / RESULTS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def take_results(folder: Path) -> dict[str, Any]:
    """What the notebook recorded; its file is gone afterwards."""
    results = _results(folder)
    (folder / RESULTS).unlink(missing_ok=True)
    return results


# ---------------------------------------------------------------- what goes with a record


def code_version() -> dict[str, str]:
    """The version of the package and of Python, and the commit where git knows it."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(
            git, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
        commit = found.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"dollarbill": __version__, "commit": commit or "unknown", "python": python}


def package_versions() -> dict[str, str]:
    """The installed version of every package that DollarBill asks for."""
    try:
        asked = metadata.requires("dollarbill_core") or []
    except metadata.PackageNotFoundError:
        return {}
    names = [re.split(r"[^\w.-]", text)[0] for text in asked if "extra ==" not in text]
    return {name: metadata.version(name) for name in names}


def leaks(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each (variable, file) where the value of a secret variable stands in a run's file."""
    secrets = {
        name: value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    }
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        for name, value in secrets.items():
            if any(form.encode() in content for form in _written(value)):
                yield name, file.name


def _written(value: str) -> set[str]:
    """A value as it stands in text, in JSON and in HTML."""
    return {value, json.dumps(value)[1:-1], html.escape(value)}
