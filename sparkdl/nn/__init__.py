"""What is computed: modules, layers, losses, graphs and plans. Names are PyTorch's where PyTorch has the thing."""

from sparkdl._lazy import attach

# One line per file: the public names it defines. They load on first use.
__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "init": [],
        "module": ["Module", "Layer"],
        "parameter": ["Parameter"],
        "sequential": ["Sequential", "ModuleList"],
        "node": ["Input", "Node"],
        "graph": ["Graph"],
        "plan": ["Plan"],
        "serialize": ["load"],
        "gradcheck": ["gradcheck"],
        "rng": ["manual_seed"],
        # layers
        "layers.linear": ["Linear"],
        "layers.conv": ["Conv2d"],
        "layers.max_pool": ["MaxPool2d"],
        "layers.avg_pool": ["AvgPool2d"],
        "layers.relu": ["ReLU"],
        "layers.tanh": ["Tanh"],
        "layers.sigmoid": ["Sigmoid"],
        "layers.softmax": ["Softmax", "LogSoftmax"],
        "layers.flatten": ["Flatten"],
        "layers.reshape": ["Reshape"],
        "layers.identity": ["Identity"],
        "layers.dropout": ["Dropout"],
        "layers.batchnorm": ["BatchNorm1d", "BatchNorm2d"],
        "layers.arithmetic": ["Add", "Sub", "Mul", "Div", "AddConstant", "MulConstant", "Power"],
        "layers.matmul": ["MatMul"],
        "layers.concat": ["Concat"],
        # losses
        "losses.loss": ["Loss"],
        "losses.nll": ["NLLLoss"],
        "losses.cross_entropy": ["CrossEntropyLoss"],
        "losses.mse": ["MSELoss"],
        "losses.bce": ["BCEWithLogitsLoss"],
    },
)
