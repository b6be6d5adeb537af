"""Whether this machine is ready to run: each thing checked, what was found, how to mend it."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata, util
from pathlib import Path

from packaging.requirements import Requirement

from dollarbill_core.sources.quote_cache import why_unserved
from dollarbill_core.storage.catalog import Catalog, Damaged
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.settings import REDIS_URL, Settings, keys, redis_url, shown
from dollarbill_core.storage.store import Store

_OLDEST_PYTHON = (3, 11)
_FREE_GIGABYTES = 1.0  # a year of daily runs with their pages takes about half of that
_NAMED_SYMBOLS = 8
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SAMPLE_FILES = (
    ("arch", "data/sp500/sp500.csv.gz"),
    ("arch", "data/vix/vix.csv.gz"),
    ("skfolio", "datasets/data/sp500_dataset.csv.gz"),
)
_REINSTALL = "make run builds .venv again from requirements.lock"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's table; ``fix`` is empty where nothing is wrong."""

    name: str
    ok: bool
    found: str
    fix: str = ""

    @property
    def mark(self) -> str:
        return "✓" if self.ok else "✗"


def checks(settings: Settings, environment: Mapping[str, str] | None = None) -> list[Check]:
    """Every check of the doctor, in the order of how early its failure would hurt."""
    return [
        python_version(),
        packages(),
        no_second_empyrical(),
        kernel(),
        sample_prices(),
        calendar(),
        writable("home", settings.home),
        writable("reports", settings.reports),
        disk(settings.reports),
        store(settings.data),
        quote_cache(environment),
        broker_keys(environment),
        browser(),
    ]


def checks_html(rows: Sequence[Check]) -> str:
    """The doctor's table for a notebook or a page."""
    left = ' style="text-align:left"'  # Jupyter sets tables to the right
    heads = "".join(
        f'<th scope="col"{left}>{name}</th>' for name in ("", "Check", "Found", "Fix")
    )
    body = "".join(
        f'<tr><td>{row.mark}</td><th scope="row"{left}>{escape(row.name)}</th>'
        f"<td{left}>{escape(row.found)}</td><td{left}>{escape(row.fix)}</td></tr>"
        for row in rows
    )
    well = sum(row.ok for row in rows)
    caption = f"<caption>{well} of {len(rows)} checks are well</caption>"
    return f"<table>{caption}<tr>{heads}</tr>{body}</table>"


def _row(name: str, ok: bool, found: str, fix: str) -> Check:
    return Check(name, ok, found, "" if ok else fix)


def python_version(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    found = ".".join(map(str, version))
    return _row("python", version >= _OLDEST_PYTHON, found, "install Python 3.11 or later")


def packages(installed: Callable[[str], str] = metadata.version) -> Check:
    """Each package that DollarBill asks for is there, in the range that it asks for."""
    try:
        asked = [Requirement(text) for text in metadata.requires("dollarbill_core") or ()]
    except metadata.PackageNotFoundError:
        return Check("packages", False, "dollarbill_core is not installed", _REINSTALL)
    needed = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [text for one in needed if (text := _complaint(one, installed))]
    found = "; ".join(wrong) or f"{len(needed)} in their ranges"
    return _row("packages", not wrong, found, _REINSTALL)


def _complaint(asked: Requirement, installed: Callable[[str], str]) -> str:
    try:
        version = installed(asked.name)
    except metadata.PackageNotFoundError:
        return f"{asked.name} is missing"
    return "" if version in asked.specifier else f"{asked.name} {version} is not {asked}"


def no_second_empyrical(installed: Callable[[str], str] = metadata.version) -> Check:
    """Plain empyrical and empyrical-reloaded write the same folder, and the old one wins."""
    try:
        found = f"plain empyrical {installed('empyrical')} overwrites empyrical-reloaded"
    except metadata.PackageNotFoundError:
        return Check("empyrical", True, "empyrical-reloaded only")
    fix = "pip uninstall empyrical, then pip install --force-reinstall empyrical-reloaded"
    return Check("empyrical", False, found, fix)


def kernel() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager

    there = "python3" in KernelSpecManager().find_kernel_specs()
    found = "python3" if there else "no kernel named python3"
    return _row("kernel", there, found, "python -m ipykernel install --sys-prefix")


def sample_prices() -> Check:
    """The real prices that ship inside packages, without which nothing runs offline."""
    missing = [f"{package}/{file}" for package, file in _SAMPLE_FILES if not _in(package, file)]
    found = f"missing {', '.join(missing)}" if missing else "S&P 500, VIX, 20 stocks"
    return _row("sample prices", not missing, found, _REINSTALL)


def _in(package: str, file: str) -> bool:
    spec = util.find_spec(package)
    return bool(spec and spec.origin and (Path(spec.origin).parent / file).is_file())


def calendar() -> Check:
    from dollarbill_core.values.calendars import LAST_DAY, is_session

    probe = LAST_DAY.replace(month=7, day=4)
    ok = not is_session(probe)
    return _row("calendar", ok, f"NYSE to {LAST_DAY:%Y}", _REINSTALL)


def writable(name: str, folder: Path) -> Check:
    """A folder can be made and written; the probe is removed again."""
    probe = folder / ".doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        found = f"{folder}: {error.strerror}"
        return Check(name, False, found, f"make it writable, or set DOLLARBILL_{name.upper()}")
    return Check(name, True, str(folder))


def disk(folder: Path, needed: float = _FREE_GIGABYTES) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    return _row("disk", free >= needed, f"{free:.1f} GB free", f"free {needed:g} GB")


def store(place: Path | str) -> Check:
    """What real quotes there are: files are looked for by their size, none is read.

    A store at a URL is not asked, since the network may take its time.
    """
    if "://" in str(place):
        found = f"{shown(str(place))}, which is not asked here: dollarbill data list"
        return Check("store", True, found)
    try:
        opened = Store.at(place)
        wrong = _missing_file(opened)
        found = _holdings(opened.catalog)
    except (Damaged, StoreError) as error:
        fix = "mend it, or name another folder: setting data, or DOLLARBILL_DATA"
        return Check("store", False, str(error), fix)
    fix = "dollarbill data check names all; data discard takes each out, to be brought anew"
    return _row("store", not wrong, wrong or found, fix)


def _missing_file(opened: Store) -> str:
    """The first file that is not there whole; empty if all are."""
    for part in opened.catalog.parts.values():
        if opened.place.size(part.path) != part.size:
            return f"{opened.place.address(part.path)} is missing or cut off"
    return ""


def _holdings(catalog: Catalog) -> str:
    """Whose quotes there are, from when to when."""
    parts = catalog.of("quotes")
    if not parts:
        return "no quotes: dollarbill data fetch SPY, or dollarbill data import"
    symbols = list(dict.fromkeys(part.symbol for part in parts))
    more = len(symbols) - _NAMED_SYMBOLS
    named = ", ".join(symbols[:_NAMED_SYMBOLS]) + (f" and {more} more" if more > 0 else "")
    first, last = min(part.first for part in parts), max(part.last for part in parts)
    return f"{named}: {first} to {last}, {sum(part.rows for part in parts):,} quotes"


def quote_cache(environment: Mapping[str, str] | None = None) -> Check:
    """Whether the Redis that is set serves; its address is not shown."""
    url = redis_url(environment)
    if not url:
        return Check("quote cache", True, "in this process: no Redis is set")
    why = why_unserved(url)
    fix = f"start it, correct {REDIS_URL}, or unset it: quotes are then kept by each process"
    return _row("quote cache", not why, why or "Redis serves", fix)


def broker_keys(environment: Mapping[str, str] | None = None) -> Check:
    """Whether the broker's keys are set; both or neither is fine, the values are not read."""
    there = keys(environment)
    found = ", ".join(
        f"{name} {'set' if is_set else 'not set'}" for name, is_set in there.items()
    )
    if not any(there.values()):
        return Check("broker keys", True, "none: the simulated broker needs none")
    missing = " and ".join(name for name, is_set in there.items() if not is_set)
    return _row("broker keys", all(there.values()), found, f"export {missing}")


def browser() -> Check:
    """Only the tests that look at pages need one."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return Check("browser", True, found or "none: only the page tests use it")
