"""Stage 5, extractors.found: words of a page that were taken for a field, with their place."""

from dataclasses import dataclass

from records.pages import Box, Word, around

LINE_HEIGHT = 1.5  # of a printed line, in typical word heights


@dataclass(frozen=True)
class Found:
    """Words taken for a field, row by row; boxes in pixels of the upright page."""

    field: str
    kind: str
    method: str
    rows: tuple[tuple[Word, ...], ...]

    @property
    def words(self) -> list[Word]:
        return [w for row in self.rows for w in row]

    @property
    def raw(self) -> str:
        return " ".join(w.text for w in self.words)

    @property
    def confidence(self) -> float:
        """Mean over words, 0..1, weighted by their length."""
        letters = sum(len(w.text) for w in self.words)
        return sum(w.confidence * len(w.text) for w in self.words) / letters if letters else 0.0

    @property
    def box(self) -> Box:
        """Tight around the words."""
        return around([w.box for w in self.words])

    def roomy_box(self, em: float) -> Box:
        """The line's own height and a little air, so that a crop shows tone marks and descenders."""
        tight = self.box
        air = max(0.15 * em, (LINE_HEIGHT * em - tight.height) / 2)
        return Box(
            left=tight.left - 0.15 * em, top=tight.top - air, right=tight.right + 0.15 * em, bottom=tight.bottom + air
        )
