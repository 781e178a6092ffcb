"""What an audit says: one row per plug-in, and the dearest verdict of all. Needs no torch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clipcompat.audits.findings import EVIDENCE, PluginAudit
from clipcompat.audits.page import page
from clipcompat.audits.tables import csv_of, flat, summary_table, text
from clipcompat.audits.verdict import VERDICTS, Verdict
from clipcompat.common.files import to_json
from clipcompat.common.frames import to_dataframe
from clipcompat.common.text import brief

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Audit:
    """Plug-ins on one upgrade, in the order they came in. `verdict` and the like are those of `worst`.

    old: None if only the new backbone was given.
    """

    new: str
    old: str | None
    evidence: str
    plugins: tuple[PluginAudit, ...]

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.plugins)

    def __iter__(self) -> Iterator[PluginAudit]:
        return iter(self.plugins)

    def __getitem__(self, index: int) -> PluginAudit:
        return self.plugins[index]

    @property
    def title(self) -> str:
        return f"{self.old or 'unknown'} → {self.new}"

    @property
    def worst(self) -> PluginAudit:
        """The first plug-in with the dearest verdict; one that could not be audited is dearer than all."""
        return max(self.plugins, key=lambda p: len(VERDICTS) if p.error else VERDICTS.index(p.verdict))

    @property
    def verdict(self) -> Verdict | None:
        return self.worst.verdict

    @property
    def expected(self) -> float | None:
        return self.worst.expected

    @property
    def interval(self) -> tuple[float, float] | None:
        return self.worst.interval

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.worst.reasons

    @property
    def exit_code(self) -> int:
        """0: all are kept. 1: one could not be audited, or cannot act on new. 3: one needs work."""
        if any(p.error for p in self.plugins):
            return 1
        return 0 if all(p.verdict == "keep" for p in self.plugins) else 3

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "new": self.new,
            "old": self.old,
            "evidence": self.evidence,
            "means": EVIDENCE[self.evidence],
            "exit_code": self.exit_code,
            "plugins": [asdict(plugin) for plugin in self.plugins],
        }

    def to_json(self) -> str:
        return to_json(self.to_dict())

    def rows(self) -> list[dict[str, Any]]:
        """One flat row per plug-in: texts and numbers."""
        return [flat(plugin) for plugin in self.plugins]

    def to_dataframe(self) -> "pandas.DataFrame":
        """`rows` as a table of pandas.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return to_dataframe(self.rows())

    def to_csv(self) -> str:
        """`rows` with a header, as comma-separated text."""
        return csv_of(self.rows())

    def to_html(self) -> str:
        """One page that loads nothing from anywhere."""
        return page(self.title, self.plugins)

    def __str__(self) -> str:
        return text(self.title, self.plugins)

    def _repr_html_(self) -> str:
        return summary_table(self.title, self.plugins).to_html()
