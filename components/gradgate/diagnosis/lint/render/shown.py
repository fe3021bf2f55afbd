"""What is rendered: a report, and where the model came from."""

import dataclasses
from typing import Final

from gradgate.contracts import LintFinding, LintReport, ModelCard
from gradgate.contracts.lint import Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """One model's report.

    Attributes:
        source: As it was named: a file, `module:function`, a record.
        file: Path of the file that people would change; None where there is none.
        line: In that file, from 1.
        has_all: Whether `info` is shown, too.
        version: Of gradgate.
    """

    source: str
    card: ModelCard
    report: LintReport
    file: str | None = None
    line: int | None = None
    has_all: bool = False
    version: str = ""

    @property
    def findings(self) -> tuple[LintFinding, ...]:
        """Those that are shown."""
        found = self.report.findings
        return found if self.has_all else tuple(f for f in found if f.severity != "info")

    def count(self, severity: Severity) -> int:
        """How many findings have a severity, shown or not."""
        return sum(finding.severity == severity for finding in self.report.findings)
