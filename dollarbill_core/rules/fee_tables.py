"""Dated fee tables: what brokers, exchanges and regulators charge, each row with its source.

Each kind's rows tile the time line from ``FIRST_DAY`` on. A row marked ``~`` is ESTIMATED: it
carries a figure to days for which no source was read. Sources were read in 2026-11, mostly at
second hand: stored copies of the pages and notices named, not the living pages.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from dollarbill_core.rules.charges import FIRST_DAY, Charge, Options, Rounding, Side
from dollarbill_core.values.contracts import STANDARD_MULTIPLIER

_MILLION = Decimal(1_000_000)


class Row(NamedTuple):
    """One line of a table below: its days, its figures, whether ESTIMATED, its source."""

    since: date
    until: date
    figures: tuple[Decimal, ...]
    estimated: bool
    source: str


def rows_of(table: str, figures: int) -> tuple[Row, ...]:
    """The rows of a table of lines ``since figure ... mark source``; mark is ``=`` or ``~``."""
    lines = [line.split(maxsplit=figures + 2) for line in table.strip().splitlines()]
    days = [date.fromisoformat(words[0]) for words in lines]
    return tuple(
        Row(since, until, tuple(map(Decimal, words[1:-2])), words[-2] == "~", words[-1])
        for words, since, until in zip(lines, days, [*days[1:], date.max], strict=True)
    )


def _charges(
    kind: str, table: str, figures: int, make: Callable[..., Charge]
) -> tuple[Charge, ...]:
    """A charge for each row; ``make`` takes the fields that all tables share."""
    return tuple(
        make(
            *row.figures,
            kind=kind,
            source=row.source,
            since=row.since,
            until=row.until,
            estimated=row.estimated,
        )
        for row in rows_of(table, figures)
    )


# Dollars per million of sales. Until 2010 new rates took force 30 days after the appropriation
# was signed, since 2012 60 days after; mid-year changes on 1 April. Where a source below names
# a law, the rate was read and the day is reckoned so.
SECTION_31 = """
1990-01-01 33.30 ~ the rate before 2001-12-28, carried back
2001-12-28 15.00 = SEC Fee Rate Advisory 8, 2002-01-16
2002-04-01 30.10 = SEC mid-year adjustment of 2002-03-01
2003-03-22 25.20 = SEC Fee Rate Advisory 12 for 2003
2003-04-01 46.80 = SEC Fee Rate Advisory 12 for 2003
2004-02-22 39.00 = SEC Fee Rate Advisory 7 for 2004, NASD alert of 2004-01-28
2004-04-01 23.40 = SEC Fee Rate Advisory 8 for 2004, Release 34-49332
2005-01-07 32.90 = SEC Fee Rate Advisory 6 for 2005
2005-04-01 41.80 = SEC Fee Rate Advisory 7 for 2005
2005-12-22 30.70 = SEC annual adjustment for 2006, as listed by TraderStatus
2007-03-17 15.30 = SEC Fee Rate Advisories for 2007; 30 days after Public Law 110-5
2008-01-25 11.00 = SEC Fee Rate Advisory 1 for 2008; 30 days after Public Law 110-161
2008-04-01 5.60 = FINRA Information Notice 3/10/08
2009-04-10 25.70 ~ the rate of FINRA's notice of 10/2/09; 30 days after Public Law 111-8
2010-01-15 12.70 = SEC release 2009-270
2010-04-01 16.90 = FINRA Information Notice 3/10/10
2011-01-21 19.20 = SEC Fee Rate Advisory 5 for 2011
2012-02-21 18.00 = SEC Fee Rate Advisory 5 for 2012, Release 34-66202
2012-04-01 22.40 = SEC Fee Rate Advisory 2 for 2013; a mid-year change
2013-05-25 17.40 = FINRA Information Notice 3/3/14; 60 days after Public Law 113-6
2014-03-18 22.10 = FINRA Information Notice 3/3/14
2015-02-14 18.40 = SEC press release 2016-2; 60 days after Public Law 113-235
2016-02-16 21.80 = SEC press release 2016-2
2017-07-04 23.10 = SEC advisory of 2017
2018-05-22 13.00 = SEC Fee Rate Advisory 3 for 2018
2019-04-16 20.70 = SEC Fee Rate Advisory 2 for 2019
2020-02-18 22.10 = SEC Fee Rate Advisory 2 for 2020
2021-02-25 5.10 = SEC Fee Rate Advisory 2 for 2021
2022-05-14 22.90 = brokers' pages of 2022; 60 days after Public Law 117-103
2023-02-27 8.00 = SEC Release 34-96724
2024-05-22 27.80 = SEC Release 34-99973
2025-05-14 0 = SEC Fee Rate Advisory 2025-2, FINRA Information Notice 4/24/25
2026-04-04 20.60 = SEC Fee Rate Advisory 2026-2, Release 34-104909
"""

# Dollars per contract sold, per share sold, and at most for one sale of shares.
TRADING_ACTIVITY = """
1990-01-01 0 0 0 ~ NASD's fee began in October 2002
2002-10-01 0.002 0.000075 3.75 ~ the rates of 2005, carried back
2005-01-01 0.002 0.000075 3.75 = NASD Notice to Members 04-84, FINRA Regulatory Notice 11-27
2011-07-01 0.002 0.000090 4.50 = FINRA Regulatory Notice 11-27
2012-03-01 0.002 0.000095 4.75 = FINRA Regulatory Notice 12-06
2012-07-01 0.002 0.000119 5.95 = FINRA, TAF rule flow for equities
2022-01-01 0.00218 0.00013 6.49 = SR-FINRA-2020-032
2023-01-01 0.00244 0.000145 7.27 = SR-FINRA-2020-032
2024-01-01 0.00279 0.000166 8.30 = SR-FINRA-2020-032
2026-01-01 0.00329 0.000195 9.79 = SR-FINRA-2024-019
2026-10-01 0 0 0 = SR-FINRA-2026-021, Release 34-106409: no fee to 2026-12-31
2027-01-01 0.00329 0.000195 9.79 = SR-FINRA-2026-020 and 2026-021
"""

# Dollars per contract, summed over all exchanges, each of which charged wherever the trade took
# place; since 2026-07-01 only the exchange that executes charges, 0.003 to 0.024.
OPTIONS_REGULATORY = """
1990-01-01 0 = Interactive Brokers KB 1184: first charged by Cboe in mid-2009
2009-07-01 0.0040 ~ Cboe's rate of 2010-01, carried back to mid-2009
2010-02-01 0.0140 = Interactive Brokers, notice of 2010-01-15
2011-05-01 0.0225 = sum of exchanges, as listed by TraderStatus
2013-01-01 0.0377 = sum of exchanges, as listed by TraderStatus
2014-02-01 0.0396 = sum of exchanges, as listed by TraderStatus
2015-08-01 0.0427 = sum of exchanges, as listed by TraderStatus
2016-02-01 0.0404 = Interactive Brokers, options pricing with the Section 31 rate of 2016
2017-02-01 0.0378 = Interactive Brokers KB 1184, with Pearl
2019-02-01 0.0379 = Interactive Brokers KB 1184, with Mercury and Emerald
2020-02-01 0.0330 ~ Interactive Brokers, an undated page between 2019 and 2023
2023-01-01 0.03025 ~ Tiger Brokers, a page with the Section 31 and TAF rates of 2023
2024-01-01 0.02685 = Interactive Brokers KB 1184, as of 2024-01-01; Alpaca, Regulatory Fees
2025-03-03 0.02815 = Interactive Brokers KB 1184, as of 2025-03-03
2026-01-02 0.02295 = Interactive Brokers, options pricing of 2026
2026-07-01 {rate} {mark} {source}
"""
ALPACA_ORF = ("0.015", "=", "Alpaca, brokerage fee schedule of 2026-09")
TASTYTRADE_ORF = ("0.02", "=", "tastytrade, Commissions & Fees of 2026-07-30")
BLENDED_ORF = ("0.015", "~", "Alpaca's blend; the exchange that executes sets the fee")

# Dollars per contract, and at most for one trade.
CLEARING = """
1990-01-01 0.05 55 ~ Interactive Brokers' page of 2016 (less above 500), carried back
2020-01-01 0.055 55 = OCC, Schedule of Fees, January 2020
2020-09-01 0.045 55 ~ OCC, Schedule of Fees, undated; in force before 2021-06-01
2021-06-01 0.02 55 = OCC, announcement of 2021-04-19
2025-02-14 0.025 Infinity = 90 FR 10544; a first filing, 89 FR 105645, named 2025-01-01
2025-12-01 0 Infinity = SR-OCC-2025-019: no fee in December 2025
2026-01-01 0.025 Infinity = OCC, Schedule of Fees, November 2025
"""

# Millionths of a dollar per share, or per share that a contract stands for.
_NO_CAT = "1990-01-01 0 = FINRA Rule 6897: first charged on transactions of September 2024"
AUDIT_TRAIL = f"""
{_NO_CAT}
2024-09-01 35 = CAT Fee Alert 2024-1
2024-10-01 48 = CAT Fee Alerts 2024-1 and 2024-2; Interactive Brokers, options pricing
2025-01-01 35 ~ CAT Fee 2025-1 with the historical 13
2025-07-01 22 = CAT Fee 2025-2 with the historical 13, SR-CBOE-2025-044
2026-05-01 3 = CAT Fee 2026-1; Interactive Brokers, options pricing of 2026
"""
ALPACA_AUDIT_TRAIL = f"""
{_NO_CAT}
2024-09-01 46 = Alpaca documentation, Regulatory Fees
2025-07-01 26.5 = Alpaca support, Regulatory Fees, with CAT Fee 2025-2
2026-05-01 3 = Alpaca, brokerage fee schedule of 2026-09
"""

# Exchanges' fees on index options, customers, dollars per contract: roots; (premium below,
# fee) ...; fee above; least contracts of a leg. SPX with its execution surcharge, 0.21, SPXW
# with 0.14. What only complex orders or professionals pay is left out.
CBOE_SINCE = date(2026, 8, 3)
CBOE = (
    "Cboe Exchange, Fees Schedule of 2026-08-03; Public, index option exchange fees of 2026-09"
)
_VIX = "Cboe Exchange, Fees Schedules of 2020-04-07 and 2026-08-03, simple orders"
_OTHERS = "Cboe Exchange, Fees Schedule of 2021-09-01, all other index products"
_NASDAQ = (
    "Interactive Brokers, ISE and PHLX option fees: 0.25, and 0.25 more from a premium of 25"
)
CBOE_FEES: tuple[tuple[str, str, str, str, int, date, str], ...] = (
    ("SPX", "SPX", "1.00:0.57", "0.66", 1, CBOE_SINCE, CBOE),
    ("SPXW", "SPXW", "1.00:0.50", "0.59", 1, CBOE_SINCE, CBOE),
    ("XSP", "XSP", "", "0.07", 10, CBOE_SINCE, CBOE),
    ("RUT", "RUT RUTW", "", "0.18", 1, CBOE_SINCE, CBOE),
    ("DJX", "DJX", "", "0.18", 1, date(2021, 9, 1), _OTHERS),
    ("VIX", "VIX VIXW", "0.11:0.10 1.00:0.25 2.00:0.40", "0.45", 1, date(2020, 4, 7), _VIX),
    ("NDX", "NDX NDXP", "25:0.25", "0.50", 1, CBOE_SINCE, _NASDAQ),
)
# tastytrade's own flat rates: roots, fee before and from its schedule of 2026-07-30, and the
# least contracts of a leg. Source: tastytrade, "Single-Listed Exchange Proprietary Index
# Options Fees", the help page of about 2023 and the schedule of 2026-07-30.
TASTYTRADE_SINCE = date(2026, 7, 1)
TASTYTRADE_FEES = (
    ("SPX", "SPX SPXW", "0.65", "0.60", 1),
    ("VIX", "VIX VIXW", "0.65", "0.35", 1),
    ("RUT", "RUT RUTW", "0.18", "0.18", 1),
    ("DJX", "DJX", "0.18", "0.18", 1),
    ("NDX", "NDX NDXP", "0.25", "0.25", 1),
    ("XSP", "XSP", "0.07", "0.07", 10),
)


def section_31(rounding: Rounding) -> tuple[Charge, ...]:
    """The SEC's fee on sales, by premium, and on shares sold by exercise, by the strike.

    Options on broad-based indices have been exempt since 2001-12-28 (15 U.S.C. 78ee(e), SEC
    Fee Rate Advisory 8), those on narrow ones since 2002-02-01 (Release 34-45371).
    """

    def make(per_million: Decimal, since: date, **row: Any) -> Charge:
        exempt = Options.ALL if since == FIRST_DAY else Options.NOT_INDEX
        rate = per_million / _MILLION
        return Charge(
            per_dollar_sold=rate, since=since, side=Side.SALES, options=exempt,
            on_delivery=True, rounding=rounding, **row,
        )  # fmt: skip

    return _charges("SEC section 31", SECTION_31, 1, make)


def trading_activity(rounding: Rounding) -> tuple[Charge, ...]:
    """FINRA's fee on sales; none on index options, and none but the shares' on an exercise.

    Source of the exemption: FINRA, TAF Frequently Asked Questions, A400.5; Robinhood's page
    on trading fees says the same.
    """

    def make(contract: Decimal, share: Decimal, most: Decimal, **row: Any) -> Charge:
        return Charge(
            per_contract=contract, per_share=share, share_cap=most, side=Side.SALES,
            options=Options.NOT_INDEX, on_delivery=True, rounding=rounding, **row,
        )  # fmt: skip

    return _charges("FINRA trading activity", TRADING_ACTIVITY, 3, make)


def options_regulatory(rounding: Rounding, latest: tuple[str, str, str]) -> tuple[Charge, ...]:
    """The exchanges' regulatory fee, buys and sells; ``latest`` is the broker's own blend."""
    rate, mark, source = latest
    table = OPTIONS_REGULATORY.format(rate=rate, mark=mark, source=source)

    def make(contract: Decimal, **row: Any) -> Charge:
        return Charge(per_contract=contract, rounding=rounding, **row)

    return _charges("options regulatory fee", table, 1, make)


def clearing(rounding: Rounding) -> tuple[Charge, ...]:
    """OCC's clearing fee, buys and sells; its cap is for one trade, here one leg."""

    def make(contract: Decimal, most: Decimal, **row: Any) -> Charge:
        cap = most if most.is_finite() else None
        return Charge(per_contract=contract, cap=cap, rounding=rounding, **row)

    return _charges("OCC clearing", CLEARING, 2, make)


def audit_trail(rounding: Rounding, table: str = AUDIT_TRAIL) -> tuple[Charge, ...]:
    """The consolidated audit trail, by executed share; a contract counts as its shares."""

    def make(millionths: Decimal, **row: Any) -> Charge:
        share = millionths / _MILLION
        return Charge(
            per_contract=STANDARD_MULTIPLIER * share, per_share=share, rounding=rounding,
            **row,
        )  # fmt: skip

    return _charges("consolidated audit trail", table, 1, make)


def exchange_fees(rounding: Rounding) -> tuple[Charge, ...]:
    """What exchanges charge customers on index options, as Interactive Brokers passes it on."""
    charges: list[Charge] = []
    for name, roots, steps, above, least, since, source in CBOE_FEES:
        pairs = [word.split(":") for word in steps.split()]
        tiers = tuple((Decimal(below), Decimal(fee)) for below, fee in pairs)
        row = Charge(
            f"exchange fee {name}", source, since, per_contract=Decimal(above), tiers=tiers,
            roots=tuple(roots.split()), from_contracts=least, rounding=rounding,
        )  # fmt: skip
        charges += carried_back(row)
    return tuple(charges)


def tastytrade_index_fees() -> tuple[Charge, ...]:
    """tastytrade's flat fees on index options, buys and sells."""
    charges: list[Charge] = []
    for name, roots, before, now, least in TASTYTRADE_FEES:
        since = TASTYTRADE_SINCE
        old, new = (
            Charge(
                f"exchange fee {name}", f"tastytrade, index option fees {when}", *days,
                per_contract=Decimal(fee), roots=tuple(roots.split()),
                from_contracts=least, estimated=guessed,
            )
            for fee, when, days, guessed in (
                (before, "of about 2023", (FIRST_DAY, since), True),
                (now, "of 2026-07-30", (since, date.max), False),
            )
        )  # fmt: skip
        charges += [old, new]
    return tuple(charges)


def carried_back(row: Charge) -> tuple[Charge, ...]:
    """A sourced row, and before it the same figures, ESTIMATED."""
    source = f"carried back from {row.since}: {row.source}"
    before = replace(row, since=FIRST_DAY, until=row.since, estimated=True, source=source)
    return (before, row)
