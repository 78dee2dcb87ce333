"""The workloads, each declared in a file of its own."""

from bench.declare import Workload
from bench.workloads.chains import CHAINS
from bench.workloads.classification import CLASSIFICATION, SMALL_MODELS
from bench.workloads.elementwise import ELEMENTWISE
from bench.workloads.hessians import HESSIANS
from bench.workloads.imports import IMPORTS
from bench.workloads.linear_algebra import LINEAR_ALGEBRA
from bench.workloads.quantile import QUANTILE
from bench.workloads.recurrences import RECURRENCES
from bench.workloads.tiny import TINY

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        QUANTILE,
        TINY,
        ELEMENTWISE,
        CLASSIFICATION,
        HESSIANS,
        RECURRENCES,
        IMPORTS,
        CHAINS,
        SMALL_MODELS,
        LINEAR_ALGEBRA,
    )
}
