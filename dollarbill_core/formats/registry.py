"""Formats of files by name: the reader of each, and which of them a file looks like."""

import glob
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

from dollarbill_core.formats.period import From
from dollarbill_core.formats.pieces import ImportOptions, Reader, UnreadableFile

_HERE = "dollarbill_core.formats"
_TEXT = f"{_HERE}.text_files"
# Where each format's reader stands: a class in a module, or an entry of the text formats.
FORMATS: Mapping[str, tuple[str, str]] = {
    "optionsdx": (_TEXT, ""),
    "deltaneutral": (_TEXT, ""),
    "ivolatility": (_TEXT, ""),
    "dolthub": (_TEXT, ""),
    "yfinance": (_TEXT, ""),
    "orats": (_TEXT, ""),
    "datashop": (_TEXT, ""),
    "cboe": (f"{_HERE}.cboe_files", "CboeFiles"),
    "lean": (f"{_HERE}.lean_files", "LeanFiles"),
    "public": (f"{_HERE}.parquet_files", "PublicArchive"),
    "prices": (f"{_HERE}.price_files", "PriceFiles"),
    "prints": (f"{_HERE}.print_files", "PrintFiles"),
    "treasury": (f"{_HERE}.rate_files", "TreasuryYields"),
    "sofr": (f"{_HERE}.rate_files", "SofrRates"),
    "csv": (_TEXT, ""),
}


def reader(name: str, options: ImportOptions | None = None) -> Reader:
    """The reader of a format, with what the user told about the files.

    Raises
    ------
    ValueError
        For a format that is not there.
    """
    if name not in FORMATS:
        raise UnreadableFile(f"no format {name!r}: there are {', '.join(FORMATS)}")
    module, attribute = FORMATS[name]
    loaded = import_module(module)
    found = getattr(loaded, attribute)() if attribute else loaded.READERS[name]
    told = found.told(options or ImportOptions()) if hasattr(found, "told") else found
    made: Reader = From(told, options.start) if options and options.start else told
    return made


def sniff(file: Path) -> str | None:
    """The format that a file looks like, None if like none.

    Text formats are known by their header, the others by whether they can be read.
    """
    for name in FORMATS:
        try:
            one = reader(name)
            if not hasattr(one, "knows"):
                next(one.pieces(file), None)
            elif not one.knows(file):
                continue
            return name
        except (ValueError, OSError, KeyError, IndexError):
            continue
    return None


def found_files(given: Iterable[str | Path]) -> tuple[Path, ...]:
    """Files, the files of folders, and what patterns such as ``spy_*.txt`` match, in order.

    Raises
    ------
    UnreadableFile
        For one that is not there.
    """
    found: dict[Path, None] = {}
    for each in given:
        path = Path(each).expanduser()
        if path.is_dir():
            several = sorted(file for file in path.iterdir() if _is_visible(file))
        elif path.exists():
            several = [path]
        else:
            several = sorted(map(Path, glob.glob(str(path), recursive=True)))
        if not several:
            raise UnreadableFile(f"{each}: no such file")
        found |= dict.fromkeys(several)
    return tuple(found)


def _is_visible(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")
