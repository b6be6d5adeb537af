"""Reads a kernel's assembly: is its loop made of vector instructions?"""

import re
from typing import NamedTuple

import pytest

_X86_VERB = r"v?f?(?:n?m(?:add|sub)|add|sub|mul)(?:132|213|231)?"
_PACKED = {
    "x86": re.compile(rf"\s{_X86_VERB}pd\b"),
    "ARM": re.compile(r"\sf(?:add|sub|mul|mla|mls|mad|msb)\b.*\b(?:v\d+\.2d|z\d+\.d)"),
}
_SCALAR = {
    "x86": re.compile(rf"\s{_X86_VERB}sd\b"),
    "ARM": re.compile(r"\sf(?:n?m(?:add|sub|ul)|add|sub)\s+d\d+"),
}
_CALL = re.compile(r"\s(?:callq?|blr?)\s")
_LABEL = re.compile(r"^(\.?\w+):")
_JUMP = re.compile(
    r"^\s+(?:j[a-z]+|b(?:\.?[a-z]+)?|cbn?z|tbn?z|ret[a-z]*)\b(?:.*?(\.?LBB\w+))?"
)


class Arithmetic(NamedTuple):
    """Additions and multiplications of doubles in a piece of code, and what it calls."""

    packed: int
    scalar: int
    calls: int  # of functions, which take one number at a time


def vector_loop(assembly: str) -> Arithmetic:
    """The run that jumps back to its own start, and of these the one with most packed verbs.

    A loop without branches, as vectors need it, is such a run; what is left over at its end
    is done by another, scalar one. Skips the test on a processor that is neither x86-64 nor
    64-bit ARM.
    """
    machine = next((each for each, verb in _SCALAR.items() if verb.search(assembly)), None)
    if machine is None:
        pytest.skip("neither x86-64 nor ARM")
    counted = _PACKED[machine], _SCALAR[machine], _CALL
    found = [
        Arithmetic(*(len(each.findall(run)) for each in counted))
        for run in _runs_back_to_their_start(assembly)
    ]
    return max(found, default=Arithmetic(0, 0, 0))


def _runs_back_to_their_start(assembly: str) -> list[str]:
    runs, label, lines = [], "", list[str]()
    for line in assembly.splitlines():
        if named := _LABEL.match(line):
            label, lines = named[1], []
        elif jump := _JUMP.match(line):
            if jump[1] == label:
                runs.append("\n".join(lines))
            label, lines = "", []
        else:
            lines.append(line)
    return runs
