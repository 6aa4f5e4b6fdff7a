"""Loops put together compute what each computes alone, to the last bit."""

import numpy as np
import pytest

from page_nuts import engine
from page_nuts.loops import Loop, merge

SIZES = (1, 5, 8)


def random_loops(rng, count=40):
    """Make loops of each kind, each of which reads arrays made before; return sizes, loops and places."""
    sizes, loops, places, rounded = {"v0": 1, "v1": 5, "v2": 8}, [], {}, set()

    def read(size):
        name = rng.choice([*sizes])
        if sizes[name] == size and rng.random() < 0.7:
            return f"{name}[i]"
        if rng.random() < 0.5:
            return f"{name}[{rng.integers(sizes[name])}]"
        chosen = f"p{len(places)}"
        places[chosen] = rng.integers(sizes[name], size=size)
        return f"{name}[{chosen}[i]]"

    for number in range(3, 3 + count):
        name, size = f"v{number}", int(rng.choice(SIZES))
        value = f"({read(size)}) * 0.7 - ({read(size)}) / 3"
        kinds = ["whole", "rounded", "sum", "sums", "parts", "block"]
        kind = rng.choice(kinds, p=[0.4, 0.1, 0.2, 0.1, 0.1, 0.1])
        length = 1 if kind == "sum" else size
        if kind == "whole":
            made = [Loop(size, name, value, whole=True)]
        elif kind == "rounded":
            made = [Loop(size, name, f"{name}[i] = {value};")]
            rounded.add(name)
        elif kind == "sum":
            made = [Loop(size, name, f"{name}[0] = {name}[0] + {value};", begin="0.1")]
        elif kind == "sums":
            to = f"p{len(places)}"
            places[to] = rng.integers(size, size=size)
            made = [Loop(size, name, f"{name}[{to}[i]] = {name}[{to}[i]] + {value};", begin="0.1")]
        elif kind == "parts":
            made = [Loop(size - 1, name, f"{name}[i + 1] = {read(size - 1)};")] if size > 2 else []
            made.append(Loop(1, name, f"{name}[0] = {read(1)};"))
        else:
            made = [Loop(None, name, _alone(Loop(size, name, f"{name}[i] = {value};")) + f" {name}[0] += 1;")]
        loops += made
        sizes[name] = length
    return sizes, loops, places, rounded


def _alone(loop):
    """Write a loop by itself."""
    line = f"{loop.to}[i] = {loop.line};" if loop.whole else loop.line
    if loop.size is None:
        return line
    begin = f"{loop.to}.fill({loop.begin}); " if loop.begin else ""
    return f"{begin}for (let i = 0; i < {loop.size}; i++) {line}"


def _function(lines, sizes, places, rounded, gone=()):
    head = [f"const {name} = Int32Array.of({', '.join(map(str, value))});" for name, value in places.items()]
    kinds = {name: f"Float{32 if name in rounded else 64}Array" for name in sizes if name not in gone}
    head += [f"const {name} = new {kind}({sizes[name]});" for name, kind in kinds.items()]
    given = [
        f"for (let i = 0; i < {sizes[name]}; i++) {name}[i] = x[i] + {name[1:]};"
        for name in ("v0", "v1", "v2")
    ]
    body = "\n".join([*head, *given, *lines])
    return f"((x) => {{ const out = new Float64Array({sum(sizes.values())});\n{body}\nreturn out; }})"


def _last(names, sizes):
    ends = np.cumsum([0, *(sizes[name] for name in names)])
    return [f"out.set({name}, {end});" for name, end in zip(names, ends, strict=False)]


@pytest.mark.parametrize("kept", ["all", "last", "first numbers"])
def test_merged_loops_compute_what_each_computes_alone(kept):
    rng = np.random.default_rng(20140)
    pairs, fewer = [], 0
    for _ in range(100):
        sizes, loops, places, rounded = random_loops(rng)
        last = _last({"all": [*sizes], "last": [*sizes][-3:]}.get(kept, []), sizes)
        if kept == "first numbers":
            last = [f"out[{place}] = {name}[0];" for place, name in enumerate(sizes)]
        lines, gone = merge(loops, last)
        fewer += sum(loop.size in (5, 8) for loop in loops) - sum(line.startswith("for") for line in lines)
        pairs.append(_function([*map(_alone, loops), *last], sizes, places, rounded))
        pairs.append(_function(lines, sizes, places, rounded, gone))
    program = f"(({{ x }}) => Object.fromEntries([{','.join(pairs)}].map((f, i) => [i, f(x)])))"
    results = list(engine.run(program, {"x": rng.normal(size=8)}, {}).values())
    for plain, merged in zip(results[::2], results[1::2], strict=True):
        np.testing.assert_array_equal(plain, merged)
        assert np.ptp(plain) > 0
    assert fewer > 100, "some were put together"


def test_what_only_its_loop_needs_is_not_stored():
    half = Loop(4, "v0", "x[i] / 2", whole=True)
    square = Loop(4, "v4", "v0[i] * v0[i]", whole=True)
    total = Loop(4, "v1", "v1[0] = v1[0] + v4[i];", begin="0")
    number = Loop(1, "v2", "Math.exp(v1[0])", whole=True)
    scaled = Loop(4, "v3", "v0[i] / v2[0]", whole=True)
    lines, gone = merge([half, square, total, number, scaled], ["out.set(v3, 0);"])
    assert gone == {"v1", "v2", "v4"}, "v0 is read in a second loop, v3 at the end"
    assert lines == [
        "let v1 = 0;",
        "for (let i = 0; i < 4; i++) { const e0 = x[i] / 2; v0[i] = e0; const e4 = e0 * e0; v1 = v1 + e4; }",
        "const v2 = Math.exp(v1);",
        "for (let i = 0; i < 4; i++) { const e3 = v0[i] / v2; v3[i] = e3; }",
        "out.set(v3, 0);",
    ]
