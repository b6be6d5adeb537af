"""Short exposure and margin by underlying and expiry."""

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.concentration import margin_by, short_exposure
from dollarbill_core.rules.requirements import Group, Requirement, Rule
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Leg, Option, Stock

PUT, CALL = Option.from_occ("XYZ261218P00095000"), Option.from_occ("XYZ261218C00105000")
HIGH_CALL = Option.from_occ("XYZ261218C00120000")
LATER, OTHER = Option.from_occ("XYZ270115P00090000"), Option.from_occ("ABC261218P00050000")
SHARES = Stock("XYZ")


def exposure(*held) -> D:
    return short_exposure(Book(positions=tuple(Position(what, n) for what, n in held)))


@pytest.mark.parametrize(
    ("held", "dollars"),
    [
        ([], 0),
        ([(PUT, -2)], 19_000),
        ([(PUT, 2)], 0),
        ([(PUT, -1), (LATER, 1)], 9_500),  # a long put takes nothing away
        ([(CALL, -1)], 10_500),
        ([(CALL, -1), (SHARES, 99)], 10_500),
        ([(CALL, -1), (SHARES, 100)], 0),
        ([(CALL, -1), (Stock("ABC"), 100)], 10_500),
        ([(CALL, -1), (SHARES, -100)], 10_500),
        ([(CALL, -2), (HIGH_CALL, -1), (SHARES, 250)], 12_000),  # the lowest strikes first
        ([(PUT, -1), (CALL, -1), (SHARES, 100), (OTHER, -3)], 9_500 + 15_000),
        ([(SHARES, -500)], 0),
    ],
)
def test_short_exposure_is_the_strikes_of_what_is_short_and_uncovered(held, dollars):
    assert exposure(*held) == dollars


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 900))
def test_shares_only_take_away_and_sizes_only_add(puts, calls, shares):
    held = [(PUT, -puts), (CALL, -calls)]
    covered = held + ([(SHARES, shares)] if shares else [])

    assert exposure(*covered) == 9_500 * puts + 10_500 * max(calls - shares // 100, 0)


def group(dollars, *legs, rule=Rule.UNCOVERED_PUT) -> Group:
    return Group(tuple(Leg(what, n) for what, n in legs), rule, D(dollars), D(dollars))


def required(*groups) -> Requirement:
    return Requirement(groups, groups)


def underlying(instrument):
    return instrument.underlying


def expiry(instrument):
    return instrument.expiry if isinstance(instrument, Option) else None


DECEMBER, JANUARY = date(2026, 12, 18), date(2027, 1, 15)


def test_each_group_counts_for_what_is_short_in_it():
    book = required(
        group(1_000, (PUT, -1)),
        group(500, (PUT, -1), (LATER, 1), rule=Rule.SPREAD),
        group(200, (OTHER, -1)),
        group(0, (CALL, 1), rule=Rule.LONG_OPTION),
    )

    assert margin_by(book, underlying) == {"XYZ": 1_500, "ABC": 200}
    assert margin_by(book, expiry) == {DECEMBER: 1_700}


def test_a_group_of_several_expiries_is_shared_out_by_strike_and_size():
    book = required(group(2_800, (PUT, -2), (LATER, -1), rule=Rule.PORTFOLIO))  # 190 and 90

    assert margin_by(book, expiry) == {DECEMBER: 1_900, JANUARY: 900}


def test_shares_count_for_their_underlying_and_for_no_expiry():
    alone = required(group(2_500, (SHARES, 100), rule=Rule.LONG_STOCK))
    covered = required(group(2_500, (SHARES, 100), (CALL, -1), rule=Rule.COVERED_CALL))

    assert (margin_by(alone, underlying), margin_by(alone, expiry)) == ({"XYZ": 2_500}, {})
    assert margin_by(covered, expiry) == {DECEMBER: 2_500}


def test_without_groups_nothing_is_tied_up():
    assert margin_by(required(), underlying) == {}


LEGS = st.lists(
    st.tuples(st.sampled_from([PUT, CALL, LATER, OTHER]), st.integers(-9, 9).filter(bool)),
    min_size=1,
    max_size=4,
)


@given(st.lists(st.tuples(st.integers(0, 10**6), LEGS), max_size=5))
def test_no_dollar_is_lost_or_counted_twice(groups):
    book = required(*(group(dollars, *legs) for dollars, legs in groups))

    found = margin_by(book, underlying)

    assert abs(sum(found.values()) - sum(dollars for dollars, _ in groups)) < D("1e-15")
