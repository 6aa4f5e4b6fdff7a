"""Turns PyTensor's graph of a model into JavaScript.

Every array has the shape that it has for this model, so that what moves elements about (indexing, reshaping,
broadcasting, joining) becomes a table of places, made by letting PyTensor move the numbers of the places
themselves. What remains is arithmetic on elements and sums.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pytensor
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.compile.rewriting import inline_ofg_node
from pytensor.graph.basic import Constant
from pytensor.graph.rewriting.basic import EquilibriumGraphRewriter, node_rewriter
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import basic as scalar
from pytensor.scalar import math as special
from pytensor.tensor import basic, subtensor
from pytensor.tensor.blas import BatchedDot
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.linalg import Cholesky, SolveTriangular
from pytensor.tensor.math import Dot, MulWithoutZeros
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.special import LogSoftmax, Softmax

from page_nuts.loops import Loop, merge

# Moved places are all that these do.
MOVES = (
    DimShuffle,
    Reshape,
    SpecifyShape,
    subtensor.Subtensor,
    subtensor.AdvancedSubtensor,
    basic.Join,
    basic.Split,
    basic.Alloc,
    basic.MakeVector,
    basic.ScalarFromTensor,
    basic.TensorFromScalar,
    basic.ExtractDiag,
    basic.AllocDiag,
)
MATRICES = (Dot, BatchedDot, Cholesky, SolveTriangular)
PUTS = (subtensor.IncSubtensor, subtensor.AdvancedIncSubtensor)
# How each operation on numbers is written; {0} and so on are its inputs.
ELEMENTS = {
    scalar.Sub: "{0} - {1}",
    scalar.TrueDiv: "{0} / {1}",
    scalar.IntDiv: "floorDivide({0}, {1})",
    scalar.Neg: "-{0}",
    scalar.Pow: "power({0}, {1})",
    scalar.Exp: "Math.exp({0})",
    scalar.Expm1: "Math.expm1({0})",
    scalar.Log: "Math.log({0})",
    scalar.Log1p: "Math.log1p({0})",
    scalar.Sqr: "{0} * {0}",
    scalar.Sqrt: "Math.sqrt({0})",
    scalar.Abs: "Math.abs({0})",
    scalar.Sign: "Math.sign({0})",
    scalar.Sin: "Math.sin({0})",
    scalar.Cos: "Math.cos({0})",
    scalar.Tan: "Math.tan({0})",
    scalar.ArcTan: "Math.atan({0})",
    scalar.Sinh: "Math.sinh({0})",
    scalar.Cosh: "Math.cosh({0})",
    scalar.Tanh: "Math.tanh({0})",
    scalar.Floor: "Math.floor({0})",
    scalar.Reciprocal: "1 / {0}",
    scalar.Switch: "({0} !== 0 ? {1} : {2})",  # what is no number is true
    scalar.Second: "{1}",
    scalar.Identity: "{0}",
    scalar.LT: "+({0} < {1})",
    scalar.GT: "+({0} > {1})",
    scalar.LE: "+({0} <= {1})",
    scalar.GE: "+({0} >= {1})",
    scalar.EQ: "+({0} === {1})",
    scalar.NEQ: "+({0} !== {1})",
    scalar.Invert: "+!{0}",  # of truths only, as AND and OR
    scalar.IsNan: "+Number.isNaN({0})",
    scalar.IsInf: "+(Math.abs({0}) === Infinity)",
    scalar.Clip: "({0} < {1} ? {1} : {0} > {2} ? {2} : {0})",
    special.Sigmoid: "sigmoid({0})",
    special.Softplus: "softplus({0})",
    special.Log1mexp: "log1mexp({0})",
    special.GammaLn: "lgamma({0})",
    special.Psi: "digamma({0})",
}
# Those of any number of inputs.
CHAINS = {scalar.Add: " + ", scalar.Mul: " * ", scalar.AND: " && ", scalar.OR: " || "}
# What is done bit by bit to whole numbers.
BITS = (scalar.AND, scalar.OR, scalar.Invert)
# How a number becomes one of another kind.
CASTS = {"b": "+({0} !== 0)", "i": "Math.trunc({0})", "u": "Math.trunc({0})", "f": "{0}"}
EXTREMES = {scalar.Maximum: "Math.max", scalar.Minimum: "Math.min"}
# How sums and their like begin, and take in one more element.
REDUCTIONS = {
    scalar.Add: ("0", "{0} + {1}"),
    scalar.Mul: ("1", "{0} * {1}"),
    MulWithoutZeros: ("1", "{1} === 0 ? {0} : {0} * {1}"),
    scalar.Maximum: ("-Infinity", "Math.max({0}, {1})"),
    scalar.Minimum: ("Infinity", "Math.min({0}, {1})"),
    scalar.AND: ("1", "+({0} && {1})"),
    scalar.OR: ("0", "+({0} || {1})"),
}


# Arrays of whole numbers begin anew where they end, and short ones are rounded, as PyTensor's.
ARRAYS = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32")
# What to do in the place of an operation.
INSTEAD = {
    "IfElse": "write pm.math.switch, which works out both branches",
    "Scan": "write the loop as operations on whole arrays, such as pt.cumsum",
}
ELSEWHERE = 'write the model without it, or use pm.sample(nuts_sampler="pymc"), which takes longer'
RANDOM = (
    "a draw of {0} within the model: make it a variable of the model, or draw it afterwards by "
    "pm.sample_posterior_predictive (minibatches are for pm.fit)"
)


class Unsupported(NotImplementedError):
    """A model has an operation that cannot be written in JavaScript."""


@dataclass(frozen=True)
class Written:
    """A graph as a function of JavaScript.

    Attributes
    ----------
    source : str
        An expression: a function of ``shared``, an object of arrays by name, which returns a function
        ``(x, out)``, both ``Float64Array``, that writes all outputs into ``out``, one after another, and
        returns nothing, or what an assertion of the graph says that fails.
    values : list of numpy.ndarray
        The outputs at the point, by PyTensor's own code.
    places : list of pytensor.compile.sharedvalue.SharedVariable
        Those of the shared variables that say where elements are, whose values are written into the source.
    """

    source: str
    values: list
    places: list


def translate(
    inputs: list, outputs: list, point: list[np.ndarray], shared: list, *, check_bounds: bool
) -> Written:
    """Write a function of JavaScript that computes what a graph does.

    Parameters
    ----------
    inputs : list of pytensor.tensor.TensorVariable
        One vector that varies.
    outputs : list of pytensor.tensor.TensorVariable
        What is computed from it and from shared variables.
    point : list of numpy.ndarray
        Any value of the inputs; it has the shapes.
    shared : list of pytensor.compile.sharedvalue.SharedVariable
        The shared variables, which the source calls ``s0``, ``s1`` and so on; new ones are appended.
    check_bounds : bool
        Whether parameters out of their ranges give a log density of minus infinity, as of a ``pymc.Model``.

    Returns
    -------
    Written

    Raises
    ------
    Unsupported
        If the graph has an operation that is not known; the message names it.
    """
    # PyMC's own: a check that fails makes its own term minus infinity, not those beside it.
    checks = "local_check_parameter_to_ninf_switch" if check_bounds else "local_remove_check_parameter"
    rewrites = pytensor.compile.mode.OPT_FAST_RUN.including(checks).excluding("inplace", "fusion", "BlasOpt")
    mode = Mode("py", rewrites).register((EquilibriumGraphRewriter([_open], max_use_ratio=100), 0))
    compiled = pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
    return _Writer(compiled, point, shared).written()


@node_rewriter([OpFromGraph])
def _open(fgraph, node):  # noqa: ARG001 (PyTensor passes it)
    """Put in the place of an operation that is a graph itself what it is made of."""
    return inline_ofg_node(node)


class _Writer:
    """Writes one graph."""

    def __init__(self, compiled, point, shared):
        self.graph, self.originals = compiled.maker.fgraph, compiled.get_shared()
        shared += [variable for variable in self.originals if variable not in shared]
        self.shared = shared
        self.loops, self.head, self.names, self.fixed = [], {}, {}, {}
        self.values = self.evaluate(point)
        self.places = self.data_that_place()
        self.fixed |= {variable: self.values[variable] for variable in self.places}

    def evaluate(self, point):
        """Return every variable's value at a point, of which the shapes are used."""
        values = {}
        for node in self.graph.toposort():
            if isinstance(node.op, RandomVariable):
                raise Unsupported(RANDOM.format(node.op.name or type(node.op).__name__))
        given = [*point, *(variable.get_value() for variable in self.originals)]
        for variable, value in zip(self.graph.inputs, given, strict=True):
            values[variable] = np.asarray(value)
        for node in self.graph.toposort():
            taken = [values[v] if v in values else np.asarray(v.data) for v in node.inputs]
            for variable, value in zip(node.outputs, _tried(node, taken), strict=True):
                values[variable] = np.asarray(value)
                if values[variable].dtype.kind not in "biuf":
                    raise Unsupported(_refusal(node.op, f" with a result of {values[variable].dtype}"))
            for variable in node.inputs:
                if isinstance(variable, Constant):
                    values[variable] = np.asarray(variable.data)
        for variable in self.graph.outputs:
            if isinstance(variable, Constant):
                values[variable] = np.asarray(variable.data)
        return values

    def data_that_place(self):
        """Return the shared variables on whose values it depends which elements are moved."""
        others, found = set(self.graph.inputs[1:]), {}
        waiting = [v for node in self.graph.toposort() for v in _places(node)]
        seen = set()
        while waiting:
            variable = waiting.pop()
            if variable in seen:
                continue
            seen.add(variable)
            if variable in others:
                found[variable] = True
            elif variable.owner and not isinstance(variable.owner.op, (Shape, Shape_i)):
                waiting += variable.owner.inputs
        return list(found)

    def written(self):
        """Return the source with the values of the outputs, and what places."""
        first, *others = self.graph.inputs
        self.names[first] = "x"
        originals = dict(zip(others, self.originals, strict=True))
        for variable, original in originals.items():
            self.names[variable] = f"shared.s{self.shared.index(original)}"
        for node in self.graph.toposort():
            self.write(node)
        place, last = 0, []
        for variable in self.graph.outputs:
            name, size = self.name(variable), self.values[variable].size
            last.append(f"out[{place}] = {name}[0];" if size == 1 else f"out.set({name}, {place});")
            place += size
        lines, gone = merge(self.loops, last)
        head = "\n  ".join(
            f"const {name} = {value};" for name, value in self.head.items() if name not in gone
        )
        body = "\n    ".join(lines)
        source = f"(shared) => {{\n  {head}\n  return (x, out) => {{\n    {body}\n  }};\n}}"
        values = [self.values[variable] for variable in self.graph.outputs]
        return Written(source, values, [originals[variable] for variable in self.places])

    def name(self, variable):
        """Return the name of a variable's array."""
        if variable not in self.names:
            fixed = self.fixed.get(variable)
            value = self.values[variable] if fixed is None else fixed
            numbers = ", ".join(map(_number, np.asarray(value, dtype=float).ravel()))
            self.names[variable] = self.declare(f"new Float64Array([{numbers}])")
        return self.names[variable]

    def declare(self, value):
        name = f"v{len(self.head)}"
        self.head[name] = value
        return name

    def is_fixed(self, variable):
        """Tell whether a variable is the same wherever the graph is evaluated."""
        return isinstance(variable, Constant) or variable in self.fixed

    def write(self, node):
        """Write the lines of one operation."""
        op = node.op
        core = _core(op)
        fixed = isinstance(op, (Shape, Shape_i)) or all(map(self.is_fixed, node.inputs))
        if fixed and not isinstance(op, CheckAndRaise):
            for variable in node.outputs:
                self.fixed[variable] = self.values[variable]
        elif isinstance(op, CheckAndRaise):
            said = self.declare(json.dumps(str(op.msg) or "an assertion of the model fails"))
            for condition in node.inputs[1:]:
                self.alone("", f"if (!{self.name(condition)}[0]) return {said};")
            self.names[node.outputs[0]] = self.name(node.inputs[0])
        elif isinstance(op, (DeepCopyOp, ViewOp)):
            self.names[node.outputs[0]] = self.name(node.inputs[0])
        elif isinstance(op, Elemwise):
            self.elements(node)
        elif isinstance(op, CAReduce):
            self.reduction(node)
        elif isinstance(op, CumOp):
            self.running(node)
        elif isinstance(op, (Softmax, LogSoftmax)):
            self.softmax(node)
        elif isinstance(core, MOVES):
            self.move(node)
        elif isinstance(op, PUTS):
            self.put(node)
        elif isinstance(core, MATRICES):
            self.matrices(node)
        else:
            raise Unsupported(_refusal(op))

    def new(self, variable):
        size = self.values[variable].size
        kind = variable.type.dtype if variable.type.dtype in ARRAYS else "float64"
        self.names[variable] = self.declare(f"new {kind.title()}Array({size})")
        return self.names[variable], size

    def at(self, variable, shape):
        """Return how an element of an array is written that is broadcast to a shape."""
        value = self.values[variable]
        if self.is_fixed(variable) and value.size == 1:
            return _number(float(value.reshape(())))
        name = self.name(variable)
        if value.size == 1:
            return f"{name}[0]"
        places = np.broadcast_to(np.arange(value.size).reshape(value.shape), shape).ravel()
        return f"{name}[{self.place(places)}]"

    def place(self, places):
        """Return how the place is written that belongs to place i."""
        if places.size == 1:
            return str(places[0])
        first = places[0] if places.size else 0
        if np.array_equal(places, np.arange(first, first + places.size)):
            return f"i + {first}" if first else "i"
        return f"{self.declare(f'new Int32Array([{", ".join(map(str, places))}])')}[i]"

    def elements(self, node):
        shape = self.values[node.outputs[0]].shape
        taken = [f"({self.at(variable, shape)})" for variable in node.inputs]
        new = [self.new(variable) for variable in node.outputs]
        for (name, size), value in zip(new, _elements(node.op.scalar_op, node, taken), strict=True):
            self.assign(name, size, value)

    def assign(self, name, size, value):
        """Write what each element of an array is."""
        whole = not self.rounds(name)
        self.loops.append(Loop(size, name, value if whole else f"{name}[i] = {value};", whole))

    def rounds(self, name):
        """Tell whether an array makes others of the numbers that it is given."""
        return not self.head[name].startswith("new Float64Array")

    def alone(self, name, *lines):
        """Write lines that make an array and stand together."""
        self.loops.append(Loop(None, name, " ".join(lines)))

    def reduction(self, node):
        kind = type(node.op.scalar_op)
        if kind not in REDUCTIONS or (kind in BITS and not _are_truths(node.inputs)):
            raise Unsupported(_refusal(node.op))
        begin, more = REDUCTIONS[kind]
        value = self.values[node.inputs[0]]
        taken = self.at(node.inputs[0], value.shape)
        name, _ = self.new(node.outputs[0])
        to = self.group(value.shape, node.op.axis)
        line = f"{name}[{to}] = {more.format(f'{name}[{to}]', taken)};"
        if self.rounds(name):
            self.alone(name, f"{name}.fill({begin});", _loop(value.size, line))
        else:
            self.loops.append(Loop(value.size, name, line, begin=begin))

    def group(self, shape, axes):
        """Return how the place is written to which place i belongs when axes are taken together."""
        axes = tuple(range(len(shape))) if axes is None else np.atleast_1d(axes)
        kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
        count = np.prod(kept, dtype=int)
        places = np.broadcast_to(np.arange(count).reshape(kept), shape).ravel()
        return "0" if count == 1 else self.place(places)

    def running(self, node):
        """Write sums, or products, of all elements up to each along an axis."""
        value = self.values[node.inputs[0]]
        before = np.roll(np.arange(value.size).reshape(value.shape), 1, node.op.axis)
        first = np.zeros(value.shape, bool)
        np.moveaxis(first, node.op.axis, 0)[:1] = True
        taken = self.at(node.inputs[0], value.shape)
        name, size = self.new(node.outputs[0])
        then = np.flatnonzero(~first)
        last = f"{name}[{self.place(before.ravel()[then])}]"
        sign = "+=" if node.op.mode == "add" else "*="
        to = self.place(then)
        begin = _loop(size, f"{name}[i] = {taken};")
        self.alone(name, begin, _loop(then.size, f"{name}[{to}] {sign} {last};"))

    def matrices(self, node):
        """Write an operation on matrices, or on each of several."""
        op = _core(node.op)
        shapes = [self.values[v].shape for v in (*node.inputs, *node.outputs)]
        ranks = [1, 1, 0] if isinstance(op, Dot) and len(shapes[0]) == 1 else [2] * len(shapes)
        if isinstance(op, SolveTriangular) and op.b_ndim == 1:
            ranks = [2, 1, 1]
        cores = [shape[len(shape) - rank :] for shape, rank in zip(shapes, ranks, strict=True)]
        batch = shapes[-1][: len(shapes[-1]) - ranks[-1]]
        names = [self.name(variable) for variable in node.inputs] + [self.new(node.outputs[0])[0]]
        # Where the matrices of each of the batch begin, in all three arrays.
        starts = [
            np.broadcast_to(
                np.arange(0, np.prod(shape, dtype=int), np.prod(core, dtype=int)).reshape(
                    shape[: len(shape) - len(core)]
                ),
                batch,
            ).ravel()
            for shape, core in zip(shapes, cores, strict=True)
        ]
        calls = []
        for begin in zip(*starts, strict=True):
            places = [f"{name}.subarray({start})" for name, start in zip(names, begin, strict=True)]
            calls.append(_call(op, ", ".join(places), cores))
        self.alone(names[-1], *calls)

    def softmax(self, node):
        shape = self.values[node.inputs[0]].shape
        taken = self.at(node.inputs[0], shape)
        name, size = self.new(node.outputs[0])
        to = self.group(shape, node.op.axis)
        most, total = (f"{self.declare(f'new Float64Array({size})')}" for _ in range(2))
        share = f"Math.exp({taken} - {most}[{to}]) / {total}[{to}]"
        logarithm = f"{taken} - {most}[{to}] - Math.log({total}[{to}])"
        self.alone(
            name,
            f"{most}.fill(-Infinity); {total}.fill(0);",
            _loop(size, f"{most}[{to}] = Math.max({most}[{to}], {taken});"),
            _loop(size, f"{total}[{to}] += Math.exp({taken} - {most}[{to}]);"),
            _loop(size, f"{name}[i] = {share if isinstance(node.op, Softmax) else logarithm};"),
        )

    def move(self, node):
        """Let the operation move the places of its inputs' elements, and write where each comes from."""
        data = self.data_of(node)
        # Counted from 1: what an operation leaves at 0 remains so.
        offsets = np.cumsum([1, *(self.values[v].size for v in data)])
        numbered = {
            v: np.arange(start, start + self.values[v].size, dtype=float).reshape(self.values[v].shape)
            for v, start in zip(data, offsets, strict=False)
        }
        taken = [(numbered[v] if v in numbered else self.values[v]).copy() for v in node.inputs]
        for variable, places in zip(node.outputs, _moved(node, taken), strict=True):
            name, size = self.new(variable)
            places = np.asarray(places, dtype=float).ravel().astype(int)
            which = np.searchsorted(offsets, places, side="right") - 1
            for number, source in enumerate(data):
                to = np.flatnonzero(which == number)
                if to.size == 0:
                    continue
                taken = f"{self.name(source)}[{self.place(places[to] - offsets[number])}]"
                if to.size == size:
                    self.assign(name, size, taken)
                else:
                    self.loops.append(Loop(to.size, name, f"{name}[{self.place(to)}] = {taken};"))

    def data_of(self, node):
        """Return the inputs whose elements are moved; the others say where to."""
        self.check_places(node)
        return list(dict.fromkeys(v for v in node.inputs if v not in set(_places(node))))

    def check_places(self, node):
        if not all(map(self.is_fixed, _places(node))):
            raise Unsupported(_refusal(node.op, " at places that depend on the parameters"))

    def put(self, node):
        """Write a copy of an array with something put or added at some places."""
        op, (target, addition, *places) = node.op, node.inputs
        self.check_places(node)
        value = self.values[target]
        numbered = np.arange(value.size).reshape(value.shape)
        kind = subtensor.Subtensor if isinstance(op, subtensor.IncSubtensor) else subtensor.AdvancedSubtensor
        reader = kind(op.idx_list).make_node(target, *places)
        (chosen,) = _performed(reader, [numbered, *(self.values[v] for v in places)])
        chosen = np.asarray(chosen)
        if getattr(op, "ignore_duplicates", False) and np.unique(chosen).size < chosen.size:
            raise Unsupported(_refusal(op, " where it ignores duplicates"))
        taken = self.at(addition, chosen.shape)
        old = self.name(target)
        name, _ = self.new(node.outputs[0])
        sign = "=" if op.set_instead_of_inc else "+="
        then = _loop(chosen.size, f"{name}[{self.place(chosen.ravel())}] {sign} {taken};")
        self.alone(name, f"{name}.set({old});", then)


def _loop(size, line):
    return line.replace("[i]", "[0]") if size == 1 else f"for (let i = 0; i < {size}; i++) {line}"


def _performed(node, values):
    results = [[None] for _ in node.outputs]
    node.op.perform(node, values, results)
    return [value for (value,) in results]


def _moved(node, places):
    """Return the places of the elements; what joins truths would make truths of them."""
    if isinstance(node.op, basic.MakeVector):
        return [places]
    return (
        [np.concatenate(places, node.op.axis)]
        if isinstance(node.op, basic.Join)
        else _performed(node, places)
    )


def _tried(node, values):
    """Return the results of an operation; of an assertion, what it lets pass."""
    if isinstance(node.op, CheckAndRaise):
        return values[:1]
    if isinstance(node.op, Elemwise) and type(node.op.scalar_op) in CHAINS:  # NumPy takes 32 operands at most
        of_two = getattr(np, node.op.scalar_op.nfunc_spec[0])
        return [reduce(of_two, values).astype(node.outputs[0].type.dtype)]
    try:
        node.op.prepare_node(node, None, None, "py")
        return _performed(node, [value.copy() for value in values])
    except Exception as error:  # none of the known operations raises any
        raise Unsupported(_refusal(node.op, f" ({type(error).__name__}: {error})")) from error


def _places(node):
    """Return the inputs of an operation that say where elements are."""
    if isinstance(node.op, PUTS):
        return node.inputs[2:]
    joins = isinstance(node.op, (basic.Join, basic.MakeVector))
    return [] if joins or not isinstance(_core(node.op), MOVES) else node.inputs[1:]


def _are_truths(variables):
    return all(variable.type.dtype == "bool" for variable in variables)


def _elements(op, node, taken):
    """Return how the results of an operation on numbers are written."""
    kind, to = type(op), np.dtype(node.outputs[0].type.dtype).kind
    if kind in BITS and not _are_truths(node.inputs):
        raise Unsupported(_refusal(op, " bit by bit"))
    if kind is scalar.Cast and to in CASTS:
        return [CASTS[to].format(*taken)]
    if kind in ELEMENTS:
        return [ELEMENTS[kind].format(*taken)]
    if kind in CHAINS:
        joined = CHAINS[kind].join(taken)
        return [f"+!!({joined})" if to == "b" else joined]  # sums of truths too
    if kind in EXTREMES:
        return [f"{EXTREMES[kind]}({', '.join(taken)})"]
    if kind is scalar.Composite:
        written = dict(zip(op.fgraph.inputs, taken, strict=True))
        known = lambda variable: written.get(variable) or f"({_number(variable.data)})"  # noqa: E731
        for inner in op.fgraph.toposort():
            results = _elements(inner.op, inner, [known(variable) for variable in inner.inputs])
            written.update(zip(inner.outputs, (f"({result})" for result in results), strict=True))
        return [known(variable) for variable in op.fgraph.outputs]
    raise Unsupported(_refusal(op))


def _call(op, places, cores):
    """Return how a function of special.js is called that works on matrices."""
    if isinstance(op, Cholesky):
        return f"cholesky({places}, {cores[0][0]}, {json.dumps(op.lower)});"
    if isinstance(op, SolveTriangular):
        columns = cores[1][1] if len(cores[1]) > 1 else 1
        kind = f"{json.dumps(op.lower)}, {json.dumps(op.unit_diagonal)}"
        return f"solveTriangular({places}, {cores[0][0]}, {columns}, {kind});"
    rows = cores[0][0] if len(cores[0]) > 1 else 1
    columns = cores[1][1] if len(cores[1]) > 1 else 1
    return f"product({places}, {rows}, {cores[0][-1]}, {columns});"


def _number(value):
    value = float(value)
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value)


def _core(op):
    """Return what an operation on each of a batch does to one of it."""
    return op.core_op if isinstance(op, Blockwise) else op


def _refusal(op, how=""):
    name = type(_core(op)).__name__
    return f"the operation {name} cannot run in a page{how}: {INSTEAD.get(name, ELSEWHERE)}"
