"""Stages for Spark ML pipelines, and inference where Spark users expect it: in columns, SQL, streams and services."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "estimator": ["NNEstimator", "NNModel"],
        "classifier": ["NNClassifier", "NNClassifierModel"],
        "regressor": ["NNRegressor", "NNRegressorModel"],
        "predictor": ["Predictor"],
        "registry": ["register"],
        "summary": ["TrainingSummary"],
        "udf": ["predict_udf", "register_udf"],
        "blocks": ["aggregate", "map_blocks", "map_rows", "reduce_blocks"],
        "ensemble": ["NNEnsemble"],
        "streaming": ["StreamTrainer"],
        "images": ["image_type", "read_images"],
    },
)
