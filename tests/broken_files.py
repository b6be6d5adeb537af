"""A large file of quotes in OptionsDX's layout: known good lines among broken ones."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HEADER = (
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], "
    "[EXPIRE_DATE], [EXPIRE_UNIX], [DTE], [C_DELTA], [C_GAMMA], [C_VEGA], [C_THETA], [C_RHO], "
    "[C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], "
    "[P_SIZE], [P_LAST], [P_DELTA], [P_GAMMA], [P_VEGA], [P_THETA], [P_RHO], [P_IV], "
    "[P_VOLUME], [STRIKE_DISTANCE], [STRIKE_DISTANCE_PCT]"
)
NAMES = [name.strip(" []") for name in HEADER.split(",")]
DAYS = ("2023-01-03", "2023-01-04", "2023-07-05", "2024-02-29")
MONTHS = ("2024-03-15", "2024-06-21", "2025-01-17", "2025-12-19")


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: by strike in thousandths of a dollar the ticks of each good line, and
    by line number a word that the reason of each broken one must hold."""

    good: dict[int, tuple[int, ...]]
    broken: dict[int, str]


def fields(strike: int, rng: random.Random) -> tuple[dict[str, str], tuple[int, ...]]:
    """A good line's fields, and what must arrive: bid, ask, last of call and put, and sizes."""
    ticks = [rng.randrange(0, 9_000_000) for _ in range(6)]
    sizes = [rng.randrange(0, 3000) for _ in range(4)]
    call_bid, call_ask, call_last, put_bid, put_ask, put_last = (
        dollars(each) for each in ticks
    )
    day, expiry = rng.choice(DAYS), rng.choice(MONTHS)
    told = dict.fromkeys(NAMES, "0.500000") | {
        "QUOTE_UNIXTIME": "1704225600",
        "QUOTE_READTIME": f"{day} 16:00",
        "QUOTE_DATE": day,
        "UNDERLYING_LAST": "472.650000",
        "EXPIRE_DATE": expiry,
        "STRIKE": strike_text(strike),
        "C_BID": call_bid, "C_ASK": call_ask, "C_LAST": call_last,
        "P_BID": put_bid, "P_ASK": put_ask, "P_LAST": put_last,
        "C_SIZE": f"{sizes[0]} x {sizes[1]}", "P_SIZE": f"{sizes[2]} x {sizes[3]}",
        "C_VOLUME": volume_text(strike), "P_VOLUME": "",
    }  # fmt: skip
    return told, (*ticks, *sizes, int(day.replace("-", "")), int(expiry.replace("-", "")))


def strike_text(thousandths: int) -> str:
    return f"{thousandths // 1000}.{thousandths % 1000:03}000"


def volume_text(strike: int) -> str:
    return f"{strike % 977}.000000"


def dollars(ticks: int) -> str:
    return f"{ticks // 10_000}.{ticks % 10_000:04}00"


def plain(told: dict[str, str], _: random.Random) -> str:
    return ", ".join(told.values())


def quoted(told: dict[str, str], rng: random.Random) -> str:
    """Quotation marks, and thousand separators within them: the same row."""
    whole, _, rest = told["C_BID"].partition(".")
    changed = told | {"C_BID": f'"{int(whole):,}.{rest}"', "QUOTE_UNIXTIME": '"a, ""b"""'}
    return ("," if rng.random() < 0.5 else ", ").join(changed.values())


def american(told: dict[str, str], rng: random.Random) -> str:
    """The other style of dates: the same row."""
    year, month, day = told["EXPIRE_DATE"].split("-")
    month = month if rng.random() < 0.5 else str(int(month))
    other = {"EXPIRE_DATE": f"{month}/{day}/{year}"}
    if rng.random() < 0.5:
        year, month, day = told["QUOTE_DATE"].split("-")
        other["QUOTE_DATE"] = f"{month}/{day}/{year}"
    return ",".join((told | other).values())


def blanks(told: dict[str, str], rng: random.Random) -> str:
    """Words for nothing, spaces, a name in another alphabet and junk vols: the same row."""
    word = rng.choice(["nan", "N/A", "NA", "#N/A", "NULL", "-", "None"])
    junk = rng.choice(["inf", "-inf", "1.#IND", "9.99e5", "-1", "1e-05"])
    none = {"P_VOLUME": word, "QUOTE_READTIME": "", "QUOTE_UNIXTIME": "Ünïx", "P_IV": junk}
    return "  ,\t".join((told | none).values())


GOOD: tuple[Callable[[dict[str, str], random.Random], str], ...] = (
    plain, quoted, american, blanks,
)  # fmt: skip


def truncated(told: dict[str, str], rng: random.Random) -> bytes:
    parts = list(told.values())
    return ",".join(parts[: rng.randrange(1, len(parts) - 1)]).encode()


def too_long(told: dict[str, str], rng: random.Random) -> bytes:
    return ",".join([*told.values(), "0"]).encode()


def changed(name: str, *texts: str) -> Callable[[dict[str, str], random.Random], bytes]:
    return lambda told, rng: ",".join((told | {name: rng.choice(texts)}).values()).encode()


def latin(told: dict[str, str], rng: random.Random) -> bytes:
    return ",".join((told | {"QUOTE_UNIXTIME": "\xe9"}).values()).encode("latin-1")


def wide(told: dict[str, str], rng: random.Random) -> bytes:
    """As UTF-16 has it: every other byte is NUL."""
    return ",".join(told.values()).encode("utf-16-le")[:400]


def at(mark: bytes) -> Callable[[dict[str, str], random.Random], bytes]:
    """The line with a byte put in somewhere but at its end."""

    def made(told: dict[str, str], rng: random.Random) -> bytes:
        line = ",".join(told.values()).encode()
        place = rng.randrange(1, len(line) - 1)
        return line[:place] + mark + line[place:]

    return made


def unbalanced(told: dict[str, str], rng: random.Random) -> bytes:
    name = rng.choice(["QUOTE_UNIXTIME", "STRIKE", "P_ASK", "STRIKE_DISTANCE_PCT"])
    return ",".join((told | {name: '"' + told[name]}).values()).encode()


def unquoted(told: dict[str, str], rng: random.Random) -> bytes:
    return ",".join((told | {"C_BID": "1,234.50"}).values()).encode()


BROKEN: tuple[tuple[Callable[[dict[str, str], random.Random], bytes], str], ...] = (
    (truncated, "fields, not 33"),
    (too_long, "34 fields, not 33"),
    (unquoted, "34 fields, not 33"),
    (latin, "UTF-8"),
    (wide, "NUL"),
    (at(b"\0"), "NUL"),
    (at(b"\r"), "carriage return"),
    (unbalanced, "quotation mark"),
    (lambda told, rng: b" " * rng.randrange(3), "blank line"),
    (lambda told, rng: b"x" * 70_000, "longer than 64 kB"),
    (changed("STRIKE", "", "nan"), "no STRIKE"),
    (changed("STRIKE", "0", "0.0"), "not above 0"),
    (changed("STRIKE", "400.0001"), "finer than OCC's"),
    (changed("STRIKE", "4OO", "1e", "0x40", "4_0", "inf", "#REF!"), "STRIKE"),
    (changed("C_BID", "-0.01", "-5"), "is negative"),
    (changed("P_ASK", "100000", "123456789012345678901234567890"), "P_ASK"),
    (changed("P_BID", "1.00005"), "finer than a hundredth of a cent"),
    (changed("C_VOLUME", "1.5", "3000000000"), "C_VOLUME"),
    (changed("C_SIZE", "5", "5x", "axb"), "C_SIZE"),
    (changed("EXPIRE_DATE", "2024-13-01", "2023-02-29", "18/08/2023"), "no day"),
    (changed("EXPIRE_DATE", "Aug 18 23", "", "2023-8-18", "44927"), "EXPIRE_DATE"),
    (changed("EXPIRE_DATE", "2024-03-15 16:00", "3/15/24"), "EXPIRE_DATE"),
    (changed("EXPIRE_DATE", "2019-01-18"), "before it was quoted"),
    (changed("QUOTE_DATE", "1066-10-14", "0"), "QUOTE_DATE"),
    (changed("QUOTE_READTIME", "2023-01-03 25:00", "noon", "16:00"), "QUOTE_READTIME"),
    (changed("C_IV", "1e999", "--0.2", "20%"), "C_IV"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """A plain good line that lacks its strike and volume only: a million are soon written."""

    line: str
    values: tuple[int, ...]

    @classmethod
    def of(cls, rng: random.Random) -> "Ready":
        told, values = fields(0, rng)
        return cls(
            plain(told | {"STRIKE": "%(strike)s", "C_VOLUME": "%(volume)s"}, rng), values
        )

    def at(self, strike: int) -> tuple[str, tuple[int, ...]]:
        told = {"strike": strike_text(strike), "volume": volume_text(strike)}
        return self.line % told, self.values


def write_broken_file(file: Path, lines: int, seed: int = 1) -> Made:
    """Lines in random order, one in three broken; some end with CR LF, the file with a BOM."""
    rng = random.Random(seed)
    good: dict[int, tuple[int, ...]] = {}
    broken: dict[int, str] = {}
    pool = [fields(number + 1, rng)[0] for number in range(200)]
    ready = [Ready.of(rng) for _ in range(2_000)]
    with file.open("wb") as out:
        out.write(b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n")
        for number in range(2, lines + 2):
            if rng.random() < 1 / 3:
                spoil, word = rng.choice(BROKEN)
                if word.startswith("longer") and rng.random() > 0.01:
                    spoil, word = BROKEN[0]  # lines of 70 kB are few
                line = spoil(rng.choice(pool), rng)
                broken[number] = word
            else:
                if rng.random() < 0.8:
                    told, good[number] = rng.choice(ready).at(number)
                    line = told.encode()
                else:
                    cells, good[number] = fields(number, rng)
                    line = rng.choice(GOOD)(cells, rng).encode()
            out.write(line + (b"\n" if number % 3 else b"\r\n"))
    return Made(good, broken)
