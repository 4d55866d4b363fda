"""The client families: folders here with a `family.json`, which says how to build and run the family and what its client lacks.

A family reports the rows of `report.FEATURES`, all but those that it lacks, or, with `features`, rows of its own.
"""

import dataclasses
import json
from pathlib import Path

from harness import report

HERE = Path(__file__).resolve().parent.parent
# Longest time of a family's whole run, in seconds, unless it says otherwise: one that hangs in all its bounded waits is ended.
RUN_SECONDS = 900


class FamilyError(Exception):
    """A family.json that does not keep the contract."""


@dataclasses.dataclass
class Family:
    """What one family.json says; the fields are its keys (README.md)."""

    name: str
    client: str
    run: list
    folder: Path
    needs: list = dataclasses.field(default_factory=list)
    sources: list = dataclasses.field(default_factory=list)
    build: list = dataclasses.field(default_factory=list)
    lacking: dict = dataclasses.field(default_factory=dict)
    features: list = dataclasses.field(default_factory=list)
    uses: list = dataclasses.field(default_factory=list)
    member: bool = False
    alone: bool = False
    only: str = ""
    seconds: int = RUN_SECONDS

    @property
    def rows(self):
        """What the family must report, in the order of the table."""
        return self.features or [feature for feature in report.FEATURES if feature not in self.lacking]

    def expected(self, only=None):
        """The rows of a run, all or `only` that one."""
        return [row for row in self.rows if only in (None, row)]


def all_families():
    """Every family by name, those with the common rows first."""
    found = [_load(path) for path in sorted(HERE.glob("*/*family.json"))]
    families = {family.name: family for family in sorted(found, key=lambda family: (bool(family.features), family.name))}
    if len(families) != len(found):
        raise FamilyError("two families have the same name")
    return families


def with_uses(chosen, families):
    """`chosen` and, each once, the families whose programs they use; a use of `members` is one of all that have member mode."""
    wanted = {}
    for family in chosen:
        wanted[family.name] = family
        for use in family.uses:
            used = [one for one in families.values() if one.member] if use == "members" else [families[use]] if use in families else []
            wanted.update((one.name, one) for one in used)
    return list(wanted.values())


def _load(path):
    try:
        said = json.loads(path.read_text())
        family = Family(**said, folder=path.parent)
    except (TypeError, ValueError) as error:
        raise FamilyError(f"{path.relative_to(HERE)}: {error}") from None
    unknown = [feature for feature in family.lacking if feature not in report.FEATURES]
    if unknown:
        raise FamilyError(f"{path.relative_to(HERE)}: lacking names no rows: {unknown}")
    without = [feature for feature, reason in family.lacking.items() if not reason]
    if without:
        raise FamilyError(f"{path.relative_to(HERE)}: lacking without a reason: {without}")
    return family
