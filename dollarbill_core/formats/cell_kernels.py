"""One cell of a text file as a number, in machine code; what is not certain is not read."""

from dollarbill_core.pricing.machine_code import Floats, bits_of, inlined

BLANK = -1  # no number is given
UNSURE = -2  # not read: to be looked at by the plain twin
NO_DAY = -1_000_000_000
NO_INSTANT = -1e15
TICK_LIMIT = 10**9  # hundredths of a cent: 100,000 dollars
WHOLE_LIMIT = 2**31
_LONGEST_NUMBER = 99  # characters, and a sign: 100 as in ``cells``
_MOST = 900_719_925_474_098  # one digit more is still below 2 ** 53
# Letters, as they stand in the bytes.
_SPACE, _DASH, _DOT, _SLASH, _COLON, _T = 32, 45, 46, 47, 58, 84


@inlined
def byte_at(words: Floats, at: int) -> int:
    return (bits_of(words[at >> 3]) >> (8 * (at & 7))) & 255


@inlined
def lower_at(words: Floats, at: int) -> int:
    letter = byte_at(words, at)
    return letter + 32 if 65 <= letter <= 90 else letter


@inlined
def digits_at(words: Floats, start: int, count: int) -> int:
    """A whole number of so many digits; UNSURE where another character stands."""
    number = 0
    for at in range(start, start + count):
        digit = byte_at(words, at) - 48
        if digit < 0 or digit > 9:
            return -2
        number = 10 * number + digit
    return number


@inlined
def is_blank(words: Floats, start: int, end: int) -> int:
    """Nothing, a dash, or one of the words nan, n/a, null and none."""
    size = end - start
    if size == 0:
        return 1
    first = lower_at(words, start)
    if size == 1:
        return 1 if first == _DASH else 0
    if first != 110 or size > 4 or size < 3:
        return 0
    second, third = lower_at(words, start + 1), lower_at(words, start + 2)
    if size == 3:
        return 1 if (second == 97 and third == 110) or (second == 47 and third == 97) else 0
    fourth = lower_at(words, start + 3)
    if second == 117 and third == 108 and fourth == 108:
        return 1
    return 1 if second == 111 and third == 110 and fourth == 101 else 0


@inlined
def _packed(words: Floats, start: int, end: int) -> int:
    """Digits and decimals of a number without a sign, packed; BLANK or UNSURE."""
    if is_blank(words, start, end):
        return -1
    if end - start > _LONGEST_NUMBER:
        return -2
    number, decimals, digits, dotted = 0, 0, 0, 0
    for at in range(start, end):
        letter = byte_at(words, at)
        if letter == _DOT:
            dotted += 1
        elif 48 <= letter <= 57:
            if number > _MOST or decimals > 15:
                return -2
            number = 10 * number + (letter - 48)
            digits += 1
            decimals += dotted
        else:
            return -2
    if digits == 0 or dotted > 1:
        return -2
    return number * 64 + decimals


@inlined
def price_at(words: Floats, start: int, end: int, powers: Floats, rounded: int) -> float:
    """Dollars as ticks; NaN where not read, BLANK where there is none."""
    packed = _packed(words, start, end)
    if packed < 0:
        return float(packed)
    number, decimals = packed >> 6, packed & 63
    if decimals <= 4:
        ticks = number * int(powers[4 - decimals])
    else:
        unit = int(powers[decimals - 4])
        ticks = number // unit
        rest = number - ticks * unit
        if rounded:
            ticks += 1 if 2 * rest > unit or (2 * rest == unit and ticks & 1) else 0
        elif 1000 * (unit - rest) <= unit:
            ticks += 1
        elif 1000 * rest > unit:
            return -2.0
    return float(ticks) if ticks < TICK_LIMIT else -2.0


@inlined
def whole_at(words: Floats, start: int, end: int, powers: Floats) -> float:
    packed = _packed(words, start, end)
    if packed < 0:
        return float(packed)
    number, unit = packed >> 6, int(powers[packed & 63])
    whole = number // unit
    if whole * unit != number or whole >= WHOLE_LIMIT:
        return -2.0
    return float(whole)


@inlined
def number_at(words: Floats, start: int, end: int, powers: Floats) -> float:
    """A float64, correctly rounded; inf where not read, NaN where there is none."""
    sign = 1.0
    if end - start > 1 and byte_at(words, start) == _DASH:
        sign = -1.0
        start += 1
    packed = _packed(words, start, end)
    if packed < 0:
        if packed == -1 and sign > 0:
            return float("nan")
        return float("inf")
    return sign * (float(packed >> 6) / float(powers[packed & 63]))


@inlined
def day_of(year: int, month: int, day: int) -> int:
    """Days since 1970 of a date of the Gregorian calendar; NO_DAY if there is none such."""
    if year < 1900 or year > 2199 or month < 1 or month > 12 or day < 1 or day > 31:
        return NO_DAY
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if day == 31 and (month == 4 or month == 6 or month == 9 or month == 11):
        return NO_DAY
    if month == 2 and day > (29 if leap else 28):
        return NO_DAY
    # counted from March, so that the leap day ends a year
    shifted = year - 1 if month <= 2 else year
    since_march = month + 9 if month <= 2 else month - 3
    of_year = (153 * since_march + 2) // 5 + day - 1
    return 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + of_year - 719_468


@inlined
def day_at(words: Floats, start: int, end: int) -> int:
    """A date written 2021-01-29, 1/29/2021 or 20210129; NO_DAY where not read."""
    size = end - start
    if size == 8 and digits_at(words, start, 8) >= 0:
        year, month = digits_at(words, start, 4), digits_at(words, start + 4, 2)
        return day_of(year, month, digits_at(words, start + 6, 2))
    if size == 10 and byte_at(words, start + 4) == _DASH and byte_at(words, start + 7) == _DASH:
        year, month = digits_at(words, start, 4), digits_at(words, start + 5, 2)
        return day_of(year, month, digits_at(words, start + 8, 2))
    if size < 8 or size > 10 or byte_at(words, end - 5) != _SLASH:
        return NO_DAY
    first = 2 if byte_at(words, start + 1) != _SLASH else 1
    if byte_at(words, start + first) != _SLASH or end - 6 - start - first > 2:
        return NO_DAY
    year, month = digits_at(words, end - 4, 4), digits_at(words, start, first)
    return day_of(year, month, digits_at(words, start + first + 1, end - 6 - start - first))


@inlined
def instant_at(words: Floats, start: int, end: int) -> float:
    """Seconds since 1970 of a clock's time, 2021-01-29 16:00 or with seconds."""
    size = end - start
    if size not in (16, 19):
        return NO_INSTANT
    day = day_at(words, start, start + 10)
    between = byte_at(words, start + 10)
    if day == NO_DAY or (between not in (_SPACE, _T)):
        return NO_INSTANT
    hours, minutes = digits_at(words, start + 11, 2), digits_at(words, start + 14, 2)
    seconds = digits_at(words, start + 17, 2) if size == 19 else 0
    if byte_at(words, start + 13) != _COLON or (
        size == 19 and byte_at(words, start + 16) != _COLON
    ):
        return NO_INSTANT
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59 or seconds < 0 or seconds > 59:
        return NO_INSTANT
    return float(86_400 * day + 3600 * hours + 60 * minutes + seconds)


@inlined
def right_at(words: Floats, start: int, end: int) -> int:
    size, first = end - start, lower_at(words, start) if end > start else 0
    if first == 99:  # c
        if size == 1:
            return 1
        if size != 4 or lower_at(words, start + 1) != 97 or lower_at(words, start + 2) != 108:
            return 0
        return 1 if lower_at(words, start + 3) == 108 else 0
    if first != 112:  # p
        return 0
    if size == 1:
        return -1
    if size != 3 or lower_at(words, start + 1) != 117 or lower_at(words, start + 2) != 116:
        return 0
    return -1


@inlined
def first_of(words: Floats, start: int, end: int) -> int:
    while start < end and byte_at(words, start) == _SPACE:
        start += 1
    return start


@inlined
def end_of(words: Floats, start: int, end: int) -> int:
    while end > start and byte_at(words, end - 1) == _SPACE:
        end -= 1
    return end
