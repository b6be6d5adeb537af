"""The View: what may be known at one instant, at what price a book is marked, nothing later."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.carry import (
    CashDividend,
    Rates,
    ShareSplit,
    policy_rates,
    record_date,
)
from dollarbill_core.market.chains import Chain, ChainDays, NoQuote, Quote
from dollarbill_core.market.view import Chains, History, View
from dollarbill_core.pricing import american
from dollarbill_core.values.calendars import (
    close_instant,
    expiry_instant,
    sessions,
    years_between,
)
from dollarbill_core.values.contracts import Option, Right, Stock
from dollarbill_core.values.provenance import Provenance, Quotes

DAYS = sessions(date(2021, 3, 1), date(2021, 3, 31))
DAY = date(2021, 3, 15)
EXPIRY = date(2021, 4, 16)


def put(strike: str) -> Option:
    return Option("XYZ", EXPIRY, D(strike), Right.PUT)


# strike, bid, ask, vol; all puts
ROWS = [
    (90.0, 1.00, 1.10, 0.30),
    (95.0, 2.20, 2.00, np.nan),  # crossed
    (100.0, 4.00, 4.00, np.nan),  # locked
    (105.0, np.nan, 7.00, np.nan),  # no bid
    (80.0, 0.00, 0.05, 0.40),  # nobody bids, somebody sells
]


def chain(day: date = DAY, rows=ROWS, symbol: str = "XYZ", spot: float = 100.0) -> Chain:
    strike, bid, ask, vol = np.array(rows, float).T
    count = len(rows)
    return Chain(
        symbol=symbol,
        as_of=close_instant(day),
        spot=spot,
        quotes=Quotes.QUOTED,
        roots=(symbol,),
        root=np.zeros(count, np.int8),
        expiry=np.full(count, EXPIRY, dtype="datetime64[D]"),
        right=np.full(count, -1, np.int8),
        strike=strike,
        bid=bid,
        ask=ask,
        vol=vol,
        delta=np.full(count, np.nan),
    )


def view(**changes) -> View:
    known = {
        "now": close_instant(DAY),
        "spots": {"XYZ": D("100")},
        "chains": {"XYZ": chain()},
        "rates": Rates(0.01),
    }
    return View(**(known | changes))


def modelled(strike: float, vol: float, dividend_yield: float = 0.0) -> D:
    years = years_between(close_instant(DAY), expiry_instant(put("90")))
    price = american.price(-1, 100.0, strike, years, 0.01, vol, dividend_yield)
    return D(repr(float(price))).quantize(D("0.0001"))


def test_a_sound_quote_is_marked_at_its_mid():
    assert view().mark(put("90")) == D("1.05")
    assert not view().is_modelled(put("90"))


def test_an_offer_without_a_bid_is_marked_between_nothing_and_the_offer():
    assert view().mark(put("80")) == D("0.025")


@pytest.mark.parametrize("strike", ["95", "100", "105", "92.5"])
def test_without_a_sound_quote_the_nearest_vol_prices_it(strike):
    assert view().is_modelled(put(strike))
    assert view().mark(put(strike)) == modelled(float(strike), 0.30)


def test_a_stock_option_is_marked_with_early_exercise_and_an_index_option_without():
    rates = Rates(0.10)
    shares = view(rates=rates)
    index = view(spots={"XSP": D("100")}, chains={"XSP": chain(symbol="XSP")}, rates=rates)
    deep = Option("XSP", EXPIRY, D("150"), Right.PUT)

    assert shares.mark(put("150")) == 50  # exercised now: to wait costs interest
    assert D("48") < index.mark(deep) < D("49.5")


@pytest.mark.parametrize(
    ("last_ask", "side"),
    [pytest.param("9.00", "last ask", id="ask"), pytest.param("0.10", "model", id="model")],
)
def test_a_held_option_is_marked_at_the_worse_of_model_and_last_ask(last_ask, side):
    held = put("95")
    last = {held: Quote(D("0.05"), D(last_ask))}

    mark = view(last_quotes=last).mark(held)

    assert mark == (D(last_ask) if side == "last ask" else modelled(95, 0.30))
    assert mark >= D(last_ask)


@pytest.mark.parametrize(
    "chains",
    [
        pytest.param({"ABC": chain(symbol="ABC")}, id="no chain today"),
        pytest.param({"XYZ": chain(rows=ROWS[1:4])}, id="a chain without a vol"),
    ],
)
def test_with_nothing_to_model_from_intrinsic_value_or_the_last_ask_is_the_mark(chains):
    held, lost = put("103"), put("97")
    seen = view(chains=chains, last_quotes={held: Quote(D("3.5"), D("3.75"))})

    assert seen.mark(held) == D("3.75")
    assert replace(seen, spots={"XYZ": D("99")}).mark(held) == D("4")
    assert replace(seen, last_quotes={}).mark(held) == D("3")
    assert seen.mark(lost) == 0
    assert seen.is_modelled(held)


def test_the_model_knows_the_dividend_yield():
    paying = view(dividend_yields={"XYZ": 0.04})

    assert paying.mark(put("95")) == modelled(95, 0.30, 0.04) > modelled(95, 0.30)


def test_a_given_mark_comes_first():
    given = view(marks={put("90"): D("1.23"), Stock("XYZ"): D("99")})

    assert given.mark(put("90")) == D("1.23")
    assert given.mark(Stock("XYZ")) == D("99")
    assert not given.is_modelled(put("90"))


def test_stock_is_marked_at_the_spot():
    assert view().mark(Stock("XYZ")) == D("100")
    assert not view().is_modelled(Stock("XYZ"))


def test_an_expired_option_is_worth_its_intrinsic_value():
    later = replace(view(), now=close_instant(EXPIRY), chains={"XYZ": chain(rows=ROWS[:1])})

    assert later.mark(put("104")) == D("4")
    assert later.mark(put("96")) == D("0")


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        pytest.param(lambda v: v.quote(put("95")), "crossed: 2.2000 / 2.0000", id="crossed"),
        pytest.param(lambda v: v.quote(put("100")), "locked", id="locked"),
        pytest.param(lambda v: v.quote(put("105")), "no bid or ask", id="one-sided"),
        pytest.param(lambda v: v.quote(put("92.5")), "not quoted on 2021-03-15", id="unlisted"),
        pytest.param(lambda v: v.spot("ABC"), "no price of ABC", id="no price"),
        pytest.param(lambda v: v.chain("ABC"), "no chain of ABC", id="no chain"),
        pytest.param(lambda v: v.iv_rank("XYZ"), "no history of XYZ", id="no history"),
        pytest.param(
            lambda v: replace(v, chains={}).mark(put("90")), "no chain of XYZ", id="by hand"
        ),
        pytest.param(
            lambda v: replace(v, spots={}, chains={"ABC": chain(symbol="ABC")}).mark(put("90")),
            "no price of XYZ",
            id="no price to take the intrinsic value at",
        ),
    ],
)
def test_no_quote_says_why(ask, reason):
    with pytest.raises(NoQuote, match=reason):
        ask(view())


def test_now_needs_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        view(now=datetime(2021, 3, 15, 16))
    assert view().today == DAY


def test_standings_read_the_history():
    history = History(
        np.array(["2021-03-11", "2021-03-12", "2021-03-15"], dtype="datetime64[D]"),
        np.array([100.0, 101, 102]),
        np.array([0.10, 0.30, 0.20]),
    )
    seen = view(history={"XYZ": history})

    assert (seen.iv_rank("XYZ").value, seen.iv_percentile("XYZ").days) == (
        pytest.approx(0.5),
        3,
    )


def spoiled(name: str) -> Chain:
    column = getattr(chain(), name).copy()
    more = np.timedelta64(1, "D") if name == "expiry" else 1
    column[0] = -column[0] if name == "right" else column[0] + more
    return replace(chain(), **{name: column})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"now": datetime(2021, 3, 15, 21, tzinfo=UTC)}, id="now"),
        pytest.param({"spots": {"XYZ": D("100.01")}}, id="spot"),
        pytest.param({"marks": {put("90"): D("1")}}, id="mark"),
        pytest.param({"rates": Rates(0.011)}, id="rate"),
        pytest.param({"dividend_yields": {"XYZ": 0.01}}, id="yield"),
        pytest.param({"last_quotes": {put("90"): Quote(D(1), D(2))}}, id="last quote"),
        pytest.param({"dividends": {"XYZ": (CashDividend(DAY, D("1")),)}}, id="dividend"),
        pytest.param({"splits": {"XYZ": (ShareSplit(DAY, 7),)}}, id="split"),
        pytest.param({"prints": {("SPX", DAY): D("3968.94")}}, id="print"),
        *(
            pytest.param({"chains": {"XYZ": spoiled(name)}}, id=name)
            for name in ("strike", "bid", "ask", "vol", "expiry", "right")
        ),
    ],
)
def test_the_hash_changes_with_anything_that_could_be_seen(changes):
    assert view(**changes).hash != view().hash


def test_the_hash_is_the_same_for_the_same_view():
    assert view().hash == view().hash


# Chains: every session's view is cut from them.


def chains(seen: list[date] | None = None) -> Chains:
    def made(day: date) -> Chain:
        if seen is not None:
            seen.append(day)
        return chain(day, spot=100.0 + DAYS.index(day))

    xyz = ChainDays(
        "XYZ",
        DAYS[5:],
        made,
        np.array(DAYS, dtype="datetime64[D]"),
        100.0 + np.arange(len(DAYS)),
        0.2 + 0.001 * np.arange(len(DAYS)),
        yields=np.linspace(0, 0.02, len(DAYS)),
    )
    abc = ChainDays(
        "ABC",
        DAYS[-2:],
        lambda day: chain(day, symbol="ABC"),
        *(np.array([], kind) for kind in ("datetime64[D]", float, float)),
    )
    provenance = Provenance("test", Quotes.QUOTED, close_instant(DAYS[-1]), "0")
    paid = (CashDividend(DAY, D("0.5")), CashDividend(date(2021, 3, 25), D("0.6")))
    return Chains({"XYZ": xyz, "ABC": abc}, provenance, {"XYZ": paid})


def test_a_view_holds_nothing_later_than_its_close():
    asked: list[date] = []

    seen = chains(asked).view(DAY)

    assert seen.now == close_instant(DAY)
    assert asked == [DAY]
    assert seen.history["XYZ"].days.max() == np.datetime64(DAY)
    assert seen.history["XYZ"].closes[-1] == float(seen.spot("XYZ"))
    assert len(seen.history["XYZ"].closes) == len(seen.history["XYZ"].vols) == 11
    assert seen.dividends["XYZ"][0] == CashDividend(DAY, D("0.5"))
    assert seen.rates == policy_rates(DAY)
    assert seen.dividend_yields["XYZ"] == pytest.approx(0.02 * 10 / 22)


def test_a_dividend_or_split_is_seen_from_its_announcement():
    """Ten days before the record date, a session after the ex-date in 2021, or as declared."""
    ex_date, eve = date(2021, 3, 25), date(2021, 3, 24)
    all_days = chains()
    floor, declared = CashDividend(ex_date, D("0.6")), CashDividend(ex_date, D("0.6"), DAYS[5])
    split = ShareSplit(ex_date, 2)
    known = replace(all_days, dividends={"XYZ": (floor,)}, splits={"XYZ": (split,)})

    assert record_date(ex_date) == date(2021, 3, 26)
    assert floor.known_from == split.known_from == date(2021, 3, 16)
    before, after = known.view(DAY), known.view(date(2021, 3, 16))
    assert (before.dividends["XYZ"], before.splits["XYZ"]) == ((), ())
    assert (after.dividends["XYZ"], after.splits["XYZ"]) == ((floor,), (split,))
    early = replace(all_days, dividends={"XYZ": (declared,)})
    assert early.view(DAYS[5]).dividends["XYZ"] == (declared,)
    assert known.view(eve).dividends["XYZ"] == known.view(ex_date).dividends["XYZ"] == (floor,)


def test_a_print_is_known_once_struck():
    prints = {("SPX", DAY): D(3968), ("SPX", date(2021, 3, 19)): D(3900)}

    assert replace(chains(), prints=prints).view(DAY).prints == {("SPX", DAY): D(3968)}
    with pytest.raises(ValueError, match="not struck yet on 2021-03-15"):
        view(prints=prints)


def test_history_is_no_longer_than_a_year_and_a_start():
    long = sessions(date(2018, 1, 2), DAY)
    days = ChainDays(
        "XYZ",
        (DAY,),
        chain,
        np.array(long, dtype="datetime64[D]"),
        np.full(len(long), 100.0),
        np.full(len(long), 0.2),
    )

    seen = Chains({"XYZ": days}, chains().provenance).view(DAY)

    assert len(seen.history["XYZ"].days) == 300
    assert seen.history["XYZ"].days[-1] == np.datetime64(DAY)


def test_a_symbol_that_never_closed_nor_has_a_chain_is_not_in_the_view():
    assert chains().view(DAY).spots.keys() == {"XYZ"}
    assert chains().view(DAYS[-1]).spots.keys() == {"XYZ", "ABC"}


def with_gap(known_days: tuple[date, ...]) -> Chains:
    """XYZ on all days; GAP has no chain on DAY, and closes of 200, 201, ... on known days."""
    whole = chains()
    gap = ChainDays(
        "GAP",
        tuple(day for day in DAYS[5:] if day != DAY),
        lambda day: chain(day, symbol="GAP", spot=200.0 + DAYS.index(day)),
        np.array(known_days, dtype="datetime64[D]"),
        200.0 + np.array([DAYS.index(day) for day in known_days]),
        np.full(len(known_days), 0.3),
        yields=0.001 * np.array([DAYS.index(day) for day in known_days]),
    )
    return replace(whole, days={"XYZ": whole.days["XYZ"], "GAP": gap})


PLACE = DAYS.index(DAY)


@pytest.mark.parametrize(
    ("known_days", "place"),
    [
        pytest.param(DAYS, PLACE, id="the close of the day"),
        pytest.param(DAYS[:PLACE] + DAYS[PLACE + 1 :], PLACE - 1, id="the last before it"),
    ],
)
def test_an_underlying_without_a_chain_today_stands_at_its_last_close(known_days, place):
    seen = with_gap(known_days).view(DAY)

    assert seen.chains.keys() == {"XYZ"}
    assert seen.spot("GAP") == 200 + place
    assert seen.mark(Stock("GAP")) == 200 + place
    assert seen.history["GAP"].days[-1] == np.datetime64(DAYS[place])
    assert seen.dividend_yields["GAP"] == pytest.approx(0.001 * place)
    assert seen.mark(replace(put("230"), root="GAP")) == 30 - place


@pytest.mark.parametrize(
    ("split", "spot"),
    [
        pytest.param(ShareSplit(DAY, 7), D(200 + PLACE - 1) / 7, id="this morning"),
        pytest.param(ShareSplit(DAY, 1, 10), D(200 + PLACE - 1) * 10, id="reverse"),
        pytest.param(ShareSplit(DAYS[PLACE - 1], 7), 200 + PLACE - 1, id="in that close"),
        pytest.param(ShareSplit(DAYS[PLACE + 1], 7), 200 + PLACE - 1, id="to come"),
    ],
)
def test_a_last_close_of_before_a_split_stands_at_its_part(split, spot):
    known = with_gap(DAYS[:PLACE] + DAYS[PLACE + 1 :])
    seen = replace(known, splits={"GAP": (split,)}).view(DAY)

    assert seen.spot("GAP") == pytest.approx(D(spot), abs=D("0.00005"))


def test_the_spot_of_a_chain_without_rows_is_todays():
    whole = with_gap(DAYS[:PLACE])
    none = chain(symbol="GAP").where(np.array([], int))
    empty = replace(whole.days["GAP"], sessions=DAYS[5:], chain=lambda day: none)

    assert replace(whole, days={"GAP": empty}).view(DAY).spot("GAP") == 100


def test_a_chain_of_before_the_close_leaves_the_close_as_the_spot():
    """At 15:45 it may have stood elsewhere; the shares settle at the close."""
    early = with_gap(DAYS)
    noon = replace(early.days["XYZ"].chain(DAY), spot=55.0)
    quoted = replace(early.days["XYZ"], chain=lambda day: noon)

    seen = replace(early, days={"XYZ": quoted}).view(DAY)

    assert seen.chain("XYZ").spot == 55
    assert seen.spot("XYZ") == D(str(seen.history["XYZ"].closes[-1]))


def test_closes_in_todays_shares_know_no_split():
    splits = (ShareSplit(DAYS[PLACE - 1], 7), ShareSplit(DAYS[PLACE + 1], 2))
    seen = replace(with_gap(DAYS), splits={"GAP": splits}).view(DAY)
    raw = seen.history["GAP"].closes

    closes = seen.closes("GAP")

    assert closes[:-2].tolist() == pytest.approx((raw[:-2] / 7).tolist())
    assert closes[-2:].tolist() == raw[-2:].tolist()  # the split to come changes nothing yet
    assert seen.closes("XYZ").tolist() == seen.history["XYZ"].closes.tolist()


def test_rates_are_those_the_chains_say():
    known = replace(with_gap(DAYS), rates_on=lambda day: Rates(0.001 * day.day))

    assert known.view(DAY).rates == Rates(0.001 * DAY.day)
    assert with_gap(DAYS).view(DAY).rates == policy_rates(DAY)


def test_an_unknown_close_is_passed_over():
    gap = with_gap(DAYS)
    gap.days["GAP"].closes[PLACE] = np.nan

    assert gap.view(DAY).spot("GAP") == 200 + PLACE - 1


def test_a_later_close_never_stands_for_an_earlier_one():
    seen = with_gap(DAYS[PLACE + 1 :]).view(DAY)

    assert "GAP" not in {*seen.spots, *seen.history, *seen.dividend_yields}


def test_sessions_are_those_of_any_symbol():
    assert chains().sessions == DAYS[5:]
    assert chains().symbols == ("XYZ", "ABC")


@pytest.mark.parametrize("day", [date(2021, 3, 13), DAYS[2]], ids=["Saturday", "history only"])
def test_a_day_without_chains_has_no_view(day):
    with pytest.raises(NoQuote, match="no chain of XYZ, ABC on"):
        chains().view(day)


def test_quotes_seen_before_come_along():
    last = {put("95"): Quote(D("3"), D("20"))}

    assert chains().view(DAY, last).mark(put("95")) == D("20")
