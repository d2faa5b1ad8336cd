"""Stage 5, extractors.clinical_language: the spaCy pipeline for Vietnamese clinical text, its components by name."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from extractors import clinical_drugs, clinical_labs, clinical_measures, clinical_names
from extractors.abbreviations import expansions
from extractors.clinical_measures import Measure, take
from extractors.clinical_phrases import (
    DEGREE,
    LEVEL,
    MARKS,
    MEASURE,
    NUMBER,
    OTHER,
    SENTENCE,
    SIZE,
    STAGE,
    VERTEBRA,
    Phrase,
    letters_of,
    phrases,
    terms,
)  # fmt: skip
from extractors.clinical_scope import stated
from records.code_lists import of_lists

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

PREFIXES = [r"[(\[\"'<>≤≥=+~±*•…–-]"]
UNITS = r"mm|cm|mg|mcg|µg|ml|mL|kg|g|Gy|mCi|m2|mmHg|%|G|L"
SUFFIXES = [r"(?<=[^\W\d_])-", r"[)\]\"'.,;:!?…]", rf"(?<=\d)(?:{UNITS})"]
INFIXES = [
    r"[/+=~()\[\];:–<>]", r"(?<=\D),", r",(?=\D)", r"(?<=\d)[x×*](?=\d)", r"(?<=\w)-(?=\w)", r"(?<=[^\W\d_])[.?](?=\w)",
    r"(?<=[0-4xs])(?=[NM][0-3x])", r"(?<=[0-4][a-d])(?=[NM][0-3x])",
]  # fmt: skip
TITLES = re.compile(r"(?:bs|ts|ths|pgs|gs|bscki{0,2}|cki{0,2}|bsnt|ckii?|tp|ths\.bs|ds|đd|ktv|st)", re.IGNORECASE)
LONGEST = 400  # tokens of a sentence
VERTEBRAE = re.compile(r"[CDLTS]\d{1,2}")
LEVELS = re.compile(r"(?:[IVX]{1,4}[ABab]?|\d{1,2}[RLPTab]?)")
SECTIONS = {
    "conclusion": "kết luận|kl|chẩn đoán|cđ|chẩn đoán xác định|chẩn đoán ra viện|chẩn đoán vào viện|kết quả gpb|gpb",
    "findings": "mô tả|kết quả|hình ảnh|nhận xét",
    "gross": "đại thể", "microscopy": "vi thể", "immunohistochemistry": "hóa mô miễn dịch|hmmd|ihc",
    "history": "bệnh sử|tiền sử|quá trình bệnh lý|lý do vào viện", "exam": "khám|toàn trạng|toàn thân|sinh hiệu",
    "laboratory": "xét nghiệm|xn", "treatment": "thuốc|điều trị|phác đồ|kế hoạch|hướng điều trị|đơn thuốc",
    "advice": "đề nghị|lời dặn|dặn dò|khuyến nghị",
}  # fmt: skip
HEADING = re.compile(rf"(?<![^\W_])(?P<name>{'|'.join(SECTIONS.values())})\s?:", re.IGNORECASE)


@of_lists
def language() -> "Language":
    """Vietnamese with spaCy's own tokenizer: the one for 'vi' wants another package or splits at spaces only."""
    import spacy
    from spacy.language import Language
    from spacy.tokenizer import Tokenizer
    from spacy.tokens import Doc
    from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

    for name in ("sections", "abbreviations", "measures", "found"):
        Doc.set_extension(name, default=None, force=True)
    for component in (
        clinical_sentences,
        clinical_sections,
        clinical_abbreviations,
        clinical_measures_,
        clinical_phrases_,
    ):
        Language.component(component.__name__.rstrip("_"), func=component)
    Language.factory("clinical_terms", func=clinical_terms)
    nlp = spacy.blank("vi", config={"nlp": {"tokenizer": {"use_pyvi": False}}})
    nlp.tokenizer = Tokenizer(
        nlp.vocab,
        prefix_search=compile_prefix_regex(PREFIXES).search,
        suffix_search=compile_suffix_regex(SUFFIXES).search,
        infix_finditer=compile_infix_regex(INFIXES).finditer,
    )
    for name in ("clinical_sentences", "clinical_sections", "clinical_abbreviations"):
        nlp.add_pipe(name)
    ruler: Any = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([{"label": DRUG, "pattern": name} for name in clinical_drugs.drug_names()])
    for name in ("clinical_terms", "clinical_measures", "clinical_phrases"):
        nlp.add_pipe(name)
    return nlp


def clinical_terms(nlp: Any, name: str) -> Callable[["Doc"], "Doc"]:
    """The component that finds every listed term, the longest first, and keeps its letter."""
    from spacy.matcher import PhraseMatcher

    matcher, own = PhraseMatcher(nlp.vocab, attr="LOWER"), terms()
    for parts, letter in letters_of().items():
        matcher.add(letter, list(nlp.tokenizer.pipe(term for term, played in own.items() if played == parts)))
    of_key = {nlp.vocab.strings[letter]: letter for letter in letters_of().values()}

    def found(doc: "Doc") -> "Doc":
        taken, spans = bytearray(len(doc)), {}
        for key, start, end in sorted(matcher(doc), key=lambda match: (match[1] - match[2], match[1])):
            if take(taken, start, end):
                spans[start] = (end, of_key[key])
        doc.user_data["terms"] = spans
        return doc

    return found


DRUG = "DRUG"


class Words(NamedTuple):
    """A text in words. `edges`: where each begins, in characters; `begins`: the words that begin a sentence."""

    text: str
    edges: list[int]
    words: list[str]
    begins: list[int]


def clinical_sentences(doc: "Doc") -> "Doc":
    """A sentence ends at a full stop, question mark or exclamation mark, but not after a title.

    The text, the words and where they begin are kept with the document: to ask each token costs more than all rules.
    """
    text = doc.text
    edges: list[int] = doc.to_array("IDX").tolist()
    lengths: list[int] = doc.to_array("LENGTH").tolist()
    words = [text[start : start + length] for start, length in zip(edges, lengths, strict=True)]
    first, begins = 0, [0] if words else []
    for i, word in enumerate(words[:-1]):
        ended = word in "?!" or (word == "." and i > 0 and not TITLES.fullmatch(words[i - 1]))
        if ended or i + 1 - first >= LONGEST:
            first = i + 1
            begins.append(first)
    marks: Any = np.full(len(words), -1, dtype=np.int64)
    marks[begins] = 1
    doc.from_array(["SENT_START"], marks.astype(np.uint64))
    doc.user_data["words"] = Words(text, edges, words, begins)
    return doc


def clinical_sections(doc: "Doc") -> "Doc":
    """Where each headed part of the text begins, in characters, and its kind."""
    text = doc.user_data["words"].text
    doc._.sections = [(match.start(), _section(match["name"].lower())) for match in HEADING.finditer(text)]
    return doc


@cache
def _section(name: str) -> str:
    return next(kind for kind, named in SECTIONS.items() if name in named.split("|"))


def clinical_abbreviations(doc: "Doc") -> "Doc":
    """Short forms as (start, end, expansion, probability)."""
    words: Words = doc.user_data["words"]
    doc._.abbreviations = [
        (words.edges[i], words.edges[i] + len(words.words[i]), expansion, sure)
        for i, expansion, sure in expansions(words.words)
    ]
    return doc


def clinical_measures_(doc: "Doc") -> "Doc":
    """Numbers with their meaning, names, and what is prescribed."""
    words: Words = doc.user_data["words"]
    found = clinical_measures.measures(words.text)
    taken = bytearray(len(words.text))
    times = [one for one in found if one.label == "FREQUENCY"]
    kept = [one for one in found if one.label != "FREQUENCY"]
    for one in kept:
        take(taken, one.start, one.end)
    for one in [*clinical_labs.labs(words.text, taken), *clinical_names.names(words.text)]:
        if take(taken, one.start, one.end):
            kept.append(one)
    ends = [*(words.edges[i] for i in words.begins[1:]), len(words.text)]
    sentences = [(words.edges[i], end) for i, end in zip(words.begins, ends, strict=False)]
    drugs = [(span.start_char, span.end_char) for span in doc.ents]
    doc._.measures = sorted(
        [*kept, *clinical_drugs.prescriptions(words.text, sentences, drugs, taken, times)], key=_place
    )
    return doc


def _place(measure: Measure) -> tuple[int, int]:
    return measure.start, measure.end


def clinical_phrases_(doc: "Doc") -> "Doc":
    """All entities as (start, end, label, value, said), `said` being '', 'negated' or 'uncertain'."""
    pieces = list(_pieces(doc))
    text = "".join(piece[2] for piece in pieces)
    found = phrases(text)
    said = stated(text, found)
    entities = [
        (pieces[one.start][0], pieces[one.end - 1][1], one.label, None, said.get(i, "")) for i, one in enumerate(found)
    ]
    doc._.found = sorted([*entities, *_alone(doc._.measures, text, pieces, found)], key=lambda one: one[:2])
    return doc


Piece = tuple[int, int, str]


def _pieces(doc: "Doc") -> Iterator[Piece]:
    """From, to in characters, and the letter of each measure, term, mark and other word, with sentence marks."""
    words: Words = doc.user_data["words"]
    taken, begins = _taken_words(words, doc._.measures), set(words.begins)
    spans = doc.user_data["terms"]
    i = 0
    while i < len(words.words):
        start, letter = words.edges[i], ""
        if i in begins:
            yield start, start, SENTENCE
        if i in taken:
            until, letter, end = taken[i]
        else:
            until, letter = spans.get(i) or (i + 1, "")
            if not letter or any(k in taken for k in range(i, until)):
                until, letter = i + 1, _letter(words.words[i])
            end = words.edges[until - 1] + len(words.words[until - 1])
        if letter:
            yield start, end, letter
        i = until


@lru_cache(maxsize=4096)
def _letter(word: str) -> str:
    if word in MARKS:
        return word
    if VERTEBRAE.fullmatch(word):
        return VERTEBRA
    if LEVELS.fullmatch(word):
        return LEVEL
    return "" if word.isspace() else NUMBER if word[0].isdigit() else OTHER


def _taken_words(words: "Words", measures: list[Measure]) -> dict[int, tuple[int, str, int]]:
    """First word of each measure to the word after its last, its letter and its end in characters."""
    taken: dict[int, tuple[int, str, int]] = {}
    for one in measures:
        first = bisect_right(words.edges, one.start) - 1
        after = max(first + 1, bisect_left(words.edges, one.end))
        for k in range(first + 1, after):
            taken[k] = (k + 1, "", one.end)
        letter = {"SIZE": SIZE, "DEGREE": DEGREE, "STAGE": STAGE}.get(one.label, MEASURE)
        taken[first] = (after, letter, one.end)
    return taken


def _alone(measures: list[Measure], text: str, pieces: list[Piece], found: list[Phrase]) -> Iterator[tuple[Any, ...]]:
    """Measures as entities; a bare degree is the grade of a histology named before it, or part of a phrase."""
    joined = {pieces[k][0] for one in found for k in range(one.start, one.end) if text[k] in (DEGREE, STAGE)}
    first = min((pieces[one.start][0] for one in found if one.label == "HISTOLOGY"), default=None)
    for one in measures:
        if one.start in joined or one.label == "DEPARTMENT":  # named so that its organs are no places of the patient
            continue
        if one.label != "DEGREE":
            yield one.start, one.end, one.label, one.value, ""
        elif first is not None and first < one.start:
            yield one.start, one.end, "GRADE", None, ""
