"""Past runs: their report, their comparison, their records as plain dictionaries."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._program import run

if TYPE_CHECKING:
    import pandas


class Results:
    """An evaluation's output folder, read as plain dictionaries and lists.

    output: the folder.
    run: what ``run.json`` holds.
    records: {submission: [what each ``CASE.json`` holds, in the order of the cases' names]}.
    """

    def __init__(self, output: str | os.PathLike[str]) -> None:
        self.output = Path(output)
        self.run: dict[str, Any] = _read(self.output / "run.json")
        self.records: dict[str, list[dict[str, Any]]] = {}
        for submission in self.run["submissions"]:
            folder = self.output / submission["name"]
            paths = sorted(folder.glob("*.json"))
            self.records[submission["name"]] = [_read(path) for path in paths]

    def table(self, submission: str | None = None) -> list[dict[str, Any]]:
        """The official table of a submission, by default the only one: a dictionary for each case.

        Raises KeyError for a submission that the run does not have.
        """
        name = self._name(submission)
        path = self.output / name / f"{name}_metrics.csv"
        if not path.is_file():
            return []
        with open(path, newline="") as file:
            return [{key: _number(cell) for key, cell in row.items()} for row in csv.DictReader(file)]

    def to_pandas(self, submission: str | None = None) -> pandas.DataFrame:
        """The official table as a pandas data frame; ImportError without pandas."""
        import pandas

        frame: pandas.DataFrame = pandas.DataFrame(self.table(submission))
        return frame

    def _name(self, submission: str | None) -> str:
        names = list(self.records)
        if submission is None and len(names) == 1:
            return names[0]
        if submission in self.records:
            return submission
        raise KeyError(f"the run has the submissions {', '.join(names)}: name one of them")

    def __repr__(self) -> str:
        return f"Results('{self.output}')"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _number(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell or None


def report(
    output: str | os.PathLike[str], export: str | os.PathLike[str] | None = None
) -> Path:
    """Makes the report of a run anew and returns the page's file.

    output: the run's folder.
    export: a folder that gets every figure and table as well.

    Raises SegarenaError with the program's message where it cannot be made.
    """
    options = [] if export is None else ["--export", os.fspath(export)]
    return Path(run("report", output, *options).strip())


def compare(
    first: str | os.PathLike[str], *others: str | os.PathLike[str]
) -> dict[str, Any]:
    """Holds runs beside each other, case by case.

    Returns what ``segarena compare --json`` says: whether scores and times may be compared, and
    for each pair of submissions the mean differences with intervals and p-values.

    Raises SegarenaError with the program's message where they cannot be compared.
    """
    compared: dict[str, Any] = json.loads(run("compare", "--json", first, *others))
    return compared
