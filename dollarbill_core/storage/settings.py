"""What this installation is set to: one TOML file, secrets from the environment.

The file is ``dollarbill.toml`` in the home folder, every key is optional:

    reports = "~/reports"       # rendered runs
    data = "~/chains"           # the chain and price store: a folder or a URL
    deadline_minutes = 30.0     # a run is ended after so long, whole notebook
    watch_list = ["SPY", "QQQ"] # whose chains are collected every session
    snapshot_minutes = 15.0     # ... so long before the close
    option_feed = "indicative"  # Alpaca's free quotes, or "opra" with a subscription

``DOLLARBILL_HOME``, ``DOLLARBILL_REPORTS``, ``DOLLARBILL_DATA`` and ``DOLLARBILL_TEST_DATA``
override their folder. A secret never stands in the file, and never in a printed setting;
``DOLLARBILL_REDIS_URL`` is one, because such an address may hold a password.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

FILE_NAME = "dollarbill.toml"
SECRETS = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
REDIS_URL = "DOLLARBILL_REDIS_URL"
OPTION_FEEDS = ("indicative", "opra")
_CHECKOUT = Path(__file__).parents[2]
_SECRET_WORDS = ("key", "secret", "token", "password", "redis")


class SettingsError(ValueError):
    """The settings file or a needed secret is wrong; the message is one line for the user."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things live and how long they may take; nothing in here is secret."""

    home: Path
    reports: Path
    data: Path | str
    notebooks: Path
    test_data: Path
    deadline_minutes: float = 30.0
    watch_list: tuple[str, ...] = ("SPY", "QQQ", "DIA", "IWM")
    snapshot_minutes: float = 15.0
    option_feed: str = "indicative"

    def __post_init__(self) -> None:
        if not 0 < self.deadline_minutes <= 24 * 60:
            raise SettingsError(
                f"deadline_minutes = {self.deadline_minutes:g} is outside 0 to 1440"
            )
        if not 1 <= self.snapshot_minutes <= 120:
            raise SettingsError(
                f"snapshot_minutes = {self.snapshot_minutes:g} is outside 1 to 120"
            )
        if self.option_feed not in OPTION_FEEDS:
            known = " nor ".join(OPTION_FEEDS)
            raise SettingsError(f"option_feed = {self.option_feed!r} is neither {known}")
        _check_symbols(self.watch_list)

    @property
    def file(self) -> Path:
        return self.home / FILE_NAME

    @property
    def ledger(self) -> Path:
        """The operator's ledger; rehearsals keep theirs elsewhere."""
        return self.home / "ledger.sqlite"

    def described(self) -> dict[str, str]:
        """Every setting as text, and for each secret only whether it is there."""
        told = {field.name: _text(getattr(self, field.name)) for field in fields(self)}
        told["data"] = shown(told["data"])
        told["settings file"] = str(self.file) if self.file.is_file() else "none: defaults"
        secrets = keys() | {REDIS_URL: bool(redis_url())}
        return told | {name: "set" if there else "not set" for name, there in secrets.items()}


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the defaults, then the TOML file, then the environment's folders.

    Raises
    ------
    SettingsError
        For a key that does not exist, a value of the wrong type, or a secret in the file.
    """
    environment = os.environ if environment is None else environment
    home = _folder(environment.get("DOLLARBILL_HOME") or "~/.dollarbill")
    told = _checked(home / FILE_NAME)
    for name in _FOLDERS:
        given = str(environment.get(f"DOLLARBILL_{name.upper()}") or told.get(name) or "")
        if "://" not in given:
            told[name] = _folder(given, home) if given else _default_folder(name, home)
        elif name == "data":
            told[name] = given
        else:
            raise SettingsError(f"{name} = {shown(given)} is a URL: name a folder here")
    return Settings(home=home, **told)  # type: ignore[arg-type]  # types checked in _checked


def keys(environment: Mapping[str, str] | None = None) -> dict[str, bool]:
    """Which of the broker's keys the environment holds, by name; never their values."""
    environment = os.environ if environment is None else environment
    return {name: bool(environment.get(name)) for name in SECRETS}


def secret(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The value of one secret, or one line that says which variable to set."""
    environment = os.environ if environment is None else environment
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set: export it before this run, or use no broker")
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise SettingsError(
            f"{name} holds a space or another sign that no key has: set it anew"
        )
    return value


def redis_url(environment: Mapping[str, str] | None = None) -> str:
    """The address of the shared quote cache, a secret; empty where none is set."""
    environment = os.environ if environment is None else environment
    return environment.get(REDIS_URL, "")


_FOLDERS = ("reports", "data", "notebooks", "test_data")
_TYPES: dict[str, type] = {
    **dict.fromkeys(_FOLDERS, str),
    "deadline_minutes": float,
    "watch_list": list,
    "snapshot_minutes": float,
    "option_feed": str,
}


def shown(address: str) -> str:
    """A folder, or a URL without what may be a secret: user, password and query.

    >>> shown("sftp://jo:pass@host/chains?token=1")
    'sftp://host/chains'
    """
    if "://" not in address:
        return address
    return re.sub(r"://[^/]*@", "://", address).partition("?")[0]


def is_symbol(text: object) -> bool:
    """Whether chains can be asked for by such a symbol: SPY, BRKB.

    >>> [is_symbol(text) for text in ("SPY", "BRKB", "spy", "SPY,QQQ", "../SPY", "")]
    [True, True, False, False, False, False]
    """
    return isinstance(text, str) and re.fullmatch("[A-Z0-9]{1,6}", text) is not None


def _check_symbols(symbols: tuple[str, ...]) -> None:
    for symbol in symbols:
        if not is_symbol(symbol):
            raise SettingsError(f"watch_list: {symbol!r} is not a symbol such as SPY")
    if len(set(symbols)) < len(symbols):
        raise SettingsError(f"watch_list names a symbol twice: {', '.join(symbols)}")


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _folder(text: str, base: Path | None = None) -> Path:
    return ((base or Path.cwd()) / Path(text).expanduser()).resolve()


def _default_folder(name: str, home: Path) -> Path:
    """Beside the notebooks in a checkout; under home where the package alone is installed."""
    if name == "test_data":
        return _CHECKOUT.parent / "shared" / "data"
    return (_CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else home) / name


def _checked(file: Path) -> dict[str, object]:
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    return {name: _value(file, name, value) for name, value in told.items()}


def _value(file: Path, name: str, value: object) -> object:
    if name not in _TYPES:
        raise SettingsError(f"{file}: {_unknown(name)}")
    if _TYPES[name] is float and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[name]:
        raise SettingsError(f"{file}: {name} = {value!r} is not a {_TYPES[name].__name__}")
    return tuple(value) if isinstance(value, list) else value


def _unknown(name: str) -> str:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return f"{name} looks like a secret: take it out and set it in the environment"
    near = get_close_matches(name, _TYPES, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_TYPES)}"
    return f"unknown key {name!r}; {known}"
