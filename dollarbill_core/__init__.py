"""Research, backtesting and paper trading for sellers of option premium; the map is in README.md."""

__version__ = "0.1.0"
