"""Models on disk, and files that appear whole or not at all."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograd_train.data import Scaling
from autograd_train.errors import InputError, require
from autograd_train.quantile import QuantileModel, check_quantiles

KEY = "autograd_train.quantile"
"""The key in the file's metadata under which the description of the model stands."""


def save_model(model: QuantileModel, path: str | Path) -> None:
    """Write a model as a safetensors file.

    The tensors are named ``0.weight``, ``0.bias``, ``1.weight``, ..., input side
    first. Everything else that predicting needs is one JSON object in the metadata.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    """
    tensors = {
        f"{index}.{name}": array
        for index, affine in enumerate(model.parameters)
        for name, array in affine.items()
    }
    description = {
        "features": model.features,
        "target": model.target,
        "quantiles": model.quantiles,
        "hidden": model.hidden,
        "feature_scaling": asdict(model.feature_scaling),
        "target_scaling": asdict(model.target_scaling),
    }
    metadata = {KEY: json.dumps(description)}
    save = require("safetensors.numpy").save
    Path(path).write_bytes(save(tensors, metadata=metadata))


def load_model(path: str | Path) -> QuantileModel:
    """Read a model that `save_model` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or holds another kind of model.
    MissingExtraError
        If safetensors is not installed.
    """
    safetensors = require("safetensors")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _model(description, tensors)
    except OSError as error:
        raise InputError(
            f"{path}: the model file must be readable; got: {error.strerror or error}. "
            "Give the path of a model.safetensors that a run has written."
        ) from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: the file must be a quantile model, undamaged; got: "
            f"{type(error).__name__}: {error}. Give a file that `python -m "
            "autograd_train quantile` has written, or train again."
        ) from error


def _model(description: dict[str, Any], tensors: dict[str, Any]) -> QuantileModel:
    """Build a model, checking that every tensor has its place and its shape."""
    features, hidden = tuple(description["features"]), tuple(description["hidden"])
    quantiles = check_quantiles(description["quantiles"])
    widths = [len(features), *hidden, len(quantiles)]
    expected: dict[str, tuple[int, ...]] = {}
    for index, shape in enumerate(itertools.pairwise(widths)):
        expected |= {f"{index}.weight": shape, f"{index}.bias": shape[1:]}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        raise ValueError(f"tensors of shapes {found}, where {expected} are needed")
    return QuantileModel(
        features=features,
        target=description["target"],
        quantiles=quantiles,
        hidden=hidden,
        feature_scaling=_scaling(description["feature_scaling"], len(features)),
        target_scaling=_scaling(description["target_scaling"], 1),
        parameters=[
            {part: tensors[f"{index}.{part}"] for part in ("weight", "bias")}
            for index in range(len(widths) - 1)
        ],
    )


def _scaling(fields: dict[str, list[float]], columns: int) -> Scaling:
    mean, scale = (tuple(map(float, fields[name])) for name in ("mean", "scale"))
    scaling = Scaling(mean, scale)
    if not len(scaling.mean) == len(scaling.scale) == columns:
        raise ValueError(f"a scaling of {len(scaling.mean)} columns, not {columns}")
    return scaling


@contextmanager
def staged(directory: str | Path) -> Iterator[Path]:
    """Yield an empty folder whose files move to `directory` when the block succeeds.

    Each file is moved by ``os.replace``, which is atomic; a file of the same name
    there is replaced. When the block raises, nothing is written and nothing is left.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with staged(Path(parent) / "results") as folder:
    ...         _ = (folder / "a.txt").write_text("whole")
    ...     (Path(parent) / "results" / "a.txt").read_text()
    'whole'
    """
    target = Path(directory)
    folder = Path(tempfile.mkdtemp(prefix=".autograd-train-", dir=_existing(target)))
    try:
        yield folder
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            os.replace(file, target / file.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_writable(directory: str | Path, *names: str) -> None:
    """Raise InputError unless files of these names can be put into a folder.

    The folder, and files of these names in it, may exist or not.
    """
    place = _existing(Path(directory))
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(
            f"{directory}: the output must go to a folder that can be written; got "
            f"{place}, which is {'a file' if place.is_file() else 'read-only'}. "
            "Choose another folder."
        )
    for name in names:
        if (Path(directory) / name).is_dir():
            raise InputError(
                f"{Path(directory) / name}: the output must be a file; got a folder of "
                "this name. Choose another place, or remove it."
            )


def _existing(path: Path) -> Path:
    """Return the nearest ancestor that exists, which may be the path itself."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())
