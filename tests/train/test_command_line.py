"""The command line, from options to files; every fault, and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import autograd_train
from autograd_train import command, errors, job, options, storage
from autograd_train.quantile import Settings, train_quantiles
from autograd_train.reference import score
from autograd_train.tables import load_engel, read_table

for extra in ("matplotlib", "rich", "safetensors", "scipy"):
    pytest.importorskip(extra)

FAST = ["--steps", "20"]
PYTHON = [sys.executable, "-W", "error", "-m", "autograd_train"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty directory."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def table(tmp_path):
    """Write a table with two features, a constant, a text column and a target."""
    random = numpy.random.default_rng(0)
    path = tmp_path / "data.csv"
    lines = ["name,x,y,k,z"]
    for x, y, noise in random.normal(size=(60, 3)):
        lines.append(f"row,{x},{y},4,{1 + 2 * x - y + noise}")
    path.write_text("\n".join(lines))
    return path


def refused(capsys, *arguments):
    """Run, and return the one line that says why not."""
    try:
        status = command.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


def environment():
    rooms = [str(Path(autograd_train.__file__).parents[1]), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, rooms))}


def test_from_the_shell_engels_coefficients_are_found(folder):
    run = subprocess.run(
        [*PYTHON, "quantile", "--quantiles", "0.5,0.75", "--steps", "1500"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines()]
    cells = {tuple(row[:2]): row[2:5] for row in rows if len(row) == 7}
    for place, published in {
        ("0.5", "intercept"): 81.4822,
        ("0.5", "income"): 0.5602,
        ("0.75", "intercept"): 62.3966,
        ("0.75", "income"): 0.6440,
    }.items():
        fitted, printed, exact = map(float, cells[place])
        assert fitted == pytest.approx(published, rel=1e-3)
        assert printed == pytest.approx(published, rel=1e-4)
        assert exact == pytest.approx(published, rel=1e-4)
    assert "On 47 rows held back" in run.stdout
    assert "1500/1500" in run.stderr
    output = folder / "quantile-output"
    assert sorted(file.name for file in output.iterdir()) == [
        "model.safetensors",
        "quantiles.png",
    ]
    assert (output / "quantiles.png").read_bytes().startswith(b"\x89PNG")


def test_the_rows_held_back_are_not_trained_on_and_are_scored():
    arguments = ["quantile", "--quantiles", "0.5", "--seed", "5", "--steps", "50"]
    work = job.read_job(options.build_parser().parse_args(arguments))
    held, training = work.held_rows, work.training_rows
    assert sorted([*held, *training]) == list(range(235))
    model = train_quantiles(
        work.features[training],
        work.target[training],
        [0.5],
        Settings(steps=50),
        seed=5,
    )
    expected = score(model.predict(work.features[held]), work.target[held], [0.5])
    found = work.evaluate(lambda title, steps: lambda step, loss: None)
    assert found == expected


def test_a_saved_model_predicts_again(folder, table, capsys):
    settings = ["--features", "x,y", "--target", "z", "--hidden", "4,3"]
    settings += ["--quantiles", "0.1,0.5,0.9", "--dtype", "float32", "--output", "out"]
    assert command.main(["quantile", "--data", str(table), *settings, *FAST]) == 0
    capsys.readouterr()

    model = "out/model.safetensors"
    assert command.main(["predict", model, "--data", str(table)]) == 0
    printed = capsys.readouterr().out
    arguments = ["predict", model, "--data", str(table), "--output", "new/p.csv"]
    assert command.main(arguments) == 0
    assert Path("new/p.csv").read_text() == printed

    result = read_table("new/p.csv")
    names = [f"z_quantile_{quantile}" for quantile in (0.1, 0.5, 0.9)]
    assert result.header == ("name", "x", "y", "k", "z", *names)
    loaded = storage.load_model(model)
    expected = loaded.predict(read_table(table).numbers(["x", "y"]))
    assert numpy.array_equal(result.numbers(names), expected)
    assert len(list(Path("new").iterdir())) == 1


def test_a_constant_column_is_noted_and_gets_0(table, capsys):
    settings = ["--target", "z", "--features", "x,y,k", "--quantiles", "0.5"]
    assert command.main(["quantile", "--data", str(table), *settings, *FAST]) == 0
    out = capsys.readouterr().out
    assert "note: 'k' is constant, and its coefficient is 0" in out
    (row,) = [line.split() for line in out.splitlines() if " k " in line]
    assert row[:4] == ["0.5", "k", "0", "0"]
    assert "published" not in out


@pytest.mark.parametrize("option", ["--batch-size=16", "--epochs=3", "--holdout=0"])
def test_options_of_the_training(folder, capsys, option):
    arguments = ["quantile", option, "--optimizer", "sgd", "--quantiles", "0.5"]
    if "epochs" not in option:
        arguments += FAST
    assert command.main(arguments) == 0
    out, err = capsys.readouterr()
    assert ("held back" in out) == (option != "--holdout=0")
    assert ("3/3" if "epochs" in option else "20/20") in err


def test_one_seed_gives_one_file(folder):
    for output, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        settings = ["--seed", seed, "--output", output, "--batch-size", "32"]
        assert command.main(["quantile", *settings, *FAST]) == 0
    a, b, c = (Path(name, "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quantiles", "0.5,1.5"], "quantiles: each must lie strictly between 0"),
        (
            ["--quantiles", "a"],
            "quantiles: must be numbers with commas between; got 'a",
        ),
        (
            ["--quantiles", "0.5,0.5"],
            "quantiles: there must be at least one and no two",
        ),
        (["--backend", "nunpy"], "got 'nunpy'. Did you mean 'numpy'"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
        (["--optimizer", "bfgs"], "invalid choice: 'bfgs'"),
        (["--hidden", "64,0"], "must be a whole number, at least 1; got '0'"),
        (["--hidden", "64;64"], "must be a whole number, at least 1; got '64;64'"),
        (["--steps", "0"], "--steps: must be a whole number, at least 1; got '0'"),
        (["--steps", "9", "--epochs", "9"], "not allowed with argument --steps"),
        (["--learning-rate", "nan"], "must be a positive finite number; got 'nan'"),
        (["--holdout", "1"], "--holdout: must be at least 0 and below 1; got '1'"),
        (["--seed", "-1"], "--seed: must be a whole number, at least 0; got '-1'"),
        (
            ["--target", "price"],
            "Engel's data: there must be a column 'price'; got the",
        ),
        (["--features", "price"], "there must be a column 'price'"),
        (["--features", "foodexp"], "--features: there must be at least one, all"),
        (
            ["--data", "none.csv", "--target", "y"],
            "none.csv: the file must be readable",
        ),
        (["--data", "none.csv"], "--target: with --data the column to predict must be"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--learning-rate", "1e308"], "fit: the loss must stay finite; got"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder, capfd, monkeypatch, arguments, message
):
    monkeypatch.setenv("TERM", "dumb")
    try:
        status = command.main(["quantile", *arguments])
    except SystemExit as stop:
        status = stop.code
    err = capfd.readouterr().err
    assert status == 2
    assert message in err.splitlines()[-1]
    assert "error: " in err.splitlines()[-1]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("row,1,abc,4,1", "got 'abc' in row 61, column 'y'"),
        ("row,1,1,4,nan", "got 'nan' in row 61, column 'z'"),
        ("row,1,1,4,", "got '' in row 61, column 'z'"),
        ("row,1", "every row must have 5 cells, as the header has; got 2 in row 61"),
    ],
)
def test_a_bad_cell_is_named_and_nothing_written(folder, table, capsys, line, message):
    table.write_text(table.read_text() + "\n" + line)
    settings = ["--target", "z", "--features", "x,y"]
    assert message in refused(capsys, "quantile", "--data", table, *settings)
    assert list(folder.iterdir()) == []


def test_a_text_column_has_to_be_left_out(table, capsys):
    err = refused(capsys, "quantile", "--data", table, "--target", "z")
    assert "got 'row' in row 1, column 'name'. Correct the cell, or leave" in err


def test_an_empty_file_is_refused(folder, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("")
    arguments = ["--data", tmp_path / "empty.csv", "--target", "y"]
    assert "a header line and at least one row" in refused(
        capsys, "quantile", *arguments
    )
    assert list(folder.iterdir()) == []


def test_an_output_that_is_a_file_is_refused_before_training(folder, capsys):
    (folder / "out").write_text("mine")
    err = refused(capsys, "quantile", "--output", "out")
    assert "out: the output must go to a folder that can be written" in err
    assert (folder / "out").read_text() == "mine"


def test_names_of_columns_are_shown_as_they_are(tmp_path, capsys):
    path = tmp_path / "odd.csv"
    path.write_text("[red]x[/],$y_$\n1,2\n2,5\n4,4\n8,1\n")
    arguments = ["--data", str(path), "--target", "$y_$", "--quantiles", "0.25"]
    assert command.main(["quantile", *arguments, *FAST]) == 0
    out = capsys.readouterr().out
    assert " [red]x[/] " in out
    assert "pinball loss ($y_$)" in out


def test_an_output_that_cannot_be_replaced_is_named(folder, capsys):
    (folder / "out" / "quantiles.png").mkdir(parents=True)
    err = refused(capsys, "quantile", "--output", "out")
    assert "quantiles.png: the output must be a file; got a folder of this name" in err
    assert [file.name for file in (folder / "out").iterdir()] == ["quantiles.png"]


def test_predictions_cannot_replace_a_folder(folder, capsys):
    assert command.main(["quantile", *FAST]) == 0
    capsys.readouterr()
    (folder / "p.csv").mkdir()
    model = "quantile-output/model.safetensors"
    assert "p.csv" in refused(capsys, "predict", model, "--output", "p.csv")
    assert sorted(f.name for f in folder.iterdir()) == ["p.csv", "quantile-output"]


def test_prediction_faults(folder, table, capsys):
    assert "none: the model file must be" in refused(capsys, "predict", "none")
    (folder / "broken").write_bytes(b"not a model")
    assert "broken: the file must be a quantile" in refused(capsys, "predict", "broken")
    assert command.main(["quantile", *FAST]) == 0
    capsys.readouterr()
    model = "quantile-output/model.safetensors"
    err = refused(capsys, "predict", model, "--data", table, "--output", "p.csv")
    assert "there must be a column 'income'" in err
    assert not (folder / "p.csv").exists()


def test_nothing_is_left_if_the_saved_model_differs(folder, monkeypatch):
    def load_another(path):
        model = storage.load_model(path)
        model.parameters[0]["bias"][...] += 1.0
        return model

    monkeypatch.setattr(command, "load_model", load_another)
    with pytest.raises(RuntimeError, match="must predict as the trained one did"):
        command.main(["quantile", *FAST])
    assert list(folder.iterdir()) == []


def test_a_missing_extra_is_named_before_training(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    err = refused(capsys, "quantile")
    assert 'Run: pip install "autograd-core[train]"' in err
    assert list(folder.iterdir()) == []


def test_interrupting_writes_nothing(folder, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.report, "plot_quantiles", interrupt)
    assert command.main(["quantile", *FAST]) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_help_shows_examples_and_every_option(capsys):
    for arguments in (["--help"], ["quantile", "--help"], ["predict", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            command.main(arguments)
    out = capsys.readouterr().out
    assert "python -m autograd_train predict quantile-output" in out
    for option in ("--quantiles", "--hidden", "--backend", "--dtype", "--seed"):
        assert option in out


def test_importing_brings_no_extra():
    code = (
        "import sys, autograd_train, autograd_train.command;"
        "extras = {'matplotlib', 'rich', 'safetensors', 'scipy', 'torch', 'jax'};"
        "print(sorted(extras & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert run.stdout.strip() == "[]"


def test_a_missing_library_is_a_missing_extra():
    with pytest.raises(
        errors.MissingExtraError, match=r"no_such_library: .* Run: pip install"
    ):
        errors.require("no_such_library")


def test_predictions_default_to_engels_data(folder, capsys):
    assert command.main(["quantile", *FAST]) == 0
    capsys.readouterr()
    assert command.main(["predict", "quantile-output/model.safetensors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(load_engel().rows)
