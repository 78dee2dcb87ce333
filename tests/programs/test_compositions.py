"""Random nestings of the differential operators, compiled: the bits of the eager ones.

pytest tests/programs/test_compositions.py --hypothesis-profile thorough
"""

from random import Random

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from programs_support import assert_same_bits
from support.compositions import Ours, composition

import autograd_core as ag


@settings(suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_compositions_compiled_have_the_same_bits(random: Random):
    drawn = composition(random)
    note(repr(drawn))
    dialect = Ours()
    f = drawn.program(dialect, dialect.xp)
    argument = ag.pytree.map(np.asarray, drawn.argument)
    compiled = ag.compile(f)
    assert_same_bits(compiled(argument), f(argument))
    other = ag.pytree.map(lambda x: np.asarray(x * 0.9), argument)
    assert_same_bits(compiled(other), f(other))
