"""The command line: run a notebook, fill the store, list the runs, ask the doctor, reset."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dollarbill_core import __version__
from dollarbill_core.runs import data_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dollarbill_core.runs.records import RunRecord
    from dollarbill_core.storage.settings import Settings

app = typer.Typer(
    help="Research and trading for sellers of option premium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, which a log and a narrow terminal can hold
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_commands.app, name="data")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="A path, or how the name begins: 02.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="name=value, as often as needed"),
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Minutes after which the run is ended.")
    ] = None,
) -> None:
    """Run one notebook with parameters; its page and record stand under reports/.

    Exit codes: 0 done, 1 a cell failed, 2 bad input, 3 data stale or incomplete, 4 broker,
    5 risk gate, 6 orders unreconciled, 7 report check, 124 deadline, 130 stopped,
    138 kernel died.
    """
    settings = _settings()
    if deadline is not None:
        settings = replace(settings, deadline_minutes=deadline)
    path = _notebook(notebook, settings)
    given = _given(parameter or [])
    from dollarbill_core.runs.notebooks import run_notebook

    with _progress(path.stem) as watch:
        record = run_notebook(path, given, settings, watch)
    _tell(record, settings.reports)
    raise typer.Exit(record.exit_code)


@app.command()
def runs(count: Annotated[int, typer.Option("-n", help="How many to list.")] = 20) -> None:
    """List the latest runs, newest first."""
    from dollarbill_core.runs.records import read_records

    for record in read_records(_settings().reports)[:count]:
        when = record.started[:16].replace("T", " ")
        line = f"{when}  {record.status:<15}  {record.exit_code:>3}  {record.seconds:>7.1f} s"
        typer.echo(f"{line}  {record.run}  {record.reason}".rstrip())


@app.command()
def doctor() -> None:
    """Say what works on this machine, and how to mend what does not."""
    from dollarbill_core.runs.health import checks

    settings = _settings()
    rows = checks(settings)
    for row in rows:
        fix = f"\n  {'':<14}  fix: {row.fix}" if row.fix else ""
        typer.echo(f"{row.mark} {row.name:<14}  {row.found}{fix}")
    typer.echo()
    for name, value in settings.described().items():
        typer.echo(f"  {name:<17}  {value}")
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


@app.command()
def reset(
    ledger: Annotated[str, typer.Argument(help="The file that a kept ledger is in.")],
    by: Annotated[str, typer.Option(help="Who says that trading may go on.")],
    why: Annotated[str, typer.Option(help="The reason, one line.")],
) -> None:
    """Let a tripped circuit breaker open trades again; the next session takes the word once.

    Exit codes: 0 written down, 2 bad input, or a session is at work on the ledger.
    """
    from sqlalchemy.exc import DBAPIError

    from dollarbill_core.desk.ledger import Ledger
    from dollarbill_core.rules.breaker import Reset
    from dollarbill_core.runs.parameters import ParameterError

    word = Reset(
        _one_line(by, "--by", "say who resets the breaker"),
        datetime.now().astimezone(),
        _one_line(why, "--why", "say why it may be reset"),
    )
    path = Path(ledger).expanduser().resolve()
    if not path.is_file() or not path.stat().st_size:
        raise ParameterError(f"no ledger at {path}: name the file that the sessions keep")
    try:
        with Ledger.open(path) as kept, kept.locked():
            kept.reset(word)
    except ValueError as error:
        raise ParameterError(str(error)) from error
    except (DBAPIError, OSError) as error:  # read-only, or another program writes to it
        raise ParameterError(f"{path}: {getattr(error, 'orig', error)}") from error
    typer.echo(f"breaker reset by {word.by}: the next session on {path} takes it")


def _one_line(text: str, option: str, ask: str) -> str:
    from dollarbill_core.runs.parameters import ParameterError

    if not text.strip() or not text.isprintable():
        raise ParameterError(f"{option} is empty or not one line of text: {ask}")
    return text.strip()


def _settings() -> "Settings":
    from dollarbill_core.storage.settings import load_settings

    return load_settings()


def _notebook(name: str, settings: "Settings") -> Path:
    """A notebook by its path, or the only one whose file name begins so."""
    from dollarbill_core.runs.parameters import ParameterError

    if Path(name).is_file():
        return Path(name).resolve()
    known = sorted(settings.notebooks.glob("*.ipynb"))
    found = [path for path in known if path.name.startswith(name)]
    if len(found) == 1 and name:
        return found[0]
    names = ", ".join(path.stem for path in found or known) or "none"
    what = "begins several notebooks" if found else "is no notebook"
    raise ParameterError(f"{name} {what}; choose from {names}")


def _given(texts: Sequence[str]) -> dict[str, str]:
    from dollarbill_core.runs.parameters import ParameterError

    for text in texts:
        if "=" not in text:
            raise ParameterError(f"-p {text} is not name=value")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


@contextmanager
def _progress(label: str) -> "Iterator[Callable[[int, int, str], None]]":
    """A bar in a terminal; elsewhere one line a cell, which a log can hold."""
    if not sys.stderr.isatty():
        yield lambda number, total, line: typer.echo(
            f"[{label}] cell {number}/{total}  {line[:60]}", err=True
        )
        return
    from tqdm import tqdm

    with tqdm(desc=label, unit="cell", leave=False) as bar:

        def move(number: int, total: int, line: str) -> None:
            bar.total = total
            bar.n = number - 1
            bar.refresh()

        yield move


def _tell(record: "RunRecord", reports: Path) -> None:
    folder = reports / record.run
    where = folder / record.page if (folder / record.page).is_file() else folder / "run.json"
    line = f"{record.notebook} {record.status} in {record.seconds:.1f} s: {where}"
    if record.exit_code:
        line = f"dollarbill: {record.notebook} {record.status}: {record.reason}; see {where}"
    typer.echo(line, err=bool(record.exit_code))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line on stderr, its traceback goes to the log."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a scheduler
    with _log():
        try:
            app(args=arguments)
        except SystemExit as end:
            # Typer ends an interrupted command without a word, which a timer's log would miss.
            if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
                logging.getLogger(__name__).warning("stopped before it was done")
            raise
        except Exception as error:
            code = getattr(error, "exit_code", None)
            if code is None:
                said = " ".join(f"{type(error).__name__}: {error}".split())
                logging.getLogger(__name__).error(said, exc_info=error)
                sys.exit(1)
            print(f"dollarbill: {error}", file=sys.stderr)
            sys.exit(int(code))


class _Log(logging.Handler):
    """What happens, in the log with time and traceback; warnings on stderr too, on one line."""

    def emit(self, record: logging.LogRecord) -> None:
        home = Path(os.environ.get("DOLLARBILL_HOME") or "~/.dollarbill").expanduser()
        log = home / "logs" / "dollarbill.log"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{self.format(record)}\n")
            details = f" (details in {log})" if record.exc_info else ""
        except OSError as error:
            details = f" (details lost: {log}: {error.strerror})" if record.exc_info else ""
        if record.levelno >= logging.WARNING:
            print(f"dollarbill: {record.getMessage()}{details}", file=sys.stderr)


@contextmanager
def _log() -> "Iterator[None]":
    """Our own modules' messages have a place as long as a command runs."""
    ours, handler = logging.getLogger("dollarbill_core"), _Log()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)


if __name__ == "__main__":
    main()
