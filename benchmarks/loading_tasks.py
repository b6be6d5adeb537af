"""What each fresh process of loading.py does, timed from before Python starts to the result.

    python benchmarks/loading_tasks.py TASK FOLDER

prints one line of JSON. Imports stand inside the tasks: each process pays for its own only.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEVEN = ("date", "expiry", "right", "strike", "bid", "ask", "volume")
PRICES = ("strike", "bid", "ask")
ENTRY_DAYS, DELTA, FIRST_SESSIONS = 45, 0.20, 15
Task = Callable[[Path], dict[str, Any]]


def sums(arrays: dict[str, Any], ticks_per_unit: float = 1.0) -> dict[str, int]:
    """Whole-number sums of seven contiguous arrays, prices in hundredths of a cent."""
    import numpy as np

    told = {}
    for name in SEVEN:
        array = np.asarray(arrays[name])
        if array.ndim != 1 or not array.flags.c_contiguous or array.dtype == object:
            raise TypeError(f"{name} is no contiguous array of numbers: {array.dtype}")
        if array.dtype.kind == "M":
            array = array.astype("M8[D]").astype(np.int64)
        if name in PRICES and ticks_per_unit != 1.0:
            array = np.rint(array * ticks_per_unit)
        told[name] = int(array.sum(dtype=np.int64 if array.dtype.kind in "iu" else None))
    return told


class Stopwatch:
    """Seconds of the clock and of the processor since it was made, under a name each."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def told(self, name: str) -> dict[str, float]:
        clock, cpu = self._began
        return {name: time.perf_counter() - clock, f"{name} cpu": time.process_time() - cpu}


def finished(result: Any, **more: Any) -> dict[str, Any]:
    """The instant of the result and the processor's seconds, before anything is checked."""
    cpu = time.process_time()
    return {"ready": time.monotonic(), "cpu": cpu, "result": result, **more}


# --- Parquet to arrays, ours


def decode_one_thread(folder: Path) -> dict[str, Any]:
    from dollarbill_core.storage.quote_columns import quote_arrays
    from dollarbill_core.storage.store import Store

    store = Store.at(folder / "store")
    found = [
        quote_arrays(store, part.symbol, part.year, SEVEN) for part in store.parts("quotes")
    ]
    return finished(found)


def decode_two_threads(folder: Path) -> dict[str, Any]:
    from concurrent.futures import ThreadPoolExecutor

    from dollarbill_core.storage.quote_columns import quote_arrays
    from dollarbill_core.storage.store import Store

    store = Store.at(folder / "store")
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(
            lambda part: quote_arrays(store, part.symbol, part.year, SEVEN),
            store.parts("quotes"),
        )
        return finished(list(found))


def whole(folder: Path) -> dict[str, Any]:
    from dollarbill_core.storage.quote_columns import gathered_quotes
    from dollarbill_core.storage.store import Store

    return finished(gathered_quotes(Store.at(folder / "store"), SEVEN))


# --- and the peers': the store's own files, and a copy whose columns are plain integers


def plain_files(folder: Path) -> list[str]:
    return sorted(str(file) for file in (folder / "plain").glob("*.parquet"))


def exact_files(folder: Path) -> list[str]:
    return (folder / "files.txt").read_text().split("\n")


def pandas_plain(folder: Path) -> dict[str, Any]:
    import pandas as pd

    frame = pd.read_parquet(plain_files(folder), columns=list(SEVEN))
    return finished({name: frame[name].to_numpy() for name in SEVEN})


def polars_plain(folder: Path) -> dict[str, Any]:
    import polars as pl

    frame = pl.scan_parquet(plain_files(folder)).select(SEVEN).collect()
    return finished({name: frame[name].to_numpy() for name in SEVEN})


def polars_exact(folder: Path) -> dict[str, Any]:
    import polars as pl

    scan = pl.scan_parquet(exact_files(folder), hive_partitioning=False).select(SEVEN)
    frame = scan.with_columns(pl.col(PRICES).cast(pl.Float64)).collect()
    return finished({name: frame[name].to_numpy() for name in SEVEN}, ticks_per_unit=1e4)


def duckdb_arrow(folder: Path) -> dict[str, Any]:
    frame = _duckdb(plain_files(folder)).to_arrow_table()
    return finished({name: frame[name].to_numpy() for name in SEVEN})


def duckdb_plain(folder: Path) -> dict[str, Any]:
    return finished(_duckdb(plain_files(folder)).fetchnumpy())


def duckdb_exact(folder: Path) -> dict[str, Any]:
    return finished(_duckdb(exact_files(folder)).fetchnumpy(), ticks_per_unit=1e4)


def _duckdb(files: list[str]) -> Any:
    import duckdb

    names = ", ".join(f'"{name}"' for name in SEVEN)
    return duckdb.sql(f"SELECT {names} FROM read_parquet({files}, hive_partitioning=false)")


# --- the column cache


def build(folder: Path) -> dict[str, Any]:
    from dollarbill_core.storage.quote_columns import all_quote_columns
    from dollarbill_core.storage.store import Store

    store = Store.at(folder / "store")
    for symbol in store.symbols():
        all_quote_columns(store, symbol)
    return finished(None)


def index(folder: Path) -> dict[str, Any]:
    """The next-day rows of every symbol-year, from mapped columns; the kernel is linked."""
    import numpy as np

    from dollarbill_core.storage.quote_columns import contract_keys, next_day_rows

    columns = _opened(folder)
    next_day_rows(np.arange(2), np.arange(3))
    for each in columns:
        each["strike"].max()  # what is measured is the index, not the disk
    watch = Stopwatch()
    found = []
    for each in columns:
        parts = (each[name] for name in ("root", "expiry", "right", "strike"))
        found.append(next_day_rows(contract_keys(*parts), each["starts"]))
    told = finished(None, **watch.told("inner"))
    if any((rows != each["next_row"]).any() for rows, each in zip(found, columns, strict=True)):
        raise ValueError("the index differs from the one in the cache")
    return told


def opened(folder: Path) -> dict[str, Any]:
    """Every symbol-year, numpy imported before; then one read as a backtest would."""
    import numpy  # noqa: F401

    watch = Stopwatch()
    columns = _opened(folder)
    told = finished(None, **watch.told("inner"))
    one = columns[len(columns) // 2]
    watch = Stopwatch()
    for name in ("day", *SEVEN[1:], "next_row"):
        one[name].max()
    told |= watch.told("seven")
    for array in one.values():
        array.max()
    return told | watch.told("every")


def _opened(folder: Path) -> list[Any]:
    from dollarbill_core.storage.quote_columns import quote_columns
    from dollarbill_core.storage.store import Store

    store = Store.at(folder / "store")
    return [quote_columns(store, part.symbol, part.year) for part in store.parts("quotes")]


# --- to the first trade of short strangles


def first_trade(folder: Path) -> dict[str, Any]:
    """Chains of the whole period, then the backtest's first sessions: a strangle is sold."""
    from itertools import islice

    return _backtest(folder, lambda days: islice(days, FIRST_SESSIONS))


def whole_backtest(folder: Path) -> dict[str, Any]:
    """All sessions: weekly looks, exits by rule, margin every day, assignment, NAV."""
    return _backtest(folder, iter)


def _backtest(folder: Path, progress: Callable[[Any], Any]) -> dict[str, Any]:
    from datetime import date
    from decimal import Decimal

    from dollarbill_core.results.backtest import backtest
    from dollarbill_core.sources.loading import load_chains
    from dollarbill_core.strategies.short_premium import ShortPremium
    from dollarbill_core.values.book import Fill

    first, last = (folder / "first.txt").read_text().split()
    period = date.fromisoformat(first), date.fromisoformat(last)
    chains = load_chains(str(folder / "first"), ["SPX"], *period)
    loaded = {"loaded": time.monotonic(), "loaded cpu": time.process_time()}
    strategy = ShortPremium(("SPX",), target_dte=ENTRY_DAYS)
    result = backtest(chains, strategy, Decimal(1_000_000), progress=progress)
    fills = sum(isinstance(event, Fill) for event in result.events)
    if not fills:
        raise ValueError("nothing was traded")
    heavy = {"pandas", "pyarrow", "duckdb", "scipy", "numba"} & set(sys.modules)
    return finished(None, trades=len(result.trades), heavy=sorted(heavy), **loaded)


def optopsy_strangles(folder: Path) -> dict[str, Any]:
    import optopsy
    import pandas as pd

    frame = pd.read_parquet(folder / "optopsy.parquet")
    loaded = {"loaded": time.monotonic(), "loaded cpu": time.process_time()}
    found = optopsy.short_strangles(
        frame,
        max_entry_dte=ENTRY_DAYS,
        exit_dte=0,
        delta_min=-DELTA,
        delta_max=DELTA,
        raw=True,
    )
    return finished(None, trades=len(found), **loaded)


TASKS: dict[str, Task] = {
    task.__name__: task
    for task in (
        decode_one_thread,
        decode_two_threads,
        whole,
        pandas_plain,
        polars_plain,
        polars_exact,
        duckdb_arrow,
        duckdb_plain,
        duckdb_exact,
        build,
        index,
        opened,
        first_trade,
        whole_backtest,
        optopsy_strangles,
    )
}


def _peak_megabytes() -> int:
    """Of this process alone: what the operating system's usage gives holds the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    told = TASKS[sys.argv[1]](Path(sys.argv[2]))
    result = told.pop("result")
    if isinstance(result, dict):
        told["sums"] = sums(result, told.pop("ticks_per_unit", 1.0))
    told["megabytes"] = _peak_megabytes()
    print(json.dumps(told))


if __name__ == "__main__" and len(sys.argv) > 1:
    main()
