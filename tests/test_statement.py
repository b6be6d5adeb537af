"""The page an investor opens: its numbers are the record's, and anyone can read it."""

import csv
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal as D
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dollarbill_core.publishing import statement as module
from dollarbill_core.publishing.statement import (
    commentary,
    dollars,
    percent,
    statement_html,
    write_statement,
)
from dollarbill_core.results.monthly import monthly_statement
from dollarbill_core.values.provenance import Quotes, Stage
from tests.record_builder import EVENTS, LINES, PROVENANCE

BROWSER = shutil.which("chromium")
PREMIUM = "Breaks even at a volatility premium of +1.9 points; the chains carry +1.3."
CSS = (Path(module.__file__).parent / "statement.css").read_text()


def made(provenance=PROVENANCE, **more):
    words = {"strategy": "Sells <puts> & calls.", "premium": PREMIUM} | more
    return monthly_statement(LINES, EVENTS, "2026-02", provenance, **words)


STATEMENT = made()
PAGE = statement_html(STATEMENT)


class Tree(HTMLParser):
    """What a test asks of a page: tags with their attributes, and marked figures with text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.figures: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if name := dict(attrs).get("data-figure"):
            self._inside = name
            self.figures[name] = ""

    def handle_data(self, data):
        if self._inside:
            self.figures[self._inside] += data

    def handle_endtag(self, tag):
        self._inside = ""

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.tags)


TREE = Tree(PAGE)


def text(page: str = PAGE) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))


# What it says.


def test_the_first_screens_figures_are_the_records():
    assert TREE.figures == {
        "label": "PAPER (REHEARSED) · MODELLED",
        "period": "February\u00a02026",
        "net-profit": "($251.48)",
        "gross-profit": "($247.66)",
        "nav": "$109,697.82",
        "worst-month": percent(STATEMENT.worst_month[1]),
        "peak-margin": percent(STATEMENT.margin.peak_share, 1),
        "status": "complete",
    }


def test_net_and_gross_returns_stand_beneath_their_dollars():
    month = STATEMENT.periods[0]
    net, gross = (f"a return of {percent(value)}" for value in (month.net, month.gross))

    assert net != gross
    assert re.search(rf"\(\$251.48\)</dd><dd class=\"more\">{re.escape(net)}</dd>", PAGE)
    assert re.search(rf"\(\$247.66\)</dd><dd class=\"more\">{re.escape(gross)}</dd>", PAGE)


def test_the_label_comes_before_everything_else():
    body = PAGE[PAGE.index("<body>") :]

    assert body.index("PAPER (REHEARSED) · MODELLED") < body.index("<main>")


def test_the_break_even_premium_leads_before_any_figure():
    assert PAGE.index(PREMIUM) < PAGE.index('data-figure="net-profit"')


def test_every_line_of_the_bridge_stands_on_the_page():
    words = text()
    for name, amount in STATEMENT.bridge.gains:
        assert name.value in words
        assert dollars(amount) in words
    for kind, amount in STATEMENT.bridge.fees:
        assert f"Fee: {kind}" in words
        assert dollars(-amount) in words
    for amount in (STATEMENT.bridge.opening, STATEMENT.bridge.flows, STATEMENT.bridge.closing):
        assert dollars(amount) in words


def test_net_and_gross_stand_side_by_side_for_every_period():
    rows = re.findall(
        r"<th scope=\"row\">(Month to date|Year to date).*?</tr>", PAGE, re.DOTALL
    )
    month = STATEMENT.periods[0]

    assert rows == ["Month to date", "Year to date"]
    assert f"<td>{percent(month.net)}<small>($251.48)</small></td>" in PAGE
    assert f"<td>{percent(month.gross)}<small>($247.66)</small></td>" in PAGE


def test_a_short_record_is_not_annualised():
    words = text()

    assert words.count("n/a – 1 month") == 6 + 8  # three periods, four ratios, net and gross


def test_trades_positions_and_assignments_are_told():
    words = text()

    assert "SELL PUT 1 XYZ 2026-02-20 100 PUT" in words
    assert "delivered stock sold, assigned" in words
    assert "($351.70)" in words
    assert "SELL PUT 2" in words
    assert "XYZ 2026-03-20 90 PUT" in words
    assert "($260.00)" in words


def test_the_commentary_is_made_of_the_figures():
    earned, done, at_risk = (line.replace("\u00a0", " ") for line in commentary(STATEMENT))

    assert earned.startswith("From the close of 30 Jan 2026 to that of 27 Feb 2026")
    assert "the account lost $251.48 after fees" in earned
    assert "before $3.82 of fees" in earned
    assert done == (
        "It opened 2 trades and closed 2 (1 by profit target, 1 by delivered stock sold), took "
        "in $350.00 of premium and paid back $50.00; 1 contract was assigned."
    )
    assert "on 19 Feb 2026 and 1 position stood open" in at_risk


def test_hypothetical_results_say_that_no_money_was_at_risk():
    live = statement_html(made(replace(PROVENANCE, stage=Stage.LIVE, quotes=Quotes.QUOTED)))

    assert "Hypothetical performance: no money was at risk." in PAGE
    assert "Nobody quoted these options" in PAGE
    assert "Hypothetical" not in live
    assert "Nobody quoted" not in live


def test_incidents_are_listed_and_counted():
    page = statement_html(
        made(incidents=["Quotes were stale on 5 February.", "Stopped <once>."])
    )

    assert Tree(page).figures["status"] == "2 incidents"
    assert "<li>Quotes were stale on 5 February.</li>" in page
    assert "Stopped &lt;once&gt;." in page


def test_provenance_stands_in_full():
    words = text()
    for told in ("hand-made", "0123456789ab", "fedcba987654", PROVENANCE.code_version, "7"):
        assert told in words


def test_words_from_outside_cannot_become_markup():
    assert "Sells &lt;puts&gt; &amp; calls." in PAGE
    assert "Prices are &lt;typed&gt; &amp; constant." in PAGE


@pytest.mark.parametrize("month", ["2026-01", "2026-02"])
def test_every_month_of_the_record_makes_a_page(month):
    told = monthly_statement(LINES, EVENTS, month, PROVENANCE, strategy="Sells puts.")

    assert 'data-figure="status">complete' in statement_html(told)


# Who can read it.


def test_the_page_opens_anywhere():
    sources = {"src", "href", "srcset", "data", "action"}
    asked = [(tag, key) for tag, attrs in TREE.tags for key in attrs if key in sources]

    assert asked == []
    assert TREE.count("script") == TREE.count("link") == TREE.count("img") == 0
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert "default-src 'none'" in PAGE
    assert len(PAGE.encode()) < 300_000


def test_a_screen_reader_finds_its_way():
    assert ("html", {"lang": "en"}) in TREE.tags
    assert TREE.count("h1") == TREE.count("main") == 1
    assert TREE.count("table") == TREE.count("caption") > 5
    headings = [attrs for tag, attrs in TREE.tags if tag == "th"]
    assert {attrs.get("scope") for attrs in headings} == {"col", "row"}
    pictures = [attrs for tag, attrs in TREE.tags if tag == "svg"]
    assert [attrs["role"] for attrs in pictures] == ["img", "img"]
    ids = {attrs["id"] for _, attrs in TREE.tags if "id" in attrs}
    assert {name for p in pictures for name in p["aria-labelledby"].split()} <= ids


def palettes() -> dict[str, dict[str, str]]:
    """The colours of each medium: day, night, paper."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    day, night, paper = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks)
    return {"day": day, "night": night, "paper": day | paper}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("medium", ["day", "night", "paper"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "paper"),
        ("soft", "paper"),
        ("net", "paper"),
        ("gross", "paper"),
        ("ribbon", "ribbon-wash"),
    ],
)
def test_text_contrasts_by_wcag_aa(medium, ink, ground):
    colours = palettes()[medium]
    low, high = sorted((luminance(colours[ink]), luminance(colours[ground])))

    assert (high + 0.05) / (low + 0.05) >= 4.5


PROBE = """<script>addEventListener("load", () => {
const told = {width: innerWidth, height: innerHeight,
  wide: [...document.querySelectorAll("*")].filter(
    e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)};
for (const e of document.querySelectorAll("[data-figure]"))
  told[e.dataset.figure] = e.getBoundingClientRect().bottom;
document.body.textContent = "PROBE" + JSON.stringify(told) + "PROBE";
});</script>"""


RELAY = """<script>setTimeout(() => { document.body.dataset.told =
document.querySelector("iframe").contentDocument.body.textContent; }, 500);</script>"""


@pytest.mark.skipif(
    BROWSER is None and os.environ.get("CI") != "true",
    reason="no Chromium here: install Debian's chromium to look at the page",
)
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_first_screen_holds_the_answer_and_nothing_is_too_wide(width, height, tmp_path):
    page = re.sub(r"<meta http-equiv[^>]*>", "", PAGE).replace("</head>", f"{PROBE}</head>")
    style = f"border:0;width:{width}px;height:{height}px"
    frame = f'<iframe style="{style}" srcdoc="{escape(page)}"></iframe>'
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><body>{frame}{RELAY}")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

    seen = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1400,1000",
            "--virtual-time-budget=3000",
            "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    told = json.loads(re.search(r'data-told="PROBE(.*?)PROBE"', seen)[1].replace("&quot;", '"'))

    assert (told.pop("width"), told.pop("height")) == (width, height)
    assert told.pop("wide") == []
    assert {"period", "net-profit", "worst-month", "peak-margin", "label", "status"} <= set(
        told
    )
    assert max(told.values()) <= height


# The files beside it.


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_files_are_whole_and_say_the_same(tmp_path):
    page, data, trades, positions = write_statement(STATEMENT, tmp_path / "new")

    told = json.loads(data.read_text())
    assert page.read_text() == PAGE
    assert D(told["bridge"]["net_profit"]) == D("-251.48")
    assert D(told["bridge"]["closing_nav"]) == D("109697.82")
    assert told["label"] in PAGE
    assert told["periods"][3]["net"] is None
    assert [row["trade"] for row in rows(trades)] == ["XYZ-2", "XYZ-1"]
    (held,) = rows(positions)
    assert (held["action"], held["quantity"], held["basis"]) == ("SELL_PUT", "-2", "quote")
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(
        path.name for path in (page, data, trades, positions)
    )


def test_the_same_record_gives_the_same_bytes(tmp_path):
    first = [p.read_bytes() for p in write_statement(made(), tmp_path / "1")]
    second = [p.read_bytes() for p in write_statement(made(), tmp_path / "2")]

    assert first == second


def test_a_page_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="isoformat"):
        write_statement(replace(STATEMENT, worst_month=("never", 0.0)), tmp_path)

    assert list(tmp_path.iterdir()) == []
