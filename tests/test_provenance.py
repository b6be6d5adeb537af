"""Fingerprints: alike for the same content, different for any other; labels on every face."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as D
from enum import Enum
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Provenance, Quotes, Stage, fingerprint

NOON = datetime(2026, 11, 2, 17, tzinfo=UTC)
SOURCE = Provenance("sample", Quotes.MODELLED, NOON, "0", Stage.BACKTEST)


class Colour(Enum):
    RED = 1


class Paint(Enum):
    RED = 1


@dataclass(frozen=True)
class Rule:
    delta: float
    note: str = field(default="", repr=False)


@dataclass(frozen=True)
class OtherRule:
    delta: float


SAME = [
    pytest.param({"a": 1, "b": 2}, OrderedDict(b=2, a=1), id="order of keys"),
    pytest.param({"a": 1}, MappingProxyType({"a": 1}), id="kind of mapping"),
    pytest.param((1, 2), [1, 2], id="kind of sequence"),
    pytest.param(0.16, np.float64(0.16), id="numpy's float"),
    pytest.param(7, np.int64(7), id="numpy's whole number"),
    pytest.param(NOON, NOON.astimezone(ZoneInfo("America/New_York")), id="time zone"),
    pytest.param(NOON, NOON.astimezone(timezone(timedelta(hours=5))), id="offset"),
    pytest.param(
        Option.from_occ("SPY261218P00600000"),
        Option("SPY", date(2026, 12, 18), D("600.00"), Right.PUT),
        id="spelling of a strike",
    ),
    pytest.param(Rule(0.16, "a"), Rule(0.16, "b"), id="what a value does not show"),
    pytest.param(np.arange(6.0)[::2], np.array([0.0, 2.0, 4.0]), id="strides of an array"),
]
DIFFERENT = [
    pytest.param(1, 2, id="number"),
    pytest.param(1, 1.0, id="kind of number"),
    pytest.param(1, True, id="truth"),
    pytest.param(1, "1", id="text"),
    pytest.param(0.1, 0.1 + 2e-17, id="the last bit"),
    pytest.param(D("1.0"), 1.0, id="money"),
    pytest.param(None, "None", id="nothing"),
    pytest.param((1, (2, 3)), (1, 2, 3), id="nesting"),
    pytest.param(("ab", "c"), ("a", "bc"), id="where a text ends"),
    pytest.param({"a": 1}, {"a": None}, id="value of a key"),
    pytest.param(Colour.RED, Paint.RED, id="enum"),
    pytest.param(Rule(0.16), OtherRule(0.16), id="kind of rule"),
    pytest.param(date(2026, 11, 2), datetime(2026, 11, 2), id="date and instant"),
    pytest.param(NOON, NOON + timedelta(microseconds=1), id="microsecond"),
    pytest.param(np.zeros(4), np.zeros((2, 2)), id="shape"),
    pytest.param(np.zeros(2), np.zeros(2, np.float32), id="precision"),
    pytest.param(np.zeros(2), np.array([0.0, 1e-300]), id="element"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_content_has_the_same_fingerprint(one, other):
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 12


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_content_has_another_fingerprint(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_is_the_same_in_every_process():
    assert fingerprint({"delta": 0.16, "symbols": ("SPY", "QQQ")}) == "118cd7ba7fa1"


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, np.array([object()]), lambda: 0, Rule],
    ids=["object", "set", "array of objects", "function", "class"],
)
def test_an_address_is_never_hashed(value):
    with pytest.raises(TypeError, match="cannot fingerprint"):
        fingerprint(value)


def test_the_banner_names_stage_quotes_and_warnings():
    survivors = replace(SOURCE, warnings=("SURVIVORS", "NO DIVIDENDS"))

    assert SOURCE.label == "BACKTEST · MODELLED"
    assert survivors.label == "BACKTEST · MODELLED · SURVIVORS · NO DIVIDENDS"
    assert replace(SOURCE, stage=Stage.REHEARSED).label == "PAPER (REHEARSED) · MODELLED"


def test_all_but_live_is_hypothetical():
    assert [stage for stage in Stage if not stage.is_hypothetical] == [Stage.LIVE]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"as_of": NOON.replace(tzinfo=None)}, "time zone"), ({"source": ""}, "source")],
)
def test_a_source_without_name_or_instant_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SOURCE, **change)
