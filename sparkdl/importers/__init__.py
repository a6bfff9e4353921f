"""Models from files of Caffe, Keras and PyTorch, and back."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "caffe.export": ["save_caffe"],
        "caffe.load": ["load_caffe"],
        "caffe.mean": ["load_caffe_mean"],
        "caffe.solver": ["load_caffe_solver"],
        "caffe.table": ["register_caffe"],
        "keras.export": ["save_keras"],
        "keras.load": ["load_keras"],
        "keras.table": ["register_keras"],
        "torch.load": ["load_torch"],
        "onnx.export": ["save_onnx"],
        "limits": ["limits"],
    },
)
