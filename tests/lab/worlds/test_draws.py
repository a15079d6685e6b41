"""Draws are NumPy's: the same streams and, for options, the same as `Generator.choice`."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.textures import GROUPS

seeds = st.lists(st.integers(0, 2**40), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_draws_are_those_of_the_default_generator(seed):
    ours, theirs = Draws.of(*seed), np.random.default_rng(seed)
    assert ours.random() == theirs.random()
    assert ours.integers(1000) == theirs.integers(1000)
    assert ours.normal(1.0, 2.0) == theirs.normal(1.0, 2.0)


@settings(max_examples=40, deadline=None)
@given(seeds, st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12))
def test_options_are_drawn_as_choice_does(seed, shares):
    ours, theirs = Draws.of(*seed), np.random.default_rng(seed)
    options = list(range(len(shares)))
    share = np.array(shares)
    for _ in range(20):
        assert ours.pick(options) == theirs.choice(options)
        drawn = ours.weighted(dict(enumerate(shares)))
        assert drawn == theirs.choice(options, p=share / share.sum())


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_materials_are_within_what_a_surface_can_be(seed):
    rng = Draws.of(*seed)
    looks = [rng.wooden(), rng.cloth(), rng.painted(), rng.metal(), rng.tinted((0.1, 0.9, 0.5))]
    assert all(0.0 < level <= 1.5 for look in looks for level in look.tint)
    assert looks[-1].texture == 0
    sign = rng.printed("text", "picture", scale=2.0, emission=0.3)
    assert sign.texture in {*GROUPS["text"], *GROUPS["picture"]}
    assert (sign.tint, sign.scale, sign.emission) == ((1.0, 1.0, 1.0), (2.0, 2.0), 0.3)
    assert sign.fitted(3.0, 4.0).scale == (3.0, 4.0)
