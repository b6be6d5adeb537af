"""QuantConnect LEAN's daily stock prices, and the dividends and splits behind its factors."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from dollarbill_core.formats.cells import (
    day,
    dollars,
    numbered_lines,
    quoted,
    shortest_decimal,
    shortest_fraction,
    whole,
)
from dollarbill_core.formats.pieces import Piece, Reject, UnreadableFile
from dollarbill_core.formats.rows import DailyPrice, price_rows
from dollarbill_core.storage.schema import PRICES
from dollarbill_core.values.calendars import FIRST_DAY, LAST_DAY, next_session

SEEN = (
    "spy.zip with spy.csv, rows yyyyMMdd HH:mm, open, high, low, close, volume, prices x "
    "10,000, unadjusted; spy_factors.csv or factor_files/spy.csv, rows date, price factor, "
    "split factor, reference price (QuantConnect/Lean, Data/equity/usa)"
)
_SCALE = 10_000
_MOST_BYTES = 16 * 2**20  # of a file in a zip: two centuries of days
_BROKEN = (BadZipFile, OSError, EOFError, RuntimeError, zlib.error)
_HALF = Decimal("0.00000005")  # price factors are rounded to seven decimals
_LEAST = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class _Factor:
    """What prices up to and with one day are multiplied by, and that day's close if known."""

    day: date
    price: Decimal
    split: Decimal
    split_half: Decimal
    close: Decimal | None


@dataclass(frozen=True, slots=True)
class Action:
    """What goes ex on a day: a dividend in dollars per share, new shares for old, or both."""

    ex_date: date
    dividend: Decimal | None
    split: Fraction | None
    fault: str = ""  # why a dividend that there was is not known


def lean_price_piece(file: Path) -> Piece:
    """The prices of one stock, with what its factor file says about dividends and splits.

    The zip of prices is the one that is read; the factor file, given itself, adds nothing: a
    row of the store is a whole day. Without a factor file, or with one that is cut off or has a
    row that cannot be read, the prices are refused, since who holds the shares would lose the
    dividends unseen.
    """
    if file.suffix == ".csv":
        symbol, prices = _zip_of(file)
        if prices.is_file():
            return Piece({}, 1, 1.0)
        raise UnreadableFile(f"{file}: factors are read with the prices: {prices} is not there")
    symbol = file.stem.upper()
    text, of_factors = _price_text(file), _factor_file(file)
    factors = _factors(of_factors)
    found, refused = _prices(file.name, text)
    newest = factors[-1]
    if not newest.price == newest.split == 1 or newest.day < max(found, default=newest.day):
        raise UnreadableFile(
            f"{of_factors}: its newest row, of {newest.day}, is not 1,1 or is before the last "
            "price, so dividends would be lost: get it again, together with the prices"
        )
    days, unplaced = _with_actions(found, actions(factors, found), file.name)
    rows = {(PRICES, symbol.replace(".", "")): price_rows(days, "QuantConnect LEAN")}
    return Piece(rows, 1, 1.0, (*refused, *unplaced))


def _zip_of(factor_file: Path) -> tuple[str, Path]:
    if factor_file.stem.endswith("_factors"):
        symbol = factor_file.stem.removesuffix("_factors")
        return symbol, factor_file.with_name(f"{symbol}.zip")
    folder = factor_file.parent.parent / "daily"
    return factor_file.stem, folder / f"{factor_file.stem}.zip"


def _factor_file(prices: Path) -> Path:
    beside = prices.with_name(f"{prices.stem}_factors.csv")
    leans = prices.parent.parent / "factor_files" / f"{prices.stem}.csv"
    for each in (beside, leans):
        if each.is_file():
            return each
    raise UnreadableFile(
        f"{prices}: its dividends and splits are missing: put LEAN's factor file beside it as "
        f"{beside.name} (one row 20501231,1,1,0 says there were none)"
    )


def _price_text(file: Path) -> str:
    if file.suffix != ".zip":
        raise UnreadableFile(f"{file} is not a file of LEAN's: those are zips, or factor files")
    with opened_zip(file) as archive:
        if archive.namelist() != [f"{file.stem}.csv"]:
            raise UnreadableFile(
                f"{file}: neither options nor daily prices of a stock, which would be one "
                f"file {file.stem}.csv in the zip"
            )
        return member_text(archive, f"{file.stem}.csv") or ""


def opened_zip(path: Path) -> ZipFile:
    """Raises UnreadableFile for a file that is none."""
    try:
        return ZipFile(path)
    except _BROKEN as error:
        raise UnreadableFile(f"{path} is not a zip that can be read: {error}") from None


def member_text(archive: ZipFile, member: str) -> str | None:
    """A file in a zip of daily rows, None if it is not there.

    Raises UnreadableFile if it is damaged, or unpacks to more than days can be.
    """
    try:
        size = archive.getinfo(member).file_size
        if size > _MOST_BYTES:
            raise UnreadableFile(
                f"{archive.filename}: {member} has {size:,} bytes, too many for daily rows"
            )
        return archive.read(member).decode("utf-8", "replace")
    except KeyError:
        return None
    except _BROKEN as error:
        raise UnreadableFile(
            f"{archive.filename}: {member} cannot be read ({error}): get the file again"
        ) from None


def _prices(name: str, text: str) -> tuple[dict[date, DailyPrice], list[Reject]]:
    found: dict[date, DailyPrice] = {}
    refused = []
    for count, line in numbered_lines(text):
        try:
            price = _daily(line)
        except ValueError as error:
            refused.append(Reject(f"{name}, line {count}", str(error), line))
        else:
            found[price.day] = price
    return dict(sorted(found.items())), refused


def _daily(line: str) -> DailyPrice:
    cells = line.split(",")
    if len(cells) != 6:
        raise ValueError(f"{len(cells)} cells, not 6")
    if not cells[0].endswith(" 00:00"):
        raise ValueError(f"{quoted(cells[0])} is not a day such as 20140606 00:00")
    return DailyPrice(
        day(cells[0]),
        open=_scaled(cells[1], "open"),
        high=_scaled(cells[2], "high"),
        low=_scaled(cells[3], "low"),
        close=_scaled(cells[4], "close"),
        volume=whole(cells[5], "volume"),
    )


def _scaled(text: str, name: str) -> Decimal | None:
    price = dollars(text, name)
    return None if price is None else price / _SCALE


def _factors(file: Path) -> list[_Factor]:
    """In order of day; one that cannot be read would shift a dividend to another day."""
    factors = []
    text = file.read_text(encoding="utf-8", errors="replace")
    for count, line in numbered_lines(text):
        try:
            factors.append(_factor(line))
        except ValueError as error:
            raise UnreadableFile(f"{file}, line {count}: {error}: get it again") from None
    if not factors:
        raise UnreadableFile(f"{file} has no factors: date, price factor, split factor, close")
    return sorted(factors, key=lambda factor: factor.day)


def _factor(line: str) -> _Factor:
    cells = line.split(",")
    if len(cells) not in (3, 4):
        raise ValueError(f"{len(cells)} cells, not 3 or 4")
    price, split = (dollars(cells[i], "factor") for i in (1, 2))
    if price is None or split is None or not (price > _LEAST and split > _LEAST):
        raise ValueError(f"factors {cells[1]} and {cells[2]} are not above {_LEAST}")
    places = min(max(-int(split.normalize().as_tuple().exponent), 6), 7)
    half = Decimal(5).scaleb(-places - 1)
    close = dollars(cells[3], "reference price") if len(cells) == 4 else None
    return _Factor(day(cells[0]), price, split, half, close or None)


def actions(factors: list[_Factor], prices: Mapping[date, DailyPrice]) -> Iterator[Action]:
    """Dividends and splits that explain why one row's factors differ from the next row's.

    A row's factors hold up to its date, the session before an ex-date::

        price factor = next row's x (1 - dividend / close)
        split factor = next row's x old shares / new shares

    Factors have seven decimals, so a dividend is known to about close / 10 million / factor
    dollars: 4e-5 for a share of 390. Of the amounts within that reach the one with the fewest
    decimals is taken, and of the splits the one of the smallest numbers. Against the four known
    dividends of SPY in 2021 that is exact to the fourth decimal; dividends declared to the cent
    come out to the cent.
    """
    for old, new in pairwise(factors):
        if not FIRST_DAY <= old.day < LAST_DAY or (old.price, old.split) == (
            new.price,
            new.split,
        ):
            continue
        close = old.close if old.close and old.close > 1 else _close(prices, old.day)
        fault, dividend = "", None
        if old.price != new.price and close:
            dividend = _dividend(old, new, close)
        elif old.price != new.price:
            fault = f"a dividend, but the close of {old.day} is not known"
        split = _split(old, new) if old.split != new.split else None
        yield Action(next_session(old.day), dividend, split, fault)


def _close(prices: Mapping[date, DailyPrice], on: date) -> Decimal | None:
    there = prices.get(on)
    return there.close if there else None


def _dividend(old: _Factor, new: _Factor, close: Decimal) -> Decimal:
    half = Decimal(0) if new.price == 1 else _HALF  # the newest factor is one, exactly
    most = 1 - (old.price - _HALF) / (new.price + half)
    least = 1 - (old.price + _HALF) / (new.price - half)
    return shortest_decimal(close * least, close * most)


def _split(old: _Factor, new: _Factor) -> Fraction:
    """New shares for each old one."""
    half = Decimal(0) if new.split == 1 else new.split_half
    low = Fraction(new.split - half) / Fraction(old.split + old.split_half)
    high = Fraction(new.split + half) / Fraction(old.split - old.split_half)
    return shortest_fraction(low, high)


def _with_actions(
    prices: Mapping[date, DailyPrice], found: Iterator[Action], name: str
) -> tuple[list[DailyPrice], list[Reject]]:
    days, refused = dict(prices), []
    for each in found:
        place = f"factors of {name}, ex-date {each.ex_date}"
        try:
            days[each.ex_date] = _with_action(days[each.ex_date], each)
        except KeyError:
            refused.append(Reject(place, "there is no price on that day", str(each.dividend)))
        except ValueError as error:
            refused.append(Reject(place, str(error)))
        if each.fault:
            refused.append(Reject(place, each.fault))
    return list(days.values()), refused


def _with_action(price: DailyPrice, action: Action) -> DailyPrice:
    new, old = action.split.as_integer_ratio() if action.split else (None, None)
    return replace(price, dividend=action.dividend, split_new=new, split_old=old)
