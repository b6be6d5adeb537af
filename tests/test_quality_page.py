"""The page of a check: every number from the check, no script, no request."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from dollarbill_core.market.faults import MEANING, Fault
from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.publishing.quality_page import (
    faults_told,
    quality_csv,
    quality_html,
    share,
    verdict,
)
from dollarbill_core.storage.checking import Checked, SymbolCheck, TwoPrices

NOW = datetime(2026, 11, 21, 17, 20, tzinfo=UTC)
DAYS = [date(2021, 1, day) for day in (4, 5, 6, 7)]


def day_of(day: date, score: float = 1.0, **counts: int) -> DayQuality:
    return DayQuality(day, 20, {Fault[name]: count for name, count in counts.items()}, score)


SPY = Quality(
    "SPY",
    (day_of(DAYS[0], NO_BID=3), day_of(DAYS[1], 0.45, CROSSED=1, ASYNCHRONOUS_SPOT=1)),
    tuple(DAYS),
)
WHOLE = Quality("A<B", tuple(day_of(day) for day in DAYS), tuple(DAYS))
CHECKED = Checked(
    "chains",
    (
        SymbolCheck(
            SPY,
            gaps=((DAYS[2], "the source answered 429"),),
            apart=(TwoPrices(DAYS[0], 370.0, 372.0),),
            idle=(DAYS[3],),
        ),
        SymbolCheck(WHOLE),
    ),
    ("quotes/symbol=SPY/year=2020/x.parquet is damaged",),
)
CLEAN = Checked("chains", (SymbolCheck(WHOLE),))


class Text(HTMLParser):
    """The words of a page, cell by cell, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.words.append(" ".join(data.split()))


def test_the_page_says_first_what_is_wrong():
    words = Text(quality_html(CHECKED, NOW)).words

    assert verdict(CHECKED) in words[:8]
    assert verdict(CHECKED) == (
        "1 damaged file and 2 sessions without a chain; grave faults on 1 of 6 days."
    )


@pytest.mark.parametrize(
    ("checked", "told"),
    [
        (CLEAN, "Every file is whole and every session has its chain; no grave fault on any of "
                "4 days."),
        (Checked("chains", (SymbolCheck(replace(SPY, days=())),)),
         "4 sessions without a chain; no day could be judged."),
    ],
)  # fmt: skip
def test_a_verdict_in_one_sentence(checked, told):
    assert verdict(checked) == told


def test_every_finding_is_on_the_page():
    page = quality_html(CHECKED, NOW)
    text = " ".join(Text(page).words)

    for finding in (
        "quotes/symbol=SPY/year=2020/x.parquet is damaged",
        "2021-01-06: the source answered 429",
        "2 without a chain: 2021-01-06, 2021-01-07.",
        "On 1 of them the underlying has a close",
        "2021-01-04 372.00 beside 370.00 (+0.5%)",
        "1 crossed, asynchronous spot",
        MEANING[Fault.CROSSED],
        "2026-11-21 at 17:20 UTC",
    ):
        assert finding in text, finding
    assert MEANING[Fault.STALE] not in text  # none was found


def test_the_table_of_symbols_holds_coverage_and_score():
    words = Text(quality_html(CHECKED, NOW)).words
    row = words[words.index("4 Jan 2021 to 7 Jan 2021") - 1 :][:7]

    assert row == ["SPY", "4 Jan 2021 to 7 Jan 2021", "4", "50.0 %", "72.50 %", "40", "1"]


def test_the_page_needs_no_script_and_asks_for_nothing():
    page = quality_html(CHECKED, NOW)
    tags = Text(page).tags

    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    assert not re.findall(r"\b(?:src|href)=", page)
    assert set(re.findall(r"https?://[^\"]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


def test_names_are_escaped():
    assert "A&lt;B" in quality_html(CHECKED, NOW)
    assert "A<B" not in quality_html(CHECKED, NOW)


def test_the_same_check_gives_the_same_page():
    assert quality_html(CHECKED, NOW) == quality_html(CHECKED, NOW)


def test_an_empty_check_is_a_page():
    assert "damaged" in quality_html(Checked("chains", (), ("x is damaged",)), NOW)


def test_a_clean_page_lists_nothing_wrong():
    page = quality_html(CLEAN, NOW)

    assert "What is wrong" not in page and "Worst days" not in page
    assert "What else to know" not in page and "Damaged" not in page


def test_the_csv_has_every_symbol_and_day():
    rows = list(csv.DictReader(io.StringIO(quality_csv(CHECKED))))

    assert [(row["symbol"], row["date"]) for row in rows] == [
        (symbol, day.isoformat()) for symbol in ("SPY", "A<B") for day in DAYS
    ]
    second, third = rows[1], rows[2]
    assert (second["rows"], second["score"], second["crossed"]) == ("20", "0.450000", "1")
    assert second["asynchronous_spot"] == "1" and second["stale"] == "0"
    assert (third["rows"], third["score"], third["crossed"]) == ("0", "", "")
    assert list(rows[0])[4:] == [fault.name.lower() for fault in Fault]


def test_a_day_in_words_leaves_out_what_costs_nothing():
    each = day_of(DAYS[0], 0.9, NO_BID=400, JUNK_VOL=3, LOCKED=2, COPIED_DAY=1)

    assert faults_told(each) == "2 locked, copied day"


@pytest.mark.parametrize(
    ("value", "told"),
    [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.0, "0.0 %"), (0.125, "12.5 %")],
)
def test_a_share_is_never_rounded_up(value, told):
    assert share(value).replace("\u00a0", " ") == told


def test_every_fault_has_a_meaning():
    assert list(MEANING) == list(Fault)
