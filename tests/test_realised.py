"""Realised vol: on walks of known vol, against plain sums, on real bars; it never peeks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.realised import (
    Bars,
    ahead,
    garman_klass_vol,
    parkinson_vol,
    realised_vol,
    yang_zhang_vol,
)

ESTIMATORS = (parkinson_vol, garman_klass_vol, yang_zhang_vol)


def walked_bars(
    days: int, vol: float, *, drift: float = 0.0, night: float = 0.0, seed=7
) -> Bars:
    """Prices of a lognormal walk in 2,000 steps a day; ``night`` is its share of variance."""
    rng = np.random.default_rng(7)
    steps, daily = 2_000, vol / math.sqrt(252)
    inside = rng.normal(0, daily * math.sqrt((1 - night) / steps), (days, steps))
    inside += drift / 252 / steps
    paths = np.concatenate([np.zeros((days, 1)), np.cumsum(inside, axis=1)], axis=1)
    gaps = rng.normal(0, daily * math.sqrt(night), days)
    opens = np.cumsum(gaps) + np.concatenate([[0.0], np.cumsum(paths[:, -1])[:-1]])
    logs = opens[:, None] + paths
    columns = (logs[:, 0], logs.max(axis=1), logs.min(axis=1), logs[:, -1])
    return Bars(*(100 * np.exp(column) for column in columns))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_finds_the_vol_of_a_walk(estimator):
    """A walk looked at 2,000 times a day misses some of its range: two per cent, at most."""
    vols = estimator(walked_bars(2_001, 0.20), 2_000)

    assert vols[-1] == pytest.approx(0.20, rel=0.03)


def test_only_yang_zhang_sees_the_nights_and_not_the_drift():
    nightly = walked_bars(2_001, 0.20, night=0.5)
    drifting = walked_bars(2_001, 0.10, drift=3.0)

    assert yang_zhang_vol(nightly, 2_000)[-1] == pytest.approx(0.20, rel=0.03)
    assert parkinson_vol(nightly, 2_000)[-1] == pytest.approx(0.20 * math.sqrt(0.5), rel=0.03)
    assert garman_klass_vol(nightly, 2_000)[-1] == pytest.approx(0.1414, rel=0.03)
    assert yang_zhang_vol(drifting, 2_000)[-1] == pytest.approx(0.10, rel=0.04)
    assert parkinson_vol(drifting, 2_000)[-1] > 0.13
    assert realised_vol(drifting.close, 2_000)[-1] > 0.19


def test_ranges_tell_more_than_closes():
    """Efficiency over close-to-close: 5 for Parkinson, 7 for Garman and Klass, by theory."""
    bars = walked_bars(3_000, 0.20)
    noise = {f: np.nanvar(f(bars, 10)[10::10] ** 2) for f in ESTIMATORS}
    closes = np.nanvar(realised_vol(bars.close, 10)[10::10] ** 2)

    assert closes / noise[parkinson_vol] == pytest.approx(4.9, rel=0.25)
    assert closes / noise[garman_klass_vol] == pytest.approx(7.4, rel=0.25)
    assert closes / noise[yang_zhang_vol] > 5


def plain_yang_zhang(bars: Bars, sessions: int) -> list[float]:
    """The paper's equations, a day at a time."""
    vols = [math.nan] * len(bars.close)
    rows = list(zip(bars.open, bars.high, bars.low, bars.close, strict=True))
    for end in range(sessions, len(rows)):
        nights, days, ranges = [], [], []
        for i in range(end - sessions + 1, end + 1):
            first, high, low, last = rows[i]
            nights.append(math.log(first / rows[i - 1][3]))
            days.append(math.log(last / first))
            up, down, move = math.log(high / first), math.log(low / first), days[-1]
            ranges.append(up * (up - move) + down * (down - move))
        k = 0.34 / (1.34 + (sessions + 1) / (sessions - 1))
        total = variance(nights) + k * variance(days) + (1 - k) * sum(ranges) / sessions
        vols[end] = math.sqrt(252 * total)
    return vols


def variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((x - mean) ** 2 for x in values) / (len(values) - 1)


@given(st.integers(0, 10_000), st.integers(2, 15), st.integers(1, 30))
def test_yang_zhang_is_the_papers_sum(seed, sessions, days):
    rng = np.random.default_rng(seed)
    prices = np.exp(rng.normal(4, 0.1, (4, days)))
    bars = Bars(prices[1], prices.max(axis=0), prices.min(axis=0), prices[3])

    assert yang_zhang_vol(bars, sessions) == pytest.approx(
        plain_yang_zhang(bars, sessions), nan_ok=True, rel=1e-9
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_nothing_is_known_of_tomorrow(estimator):
    bars = walked_bars(80, 0.3)
    shorter = Bars(*(column[:50] for column in (bars.open, bars.high, bars.low, bars.close)))

    assert estimator(shorter, 21) == pytest.approx(estimator(bars, 21)[:50], nan_ok=True)
    assert len(estimator(shorter, 60)) == 50
    assert np.isnan(estimator(shorter, 60)).all()


def test_an_unknown_price_leaves_only_its_own_windows_unknown():
    bars = walked_bars(60, 0.2)
    high = bars.high.copy()
    high[30] = math.nan

    vols = parkinson_vol(Bars(bars.open, high, bars.low, bars.close), 5)

    assert np.flatnonzero(np.isnan(vols)).tolist() == [0, 1, 2, 3, *range(30, 35)]


def test_real_bars_agree_within_a_few_points():
    """The S&P 500 of 1999 to 2018; its opens are the closes before, so nights hide in days."""
    from arch.data import sp500

    table = sp500.load()
    columns = (table[name].to_numpy(float) for name in ("Open", "High", "Low", "Close"))
    bars = Bars(*columns)
    by_closes = np.nanmean(realised_vol(bars.close, 252))

    for estimator in ESTIMATORS:
        assert np.nanmean(estimator(bars, 252)) == pytest.approx(by_closes, abs=0.04)


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ((1.0, 2.0, 0.0, 1.0), "must be positive"),
        ((1.0, 1.5, 1.2, 1.3), "outside its range"),
        ((1.0, 1.2, 0.9, 1.3), "outside its range"),
    ],
)
def test_bars_refuse_impossible_days(day, message):
    with pytest.raises(ValueError, match=message):
        Bars(*(np.array([price]) for price in day))


def test_bars_are_of_one_length():
    with pytest.raises(ValueError, match="differ in length"):
        Bars(np.ones(2), np.ones(2), np.ones(3), np.ones(2))


@pytest.mark.parametrize(("sessions", "estimator"), [(0, parkinson_vol), (1, yang_zhang_vol)])
def test_too_few_sessions_are_refused(sessions, estimator):
    with pytest.raises(ValueError, match="sessions must be"):
        estimator(walked_bars(5, 0.2), sessions)


def test_vols_ahead_are_those_of_the_sessions_that_follow():
    closes = walked_bars(60, 0.2).close
    trailing = realised_vol(closes, 21)

    assert ahead(trailing, 21)[:39] == pytest.approx(trailing[21:], nan_ok=True)
    assert np.isnan(ahead(trailing, 21)[39:]).all()
    assert np.isnan(ahead(trailing[:10], 21)).all()


def test_realised_vol_of_a_price_that_moves_one_percent_a_day():
    """Squares of 0.01 each: sqrt(252) x 0.01 = 15.87 %."""
    closes = 100 * np.exp(0.01 * np.array([0, 1, 0, 1, 2, 1, 0]))

    vols = realised_vol(closes, 3)

    assert np.isnan(vols[:3]).all()
    assert vols[3:] == pytest.approx(math.sqrt(252) * 0.01)


def test_realised_vol_looks_back_only():
    closes = np.exp(np.random.default_rng(2).normal(0, 0.01, 60)).cumprod()

    short, whole = realised_vol(closes[:40]), realised_vol(closes)

    assert short[21:] == pytest.approx(whole[21:40])
    assert len(realised_vol(closes[:5])) == 5


@pytest.mark.parametrize(
    ("closes", "sessions", "message"),
    [
        pytest.param([1.0, 0.0], 1, "closes must be positive", id="a price of 0"),
        pytest.param([1.0, math.nan], 1, "closes must be positive", id="an unknown price"),
        pytest.param([1.0, 1.0], 0, "sessions must be 1 or more", id="no sessions"),
    ],
)
def test_realised_vol_refuses(closes, sessions, message):
    with pytest.raises(ValueError, match=message):
        realised_vol(np.array(closes), sessions)
