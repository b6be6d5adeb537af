"""Settings come from one file and a few folders in the environment; secrets are never shown."""

from pathlib import Path

import pytest

from dollarbill_core.storage.settings import (
    Settings,
    SettingsError,
    keys,
    load_settings,
    redis_url,
    secret,
)


def told(home: Path, text: str, **environment: str) -> Settings:
    home.mkdir(exist_ok=True)
    (home / "dollarbill.toml").write_text(text)
    return load_settings({"DOLLARBILL_HOME": str(home), **environment})


def test_an_empty_machine_has_defaults(tmp_path):
    settings = load_settings({"DOLLARBILL_HOME": str(tmp_path / "none")})

    assert settings.deadline_minutes == 30
    assert settings.ledger.parent == settings.home == tmp_path / "none"
    assert settings.described()["settings file"] == "none: defaults"


def test_the_file_is_read_and_its_folders_stand_under_home(tmp_path):
    settings = told(tmp_path, 'data = "chains"\nreports = "/tmp/pages"\ndeadline_minutes = 5')

    assert settings.data == tmp_path / "chains"
    assert settings.reports == Path("/tmp/pages").resolve()
    assert settings.deadline_minutes == 5.0
    assert settings.described()["settings file"] == str(settings.file)


def test_the_environment_overrides_the_file(tmp_path):
    settings = told(tmp_path, 'data = "chains"', DOLLARBILL_DATA=str(tmp_path / "other"))

    assert settings.data == tmp_path / "other"


def test_the_store_may_be_a_url_whose_login_is_not_shown(tmp_path):
    settings = told(tmp_path, 'data = "s3://jo:do-not-show-me@bucket/chains"')

    assert settings.data == "s3://jo:do-not-show-me@bucket/chains"
    assert settings.described()["data"] == "s3://bucket/chains"
    assert told(tmp_path, "", DOLLARBILL_DATA="memory://chains").data == "memory://chains"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('reprots = "x"', "did you mean 'reports'", id="misspelt"),
        pytest.param("colour = 1", "known are reports", id="unknown"),
        pytest.param('alpaca_secret_key = "x"', "in the environment", id="secret in the file"),
        pytest.param("data = 3", "data = 3 is not a str", id="wrong type"),
        pytest.param("deadline_minutes = true", "is not a float", id="a bool is no number"),
        pytest.param("deadline_minutes = 0", "outside 0 to 1440", id="impossible value"),
        pytest.param("data = ", "cannot be read", id="not TOML"),
        pytest.param('watch_list = "SPY"', "is not a list", id="one symbol is no list"),
        pytest.param('watch_list = ["spy"]', "'spy' is not a symbol", id="lower case"),
        pytest.param("watch_list = [3]", "3 is not a symbol", id="a number is no symbol"),
        pytest.param('watch_list = ["SPY", "SPY"]', "twice: SPY, SPY", id="symbol twice"),
        pytest.param("snapshot_minutes = 0", "outside 1 to 120", id="at the close itself"),
        pytest.param("snapshot_minutes = 121", "outside 1 to 120", id="hours before it"),
        pytest.param('reports = "s3://jo@b/x"', "reports = s3://b/x is a URL", id="URL"),
        pytest.param('option_feed = "sip"', "neither indicative nor opra", id="unknown feed"),
        pytest.param('redis_url = "redis://x"', "in the environment", id="secret address"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, complaint):
    with pytest.raises(SettingsError, match=complaint) as caught:
        told(tmp_path, text)

    assert "\n" not in str(caught.value)


def test_secrets_are_reported_as_set_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPACA_API_KEY", "do-not-show-me")
    monkeypatch.delenv("ALPACA_SECRET_KEY", raising=False)

    settings = load_settings({"DOLLARBILL_HOME": str(tmp_path)})

    assert keys() == {"ALPACA_API_KEY": True, "ALPACA_SECRET_KEY": False}
    assert settings.described()["ALPACA_API_KEY"] == "set"
    assert "do-not-show-me" not in repr(settings) + str(settings.described())


def test_a_needed_secret_that_is_missing_names_its_variable():
    assert secret("ALPACA_API_KEY", {"ALPACA_API_KEY": "x"}) == "x"
    with pytest.raises(SettingsError, match="ALPACA_API_KEY is not set"):
        secret("ALPACA_API_KEY", {})


@pytest.mark.parametrize("value", ["hidden\n", " hidden", "hid den", "hiddén", "hid\x00den"])
def test_a_secret_that_no_header_can_carry_is_told_and_not_shown(value):
    with pytest.raises(SettingsError, match="ALPACA_API_KEY holds a space") as caught:
        secret("ALPACA_API_KEY", {"ALPACA_API_KEY": value})

    assert "hid" not in str(caught.value).replace("which", "")


def test_the_watch_list_and_its_time_can_be_set(tmp_path):
    settings = told(
        tmp_path, 'watch_list = ["SPX", "SPY"]\nsnapshot_minutes = 5\noption_feed = "opra"'
    )

    assert settings.watch_list == ("SPX", "SPY")
    assert (settings.snapshot_minutes, settings.option_feed) == (5.0, "opra")
    assert settings.described()["watch_list"] == "SPX, SPY"


def test_the_address_of_the_quote_cache_is_kept_like_a_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("DOLLARBILL_REDIS_URL", "redis://:do-not-show-me@127.0.0.1:1/0")

    settings = load_settings({"DOLLARBILL_HOME": str(tmp_path)})

    assert redis_url() == "redis://:do-not-show-me@127.0.0.1:1/0"
    assert redis_url({}) == ""
    assert settings.described()["DOLLARBILL_REDIS_URL"] == "set"
    assert "do-not-show-me" not in repr(settings) + str(settings.described())
