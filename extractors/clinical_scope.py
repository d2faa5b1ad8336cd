"""Stage 5, extractors.clinical_scope: which phrases of a sentence are said to be absent, and which are left open.

A cue counts only where a phrase follows it, at most after words that lead in to one ('không đều' denies no finding),
or where it ends the clause ('hạch cổ: không').
"""

from collections.abc import Sequence

from extractors.clinical_phrases import SENTENCE, SIZE, Phrase, letters

STATED = frozenset({"DIAGNOSIS", "FINDING", "LYMPH_NODE", "HISTOLOGY", "PROCEDURE"})
STOPS = SENTENCE + ".;"
LOOK_AHEAD = 8  # pieces from a cue to its phrase
NEGATED, UNCERTAIN = "negated", "uncertain"


def stated(text: str, phrases: Sequence[Phrase]) -> dict[int, str]:
    """Index of a phrase to 'negated' or 'uncertain'. `text`: one letter a piece, as `phrases` were found in."""
    starts = {phrase.start: i for i, phrase in enumerate(phrases)}
    said: dict[int, str] = {}
    state, i = "", 0
    while i < len(text):
        if i in starts:
            index = starts[i]
            phrase = phrases[index]
            state = _after_comma(text, phrases, index, state)
            if phrase.label in STATED:
                if state and (phrase.label != "PROCEDURE" or _close(text, phrases, index)):
                    said[index] = state
                if behind := _behind(text, phrase.end):
                    _deny_list(text, phrases, index, behind, said)
            elif phrase.label == "SITE" and _denied(text, phrase.end):
                _deny_list(text, phrases, index, NEGATED, said)
            i = phrase.end
            continue
        state = _state(text, i, starts, phrases, state)
        i += 1
    return said


def _state(text: str, i: int, starts: dict[int, int], phrases: Sequence[Phrase], state: str) -> str:
    """What holds after the piece `i`, which is in no phrase."""
    letter = text[i]
    if letter in STOPS or letter in letters("ending", "confirmed") and letter not in letters("negation", "uncertainty"):
        return ""
    if letter in letters("negation", "uncertainty"):
        if not _leads_to(text, i + 1, starts, phrases):
            return ""
        return NEGATED if letter in letters("negation") else UNCERTAIN
    if letter == "," and (state == UNCERTAIN or i + 1 not in starts):
        return ""
    return state


def _leads_to(text: str, i: int, starts: dict[int, int], phrases: Sequence[Phrase]) -> bool:
    """Whether a phrase of a stated kind follows, after nothing but words that lead in, places and amounts."""
    skipped, last = letters("lead_in", "listing", "uncertainty", "position", "degree"), i + LOOK_AHEAD
    while i < min(last, len(text)):
        if i in starts:
            phrase = phrases[starts[i]]
            if phrase.label in STATED:
                return True
            i = phrase.end
        elif text[i] in skipped or text[i] in "nvx:":
            i += 1
        else:
            return False
    return False


def _after_comma(text: str, phrases: Sequence[Phrase], index: int, state: str) -> str:
    """A denial goes on through a list, but not to a thing that was measured."""
    phrase = phrases[index]
    listed = phrase.start > 0 and text[phrase.start - 1] == ","
    return "" if listed and state == NEGATED and SIZE in text[phrase.end : phrase.end + 3] else state


def _close(text: str, phrases: Sequence[Phrase], index: int) -> bool:
    """Whether nothing but words that lead in stand between a procedure and the cue or the phrase before it."""
    low = max(phrases[index - 1].end if index else 0, phrases[index].start - LOOK_AHEAD)
    between = text[low : phrases[index].start]
    cues = letters("negation", "uncertainty")
    after_cue = max((k for k, letter in enumerate(between) if letter in cues), default=-1) + 1
    return all(letter in letters("lead_in", "listing") + "," for letter in between[after_cue:])


def _behind(text: str, end: int) -> str:
    """What a mark or word straight behind a phrase says of it."""
    if text[end : end + 1] == "?" or text[end : end + 3] == "(?)":
        return UNCERTAIN
    if text[end : end + 3] == "(-)":
        return NEGATED
    return NEGATED if _denied(text, end) else ""


def _denied(text: str, end: int) -> bool:
    """'hạch cổ: không.' or 'hạch cổ không sờ chạm'."""
    start = end + (text[end : end + 1] in (":", "-"))
    after = text[start : start + 2]
    return bool(after) and after[0] in letters("negative_after") and (len(after) == 1 or after[1] in STOPS + ",)?")


def _deny_list(text: str, phrases: Sequence[Phrase], index: int, what: str, said: dict[int, str]) -> None:
    """Of a phrase, and where it ends a list, of those before it that only commas part from it."""
    whole = text[phrases[index].end : phrases[index].end + 1] == ":"
    said.update({index: what} if phrases[index].label in STATED else {})
    while whole and index and text[phrases[index - 1].end : phrases[index].start] in (",", ""):
        index -= 1
        if phrases[index].label in STATED:
            said[index] = what
