"""Folds person names for search: case, accents and width do not matter, and a second key sounds alike (PS3.4 C.2.2.2).

A person name has up to three component groups, "Yamada^Tarou=山田^太郎=やまだ^たろう" (PS3.5 6.2.1), each folded for
itself. The sound key is one code per word, made from the consonants of the word in Latin letters, so that Meyer finds
Maier, Stephen finds Steven, and Иванов finds Ivanov. It follows Soundex and Metaphone in what it merges, and adds
transliteration of Cyrillic, Greek, Hebrew, Arabic, kana and hangul. Han characters say nothing of their sound and stand
for themselves.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_MAX_CHARACTERS: Final = 1024


@dataclass(frozen=True, slots=True)
class NameKeys:
    """One person name, ready to be searched.

    Attributes
    ----------
    folded : the groups, folded, joined by "=": "yamada^tarou=山田^太郎=やまだ^たろう"
    alphabetic, ideographic, phonetic : each group folded, "" when absent
    sound : one code for each word of all groups, each once, with a blank before and after: " JMT TR "
    """

    folded: str
    alphabetic: str
    ideographic: str
    phonetic: str
    sound: str


# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i",
        "ŋ": "n", "ə": "a", "ŀ": "l", "ſ": "s", "ĸ": "k", "ŧ": "t", "’": "'", "ʼ": "'", "`": "'", "´": "'",
        "‐": "-", "‑": "-", "–": "-", "—": "-",
    }
)  # fmt: skip


def fold(text: str) -> str:
    """Lower case, accents and width removed: "MÜLLER" and "Muller" become the same, so do カ and ｶ.

    Marks that change which syllable is meant stay: the voicing of kana, the vowels of Indic scripts.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    kept = "".join(
        character for character in decomposed if unicodedata.category(character) != "Mn" or not _is_accent(character)
    )
    return unicodedata.normalize("NFC", kept).casefold()


def _is_accent(mark: str) -> bool:
    """Whether a combining mark only adorns a letter: Latin, Greek, Cyrillic accents, Hebrew and Arabic vowel signs."""
    code = ord(mark)
    return 0x300 <= code <= 0x36F or 0x591 <= code <= 0x5C7 or 0x610 <= code <= 0x65F or code == 0x670


def _clean_group(group: str) -> str:
    """Fold a component group; blanks around components and empty ones at the end do not matter (PS3.5 6.2.1.1)."""
    components = [" ".join(fold(component).split()) for component in group.split("^")]
    return "^".join(components).rstrip("^")


# -- how a word sounds -------------------------------------------------------------------------------------------------


def _list(words: str) -> list[str]:
    """Two blanks in a row hold an empty word: a letter without sound."""
    return words.split(" ")


_CYRILLIC = dict(
    zip(
        "абвгґдѓђеєёжзѕиіїйјкќлљмнњопрстћуўфхцчџшщъыьэюя",
        _list("a b v g g d g d e e e zh z z i i i i j k k l l m n n o p r s t ts u u f h ts ch zh sh sh  y  e iu ia"),
        strict=True,
    )
)
_GREEK = dict(
    zip("αβγδεζηθικλμνξοπρσςτυφχψω", _list("a v g d e z i th i k l m n x o p r s s t i f h ps o"), strict=True)
)
_HEBREW = dict(
    zip(
        "אבגדהוזחטיכךלמםנןסעפףצץקרשת",
        _list("a b g d h v z h t i k k l m m n n s a p p ts ts k r sh t"),
        strict=True,
    )
)
_ARABIC = {
    "ا": "a", "أ": "a", "إ": "i", "آ": "a", "ء": "", "ؤ": "u", "ئ": "i", "ب": "b", "ت": "t", "ث": "th", "ج": "j",
    "ح": "h", "خ": "h", "د": "d", "ذ": "dh", "ر": "r", "ز": "z", "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t",
    "ظ": "z", "ع": "a", "غ": "g", "ف": "f", "ق": "k", "ك": "k", "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "u",
    "ي": "i", "ى": "a", "ة": "a", "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g", "ک": "k", "ی": "i",
}  # fmt: skip
_KANA_ROWS = {
    "": "あいうえお", "k": "かきくけこ", "s": "さしすせそ", "t": "たちつてと", "n": "なにぬねの", "h": "はひふへほ",
    "m": "まみむめも", "r": "らりるれろ", "g": "がぎぐげご", "z": "ざじずぜぞ", "d": "だぢづでど", "b": "ばびぶべぼ",
    "p": "ぱぴぷぺぽ",
}  # fmt: skip
_KANA = {
    kana: consonant + vowel for consonant, row in _KANA_ROWS.items() for kana, vowel in zip(row, "aiueo", strict=True)
} | {
    "し": "shi", "ち": "chi", "つ": "tsu", "ふ": "fu", "じ": "ji", "ぢ": "ji", "づ": "zu", "や": "ya", "ゆ": "yu",
    "よ": "yo", "わ": "wa", "ゐ": "i", "ゑ": "e", "を": "o", "ん": "n", "ゔ": "vu", "ゃ": "a", "ゅ": "u", "ょ": "o",
    "っ": "", "ー": "", "ぁ": "a", "ぃ": "i", "ぅ": "u", "ぇ": "e", "ぉ": "o", "ゎ": "a",
}  # fmt: skip
_TO_LATIN = str.maketrans({**_CYRILLIC, **_GREEK, **_HEBREW, **_ARABIC, **_KANA})

_HANGUL_INITIALS = _list("g kk n d tt r m b pp s ss  j jj ch k t p h")
_HANGUL_VOWELS = _list("a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i")
_HANGUL_FINALS = _list(" g k gs n nj nh t l lg lm lb ls lt lp lh m b bs t t ng t t k t p h")


def _hangul(syllable: str) -> str:
    """Romanise one hangul syllable by taking it apart (Unicode 3.12)."""
    index = ord(syllable) - 0xAC00
    initial, rest = divmod(index, 588)
    vowel, final = divmod(rest, 28)
    return _HANGUL_INITIALS[initial] + _HANGUL_VOWELS[vowel] + _HANGUL_FINALS[final]


def _katakana_to_hiragana(text: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text)


def transliterate(text: str) -> str:
    """Write folded text in Latin letters, roughly as it sounds. What has no known sound stays."""
    if text.isascii():
        return text
    hiragana = _katakana_to_hiragana(text)
    latin = hiragana.translate(_TO_LATIN)
    return "".join(_hangul(c) if "가" <= c <= "힣" else c for c in latin)


# Spellings that sound alike, longest first; applied to a word in lower-case Latin letters.
_SPELLINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^(kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^ps", "s"),
        (r"^x", "s"),
        (r"^wh", "w"),
        (r"tsch|tch|tzsch|shch|sch|sh|ch|cz|sz|zh", "s"),
        (r"ight", "it"),
        (r"ph|pf", "f"),
        (r"[td]h", "t"),
        (r"[gk]h", "k"),
        (r"dt|tt|td", "t"),
        (r"ts|tz|ds|dz", "s"),
        (r"c(?=[eiy])", "s"),
        (r"x", "ks"),
        (r"ng", "n"),
        (r"(?<=[aeiou])y|y(?=[^aeiou]|$)", "i"),
    )
]
_SOUNDS = str.maketrans(
    {
        "b": "P", "p": "P", "f": "F", "v": "F", "w": "F", "c": "K", "g": "K", "k": "K", "q": "K", "s": "S", "z": "S",
        "d": "T", "t": "T", "l": "L", "m": "M", "n": "N", "r": "R", "j": "J", "y": "J", "a": "*", "e": "*", "i": "*",
        "o": "*", "u": "*", "h": "",
    }
)  # fmt: skip
_REPEATED = re.compile(r"([A-Z])\1+")
_WORD = re.compile(r"[^\W\d_]+")
_CODE_MAX = 8


@functools.lru_cache(maxsize=8192)
def sound_of(word: str) -> str:
    """Code a word by its consonants: "Schmidt" and "Smith" give SMT. A leading vowel is A; "" when nothing sounds."""
    latin = transliterate(fold(word))
    if not latin.isascii():
        return latin[:_CODE_MAX]
    letters = "".join(c for c in latin if c.isalpha())
    if not letters:
        return ""
    for pattern, replacement in _SPELLINGS:
        letters = pattern.sub(replacement, letters)
    begins_with_h = letters.startswith("h")
    code = _REPEATED.sub(r"\1", letters.translate(_SOUNDS))
    if begins_with_h:
        code = "H" + code
    elif code.startswith("*"):
        code = "A" + code
    return code.replace("*", "")[:_CODE_MAX]


def sound_codes(text: str) -> list[str]:
    """The code of each word of a name, each once, in order."""
    codes = (sound_of(word) for word in _WORD.findall(text[:_NAME_MAX_CHARACTERS]))
    return list(dict.fromkeys(code for code in codes if code))


def sounds_like(stored: str, asked: str) -> bool:
    """Whether every word of the name asked for sounds like one of the stored name; both are `NameKeys.sound`."""
    words = set(stored.split())
    return all(word in words for word in asked.split())


def name_keys(name: str | dict[str, Any] | None) -> NameKeys:
    """Fold a person name, given as text or as DICOM JSON has it."""
    if isinstance(name, dict):
        groups = [str(name.get(group) or "") for group in _GROUPS]
    else:
        groups = [*(name or "").split("=", 2), "", ""][:3]
    groups = [group[:_NAME_MAX_CHARACTERS] for group in groups]
    folded = [_clean_group(group) for group in groups]
    codes = sound_codes(" ".join(groups).replace("^", " "))
    return NameKeys(
        folded="=".join(folded).rstrip("="),
        alphabetic=folded[0],
        ideographic=folded[1],
        phonetic=folded[2],
        sound=f" {' '.join(codes)} " if codes else "",
    )
