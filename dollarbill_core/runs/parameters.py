"""What a notebook may be told: the names, types and values of its parameters, checked."""

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Any

Value = str | int | float | bool
_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_A_TYPE = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_TRUTH = {"true": True, "false": False}
_INJECTED = "# Parameters\n"  # papermill heads the cell that it injects with this comment


class ParameterError(ValueError):
    """A parameter's name, type or value is wrong; the message is one line for the user."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the one line, not the stack that led to it."""
        return [f"ParameterError: {self}"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of a parameters cell: ``name: type = value  # comment, unit``."""

    name: str
    type: type
    default: Value
    comment: str

    def converted(self, given: object) -> Value:
        """What was given, as the declared type; text is read, nothing else is bent.

        >>> Parameter("symbol", str, "SPX", "underlying").converted("007")
        '007'
        >>> Parameter("quantity", int, 1, "contracts").converted("2")
        2
        """
        if self.type is float and type(given) is int:
            return float(given)
        if isinstance(given, self.type) and type(given) is self.type:
            return given  # type: ignore[return-value]  # its type is one of the four
        if isinstance(given, str) and (value := _read(given, self.type)) is not None:
            return value
        raise ParameterError(f"{self.name} = {given} is not {_A_TYPE[self.type]}")


def _read(text: str, kind: type) -> Value | None:
    if kind is bool:
        return _TRUTH.get(text.strip().lower())
    try:
        return kind(text)  # type: ignore[no-any-return]  # int or float, from _TYPES
    except ValueError:
        return None


# ---------------------------------------------------------------- the parameters cell


def declared(source: str) -> dict[str, Parameter]:
    """The parameters that a cell declares, by name, in order.

    >>> declared("put_delta: float = 0.16  # delta of the put sold, absolute")["put_delta"]
    Parameter(name='put_delta', type=<class 'float'>, default=0.16, \
comment='delta of the put sold, absolute')

    Raises
    ------
    ParameterError
        If a line is anything but ``name: str|int|float|bool = literal``.
    """
    comments = _comments(source)
    return {
        line.name: line
        for line in (_parameter(node, comments) for node in ast.parse(source).body)
    }


def _parameter(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    match node:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value
        ) if kind in _TYPES:
            bare = Parameter(name, _TYPES[kind], 0, comments.get(node.end_lineno or 0, ""))
            default = bare.converted(_literal(name, value))
            return Parameter(name, bare.type, default, bare.comment)
    raise ParameterError(f"a parameters cell holds 'name: type = value', not {_line(node)!r}")


def _literal(name: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ParameterError(f"{name} = {ast.unparse(node)} is not a literal") from None


def _line(node: ast.stmt) -> str:
    return ast.unparse(node).splitlines()[0]


def _comments(source: str) -> dict[int, str]:
    """The comment at the end of each line, by line number from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def resolved(known: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """Every parameter with the value it will have: what was given, else its default.

    Raises
    ------
    ParameterError
        For a name that the notebook does not declare, a wrong type, or a value that makes
        no sense.
    """
    for name in given:
        if name not in known:
            raise ParameterError(_unknown(name, known))
    values = {
        name: parameter.converted(given.get(name, parameter.default))
        for name, parameter in known.items()
    }
    check_values(values)
    return values


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
    return f"{name} is not a parameter of this notebook; {hint}"


# ---------------------------------------------------------------- inside a notebook


class Parameters(Mapping[str, Value]):
    """A notebook's parameters, checked and read-only: ``p.put_delta`` or ``p["put_delta"]``."""

    __slots__ = ("_values",)
    _values: dict[str, Value]

    def __init__(self, values: Mapping[str, Value]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(_unknown(name, self._values)) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is read-only: change it in the parameters cell")

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        width = max(map(len, self._values), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self._values.items())

    def _repr_html_(self) -> str:
        """Folded to one line, so that a page begins with its answer."""
        rows = "".join(
            f'<tr><th scope="row">{name}</th><td>{escape(str(value))}</td></tr>'
            for name, value in self._values.items()
        )
        return (
            f"<details><summary>{len(self)} parameters</summary><table>{rows}</table></details>"
        )


def validated(names: Mapping[str, Any]) -> Parameters:
    """The parameters among a notebook's ``globals()``, or one clear line on what is wrong.

    The declared types are the annotations of the parameters cell; a name that plain papermill
    injected and the cell does not declare is an error as well.

    Examples
    --------
    >>> validated({"__annotations__": {"put_delta": float}, "put_delta": 16.0})
    Traceback (most recent call last):
    dollarbill_core.runs.parameters.ParameterError: put_delta = 16 is outside 0 to 0.5; \
did you mean 0.16?
    """
    annotations = names.get("__annotations__", {})
    known = {
        name: Parameter(name, kind, kind(), "")
        for name, kind in annotations.items()
        if kind in _A_TYPE and name in names
    }
    injected = {name for cell in names.get("In", ()) for name in _injected(cell)}
    return Parameters(resolved(known, {name: names.get(name) for name in [*known, *injected]}))


def _injected(cell: str) -> list[str]:
    return re.findall(r"^(\w+) = ", cell, re.MULTILINE) if cell.startswith(_INJECTED) else []


# ---------------------------------------------------------------- values that make sense

Check = Callable[[Any], str | None]  # what is wrong with a value, after "name = value "


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ParameterError for the first value that cannot be meant; unknown names pass."""
    for name, value in values.items():
        complaint = CHECKS[name](value) if name in CHECKS else None
        if complaint:
            raise ParameterError(f"{name} = {_shown(value)} {complaint}")
    for rule in (_unknown_symbols, _dates_reversed, _month_before_start, _not_below):
        if complaint := rule(values):
            raise ParameterError(complaint)


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _between(low: float, high: float) -> Check:
    """Strictly inside; a percent or a signed delta gets the fraction that was likely meant."""

    def check(value: float) -> str | None:
        if low < value < high:
            return None
        if value == low:
            return f"must be more than {low:g}"
        if value == high:
            return f"must be less than {high:g}"
        meant = next((m for m in (-value, value / 100, -value / 100) if low < m < high), None)
        hint = "" if meant is None else f"; did you mean {meant:g}?"
        return f"is outside {low:g} to {high:g}{hint}"

    return check


def _fraction(value: float) -> str | None:
    """From 0 to 1, both included."""
    return None if value in (0, 1) else _between(0, 1)(value)


def _below_one(value: float) -> str | None:
    """From 0 to below 1."""
    return None if value == 0 else _between(0, 1)(value)


def _share(value: float) -> str | None:
    """Above 0, at most 1."""
    return None if value == 1 else _between(0, 1)(value)


def _positive(value: float) -> str | None:
    return None if 0 < value < math.inf else "must be more than 0"


def _at_least(least: int) -> Check:
    return lambda value: None if value >= least else f"must be at least {least}"


def _weekday(value: int) -> str | None:
    return None if 0 <= value <= 4 else "is not 0 (Monday) to 4 (Friday)"


def _iso_date(value: str) -> str | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return "is not a date such as 2016-01-29"
    return None if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else "is not written 2016-01-29"


def _iso_month(value: str) -> str | None:
    good = re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value)
    return None if good else "is not a month such as 2016-01"


def _source(value: str) -> str | None:
    is_place = "://" in value or Path(value).expanduser().is_dir()
    known = value in ("sample", "store") or is_place
    return None if known else "is neither sample, store nor a store's folder or URL"


def _account(value: str) -> str | None:
    from dollarbill_core.rules.accounts import ACCOUNTS  # only when asked

    return None if value in ACCOUNTS else f"is none of {', '.join(ACCOUNTS)}"


CHECKS: Mapping[str, Check] = {
    "source": _source,
    "account": _account,
    "start": _iso_date,
    "end": _iso_date,
    "as_of": _iso_date,
    "session_date": _iso_date,
    "month": _iso_month,
    "delta": _between(0, 0.5),
    "put_delta": _between(0, 0.5),
    "call_delta": _between(0, 0.5),
    "target_dte": _at_least(1),
    "exit_dte": _at_least(0),
    "profit_target": _share,
    "stop_multiple": _positive,
    "capital": _positive,
    "quantity": _at_least(1),
    "max_positions": _at_least(1),
    "seed": _at_least(0),
    "premium": _between(-0.5, 1),
    "iv_percentile_min": _below_one,
    "fill_fraction": _fraction,
    "capital_fraction": _share,
    "margin_use": _share,
    "reduce_at": _between(0, 1),
    "halt_at": _between(0, 1),
    "rate": _between(-0.05, 0.25),
    "entry_weekday": _weekday,
}


def _unknown_symbols(values: Mapping[str, Value]) -> str | None:
    """The sample holds a few symbols; a store answers for its own."""
    for name in {"symbol", "symbols"} & values.keys():
        if not str(values[name]).replace(",", " ").split():
            return f"{name} names no underlying; write {name}=SPX, say"
    if values.get("source", "sample") != "sample":
        return None
    for name in ("symbol", "symbols"):
        for symbol in str(values.get(name, "")).replace(",", " ").split():
            if complaint := _unknown_symbol(symbol):
                return f"{name} = {values[name]}: {complaint}"
    return None


def _unknown_symbol(symbol: str) -> str | None:
    from dollarbill_core.sources.sample import SYMBOLS  # loads prices: only when asked

    if symbol in SYMBOLS:
        return None
    near = get_close_matches(symbol.upper(), SYMBOLS, n=1)
    known = f"did you mean {near[0]}?" if near else f"it holds {', '.join(SYMBOLS)}"
    return f"the sample has no {symbol}; {known}"


def _dates_reversed(values: Mapping[str, Value]) -> str | None:
    start, end = values.get("start"), values.get("end", values.get("session_date"))
    if start is None or end is None or str(start) < str(end):
        return None
    name = "end" if "end" in values else "session_date"
    return f"start = {start} is not before {name} = {end}"


def _month_before_start(values: Mapping[str, Value]) -> str | None:
    start, month = str(values.get("start", "")), str(values.get("month", "9999"))
    return None if start[:7] <= month else f"start = {start} is after month = {month}"


_BELOW = (("exit_dte", "target_dte"), ("reduce_at", "halt_at"))


def _not_below(values: Mapping[str, Value]) -> str | None:
    for low, high in _BELOW:
        if low in values and high in values and not values[low] < values[high]:  # type: ignore[operator]  # both numbers
            return f"{low} = {values[low]} is not below {high} = {values[high]}"
    return None
