"""Ready-made nets: short builders over ``nn``.

Each returns a module of the library's own layers and containers, so that ``nn.load`` brings it back without help.
Classifiers end in scores (logits): train them with ``nn.CrossEntropyLoss()``. Images are (batch, channels, height,
width).
"""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "nets.alexnet": ["alexnet"],
        "nets.autoencoder": ["autoencoder", "pretrain"],
        "nets.char_lm": ["char_lm"],
        "nets.cifar10_quick": ["cifar10_quick"],
        "nets.googlenet": ["googlenet"],
        "nets.inception_v3": ["inception_v3"],
        "nets.lenet": ["lenet"],
        "nets.lstm_classifier": ["lstm_classifier"],
        "nets.mlp": ["higgs_mlp", "mlp", "mnist_mlp", "molecular_mlp", "softmax_regression", "speech_mlp"],
        "nets.mobilenet": ["mobilenet_v1", "mobilenet_v2"],
        "nets.ncf": ["ncf"],
        "nets.resnet": ["resnet", "resnet_cifar"],
        "nets.squeezenet": ["squeezenet"],
        "nets.text_cnn": ["text_cnn"],
        "nets.transformer": ["transformer_classifier", "transformer_lm"],
        "nets.vgg": ["vgg", "vgg_cifar"],
        "nets.wide_deep": ["wide_deep"],
    },
)
