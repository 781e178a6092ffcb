"""Class names for prompts, made from the names of folders or columns, and shown before they are used.

A text tower reads words, and `003.Polka_Dotted` is none. These rules apply in this order, and each name notes which of
them changed it:

    n02084071-dog        a WordNet id in front is dropped                     dog
    003.dog              a number in front is dropped if it counts classes    dog
    polka_dotted         underscores become spaces                            polka dotted
    AnnualCrop           a name in one piece is split at its capitals         Annual Crop
      polka   dotted     white space is tidied, accents are composed (NFC)    polka dotted

Numbers count classes if every class has one, all differ, and they are consecutive or padded with zeros: "707-320"
beside "A300B4" stays. Hyphens and capitals stay too (tokenizers lower the case).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clipcompat.common.errors import ConfigError, DataError, unknown_name
from clipcompat.common.text import brief
from clipcompat.data.public.folders import first

_WORDNET = re.compile(r"^n\d{8}(?:[-_ .]+|$)")
_NUMBER = re.compile(r"^(\d+)[-_ .]+(?=.*[^\W\d_])")
_HUMP = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_SHOWN = 4  # examples in a sentence
_EMPTY, _NUMERIC, _TWIN = "NOTHING IS LEFT", "A MERE NUMBER", "READS LIKE ANOTHER CLASS"
_FAULTS = {
    _EMPTY: "no word is left by clean-up",
    _NUMERIC: "a mere number says nothing to a text tower",
    _TWIN: "after clean-up they all read {!r}, which no text tower could tell apart",
}


@dataclass(frozen=True)
class ClassNames:
    """Raw and clean names of all classes, in class order; prints as a table, and iterates over (raw, name, note).

    notes: what was done to each name, or what is wrong with it; else empty.
    """

    raw: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]

    __repr__ = brief

    @staticmethod
    def of(raw: Sequence[str], names: Mapping[str, str] | Sequence[str] | None = None) -> "ClassNames":
        """Clean the raw names; those given in `names` are taken as they are.

        names: raw name -> class name for some or all classes, or one name per class, in order.

        Raises:
            ConfigError, UnknownNameError: a raw name is no text; `names` does not fit the classes.
        """
        if no_texts := [one for one in raw if not isinstance(one, str)]:
            raise ConfigError(f"class names are texts; {no_texts[0]!r} is none. Give str(name), or a word for it.")
        given, numbered = _given(raw, names), _numbered(raw)
        found = [(name, ["given"]) if name else _clean(one, numbered) for one, name in zip(raw, given, strict=True)]
        same = Counter(_as_read(name) for name, _ in found)
        only_numbers = not any(c.isalpha() for name, notes in found if notes != ["given"] for c in name)
        for name, notes in found:
            if not any(c.isalnum() for c in name):
                notes.append(_EMPTY)
            elif same[_as_read(name)] > 1:
                notes.append(_TWIN)
            elif only_numbers and notes != ["given"]:
                notes.append(_NUMERIC)
        return ClassNames(tuple(raw), tuple(n for n, _ in found), tuple("; ".join(notes) for _, notes in found))

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return zip(self.raw, self.names, self.notes, strict=True)

    def __len__(self) -> int:
        return len(self.raw)

    def __str__(self) -> str:
        widths = [max(map(len, column), default=0) for column in (self.raw, self.names)]
        lines = (f"{raw.ljust(widths[0])}  {name.ljust(widths[1])}  {note}".rstrip() for raw, name, note in self)
        return "\n".join(lines)

    def changes(self) -> str:
        """A sentence on what clean-up changed; "" if nothing."""
        changed = [f"{raw!r} → {name!r}" for raw, name, note in self if name != raw and note != "given"]
        return f"{len(changed)} of {len(self)} class names were cleaned: {first(changed, _SHOWN)}." if changed else ""

    def check(self, where: str) -> "ClassNames":
        """These names, if every class has one of its own.

        Raises:
            DataError: fewer than two classes; a name that is empty, a mere number, or another class's.
        """
        if len(self) < 2:
            raise DataError(f"{where} has {len(self)} class{'' if len(self) else 'es'}; a classifier needs two.")
        for fault, says in _FAULTS.items():
            bad = [(raw, name) for raw, name, note in self if note.endswith(fault)]
            if not bad:
                continue
            alike = [raw for raw, name in bad if fault != _TWIN or _as_read(name) == _as_read(bad[0][1])]
            raise DataError(
                f"{where}: {first([repr(raw) for raw in alike], _SHOWN)}: {says.format(bad[0][1])}. Name such classes "
                f"yourself: names={{{alike[0]!r}: 'a word for it', …}}."
            )
        return self


def _clean(name: str, numbered: bool) -> tuple[str, list[str]]:
    """The clean name, and what was done."""
    rules = (
        ("accents composed", lambda name: unicodedata.normalize("NFC", name)),
        ("WordNet id dropped", lambda name: _WORDNET.sub("", name)),
        ("number dropped", lambda name: _NUMBER.sub("", name) if numbered else name),
        ("underscores to spaces", lambda name: name.replace("_", " ")),
        ("split at capitals", lambda name: name if " " in name else _HUMP.sub(" ", name)),
        ("spaces tidied", lambda name: " ".join(name.split())),
    )
    notes = []
    for note, rule in rules:
        before, name = name, rule(name)
        notes += [note] * (name != before)
    return name, notes


def _numbered(raw: Sequence[str]) -> bool:
    """Whether numbers in front count the classes, so that they are no part of the names."""
    found = [match[1] for one in raw if (match := _NUMBER.match(one))]
    values = sorted({int(number) for number in found})
    if len(raw) < 2 or len(values) < len(raw):
        return False
    return values[-1] - values[0] == len(values) - 1 or any(number.startswith("0") for number in found)


def _given(raw: Sequence[str], names: Mapping[str, str] | Sequence[str] | None) -> list[str | None]:
    """The given name of each class, None where there is none."""
    if names is None:
        return [None] * len(raw)
    if isinstance(names, str) or not isinstance(names, Mapping | Sequence):
        raise ConfigError(f"names must map folder or label names to class names, or list them; it is {names!r}.")
    if isinstance(names, Mapping):
        named = {str(one): name for one, name in names.items()}
        if unknown := [one for one in named if one not in raw]:
            raise unknown_name("class in names=", unknown[0], set(raw), "clean_classnames() shows all.")
        pairs, given = list(named.items()), [named.get(one) for one in raw]
    elif len(names) != len(raw):
        raise ConfigError(f"names lists {len(names)} class names, but there are {len(raw)} classes; give one each.")
    else:
        pairs, given = list(zip(raw, names, strict=True)), list(names)
    for one, name in pairs:
        if not isinstance(name, str) or not name.replace("_", " ").strip():
            raise ConfigError(f"names gives {one!r} the name {name!r}; a class name is a text with words.")
    return given


def _as_read(name: str) -> str:
    """Equal for two names that no tokenizer can tell apart."""
    return " ".join(unicodedata.normalize("NFC", name).replace("_", " ").casefold().split())
