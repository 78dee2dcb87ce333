"""The documentation: generated parts are fresh, commands run, its claims hold."""

import importlib
import importlib.util
import re
import shlex
import warnings
from contextlib import redirect_stdout
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from core_support import ROOT

import autograd_core as ag
from autograd_core.testing import command
from autograd_core.testing.properties import PROPERTIES

PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")


def load_generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


# ------------------------------------------------------------------ generated parts


def test_generated_parts_are_fresh(capsys):
    stale = generate.main(["--check"])
    assert not stale, capsys.readouterr().out


def test_every_property_is_listed():
    for row in PROPERTIES:
        assert f"| {row.name} |" in PAGE


def page_with(name, text, above=""):
    return f"{above}<!-- generated: {name} -->\n\n{text}\n\n<!-- end -->\nbelow"


@pytest.mark.parametrize("name", ["properties", "kinks"])
def test_what_is_stale_is_found_and_rewritten(name):
    fresh = generate.SOURCES[name]("")
    assert not list(generate.rewritten(page_with(name, fresh)))
    for stale in ("", fresh + "\n| x | y |", fresh[:-30]):
        ((old, new),) = generate.rewritten(page_with(name, stale))
        assert page_with(name, stale).replace(old, new) == page_with(name, fresh)


PRINTS = "```python\nx = 3\n```\n\n```python continuation\nprint(x / 7)\n```\n\n"


def test_output_is_what_the_code_above_prints():
    right = f"```text\n{3 / 7}\n```"
    assert not list(generate.rewritten(page_with("output", right, PRINTS)))
    rounding = right.replace(str(3 / 7), "0.4285714286")
    assert not list(generate.rewritten(page_with("output", rounding, PRINTS)))
    wrong = right.replace("0.428", "0.429")
    ((_, new),) = generate.rewritten(page_with("output", wrong, PRINTS))
    assert right in new


def test_a_part_that_nothing_generates_raises():
    with pytest.raises(ValueError, match="nothing generates 'kings'; known are"):
        list(generate.rewritten(page_with("kings", "")))


def test_measurements_are_inserted_and_then_left_alone():
    page = page_with("mutation", "old") + page_with("checkers", "other")
    page = generate.inserted(page, "mutation", "| new |\n")
    assert page == page_with("mutation", "| new |") + page_with("checkers", "other")
    assert not list(generate.rewritten(page))


def test_the_command_checks_rewrites_and_inserts(tmp_path, monkeypatch, capsys):
    path = tmp_path / "page.md"
    path.write_text(page_with("kinks", "old") + page_with("mutation", "old"))
    monkeypatch.setattr(generate, "PAGES", (path,))
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    before = path.read_text()
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: page.md\n"
    assert path.read_text() == before
    assert generate.main([]) == 0
    assert capsys.readouterr().out == "rewritten: page.md\n"
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr("sys.stdin", StringIO("| measured |\n"))
    assert generate.main(["--insert", "mutation"]) == 0
    assert "\n\n| measured |\n\n<!-- end -->" in path.read_text()
    assert generate.main(["--check"]) == 0


# ------------------------------------------------------------------ operators

DOCS = ROOT / "docs"
INDEX = DOCS / "operators/index.md"
PAGES_OF_OPERATORS = sorted(set(INDEX.parent.glob("*.md")) - {INDEX})


def test_operators_are_what_is_public_and_no_library_or_array():
    rest = set(ag.__all__) - set(generate.operators())
    assert {"grad", "vmap", "custom_vjp", "scan", "map"} <= set(generate.operators())
    assert rest == {
        *("Backend", "Constant", "Tensor", "ops", "pytree", "testing", "use_backend"),
        *("GuardError", "Program"),
        *("backends", "get_backend", "register_backend", "set_backend"),
    }


@pytest.mark.parametrize("name", generate.operators())
def test_every_operator_has_a_page_and_a_row_in_both_tables(name):
    page = generate.pages_of_operators()[name]
    row = f"| [`{name}`]({page.name}) |"
    tables = INDEX.read_text(encoding="utf-8").split("<!-- generated: ")[1:]
    assert [row in table for table in tables] == [True, True]


def test_an_operator_without_a_page_or_a_row_raises(monkeypatch):
    monkeypatch.setattr(ag, "__all__", [*ag.__all__, "invented"])
    monkeypatch.setattr(ag, "invented", ag.testing.check_grads, raising=False)
    for name in ("operators", "elsewhere"):
        with pytest.raises(ValueError, match="pages without one: invented"):
            generate.SOURCES[name]("")


@pytest.mark.parametrize("page", PAGES_OF_OPERATORS, ids=lambda page: page.stem)
def test_pages_of_operators_are_short_and_say_the_same_things(page):
    text = page.read_text(encoding="utf-8")
    assert 20 <= len(text.splitlines()) <= 75
    for part in ("```python\n", "**Cost.** ", "**Beside.** ", "**Pitfall.** "):
        assert part in text


def names_of(library, text):
    return set(re.findall(rf"`({library}\.[A-Za-z_.]+)", text))


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_the_names_of_other_libraries_exist(library):
    pytest.importorskip(library)
    names = names_of(library, INDEX.read_text(encoding="utf-8"))
    assert len(names) > 20
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found(name) is not None, name


def found(name):
    """Return what a dotted name stands for, modules imported on the way."""
    first, *rest = name.split(".")
    value, path = importlib.import_module(first), first
    for part in rest:
        path += f".{part}"
        if not hasattr(value, part):
            importlib.import_module(path)
        value = getattr(value, part)
    return value


def printed_and_said(text):
    """Yield what each block of a page prints, and what the comments say it does."""
    scope = {}
    for block in generate.BLOCK.finditer(text):
        if "notest" in block["info"]:
            continue
        if "continuation" not in block["info"]:
            scope = {"__name__": "fence"}
        said, after = [], False
        for line in block["code"].splitlines():
            if line.lstrip().startswith("print("):
                said.append(line.partition("  # ")[2])
                after = True
            elif after := after and line.startswith("# "):
                said.append(line.removeprefix("# "))
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(block["code"], "<docs>", "exec"), scope)
        yield " ".join(printed.getvalue().split()), " ".join(" ".join(said).split())


SHOWN = [*PAGES_OF_OPERATORS, DOCS / "cookbook.md", DOCS / "quickstart.md"]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.stem)
def test_comments_say_what_is_printed(page):
    for printed, said in printed_and_said(page.read_text(encoding="utf-8")):
        assert printed == said


def test_a_comment_that_says_something_else_is_found():
    page = "```python\nprint(1)\n# 1\nx = 2\n# no\nprint(x)  # 3\n```\n"
    assert list(printed_and_said(page)) == [("1 2", "1 3")]


PICTURES = sorted((DOCS / "pictures").glob("*.svg"))


def test_pictures_are_small_titled_and_shown():
    texts = [page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")]
    assert PICTURES
    for picture in PICTURES:
        root = ElementTree.parse(picture).getroot()
        (title,) = root.iter("{http://www.w3.org/2000/svg}title")
        assert any(f"![{title.text}](../pictures/{picture.name})" in x for x in texts)
        assert picture.stat().st_size < 4096


FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<path>[^)#:\s]*)(?:#(?P<part>[^)\s]*))?\)", re.ASCII)


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.finditer(re.sub(r"`[^`]*`", "", text)):
        target = page.parent / link["path"] if link["path"] else page
        assert target.exists(), link[0]
        if link["part"]:
            assert link["part"] in anchors(target), link[0]


def anchors(page):
    """Return the anchors of a page's titles, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return [title.replace(" ", "-") for title in kept]


# ------------------------------------------------------------------ what it shows

COMMANDS = re.findall(r"^    python -m autograd_core (.+)$", PAGE, re.MULTILINE)
MODEL = """
import autograd_core as ag


def loss(w, x, y):
    return ag.ops.mean((ag.ops.tanh(x @ w) - y) ** 2)
"""


def test_commands_are_as_shown(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) == 5
    for line in COMMANDS:
        shorter = line.replace("--backend all --samples 10", "--samples 2")
        words = shlex.split(shorter)
        options = command.parser().parse_args(words)
        if options.command == "check":
            assert command.main(words) == 0
            assert "loss: the derivative is right" in capsys.readouterr().out


def test_the_test_file_is_as_shown(pytester):
    pytest.importorskip("array_api_strict")
    section = PAGE.partition("## In pytest: on every library")[2]
    code = section.partition("```python notest\n")[2].partition("```")[0]
    assert "def test_softplus(xp):" in code
    pytester.makeconftest("pytest_plugins = ['autograd_core.testing.plugin']")
    pytester.makepyfile(code)
    pytester.makeini("[pytest]\nautograd_backend = numpy,array-api-strict")
    result = pytester.runpytest_inprocess("--strict-markers", "-W", "error")
    result.assert_outcomes(passed=4)


# ------------------------------------------------------------------ what it claims


def faulty_sine(torch, fault):
    """Return PyTorch's sine, whose gradient goes through a fault."""

    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        def backward(context, y_bar):
            (x,) = context.saved_tensors
            return fault(y_bar * torch.cos(x))

    return Sine.apply


def test_gradcheck_accepts_a_factor_and_a_zeroed_element():
    torch = pytest.importorskip("torch")
    x = torch.linspace(-2, 2, 1000, dtype=torch.float64, requires_grad=True)
    few = x[::100].detach().requires_grad_()
    gradcheck = torch.autograd.gradcheck
    assert gradcheck(faulty_sine(torch, lambda g: g * 1.0009), (few,))
    mask = torch.ones(1000, dtype=torch.float64)
    mask[500] = 0
    assert gradcheck(faulty_sine(torch, lambda g: g * mask), (x,), fast_mode=True)


def test_jax_accepts_zero():
    jax = pytest.importorskip("jax")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jax.test_util import check_grads

    @jax.custom_jvp
    def sine(x):
        return jax.numpy.sin(x)

    sine.defjvp(lambda primals, tangents: (sine(*primals), 0 * tangents[0]))
    x = jax.numpy.asarray(np.linspace(-2, 2, 1000), dtype="float32")
    check_grads(sine, (x,), order=1, modes=["fwd"])
