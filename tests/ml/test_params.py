"""Params as Spark's own stages have them: defaults, keywords, converters, setters and getters, copies, explanations."""

import inspect

import pytest
from pyspark.ml.param import Param

from sparkdl import ml, nn, optim
from tests.ml.conftest import net

ESTIMATORS = [ml.NNEstimator, ml.NNClassifier, ml.NNRegressor]
MODELS = [ml.NNModel, ml.NNClassifierModel, ml.NNRegressorModel]
DEFAULTS = {
    "batchSize": 32, "maxEpochs": 10, "seed": 0, "optimizer": "adam", "featuresCol": "features", "labelCol": "label",
    "predictionCol": "prediction", "handleInvalid": "error", "predictBatchSize": 256, "trainLocally": "auto",
    "patience": 0, "numShards": 8,
}  # fmt: skip


@pytest.mark.parametrize("cls", ESTIMATORS + MODELS)
def test_every_param_has_a_doc_a_setter_a_getter_and_a_keyword(cls):
    stage = cls()
    keywords = inspect.signature(cls.__init__).parameters
    for param in stage.params:
        assert isinstance(param, Param) and param.parent == stage.uid and len(param.doc) > 10
        title = param.name[0].upper() + param.name[1:]
        assert callable(getattr(stage, f"set{title}")) and callable(getattr(stage, f"get{title}"))
        assert param.name in keywords
        assert param.name in stage.explainParams()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_defaults(cls):
    stage = cls()
    for name, value in DEFAULTS.items():
        assert stage.getOrDefault(name) == value and not stage.isSet(name)
    assert not stage.isDefined("thresholds") if stage.hasParam("thresholds") else True


def test_two_stages_share_no_params():
    a, b = ml.NNClassifier(maxEpochs=2), ml.NNClassifier()
    assert a.uid != b.uid and a.getMaxEpochs() == 2 and b.getMaxEpochs() == 10
    assert a.uid.startswith("NNClassifier_")


def test_unknown_keywords_are_refused():
    with pytest.raises(TypeError, match="no param 'epochs'.*maxEpochs"):
        ml.NNClassifier(epochs=3)
    with pytest.raises(TypeError):
        ml.NNClassifier(net())
    with pytest.raises(TypeError, match="no param"):
        ml.NNModel().setParams(loss="mse")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model", "net", "sparkdl.nn.Module"),
        ("loss", "closs_entropy", "no loss called.*CrossEntropyLoss"),
        ("loss", 3, "a loss of sparkdl.nn"),
        ("optimizer", "adem", "no optimizer called 'adem'.*Adam"),
        ("optimizer", "mse", "no optimizer"),
        ("metrics", ["Top1"], "no metric called"),
        ("batchSize", 0, ">= 1"),
        ("maxEpochs", "many", "Could not convert"),
        ("learningRate", -1.0, ">= 0"),
        ("handleInvalid", "ignore", "error, skip, keep"),
        ("trainLocally", "yes", "auto, always, never"),
        ("featuresShape", "28x28", "Could not convert"),
    ],
)
def test_values_are_converted_or_refused(name, value, words):
    with pytest.raises((TypeError, ValueError), match=words):
        ml.NNClassifier()._set(**{name: value})


def test_names_and_objects():
    stage = ml.NNClassifier(loss="CrossEntropyLoss", optimizer="AdamW", batchSize=16.0, metrics=["AUC", optim.Loss()])
    assert stage.getBatchSize() == 16 and stage.getLoss() == "CrossEntropyLoss"
    assert [type(metric) for metric in stage.getMetrics()] == [optim.AUC, optim.Loss]
    rule = optim.SGD(lr=0.5, momentum=0.9)
    assert ml.NNEstimator(loss=nn.MSELoss(), optimizer=rule).getOptimizer() is rule


def test_the_learning_rate_takes_the_place_of_the_rules_own():
    from sparkdl.ml.objects import rule_with_rate

    rule = rule_with_rate(optim.SGD(lr=0.5, momentum=0.9), 0.1)
    assert (rule.lr, rule.momentum) == (0.1, 0.9)
    assert rule_with_rate("adam", None).lr == optim.Adam().lr


def test_copy_with_extra():
    stage = ml.NNClassifier(model=net(), maxEpochs=3)
    copied = stage.copy({stage.maxEpochs: 7, stage.featuresCol: "x"})
    assert copied.uid == stage.uid
    assert (copied.getMaxEpochs(), copied.getFeaturesCol()) == (7, "x")
    assert (stage.getMaxEpochs(), stage.getFeaturesCol()) == (3, "features")
    copied.setBatchSize(5)
    assert stage.getBatchSize() == 32


def test_a_search_over_nets_scores_the_trained_one():
    estimator = ml.NNClassifier(model=net())
    fitted = estimator._make_model(net(seed=2))
    fitted._history = []
    extra = {estimator.model: net(seed=3), estimator.thresholds: [0.2, 0.3, 0.5]}
    copied = fitted.copy(extra)  # what CrossValidator's transform(rows, params) does
    assert copied.getModel() is fitted.getModel() and copied.getThresholds() == [0.2, 0.3, 0.5]
