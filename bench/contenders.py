"""The contenders: how each library computes the derivatives of a program.

A program is a function ``program(np, *arrays)`` of a namespace like NumPy's, and is the
same for all. A contender whose library is not installed is missing; one whose library
has no such function, or does not compute such a derivative, says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy

import autograd_core as ag

Array: TypeAlias = Any
Arrays: TypeAlias = tuple[Array, ...]
Program: TypeAlias = Callable[..., Array]
Gradient: TypeAlias = Callable[..., tuple[Array, Arrays]]
Run: TypeAlias = Callable[[], Any]

BY_HAND, WITH_OUT = "NumPy by hand", "NumPy by hand, out="
OURS = "autograd-core"


class Unavailable(Exception):  # noqa: N818 (nothing went wrong)
    """What a contender cannot do, and why."""


class Contender:
    """A way of computing derivatives.

    The methods take NumPy arrays, and return functions of nothing, or of the library's
    own arrays, that are ready to be timed: arrays have been moved.
    """

    packages: tuple[str, ...] = ("numpy",)
    compiles = False
    """Whether the first call does what later calls need not."""

    broadcasts = True
    """Whether it differentiates operations on arrays of different shapes."""

    def __init__(self, name: str) -> None:
        self.name = name
        for package in self.packages:
            importlib.import_module(package)

    def moved(self, array: Any) -> Array:
        """Return an array of the library."""
        return array

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        """Return a function of the library's arrays, and those arrays.

        The function gives the value, and the gradients in the trained arrays.
        """
        raise Unavailable("no gradients")

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        """Return what computes the Hessian in `x`."""
        raise Unavailable("no Hessians")

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        """Return what computes the product of the Hessian in `x` with `v`."""
        raise Unavailable("no Hessian-vector products")

    @property
    def scan(self) -> Callable[..., Any]:
        """The library's loop: ``scan(step, init, xs, length)``, as JAX's."""
        raise Unavailable("no loop of its own")

    def updated(self, parameters: Arrays, gradients: Arrays, rate: float) -> Arrays:
        """Return the parameters after a step of gradient descent."""
        return tuple(p - rate * g for p, g in zip(parameters, gradients, strict=True))

    def ready(self, result: Any) -> Any:
        """Wait until a result has been computed, and return it."""
        return result


# ------------------------------------------------------------------ this library


class Ours(Contender):
    """autograd-core, eagerly."""

    def compiled(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is called in place of a function."""
        return f

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        both = ag.value_and_grad(lambda *a: program(ag.ops, *a), trained)
        return self.compiled(both), tuple(map(self.moved, arrays))

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        x, *data = map(self.moved, (x, *data))  # type: ignore[assignment]
        hessian = self.compiled(ag.hessian(lambda x, *d: program(ag.ops, x, *d)))
        return lambda: self.ready(hessian(x, *data))

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        x, v, *data = map(self.moved, (x, v, *data))  # type: ignore[assignment]

        def product(x: Any, v: Any, *data: Any) -> Any:
            return ag.hvp(lambda x: program(ag.ops, x, *data), (x,), (v,))

        run = self.compiled(product)
        return lambda: self.ready(run(x, v, *data))

    @property
    def scan(self) -> Callable[..., Any]:
        return ag.scan


class OursCompiled(Ours):
    """autograd-core, compiled."""

    compiles = True

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name)
        self.options = options

    def compiled(self, f: Callable[..., Any]) -> Callable[..., Any]:
        fast: Callable[..., Any] = ag.compile(f, **self.options)
        return fast


class OursOnTorch(Ours):
    """autograd-core on PyTorch's arrays."""

    packages = ("torch",)

    def moved(self, array: Any) -> Array:
        return importlib.import_module("torch").asarray(array)


class OursOnTorchCompiled(OursOnTorch, OursCompiled):
    """autograd-core on PyTorch's arrays, compiled."""


class OursOnJaxCompiled(OursCompiled):
    """autograd-core on JAX's arrays, compiled."""

    packages = ("jax",)

    def moved(self, array: Any) -> Array:
        return jax_in_double().numpy.asarray(array)

    def ready(self, result: Any) -> Any:
        return importlib.import_module("jax").block_until_ready(result)


# ------------------------------------------------------------------ peers on NumPy


class Hips(Contender):
    """HIPS autograd."""

    packages = ("autograd", "autograd.numpy")

    def of(self, program: Program) -> Program:
        np = importlib.import_module("autograd.numpy")
        return lambda *arrays: program(np, *arrays)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        autograd = importlib.import_module("autograd")
        return autograd.value_and_grad(self.of(program), trained), arrays

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        hessian = importlib.import_module("autograd").hessian(self.of(program))
        return lambda: hessian(x, *data)

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        autograd = importlib.import_module("autograd")
        product = autograd.hessian_vector_product(self.of(program))
        return lambda: product(x, *data, v)


class Advect(Contender):
    """Advect, eagerly."""

    packages = ("advect", "advect.numpy")

    def of(self, program: Program, *examples: Any) -> Any:
        np = importlib.import_module("advect.numpy")
        return lambda *arrays: program(np, *arrays)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        advect = importlib.import_module("advect")
        return advect.value_and_grad(self.of(program, *arrays), trained), arrays

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        advect = importlib.import_module("advect")
        hessian = advect.hessian(self.of(program, x, *data))
        return lambda: hessian(x, *data)

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        advect = importlib.import_module("advect")
        product = advect.hvp(self.of(program, x, *data))
        return lambda: product(x, *data, vectors=v)[1]


class AdvectStaged(Advect):
    """Advect, with the program recorded beforehand."""

    compiles = True

    def of(self, program: Program, *examples: Any) -> Any:
        advect = importlib.import_module("advect")
        return advect.stage(super().of(program), *examples)


class MyGrad(Contender):
    """MyGrad."""

    packages = ("mygrad",)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        np = importlib.import_module("mygrad")

        def both(*arrays: Any) -> tuple[Array, Arrays]:
            tensors = [
                np.tensor(a, constant=k not in trained, copy=False)
                for k, a in enumerate(arrays)
            ]
            y = program(np, *tensors)
            y.backward()
            return y.data, tuple(tensors[k].grad for k in trained)

        return both, arrays


class MicrogradNamespace:
    """The functions of NumPy that brief-ds micrograd has as methods."""

    __name__ = "micrograd"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in ("exp", "log", "log1p", "tanh", "sum"):
            raise Unavailable(f"no {name}")
        return lambda x, **keywords: getattr(x, name)(**keywords)

    def maximum(self, x1: Any, x2: Any) -> Any:
        return x1 + (x2 - x1).relu()

    def matmul(self, x1: Any, x2: Any) -> Any:
        return x1 @ x2


class Micrograd(Contender):
    """The micrograd of brief-ds: the graph is built once, and run again.

    It computes the gradients of the data, too; one cannot ask for less.
    """

    packages = ("micrograd", "numpy")
    compiles = True
    broadcasts = False

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        micrograd = importlib.import_module("micrograd")
        engine = importlib.import_module("micrograd.engine")
        if not hasattr(engine, "DTYPE"):
            raise Unavailable("of scalars only (karpathy's)")
        dtype = str(arrays[0].dtype)
        names = [f"x{k}" for k in range(len(arrays))]
        engine.__dict__["DTYPE"] = dtype
        values = [
            micrograd.Value(shape=a.shape, name=name)
            for a, name in zip(arrays, names, strict=True)
        ]
        y = program(MicrogradNamespace(), *values)

        def both(*arrays: Any) -> tuple[Array, Arrays]:
            engine.__dict__["DTYPE"] = dtype
            y.forward(**dict(zip(names, arrays, strict=True)))
            y.backward()
            return y.data, tuple(values[k].grad for k in trained)

        return both, arrays


# ------------------------------------------------------------------ PyTorch


class Torch(Contender):
    """PyTorch, eagerly."""

    packages: tuple[str, ...] = ("torch",)

    def of(self, program: Program) -> Program:
        torch = importlib.import_module("torch")
        return lambda *arrays: program(torch, *arrays)

    def moved(self, array: Any) -> Array:
        return importlib.import_module("torch").asarray(array)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        torch, f = importlib.import_module("torch"), self.of(program)
        tensors = [self.moved(a) for a in arrays]
        for k in trained:
            tensors[k].requires_grad_()

        def both(*tensors: Any) -> tuple[Array, Arrays]:
            y = f(*tensors)
            grads = torch.autograd.grad(y, [tensors[k] for k in trained])
            return y.detach(), grads

        return both, tuple(tensors)

    def updated(self, parameters: Arrays, gradients: Arrays, rate: float) -> Arrays:
        with importlib.import_module("torch").no_grad():
            new = super().updated(parameters, gradients, rate)
        return tuple(p.requires_grad_() for p in new)


class TorchCompiled(Torch):
    """PyTorch, through its compiler."""

    compiles = True

    def of(self, program: Program) -> Program:
        torch = importlib.import_module("torch")
        compiled: Program = torch.compile(super().of(program), dynamic=False)
        return compiled


class TorchFunc(Torch):
    """PyTorch's transforms of functions."""

    packages = ("torch", "torch.func")

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        func = importlib.import_module("torch.func")
        f = self.of(program)

        def both(*tensors: Any) -> tuple[Array, Arrays]:
            grads, y = func.grad_and_value(f, trained)(*tensors)
            return y, grads

        return both, tuple(map(self.moved, arrays))

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        func = importlib.import_module("torch.func")
        x, *data = map(self.moved, (x, *data))  # type: ignore[assignment]
        hessian = func.hessian(self.of(program))
        return lambda: hessian(x, *data)

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        func = importlib.import_module("torch.func")
        x, v, *data = map(self.moved, (x, v, *data))  # type: ignore[assignment]
        gradient = func.grad(self.of(program))
        return lambda: func.jvp(lambda x: gradient(x, *data), (x,), (v,))[1]


# ------------------------------------------------------------------ JAX


def jax_in_double() -> Any:
    """Return JAX, told not to make float32 of float64."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


class JaxJit(Contender):
    """JAX, compiled."""

    packages = ("jax", "jax.numpy")
    compiles = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.jax = jax_in_double()
        self.step = self.jax.jit(super().updated)

    def of(self, program: Program) -> Program:
        return lambda *arrays: program(self.jax.numpy, *arrays)

    def moved(self, array: Any) -> Array:
        return self.jax.numpy.asarray(array)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        both = self.jax.jit(self.jax.value_and_grad(self.of(program), trained))
        return both, tuple(map(self.moved, arrays))

    def hessian(self, program: Program, x: Any, data: Arrays) -> Run:
        x, *data = map(self.moved, (x, *data))  # type: ignore[assignment]
        hessian = self.jax.jit(self.jax.hessian(self.of(program)))
        return lambda: self.ready(hessian(x, *data))

    def product(self, program: Program, x: Any, v: Any, data: Arrays) -> Run:
        x, v, *data = map(self.moved, (x, v, *data))  # type: ignore[assignment]
        gradient = self.jax.grad(self.of(program))

        def product(x: Any, v: Any, *data: Any) -> Any:
            return self.jax.jvp(lambda x: gradient(x, *data), (x,), (v,))[1]

        run = self.jax.jit(product)
        return lambda: self.ready(run(x, v, *data))

    @property
    def scan(self) -> Callable[..., Any]:
        scan: Callable[..., Any] = self.jax.lax.scan
        return scan

    def updated(self, parameters: Arrays, gradients: Arrays, rate: float) -> Arrays:
        new: Arrays = self.step(parameters, gradients, rate)
        return new

    def ready(self, result: Any) -> Any:
        return self.jax.block_until_ready(result)


# ------------------------------------------------------------------ TensorFlow, MLX


class TensorFlow(Contender):
    """TensorFlow, with a graph of its own."""

    packages = ("tensorflow",)
    compiles = True
    xla = False

    def moved(self, array: Any) -> Array:
        return importlib.import_module("tensorflow").constant(array)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        tf = importlib.import_module("tensorflow")
        np = tf.experimental.numpy
        np.experimental_enable_numpy_behavior()

        @tf.function(jit_compile=self.xla)  # type: ignore[untyped-decorator]
        def both(*tensors: Any) -> tuple[Array, Arrays]:
            chosen = [tensors[k] for k in trained]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(chosen)
                y = program(np, *tensors)
            return y, tuple(tape.gradient(y, chosen))

        return both, tuple(map(self.moved, arrays))


class TensorFlowXla(TensorFlow):
    """TensorFlow, compiled by XLA."""

    xla = True


class Mlx(Contender):
    """Apple's MLX, compiled, on the processor."""

    packages = ("mlx.core",)
    compiles = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.np = importlib.import_module("mlx.core")
        self.np.set_default_device(self.np.cpu)

    def moved(self, array: Any) -> Array:
        return self.np.array(array)

    def gradient(
        self, program: Program, arrays: Arrays, trained: tuple[int, ...]
    ) -> tuple[Gradient, Arrays]:
        both = self.np.value_and_grad(lambda *a: program(self.np, *a), trained)
        return self.np.compile(both), tuple(map(self.moved, arrays))

    def ready(self, result: Any) -> Any:
        self.np.eval(result)
        return result


# ------------------------------------------------------------------ all of them


def compiled(
    kind: Callable[..., Contender], **options: Any
) -> Callable[[str], Contender]:
    """Return what makes a contender with options of `ag.compile`."""
    return lambda name: kind(name, **options)


CONTENDERS: dict[str, Callable[[str], Contender]] = {
    OURS: Ours,
    f"{OURS}, compiled": compiled(OursCompiled),
    f"{OURS}, compiled, stable": compiled(OursCompiled, level="stable"),
    f"{OURS}, compiled, fast": compiled(OursCompiled, level="fast"),
    f"{OURS}, compiled, 2 threads": compiled(OursCompiled, threads=2),
    f"{OURS} on PyTorch": OursOnTorch,
    f"{OURS} on PyTorch, compiled": OursOnTorchCompiled,
    f"{OURS} on JAX, compiled": OursOnJaxCompiled,
    "micrograd (brief-ds)": Micrograd,
    "HIPS autograd": Hips,
    "advect": Advect,
    "advect, staged": AdvectStaged,
    "MyGrad": MyGrad,
    "PyTorch eager": Torch,
    "PyTorch compiled": TorchCompiled,
    "torch.func": TorchFunc,
    "JAX jit": JaxJit,
    "TensorFlow": TensorFlow,
    "TensorFlow XLA": TensorFlowXla,
    "MLX": Mlx,
}
"""What makes a contender, by its name."""


def contender(name: str) -> Contender:
    """Return a contender; its library has been imported."""
    return CONTENDERS[name](name)


def host(result: Any) -> list[Any]:
    """Return the arrays of a result, in order, as NumPy's."""
    if isinstance(result, Sequence) and not hasattr(result, "__array__"):
        return [array for part in result for array in host(part)]
    return [numpy.asarray(result.detach() if hasattr(result, "detach") else result)]
