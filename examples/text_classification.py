"""Text to classes: which library a sentence of documentation comes from.

    python examples/text_classification.py

The sentences are the docstrings of NumPy, pandas and SciPy, which are installed with this library. Words become ids by
hashing, in Spark SQL; the net looks up a vector for each and averages them.
"""

import importlib
import inspect
import os
import re
import sys
import warnings

import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import RegexTokenizer, SQLTransformer, StringIndexer
from pyspark.sql import SparkSession

from sparkdl import ml, models, nn

WORDS, LENGTH = 4096, 24
LIBRARIES = {"numpy": ["numpy", "numpy.linalg", "numpy.ma"], "pandas": ["pandas", "pandas.api.types"],
             "scipy": ["scipy.signal", "scipy.stats", "scipy.optimize"]}  # fmt: skip


def main() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[*]").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    train, test = spark.createDataFrame(sentences()).randomSplit([0.8, 0.2], seed=1)
    nn.manual_seed(1)
    hashed = f"transform(words, w -> 1 + pmod(xxhash64(w), {WORDS - 1}))"
    ids = f"slice(concat({hashed}, array_repeat(0L, {LENGTH})), 1, {LENGTH})"
    pipeline = Pipeline(
        stages=[
            StringIndexer(inputCol="library", outputCol="label"),
            RegexTokenizer(inputCol="text", outputCol="words", pattern="[^a-z]+"),
            SQLTransformer(statement=f"SELECT *, {ids} AS ids FROM __THIS__"),
            ml.NNClassifier(
                model=models.text_cnn(WORDS, len(LIBRARIES), size=32, widths=(2, 3), channels=32),
                featuresCol="ids", featuresDtype="int64", learningRate=3e-3, batchSize=64, maxEpochs=5, seed=1,
            ),
        ]
    )  # fmt: skip
    model = pipeline.fit(train)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(model.transform(test))
    print(f"{train.count():,} sentences to learn from; right on {accuracy:.1%} of {test.count():,} others")
    spark.stop()


def sentences() -> pd.DataFrame:
    """The first paragraph of each public docstring, without the library's own name."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for library, modules in LIBRARIES.items():
            for module in map(importlib.import_module, modules):
                for name in dir(module):
                    thing = getattr(module, name, None)
                    owners = [thing, *(vars(thing).values() if inspect.isclass(thing) else ())]
                    for text in filter(None, (inspect.getdoc(each) for each in owners if callable(each))):
                        first = re.sub(r"(?i)numpy|pandas|scipy|np\.|pd\.", "", text.split("\n\n")[0]).lower()
                        if len(first) > 40:
                            rows.append((first, library))
    return pd.DataFrame(rows, columns=["text", "library"]).drop_duplicates("text")


if __name__ == "__main__":
    main()
