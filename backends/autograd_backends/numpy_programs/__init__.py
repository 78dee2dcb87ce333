"""Programs on NumPy: written as source with buffers and tiles, compiled, and run."""

from autograd_backends.numpy_programs.executor import Executor, executor

__all__ = ["Executor", "executor"]
