"""Loading quotes: 37.6 million rows from Parquet and from the cache, beside the peers.

    python benchmarks/loading.py --rounds 5
    python benchmarks/loading.py --quick --folder /tmp/quotes --only cache

Ten synthetic underlyings of 1,259 sessions, some 2,990 quotes a day, are written through the
store once (kept where a folder is named). Every figure is of fresh processes, from before
Python starts to the result, imports paid, files in the page cache, contestants in turns;
seconds of the processor, all threads together, stand beside those of the clock.
Peers get their best: threads as they like, and beside the store's files, whose prices are exact
decimals, a copy whose columns are all plain integers, in the same row groups and compression.
It takes 5 GB of disk, up to 3 GB of memory and some six minutes of a machine at rest.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from loading_tasks import DELTA, ENTRY_DAYS, FIRST_SESSIONS, SEVEN
from synthetic_quotes import Underlying, fill

from dollarbill_core.storage.partitions import GROUP_ROWS
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import sessions

TASKS = Path(__file__).with_name("loading_tasks.py")
QUICK = 20  # the part of the work that --quick does
YEARS = date(2016, 1, 4), date(2020, 12, 31)
SPOTS = dict(
    zip(
        "AAA BBB CCC DDD EEE FFF GGG HHH III JJJ".split(),
        (400, 300, 200, 150, 180, 100, 90, 250, 330, 500),
        strict=True,
    )
)
INDEX_DAYS = 1000
PEERS = "pandas_plain polars_plain polars_exact duckdb_plain duckdb_arrow duckdb_exact".split()
ENOUGH = 60.0  # seconds after which a contestant is not asked again
Told = dict[str, Any]


# --- the data, made once


def prepare(folder: Path, quick: bool) -> None:
    """The store, its plain copy, and the smaller store of the first trade."""
    if (folder / "ready").is_file():
        return
    part = QUICK if quick else 1
    start, end = YEARS if not quick else (date(2020, 7, 1), date(2020, 12, 31))
    underlyings = [
        Underlying(name, name, spot, max(round(spot / 150), 1), 12, 11, 65)
        for name, spot in list(SPOTS.items())[: 5 if quick else 10]
    ]
    began = time.perf_counter()
    fill(Store.at(folder / "store"), underlyings, start, end)
    print(f"  written through the store in {time.perf_counter() - began:.0f} s")
    _copy_plain(folder)
    index = Underlying("SPX", "SPXW", 3000.0, 25.0, 8, 4, 50)
    days = sessions(date(2017, 1, 3), YEARS[1])[: INDEX_DAYS // part]
    fill(Store.at(folder / "first"), [index], days[0], days[-1])
    (folder / "first.txt").write_text(f"{days[0]} {days[-1]}")
    _copy_for_optopsy(folder)
    (folder / "ready").touch()


def _copy_plain(folder: Path) -> None:
    """Seven columns as plain integers: days since 1970, hundredths of a cent."""
    store = Store.at(folder / "store")
    (folder / "plain").mkdir(exist_ok=True)
    files = []
    for number, part in enumerate(store.parts("quotes")):
        rows = store.read("quotes", part.symbol, part.year, columns=SEVEN)
        plain = pa.table({name: _plain(rows[name]) for name in SEVEN})
        file = folder / "plain" / f"{number:03}.parquet"
        pq.write_table(plain, file, compression="lz4", row_group_size=GROUP_ROWS)
        files.append(store.place.address(part.path))
    (folder / "files.txt").write_text("\n".join(files))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if array.null_count:
        raise ValueError("the peers' copy is of columns without nulls")
    kind = pa.int8() if array.type == pa.int8() else pa.int32()
    return pa.Array.from_buffers(kind, len(array), [None, array.buffers()[1]], 0, array.offset)


def _copy_for_optopsy(folder: Path) -> None:
    """The rows of the first trade in the columns and kinds that optopsy asks for."""
    rows = Store.at(folder / "first").read("quotes", "SPX")
    right = np.where(rows["right"].to_numpy() > 0, "c", "p")
    table = pa.table(
        {
            "underlying_symbol": pa.repeat("SPX", rows.num_rows),
            "underlying_price": rows["underlying"].cast(pa.float64()),
            "option_type": pa.array(right),
            "expiration": rows["expiry"].cast(pa.timestamp("us")),
            "quote_date": rows["date"].cast(pa.timestamp("us")),
            **{name: rows[name].cast(pa.float64()) for name in ("strike", "bid", "ask")},
            "delta": rows["vendor_delta"],
        }
    )
    pq.write_table(table, folder / "optopsy.parquet", compression="lz4")


# --- contests of fresh processes


def once(task: str, folder: Path) -> Told:
    """One fresh process: seconds from before it starts to its result, and what it tells."""
    began = time.monotonic()
    command = [sys.executable, str(TASKS), task, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{task}: {ran.stderr.strip().splitlines()[-1]}")
    told: Told = json.loads(ran.stdout)
    return told | {"seconds": told["ready"] - began}


def rounds_of(tasks: list[str], folder: Path, rounds: int) -> dict[str, list[Told]]:
    """Each task once a round, the first one turning, after one of each that is not counted."""
    slow = {task for task in tasks if once(task, folder)["seconds"] > ENOUGH}
    for task in slow:
        print(f"  {task}: more than {ENOUGH:.0f} s, not asked again")
    asked = [task for task in tasks if task not in slow]
    found: dict[str, list[Told]] = {task: [] for task in asked}
    for turn in range(rounds):
        first = turn % len(asked)
        for task in asked[first:] + asked[:first]:
            found[task].append(once(task, folder))
    return found


def median(runs: list[Told], name: str = "seconds") -> float:
    return float(np.median([run[name] for run in runs]))


def line(title: str, runs: list[Told], goal: str = "", name: str = "seconds") -> None:
    times = [run[name] for run in runs]
    memory = max(run["megabytes"] for run in runs)
    spread = f"{median(runs, name):9.3f} s  [{min(times):.3f}, {max(times):.3f}]"
    used = f"{median(runs, 'cpu' if name == 'seconds' else f'{name} cpu'):7.3f} s cpu"
    peak = f"{memory:6,} MB" if name == "seconds" else ""
    print(f"  {title:44}{spread:31}{used} {peak:10}{goal}".rstrip(), flush=True)


def ratio(runs: list[Told], ours: list[Told]) -> str:
    """How many times longer than ours, round by round: the median and the extremes."""
    ratios = [run["seconds"] / own["seconds"] for run, own in zip(runs, ours, strict=True)]
    return f"{np.median(ratios):5.2f}x ours [{min(ratios):.2f}, {max(ratios):.2f}]"


def verdict(seconds: float, goal: float, part: int) -> str:
    if part != 1:
        return f"(goal {goal} s at full size)"
    return f"goal {goal} s: {'met' if seconds <= goal else 'MISSED'}"


# --- what is measured


def parquet(folder: Path, rounds: int, part: int) -> None:
    print("\nParquet to one array a column, symbol and year; seven columns")
    found = rounds_of(["decode_one_thread", "decode_two_threads"], folder, rounds)
    for task, runs in found.items():
        line(task.replace("_", " "), runs, verdict(median(runs), 1.5, part))
    print("\nParquet to seven contiguous arrays over all rows")
    found = rounds_of(["whole", *PEERS], folder, rounds)
    ours = found.pop("whole")
    line("ours, two threads", ours, verdict(median(ours), 2.5, part))
    for task, runs in found.items():
        if any(run["sums"] != ours[0]["sums"] for run in runs):
            raise ValueError(f"{task} has read other numbers than ours")
        files = "the store's own files" if "exact" in task else "plain integers"
        line(f"{task.partition('_')[0]}, {files}, all cores", runs, ratio(runs, ours))
    fastest = min(found, key=lambda task: median(found[task]))
    slower = median(found[fastest]) / median(ours)
    print(f"  the fastest peer, {fastest}, takes {slower:.2f} times as long as ours")


def cache(folder: Path, rounds: int, part: int) -> None:
    print("\nThe column cache")
    builds = []
    for _ in range(min(rounds, 2)):
        shutil.rmtree(Store.at(folder / "store").local / "columns", ignore_errors=True)
        builds.append(once("build", folder))
    line("built from Parquet, two threads", builds)
    found = rounds_of(["opened", "index"], folder, rounds)
    runs = found["opened"]
    line(
        "all opened, numpy imported", runs, verdict(median(runs, "inner"), 0.05, part), "inner"
    )
    line("  whole process", runs)
    line("one read: seven columns and the index", runs, "", "seven")
    line("  all its columns", runs, verdict(median(runs, "every"), 0.005, part), "every")
    index = found["index"]
    line(
        "next-day index, one thread", index, verdict(median(index, "inner"), 0.6, part), "inner"
    )
    size = sum(file.stat().st_size for file in _cached(folder))
    print(f"  {size / 1e9:.2f} GB of columns, {_stored(folder) / 1e9:.2f} GB of Parquet")


def _cached(folder: Path) -> list[Path]:
    return list((Store.at(folder / "store").local / "columns").glob("*.columns"))


def _stored(folder: Path) -> int:
    return sum(part.size for part in Store.at(folder / "store").parts("quotes"))


def first_trade(folder: Path, rounds: int, part: int) -> None:
    store = Store.at(folder / "first")
    rows = sum(each.rows for each in store.parts("quotes"))
    print(f"\nWhole process to the first trade, {rows:,} rows of SPXW, European, modelled")
    cold = []
    for _ in range(rounds):
        shutil.rmtree(store.local, ignore_errors=True)
        cold.append(once("first_trade", folder))
    found = rounds_of(["first_trade", "optopsy_strangles", "whole_backtest"], folder, rounds)
    ours, theirs = found["first_trade"], found["optopsy_strangles"]
    line("ours, caches standing", ours)
    line("  of that, until its chains are loaded", _until_loaded(ours), name="until")
    print(f"    of the heavy packages it loads: {', '.join(ours[0]['heavy']) or 'none'}")
    line("ours, nothing cached", cold)
    line("ours, the whole backtest, caches standing", found["whole_backtest"])
    line("optopsy, every strangle it enumerates", theirs, ratio(theirs, ours))
    print(f"  goal 3x: {'met' if median(theirs) >= 3 * median(ours) else 'MISSED'}")
    line("  of that, until its data are loaded", _until_loaded(theirs), name="until")
    trades = found["whole_backtest"][0]["trades"]
    entries = theirs[0]["trades"]
    print(f"""  It is not the same job. optopsy enumerates {entries:,} entries of up to
  {ENTRY_DAYS} days and deltas to {DELTA}, held to expiry: no exits on the way, no capital, no
  margin, no assignment. Ours loads every chain and runs {FIRST_SESSIONS} sessions, in which it
  sells its first strangle, with margin; the whole backtest is of {trades} trades, with
  margin, assignment and NAV every day.""")


def _until_loaded(runs: list[Told]) -> list[Told]:
    """The same runs, to the instant at which the data were in memory."""
    left = [run["ready"] - run["loaded"] for run in runs]
    return [
        run | {"until": run["seconds"] - rest, "until cpu": run["loaded cpu"]}
        for run, rest in zip(runs, left, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the rows")
    parser.add_argument("--folder", type=Path, help="where the data are kept between runs")
    parser.add_argument("--only", default="", choices=["", "parquet", "cache", "first trade"])
    given = parser.parse_args()
    contests = {"parquet": parquet, "cache": cache, "first trade": first_trade}
    kept = nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory()
    with kept as name:
        folder = Path(name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, given.quick)
        parts = Store.at(folder / "store").parts("quotes")
        rows = sum(part.rows for part in parts)
        print(f"{rows:,} rows in {len(parts)} files; medians of {given.rounds} [extremes]")
        print(f"load before it began: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for title, contest in contests.items():
            if given.only in title:
                contest(folder, given.rounds, QUICK if given.quick else 1)


if __name__ == "__main__":
    main()
