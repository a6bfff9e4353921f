"""Functions of TensorFlow that tf.keras writes down as TFOpLambda, under the names of Keras 3's operations."""

_MATH = {
    "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "truediv": "Divide", "divide": "Divide", "maximum": "Maximum",
    "minimum": "Minimum", "pow": "Power", "abs": "Abs", "negative": "Negative", "exp": "Exp", "expm1": "Expm1", "log": "Log",
    "log1p": "Log1p", "sqrt": "Sqrt", "square": "Square", "rsqrt": "Rsqrt", "reciprocal": "Reciprocal", "sigmoid": "Sigmoid",
    "tanh": "Tanh", "softplus": "Softplus", "erf": "Erf", "sin": "Sin", "cos": "Cos", "tan": "Tan", "sinh": "Sinh", "cosh": "Cosh",
    "atan": "Arctan", "asinh": "Arcsinh", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round", "rint": "Round",
    "floormod": "Mod", "mod": "Mod", "floordiv": "FloorDivide", "floor_div": "FloorDivide", "add_n": "AddN",
    "squared_difference": "SquaredDifference", "l2_normalize": "Normalize", "reduce_mean": "Mean", "reduce_sum": "Sum",
    "reduce_max": "Max", "reduce_min": "Min", "reduce_variance": "Var", "reduce_std": "Std", "reduce_euclidean_norm": "Norm",
    "reduce_logsumexp": "Logsumexp", "argmax": "Argmax", "argmin": "Argmin", "greater": "Greater", "greater_equal": "GreaterEqual",
    "less": "Less", "less_equal": "LessEqual", "equal": "Equal", "not_equal": "NotEqual", "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr", "logical_not": "LogicalNot", "logical_xor": "LogicalXor", "atan2": "Arctan2", "acos": "Arccos",
    "asin": "Arcsin", "acosh": "Arccosh", "atanh": "Arctanh", "erfc": "Erfc", "is_nan": "Isnan", "is_inf": "Isinf",
    "is_finite": "Isfinite", "divide_no_nan": "DivideNoNan", "cumsum": "Cumsum", "cumprod": "Cumprod", "top_k": "TopK",
    "reduce_prod": "Prod", "reduce_any": "Any", "reduce_all": "All", "count_nonzero": "CountNonzero",
}  # fmt: skip
_NN = {
    "relu": "Relu", "relu6": "Relu6", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "log_softmax": "LogSoftmax",
    "silu": "Silu", "swish": "Silu", "gelu": "Gelu", "elu": "Elu", "selu": "Selu", "leaky_relu": "LeakyRelu",
    "softplus": "Softplus", "softsign": "Softsign", "l2_normalize": "Normalize", "bias_add": "Add", "local_response_normalization": "LocalResponseNorm", "lrn": "LocalResponseNorm", "depth_to_space": "DepthToSpace",
    "space_to_depth": "SpaceToDepth", "avg_pool2d": "AveragePool", "avg_pool": "AveragePool", "max_pool2d": "MaxPool",
    "max_pool": "MaxPool",
}  # fmt: skip
_TOP = {
    "reshape": "Reshape", "transpose": "Transpose", "concat": "Concatenate", "expand_dims": "ExpandDims", "squeeze": "Squeeze",
    "cast": "Cast", "identity": "Identity", "stack": "Stack", "unstack": "Unstack", "split": "Split", "gather": "Take",
    "pad": "Pad", "tile": "Tile", "repeat": "Repeat", "reverse": "Flip", "clip_by_value": "Clip", "stop_gradient": "StopGradient",
    "where": "Where", "one_hot": "OneHot", "norm": "Norm", "zeros_like": "ZerosLike", "ones_like": "OnesLike", "shape": "Shape",
    "sort": "Sort", "argsort": "Argsort", "roll": "Roll", "convert_to_tensor": "ConvertToTensor", "linalg.inv": "Inv",
    "linalg.det": "Det", "linalg.cholesky": "Cholesky", "linalg.solve": "Solve", "linalg.diag_part": "Diagonal", "linalg.trace": "Trace",
    "image.rgb_to_grayscale": "RGBToGrayscale", "linalg.matmul": "Matmul", "tensordot": "Tensordot", "linalg.tensordot": "Tensordot", "linalg.norm": "Norm", "image.resize": "Resize", "image.resize_bilinear": "Resize",
    "__operators__.add": "Add", "__operators__.getitem": "GetItem", "__operators__.ne": "NotEqual", "__operators__.eq": "Equal",
}  # fmt: skip
TF = {
    **_TOP, **{f"math.{name}": kind for name, kind in _MATH.items()}, **{f"nn.{name}": kind for name, kind in _NN.items()},
    "floor_div": "FloorDivide", "argmax": "Argmax", "argmin": "Argmin",
}  # fmt: skip
