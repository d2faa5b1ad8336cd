"""Stage 3, extractors.syllables: whether letters can be a Vietnamese syllable, by the rules of its spelling.

Onset, rime and tone: c, g and ng stand for k, gh and ngh but before i, e and ê; a rime that ends in c, ch, p or t takes
no tone but sắc and nặng; the tone of oa, oe and uy may stand by the old or the new rule (hòa, hoà).
"""

import unicodedata
from functools import cache

ONSETS = tuple(" b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x".split(" "))  # noqa: SIM905  (the first is none)
RIMES = (  # noqa: SIM905
    "a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây e ec em en eng eo ep et"
    " ê êch êm ên ênh êp êt êu i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu o oc oi om on ong op ot"
    " oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oe oen oeo oet ooc oong"
    " ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uân uâng uât uây uc uê uêch uên uênh ui um un ung up ut"
    " uôc uôi uôm uôn uông uôt uơ uy uya uych uyên uyêt uynh uyp uyt uyu ư ưa ưc ưi ưn ưng ưt ưu"
    " ươc ươi ươm ươn ương ươp ươt ươu y ych yêm yên yêng yêt yêu ynh yt"
).split()
STOPS = ("c", "ch", "p", "t")
TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")  # ngang, huyền, sắc, hỏi, ngã, nặng
STOPPED_TONES = ("\u0301", "\u0323")
EITHER = ("oa", "oe", "uy")  # the tone stands on the first vowel or on the second
FRONT = ("e", "ê", "i")
ROUNDED = ("oa", "oă", "oe", "uâ", "uê", "uơ", "uy")  # /kw/ is spelled qu
G_ITSELF = frozenset({"i", "in", "iêc", "iêng", "iêt"})  # gì, gìn, giếng: one i for gi and the rime
SHORT_Y = frozenset({"h", "k", "l", "m", "n", "s", "t", "th", "v"})  # kỳ, lý, mỹ
AFTER_QU = ("a", "ă", "â", "e", "ê", "i", "y", "ôc", "ơ")


def is_syllable(word: str) -> bool:
    """'Khuỷu', 'hoà', 'hòa' -> True; 'phồt' (a stop with huyền), 'cim', 'ngê', 'Paclitaxel' -> False."""
    letters = unicodedata.normalize("NFC", word).casefold()
    rimes = _toned_rimes()
    return any(
        _spelled(onset, rimes[letters[len(onset) :]])
        for onset in ONSETS
        if letters.startswith(onset) and letters[len(onset) :] in rimes
    )


def _spelled(onset: str, rime: str) -> bool:
    """True when this onset is written before this rime."""
    if onset in ("k", "gh", "ngh"):
        return rime.startswith(FRONT) or (onset == "k" and rime == "y")
    if onset in ("c", "g", "ng"):
        front = rime.startswith((*FRONT, "y"))
        return (onset == "g" and rime in G_ITSELF) if front else not (onset == "c" and rime.startswith(ROUNDED))
    if onset == "gi":
        return not rime.startswith(("ê", "i", "y"))
    if onset == "qu":
        return rime.startswith(AFTER_QU) and not rime.startswith(("ia", "iê"))
    if onset == "":
        return not rime.startswith("iê") and rime not in ("ych", "ynh", "yt")
    return not rime.startswith("y") or (rime == "y" and onset in SHORT_Y)


@cache
def _toned_rimes() -> dict[str, str]:
    """Every rime with every tone it takes -> the rime: {'oà': 'oa', 'òa': 'oa', 'ất': 'ât', ...}."""
    return {
        unicodedata.normalize("NFC", rime[: at + 1] + tone + rime[at + 1 :]): rime
        for rime in RIMES
        for tone in (STOPPED_TONES if rime.endswith(STOPS) else TONES)
        for at in _tone_places(rime)
    }


def _tone_places(rime: str) -> tuple[int, ...]:
    """Indices of the vowel that carries the tone: 'oai' -> (1,), 'iên' -> (1,), 'oa' -> (0, 1)."""
    if rime in EITHER:
        return (0, 1)
    vowels = [i for i, letter in enumerate(rime) if letter in "aăâeêioôơuưy"]
    marked = [i for i in vowels if rime[i] in "ăâêôơư"]
    if marked:
        return (marked[-1],)
    open_end = len(vowels) > 1 and vowels[-1] == len(rime) - 1
    return (vowels[-2] if open_end else vowels[-1],)
