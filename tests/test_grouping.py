"""The least total over all legal groupings, against every partition and against HiGHS."""

import random
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
from scipy.optimize import OptimizeResult

from dollarbill_core.market.view import View
from dollarbill_core.rules import grouping
from dollarbill_core.rules.accounts import INTERACTIVE_BROKERS_REG_T, REG_T
from dollarbill_core.rules.margin import requirement
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Option, Right, Stock
from tests.grouping_oracles import Market, highs_total, least_totals, units_of

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
MONTHS = (date(2026, 11, 20), date(2026, 12, 18), date(2027, 3, 19), date(2027, 12, 17))
LONG_TERM = MONTHS[-1]
CALL, PUT = Right.CALL, Right.PUT
BOX = ((CALL, -1, 1), (PUT, -1, -1), (CALL, 1, -1), (PUT, 1, 1))
CONDOR = ((PUT, -2, 1), (PUT, -1, -1), (CALL, 1, -1), (CALL, 2, 1))
WIDE_CONDOR = ((PUT, -3, 1), (PUT, -1, -1), (CALL, 1, -1), (CALL, 2, 1))


def drawn(rng, root, spot, contracts, width, months=MONTHS, lots=0):
    """A random book of few contracts, and marks that lie above intrinsic value."""
    names = root if isinstance(root, tuple) else (root,)
    reach = rng.choice((1, 2, 4))  # few strikes make boxes, conversions, condors
    middle, holdings = spot // width * width, {}

    def option(right, steps, month):
        return Option(rng.choice(names), month, D(middle + width * steps), right)

    if contracts > 4 and rng.random() < 0.4:
        planted = rng.choice((BOX, CONDOR, WIDE_CONDOR))
        month = rng.choice(months)
        holdings = {option(right, steps, month): n for right, steps, n in planted}
    for _ in range(contracts - len(holdings)):
        some = option(rng.choice(list(Right)), rng.randint(-reach, reach), rng.choice(months))
        sign = (
            rng.choice((-1, 1))
            if some not in holdings
            else holdings[some] // abs(holdings[some])
        )
        holdings[some] = holdings.get(some, 0) + sign
    marks = {o: o.intrinsic(D(spot)) + D(rng.randint(1, 40 * width)) / 100 for o in holdings}
    if lots:
        holdings[Stock(root)] = 100 * lots
    return list(holdings.items()), marks


def totals(holdings, marks, spots, account=REG_T):
    held = tuple(Position(*holding) for holding in holdings)
    required = requirement(Book(positions=held), View(NOW, spots, marks), account)
    return required.maintenance, required.initial


class TestAgainstEveryPartition:
    @pytest.mark.parametrize("seed", range(8))
    def test_options_on_one_stock(self, seed):
        rng = random.Random(seed)
        for _ in range(150):
            holdings, marks = drawn(rng, "XYZ", 100, rng.randint(2, 8), rng.choice((1, 5, 20)))
            long_term = frozenset(o for o in marks if o.expiry == LONG_TERM)
            market = Market(D("100.37"), marks, long_term=long_term)

            found = totals(holdings, marks, {"XYZ": market.spot})

            assert found == least_totals(units_of(holdings), market), holdings

    @pytest.mark.parametrize("seed", range(8))
    def test_stock_and_options(self, seed):
        rng = random.Random(100 + seed)
        for _ in range(100):
            lots = rng.choice((-2, -1, 1, 2, 3))
            count = rng.randint(1, 7 - abs(lots))
            holdings, marks = drawn(rng, "XYZ", 100, count, 5, MONTHS[:2], lots)
            market = Market(D("100.37"), marks)

            found = totals(holdings, marks, {"XYZ": market.spot})

            assert found == least_totals(units_of(holdings), market), holdings

    @pytest.mark.parametrize("seed", range(4))
    def test_boxes_and_mornings_and_afternoons_of_an_index(self, seed):
        rng = random.Random(200 + seed)
        for _ in range(150):
            holdings, marks = drawn(
                rng, ("SPX", "SPXW"), 6000, rng.randint(4, 8), 50, MONTHS[:1]
            )
            market = Market(D("6010.20"), marks, rate=D("0.15"), boxes=True)

            found = totals(holdings, marks, {"SPX": market.spot})

            assert found == least_totals(units_of(holdings), market), holdings

    @pytest.mark.parametrize("seed", range(4))
    def test_a_house_that_takes_unequal_condors_for_two_spreads(self, seed):
        rng = random.Random(300 + seed)
        for _ in range(150):
            holdings, marks = drawn(rng, "XYZ", 100, rng.randint(4, 8), 5, MONTHS[:2])
            market = Market(D("100.37"), marks, two_spreads=True)

            found = totals(holdings, marks, {"XYZ": market.spot}, INTERACTIVE_BROKERS_REG_T)

            assert found == least_totals(units_of(holdings), market), holdings

    def test_volatility_whose_calendars_offset_nothing(self):
        rng = random.Random(400)
        for _ in range(150):
            days = (date(2026, 11, 18), date(2026, 12, 16))
            holdings, marks = drawn(rng, "VIX", 20, rng.randint(3, 7), 1, days)
            market = Market(D("20.15"), marks, calendars=False, boxes=True)

            found = totals(holdings, marks, {"VIX": market.spot})

            assert found == least_totals(units_of(holdings), market), holdings


def larger(rng, legs, lots):
    """A book of many legs and lots on one stock."""
    holdings = {}
    while len(holdings) < legs:
        option = Option(
            "XYZ", rng.choice(MONTHS[:3]), D(5 * rng.randint(15, 25)), rng.choice(list(Right))
        )
        holdings[option] = rng.choice((-1, 1)) * rng.randint(1, lots)
    marks = {o: o.intrinsic(D(100)) + D(rng.randint(1, 900)) / 100 for o in holdings}
    return list(holdings.items()), marks


@pytest.mark.parametrize("lots", [1, 5, 100])
def test_larger_books_ask_what_another_formulation_finds(lots):
    rng = random.Random(lots)
    for _ in range(5):
        holdings, marks = larger(rng, 9, lots)
        market = Market(D("100.37"), marks)

        found, _ = totals(holdings, marks, {"XYZ": market.spot})

        assert float(found) == pytest.approx(highs_total(holdings, market), abs=0.01)


def test_what_the_search_leaves_unfinished_is_finished_to_the_same_total(monkeypatch):
    rng = random.Random(500)
    books = [larger(rng, 14, 40) for _ in range(15)]
    books += [drawn(rng, "XYZ", 100, 6, 5, MONTHS[:2], 2) for _ in range(5)]
    spots = {"XYZ": D("100.37")}

    own = [totals(*each, spots) for each in books]
    monkeypatch.setattr(grouping, "BUDGET", -1.0)

    assert [totals(*each, spots) for each in books] == own


@pytest.mark.parametrize("account", [REG_T, INTERACTIVE_BROKERS_REG_T], ids=lambda a: a.name)
def test_machine_code_groups_as_its_plain_twin_does(monkeypatch, account):
    rng = random.Random(600)
    books = [drawn(rng, "XYZ", 100, 7, 5, MONTHS[:3], rng.choice((0, 2))) for _ in range(25)]
    spots = {"XYZ": D("100.37")}

    fast = [totals(*each, spots, account) for each in books]
    monkeypatch.setattr(grouping, "least_grouping", grouping.least_grouping.plain)

    assert [totals(*each, spots, account) for each in books] == fast


def test_a_grouping_is_the_same_each_time():
    holdings, marks = larger(random.Random(700), 12, 10)
    held = Book(positions=tuple(Position(*each) for each in holdings))
    seen = View(NOW, {"XYZ": D("100.37")}, marks)

    assert len({requirement(held, seen, REG_T) for _ in range(5)}) == 1


class TestASearchThatIsStopped:
    """Nothing runs without bound: a legal grouping, and what it may ask beyond the least."""

    @pytest.fixture
    def books(self):
        rng = random.Random(800)
        return [larger(rng, 12, 40) for _ in range(12)]

    @pytest.mark.parametrize("stop", ["NODES", "SECONDS"])
    def test_it_tells_by_how_much_its_groups_may_miss_the_least(self, monkeypatch, books, stop):
        least = [required_of(*each) for each in books]
        monkeypatch.setattr(grouping, "BUDGET", -1.0)
        monkeypatch.setattr(grouping, stop, 0)

        stopped = [required_of(*each) for each in books]

        assert all(each.unproved == 0 for each in least)
        assert any(each.unproved > 0 for each in stopped)
        for best, found, (holdings, _) in zip(least, stopped, books, strict=True):
            assert found.maintenance - found.unproved <= best.maintenance <= found.maintenance
            assert held_in(found.groups) == dict(holdings)

    def test_a_solver_that_finds_nothing_leaves_every_leg_alone(self, monkeypatch, books):
        monkeypatch.setattr(grouping, "BUDGET", -1.0)
        monkeypatch.setattr("scipy.optimize.milp", lambda *_, **__: OptimizeResult(x=None))

        for holdings, marks in books:
            found = required_of(holdings, marks)

            assert found.maintenance == found.unproved > 0
            assert held_in(found.groups) == dict(holdings)

    def test_one_long_node_does_not_outlast_the_budget(self, monkeypatch):
        market = View(NOW, {"XYZ": D("100.37")}, (book := larger(random.Random(1), 40, 9))[1])
        family = grouping.families(positions(book[0]), market, REG_T)["XYZ"]
        pivots = []
        monkeypatch.setattr(grouping, "BUDGET", 10.0 * 2_000)
        monkeypatch.setattr(
            grouping, "_by_highs", lambda h, _, own: (pivots.append(h[2]), (0 * own, 0.0))[1]
        )

        grouping._solution(family, [], False)

        assert pivots[0] < 12  # the first node takes some dozens


def required_of(holdings, marks):
    return requirement(
        Book(positions=positions(holdings)), View(NOW, {"XYZ": D("100.37")}, marks), REG_T
    )


def positions(holdings):
    return tuple(Position(*holding) for holding in holdings)


def held_in(groups):
    """Contracts of every instrument, summed over the groups."""
    held = Counter()
    for leg in (leg for group in groups for leg in group.legs):
        held[leg.instrument] += leg.quantity
    return dict(held)
