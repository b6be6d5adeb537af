"""Fits the smile of one expiry to its bids and asks, without butterfly or calendar arbitrage.

A quote costs little inside its bid and ask and, in units of half its spread, the square of what
it is missed by outside, then, far outside, the size alone. What would be arbitrage (a negative
density, less variance than the expiry before) costs more, and ever more in three rounds; slopes
of the wings cannot leave their bounds at all. Several starts, from linear least squares, lead
to the least cost. What little is still wrong on a dense grid is then mended, and looked at
again: what is returned has passed.

Source: Gatheral and Jacquier (2014), sections 3 and 5; the starts after De Marco and Martini,
"Quasi-explicit calibration of Gatheral's SVI model" (Zeliade, 2009).
"""

from typing import NamedTuple

import numpy as np

from dollarbill_core.market.chains import Floats
from dollarbill_core.market.smile import STEEPEST_WING, Svi
from dollarbill_core.pricing import svi as hyperbola
from dollarbill_core.pricing.svi import Task

STEEPEST = 1.5  # of a wing; well within Lee's 2, so that tails can be summed
FEWEST_QUOTES = 3  # level, lean and bend; what they leave open stays as at the start

_PULL = 0.3  # cost of standing at the bid or the ask, against the square of what lies outside
_NARROWEST = 1e-3  # of the variance: no half-spread counts as narrower
_LEAST_VARIANCE = 0.1  # of that at the money: the lowest point of a smile
_MARGINS = (0.02, 0.04, 0.08)  # of g aimed at, so that none is negative between the points
_ABOVE = 1.0005  # times the variance of the expiry before is aimed at, for the same reason
_LEAST_DENSITY = 1e-3  # of g, accepted
_MENDINGS = 12
_FAR_OUT = 4.0  # widths from the centre: there a hyperbola is nearly its wings
_REFINEMENTS = 4  # of a lowest gap between two smiles
_PRIOR = 0.01  # decides where quotes do not
_ROUNDS = (3.0, 30.0, 300.0)  # cost of arbitrage: of g short by 1, of variance by a tenth
_STEPS = 400  # in each round
_STARTS = 4  # followed to their end, and one more from the expiry before
_GRID = 0.5 * np.sinh(np.linspace(-5.6, 5.6, 100))  # deviations at which arbitrage costs
_FAR = 2.0  # deviations from the forward at which a quote counts half
_WIDE = 0.3 * np.sinh(np.linspace(-7.2, 7.2, 50))  # widths of the expiry before: 200 either way
_DENSE = 0.05 * np.sinh(np.linspace(-9.0, 9.0, 401))  # deviations, or widths: 200 either way
_CENTRES = np.array([0.0, 0.3, -0.3, 1.0, -1.0])  # of starts, in deviations; likely ones first
_WIDTHS = np.array([0.8, 0.3, 2.0, 0.1])


class Bands(NamedTuple):
    """Total variances of bids and asks at log moneyness ``k``, in its order; shape (n,) each.

    ``low`` is 0 where nobody bids: only the ask then says something.
    """

    k: Floats
    low: Floats
    high: Floats

    @property
    def half(self) -> Floats:
        return np.maximum((self.high - self.low) / 2, _NARROWEST * self.high)


def fitted(bands: Bands, before: Svi | None = None, ceilings: Bands | None = None) -> Svi:
    """The hyperbola nearest to the quotes that allows no arbitrage.

    Parameters
    ----------
    bands
        The quotes of this expiry, `FEWEST_QUOTES` or more.
    before
        The smile of the expiry before, below which this one never lies.
    ceilings
        Quotes of the expiry after: no variance here should exceed an ask there.

    Raises
    ------
    ValueError
        If there are too few quotes.

    Examples
    --------
    Quotes around a hyperbola give it back.

    >>> made = Svi(level=0.01, steepness=0.1, tilt=-0.5, centre=0.0, width=0.1)
    >>> k = np.linspace(-0.4, 0.2, 40)
    >>> found = fitted(Bands(k, made.total_variance(k) * 0.99, made.total_variance(k) * 1.01))
    >>> float(abs(found.total_variance(k) / made.total_variance(k) - 1).max().round(3))
    0.0
    """
    if len(bands.k) < FEWEST_QUOTES:
        raise ValueError(f"a smile needs {FEWEST_QUOTES} quotes, got {len(bands.k)}")
    task = _task(bands, before, ceilings)
    starts = [*_starts(task), *([_scaled(task, before)] if before else [])]
    free = min((_led(task, start) for start in starts), key=lambda found: found[1])[0]
    for margin in _MARGINS[1:]:
        if is_sound(_svi(hyperbola.natural(task, free))):
            break
        stricter = task._replace(cost=_ROUNDS[-1], margin=margin)
        free, _ = hyperbola.descended(stricter, free, _STEPS)
    found = _svi(hyperbola.natural(task, free))
    if is_sound(found, before):
        return found
    return min(_mended(found, before), key=lambda svi: _cost(task, svi))


def _led(task: Task, start: Floats) -> tuple[Floats, float]:
    """Free parameters reached from a start, arbitrage costing ever more, and their cost."""
    free, cost = start, np.inf
    for dearer in _ROUNDS:
        free, cost = hyperbola.descended(task._replace(cost=dearer), free, _STEPS)
    return free, cost


def _cost(task: Task, svi: Svi) -> float:
    """What the quotes miss."""
    return hyperbola.descended(task, hyperbola.free(task, _natural(svi)), 0)[1]


def _task(bands: Bands, before: Svi | None, ceilings: Bands | None) -> Task:
    middle = (bands.low + bands.high) / 2
    theta = float(np.interp(0.0, bands.k, middle))
    above = ceilings if ceilings is not None else Bands(*np.empty((3, 0)))
    grid = np.sqrt(theta) * _GRID
    if before:
        grid = np.concatenate([grid, before.centre + before.width * _WIDE])
    return Task(
        k=np.concatenate([bands.k, above.k]),
        middle=np.concatenate([middle, above.high - above.half]),
        half=np.concatenate([bands.half, above.half]),
        one_sided=np.concatenate([(bands.low <= 0).astype(float), np.ones(len(above.k))]),
        weight=np.concatenate([_weights(bands), _weights(above)]),
        grid=grid,
        floor=_ABOVE * before.total_variance(grid) if before else np.zeros_like(grid),
        theta=theta,
        left=before.wings[0] if before else 0.0,
        right=before.wings[1] if before else 0.0,
        steepest=STEEPEST,
        least=_LEAST_VARIANCE,
        pull=_PULL,
        margin=_MARGINS[0],
        cost=_ROUNDS[0],
        prior=_PRIOR,
    )


def _weights(bands: Bands) -> Floats:
    """What each quote counts: less and less, the further it lies from the forward."""
    if not len(bands.k):
        return np.empty(0)
    theta = np.interp(0.0, bands.k, bands.high)
    weights: Floats = 1 / (1 + (bands.k / _FAR) ** 2 / theta)
    return weights


def _starts(task: Task) -> list[Floats]:
    """Free parameters of the nearest few hyperbolas over some centres and widths.

    With those two given the hyperbola is linear in the rest, so least squares finds it.
    """
    two_sided = task.one_sided == 0
    rows = two_sided if two_sided.sum() >= FEWEST_QUOTES else slice(None)
    k, weight = task.k[rows], (task.weight / task.half)[rows]
    centre, width = (np.sqrt(task.theta) * x.ravel() for x in np.meshgrid(_CENTRES, _WIDTHS))
    y = k - centre[:, None]
    columns = np.stack([np.ones_like(y), y, np.hypot(y, width[:, None])], axis=-1)
    columns = columns * weight[:, None]
    target = task.middle[rows] * weight
    square = columns.swapaxes(1, 2) @ columns
    square += 1e-9 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    linear = np.linalg.solve(square, (columns.swapaxes(1, 2) @ target)[..., None])[..., 0]
    missed = np.abs((columns @ linear[..., None])[..., 0] - target).sum(axis=1).round(3)
    nearest = np.argsort(missed, kind="stable")[:_STARTS]
    return [
        hyperbola.free(task, _natural_of_linear(linear[i], centre[i], width[i]))
        for i in nearest
    ]


def _scaled(task: Task, before: Svi) -> Floats:
    """Free parameters of the expiry before, its variance raised to that of the quotes."""
    ratio = task.theta / float(before.total_variance(0.0))
    return hyperbola.free(task, _natural(before) * np.array([ratio, ratio, ratio, 1.0, 1.0]))


def _natural_of_linear(linear: Floats, centre: float, width: float) -> Floats:
    """V, R, L, centre and width of ``level + lean y + mean sqrt(y^2 + width^2)``."""
    level, lean, mean = linear
    mean = max(mean, abs(lean), 1e-3)
    lowest = level + width * np.sqrt(max(mean * mean - lean * lean, 0.0))
    return np.array([lowest, mean + lean, mean - lean, centre, width])


def _svi(natural: Floats) -> Svi:
    lowest, right, left, centre, width = natural.tolist()
    mean = (right + left) / 2
    tilt = (right - left) / (2 * mean) if mean else 0.0
    return Svi(float(lowest - width * np.sqrt(right * left)), mean, tilt, centre, width)


def _natural(svi: Svi) -> Floats:
    """V, R, L, centre and width: any positive ones, with any centre, make a hyperbola."""
    left, right = svi.wings
    return np.array([svi.least, right, left, svi.centre, svi.width])


def _mended(svi: Svi, before: Svi | None) -> list[Svi]:
    """Hyperbolas near one that allows arbitrage, which do not.

    One is raised where it lies below the expiry before, a wing steepened if that is far out,
    and where its density is negative raised and stretched, which thickens it. One is drawn
    towards a smile that is known to be sound: the expiry before, or a flat one.
    """
    safe = before or _flat(svi)
    stretched = _stretched(svi, before)
    return [*([stretched] if stretched else []), _towards(safe, svi, before)]


def _stretched(svi: Svi, before: Svi | None) -> Svi | None:
    natural = _natural(svi)
    for attempt in range(_MENDINGS):
        mended = _svi(natural)
        if is_sound(mended, before):
            return mended
        gap, k = _least_gap(mended, before) if before else (0.0, 0.0)
        out = abs(k - mended.centre)
        if gap >= 0:
            more = 0.001 * 2**attempt
            natural *= 1 + more * np.array([1, 0, 0, 1, 1])
            natural[0] += more * float(mended.total_variance(0.0))
        elif out > _FAR_OUT * mended.width:
            natural[1 if k > mended.centre else 2] -= 1.01 * gap / out
        else:
            natural[0] -= 1.001 * gap
    return None


def _flat(svi: Svi) -> Svi:
    return Svi(float(svi.total_variance(0.0)), 0.0, 0.0, 0.0, 1.0)


def _towards(safe: Svi, svi: Svi, before: Svi | None) -> Svi:
    """As near to ``svi`` as halving the way to ``safe`` allows."""
    start, end = _natural(safe), _natural(svi)
    for share in 0.5 ** np.arange(1, 12):
        candidate = _svi(start + share * (end - start))
        if is_sound(candidate, before):
            return candidate
    return safe


def dense_grid(*smiles: Svi) -> Floats:
    """Log moneyness at which smiles are looked at: far out, and close where each one bends."""
    points = []
    for svi in smiles:
        deviation = float(np.sqrt(svi.total_variance(0.0)))
        points += [deviation * _DENSE, svi.centre + svi.width * _DENSE]
    return np.unique(np.concatenate(points))


def _least_gap(svi: Svi, before: Svi) -> tuple[float, float]:
    """The least by which total variance exceeds that of the expiry before, and where.

    Its lowest points on the grid are refined by Newton's method on the gap's slope.
    """
    grid = dense_grid(svi, before)
    gap = svi.total_variance(grid) - before.total_variance(grid)
    inner = np.flatnonzero((gap[1:-1] <= gap[:-2]) & (gap[1:-1] <= gap[2:])) + 1
    k = grid[inner]
    for _ in range(_REFINEMENTS):
        this, that = svi.bend(k), before.bend(k)
        bent = this.curvature - that.curvature
        step = (this.slope - that.slope) / np.where(bent > 0, bent, np.inf)
        k = np.clip(k - step, grid[inner - 1], grid[inner + 1])
    looked_at = np.concatenate([grid, k])
    gap = np.concatenate([gap, svi.total_variance(k) - before.total_variance(k)])
    return float(gap.min()), float(looked_at[gap.argmin()])


def is_sound(svi: Svi, before: Svi | None = None) -> bool:
    """Whether a hyperbola allows neither butterfly arbitrage nor, after ``before``, calendar.

    Looked at on `dense_grid` and in both wings; the density must be a little above nothing.
    """
    k = dense_grid(svi, *([before] if before else []))
    left, right = svi.wings
    is_dense = bool((svi.bend(k).butterfly(k) >= _LEAST_DENSITY).all())
    if not is_dense or max(left, right) >= STEEPEST_WING or before is None:
        return is_dense and max(left, right) < STEEPEST_WING
    least_left, least_right = before.wings
    rises = left >= least_left and right >= least_right
    return rises and _least_gap(svi, before)[0] >= 0
