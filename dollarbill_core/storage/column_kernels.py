"""The kernel of the next-day row index: neighbouring days merged by contract."""

from dollarbill_core.pricing.machine_code import Floats, bits_of, compiled, float_of


@compiled
def merge_days(keys: Floats, starts: Floats, out: Floats) -> None:
    """For each row the row with the same key on the next day, -1 where there is none.

    All three hold int64 numbers by their bits. ``keys``, shape (n,), rise within a day;
    ``starts``, shape (days + 1,), are the rows at which the days begin and the last one ends.
    """
    for row in range(out.size):
        out[row] = float_of(-1)
    for day in range(starts.size - 2):
        row = bits_of(starts[day])
        middle = bits_of(starts[day + 1])
        end = bits_of(starts[day + 2])
        later = middle
        while row < middle and later < end:
            mine = bits_of(keys[row])
            other = bits_of(keys[later])
            if mine == other:
                out[row] = float_of(later)
            row += mine <= other
            later += other <= mine
