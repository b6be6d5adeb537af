"""The commands of the store: import files, fetch public history, take today's chains, check."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dollarbill_core.runs.parameters import ParameterError

if TYPE_CHECKING:
    from dollarbill_core.storage.checking import Checked
    from dollarbill_core.storage.settings import Settings
    from dollarbill_core.storage.store import Store

FIRST_YEAR = "2008"  # of the public history
_LONG = 1_000  # thousandths of what is shown as a bar
_log = logging.getLogger(__name__)
_SPARE = ("columns", "derived", "daily", "downloads")  # of the local folder: made anew
_BAR = "{desc} {percentage:3.0f}% |{bar}| {elapsed}"


class NothingStored(ValueError):
    """A store without anything in it; one line: how to fill it."""

    exit_code = 3


app = typer.Typer(
    help="Market data: import files, fetch public history, take today's chains, check.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Place = Annotated[
    str | None,
    typer.Option("--data", help="The store: a folder or URL; else the setting `data`."),
]


@app.command("import")
def import_(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="optionsdx, lean, csv...; none lists all.")
    ] = "",
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or patterns.")
    ] = None,
    symbol: Annotated[
        str, typer.Option(help="The underlying, where neither column nor file name says it.")
    ] = "",
    root: Annotated[
        list[str] | None,
        typer.Option(help="OCC root of index options: SPXW; as often as needed."),
    ] = None,
    day: Annotated[
        str, typer.Option("--date", help="The day of the quotes, where no column says it.")
    ] = "",
    start: Annotated[
        str, typer.Option("--from", help="Leave out rows before this day or year.")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help="For csv: our name=the header's, such as bid=Best_Bid."),
    ] = None,
    data: Place = None,
) -> None:
    """Read a vendor's files into the store: all of them, exactly, or nothing.

    The same command goes on where an interrupted one stopped. Rows that cannot be quotes are
    counted and written, with their reason, to rejects/ in the store.

    Exit codes: 0 done, 2 bad input or the store is busy, 3 the store is damaged, 130 stopped.
    """
    from dollarbill_core.formats.imports import import_files
    from dollarbill_core.formats.pieces import ImportOptions

    if not files:
        _tell_formats(form)
        return
    options = ImportOptions(
        symbol=symbol.upper(),
        roots=tuple(each.upper() for each in root or ()),
        day=_day(day, "--date") if day else None,
        columns=_columns(column or []),
        start=_first_day(start) if start else None,
    )
    with _bar(form) as move:
        report = import_files(
            form,
            files,
            _store(data),
            options=options,
            progress=lambda step: move(step.file.name, int(step.done * _LONG), _LONG),
        )
    _say(report.sentences())


@app.command()
def fetch(
    symbols: Annotated[list[str], typer.Argument(help="Such as SPY QQQ IWM.")],
    start: Annotated[
        str, typer.Option("--from", help="First day or year to keep.")
    ] = FIRST_YEAR,
    data: Place = None,
) -> None:
    """Fetch the public daily chains, prices, volatility indices and interest rates.

    What has not changed is not fetched again; an interrupted download goes on.

    A host that says nothing is not asked for its other files in the same run.

    Exit codes: 0 done, 2 bad input, 3 a source failed: the others are stored all the same,
    130 stopped.
    """
    from dollarbill_core.sources.public import fetch

    with _bar("fetch") as move:
        report = fetch(
            [each.upper() for each in symbols],
            _first_day(start),
            _store(data),
            today=_today(),
            progress=move,
        )
    _say(report.sentences())
    raise typer.Exit(report.exit_code)


@app.command()
def snapshot(
    symbols: Annotated[
        list[str] | None, typer.Argument(help="Else the setting `watch_list`.")
    ] = None,
    data: Place = None,
) -> None:
    """Store today's chains if the close is near; write down what is missing.

    Safe to call at any time and any number of times: give it to cron or a timer.

    Every run leaves its lines in logs/dollarbill.log under the home folder.

    Exit codes: 0 all stored or nothing to do, 2 bad input or the store stays busy for half an
    hour, 3 something is missing, 130 stopped.
    """
    from dollarbill_core.sources.collector import live_sources, snapshot
    from dollarbill_core.storage.settings import is_symbol

    settings = _settings()
    wanted = tuple(dict.fromkeys(each.upper() for each in symbols or settings.watch_list))
    if wrong := [each for each in wanted if not is_symbol(each)]:
        raise ParameterError(f"{wrong[0]!r} is not a symbol such as SPY")
    sources = live_sources(settings)
    report = snapshot(
        wanted,
        _store(data),
        sources,
        minutes=settings.snapshot_minutes,
        spots=sources,
    )
    _say(report.sentences())
    for line in report.sentences():
        _log.info("snapshot: %s", line)  # of a timer's output nobody may see anything
    raise typer.Exit(report.exit_code)


@app.command()
def check(
    symbols: Annotated[
        list[str] | None, typer.Argument(help="Else all that the store holds.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="First day or year.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day or year.")] = "",
    data: Place = None,
) -> None:
    """Read every file and judge every day: what is damaged, missing, flawed, and how much.

    The page and a CSV of all days stand under reports/data-check/.

    Exit codes: 0 whole, 2 bad input, 3 something is damaged or missing.
    """
    from dollarbill_core.storage.checking import check

    first = _first_day(start) if start else None
    last = _last_day(end) if end else None
    if first and last and first > last:
        raise ParameterError(f"--from {start} is after --to {end}")
    with _bar("check") as move:
        found = check(
            _store(data), [each.upper() for each in symbols or ()], first, last, progress=move
        )
    _say(found.sentences())
    typer.echo(f"Page: {_page(found)}")
    raise typer.Exit(found.exit_code)


@app.command()
def discard(
    table: Annotated[str, typer.Argument(help="quotes, prices, rates, prints or gaps.")],
    symbol: Annotated[str, typer.Argument(help="Whose, if the table is kept by symbol.")] = "",
    year: Annotated[int | None, typer.Argument(help="Of which year, for quotes.")] = None,
    data: Place = None,
) -> None:
    """Take one part out of the store, such as a damaged file, so that it can come anew.

    Exit codes: 0 done, 2 bad input or the store is busy, 3 there is no such part.
    """
    from dollarbill_core.storage.schema import TABLES

    store, name = (
        _store(data),
        " ".join([table, symbol.upper(), *([str(year)] if year else [])]),
    )
    if table not in TABLES:
        raise ParameterError(f"no table {table!r}: there are {', '.join(TABLES)}")
    part = store.part(table, symbol.upper(), year)
    if part is None:
        years = ", ".join(map(str, store.years(symbol.upper(), table)))
        todo = f"name a year: {years}" if years else "dollarbill data list"
        raise NothingStored(f"{store.place.name} has no {name.strip()}: {todo}")
    store.discard(table, symbol.upper(), year)
    typer.echo(f"{name.strip()}: {part.rows:,} rows taken out of {store.place.name}")


@app.command("list")
def list_(data: Place = None) -> None:
    """What the store holds: symbols, days, rows and bytes."""
    store = _store(data)
    parts = list(store.catalog.parts.values())
    if not parts:
        raise NothingStored(
            f"nothing is stored at {store.place.name}: dollarbill data fetch SPY brings the "
            "public history, dollarbill data import reads files"
        )
    for table, symbol in sorted({(part.table, part.symbol) for part in parts}):
        own = [part for part in parts if (part.table, part.symbol) == (table, symbol)]
        rows, size = sum(part.rows for part in own), sum(part.size for part in own)
        days = f"{min(part.first for part in own)} to {max(part.last for part in own)}"
        typer.echo(f"{table:<7} {symbol:<6} {days}  {rows:>12,} rows  {size / 1e6:>9,.1f} MB")
    folders = [store.local / name for name in _SPARE]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    if files:
        told = f"{sum(file.stat().st_size for file in files) / 1e6:,.1f} MB"
        typer.echo(f"caches and downloads in {store.local}: {told}, safe to delete")


def _tell_formats(form: str) -> None:
    from dollarbill_core.formats.registry import FORMATS, reader

    if form in FORMATS:
        typer.echo(f"{form}: {reader(form).seen}")
        raise ParameterError(f"name the {form} files to import")
    if form:
        raise ParameterError(f"no format {form!r}: there are {', '.join(FORMATS)}")
    for name in FORMATS:
        typer.echo(f"{name}: {reader(name).seen}")


def _settings() -> "Settings":
    from dollarbill_core.storage.settings import load_settings

    return load_settings()


def _store(place: str | None) -> "Store":
    from dollarbill_core.storage.store import Store

    return Store.at(place or _settings().data)


def _today() -> date:
    """The day in New York, wherever this machine is."""
    from dollarbill_core.values.calendars import MARKET_ZONE

    return datetime.now(MARKET_ZONE).date()


def _page(found: "Checked") -> Path:
    from dollarbill_core.runs.pages import write_check

    reports = _settings().reports
    try:
        return write_check(found, reports, datetime.now().astimezone())
    except OSError as error:
        todo = "make it writable, or set DOLLARBILL_REPORTS"
        raise ParameterError(f"no page in {reports}: {error.strerror}; {todo}") from None


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{option} {text} is no day: write it like 2021-03-19") from None


def _first_day(text: str) -> date:
    """A day, or the first of a year."""
    return _day(f"{text}-01-01" if _is_year(text) else text, "--from")


def _last_day(text: str) -> date:
    """A day, or the last of a year."""
    return _day(f"{text}-12-31" if _is_year(text) else text, "--to")


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal()


def _columns(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    for text in texts:
        if not all(text.partition("=")):
            raise ParameterError(f"--column {text} is not our name=the header's name")
    return tuple((ours, theirs) for ours, _, theirs in (text.partition("=") for text in texts))


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)


def _no_bar(name: str, done: int, whole: int | None) -> None:
    """In a log nothing but the report."""


@contextmanager
def _bar(what: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar in a terminal, with what is being done by name."""
    if not sys.stderr.isatty():
        yield _no_bar
        return
    from tqdm import tqdm

    with tqdm(desc=what, leave=False, bar_format=_BAR) as bar:

        def move(name: str, done: int, whole: int | None) -> None:
            bar.set_description_str(name, refresh=False)
            bar.total, bar.n = max(whole or done, 1), done
            bar.refresh()

        yield move
