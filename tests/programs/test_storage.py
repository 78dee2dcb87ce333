"""Programs as files: what is saved is loaded, and what is hostile is refused."""

import copy
import dataclasses
import io
import json
import pickle
import random
import subprocess
import sys
import zipfile
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from programs_support import assert_same_bits

import autograd_core as ag
from autograd_core.operation import registry
from autograd_core.programs import storage
from autograd_core.programs.storage import load, save
from autograd_core.testing.samples import calls

xp = ag.ops

Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass
class Layer:
    w: object
    b: object
    kind: str = dataclasses.field(default="dense", metadata={"static": True})


class Registered:
    def __init__(self, x, tag):
        self.x, self.tag = x, tag


ag.pytree.register(
    Registered, lambda r: ((r.x,), r.tag), lambda tag, parts: Registered(*parts, tag)
)


def loss(w, x):
    h = xp.tanh(x @ w)
    y = xp.sum(h**2)
    if y > 0:
        y = xp.minimum(y, float("inf")) * 2.0
    return y


@pytest.fixture
def program():
    draw = np.random.default_rng(0)
    weights = draw.standard_normal((4, 5))
    arguments = draw.standard_normal((3, 4)), draw.standard_normal((2, 3))
    return ag.trace(ag.value_and_grad(lambda w, x: loss(w @ weights, x)))(*arguments)


def stored(program):
    """Return a program as the bytes of a file."""
    stream = io.BytesIO()
    save(program, stream)
    return stream.getvalue()


def restored(data, **keywords):
    return load(io.BytesIO(data), **keywords)


def again(program, **keywords):
    return restored(stored(program), **keywords)


# ------------------------------------------------------------------ there and back


def test_a_program_comes_back_as_it_was(program, tmp_path):
    path = tmp_path / "step.program"
    save(program, path)
    found = load(path)
    assert found == program
    assert str(found) == str(program)
    assert found.signature == program.signature
    assert [g.line for g in found.guards] == [g.line for g in program.guards]
    draw = np.random.default_rng(1)
    arguments = draw.standard_normal((3, 4)), draw.standard_normal((2, 3))
    assert_same_bits(found(*arguments), program(*arguments))


@pytest.mark.parametrize(
    "operation",
    [each for each in registry.values() if each.samples],
    ids=lambda each: each.name,
)
def test_every_operation_is_stored(operation):
    for call in calls(operation):
        arrays = call.arrays()
        try:
            program = ag.trace(call.bound())(*arrays)
        except (TypeError, ValueError):  # a shape of values
            continue
        found = again(program)
        assert found == program
        assert str(found) == str(program)


def test_the_same_program_makes_the_same_file(program):
    assert stored(program) == stored(program) == stored(again(program))


@pytest.mark.parametrize(
    "x",
    [
        *(np.asarray([0.1, -0.0, np.nan, np.inf], dtype=d) for d in ("f4", "f8", "f2")),
        np.asarray([[1 - 2j, complex(np.nan, -0.0)]]),
        np.asarray(3, dtype=np.int8),
        np.asarray([2**64 - 1], dtype=np.uint64),
        np.asarray([True, False]),
        np.zeros((0, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10.0)[::-2],
        np.broadcast_to(np.float32(2), (3, 4)),
        np.arange(3, dtype=">f8"),
    ],
    ids=lambda x: f"{x.dtype.str}{list(x.shape)}",
)
def test_arrays_keep_their_bits(x):
    _, found = again(ag.trace(lambda y: (y, x))(ag.spec(2)))(np.ones(2))
    assert (found.shape, found.dtype.name) == (x.shape, x.dtype.name)
    assert found.tobytes() == x.astype(x.dtype.newbyteorder("=")).tobytes()
    found[...] = 0  # one's own, not the file's


def test_arrays_are_files_of_numpys(program):
    with zipfile.ZipFile(io.BytesIO(stored(program))) as archive:
        for k, x in enumerate(program.constants.values()):
            with archive.open(f"constants/{k}.npy") as stream:
                np.testing.assert_array_equal(np.load(io.BytesIO(stream.read())), x)
    for x in (np.ones(()), np.ones((3, 0)), np.ones((2,) * 20, dtype=bool)):
        found = np.load(io.BytesIO(storage.npy(x)), allow_pickle=False)
        assert (found.shape, found.dtype) == (x.shape, x.dtype)
        assert found.tobytes() == x.tobytes()


@pytest.mark.parametrize(
    "tree",
    [
        [1.0, (2.0, None), {"b": [], "a": ()}],
        {3: 1.0, 1: {}},
        {(1, "a"): 1.0, (1, "b"): 2.0},
        OrderedDict(z=1.0, a=2.0),
        (),
        None,
        2.5,
        {"x": "text", "n": 3, "inf": float("-inf"), "c": 1 + 2j, "t": True},
        Registered([1.0], ("tag", 3)),
    ],
    ids=lambda tree: repr(tree)[:30],
)
def test_pytrees_come_back(tree):
    program = ag.trace(lambda x: (tree, x))(ag.spec(2))
    found = again(program)
    assert found.structure == program.structure
    assert found.signature == program.signature
    x = np.ones(2)
    assert repr(ag.pytree.flatten(found(x))) == repr(ag.pytree.flatten(program(x)))


CLASSES = [Pair(1.0, (2.0,)), Layer(1.0, [2.0], "sparse")]


def scanning(w, x):
    def step(carry, row):
        h = xp.tanh(carry @ w + row)
        return h, xp.sum(h)

    return xp.sum(ag.scan(step, xp.zeros(3), x)[1])


def test_loops_come_back():
    draw = np.random.default_rng(0)
    arguments = draw.standard_normal((3, 3)), draw.standard_normal((5, 3))
    program = ag.trace(ag.grad(scanning))(*arguments)
    assert any(each.operation == "loop" for each in program.instructions)
    found = again(program)
    assert str(found) == str(program)
    assert_same_bits(found(*arguments), program(*arguments))


@pytest.mark.parametrize("seed", range(300))
def test_edited_loops_are_refused_or_do_no_harm(seed):
    program = ag.trace(ag.grad(scanning))(ag.spec((3, 3)), ag.spec((5, 3)))
    refused_or_right(edited(stored(program), edits(seed)), program)


def test_loops_of_other_sizes_are_refused():
    program = ag.trace(scanning)(ag.spec((3, 3)), ag.spec((5, 3)))

    def longer(described):
        call = next(x for x in described["instructions"] if x[0] == "loop")
        call[2]["length"] = 10**9

    with pytest.raises(ValueError, match="a loop's arguments"):
        restored(edited(stored(program), longer))


@pytest.mark.parametrize("tree", CLASSES)
def test_classes_are_loaded_only_if_they_are_given(tree):
    program = ag.trace(lambda x: (tree, x))(ag.spec(2))
    with pytest.raises(ValueError, match=rf"{type(tree).__name__}'.*containers given"):
        again(program)
    got, _ = again(program, containers=[type(tree)])(np.ones(2))
    assert type(got) is type(tree)
    assert got == tree


def test_classes_are_never_imported(program, monkeypatch):
    text = stored(ag.trace(lambda x: Pair(x, x))(ag.spec(2)))
    evil = edited(
        text, lambda d: d["structure"]["container"].__setitem__(0, "os.system")
    )
    with pytest.raises(ValueError, match=r"os\.system"):
        restored(evil)
    evil = edited(
        text, lambda d: d["structure"]["container"].__setitem__(0, "antigravity.x")
    )
    before = set(sys.modules)
    with pytest.raises(ValueError, match="antigravity"):
        restored(evil)
    assert set(sys.modules) == before


def test_arguments_that_are_part_of_a_program():
    def f(x, n, *, scale, mode):
        return scale * x**n if mode == "a" else x

    program = ag.trace(f)(ag.spec(2), 3, scale=0.5, mode="a")
    found = again(program)
    x = np.asarray([1.0, 2.0])
    assert_same_bits(
        found(x, 3, scale=0.5, mode="a"), program(x, 3, scale=0.5, mode="a")
    )
    with pytest.raises(ValueError, match="recorded as 3"):
        found(x, 2, scale=0.5, mode="a")


def test_what_is_no_data_is_not_saved():
    program = ag.trace(lambda x, f: f(x))(ag.spec(2), xp.sin)
    with pytest.raises(TypeError, match=r"save: .*numbers, text.*Give arrays"):
        stored(program)


def test_arrays_of_any_library_are_saved():
    strict = pytest.importorskip("array_api_strict")
    held = strict.asarray([1.0, 2.0])
    program = ag.trace(lambda x: x * held)(held)
    x = np.asarray([3.0, 4.0])
    assert again(program)(x).tolist() == [3.0, 8.0]


def test_what_is_loaded_is_written_optimised_and_differentiated(program):
    from autograd_core.programs.emission import source
    from autograd_core.programs.passes import optimise

    found = again(program)
    assert source(found) == source(program)
    assert str(optimise(found)) == str(optimise(program))


# ------------------------------------------------------------------ damaged


def edited(data, edit):
    """Return a file whose JSON was edited."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    described = json.loads(members["program.json"])
    found = edit(described)
    described = described if found is None else found
    members["program.json"] = json.dumps(described).encode()
    return zipped(members)


def zipped(members, compression=None):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            kind = (
                zipfile.ZIP_DEFLATED if name == "program.json" else zipfile.ZIP_STORED
            )
            archive.writestr(name, content, compression or kind)
    return stream.getvalue()


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_truncated_files_are_refused(program):
    data = stored(program)
    for length in (*range(0, len(data), 97), len(data) - 1):
        with pytest.raises(ValueError, match="load: a file is a program"):
            restored(data[:length])


def test_what_is_no_file_of_ours_is_refused(tmp_path):
    for data in (
        b"",
        b"PK",
        pickle.dumps(print),
        zipped({"a": b""}),
        b"\x93NUMPY" * 99,
    ):
        with pytest.raises(ValueError, match="load: a file is a program"):
            restored(data)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")


@pytest.mark.parametrize("seed", range(300))
def test_flipped_bytes_are_refused_or_do_no_harm(program, seed):
    draw = random.Random(seed)
    data = bytearray(stored(program))
    for _ in range(draw.choice([1, 1, 2, 10])):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    refused_or_right(bytes(data), program)


def refused_or_right(data, program):
    """Assert that a file is refused with a clear error, or is a whole program."""
    found, said = None, "load: a file is a program as save writes it; got "
    try:
        found = restored(data)
    except ValueError as fault:
        said = str(fault)
    assert said.startswith("load: a file is a program as save writes it; got ")
    if found is None:
        return
    storage.check(found)
    str(found)
    stored(found)


def places_in(tree, path=()):
    """Yield the path of everything in JSON."""
    yield path
    children = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, child in children:
        yield from places_in(child, (*path, key))


JUNK = (
    *(None, True, -1, 0, 1, 2**70, 1e308, "", "leaf", "os.system", "float64", [], {}),
    *([[]], {"variable": 0}, {"variable": 10**6}, {"variable": -1}, {"float": "nan"}),
    *({"slice": [0, 1, 0]}, {"dtype": "object"}, {"static": None}, [2**40, 2**40]),
    *({"a": 1, "b": 2}, {"container": []}, {"device": None}, "x" * 5000, [0] * 100),
    *({"static": {"variable": 0}}, [None, [None, [None]]], {"complex": [1, 2]}),
)


def edits(seed):
    """Return a function that edits a description at random."""
    draw = random.Random(seed)

    def edit(described):
        for _ in range(draw.choice([1, 1, 1, 3])):
            paths = list(places_in(described))[1:]
            if not paths:
                return
            *path, last = draw.choice(paths)
            parent = described
            for key in path:
                parent = parent[key]
            action = draw.randrange(4)
            if action == 0:
                del parent[last]
            elif action == 1 and isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            elif action == 2 and isinstance(parent, list):
                draw.shuffle(parent)
            else:
                parent[last] = copy.deepcopy(draw.choice(JUNK))

    return edit


@pytest.mark.parametrize("seed", range(600))
def test_edited_descriptions_are_refused_or_do_no_harm(program, seed):
    refused_or_right(edited(stored(program), edits(seed)), program)


EDITS = {
    "of version 2": lambda d: d.update(version=2),
    "format": lambda d: d.update(format="other"),
    "operation": lambda d: d["instructions"][0].__setitem__(0, "os.system"),
    "before it is defined": lambda d: d["instructions"][0][1][0].update(variable=20),
    "with a result": lambda d: d["instructions"][0][3][0].__setitem__(0, [7]),
    "of no array": lambda d: d["instructions"][0].__setitem__(1, [1.0, 2.0]),
    "the name 'a b'": lambda d: d["inputs"][0].__setitem__(2, "a b"),
    "the name '\ufb01'": lambda d: d["inputs"][0].__setitem__(2, "\ufb01"),
    "the name '__debug__'": lambda d: d["inputs"][0].__setitem__(2, "__debug__"),
    "without a name": lambda d: d["inputs"][0].__setitem__(2, ""),
    "two inputs": lambda d: d["inputs"][0].__setitem__(2, d["inputs"][1][2]),
    "the dtype 'O'": lambda d: d["inputs"][0].__setitem__(1, "O"),
    "the shape": lambda d: d["inputs"][0].__setitem__(0, [2**40, 2**40]),
    "as many results": lambda d: d["outputs"].append(1),
    "as many arguments": lambda d: d["fixed"].append([9, 1]),
    "no float64": lambda d: d["constants"][0].__setitem__(0, [5, 4]),
    "on one element": lambda d: d["guards"][0].__setitem__(0, 0),
}


@pytest.mark.parametrize("said", EDITS)
def test_errors_say_what_is_wrong(program, said):
    edit = EDITS[said]
    said = said.removeprefix("of ")
    with pytest.raises(ValueError, match=f"load: .*{said}"):
        restored(edited(stored(program), edit))


def test_parameters_are_those_of_the_declaration(program):
    def other(described):
        call = next(x for x in described["instructions"] if x[0] == "permute_dims")
        call[2] = {"device": None}

    with pytest.raises(ValueError, match="permute_dims with device"):
        restored(edited(stored(program), other))


# ------------------------------------------------------------------ hostile archives


def test_members_of_other_names_are_refused(program):
    members = members_of(stored(program))
    for name in ("../evil.py", "/etc/passwd", "constants/99.npy", "constants/", "x.py"):
        with pytest.raises(ValueError, match="other members"):
            restored(zipped({**members, name: b"boo"}))
    members.pop("constants/0.npy")
    with pytest.raises(ValueError, match="other members"):
        restored(zipped(members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice_are_refused(program):
    members = members_of(stored(program))
    stream = io.BytesIO(zipped(members))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("constants/0.npy", members["constants/0.npy"])
    with pytest.raises(ValueError, match="other members"):
        restored(stream.getvalue())


def test_bombs_are_not_unpacked(program, monkeypatch):
    members = members_of(stored(program))
    bomb = zipped({**members, "constants/0.npy": b"\0" * 10**8}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**6
    with pytest.raises(ValueError, match=r"constants/0\.npy of 100000000 bytes"):
        restored(bomb)
    monkeypatch.setattr(storage, "MOST_TEXT", 1000)
    big = zipped({**members, "program.json": b" " * 10**6})
    with pytest.raises(
        ValueError, match=r"program\.json of 1000000 bytes, 1000 at most"
    ):
        restored(big)


def test_arrays_of_objects_are_not_unpickled(program):
    class Evil:
        def __reduce__(self):
            return (sys.exit, (1,))

    stream = io.BytesIO()
    np.save(stream, np.asarray([[Evil()] * 5] * 4, dtype=object), allow_pickle=True)
    members = members_of(stored(program))
    right = len(members["constants/0.npy"])
    data = stream.getvalue()[:right].ljust(right, b"\0")
    with pytest.raises(ValueError, match="an array that is no float64"):
        restored(zipped({**members, "constants/0.npy": data}))


@pytest.mark.parametrize(
    "text", [b"[" * 10**6, b'{"a":' * 10**5, b"1" * 10**5, b"\xff\xfe", b"NaN", b"null"]
)
def test_json_that_is_hostile_is_refused(program, text):
    members = members_of(stored(program))
    with pytest.raises(ValueError, match="load: a file is a program"):
        restored(zipped({**members, "program.json": text}))


def test_deep_structures_are_refused(program):
    members = members_of(stored(program))
    described = json.loads(members["program.json"])
    text = json.dumps({**described, "structure": 0}).replace(
        '"structure": 0',
        '"structure": '
        + '{"container": ["tuple", [0], [' * 9000
        + '"leaf"'
        + "], null]}" * 9000,
    )
    with pytest.raises(ValueError, match="load: a file is a program"):
        restored(zipped({**members, "program.json": text.encode()}))


def test_loading_needs_little_memory_for_large_shapes():
    x = ag.spec((2**20, 2**20))
    found = again(ag.trace(lambda x: xp.sum(xp.exp(x) @ x, axis=0))(x))
    assert found.outputs[0].shape == (2**20,)


def test_loading_runs_no_code_in_another_process(program, tmp_path):
    path = tmp_path / "step.program"
    save(program, path)
    script = (
        "import sys, autograd_core as ag\n"
        "from autograd_core.programs.storage import load\n"
        "before = set(sys.modules)\n"
        "def watch(event, arguments):\n"
        "    assert event not in ('exec', 'os.system', 'subprocess.Popen'), event\n"
        f"program = load({str(path)!r})\n"
        "sys.addaudithook(watch)\n"
        f"program = load({str(path)!r})\n"
        "print(len(program))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(program)
