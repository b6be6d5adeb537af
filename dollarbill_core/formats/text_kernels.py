"""Lines of text as numbers: a whole block of a file at once, or line by line not taken.

What cannot be read with certainty is left to ``text_cells``, which reads one line in plain
Python and is this kernel's twin: where both read a line, they read the same.
"""

from dollarbill_core.formats.cell_kernels import (
    NO_DAY,
    NO_INSTANT,
    TICK_LIMIT,
    byte_at,
    day_at,
    day_of,
    digits_at,
    end_of,
    first_of,
    instant_at,
    is_blank,
    lower_at,
    number_at,
    price_at,
    right_at,
    whole_at,
)
from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

# What a cell is read as; ``text_cells`` says what each of them takes.
SKIPPED, PRICE, ROUNDED, WHOLE, NUMBER, DAY, INSTANT, RIGHT, TEXT, ROOT, PAIR, OCC = range(12)
UTC_INSTANT = 12
SLOTS = {PAIR: 2, OCC: 4}  # numbers that a cell becomes; one where nothing is said

FIRST_OCC_YEAR = 1990  # of the hundred years that two digits stand for
LONGEST_TEXT = 24  # bytes of a symbol or root
# Letters, as they stand in the bytes.
_NEWLINE, _RETURN, _SPACE, _QUOTE, _COMMA = 10, 13, 32, 34, 44
_CALL, _PUT, _CROSS, _Z, _TILDE = 67, 80, 120, 90, 126


@inlined
def _is_same(words: Floats, start: int, size: int, texts: Floats, code: int) -> int:
    if int(texts[2 * code + 1]) != size:
        return 0
    other = int(texts[2 * code])
    for at in range(size):
        if byte_at(words, start + at) != byte_at(words, other + at):
            return 0
    return 1


@inlined
def _text(
    words: Floats, start: int, end: int, texts: Floats, known: Floats, before: int
) -> int:
    """The number of a text among those known, to which it is added; UNSURE if too many."""
    size = end - start
    if size > LONGEST_TEXT or size < 1:
        return -2
    if before >= 0 and _is_same(words, start, size, texts, before):
        return before
    count = int(known[0])
    for code in range(count):
        if _is_same(words, start, size, texts, code):
            return code
    if 2 * count + 2 > texts.size:
        return -2
    texts[2 * count] = start
    texts[2 * count + 1] = size
    known[0] = count + 1
    return count


@inlined
def _root_end(words: Floats, start: int, end: int) -> int:
    """Where the root ends: before the tail of an OCC symbol, or at the end if there is none."""
    if end - start <= 15:
        return end
    tail = end - 15
    right = byte_at(words, tail + 6)
    if right not in (_CALL, _PUT) or digits_at(words, tail, 6) < 0:
        return end
    if digits_at(words, tail + 7, 8) < 0:
        return end
    while tail > start and byte_at(words, tail - 1) == _SPACE:
        tail -= 1
    return tail


@inlined
def _cross(words: Floats, start: int, end: int) -> int:
    """Where the x of 5x10 stands, or the end."""
    at = start
    while at < end and lower_at(words, at) != 120:
        at += 1
    return at


@inlined
def _before(values: Floats, place: int, line: int) -> int:
    """The text of the line above, where one was read."""
    if line == 0:
        return -1
    before = values[place - 1]
    return int(before) if before >= 0.0 else -1


@inlined
def _pair_is_read(
    words: Floats, start: int, end: int, powers: Floats, values: Floats, place: int, lines: int
) -> int:
    if is_blank(words, start, end):
        values[place] = -1.0
        values[place + lines] = -1.0
        return 1
    cross = _cross(words, start, end)
    if cross == end:
        return 0
    first = whole_at(words, start, end_of(words, start, cross), powers)
    second = whole_at(words, first_of(words, cross + 1, end), end, powers)
    values[place] = first
    values[place + lines] = second
    return 1 if first >= 0.0 and second >= 0.0 else 0


@inlined
def _occ_is_read(
    words: Floats, start: int, end: int, texts: Floats, known: Floats, values: Floats,
    place: int, lines: int, line: int,
) -> int:  # fmt: skip
    tail, root = end - 15, _root_end(words, start, end)
    if root in (end, start):
        return 0
    code = _text(words, start, root, texts, known, _before(values, place, line))
    years = digits_at(words, tail, 2)
    year = FIRST_OCC_YEAR + (years - FIRST_OCC_YEAR) % 100
    day = day_of(year, digits_at(words, tail + 2, 2), digits_at(words, tail + 4, 2))
    strike = 10 * digits_at(words, tail + 7, 8)
    if code < 0 or day == NO_DAY or strike >= TICK_LIMIT:
        return 0
    values[place] = float(code)
    values[place + lines] = float(day)
    values[place + 2 * lines] = 1.0 if byte_at(words, tail + 6) == _CALL else -1.0
    values[place + 3 * lines] = float(strike)
    return 1


@inlined
def _is_read(
    words: Floats, start: int, end: int, kind: int, powers: Floats, texts: Floats,
    known: Floats, values: Floats, place: int, lines: int, line: int,
) -> int:  # fmt: skip
    """Whether the cell could be read with certainty; what it says is then in ``values``."""
    start = first_of(words, start, end)
    end = end_of(words, start, end)
    if kind <= ROUNDED:
        ticks = price_at(words, start, end, powers, kind - PRICE)
        values[place] = ticks
        return 1 if ticks >= -1.0 else 0
    if kind == WHOLE:
        whole = whole_at(words, start, end, powers)
        values[place] = whole
        return 1 if whole >= -1.0 else 0
    if kind == NUMBER:
        number = number_at(words, start, end, powers)
        values[place] = number
        return 0 if number == float("inf") else 1
    if kind == DAY:
        day = day_at(words, start, end)
        values[place] = float(day)
        return 0 if day == NO_DAY else 1
    if kind in (INSTANT, UTC_INSTANT):
        if kind == UTC_INSTANT and end > start and byte_at(words, end - 1) == _Z:
            end -= 1
        instant = instant_at(words, start, end)
        values[place] = instant
        return 0 if instant == NO_INSTANT else 1
    if kind == RIGHT:
        right = right_at(words, start, end)
        values[place] = float(right)
        return 0 if right == 0 else 1
    if kind in (TEXT, ROOT):
        if kind == ROOT:
            end = _root_end(words, start, end)
        code = _text(words, start, end, texts, known, _before(values, place, line))
        values[place] = float(code)
        return 0 if code < 0 else 1
    if kind == PAIR:
        return _pair_is_read(words, start, end, powers, values, place, lines)
    return _occ_is_read(words, start, end, texts, known, values, place, lines, line)


@compiled
def read_lines(
    words: Floats, size: int, kinds: Floats, slots: Floats, lines: int, powers: Floats,
    starts: Floats, read: Floats, values: Floats, texts: Floats, known: Floats,
) -> None:  # fmt: skip
    """Reads ``size`` bytes that end with a newline.

    ``words`` holds the bytes, eight in a float64; ``kinds`` and ``slots`` say for each field of
    the header what it is read as and where its first number goes: ``values[slot * lines +
    line]``. ``powers`` are those of ten. Written are ``starts``, where each line begins and the
    last one ends; ``read``, 1 for a line that was taken and 0 for one that is left to the twin;
    and the distinct ``texts``, start and size of each, ``known[0]`` in number.
    """
    fields = kinds.size
    at = 0
    for line in range(lines):
        starts[line] = at
        begin, field, sure = at, 0, 1
        while True:
            letter = byte_at(words, at)
            if letter in (_COMMA, _NEWLINE):
                end = at
                if letter == _NEWLINE and end > begin and byte_at(words, end - 1) == _RETURN:
                    end -= 1
                if field >= fields:
                    sure = 0
                elif sure and kinds[field] > 0.0:
                    place = int(slots[field]) * lines + line
                    sure = _is_read(
                        words, begin, end, int(kinds[field]), powers, texts, known, values,
                        place, lines, line,
                    )  # fmt: skip
                field += 1
                begin = at + 1
                if letter == _NEWLINE:
                    break
            elif letter == _QUOTE or letter > _TILDE or letter < _SPACE:
                # a return is plain where it ends the line
                sure &= letter == _RETURN and byte_at(words, at + 1) == _NEWLINE
            at += 1
        at += 1
        read[line] = 1.0 if sure and field == fields else 0.0
    starts[lines] = at
