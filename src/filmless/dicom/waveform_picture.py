"""A strip of a waveform on its paper: the small picture that stands for an ECG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAPER, _LINE, _TRACE = (255, 250, 248), (240, 190, 185), (25, 25, 35)
_SQUARE_S, _SQUARE_MV = 0.2, 0.5
"""What 5 mm are at 25 mm/s and 10 mm/mV."""
_HEIGHT_MV: Final = 3.0


def draw_strip(samples: NDArray[Any], per_mv: float | None, duration_s: float, side: int) -> NDArray[Any]:
    """Draw samples over the whole width.

    Parameters
    ----------
    samples : float32 array, at least two; NaN is a gap.
    per_mv : how many of its units are a millivolt; None: it is no voltage, and fills the height.

    Returns
    -------
    uint8 array, shape (side, side, 3).
    """
    import numpy as np
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (side, side), _PAPER)
    pen = ImageDraw.Draw(picture)
    for at in np.arange(0, duration_s, _SQUARE_S)[: side // 3]:
        pen.line([(at / duration_s * side, 0), (at / duration_s * side, side)], fill=_LINE)
    for at in np.arange(0, _HEIGHT_MV, _SQUARE_MV):
        pen.line([(0, at / _HEIGHT_MV * side), (side, at / _HEIGHT_MV * side)], fill=_LINE)
    known = samples[np.isfinite(samples)]
    if known.size:
        middle = float(np.median(known))
        reach = max(float(np.abs(known - middle).max()), 1e-9)
        # A large beat must not leave the picture; a small one is as small as on paper.
        unit = max(_HEIGHT_MV * per_mv, 2.2 * reach) if per_mv else 2.4 * reach
        across = np.linspace(0, side - 1, samples.size)
        up = side / 2 - (samples - middle) / unit * side
        for piece in np.split(np.arange(samples.size), np.flatnonzero(~np.isfinite(samples))):
            line = [(float(across[at]), float(up[at])) for at in piece if np.isfinite(up[at])]
            if len(line) > 1:
                pen.line(line, fill=_TRACE, width=max(side // 128, 1))
    return np.asarray(picture, np.uint8)
