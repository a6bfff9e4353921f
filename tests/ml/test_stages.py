"""Fitting and scoring: columns, evaluators, weights, early stopping, and the estimator's model left as it is."""

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import (
    BinaryClassificationEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from sparkdl import ml, nn, optim
from sparkdl.errors import DataError
from tests.ml.conftest import net, points


def classifier(**params):
    return ml.NNClassifier(model=net(), **{"maxEpochs": 8, "learningRate": 0.05, "batchSize": 16, **params})


def same_weights(a, b):
    a, b = a.getModel().state_dict(), b.getModel().state_dict()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_classes_known():
    assert ml.NNClassifierModel(model=net()).numClasses == 3
    assert ml.NNClassifierModel(model=net(1)).numClasses == 2


@pytest.fixture(scope="module")
def fitted(table):
    return classifier(trainLocally="always").fit(table)


def test_the_columns_and_their_types(table, fitted):
    scored = fitted.transform(table)
    assert scored.columns == [*table.columns, "rawPrediction", "probability", "prediction"]
    types = [scored.schema[name].dataType for name in ("rawPrediction", "probability", "prediction")]
    assert types == [VectorUDT(), VectorUDT(), DoubleType()]
    x, y = points()
    rows = scored.orderBy("id").collect()
    raw = np.stack([row.rawPrediction.toArray() for row in rows])
    np.testing.assert_array_equal(raw.astype(np.float32), fitted.getModel()(x))
    probability = np.stack([row.probability.toArray() for row in rows])
    np.testing.assert_allclose(probability, np.exp(raw) / np.exp(raw).sum(1, keepdims=True), rtol=1e-12)
    assert [row.prediction for row in rows] == raw.argmax(1).tolist()
    assert (raw.argmax(1) == y).mean() > 0.8


def test_evaluators_take_the_columns(table, fitted):
    scored = fitted.transform(table)
    assert MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored) > 0.8
    assert MulticlassClassificationEvaluator(metricName="logLoss").evaluate(scored) < 1
    two = classifier(maxEpochs=2).setModel(net(1)).setLoss("bce_with_logits")
    binary = table.withColumn("label", (F.col("label") > 0).cast("int"))
    assert 0 <= BinaryClassificationEvaluator().evaluate(two.fit(binary).transform(binary)) <= 1


def test_the_driver_and_the_executors_give_the_same_model(table, fitted):
    same_weights(classifier(trainLocally="never").fit(table), fitted)
    same_weights(classifier(trainLocally="never", numTasks=1).fit(table.repartition(5)), fitted)


def test_fitting_leaves_the_estimator_as_it_is(table):
    model = net()
    before = model.state_dict()
    estimator = classifier(trainLocally="always").setModel(model)
    first = estimator.fit(table)
    second = estimator.fit(table, {estimator.maxEpochs: 1})
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert first.summary.totalEpochs == 8 and second.summary.totalEpochs == 1
    assert first.uid == estimator.uid and first.getFeaturesCol() == "features"
    assert len(estimator.fit(table, [{estimator.maxEpochs: 1}, {estimator.maxEpochs: 2}])) == 2


def test_thresholds_and_unnamed_columns(table, fitted):
    rows = fitted.transform(table).select("probability").collect()
    expected = [float((row.probability.toArray() / [0.9, 0.05, 0.0001]).argmax()) for row in rows]
    unnamed = {fitted.rawPredictionCol: "", fitted.probabilityCol: ""}
    model = fitted.copy({fitted.thresholds: [0.9, 0.05, 0.0001], **unnamed})
    scored = model.transform(table)
    assert scored.columns == [*table.columns, "prediction"]
    assert [row.prediction for row in scored.select("prediction").collect()] == expected
    with pytest.raises(ValueError, match="thresholds"):
        fitted.copy({fitted.thresholds: [-1.0, 1.0, 1.0]}).transform(table)


def test_validation_early_stopping_and_the_summary(table):
    estimator = classifier(
        trainLocally="always", validationIndicatorCol="split", patience=2, maxEpochs=40, minDelta=0.05
    )
    summary = estimator.fit(table).summary
    assert summary.totalEpochs < 40
    assert {"epoch", "loss", "Loss", "Top1Accuracy"} <= set(summary.history[0])
    assert len(summary.lossHistory) == summary.totalEpochs == len(summary.toPandas())
    with pytest.raises(ValueError, match="validationIndicatorCol"):
        classifier(patience=2).fit(table)
    with pytest.raises(ValueError, match="monitor='AUC'"):
        classifier(patience=2, validationIndicatorCol="split", monitor="AUC").fit(table)
    with pytest.raises(RuntimeError, match="no training summary"):
        _ = ml.NNModel(model=net()).summary


def test_weights_of_rows_count(table):
    weighted = table.withColumn("w", F.col("label") + 1)
    a = classifier(trainLocally="always", weightCol="w", maxEpochs=2).fit(weighted)
    x, y = points()
    trainer = optim.Trainer(
        net(), nn.CrossEntropyLoss(), optim.Adam(lr=0.05), batch_size=16, max_epochs=2, progress=False
    )
    trainer.fit((x, y, y + 1.0))
    for name, value in trainer.model.state_dict().items():
        np.testing.assert_array_equal(a.getModel().state_dict()[name], value)


def test_regression(table):
    regressor = ml.NNRegressor(model=net(1), maxEpochs=20, learningRate=0.02, trainLocally="always")
    scored = regressor.fit(table).transform(table)
    assert scored.schema["prediction"].dataType == DoubleType()
    assert RegressionEvaluator(metricName="r2").evaluate(scored) > 0.3


def test_several_inputs_and_outputs(local, table):
    a, b = nn.Input(name="left"), nn.Input(name="right")
    both = nn.Linear(2, 3)(a) + nn.Linear(1, 3)(b)
    graph = nn.Graph([a, b], [both, nn.Tanh()(both)])
    frame = local.createDataFrame([([1.0, 2.0], [3.0]), ([4.0, 5.0], [6.0])], ["p", "q"])
    model = ml.NNModel(model=graph, featuresCols={"right": "q", "left": "p"}, outputCols=["y", "t"], outputType="array")
    rows = model.transform(frame).collect()
    expected = graph.eval()((np.float32([[1, 2], [4, 5]]), np.float32([[3], [6]])))
    for name, y in zip(("y", "t"), expected, strict=True):
        np.testing.assert_array_equal(np.float32([row[name] for row in rows]), y)
    with pytest.raises(ValueError, match="inputs"):
        ml.NNModel(model=graph, featuresCols={"x": "p"}).transform(frame)


def test_features_of_an_inner_layer(table, fitted):
    features = fitted.upto("act").setOutputType("array").setPredictionCol("f")
    x, _ = points()
    rows = features.transform(table).orderBy("id").collect()
    np.testing.assert_array_equal(np.float32([row.f for row in rows]), fitted.getModel().upto("act")(x))
    with pytest.raises(KeyError, match="fc1, act, fc2"):
        fitted.upto("fc9")


def test_clear_errors(table, fitted):
    with pytest.raises(DataError, match="no column 'pixels'"):
        fitted.copy({fitted.featuresCol: "pixels"}).transform(table)
    with pytest.raises(DataError, match="'prediction' exists already"):
        fitted.transform(table.withColumn("prediction", F.lit(1)))
    with pytest.raises(ValueError, match="set model"):
        ml.NNClassifier().fit(table)
    with pytest.raises(ValueError, match="set loss"):
        ml.NNEstimator(model=net()).fit(table)
    with pytest.raises(DataError, match="0 to 2, got 3"):
        classifier(trainLocally="always").fit(table.withColumn("label", F.col("label") + 1))
    with pytest.raises(DataError, match="no rows"):
        classifier(trainLocally="always").fit(table.limit(0))


def test_a_pipeline_of_sparks_stages_and_ours(local):
    colours = ["red", "green", "blue"]
    rows = [(colours[i % 3], float(i % 7), "yes" if i % 3 == 1 else "no") for i in range(60)]
    frame = local.createDataFrame(rows, ["colour", "size", "sold"])
    stages = [
        StringIndexer(inputCols=["colour", "sold"], outputCols=["c", "label"]),
        OneHotEncoder(inputCol="c", outputCol="one", dropLast=False),
        VectorAssembler(inputCols=["one", "size"], outputCol="features"),
        classifier(trainLocally="always").setModel(net(2)).setMaxEpochs(20),
    ]
    model = Pipeline(stages=stages).fit(frame)
    assert MulticlassClassificationEvaluator(metricName="accuracy").evaluate(model.transform(frame)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Spark's pool of threads, not closed
@pytest.mark.parametrize("where", ["never", "always"])
def test_cross_validation_with_two_fits_at_a_time(table, tmp_path, where):
    estimator = classifier(trainLocally=where, maxEpochs=2, numTasks=2 if where == "never" else 1)
    grid = ParamGridBuilder().addGrid(estimator.learningRate, [1e-6, 0.1]).build()
    cv = CrossValidator(
        estimator=estimator, estimatorParamMaps=grid, numFolds=2, parallelism=2, seed=1,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
    )  # fmt: skip
    model = cv.fit(table)
    assert model.avgMetrics[1] > model.avgMetrics[0]
    assert model.bestModel.transform(table).count() == table.count()
    model.save(str(tmp_path / "search"))
    same_weights(CrossValidatorModel.load(str(tmp_path / "search")).bestModel, model.bestModel)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_train_validation_split(table):
    estimator = classifier(trainLocally="always", maxEpochs=1)
    grid = ParamGridBuilder().addGrid(estimator.optimizer, ["adam", "sgd"]).build()
    split = TrainValidationSplit(
        estimator=estimator, estimatorParamMaps=grid, evaluator=MulticlassClassificationEvaluator(), seed=1
    )
    assert len(split.fit(table).validationMetrics) == 2
