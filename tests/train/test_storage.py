"""Model files, and files that appear whole or not at all."""

import numpy
import pytest

from autograd_train import storage
from autograd_train.errors import InputError
from autograd_train.quantile import Settings, train_quantiles

safetensors_numpy = pytest.importorskip("safetensors.numpy")

ROWS = numpy.random.default_rng(0).normal(size=(30, 3))
ROWS[:, 2] = 5.0  # constant: its scale is infinity


def trained(hidden=(4, 3), dtype="float64"):
    settings = Settings(hidden=hidden, steps=5, dtype=dtype)
    names = ("a b", "ü", "c")
    return train_quantiles(
        ROWS, ROWS[:, 0], (0.2, 0.8), settings, feature_names=names, target_name="y"
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(), (4, 3)])
def test_a_saved_model_is_the_same_model(backend, tmp_path, hidden, dtype):
    model = trained(hidden, dtype)
    path = tmp_path / "model.safetensors"
    storage.save_model(model, path)
    loaded = storage.load_model(path)
    for name in ("features", "target", "quantiles", "hidden", "dtype"):
        assert getattr(loaded, name) == getattr(model, name)
    assert loaded.feature_scaling == model.feature_scaling
    assert loaded.target_scaling == model.target_scaling
    assert numpy.array_equal(loaded.predict(ROWS), model.predict(ROWS))


def test_one_model_gives_one_file(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        storage.save_model(trained(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_damaged_file_is_refused_wherever_it_is_cut(tmp_path):
    path = tmp_path / "model.safetensors"
    storage.save_model(trained(), path)
    content = path.read_bytes()
    for length in (0, 4, 8, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(
            InputError, match=r"model\.safetensors: the file must be a quantile model"
        ):
            storage.load_model(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"autograd_train.quantile", rb"autograd_train.qwantile"),
        (rb"\"hidden\": [4, 3]", rb"\"hidden\": [4, 2]"),
        (rb"\"hidden\": [4, 3]", rb"\"hidden\": \"4,3\""),
        (rb"[0.2, 0.8]", rb"[0.2, 1.8]"),
        (rb"\"mean\": [", rb"\"mean\": {"),
        (rb"\"mean\": [", rb"\"moan\": ["),
        (rb"0.bias", rb"0.bios"),
    ],
)
def test_a_file_with_another_description_is_refused(tmp_path, old, new):
    path = tmp_path / "model.safetensors"
    storage.save_model(trained(), path)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new[: len(old)].ljust(len(old))))
    with pytest.raises(InputError, match=r"the file must be a quantile model, undamag"):
        storage.load_model(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    safetensors_numpy.save_file(
        {"weight": numpy.zeros(3)}, tmp_path / "other.safetensors"
    )
    with pytest.raises(InputError, match=r"other\.safetensors: .* Give a file that"):
        storage.load_model(tmp_path / "other.safetensors")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none: the model file must be readable"):
        storage.load_model(tmp_path / "none")
    with pytest.raises(InputError, match=r"the model file must be readable"):
        storage.load_model(tmp_path)


def test_staged_files_appear_together(tmp_path):
    target = tmp_path / "deep" / "er"
    with storage.staged(target) as folder:
        (folder / "a").write_text("1")
        (folder / "b").write_text("2")
        assert not target.exists()
    assert sorted(file.name for file in target.iterdir()) == ["a", "b"]
    assert [file.name for file in tmp_path.iterdir()] == ["deep"]


def write_and_fail(target):
    with storage.staged(target) as folder:
        (folder / "a").write_text("1")
        raise KeyError


def test_nothing_is_left_after_a_failure(tmp_path):
    (tmp_path / "a").write_text("before")
    for target in (tmp_path, tmp_path / "new"):
        with pytest.raises(KeyError):
            write_and_fail(target)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_file_cannot_be_the_output_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"file, which is a file\. Choose another"):
            storage.check_writable(output)
