"""Importing a large file: rows a second, memory, and the same store whatever was killed.

    python benchmarks/importing.py --rows 40000000 --kills 5

A file in OptionsDX's layout is made, so many lines of a call and a put each, some 350 bytes a
line: 14 GB for 40 million. It is imported by the public function in a process of its own,
which says its time and its greatest memory; then once more into a second store by processes
that are killed with SIGKILL at random moments, each going on where the last one was. Both
stores must hold the same files, byte for byte. All of it lies in a temporary folder, some 25 GB
for 40 million lines, and is removed.
"""

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dollarbill_core.values.calendars import sessions

EXPIRIES, STRIKES = 40, 200
A_DAY = EXPIRIES * STRIKES
HEADER = (
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], "
    "[EXPIRE_DATE], [EXPIRE_UNIX], [DTE], [C_DELTA], [C_GAMMA], [C_VEGA], [C_THETA], [C_RHO], "
    "[C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], "
    "[P_SIZE], [P_LAST], [P_DELTA], [P_GAMMA], [P_VEGA], [P_THETA], [P_RHO], [P_IV], "
    "[P_VOLUME], [STRIKE_DISTANCE], [STRIKE_DISTANCE_PCT]\n"
)
# A line: what is the same in all, dates that are put in as text, and numbers as digits.
LINE = (
    "{UNIX}, {DAY} 16:00, {DAY}, 16.000000, {SPOT}, {EXPIRY}, {UNIX}, {DTE}, 0.523410, "
    "0.012340, 0.152300, -0.045600, 0.098700, {VOL}, {VOLUME}, {LAST}, 12 x 340, {BID}, {ASK}, "
    "{STRIKE}, {BID}, {ASK}, 7 x 8, {LAST}, -0.476590, 0.012340, 0.152300, -0.045600, "
    "-0.098700, {VOL}, {VOLUME}, 20.0, 0.044\n"
)
WIDTHS = {
    "UNIX": 10, "DAY": 10, "EXPIRY": 10, "SPOT": 11, "DTE": 10, "VOL": 8, "VOLUME": 8,
    "LAST": 10, "BID": 10, "ASK": 10, "STRIKE": 11,
}  # fmt: skip
DECIMALS = {
    "DTE": 6,
    "SPOT": 6,
    "VOL": 6,
    "VOLUME": 0,
    "LAST": 6,
    "BID": 6,
    "ASK": 6,
    "STRIKE": 6,
}


def layout() -> tuple[NDArray[np.uint8], dict[str, list[int]]]:
    """The line as bytes, and where in it each of the changing parts stands."""
    places: dict[str, list[int]] = {name: [] for name in WIDTHS}
    text, rest = "", LINE
    while rest:
        before, opened, after = rest.partition("{")
        text += before
        if opened:
            name, _, after = after.partition("}")
            places[name].append(len(text))
            text += "0" * WIDTHS[name]
        rest = after
    return np.frombuffer(text.encode(), np.uint8), places


def digits(numbers: NDArray[np.int64], width: int, decimals: int) -> NDArray[np.uint8]:
    """Whole numbers of the last decimal as text of one width, spaces before; (n, width)."""
    whole = width - decimals - (1 if decimals else 0)
    powers = 10 ** np.arange(whole + decimals - 1, -1, -1, dtype=np.int64)
    found = ((numbers[:, None] // powers) % 10).astype(np.uint8) + ord("0")
    lead = np.cumsum(found[:, : whole - 1] != ord("0"), axis=1) == 0
    found[:, : whole - 1][lead] = ord(" ")
    if not decimals:
        return found
    dot = np.full((len(numbers), 1), ord("."), np.uint8)
    return np.hstack([found[:, :whole], dot, found[:, whole:]])


def day_lines(day: np.datetime64, rng: np.random.Generator) -> bytes:
    """The chains of one day: 40 expiries a week apart, 200 strikes each."""
    line, places = layout()
    rows = np.tile(line, (A_DAY, 1))
    expiries = np.repeat(day + 7 * np.arange(EXPIRIES), STRIKES)
    cents = rng.integers(0, 20_000, A_DAY)
    numbers = {
        "UNIX": np.full(A_DAY, day.astype("datetime64[s]").astype(np.int64)),
        "DTE": (expiries - day).astype(np.int64) * 10**6,
        "SPOT": np.full(A_DAY, int(rng.integers(30_000, 50_000)) * 10**4),
        "VOL": rng.integers(50_000, 900_000, A_DAY),
        "VOLUME": rng.integers(0, 99_999, A_DAY),
        "LAST": cents * 10**4,
        "BID": cents * 10**4,
        "ASK": (cents + rng.integers(0, 50, A_DAY)) * 10**4,
        "STRIKE": np.tile(200 + 2 * np.arange(STRIKES), EXPIRIES) * 10**6,
    }
    parts = {
        name: digits(each, WIDTHS[name], DECIMALS.get(name, 0))
        for name, each in numbers.items()
    }
    parts["DAY"] = np.frombuffer(str(day).encode(), np.uint8)
    names = np.array([str(each).encode() for each in expiries[::STRIKES]])
    parts["EXPIRY"] = np.repeat(names.view(np.uint8).reshape(EXPIRIES, 10), STRIKES, axis=0)
    for name, starts in places.items():
        for start in starts:
            rows[:, start : start + WIDTHS[name]] = parts[name]
    return rows.tobytes()


def write_file(file: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = sessions(*(np.datetime64(day).item() for day in ("2002-01-02", "2026-12-31")))
    with file.open("wb") as out:
        out.write(HEADER.encode())
        for day in days[: -(-rows // A_DAY)]:
            text = day_lines(np.datetime64(day), rng)
            size = len(text) // A_DAY
            out.write(text[: size * min(A_DAY, rows)])
            rows -= A_DAY


def imported(store: Path, file: Path) -> None:
    """In a process of its own: the public import, and what it took, as JSON."""
    from dollarbill_core.formats.imports import import_files
    from dollarbill_core.storage.store import Store

    report = import_files("optionsdx", [file], Store.at(store))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "read": report.read,
                "rows": report.rows,
                "rejected": report.rejected,
                "new": report.added.new,
                "seconds": report.seconds,
                "cpu": used.ru_utime + used.ru_stime,
                "peak": peak_memory(),
            }
        )
    )


def peak_memory() -> int:
    """Bytes of this process at most.

    On Linux ``ru_maxrss`` won't do: it counts what the process was before it became Python,
    a copy of its parent.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def process(store: Path, file: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--import", str(store), str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcome(run: "subprocess.Popen[str]") -> dict[str, Any]:
    said, _ = run.communicate()
    if run.returncode:
        raise SystemExit(f"an import ended with {run.returncode}")
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    return told


def killed(store: Path, file: Path, kills: int, seconds: float, seed: int) -> Iterator[float]:
    """Kills imports at random moments of what an undisturbed one takes; then lets one end."""
    rng = random.Random(seed)
    for _ in range(kills):
        run = process(store, file)
        wait = rng.uniform(0.02, 0.6) * seconds
        try:
            run.wait(wait)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
        run.communicate()
        if run.returncode == 0:
            return
        yield wait
    outcome(process(store, file))


def contents(store: Path) -> dict[str, tuple[int, str]]:
    from dollarbill_core.storage.store import Store

    opened = Store.at(store)
    faults = opened.damage()
    if faults:
        raise SystemExit("\n".join(faults))
    return {str(part.key): (part.rows, part.digest) for part in opened.parts("quotes")}


def measured(rows: int, kills: int, seed: int, folder: Path | None = None) -> dict[str, Any]:
    """Makes the file, imports it undisturbed and killed, and compares the stores."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file = Path(place) / "spy_eod.txt"
        write_file(file, rows, seed)
        size = file.stat().st_size
        print(f"{rows:,} lines, {size / 1e9:.2f} GB", flush=True)
        told = outcome(process(Path(place) / "whole", file))
        each = 1 / told["seconds"]
        print(
            f"imported in {told['seconds']:.1f} s: {told['read'] * each:,.0f} lines, "
            f"{told['rows'] * each:,.0f} quotes a second; {told['cpu']:.1f} s of "
            f"processor; peak memory {told['peak'] / 2**20:,.0f} MiB",
            flush=True,
        )
        began = time.monotonic()
        waits = list(killed(Path(place) / "killed", file, kills, told["seconds"], seed))
        told |= {"size": size, "kills": len(waits)}
        whole, resumed = (contents(Path(place) / name) for name in ("whole", "killed"))
        told |= {"same": whole == resumed, "parts": len(whole)}
        told["stored"] = sum(count for count, _ in whole.values())
        shown = ", ".join(f"{wait:.1f}" for wait in waits)
        print(
            f"killed {len(waits)} times, after {shown} s, and resumed: {len(resumed)} files, "
            f"{'the same' if told['same'] else 'NOT the same'} "
            f"({time.monotonic() - began:.1f} s in all)",
            flush=True,
        )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--import", dest="one", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        imported(*given.one)
        return
    told = measured(given.rows, given.kills, given.seed, given.folder)
    met = told["same"] and told["peak"] < 10**9 and told["stored"] == 2 * given.rows
    print("met" if met else "missed", "the goals: the same store, all rows, under 1 GB")
    if not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
