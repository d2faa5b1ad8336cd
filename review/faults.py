"""Stage 8, review.faults: what was read of a page -> why the scan desk should look at it again. Pure."""

from records.base import Frozen
from records.pages import PageImage

DARK_INK = 0.15  # Full pages of print hold 2 to 4 % of ink: this much is a black border, a shadow or a dirty glass.
LIGHT_INK = 0.01  # Half of what a sparse form holds; below it only pages that are badly read too are named.
UNSURE = 0.5  # mean confidence of the words: the reader guesses more than it reads
FEW_WORDS = 20  # A form's printed labels alone are more; handwriting is read badly also on a perfect scan.
SKEW_DEGREES = 4.0  # The end of an A4 sheet lies 20 mm off its place, which is all of its margin.
LOWEST_DPI = 195  # 200 asked for, less what conversions from dots per metre lose
SHORTEST_LONG_SIDE_PX = 1600  # an A5 sheet at 195 dpi, where the file does not say its resolution
LONGEST, BROADEST = 1.75, 1.15  # long side by short side; A4 1.41, Letter 1.29, Legal 1.65
EDGE = 0.002  # of the page's width: half a millimetre, closer than any printer prints
CUT_LINES = 3  # One mark at the edge is a punch hole or a shadow.
FAULTS = ("dark", "light", "illegible", "skewed", "coarse", "shape", "cut")
NOT_PAPER = frozenset({"film", "separator", "blank"})
TEXT_LAYER = "text_layer"


class Read(Frozen):
    """How well a page was read. `confidence`: the mean of its words, 0 without any; `whole`: not its header only.

    `cut_lines`: lines that begin or end within EDGE of the picture's side.
    """

    engine: str
    whole: bool
    words: int
    confidence: float
    cut_lines: int


def faults_of(image: PageImage, read: Read, document_type: str) -> tuple[str, ...]:
    """Names of FAULTS in their order; none for a film, a separator, a blank page and a page that never was paper."""
    if image.blank or document_type in NOT_PAPER or read.engine == TEXT_LAYER:
        return ()
    unsure = read.confidence < UNSURE
    found = {
        "dark": image.ink > DARK_INK,
        "light": image.ink < LIGHT_INK and unsure,
        "illegible": read.whole and unsure and read.words < FEW_WORDS and image.ink >= LIGHT_INK,
        "skewed": abs(image.skew_degrees) >= SKEW_DEGREES,
        "coarse": _is_coarse(image),
        "shape": not BROADEST <= _long_by_short(image) <= LONGEST,
        "cut": read.cut_lines >= CUT_LINES,
    }
    return tuple(name for name in FAULTS if found[name])


def _is_coarse(image: PageImage) -> bool:
    if image.dpi:
        return image.dpi < LOWEST_DPI
    return max(image.file_width_px, image.file_height_px) < SHORTEST_LONG_SIDE_PX


def _long_by_short(image: PageImage) -> float:
    sides = image.file_width_px, image.file_height_px
    return max(sides) / min(sides)
