"""Events and orders as JSON, and back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dollarbill_core.values.book import Event
from dollarbill_core.values.contracts import Instrument, Option, Stock

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
T = TypeVar("T")
_EVENTS = {kind.__name__: kind for kind in get_args(Event)}
_TAG = "event"  # names the kind of an event beside its fields
_INSTRUMENTS = frozenset(get_args(Instrument))


class BadRecord(ValueError):
    """A stored record that is not what its place in the ledger says."""


def as_text(value: object) -> str:
    """Any value of the house as one line of JSON, the same line every time.

    >>> from datetime import UTC
    >>> from dollarbill_core.values.book import Flow
    >>> as_text(Flow(datetime(2026, 11, 2, tzinfo=UTC), Decimal("1000.50")))
    '{"amount":"1000.50","at":"2026-11-02T00:00:00+00:00","event":"Flow","investor":""}'
    """
    return json.dumps(encoded(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_text(kind: type[T], text: str) -> T:
    """The value of type ``kind`` that ``as_text`` wrote.

    Raises
    ------
    BadRecord
        If the text is not JSON, or not of this kind.
    """
    try:
        return cast(T, _read(cast(Any, kind), text))
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise BadRecord(f"not a record of {name}: {text[:80]}") from error


@lru_cache(maxsize=10_000)
def _read(kind: Any, text: str) -> Any:
    """Values never change, so one that was read before is handed out again."""
    return decoded(kind, json.loads(text))


def event_from_text(text: str) -> Event:
    """The event that ``as_text`` wrote, of whichever kind."""
    return from_text(cast(type[Event], Event), text)


def encoded(value: object) -> Json:
    """Plain JSON: Decimals and dates as text, instruments as symbols, values as objects."""
    match value:
        case Enum():
            return cast(Json, value.value)
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return str(value)
        case date():  # datetime too, with its offset from UTC
            return value.isoformat()
        case Option() | Stock():
            return symbol(value)
        case Mapping():
            return {cast(str, encoded(key)): encoded(item) for key, item in value.items()}
        case tuple() | list():
            return [encoded(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _encoded_fields(value)
    raise TypeError(f"no record is kept of a {type(value).__name__}")


def _encoded_fields(value: Any) -> dict[str, Any]:
    record = {field.name: encoded(getattr(value, field.name)) for field in fields(value)}
    name = type(value).__name__
    return {_TAG: name, **record} if name in _EVENTS else record


def symbol(instrument: Instrument) -> str:
    """The OCC symbol of an option, the symbol of a stock."""
    if isinstance(instrument, Option):
        return instrument.occ
    if isinstance(instrument_of(instrument.symbol), Option):
        raise ValueError(f"a stock's symbol must not read as an option's: {instrument}")
    return instrument.symbol


def instrument_of(text: str) -> Instrument:
    """The option or stock that a symbol names.

    >>> instrument_of("SPY261218P00600000").underlying, str(instrument_of("SPY"))
    ('SPY', 'SPY')
    """
    try:
        return Option.from_occ(text)
    except ValueError:
        return Stock(text)


def decoded(kind: Any, data: Json) -> Any:
    """The value of the declared type ``kind`` that ``data`` stands for."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _decoded_union(get_args(kind), data)
    if origin is tuple:
        return _decoded_tuple(get_args(kind), cast(list[Any], data))
    if origin is not None and issubclass(origin, Mapping):
        of_key, of_item = get_args(kind)
        pairs = cast(dict[str, Any], data).items()
        return {decoded(of_key, key): decoded(of_item, item) for key, item in pairs}
    return _decoded_plain(kind, data)


def _decoded_union(kinds: Iterable[Any], data: Json) -> Any:
    """None, an event by its kind, an instrument by its symbol, or the one type that is left."""
    kinds = set(kinds)
    if data is None and NoneType in kinds:
        return None
    kinds -= {NoneType}
    if kinds == _INSTRUMENTS:
        return instrument_of(cast(str, data))
    if isinstance(data, dict) and _TAG in data:
        return _decoded_fields(_EVENTS[data[_TAG]], data)
    (kind,) = kinds
    return decoded(kind, data)


def _decoded_tuple(kinds: tuple[Any, ...], data: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(decoded(kinds[0], item) for item in data)
    return tuple(decoded(kind, item) for kind, item in zip(kinds, data, strict=True))


def _decoded_plain(kind: Any, data: Any) -> Any:
    if kind is Decimal and isinstance(data, str):
        return Decimal(data)
    if kind in (date, datetime):
        return kind.fromisoformat(data)
    if kind in (Option, Stock):
        found = instrument_of(data)
        if not isinstance(found, kind):
            raise BadRecord(f"{data} is not the symbol of a {kind.__name__}")
        return found
    if is_dataclass(kind):
        return _decoded_fields(kind, data)
    if issubclass(kind, Enum):
        return kind(data)
    if kind is float and isinstance(data, int):
        return float(data)
    if type(data) is not kind:
        raise BadRecord(f"{data!r} is not of type {kind.__name__}")
    return data


def _decoded_fields(kind: Any, data: dict[str, Any]) -> Any:
    hints = _field_types(kind)
    given = {name: item for name, item in data.items() if name != _TAG}
    if unknown := given.keys() - hints.keys():
        raise BadRecord(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**{name: decoded(hints[name], item) for name, item in given.items()})


@cache
def _field_types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
