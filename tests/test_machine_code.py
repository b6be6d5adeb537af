"""Kernels are compiled once, follow every edit, and start without their compiler."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from dollarbill_core.pricing import machine_code
from dollarbill_core.pricing.machine_code import (
    Floats,
    UnfitKernel,
    bits_of,
    compiled,
    float_of,
    inlined,
)

CHAPTER = Path(machine_code.__file__).parent


@inlined
def halved(x: float) -> float:
    return float_of(bits_of(x) - (1 << 52))


@compiled
def halves(numbers: Floats, out: Floats, raised: float, count: int) -> None:
    for i in range(count):
        out[i] = halved(numbers[i]) + raised


@compiled
def summed(numbers: Floats, out: Floats) -> None:
    total = 0.0
    for _ in range(200):
        for i in range(numbers.size):
            total += numbers[i]
    out[0] = total


class TestAKernel:
    def test_gives_what_its_plain_twin_gives(self):
        numbers = np.array([2.0, -3.0, 1e300])
        fast, slow = np.zeros(3), np.zeros(3)

        halves(numbers, fast, 0.5, 2)
        halves.plain(numbers, slow, 0.5, 2)

        assert fast.tolist() == slow.tolist() == [1.5, -1.0, 0.0]

    def test_runs_in_several_threads_at_once(self):
        results = [np.zeros(1) for _ in range(4)]
        numbers = np.arange(10_000.0)

        threads = [threading.Thread(target=summed, args=(numbers, each)) for each in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {float(each[0]) for each in results} == {200 * 49_995_000.0}

    @pytest.mark.parametrize(
        "unfit",
        [np.zeros((2, 2)), np.zeros(4)[::2], np.zeros(2, np.float32), np.zeros(2, np.int64)],
        ids="two-dimensional strided float32 integer".split(),
    )
    def test_refuses_an_array_that_it_would_misread(self, unfit):
        with pytest.raises(TypeError, match="contiguous float64"):
            halves(unfit, np.zeros(2), 0.0, 2)

    def test_refuses_a_wrong_number_of_arguments(self):
        with pytest.raises(ValueError, match="argument"):
            halves(np.zeros(2), np.zeros(2), 0.0)

    def test_needs_its_arguments_annotated(self):
        def loose(numbers, out):
            out[0] = numbers[0]

        with pytest.raises(UnfitKernel, match="numbers must be Floats, float or int"):
            compiled(loose)

    def test_may_not_allocate(self):
        @compiled
        def greedy(numbers: Floats, out: Floats) -> None:
            scratch = np.empty(numbers.size)
            for i in range(out.size):
                scratch[i] = numbers[i]
                out[i] = scratch[i]

        with pytest.raises(Exception, match=r"np\.empty"):
            greedy(np.zeros(2), np.zeros(2))

    def test_refuses_code_that_would_not_link(self):
        with pytest.raises(UnfitKernel, match="numba_gil_ensure"):
            machine_code._require_alone(halves, ["llvm.sqrt.f64", "erfc", "numba_gil_ensure"])


def copied_chapter(folder: Path) -> Path:
    """The package's sources somewhere else, without a cache."""
    target = folder / "dollarbill_core"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHAPTER.parent, target, ignore=ignored)
    return target / "pricing"


def ran(folder: Path, lines: str, **environment: str) -> str:
    """What a fresh process prints that imports the copy and not the package."""
    beside = os.environ | {"PYTHONPATH": str(folder)} | environment
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(lines)],
        cwd=folder,
        env=beside,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


PRICED = """
    import sys
    from dollarbill_core.pricing import black_scholes
    assert "numba" not in sys.modules
    told = float(black_scholes.price(1, 100.0, 100.0, 1.0, 0.0, 0.2))
    print(f"{told:.6f}", "compiled" if "numba" in sys.modules else "linked")
"""


PRICED_BY_THREADS = """
    from threading import Barrier, Thread
    import numpy as np
    from dollarbill_core.pricing import black_scholes
    ready, told = Barrier(6), []
    def work():
        ready.wait()
        told.append(float(black_scholes.price(1, 100.0, 100.0, 1.0, 0.0, 0.2)))
    threads = [Thread(target=work) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(len(told), *sorted(set(f"{price:.6f}" for price in told)))
"""


SPOILED = """
_sound = erfcx
@inlined
def erfcx(a: float) -> float:
    return 1.01 * _sound(a)
"""


class TestTheCache:
    def test_follows_an_edit_of_a_callee_in_another_module(self, tmp_path):
        chapter = copied_chapter(tmp_path)
        callee = chapter / "kernels.py"

        first, second = ran(tmp_path, PRICED), ran(tmp_path, PRICED)
        callee.write_text(callee.read_text() + SPOILED)
        third, fourth = ran(tmp_path, PRICED), ran(tmp_path, PRICED)

        assert first == "7.965567 compiled"
        assert second == "7.965567 linked"
        assert third.endswith("compiled") and not third.startswith("7.965567")
        assert fourth == third.replace("compiled", "linked")

    def test_is_filled_once_by_threads_that_call_at_the_same_time(self, tmp_path):
        copied_chapter(tmp_path)

        assert ran(tmp_path, PRICED_BY_THREADS) == "6 7.965567"

    def test_an_edit_after_the_import_is_left_to_the_next_process(self, tmp_path):
        chapter = copied_chapter(tmp_path)
        edited = f"open({str(chapter / 'kernels.py')!r}, 'a').write({SPOILED!r})"
        imported = "    import sys\n    from dollarbill_core.pricing import black_scholes\n"

        first = ran(tmp_path, f"{imported}    {edited}\n{PRICED}")
        second = ran(tmp_path, PRICED)

        assert first == "7.965567 compiled"
        assert second.endswith("compiled") and not second.startswith("7.965567")

    def test_mends_a_damaged_file(self, tmp_path):
        chapter = copied_chapter(tmp_path)
        ran(tmp_path, PRICED)
        (stored,) = {file for file in chapter.rglob("*.o") if "price" in file.name}
        stored.write_bytes(stored.read_bytes()[:-100])

        assert ran(tmp_path, PRICED) == "7.965567 compiled"
        assert ran(tmp_path, PRICED) == "7.965567 linked"

    def test_goes_to_the_users_folder_where_the_package_cannot_be_written(self, tmp_path):
        chapter = copied_chapter(tmp_path)
        (chapter / "__pycache__").write_text("a file, so that no folder can be made here")
        kept = str(tmp_path / "kept")

        assert ran(tmp_path, PRICED, XDG_CACHE_HOME=kept) == "7.965567 compiled"
        assert ran(tmp_path, PRICED, XDG_CACHE_HOME=kept) == "7.965567 linked"
        assert list(Path(kept).rglob("*.o"))

    def test_never_goes_to_a_folder_that_depends_on_where_one_stands(self, tmp_path):
        chapter = copied_chapter(tmp_path)
        (chapter / "__pycache__").write_text("a file, so that no folder can be made here")

        told = ran(tmp_path, PRICED, XDG_CACHE_HOME="relative", HOME="home")

        assert told == "7.965567 compiled"
        assert not (tmp_path / "relative").exists() and not (tmp_path / "home").exists()
