"""Research, backtesting and paper trading for sellers of option premium; map in README.md."""

__version__ = "0.1.0"
