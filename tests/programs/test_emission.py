"""Source of programs: it gives the same bits, it is formatted, it takes no code in."""

import ast
import dataclasses
import functools
import shutil
import subprocess

import array_api_compat.numpy as compat
import numpy as np
import pytest

import autograd_core as ag
from autograd_core.operation import registry
from autograd_core.programs.emission import RESERVED, Module, module, source
from autograd_core.programs.program import Program
from autograd_core.programs.recording import placeholder, spec, trace
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import Call, calls, outputs

xp = ag.ops

OPERATIONS = [operation for operation in registry.values() if operation.samples]

OTHER_SPELLINGS = {"interp", "index_add"}
"""Of which NumPy has a function of its own, with other roundings."""


def has_same_bits(program: Program) -> bool:
    """Say whether the source has NumPy's calls, and not a formula in their place."""
    return not any(
        each.operation in OTHER_SPELLINGS
        or each.declared.extension == "special"
        or (each.operation == "sign" and each.results[0].dtype.startswith("complex"))
        for each in program.instructions
    )


def gradient(call: Call):
    """Return the gradient of the sum of squares of what a call gives."""

    def total(*arrays):
        result = 0.0
        for part in outputs(call.bound())(*arrays):
            if xp.isdtype(part.dtype, "complex floating"):
                part = xp.real(part)
            if xp.isdtype(part.dtype, "real floating"):
                result = result + xp.sum(part * part)
        return result

    return ag.grad(total, tuple(range(len(call.values))))


def function_in(text: str, name: str):
    """Return the function of a module of source."""
    namespace = {"__builtins__": __builtins__}
    exec(compile(text, "emitted.py", "exec"), namespace)
    return namespace[name]


def evaluated(written: Module, name: str, *arrays, namespace=compat, to=np.asarray):
    """Return the leaves of what the source of a program computes."""
    keywords = {}
    if ", special" in written.text:
        keywords["special"] = pytest.importorskip("scipy.special")
    if written.constants:
        keywords["constants"] = {k: to(x) for k, x in written.constants.items()}
    function = function_in(written.text, name)
    return ag.pytree.flatten(function(*arrays, xp=namespace, **keywords))[0]


@functools.cache
def recordings(operation):
    """Return programs of the samples of an operation and of their gradients."""
    return list(recorded_samples(operation))


def recorded_samples(operation):
    for call in calls(operation):
        arrays = call.arrays()
        for function in (call.bound(), gradient(call)):
            try:
                function(*arrays)
                program = trace(function)(*arrays)
            except (
                TypeError,
                ValueError,
                AttributeError,
            ):  # not differentiable, or shape of values
                continue
            yield program, arrays


# ------------------------------------------------------------------ what it computes


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_the_source_has_the_bits_of_the_program(operation):
    for program, arrays in recordings(operation):
        got = evaluated(module(program, name="f"), "f", *arrays)
        expected = program.evaluate(arrays)
        assert len(got) == len(expected)
        for x, y in zip(got, map(np.asarray, expected), strict=True):
            x = np.asarray(x)
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            if has_same_bits(program):
                assert x.tobytes() == y.tobytes(), source(program)
            else:
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_the_source_needs_only_the_standard(operation):
    strict = pytest.importorskip("array_api_strict")
    for program, arrays in recordings(operation):
        written = module(program, name="f")
        if ", special" in written.text:
            continue  # SciPy's functions take no arrays of array-api-strict
        given = [strict.asarray(x) for x in arrays]
        expected = program.evaluate(arrays)
        if (
            operation.name == "clip"
            and len(arrays) == 3
            and (np.any(arrays[1] > arrays[2]))
        ):
            continue  # left open by the standard, refused by array-api-strict
        got = evaluated(written, "f", *given, namespace=strict, to=strict.asarray)
        for x, y in zip(got, map(np.asarray, expected), strict=True):
            if isinstance(x, float):
                x = np.asarray(x)
            np.testing.assert_allclose(to_numpy(x), y, rtol=1e-9, atol=1e-12)


def test_the_source_is_formatted(tmp_path):
    ruff = shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    count = 0
    for operation in OPERATIONS:
        for program, _ in recordings(operation):
            (tmp_path / f"m{count}.py").write_text(source(program))
            count += 1
    assert count > 300
    for command in (["format", "--check"], ["check", "--select", "E,F,W,I,B"]):
        done = subprocess.run(
            [ruff, *command, "--isolated", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]


# ------------------------------------------------------------------ how it reads

MLP = """\
def mlp_and_gradient(w1, w2, x, y, *, xp):
    \"\"\"Compute mlp, as it was recorded.

    Parameters
    ----------
    w1 : float64[3, 4]
    w2 : float64[4, 1]
    x : float64[8, 3]
    y : float64[8, 1]
    xp
        The namespace of the arrays' library.

    Returns
    -------
    loss : float64[]
    d_w1 : float64[3, 4]
    d_w2 : float64[4, 1]
    \"\"\"
    h = xp.tanh(x @ w1)  # LINE 1
    pred = h @ w2  # LINE 2
    residual = pred - y  # LINE 3
    loss = xp.mean(residual**2)  # LINE 4

    # The gradient, from the last line to the first.
    d_residual = 0.125 * (2 * residual)  # gradient of LINE 4
    d_h = d_residual @ w2.T  # gradient of LINE 2
    d_w2 = h.T @ d_residual  # gradient of LINE 2
    d_w1 = x.T @ (d_h * (1 - h * h))  # gradient of LINE 1
    return loss, (d_w1, d_w2)
"""


def mlp(w1, w2, x, y):
    h = xp.tanh(x @ w1)
    pred = h @ w2
    residual = pred - y
    loss = xp.mean(residual**2)
    return loss  # noqa: RET504 (a name to be kept)


def test_a_gradient_reads_as_a_person_would_write_it():
    types = (spec((3, 4)), spec((4, 1)), spec((8, 3)), spec((8, 1)))
    program = trace(ag.value_and_grad(mlp, (0, 1)))(*types)
    text = source(program, name="mlp_and_gradient")
    first = mlp.__code__.co_firstlineno
    expected = MLP
    for k in range(1, 5):
        expected = expected.replace(f"LINE {k}", f"test_emission.py:{first + k}")
    assert text.partition("\n\n\n")[2] == expected


def written(f, *arguments):
    """Return the body of the source of a function, without docstring and comments."""
    text = source(trace(f)(*arguments), name="f")
    body = ast.parse(text).body[-1].body[1:]
    return [ast.unparse(each) for each in body]


def test_operators_have_the_parentheses_they_need():
    x = spec(3)
    assert written(lambda x: (x + 1) * (x - (2 - x)), x) == [
        "return (x + 1) * (x - (2 - x))"
    ]
    assert written(lambda x: -(x**2), x) == ["return -x ** 2"]
    assert written(lambda x: (-x) ** 2, x) == ["return (-x) ** 2"]
    assert written(lambda x: (x / 2) / (x / 3), x) == ["return x / 2 / (x / 3)"]
    assert written(lambda x: (x < 1) == (x > -1.0), x) == [
        "return (x < 1) == (x > -1.0)"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_random_expressions_keep_their_meaning(seed):
    draw = np.random.default_rng(seed)
    x, y = draw.standard_normal((2, 3)), draw.standard_normal((2, 3))
    choices = draw.integers(0, 8, 40)

    def f(x, y):
        values = [x, y]
        for k, choice in enumerate(choices):
            a, b = values[-1], values[draws[k]]
            values.append(
                (a + b, a - b, b - a, a * b, -a, a / (b * b + 1), a @ b.T @ b, 2.0 - a)[
                    choice
                ]
            )
            if k % 3:
                values[-1] = xp.tanh(values[-1])
        return values[-1]

    draws = [int(draw.integers(0, k + 2)) for k in range(40)]
    program = trace(f)(x, y)
    (got,) = evaluated(module(program, name="f"), "f", x, y)
    assert got.tobytes() == f(x, y).tobytes()
    assert all(len(line) <= 88 for line in source(program).splitlines())


def test_keys_name_every_axis():
    x = spec((3, 4, 5))
    assert written(lambda x: x[1], x) == ["return x[1, ...]"]
    assert written(lambda x: x[1:, None, ::-2], x) == ["return x[1:, None, ::-2, ...]"]
    assert written(lambda x: x[..., 0], x) == ["return x[..., 0]"]
    assert written(lambda x: x[0, 1, 2:], x) == ["return x[0, 1, 2:]"]


# ------------------------------------------------------------------ what is held


@pytest.mark.parametrize(
    "held",
    [
        *(np.asarray(x) for x in (0.0, -0.0, np.inf, -np.inf, np.nan, 1, True)),
        np.asarray([-0.0, 0.0]),
        np.asarray([1e20, 5e-324, np.nan, -np.inf, 0.1]),
        np.asarray([0.1, 1 / 3, 1e-45, 3.4e38, 16777217.0], dtype=np.float32),
        np.full((3, 100), np.float32(0.1)),
        np.full((2, 2), 0.1 + 1e20j),
        np.asarray([1 - 2j, complex(-0.0, np.inf)]),
        np.asarray([True, False]),
        np.asarray([2**63, 1], dtype=np.uint64),
        np.eye(30, dtype=np.float32),
        np.arange(24).reshape(2, 3, 4),
        np.zeros((3, 0)),
        np.broadcast_to(np.float64(2.5), (1000, 1000)),
        np.random.default_rng(0).standard_normal((5, 4)),
        np.asfortranarray(np.random.default_rng(0).standard_normal((2, 3))),
    ],
    ids=lambda x: f"{x.dtype.name}{list(x.shape)}",
)
def test_arrays_that_are_held_keep_their_bits(held):
    program = trace(lambda x: (x, held))(spec(2))
    program = dataclasses.replace(program)
    (_, got) = evaluated(module(program, name="f"), "f", np.ones(2))
    assert (got.shape, got.dtype) == (held.shape, held.dtype)
    assert got.tobytes() == held.tobytes()


def test_large_arrays_are_given_to_the_function():
    weights = np.random.default_rng(0).standard_normal((10, 3))
    program = trace(lambda x: x @ weights)(spec((2, 10)))
    made = module(program, name="f")
    assert list(made.constants) == ["c1"]
    assert "constants : " not in made.text
    assert "c1 : float64[10, 3]" in made.text
    x = np.random.default_rng(1).standard_normal((2, 10))
    (got,) = evaluated(made, "f", x)
    assert got.tobytes() == (x @ weights).tobytes()


def test_what_the_user_holds_is_not_taken_for_a_number():
    ones = np.ones(3)
    assert written(lambda x: x * ones, spec(3))[-1] != "return x"


# ------------------------------------------------------------------ control flow, trees


def test_guards_are_checks():
    def f(x):
        y = xp.sum(x)
        if y > 1:
            return -x
        return x

    for x in (np.asarray([2.0, 0.0]), np.asarray([0.5, 0.0])):
        text = source(trace(f)(x), name="f")
        function = function_in(text, "f")
        assert function(x, xp=compat).tobytes() == f(x).tobytes()
        answer = bool(x.sum() > 1)
        with pytest.raises(ValueError, match=rf"recorded for y > 1 being {answer} \("):
            function(1.5 - x, xp=compat)


def test_guards_of_integers():
    def f(x):
        return x * int(xp.sum(x))

    x = np.asarray([2, 3])
    function = function_in(source(trace(f)(x), name="f"), "f")
    assert (function(x, xp=compat) == f(x)).all()
    with pytest.raises(ValueError, match="being 5"):
        function(x + 1, xp=compat)


def scanning(w, x):
    def step(carry, row):
        h = xp.tanh(carry @ w + row[1:])
        return h, xp.sum(h)

    return xp.sum(ag.scan(step, xp.zeros(3), x)[1])


@pytest.mark.parametrize("of", [scanning, ag.grad(scanning), ag.hessian(scanning)])
def test_loops_are_loops(of, tmp_path):
    draw = np.random.default_rng(0)
    arrays = draw.standard_normal((3, 3)), draw.standard_normal((5, 4))
    program = trace(of)(*arrays)
    written = module(program, name="f")
    assert "def scan(" in written.text
    assert "for k in reversed(places) if reverse else places:" in written.text
    (got,) = evaluated(written, "f", *arrays)
    (expected,) = program.evaluate(arrays)
    assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()
    if shutil.which("ruff"):
        (tmp_path / "m.py").write_text(written.text)
        for words in (["format", "--check"], ["check", "--select", "E,F,W,I,B"]):
            command = ["ruff", *words, "--isolated", str(tmp_path)]
            assert subprocess.run(command, check=False).returncode == 0


@dataclasses.dataclass
class Layer:
    w: object
    b: object
    size: int = dataclasses.field(default=3, metadata={"static": True})


def test_results_have_the_structure_of_the_functions():
    def f(x):
        nothing = None
        return {"a": [x, (2.0 * x,)], 3: (), "n": nothing}, (x, [], {}), 1.5

    function = function_in(source(trace(f)(spec(2)), name="f"), "f")
    x = np.ones(2)
    first, second, third = function(x, xp=compat)
    assert list(first) == ["a", 3, "n"] or list(first) == [3, "a", "n"]
    assert type(first["a"]) is list
    assert type(first["a"][1]) is tuple
    assert first[3] == ()
    assert first["n"] is None
    assert second == (x, [], {}) or second[1:] == ([], {})
    assert third == 1.5


def test_dataclasses_are_dicts_of_their_fields():
    function = function_in(
        source(trace(lambda x: Layer(x, 2.0 * x))(spec(2)), name="f"), "f"
    )
    got = function(np.ones(2), xp=compat)
    assert sorted(got) == ["b", "size", "w"]
    assert got["size"] == 3


def test_long_results_and_many_inputs_are_broken_into_lines(tmp_path):
    def f(*arrays):
        total = sum(arrays)
        return {f"a_rather_long_key_{k}": (x, total) for k, x in enumerate(arrays)}

    text = source(trace(f)(*[spec(2)] * 12), name="f")
    assert all(len(line) <= 88 for line in text.splitlines())
    arrays = [np.full(2, float(k)) for k in range(12)]
    got = function_in(text, "f")(*arrays, xp=compat)
    assert got["a_rather_long_key_7"][0] is arrays[7]
    if shutil.which("ruff"):
        (tmp_path / "m.py").write_text(text)
        command = ["ruff", "format", "--check", "--isolated", str(tmp_path)]
        assert subprocess.run(command, check=False).returncode == 0


# ------------------------------------------------------------------ hostile texts

HOSTILE = (
    'x"""\nimport os\n"""',
    "x\n    raise SystemExit  #",
    "x\\",
    'x\\"',
    "x\r\x0cimport os",
    "x\u2028import os",
    "x\x00",
    "__import__('os')",
    "x = 1; y",
    "{x}",
    "\ufeff",
    "class",
    "xp",
    "constants",
    "é" * 30,
    "ﬁ",
    "a" * 5000,
    "",
)


def only_what_is_ours(text):
    """Assert that a text is one module of functions, without imports or surprises."""
    assert text.isprintable() or set(text) - {"\n"}
    tree = ast.parse(text)
    docstring, *functions = tree.body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(each, ast.FunctionDef) for each in functions)
    for node in ast.walk(tree):
        assert not isinstance(
            node, ast.Import | ast.ImportFrom | ast.Lambda | ast.Await
        )
        if isinstance(node, ast.Name):
            assert node.id not in ("os", "SystemExit", "__import__", "exec", "eval")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id in {"ValueError", "int", "complex", "add_at"}
    return functions[-1]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_of_the_users_becomes_code(text):
    def f(x):
        y = xp.sum(x)
        if y > 1:
            x = x * 2.0
        return {text: x, (text, 1): y}

    program = trace(f)(np.ones(2))
    for each in program.instructions:
        for variable in each.results:
            variable.name = variable.line = text
    guards = tuple(dataclasses.replace(g, line=text) for g in program.guards)
    for variable in program.inputs:
        variable.line = text
        variable.name = text or "x"
    program = dataclasses.replace(program, name=text, guards=guards)
    written = source(program)
    only_what_is_ours(written)
    name = ast.parse(written).body[-1].name
    got = function_in(written, name)(np.ones(2), xp=compat)
    assert got[text].tolist() == [2.0, 2.0]


def test_what_cannot_be_a_literal_is_refused():
    program = trace(lambda x: xp.astype(x, xp.float32))(spec(2))
    (instruction,) = program.instructions
    dtype = type(instruction.statics["dtype"])
    hostile = dataclasses.replace(
        instruction, statics={**instruction.statics, "dtype": dtype("a) or os.x(")}
    )
    with pytest.raises(TypeError, match="no literal"):
        source(dataclasses.replace(program, instructions=(hostile,)))
    with pytest.raises(TypeError, match="no literal"):
        source(dataclasses.replace(program, outputs=(object(),)))


@pytest.mark.parametrize("name", ["xp", "a b", "class", "f(): pass\n#", "é", ""])
def test_names_of_functions_are_checked(name):
    program = trace(lambda x: x * 2.0)(spec(2))
    if name:
        with pytest.raises(ValueError, match="identifier"):
            source(program, name=name)
    else:
        assert "def program(x, *, xp):" in source(program, name=name)


def test_inputs_may_have_the_names_that_the_source_uses():
    names = sorted(RESERVED - {"_"})[:8]
    program = trace(lambda *arrays: sum(arrays) * np.ones(2))(
        *(placeholder(name, 2) for name in names)
    )
    function = only_what_is_ours(source(program, name="f"))
    assert [a.arg for a in function.args.args] == [f"{name}_" for name in names]
    arrays = [np.full(2, float(k)) for k in range(len(names))]
    (got,) = evaluated(module(program, name="f"), "f", *arrays)
    assert got.tolist() == [28.0, 28.0]


@pytest.mark.parametrize("name", ["\ufb01", "__debug__", "a b", "\u00b5", "1"])
def test_names_that_python_changes_or_refuses_are_refused(name):
    with pytest.raises(ValueError, match="placeholder: the name must be an identifier"):
        ag.placeholder(name, 3)


@pytest.mark.parametrize("target", ["xp", "numpy"])
def test_names_in_other_alphabets_are_kept(target):
    program = trace(lambda a, b: a - b)(ag.placeholder("λ", 2), ag.placeholder("ä", 2))
    function = function_in(source(program, target, name="f"), "f")
    keywords = {"xp": np} if target == "xp" else {}
    got = function(λ=np.ones(2), ä=np.zeros(2), **keywords)
    assert got.tolist() == program(λ=np.ones(2), ä=np.zeros(2)).tolist() == [1.0, 1.0]


def test_arguments_of_any_keyword_get_names_that_may_stand_in_source():
    named = {"__debug__": spec(2)}
    program = trace(lambda **given: given["__debug__"] * 2)(**named)
    assert program.inputs[0].name == "x___debug__"


def test_results_do_not_take_the_name_of_an_input():
    program = trace(lambda x: xp.exp(x) + xp.exp(x))(placeholder("v1", 2))
    for each in program.instructions:
        each.results[0].name = "v1"
    (got,) = evaluated(module(program, name="f"), "f", np.zeros(2))
    assert got.tolist() == [2.0, 2.0]


# ------------------------------------------------------------------ targets


def test_other_targets_are_written_by_their_backends():
    weights = np.random.default_rng(0).standard_normal((3, 4))
    program = trace(lambda x: xp.sum(xp.tanh(x @ weights), axis=0))(spec((5, 3)))
    with pytest.raises(ValueError, match="no source of its own"):
        source(program, "abstract")
    with pytest.raises(ValueError, match=r"source: the target .*; got 'fortran'\. Use"):
        source(program, "fortran")
    made = module(program, "numpy", name="g")
    assert "autograd_" not in made.text
    x = np.random.default_rng(1).standard_normal((5, 3))
    got = function_in(made.text, "g")(x, *made.constants.values())
    assert got.tobytes() == program(x).tobytes()


def test_what_has_no_formula_says_so(monkeypatch):
    from autograd_core.backend import implementations

    def hosted(xp, *arguments, **keywords):
        return xp.on_host(None)

    program = trace(lambda x: xp.einsum("ij,jk->ik", x, x))(spec((2, 2)))
    monkeypatch.setitem(implementations, "einsum", hosted)
    with pytest.raises(NotImplementedError, match=r"einsum: .*target='numpy'"):
        source(program)


def test_special_functions_without_a_formula_are_asked_for():
    pytest.importorskip("scipy")
    text = source(trace(xp.special.gammaln)(spec(2)), name="f")
    assert "def f(x, *, xp, special):" in text
    assert "return special.gammaln(x)" in text


def test_it_is_written_again_the_same():
    program = trace(ag.value_and_grad(mlp))(
        spec((3, 4)), spec((4, 1)), spec((8, 3)), spec((8, 1))
    )
    assert source(program) == source(program)
