"""CSV files: what is read, and what each fault is called."""

import numpy
import pytest

from autograd_train.errors import InputError
from autograd_train.tables import Table, load_engel, read_table


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "data.csv"
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    return write_file


def test_columns_come_as_numbers_in_the_order_asked_for(write):
    table = read_table(write("x, y ,z\n1,2,3\n4,5e1,-6\n"))
    assert table.header == ("x", "y", "z")
    assert numpy.array_equal(table.numbers(["z", "y"]), [[3, 2], [-6, 50]])


def test_what_spreadsheets_write_is_read(write):
    table = read_table(write('\ufeff"x","a, b"\r\n1,"2"\r\n\r\n3,4\r\n,\r\n'))
    assert table.header == ("x", "a, b")
    assert table.rows == [["1", "2"], ["3", "4"]]


def test_columns_that_are_not_asked_for_may_hold_text(write):
    table = read_table(write("name,x\nAnna,1\nBert,2\n"))
    assert numpy.array_equal(table.numbers(["x"]), [[1], [2]])


@pytest.mark.parametrize("cell", ["abc", "", "nan", "inf", "-Infinity", "1,5", "1e999"])
def test_a_cell_that_is_no_finite_number_is_named(write, cell):
    table = read_table(write(f'x,y\n1,2\n3,"{cell}"\n'))
    with pytest.raises(
        InputError,
        match=r"data\.csv: every cell must be a finite number; "
        rf"got '{cell}' in row 2, column 'y'\. Correct the cell",
    ):
        table.numbers(["x", "y"])


def test_a_missing_column_is_named_with_those_there_are(write):
    table = read_table(write("x,y\n1,2\n"))
    with pytest.raises(
        InputError, match=r"there must be a column 'z'; got the columns 'x', 'y'\. Name"
    ):
        table.numbers(["z"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a header line and at least one row; got 0 lines\. Give"),
        ("x,y\n", r"a header line and at least one row; got 1 lines\. Give"),
        ("\n \n", r"a header line and at least one row; got 0 lines\. Give"),
        ("x,y\n1,2\n3\n", r"every row must have 2 cells.*got 1 in row 2\. Correct"),
        ("x,x\n1,2\n", r"names of the columns must differ; got 2 columns 'x'\. Rename"),
        (b"x\n\xff\n", r"must be UTF-8 text; got the byte 0xff at position 2\. Save"),
        ('x\n"' + "9" * 200_000 + '"\n', r"must be CSV; got: field larger.*\. Save"),
    ],
)
def test_a_file_that_is_no_table_is_refused(write, content, message):
    with pytest.raises(InputError, match=r"data\.csv: .*" + message):
        read_table(write(content))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: .*got: No such file"):
        read_table(tmp_path / "none.csv")


def test_engel_is_the_published_data():
    income, foodexp = load_engel().numbers(["income", "foodexp"]).T
    assert income.mean() == pytest.approx(982.47, abs=0.005)
    assert foodexp.mean() == pytest.approx(624.15, abs=0.005)
    assert len(income) == 235


def test_predictions_do_not_hide_a_column():
    table = Table("a file", ("x", "y"), [["1", "2"]])
    with pytest.raises(InputError, match=r"a file: there must not be a column 'y'"):
        table.with_columns(["y"], numpy.zeros((1, 1)))


def test_numbers_survive_being_written(write):
    value = numpy.asarray([[0.1 + 0.2]])
    text = Table("", ("x",), [["1"]]).with_columns(["y"], value).text()
    assert numpy.array_equal(read_table(write(text)).numbers(["y"]), value)
