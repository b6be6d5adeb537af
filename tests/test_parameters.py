"""A notebook's parameters are checked by name, type and value before anything runs."""

import pytest

from dollarbill_core.runs.parameters import (
    ParameterError,
    check_values,
    declared,
    resolved,
    validated,
)

CELL = """
symbol: str = "SPX"  # underlying
put_delta: float = 0.16  # delta of the put sold, absolute
target_dte: int = 45  # days to expiry at entry
rehearse: bool = True  # rehearse the month first
start: str = "2014-01-02"  # first session
end: str = "2018-12-31"  # last session
"""


def test_a_cell_declares_name_type_default_and_comment():
    known = declared(CELL)

    assert list(known) == ["symbol", "put_delta", "target_dte", "rehearse", "start", "end"]
    assert known["put_delta"].type is float
    assert known["put_delta"].default == 0.16
    assert known["put_delta"].comment == "delta of the put sold, absolute"


@pytest.mark.parametrize(
    "line",
    [
        "x = 1",
        "x: int = f()",
        "x: list = []",
        "x: int = None",
        "x: int = 'a'",
        "import os",
        "x: int",
    ],
)
def test_a_parameters_cell_holds_typed_literals_and_nothing_else(line):
    with pytest.raises(ParameterError):
        declared(line)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("symbol", "AAPL", "AAPL"),
        ("put_delta", "0.2", 0.2),
        ("put_delta", 0.2, 0.2),
        ("target_dte", "30", 30),
        ("rehearse", "false", False),
        ("rehearse", "True", True),
        ("start", "2015-01-02", "2015-01-02"),
    ],
)
def test_text_becomes_what_the_cell_declares(name, text, value):
    resulting = resolved(declared(CELL), {name: text})[name]

    assert resulting == value
    assert type(resulting) is type(value)


def test_text_that_looks_like_a_number_stays_text():
    assert resolved(declared('agent: str = "1"  # alias'), {"agent": "007"}) == {"agent": "007"}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"put_dleta": "0.2"},
            "put_dleta is not a parameter of this notebook; did you mean put_delta?",
        ),
        ({"colour": "red"}, "colour is not a parameter of this notebook; it has symbol, "),
        ({"put_delta": "16"}, "put_delta = 16 is outside 0 to 0.5; did you mean 0.16?"),
        ({"put_delta": "-0.16"}, "put_delta = -0.16 is outside 0 to 0.5; did you mean 0.16?"),
        ({"put_delta": "0.7"}, "put_delta = 0.7 is outside 0 to 0.5"),
        ({"put_delta": "nan"}, "put_delta = nan is outside 0 to 0.5"),
        ({"put_delta": "0.5"}, "put_delta = 0.5 must be less than 0.5"),
        ({"put_delta": "0"}, "put_delta = 0 must be more than 0"),
        ({"put_delta": "low"}, "put_delta = low is not a number"),
        ({"target_dte": "45.5"}, "target_dte = 45.5 is not a whole number"),
        ({"target_dte": True}, "target_dte = True is not a whole number"),
        ({"target_dte": 0}, "target_dte = 0 must be at least 1"),
        ({"rehearse": "yes"}, "rehearse = yes is not true or false"),
        ({"symbol": "SPXX"}, "symbol = SPXX: the sample has no SPXX; did you mean SPX?"),
        ({"symbol": "aapl"}, "symbol = aapl: the sample has no aapl; did you mean AAPL?"),
        ({"symbol": "ZZZZ"}, "symbol = ZZZZ: the sample has no ZZZZ; it holds SPX, "),
        ({"start": "2019-01-02"}, "start = 2019-01-02 is not before end = 2018-12-31"),
        ({"start": "2.1.2019"}, "start = 2.1.2019 is not a date such as 2016-01-29"),
        ({"start": "20150102"}, "start = 20150102 is not written 2016-01-29"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(given, line):
    with pytest.raises(ParameterError) as caught:
        resolved(declared(CELL), given)

    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("month", "2016-13", "2016-12"),
        ("month", "January", "2016-01"),
        ("capital", 0.0, 100_000.0),
        ("capital", float("inf"), 1.0),
        ("profit_target", 50.0, 0.5),
        ("profit_target", 0.0, 1.0),
        ("fill_fraction", 1.5, 0.0),
        ("iv_percentile_min", 30.0, 0.3),
        ("stop_multiple", 0.0, 2.0),
        ("quantity", 0, 1),
        ("seed", -1, 0),
        ("premium", 4.0, 0.04),
        ("entry_weekday", 5, 4),
        ("rate", 4.0, 0.04),
        ("margin_use", 50.0, 1.0),
        ("reduce_at", 8.0, 0.08),
        ("halt_at", 12.0, 0.12),
        ("source", "no such folder", "sample"),
        ("account", "margin", "reg_t"),
    ],
)
def test_every_standard_name_has_its_check(name, bad, good):
    check_values({name: good})
    with pytest.raises(ParameterError, match=name):
        check_values({name: bad})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"exit_dte": 45, "target_dte": 45}, "exit_dte = 45 is not below target_dte = 45"),
        ({"reduce_at": 0.2, "halt_at": 0.1}, "reduce_at = 0.2 is not below halt_at = 0.1"),
        (
            {"start": "2018-08-01", "session_date": "2018-07-02"},
            "start = 2018-08-01 is not before session_date = 2018-07-02",
        ),
        (
            {"start": "2018-08-01", "month": "2018-07"},
            "start = 2018-08-01 is after month = 2018-07",
        ),
    ],
)
def test_two_values_that_contradict_each_other_are_named(values, line):
    with pytest.raises(ParameterError) as caught:
        check_values(values)

    assert str(caught.value) == line


def test_a_statement_may_begin_in_its_own_month():
    assert check_values({"start": "2018-08-31", "month": "2018-08"}) is None
    with pytest.raises(ParameterError):
        check_values({"start": "2018-09-03", "month": "2018-08"})


@pytest.mark.parametrize("source", ["store", "s3://bucket/chains", "{folder}"])
def test_a_store_answers_for_its_own_symbols(tmp_path, source):
    check_values({"symbol": "SPY", "source": source.format(folder=tmp_path)})
    with pytest.raises(ParameterError, match="the sample has no SPY"):
        check_values({"symbols": "AAPL, SPY", "source": "sample"})


# ---------------------------------------------------------------- inside a notebook


def kernel_names(**values):
    types = {name: type(value) for name, value in values.items()}
    return {"__annotations__": types, "__name__": "__main__", "In": [""], **values}


def test_validated_returns_the_declared_names_and_no_others():
    names = kernel_names(put_delta=0.2, month="2016-01") | {"leftover": 3, "os": pytest}

    p = validated(names)

    assert dict(p) == {"put_delta": 0.2, "month": "2016-01"}
    assert p.put_delta == p["put_delta"] == 0.2
    assert repr(p) == "put_delta  0.2\nmonth      2016-01"
    assert "<summary>2 parameters</summary>" in p._repr_html_()
    assert '<th scope="row">month</th><td>2016-01</td>' in p._repr_html_()


def test_parameters_are_read_only_and_suggest_the_right_name():
    p = validated(kernel_names(put_delta=0.2))

    with pytest.raises(AttributeError, match="read-only"):
        p.put_delta = 0.3
    with pytest.raises(AttributeError, match="did you mean put_delta"):
        _ = p.put_dleta


def test_a_misspelt_name_that_plain_papermill_injected_is_found():
    names = kernel_names(put_delta=0.2)
    names |= {"put_dleta": 0.3, "In": ["", "# Parameters\nput_dleta = 0.3\n"]}

    with pytest.raises(ParameterError, match="put_dleta is not a parameter"):
        validated(names)


def test_a_value_of_the_wrong_type_that_plain_papermill_injected_is_found():
    names = kernel_names(put_delta=0.2) | {"put_delta": "low"}

    with pytest.raises(ParameterError, match="put_delta = low is not a number"):
        validated(names)


def test_jupyter_shows_the_line_and_not_the_stack():
    assert ParameterError("x is wrong")._render_traceback_() == ["ParameterError: x is wrong"]
