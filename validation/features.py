"""Stage 7, validation.features: a value and what stands around it become numbers, each higher where it speaks for it.

A family is a group of kinds that are measured together, since 99.9 % needs thousands of values to be shown.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import Levenshtein

from records.base import Frozen
from records.documents import FieldReading, FieldValue
from records.pages import PageImage, Writing

# Of the first, a grammar or a short list catches most misreadings; words of names and lists have a list behind them.
FAMILIES: dict[str, tuple[str, ...]] = {
    "figures": (
        "identifier", "insurance_card", "personal_id", "phone", "icd10", "birth_date", "date", "moment", "age",
        "integer", "number", "measure", "reference", "strength", "unit", "sex", "outcome", "modality", "flag",
        "ethnicity",
    ),
    "words": ("person_name", "department", "occupation", "test_name"),
    "text": ("text", "long_text"),
    "places": ("address",),
    "orders": ("drug",),  # and how it is taken;
    "findings": (),  # of images and tissues: both take running text by its field, see `family_of`
}  # fmt: skip
FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
BY_FIELD = {"medications": "orders", "imaging": "findings", "pathology": "findings"}
FEATURES = (
    "engine", "agreed", "heard", "nearest", "farthest", "printed", "listed", "long", "page", "page_agreed", "dpi",
    "straight", "beside", "bare", "sound", "parsed", "witnessed",
)  # fmt: skip
SUREST, LEAST = 0.9999, 0.0005  # an engine's confidence is held between these
FINE_DPI = 300.0
EDGES = "¡|:;.,_-~\"'`([{<«=*•°"


class Around(Frozen):
    """What surrounds a value: the mean confidence of its page's values and the share of them that readers agree on,
    both 0..1; the page's resolution in dots per inch, and by how many degrees it lay askew."""

    confidence: float = 0.9
    agreed: float = 0.9
    dpi: float = 200.0
    skew: float = 0.0


ALONE = Around()


class Support(Frozen):
    """What was found out about a value besides its reading. `sound`: no check speaks against it, and
    nothing says that the text is not whole."""

    listed: bool = False
    sound: bool = True
    witnessed: bool = False


def family_of(field: str, kind: str) -> str:
    """'patient.name', 'person_name' -> 'words'; 'medications[0].dosage', 'long_text' -> 'orders'; '' for a kind that is
    never measured. Narrow cells of orders and long findings are cut in other ways than a diagnosis is."""
    family = FAMILY_OF.get(kind, "")
    return BY_FIELD.get(field.partition(".")[0].partition("[")[0], family) if family == "text" else family


def surroundings(values: Sequence[FieldValue], images: Mapping[str, PageImage]) -> dict[str, Around]:
    """page id -> what surrounds each of its values. `images`: of the pages, as far as they are known."""
    pages: dict[str, list[FieldValue]] = defaultdict(list)
    for value in values:
        pages[value.reading.page_id].append(value)
    return {page_id: _around(found, images.get(page_id)) for page_id, found in pages.items()}


def _around(values: Sequence[FieldValue], image: PageImage | None) -> Around:
    sure = sum(v.reading.confidence for v in values) / len(values)
    heard = [v for v in values if _heard(v.reading)]
    agreed = sum(bool(v.agreed) for v in heard) / len(heard) if heard else ALONE.agreed
    if image is None:
        return Around(confidence=sure, agreed=agreed)
    return Around(confidence=sure, agreed=agreed, dpi=image.dpi, skew=abs(image.skew_degrees))


def features(value: FieldValue, around: Around, support: Support) -> tuple[float, ...]:
    """One number for each of FEATURES. A value is cut off more often than it is drawn out, so length speaks for it."""
    reading, others = value.reading, _heard(value.reading)
    likeness = [_likeness(reading.raw, other) for other in others] or [0.0]
    return (
        _logit(reading.confidence), float(min(value.agreed, 2)), float(bool(others)), max(likeness), min(likeness),
        float(reading.writing is not Writing.HANDWRITTEN), float(support.listed), math.log1p(len(value.value)),
        _logit(around.confidence), around.agreed, min(around.dpi, FINE_DPI) / FINE_DPI, -min(around.skew, 5.0),
        float(reading.method not in ("label_below", "label_beside")), -float(_edged(reading, others)),
        float(support.sound), float(not value.problem), float(support.witnessed),
    )  # fmt: skip


def _heard(reading: FieldReading) -> list[str]:
    return [other for other in reading.others if other.strip()]


def _likeness(one: str, other: str) -> float:
    """1 for the same but for case, spaces and stops at either end."""
    return Levenshtein.normalized_similarity(_folded(one), _folded(other))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:")


def _edged(reading: FieldReading, others: Sequence[str]) -> bool:
    """A reader saw something cut off at the value's beginning or end."""
    return any(text.strip()[:1] in EDGES for text in (reading.raw, *others) if text.strip())


def _logit(p: float) -> float:
    held = min(SUREST, max(LEAST, p))
    return math.log(held / (1 - held))
