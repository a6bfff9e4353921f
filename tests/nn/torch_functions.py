"""PyTorch's functions for rows of the table whose layers are no modules of PyTorch, and what stands in for the others.

Every layer is compared with PyTorch, forward and backward; what PyTorch lacks with real Keras (test_real_keras.py), and
what both lack, or define otherwise, with the naive float64 reference of its row and with finite differences.
"""

import torch
from torch.nn import functional as F

METHODS = ("linear", "lower", "higher", "nearest", "midpoint")
OF_TWO = ("arctan2", "hypot", "fmod", "logaddexp", "logaddexp2")
OF_ONE = """
sin cos tan sinh cosh arcsin arccos arctan arcsinh arccosh arctanh exp2 sinc expm1 log1p sign floor ceil round trunc
isfinite isinf isnan signbit
""".split()
FUNCTIONS = {
    **{f"Function, {name}": getattr(torch, name) for name in OF_ONE},
    **{f"FunctionOfTwo, {name}": getattr(torch, name) for name in OF_TWO},
    "FunctionOfTwo, power": torch.pow,
    "AddConstant": lambda x: x + 2.5,
    "MulConstant": lambda x: x * 2.5,
    "Squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
    "CumSum": lambda x: torch.cumsum(x, 2),
    "CumProd": lambda x: torch.cumprod(x, 1),
    "ReduceProd": lambda x: x.prod(3).prod(1),
    "EinsumOf": lambda x, y, z: torch.einsum("abc,adc,ae->abd", x, y, z),
    "Sort": lambda x: torch.sort(x, 1).values,
    "ArgSort": lambda x: torch.argsort(x, 2),
    "TopK": lambda x: torch.topk(x, 2),
    "Inverse": torch.linalg.inv,
    "Determinant": torch.linalg.det,
    "Determinant, log": lambda x: torch.linalg.slogdet(x).logabsdet,
    "Solve": torch.linalg.solve,
    **{
        f"Quantile, {method}": lambda x, method=method: torch.quantile(
            x.transpose(1, 2).flatten(2), 0.3, 2, interpolation=method
        )
        for method in METHODS
    },
    "Take": lambda x: x[:, :, [2, 0, 0, 3]],
    "TakeAlong": lambda x, places: torch.take_along_dim(x, places % 4, 1),
    "Index": lambda x, places: torch.gather(x, 1, places[:, :, None].expand(-1, -1, 2)),
    "Select": lambda x: x.select(2, -1),
    "Replicate": lambda x: torch.stack([x] * 3, 2),
    "Average": lambda a, b, c: (a + b + c) / 3,
    "Pad": lambda x: F.pad(x, (2, -1, 0, 1), value=0.5),
    "Crop1d": lambda x: F.pad(x, (-1, -1)),
    "Crop2d": lambda x: F.pad(x, (-1, -2, -1, 0)),
    "Crop3d": lambda x: F.pad(x, (-1, -1, 0, 0, -1, 0)),
    "MaxUnpool2d": lambda x, places: (
        x.new_zeros(2, 3, 20).scatter_add(2, places.flatten(2), x.flatten(2)).reshape(2, 3, 4, 5)
    ),
    "Bins": lambda x: torch.bucketize(x, torch.tensor([-0.5, 0.5]), right=True),
    "Branches": lambda x: (torch.tanh(x), x),
    "Parallel": lambda a, b: (torch.tanh(a), b),
    "ConcatBranches": lambda x: torch.cat([torch.tanh(x), x], 1),
}
KERAS = set(
    """
    ActivityRegularization AxisNorm Bidirectional ConvLSTM1d ConvLSTM2d ConvLSTM3d L1Penalty MaskSteps MaskedMean
    Masking SameMeanCorrection SamePad SeparableConv1d SlopeBelowZero SparsePlus Sparsemax TimeDistributed
    """.split()
)
NAIVE = {
    "random in training; see test_special.py": """
        AlphaDropout Dropout1d Dropout2d Dropout3d GaussianDropout GaussianNoise GaussianSampler
    """,
    "of detectors": """
        Anchor BoxHead CaffeDetectionOutput CaffePriorBox CaffePsRoiPool CaffeRoiAlign CaffeRoiPool
        DetectionOutputFrcnn FPN MaskHead Nms Pooler Proposal
        PyramidProposal RegionProposal RoiAlign RoiPool
    """,
    "from papers and from older libraries": """
        BinaryThreshold BinaryTreeLSTM CaffeBatchReindex CaffeFilter CaffeTimeSteps
        ContrastiveNorm ConvMap2d Cosine CropLike CrossProduct DivisiveNorm Euclidean
        FeedForward Highway LSTMPeephole LocallyConnected1d LocallyConnected2d Maxout MeanVarianceNorm Mixture
        NegativeEntropyPenalty NormalizeScale Recompute RecurrentDecoder Reorg Resample SReLU ScaleShift Scan
        SinusoidalEncoding LearnedEncoding SubtractiveNorm WithinChannelLRN
    """,
    "of what else a net is made of": """
        Cond While Graph Map Residual Echo SelectInput NarrowInputs MaskedSelect MaskScores
        NotEqualMask StepMask CountCategories CrossedHashes Hashes Lookup TopKIndices
    """,
    "sparse": "DenseToSparse SparseConcat SparseLinear",
    "PyTorch defines another gradient": "Cholesky GradientReversal",
}
