"""Stage 2, extractors.perspective: a page photographed at an angle -> the homography that lays it flat.

By the paper's four edges where dark surroundings show them; else by its rows of text, which run together in the
distance, and by the vertical rulings of its tables. A scan's rows are parallel: it comes out as it went in.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Floats = NDArray[np.float64]
Matrix = NDArray[np.float64]
Size = tuple[int, int]  # width, height in pixels

EDGES_LONG_SIDE_PX = 800  # at which edges of paper are looked for
PRINT, THUMB = 25, 61  # pixels there: dark marks on the paper and light things beside it are smaller
DARK = 140  # grey level of surroundings, at most: a scanner's lid is lighter
WHOLE = 0.9  # of a sheet lies within its four edges, where corners are folded or covered
FEWEST_POINTS = 20  # of an outline along an edge
ROWS_LONG_SIDE_PX = 850  # at which rows of text are looked for; print of 12 pt is then 8 pixels high
INK, FAINT_INK = 170, 225  # grey levels there below which there is print, and thin rulings
LONG = 0.2  # a line's least length, in half long sides
PRINT_THICK, RULED_THICK = (1.1, 3.0), 1.7  # deviations in pixels there, across a row of print and a thickened ruling
FEWEST_ROWS, FEWEST_COLUMNS = 6, 3
LEAST_SPREAD = 0.12  # deviation of where lines lie, in half long sides
NEAR = 0.003  # radians: lines as near as this to their bundle are in it
ROUNDS = 8
LEAST_FAN, MOST_FAN = math.radians(0.6), math.radians(25)  # between rows a long side apart
CERTAIN = 7.0  # standard errors


@dataclass(frozen=True)
class Lines:
    """Straight marks: slope (dy/dx), height at which each crosses x = 0, and weight, in half long sides of the page."""

    slopes: Floats
    crossings: Floats
    weights: Floats

    def table(self) -> tuple[Floats, Floats, Floats]:
        return self.slopes, self.crossings, self.weights


@dataclass(frozen=True)
class Bundle:
    """slope = `slope` - `closing` * crossing for every line of a bundle; `closing` 0 is a bundle of parallels."""

    slope: float
    closing: float


def flat_sheet(gray: Gray) -> tuple[Matrix, Size]:
    """Homography that lays a photographed sheet flat, and its (width, height) in pixels.

    Identity and the whole page where no dark surroundings show.
    """
    whole = np.eye(3), (gray.shape[1], gray.shape[0])
    scale = EDGES_LONG_SIDE_PX / max(gray.shape)
    small = cv2.GaussianBlur(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), (7, 7), 0)
    _, mask = cv2.threshold(small, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((PRINT, PRINT), np.uint8))
    sheet = _without_thumbs(mask)
    if sheet is None or float(np.median(small[mask == 0])) > DARK:
        return whole
    quad = _four_corners(sheet)
    if quad is None or not 0.4 < cv2.contourArea(sheet) / mask.size < 0.97:
        return whole
    quad = _along_edges(quad, sheet.reshape(-1, 2).astype(np.float32)) / scale
    width = max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2]))
    height = max(math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2]))
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), flat)
    return np.asarray(matrix, np.float64), (round(width), round(height))


def _without_thumbs(mask: NDArray[Any]) -> NDArray[np.int32] | None:
    """Outline of the largest light thing, whatever is in it, without what sticks out from it; None in the dark."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours or not (mask == 0).any():
        return None
    filled = cv2.fillPoly(np.zeros_like(mask), [max(contours, key=cv2.contourArea)], 255)
    opened = cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((THUMB, THUMB), np.uint8))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=cv2.contourArea), np.int32) if contours else None


def _four_corners(contour: NDArray[Any]) -> Floats | None:
    """Corners clockwise from the top left, folded ones too, or None when the outline is no quadrilateral."""
    hull = cv2.convexHull(contour)
    for tolerance in (0.01, 0.02, 0.03, 0.05):
        outline = cv2.approxPolyDP(hull, tolerance * cv2.arcLength(hull, True), True).reshape(-1, 2).astype(np.float64)
        corners = _where_longest_meet(outline)
        if corners is None or not WHOLE < cv2.contourArea(hull) / cv2.contourArea(corners.astype(np.float32)) < 1.1:
            continue
        total, difference = corners.sum(1), corners[:, 0] - corners[:, 1]
        order = [total.argmin(), difference.argmax(), total.argmax(), difference.argmin()]
        return corners[order] if len(set(order)) == 4 else None
    return None


def _where_longest_meet(outline: Floats) -> Floats | None:
    """The corners of the four longest sides of a polygon, which need not be neighbours."""
    if len(outline) < 4:
        return None
    sides = list(zip(outline, np.roll(outline, -1, axis=0), strict=True))
    longest = sorted(sorted(range(len(sides)), key=lambda i: -math.dist(*sides[i]))[:4])
    return _met([_through(*sides[i]) for i in longest])


def _along_edges(quad: Floats, outline: NDArray[np.float32]) -> Floats:
    """The same corners to a fraction of a pixel: where straight lines along the paper's edges meet."""
    for near in (0.03, 0.015):
        moved = _met([_edge(quad[i - 1], quad[i], outline, near * EDGES_LONG_SIDE_PX) for i in range(4)])
        if moved is None or np.abs(moved - quad).max() > 0.05 * EDGES_LONG_SIDE_PX:
            return quad
        quad = moved
    return quad


def _edge(start: Floats, end: Floats, outline: NDArray[np.float32], near: float) -> Floats:
    """The straight line that lies best along the outline between two corners."""
    along = (end - start) / math.dist(start, end)
    share = (outline - start) @ along / math.dist(start, end)
    beside = np.abs((outline - start) @ np.array([-along[1], along[0]]))
    own = outline[(share > 0.08) & (share < 0.92) & (beside < near)]
    if len(own) < FEWEST_POINTS:
        return _through(start, end)
    dx, dy, x, y = cv2.fitLine(own, cv2.DIST_HUBER, 0, 0.01, 0.01).ravel().astype(float)
    return _through(np.array([x, y]), np.array([x + dx, y + dy]))


def _through(one: Floats, other: Floats) -> Floats:
    """The line through two points: (a, b, c) of ax + by + c = 0."""
    return np.cross([*one, 1.0], [*other, 1.0])


def _met(lines: list[Floats]) -> Floats | None:
    """The points in which each line meets the next; None where two are parallel."""
    points = np.array([np.cross(lines[i], lines[(i + 1) % 4]) for i in range(4)])
    return None if (np.abs(points[:, 2]) < 1e-9).any() else points[:, :2] / points[:, 2:]


def level_rows(page: Gray) -> tuple[Matrix, Size]:
    """Homography that makes the rows of a page parallel and level, and its (width, height); `page`: upright, clean.

    Identity where the rows are parallel, or too few or too uneven to tell.
    """
    size = page.shape[1], page.shape[0]
    scale = ROWS_LONG_SIDE_PX / max(size)
    small = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ink, faint = (small < INK).astype(np.uint8), (small < FAINT_INK).astype(np.uint8)
    rows = _bundle(_joined(_rows(ink), _rulings(faint)), FEWEST_ROWS)
    if rows is None or not LEAST_FAN < 2 * abs(rows.closing) < MOST_FAN:
        return np.eye(3), size
    columns = _bundle(_rulings(np.ascontiguousarray(faint.T)), FEWEST_COLUMNS) or Bundle(-rows.slope, 0.0)
    half = max(size) / 2
    centred = np.array([[1 / half, 0, -size[0] / 2 / half], [0, 1 / half, -size[1] / 2 / half], [0, 0, 1]])
    return _within(np.linalg.inv(centred) @ _parallel(rows, columns) @ centred, size)


def _joined(one: Lines, other: Lines) -> Lines:
    return Lines(*(np.concatenate(pair) for pair in zip(one.table(), other.table(), strict=True)))


def _rows(ink: Gray) -> Lines:
    """Rows of print: what is long and thin once letters are joined to words and words to rows; no thin strokes."""
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, 13), np.uint8))
    return _lines(cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((1, 9), np.uint8)), *PRINT_THICK)


def _rulings(ink: Gray) -> Lines:
    """Rulings across the page; thickened, as a slanting one is drawn in steps, each of which is level."""
    thick = cv2.dilate(ink, np.ones((3, 1), np.uint8))
    return _lines(cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, 21), np.uint8)), 0.0, RULED_THICK)


def _lines(marks: NDArray[Any], thin: float, thick: float) -> Lines:
    """A straight line through each long mark of some thickness: standard deviation in pixels across the line."""
    half = max(marks.shape) / 2
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks)
    found = []
    for i in 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_WIDTH] > LONG * half):
        left, top, width, height, _ = stats[i]
        m = cv2.moments((labels[top : top + height, left : left + width] == i).astype(np.uint8), binaryImage=True)
        slope = m["mu11"] / m["mu20"]
        if thin < math.sqrt(max(0.0, m["mu02"] - slope * m["mu11"]) / m["m00"]) < thick:
            x, y = left + m["m10"] / m["m00"] - marks.shape[1] / 2, top + m["m01"] / m["m00"] - marks.shape[0] / 2
            found.append((slope, (y - slope * x) / half, float(width) ** 2))
    return Lines(*np.array(found).reshape(-1, 3).T)


def _bundle(lines: Lines, fewest: int) -> Bundle | None:
    """The bundle that most lines belong to; None where they are few, lie close together or go their own ways.

    Least absolute deviations, by weighting again and again.
    """
    if len(lines.slopes) < fewest:
        return None
    off = np.zeros_like(lines.slopes)
    for _ in range(ROUNDS):
        weights = lines.weights / (np.abs(off) + NEAR)
        weights = weights / weights.sum()
        slope, crossing = weights @ lines.slopes, weights @ lines.crossings
        spread = weights @ (lines.crossings - crossing) ** 2
        if spread < LEAST_SPREAD**2:
            return None
        closing = -(weights @ ((lines.crossings - crossing) * (lines.slopes - slope))) / spread
        off = lines.slopes - slope + closing * (lines.crossings - crossing)
    error = math.sqrt((weights**2) @ off**2 / spread)
    sure = abs(closing) > CERTAIN * error
    return Bundle(float(slope + closing * crossing), float(closing)) if sure else Bundle(float(slope), 0.0)


def _parallel(rows: Bundle, columns: Bundle) -> Matrix:
    """Homography, origin kept, after which the rows are level and the columns upright."""
    a, b = np.array([1.0, rows.slope, rows.closing]), np.array([columns.slope, 1.0, columns.closing])
    horizon = np.cross(a, b)
    flat, straight = np.eye(3), np.eye(3)
    flat[2] = horizon / horizon[2]
    straight[:2, :2] = np.linalg.inv(np.column_stack([a[:2], b[:2]]))
    return np.asarray(straight @ flat)


def _within(matrix: Matrix, size: Size) -> tuple[Matrix, Size]:
    """The homography moved so that the whole page stays in the picture, and the picture's size."""
    width, height = size
    corners = matrix @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    points = corners[:2] / corners[2]
    (left, top), (right, bottom) = points.min(1), points.max(1)
    moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
    return moved, (round(right - left), round(bottom - top))
