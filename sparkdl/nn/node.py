"""Nodes: the values of a graph while it is being written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sparkdl.errors import TraceError

if TYPE_CHECKING:
    from sparkdl.nn.module import Layer


class Call:
    """One use of a layer: the layer, the nodes it reads and the nodes it makes."""

    __slots__ = ("layer", "inputs", "outputs", "name")

    def __init__(self, layer: Layer, inputs: tuple[Node, ...], name: str = "") -> None:
        self.layer, self.inputs, self.name = layer, inputs, name
        self.outputs = tuple(Node(call=self, slot=i) for i in range(layer.outputs))

    def __repr__(self) -> str:
        return self.name or type(self.layer).__name__


class Node:
    """One value of a graph. Operators and methods on it make further nodes; its numbers are not known yet."""

    symbolic = True
    __array_ufunc__ = None  # so that ``array + node`` asks the node

    def __init__(
        self, call: Call | None = None, slot: int = 0, name: str = "", example: np.ndarray | None = None
    ) -> None:
        self.call, self.slot, self.name, self._example = call, slot, name, example

    # -- what is known of the value ----------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, with -1 for the batch; found by running the graph so far on zeros."""
        return (-1, *self.example().shape[1:])

    @property
    def ndim(self) -> int:
        return self.example().ndim

    def example(self) -> np.ndarray:
        """The value for a batch of one sample of zeros."""
        if self._example is None:
            if self.call is None:
                raise TraceError(f"the shape of input {self.name!r} is unknown; give it: nn.Input(shape=(3, 32, 32)).")
            from sparkdl.nn.program import run_once

            outputs = run_once(self.call.layer, tuple(node.example() for node in self.call.inputs))
            for node, value in zip(self.call.outputs, outputs, strict=True):
                node._example = value
        return self._example  # type: ignore[return-value]

    # -- operators -------------------------------------------------------------------------------------------------
    def __add__(self, other: Any) -> Node:
        return _binary("Add", "AddConstant", self, other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Node:
        return _binary("Mul", "MulConstant", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Node:
        if isinstance(other, Node):
            return _binary("Sub", "", self, other)
        return self + (-np.asarray(other) if isinstance(other, np.ndarray) else -other)

    def __rsub__(self, other: Any) -> Node:
        return -self + other

    def __truediv__(self, other: Any) -> Node:
        if isinstance(other, Node):
            return _binary("Div", "", self, other)
        return self * (1 / other)

    def __rtruediv__(self, other: Any) -> Node:
        return _layer("Power", exponent=-1.0)(self) * other

    def __neg__(self) -> Node:
        return self * -1.0

    def __pow__(self, exponent: float) -> Node:
        return _layer("Power", exponent=float(exponent))(self)

    def __matmul__(self, other: Node) -> Node:
        return _layer("MatMul")(self, other)

    def reshape(self, *shape: Any) -> Node:
        """``x.reshape(-1, a, b)``: the first figure stands for the batch and must be -1."""
        sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if not sizes or sizes[0] != -1:
            raise TraceError(f"reshape{sizes}: axis 0 is the batch; write -1 there, as in x.reshape(-1, 864).")
        return _layer("Reshape", shape=tuple(sizes[1:]))(self)

    view = reshape

    def flatten(self, start_dim: int = 1, end_dim: int = -1) -> Node:
        return _layer("Flatten", start_dim=start_dim, end_dim=end_dim)(self)

    # -- what cannot be done before the numbers are known ------------------------------------------------------------
    def _refuse(self, what: str) -> NoReturn:
        raise TraceError(
            f"forward is recorded once, before any numbers are known, so it cannot {what} the value {self!r}. "
            "Use layers for what depends on data (nn.Where, nn.Cond, nn.While, nn.Scan), or write a Layer with "
            "forward(x, ctx)."
        )

    def __bool__(self) -> bool:
        self._refuse("branch on")

    def __len__(self) -> int:
        self._refuse("take the length of")

    def __iter__(self) -> Any:
        self._refuse("iterate over")

    def __float__(self) -> float:
        self._refuse("turn into a number")

    def __int__(self) -> int:
        self._refuse("turn into a number")

    def __index__(self) -> int:
        self._refuse("index with")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("apply NumPy to")

    def __lt__(self, other: Any) -> bool:
        self._refuse("compare")

    __gt__ = __le__ = __ge__ = __lt__

    def __repr__(self) -> str:
        if self.call is None:
            return f"<input {self.name or '?'}>"
        return f"<output {self.slot} of {self.call!r}>" if len(self.call.outputs) > 1 else f"<output of {self.call!r}>"


def _layer(name: str, **kwargs: Any) -> Any:
    import sparkdl.nn

    return getattr(sparkdl.nn, name)(**kwargs)


def _binary(both: str, constant: str, a: Node, b: Any) -> Node:
    if isinstance(b, Node):
        return _layer(both)(a, b)
    return _layer(constant, constant=b)(a)


def apply(layer: Layer, inputs: tuple[Node, ...]) -> Any:
    """Writes down one use of ``layer``; its output node, or a tuple of them."""
    for x in inputs:
        if not isinstance(x, Node):
            raise TraceError(
                f"{layer!r} was called with nodes and with {type(x).__name__} at once; "
                "make the array a parameter, a buffer or an input."
            )
    outputs = Call(layer, inputs).outputs
    return outputs[0] if len(outputs) == 1 else outputs


def Input(shape: tuple[int, ...] | None = None, name: str = "", dtype: Any = np.float32) -> Node:
    """An input of a graph; ``shape`` without the batch axis is needed only where layers ask for shapes."""
    return Node(name=name, example=None if shape is None else np.zeros((1, *shape), dtype))
