"""Bodies made of ellipsoids, with the value of every organ known.

Volumes are indexed (slice, row, column); slice 0 is the lowest (feet), row 0 anterior, column 0 the patient's right.
Millimetre coordinates (x to the patient's left, y to posterior, z to the head) have their origin in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]

AIR_HU, LUNG_HU, FAT_HU, MUSCLE_HU = -1000.0, -840.0, -95.0, 52.0
HEART_HU, AORTA_HU, LIVER_HU, SPLEEN_HU, KIDNEY_HU = 120.0, 180.0, 62.0, 48.0, 150.0
SPINE_HU, MARROW_HU, RIB_HU, NODULE_HU, TRACHEA_HU = 620.0, 210.0, 480.0, 38.0, -980.0
RODS_HU = {"air": -1000.0, "fat": -100.0, "water": 0.0, "tissue": 100.0, "bone": 900.0}
NODULE_MM = (-62.0, 18.0, 38.0)  # right lung
NODULE_DIAMETER_MM = 14.0
PRIOR_NODULE_DIAMETER_MM = 9.0


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An organ: centre and half-axes in mm, and its value."""

    center: tuple[float, float, float]
    half: tuple[float, float, float]
    value: float
    power: float = 2.0  # above 2: nearer to a box


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the voxels are."""

    slices: int
    rows: int
    columns: int
    spacing_mm: float
    thickness_mm: float

    def axes(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the millimetre coordinates of slices (z), rows (y) and columns (x)."""
        z = (np.arange(self.slices, dtype=np.float32) - (self.slices - 1) / 2) * self.thickness_mm
        y = (np.arange(self.rows, dtype=np.float32) - (self.rows - 1) / 2) * self.spacing_mm
        x = (np.arange(self.columns, dtype=np.float32) - (self.columns - 1) / 2) * self.spacing_mm
        return z, y, x


def paint(volume: Volume, grid: Grid, organ: Ellipsoid) -> None:
    """Set the voxels inside an ellipsoid; touches only its bounding box."""
    z, y, x = grid.axes()
    (cx, cy, cz), (hx, hy, hz) = organ.center, organ.half
    picks = [np.flatnonzero(np.abs(axis - c) <= h) for axis, c, h in ((z, cz, hz), (y, cy, hy), (x, cx, hx))]
    if not all(len(pick) for pick in picks):
        return
    zs, ys, xs = (slice(pick[0], pick[-1] + 1) for pick in picks)
    p = organ.power
    distance = (
        (np.abs(z[zs, None, None] - cz) / hz) ** p
        + (np.abs(y[None, ys, None] - cy) / hy) ** p
        + (np.abs(x[None, None, xs] - cx) / hx) ** p
    )
    volume[zs, ys, xs][distance <= 1] = organ.value


def chest_organs(nodule_diameter_mm: float) -> list[Ellipsoid]:
    """List a chest and upper abdomen, outside in."""
    r = nodule_diameter_mm / 2
    organs = [
        Ellipsoid((0, 0, 0), (172, 118, 400), FAT_HU, 2.4),
        Ellipsoid((0, 2, 0), (158, 105, 400), MUSCLE_HU, 2.4),
        Ellipsoid((0, -2, 30), (142, 90, 230), FAT_HU, 2.3),
        Ellipsoid((-72, 2, 62), (60, 80, 138), LUNG_HU, 2.2),
        Ellipsoid((72, 2, 62), (60, 80, 138), LUNG_HU, 2.2),
        Ellipsoid((0, 22, 90), (24, 40, 110), MUSCLE_HU - 20, 2.0),
        Ellipsoid((22, -28, 22), (56, 46, 52), HEART_HU, 2.0),
        Ellipsoid((18, -34, 18), (26, 20, 30), HEART_HU + 60, 2.0),
        Ellipsoid((-70, -12, -92), (76, 72, 62), LIVER_HU, 2.2),
        Ellipsoid((82, 32, -82), (34, 36, 46), SPLEEN_HU, 2.0),
        Ellipsoid((40, -30, -88), (38, 34, 40), 20.0, 2.0),
        Ellipsoid((44, -42, -80), (18, 14, 20), AIR_HU, 2.0),
        Ellipsoid((-56, 52, -150), (24, 20, 46), KIDNEY_HU, 2.0),
        Ellipsoid((58, 52, -146), (24, 20, 46), KIDNEY_HU, 2.0),
        Ellipsoid((0, -4, 120), (9, 9, 66), TRACHEA_HU, 6.0),
    ]
    organs.extend(Ellipsoid((side * 22, 4, 52), (15, 6, 6), TRACHEA_HU, 2.0) for side in (-1, 1))
    for level in range(-180, 190, 24):  # vertebrae and discs
        z = float(level)
        organs.append(Ellipsoid((0, 66, z), (21, 17, 10), SPINE_HU, 3.0))
        organs.append(Ellipsoid((0, 66, z), (18, 14, 8), MARROW_HU, 3.0))
        organs.append(Ellipsoid((0, 92, z), (5, 18, 7), SPINE_HU - 140, 2.0))
        organs.append(Ellipsoid((0, 84, z), (8, 5, 12), 30.0, 2.0))
    organs.append(Ellipsoid((16, 42, 0), (12, 12, 400), AORTA_HU, 2.0))
    organs.append(Ellipsoid((-16, 44, -120), (12, 10, 120), HEART_HU - 20, 2.0))
    generator = np.random.default_rng(7)
    vessels = []
    for side in (-1, 1):
        for _ in range(140):
            a, t, z = generator.uniform(0, 2 * np.pi), generator.uniform(0.15, 0.9), generator.uniform(-50, 170)
            size = 1.2 + 3.2 * (1 - t)
            center = (side * 72 + 48 * t * np.cos(a), 4 + 66 * t * np.sin(a), z)
            vessels.append(Ellipsoid(center, (size, size, 4 + 12 * (1 - t)), 30.0))
    organs[5:5] = vessels  # in the lungs, under everything else
    organs.append(Ellipsoid(NODULE_MM, (r, r, r), NODULE_HU))
    return organs


def paint_ribs(volume: Volume, grid: Grid) -> None:
    """Draw sloping ribs as a shell inside the chest wall, and the sternum."""
    z, y, x = grid.axes()
    radius = (np.abs(x[None, :]) / 152) ** 2.3 + (np.abs(y[:, None]) / 99) ** 2.3
    shell = (radius > 0.86) & (radius < 1.0)
    slope = (y[:, None] * -0.42).astype(np.float32)
    for index, height in enumerate(z):
        if -70 < height < 185:
            phase = (height - slope + 400) % 30
            ring = shell & (phase < 11)
            volume[index][ring] = RIB_HU
            core = ring & (radius > 0.89) & (radius < 0.97) & (phase > 2) & (phase < 9)
            volume[index][core] = MARROW_HU
    paint(volume, grid, Ellipsoid((0, -88, 78), (16, 8, 84), RIB_HU - 80, 3.0))


def paint_table(volume: Volume, grid: Grid) -> None:
    """Draw the table with five rods of exact HU under the patient (see `rods_mm`)."""
    _, y, x = grid.axes()
    top = np.abs(y[:, None] - (138 + (x[None, :] / 165) ** 2 * -14)) < 3
    volume[:, top & (np.abs(x[None, :]) < 160)] = -620
    for name, (cx, cy) in rods_mm().items():
        volume[:, (x[None, :] - cx) ** 2 + (y[:, None] - cy) ** 2 <= 64] = RODS_HU[name]


def rods_mm() -> dict[str, tuple[float, float]]:
    """Centre (x, y) in mm of each calibration rod; radius 8 mm."""
    return {name: (-80.0 + 40 * i, 156.0) for i, name in enumerate(RODS_HU)}


CHEST_GRID = Grid(slices=124, rows=512, columns=512, spacing_mm=0.72, thickness_mm=3.0)


@cache
def chest_ct(
    nodule_diameter_mm: float = NODULE_DIAMETER_MM, seed: int = 1, grid: Grid = CHEST_GRID
) -> NDArray[np.int16]:
    """Return a chest CT in Hounsfield units with noise of 9 HU everywhere but in the rods."""
    volume: Volume = np.full((grid.slices, grid.rows, grid.columns), AIR_HU, np.float32)
    organs = chest_organs(nodule_diameter_mm)
    for organ in organs[:3]:
        paint(volume, grid, organ)
    paint_ribs(volume, grid)
    for organ in organs[3:]:
        paint(volume, grid, organ)
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((8, grid.rows, grid.columns), dtype=np.float32)
    noise = (noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2)) * 5.2
    for index in range(grid.slices):
        volume[index] += np.roll(noise[index % 8], (index * 37, index * 53), (0, 1))
    paint_table(volume, grid)
    return np.clip(np.rint(volume), -1024, 3071).astype(np.int16)


def chest_projection(axis: int) -> NDArray[np.uint16]:
    """Return a radiograph made through the chest CT: axis 1 for PA, 2 for lateral; 12 bits, bone bright."""
    volume = chest_ct()[:, :330]
    attenuation = np.clip((volume.astype(np.float32) + 1000) / 1000, 0, 3.2)
    path = attenuation.sum(axis=axis) * 0.072
    image = np.asarray(path[::-1] ** 0.75, np.float32)
    size = 1536
    rows = np.linspace(0, image.shape[0] - 1, size)
    columns = np.linspace(0, image.shape[1] - 1, size)
    image = interpolate(interpolate(image, rows, 0), columns, 1)
    low, high = np.percentile(image, (12, 99.9))
    noise = np.random.default_rng(5).standard_normal(image.shape, dtype=np.float32) * 9
    return np.asarray(np.clip((image - low) / (high - low) * 3500 + 200 + noise, 0, 4095), np.uint16)


def interpolate(image: NDArray[np.float32], at: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Sample an image at fractional positions along one axis, linearly."""
    low = np.clip(np.floor(at).astype(int), 0, image.shape[axis] - 2)
    part = (at - low).astype(np.float32)
    part = part[:, None] if axis == 0 else part[None, :]
    a, b = np.take(image, low, axis), np.take(image, low + 1, axis)
    return np.asarray(a + (b - a) * part, np.float32)


BRAIN = {  # value of each tissue in the three weightings
    "t1": {"scalp": 900, "skull": 120, "csf": 180, "grey": 520, "white": 740, "lesion": 330, "eye": 210},
    "t2": {"scalp": 620, "skull": 90, "csf": 1100, "grey": 620, "white": 430, "lesion": 980, "eye": 1150},
    "flair": {"scalp": 560, "skull": 80, "csf": 110, "grey": 560, "white": 400, "lesion": 1020, "eye": 160},
}
BRAIN_GRID = Grid(slices=28, rows=320, columns=320, spacing_mm=0.72, thickness_mm=5.0)


def brain_mr(weighting: str, grid: Grid = BRAIN_GRID) -> NDArray[np.uint16]:
    """Return a head with a lesion in the left frontal white matter; `weighting` is t1, t2 or flair."""
    tissue = BRAIN[weighting]
    volume: Volume = np.zeros((grid.slices, grid.rows, grid.columns), np.float32)
    for organ in (
        Ellipsoid((0, 0, 0), (78, 98, 92), tissue["scalp"]),
        Ellipsoid((0, 0, -2), (72, 92, 86), tissue["skull"]),
        Ellipsoid((0, 0, -3), (67, 87, 80), tissue["csf"]),
        Ellipsoid((0, 0, -4), (64, 84, 77), tissue["grey"]),
    ):
        paint(volume, grid, organ)
    z, y, x = grid.axes()
    fold = 1 + 0.075 * np.sin(np.arctan2(y[:, None], x[None, :]) * 19) + 0.03 * np.cos(x[None, :] * 0.31)
    for index, height in enumerate(z):
        rest = 1 - ((height + 4) / 74) ** 2
        if rest > 0.05:
            inside = (x[None, :] / 56) ** 2 + (y[:, None] / 76) ** 2 < rest * fold**2
            volume[index][inside & (volume[index] == tissue["grey"])] = tissue["white"]
            volume[index][(np.abs(x[None, :]) < 1.6) & (volume[index] == tissue["white"])] = tissue["csf"]
    for side in (-1, 1):
        paint(volume, grid, Ellipsoid((side * 13, -6, 8), (8, 34, 16), tissue["csf"]))
        paint(volume, grid, Ellipsoid((side * 22, 4, -4), (10, 16, 12), tissue["grey"]))
        paint(volume, grid, Ellipsoid((side * 32, -80, -38), (12, 12, 12), tissue["eye"]))
    paint(volume, grid, Ellipsoid((34, -34, 22), (9, 11, 10), tissue["lesion"]))
    generator = np.random.default_rng(11)
    noise = generator.standard_normal(volume.shape, dtype=np.float32)
    bias = 1 + 0.12 * (x[None, None, :] / 110) - 0.08 * (y[None, :, None] / 110)
    return np.asarray(np.clip(volume * bias + np.abs(noise) * 16, 0, 4095), np.uint16)


PET_GRID = Grid(slices=90, rows=144, columns=144, spacing_mm=4.07, thickness_mm=4.0)
PET_SUV = {"background": 0.6, "liver": 2.4, "heart": 4.0, "kidney": 5.5, "bladder": 12.0, "lesion": 9.0, "brain": 7.0}


def body_pet() -> NDArray[np.float32]:
    """Return a PET volume in SUV (body weight) with a lesion of SUV 9 in the right lung."""
    grid, suv = PET_GRID, PET_SUV
    volume: Volume = np.zeros((grid.slices, grid.rows, grid.columns), np.float32)
    for organ in (
        Ellipsoid((0, 0, -20), (165, 110, 220), suv["background"], 2.4),
        Ellipsoid((-70, 2, 62), (56, 76, 100), 0.25),
        Ellipsoid((70, 2, 62), (56, 76, 100), 0.25),
        Ellipsoid((22, -28, 22), (52, 44, 46), suv["heart"]),
        Ellipsoid((18, -34, 18), (30, 24, 28), 1.4),
        Ellipsoid((-70, -12, -60), (70, 66, 46), suv["liver"], 2.2),
        Ellipsoid((-56, 52, -100), (22, 20, 34), suv["kidney"]),
        Ellipsoid((58, 52, -98), (22, 20, 34), suv["kidney"]),
        Ellipsoid((0, -10, -160), (30, 28, 22), suv["bladder"]),
        Ellipsoid(NODULE_MM, (11, 11, 11), suv["lesion"]),
    ):
        paint(volume, grid, organ)
    for axis in range(3):  # the resolution of a PET scanner
        blurred = np.roll(volume, 1, axis) + 2 * volume + np.roll(volume, -1, axis)
        volume = np.asarray(blurred / 4, np.float32)
    noise = np.random.default_rng(3).standard_normal(volume.shape, dtype=np.float32)
    return np.asarray(np.clip(volume * (1 + 0.06 * noise), 0, None), np.float32)


PET_CT_GRID = Grid(slices=90, rows=256, columns=256, spacing_mm=1.95, thickness_mm=4.0)


def fractal(rows: int, columns: int, seed: int, roughness: float = 1.7) -> NDArray[np.float32]:
    """Return cloud-like texture from 0 to 1 with a power spectrum falling by `roughness`."""
    generator = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(rows, columns)) ** roughness
    phase = generator.uniform(0, 2 * np.pi, amplitude.shape)
    field = np.fft.irfft2(amplitude * np.exp(1j * phase), s=(rows, columns))
    field -= np.min(field)
    return np.asarray(field / np.max(field), np.float32)


def breast(laterality: str, view: str, rows: int = 1600, columns: int = 1200) -> NDArray[np.uint16]:
    """Return a mammogram of 12 bits; the chest wall is left of a left breast and right of a right one."""
    seed = {"L": 20, "R": 40}[laterality] + {"CC": 1, "MLO": 2}[view]
    v = (np.arange(rows, dtype=np.float32)[:, None] / rows - 0.5) * 2
    u = np.arange(columns, dtype=np.float32)[None, :] / columns
    width = 0.80 * np.sqrt(np.clip(1 - (np.abs(v + (0.08 if view == "MLO" else 0)) / 0.86) ** 2.2, 0, 1))
    depth = np.clip((width - u) / 0.14, 0, 1)
    inside = u < width
    tissue = fractal(rows, columns, seed, 1.35)
    glandular = np.clip((tissue - 0.38) * 2.4, 0, 1) * np.clip(1 - (u / 0.62) ** 2 - (v / 0.75) ** 2, 0, 1)
    image = inside * (0.16 + 0.26 * depth**0.7 + 0.42 * glandular + 0.07 * fractal(rows, columns, seed + 7, 1.0))
    if view == "MLO":
        muscle = (v + 1) * 0.5 < 0.62 * (1 - u / 0.34)
        image = np.where(muscle & inside & (u < 0.34), np.maximum(image, 0.72), image)
    if laterality == "L":  # a cluster of microcalcifications
        generator = np.random.default_rng(seed)
        for _ in range(18):
            row = int(rows * 0.46 + generator.normal(0, 26))
            column = int(columns * 0.34 + generator.normal(0, 26))
            image[row : row + 3, column : column + 3] = 1.0
    noise = np.random.default_rng(seed + 1).standard_normal((rows, columns), dtype=np.float32) * 0.008
    image = np.clip(image + noise * inside, 0, 1) * 4000
    if laterality == "R":
        image = image[:, ::-1]
    return np.ascontiguousarray(image).astype(np.uint16)


def ultrasound_cine(frames: int = 40, rows: int = 480, columns: int = 640) -> NDArray[np.uint8]:
    """Return a colour Doppler sector of one heartbeat, RGB, shape (frames, rows, columns, 3)."""
    y = np.arange(rows, dtype=np.float32)[:, None] - 24
    x = np.arange(columns, dtype=np.float32)[None, :] - columns / 2
    depth, angle = np.hypot(x, y), np.arctan2(x, y)
    sector = (np.abs(angle) < 0.72) & (depth > 26) & (depth < 430)
    speckle = np.random.default_rng(9).rayleigh(0.55, (rows, columns)).astype(np.float32)
    texture = fractal(rows, columns, 4, 1.2)
    cine = np.zeros((frames, rows, columns, 3), np.uint8)
    for frame in range(frames):
        beat = 0.5 + 0.5 * np.cos(2 * np.pi * frame / frames)
        grey = np.roll(speckle, frame * 3, 1) * (0.25 + 0.75 * texture) * np.exp(-depth / 620)
        for cx, cy, hx, hy in ((-58, 190, 52, 74), (60, 186, 46, 66), (-50, 318, 44, 40), (56, 314, 42, 38)):
            size = 0.78 + 0.22 * beat
            chamber = ((x - cx) / (hx * size)) ** 2 + ((y - cy) / (hy * size)) ** 2
            grey = np.where(chamber < 1, grey * 0.07, np.where(chamber < 1.25, grey * 1.9, grey))
        level = np.where(sector, np.clip(grey * 190, 0, 255), 0)
        cine[frame] = level[..., None].astype(np.uint8)
        jet = ((x + 56) / 16) ** 2 + ((y - 250 - 40 * beat) / 54) ** 2
        flow = sector & (jet < 1) & (beat > 0.25)
        cine[frame][flow] = np.stack([np.clip(255 * (1 - jet), 0, 255), 90 * (1 - jet) * beat, 40 + 0 * jet], axis=-1)[
            flow
        ].astype(np.uint8)
        back = sector & (((x - 58) / 14) ** 2 + ((y - 246) / 44) ** 2 < 1) & (beat < 0.45)
        cine[frame][back] = (30, 90, 230)
        cine[frame, rows - 40 : rows - 37, 40 : 40 + int(560 * frame / frames)] = (0, 190, 170)
    return cine
