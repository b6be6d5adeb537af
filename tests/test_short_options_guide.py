"""The guide for sellers of options: its blocks run, and its text says no figure they do not."""

import doctest
import re
from decimal import Decimal
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[1] / "docs" / "short_options_guide.md").read_text("utf-8")
BLOCK = re.compile(r"```pycon\n(.*?)```", re.DOTALL)
STRATEGIES = (
    "Short put, Short call, Strangle, Straddle, Credit spreads, Iron condor, Iron fly, "
    "Covered call, Covered strangle, Collar, Wheel, Calendar, Box, Conversion and reversal, "
    "Ratio spread"
).split(", ")


def sections(guide: str) -> dict[str, str]:
    """What stands under each heading, by heading."""
    parts = re.split(r"^#+ (.+)$", guide, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = sections(GUIDE)


def numbers(text: str) -> set[Decimal]:
    """Every number in a text, commas and signs apart."""
    found = re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)
    return {Decimal(each.replace(",", "")) for each in found}


def unproved(section: str) -> set[Decimal]:
    """Numbers of the text that its blocks do not bear out.

    Dollars must be printed by a block of the section; any other number may also be one that a
    block is given, such as a strike, or a fraction said in percent.
    """
    examples = doctest.DocTestParser().get_examples("\n".join(BLOCK.findall(section)))
    printed = numbers("\n".join(example.want for example in examples))
    given = numbers("\n".join(example.source for example in examples))
    text = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", section))
    dollars = numbers(" ".join(re.findall(r"\$[\d,.]*\d", text)))
    others = numbers(re.sub(r"\$[\d,.]*\d", "", text))
    known = printed | given | {100 * each for each in given}
    return (dollars - printed) | (others - known)


def test_every_block_prints_what_it_says():
    code = "\n".join(BLOCK.findall(GUIDE))
    said: list[str] = []

    guide = doctest.DocTestParser().get_doctest(code, {}, "guide", "guide", 0)
    result = doctest.DocTestRunner(verbose=False).run(guide, out=said.append)

    assert result.attempted > 60
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("heading", SECTIONS)
def test_no_figure_of_the_text_is_unproved(heading):
    assert unproved(SECTIONS[heading]) == set()


@pytest.mark.parametrize("heading", STRATEGIES)
def test_each_strategy_shows_its_margin_and_its_worst_case(heading):
    section = SECTIONS[heading]

    assert ">>> told(" in section
    assert "worst loss" in section
    assert re.search(r"own money: Reg T \$[\d,.]+, portfolio margin \$[\d,.]+", section)
    assert "assign" in BLOCK.sub("", section).lower()


WRONG = """
A put at 95 asks $1,697.00, a rate of 20 %, and half.

```pycon
>>> print(f"put at {95}, rate {0.2}: $1,697.00")
put at 95, rate 0.2: $1,697.00
```
"""


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (("", ""), set()),
        (("$1,697.00,", "$1,698.00,"), {Decimal(1698)}),
        (("asks $1,697.00", "asks $95"), set()),
        (("at 95 asks", "at 96 asks"), {Decimal(96)}),
        (("20 %", "25 %"), {Decimal(25)}),
        ((": $1,697.00\n```", ": $1,697.10\n```"), {Decimal(1697)}),
    ],
)
def test_a_wrong_figure_is_found(changed, found):
    assert unproved(WRONG.replace(*changed, 1)) == found
