"""`differences.md`: the differences that are meant, each of which must still be there."""

import fnmatch
import pathlib


class Row:
    def __init__(self, file: str, case: str, field: str):
        # With a question mark behind it a difference depends on who is faster: it may be there or not.
        self.may = field.endswith("?")
        self.file, self.case, self.field = file, case, field.removesuffix("?")
        self.met, self.asked = False, False

    def covers(self, file: str, case: str) -> bool:
        return fnmatch.fnmatchcase(file, self.file) and fnmatch.fnmatchcase(case, self.case)

    def __str__(self):
        return f"{self.file}: {self.case}: {self.field}"


class Listed:
    """The rows of every table whose head begins with `| file | case | field |`."""

    def __init__(self, path: "pathlib.Path | None"):
        self.rows: list[Row] = []
        inside = False
        for line in path.read_text().splitlines() if path else []:
            cells = [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
            if cells[:3] == ["file", "case", "field"]:
                inside = True
            elif not line.startswith("|"):
                inside = False
            elif inside and not set(cells[0]) <= {"-", " ", ":"}:
                self.rows += [Row(cells[0], cells[1], field.strip()) for field in cells[2].split(",")]

    def ran(self, file: str, case: str) -> None:
        for row in self.rows:
            row.asked = row.asked or row.covers(file, case)

    def covers(self, file: str, case: str, field: str) -> bool:
        rows = [r for r in self.rows if r.covers(file, case) and fnmatch.fnmatchcase(field, r.field)]
        for row in rows:
            row.met = True
        return bool(rows)

    def stale(self) -> list[Row]:
        """Listed, tried, and not found."""
        return [row for row in self.rows if row.asked and not row.met and not row.may]
