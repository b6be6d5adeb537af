"""The circuit breaker: where it trips, that it latches, what resets it and what does not."""

from datetime import UTC, datetime
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.breaker import Breaker, BreakerState, Reset

NOON = datetime(2026, 11, 2, 17, tzinfo=UTC)
LEVELS = Breaker(D("0.08"), D("0.12"))
SEVERITY = list(BreakerState)


def told(breaker: Breaker, values) -> tuple[list[str], list[D]]:
    states, peaks = [], []
    for value in values:
        breaker = breaker.after(D(value))
        states.append(breaker.state.name)
        peaks.append(breaker.peak)
    return states, peaks


def tripped(*values) -> Breaker:
    breaker = LEVELS
    for value in values:
        breaker = breaker.after(D(value))
    return breaker


def test_case_k01():
    navs = [100_000, 110_000, 104_500, "101200.01", 101_200, 98_000, 96_800, 105_000]

    states, peaks = told(LEVELS, navs)

    falls = [round(D(nav) / peak - 1, 8) for nav, peak in zip(navs, peaks, strict=True)]
    wanted = ["0", "0", "-0.05", "-0.07999991", "-0.08", "-0.10909091", "-0.12", "-0.04545455"]
    assert falls == [D(each) for each in wanted]
    assert states == ["NORMAL"] * 4 + ["REDUCE"] * 2 + ["HALT"] * 2
    assert peaks == [100_000] + [110_000] * 7


# at or beyond trips: 8 % and 12 % of 100, one cent to either side
@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("92.01", "NORMAL"),
        ("92.00", "REDUCE"),
        ("91.99", "REDUCE"),
        ("88.01", "REDUCE"),
        ("88.00", "HALT"),
        ("87.99", "HALT"),
        ("0", "HALT"),
        ("-5", "HALT"),
    ],
)
def test_it_trips_at_the_level_and_beyond(value, state):
    assert told(LEVELS, [100, value])[0][-1] == state


def test_halt_does_not_ease_into_reduce():
    assert told(LEVELS, [100, 88, 90, 100])[0] == ["NORMAL", "HALT", "HALT", "HALT"]


def test_a_level_that_no_decimal_divides_out_is_met_exactly():
    third = Breaker(halt_at=D("0.1"))

    assert told(third, [3, "2.7"])[0] == ["NORMAL", "HALT"]
    assert told(third, [3, "2.7000000000000000000000001"])[0] == ["NORMAL", "NORMAL"]


def test_reduce_latches_too_until_it_turns_into_halt():
    assert told(LEVELS, [100, 92, 110, 103, "96.8"])[0] == ["NORMAL"] + ["REDUCE"] * 3 + [
        "HALT"
    ]


def test_without_levels_it_only_follows_the_peak():
    breaker = Breaker().after(D(100)).after(D(1))

    assert (breaker.state, breaker.peak) == (BreakerState.NORMAL, 100)


def test_one_level_alone_works():
    assert told(Breaker(reduce_at=D("0.08")), [100, 50])[0][-1] == "REDUCE"
    assert told(Breaker(halt_at=D("0.12")), [100, 90, 88])[0] == ["NORMAL", "NORMAL", "HALT"]


def test_only_normal_opens():
    assert [state.opens for state in BreakerState] == [True, False, False]


@pytest.mark.parametrize("values", [(100, 92), (100, 88)])
def test_a_person_resets_it_and_falls_count_from_the_next_value(values):
    again = tripped(*values).reset(by="J. Doe", at=NOON, why="smaller sizes")

    states, peaks = told(again, [80, "73.61", "73.60"])

    assert again.resets == (Reset("J. Doe", NOON, "smaller sizes"),)
    assert states == ["NORMAL", "NORMAL", "REDUCE"]
    assert peaks == [80, 80, 80]


def test_every_reset_is_kept():
    once = tripped(100, 88).reset(by="A", at=NOON, why="one")

    twice = once.after(D(50)).after(D(40)).reset(by="B", at=NOON, why="two")

    assert [each.by for each in twice.resets] == ["A", "B"]
    assert (twice.reduce_at, twice.halt_at) == (D("0.08"), D("0.12"))


def test_what_has_not_tripped_is_not_reset():
    with pytest.raises(ValueError, match="nothing to reset"):
        tripped(100, 99).reset(by="A", at=NOON, why="b")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ({"by": " "}, "who asked"),
        ({"why": ""}, "and why"),
        ({"at": datetime(2026, 11, 2)}, "time zone"),
    ],
)
def test_a_reset_names_a_person_an_instant_and_a_reason(word, why):
    with pytest.raises(ValueError, match=why):
        tripped(100, 80).reset(**({"by": "A", "at": NOON, "why": "b"} | word))


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_the_value_of_a_unit_is_a_number(value):
    with pytest.raises(ValueError, match=f"must be a number, got {value}"):
        LEVELS.after(D(value))


@pytest.mark.parametrize("value", ["0", "-1"])
def test_the_first_unit_is_worth_something(value):
    with pytest.raises(ValueError, match=f"worth more than 0, got {value}"):
        LEVELS.after(D(value))


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ((D(0), None), "reduce_at is a fraction above 0, at most 1, got 0"),
        ((None, D("1.01")), "halt_at is a fraction above 0, at most 1, got 1.01"),
        ((None, D("NaN")), "halt_at is a fraction above 0, at most 1, got NaN"),
        ((D("0.12"), D("0.08")), "reduce_at 0.12 lies beyond halt_at 0.08"),
    ],
)
def test_levels_are_fractions_in_order(levels, why):
    with pytest.raises(ValueError, match=why):
        Breaker(*levels)


# hypothesis

MOVES = st.lists(st.integers(-400, 400).map(lambda x: 1 + D(x) / 1000), max_size=20)
FLOWS = st.lists(st.integers(-900, 5_000).map(lambda x: D(x) / 1000), min_size=1, max_size=20)


@given(MOVES, FLOWS)
def test_flows_at_the_value_of_a_unit_leave_the_state_unchanged(moves, flows):
    nav, units = D(100_000), D(1_000)
    breaker = LEVELS.after(nav / units)
    for number, move in enumerate(moves):
        nav = (nav * move).quantize(D("0.01"))
        breaker = breaker.after(nav / units)
        flow = (nav * flows[number % len(flows)]).quantize(D("0.01"))
        units += flow / (nav / units)
        nav += flow

        after = breaker.after(nav / units)

        assert after.state is breaker.state
        assert abs(after.peak / breaker.peak - 1) < D("1e-20")


@given(st.lists(st.integers(1, 10_000), min_size=1))
def test_the_state_only_worsens_and_the_peak_only_rises(values):
    breaker = LEVELS
    for value in values:
        later = breaker.after(D(value))
        assert SEVERITY.index(later.state) >= SEVERITY.index(breaker.state)
        assert later.peak == max(breaker.peak, value)
        breaker = later


@given(st.lists(st.integers(1, 10_000), min_size=1), st.integers(1, 1000))
def test_the_size_of_a_unit_does_not_matter(values, factor):
    assert told(LEVELS, values)[0] == told(LEVELS, [factor * value for value in values])[0]


@given(st.lists(st.integers(1, 10_000), min_size=1))
def test_a_plain_twin_in_fractions_trips_alike(values):
    states, worst = told(LEVELS, values)[0], 0
    for number, state in enumerate(states):
        peak = max(values[: number + 1])
        fall = 1 - Fraction(values[number], peak)
        worst = max(worst, (fall >= Fraction(8, 100)) + (fall >= Fraction(12, 100)))
        assert state == SEVERITY[worst].name
