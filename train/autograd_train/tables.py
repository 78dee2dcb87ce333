"""Tables of text, as CSV files have them, and the numbers in their columns.

Every cell that is asked for is checked, and an error names its row and column, where
row 1 is the first after the header.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from autograd_train.errors import InputError


@dataclass(frozen=True)
class Table:
    """A header and rows of cells, all text.

    Attributes
    ----------
    source : str
        Where it came from, for messages.
    header : tuple of str
        The names of the columns.
    rows : list of list of str
        As many cells as there are columns in each.
    """

    source: str
    header: tuple[str, ...]
    rows: list[list[str]]

    def numbers(self, columns: Sequence[str]) -> NDArray[numpy.float64]:
        """Return some columns as numbers.

        Parameters
        ----------
        columns : sequence of str

        Returns
        -------
        ndarray of float64, shape (number of rows, number of columns)

        Raises
        ------
        InputError
            If a column is missing, or a cell is empty, no number, infinite or nan.

        Examples
        --------
        >>> Table("a file", ("x", "y"), [["1", "2"], ["3", "4"]]).numbers(["y"])
        array([[2.],
               [4.]])
        """
        positions = [self._position(column) for column in columns]
        values = [
            [self._number(row, position) for position in positions]
            for row in range(len(self.rows))
        ]
        return numpy.asarray(values, dtype=numpy.float64).reshape(-1, len(columns))

    def with_columns(self, names: Sequence[str], values: NDArray[Any]) -> Table:
        """Return the table with columns of numbers added at its right.

        Parameters
        ----------
        names : sequence of str
        values : ndarray, shape (number of rows, number of names)

        Raises
        ------
        InputError
            If the table has a column of one of these names already.

        Examples
        --------
        >>> table = Table("a file", ("x",), [["1"], ["2"]])
        >>> table.with_columns(["y"], numpy.asarray([[0.5], [1.5]])).rows
        [['1', '0.5'], ['2', '1.5']]
        """
        for name in names:
            if name in self.header:
                raise InputError(
                    f"{self.source}: there must not be a column {name!r}, where the "
                    "predictions go; got one. Rename it or leave it out."
                )
        added = [list(map(repr, row)) for row in values.tolist()]
        rows = [old + new for old, new in zip(self.rows, added, strict=True)]
        return Table(self.source, (*self.header, *names), rows)

    def text(self) -> str:
        r"""Return the table as CSV.

        Examples
        --------
        >>> Table("a file", ("x", "y"), [["1", "2"]]).text()
        'x,y\n1,2\n'
        """
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.header, *self.rows])
        return file.getvalue()

    def _position(self, column: str) -> int:
        try:
            return self.header.index(column)
        except ValueError:
            raise InputError(
                f"{self.source}: there must be a column {column!r}; got the columns "
                f"{', '.join(map(repr, self.header))}. Name one of these."
            ) from None

    def _number(self, row: int, position: int) -> float:
        cell = self.rows[row][position]
        try:
            value = float(cell)
        except ValueError:
            value = None
        if value is None or not math.isfinite(value):
            raise InputError(
                f"{self.source}: every cell must be a finite number; got {cell!r} in "
                f"row {row + 1}, column {self.header[position]!r}. Correct the cell, "
                "or leave the row or the column out."
            )
        return value


def read_table(path: str | Path) -> Table:
    """Read a CSV file with a header line.

    Blank lines are skipped, and so is the byte-order mark that spreadsheets write.

    Raises
    ------
    InputError
        If the file cannot be read as UTF-8 CSV, has no row below its header, has two
        columns of one name, or has a row of another length than its header.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return parse_table(str(path), file)
    except OSError as error:
        raise InputError(
            f"{path}: the file must be readable; got: {error.strerror}. "
            "Give the path of a CSV file."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: the file must be UTF-8 text; got the byte "
            f"{error.object[error.start]:#04x} at position {error.start}. "
            "Save it as CSV, UTF-8."
        ) from error
    except csv.Error as error:
        raise InputError(
            f"{path}: the file must be CSV; got: {error}. Save it as CSV, UTF-8."
        ) from error


def parse_table(source: str, lines: Iterable[str]) -> Table:
    """Read a table from lines of CSV; see `read_table`.

    Examples
    --------
    >>> parse_table("a file", ["x,y", "1,2", "3,4"]).header
    ('x', 'y')
    """
    records = [record for record in csv.reader(lines) if any(map(str.strip, record))]
    if len(records) < 2:
        raise InputError(
            f"{source}: there must be a header line and at least one row; got "
            f"{len(records)} lines. Give a CSV file with data."
        )
    header = tuple(name.strip() for name in records[0])
    for name in header:
        if header.count(name) > 1:
            raise InputError(
                f"{source}: the names of the columns must differ; got "
                f"{header.count(name)} columns {name!r}. Rename them."
            )
    for row, record in enumerate(records[1:], start=1):
        if len(record) != len(header):
            raise InputError(
                f"{source}: every row must have {len(header)} cells, as the header "
                f"has; got {len(record)} in row {row}. Correct the row."
            )
    return Table(source, header, records[1:])


def load_engel() -> Table:
    """Return the income and food expenditure of 235 Belgian households (Engel, 1857).

    Examples
    --------
    >>> engel = load_engel()
    >>> engel.header, len(engel.rows)
    (('income', 'foodexp'), 235)
    """
    file = resources.files("autograd_train") / "datasets" / "engel.csv"
    text = file.read_text(encoding="utf-8")
    return parse_table("Engel's data", text.splitlines())
