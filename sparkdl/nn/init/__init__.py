"""First weights: functions ``init(shape, rng=None, *, ..., dtype=np.float32)`` that return an array of ``shape``.

``rng`` is a ``numpy.random.Generator``; None is the one that ``nn.manual_seed`` restarts. Shapes are PyTorch's: (out,
in, *kernel). To use one: ``layer.weight.value = nn.init.xavier_uniform(layer.weight.shape)``, or for a whole model
``nn.init.apply(model, {"*.weight": "xavier_uniform", "*.bias": "zeros"})``.
"""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "bilinear_kernel": ["bilinear"],
        "fixed": ["constant", "dirac", "eye", "ones", "zeros"],
        "orthogonal_matrix": ["orthogonal"],
        "plain": ["normal", "sparse", "trunc_normal", "uniform"],
        "scaled": [
            "calculate_gain",
            "kaiming_normal",
            "kaiming_uniform",
            "lecun_normal",
            "lecun_uniform",
            "variance_scaling",
            "xavier_normal",
            "xavier_uniform",
        ],
        "spec": ["apply", "get"],
    },
)
