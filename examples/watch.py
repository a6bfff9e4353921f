"""Training on handwritten digits, watched in a browser, in TensorBoard and by a callback of one's own.

    python examples/watch.py                       arrays; the address of the page is printed, open it in a browser
    python examples/watch.py --master local[2]     a DataFrame, trained by the tasks of Spark
"""

import argparse
import os
import sys

from sklearn.datasets import load_digits

from sparkdl import nn, optim


class Best(optim.Callback):
    """Says so when an epoch is better than all before it."""

    def on_begin(self, run):
        self.best = 0.0

    def on_epoch(self, progress, line):
        if line["Top1Accuracy"] > self.best:
            self.best = line["Top1Accuracy"]
            print(f"best so far: {self.best:.3f} after epoch {line['epoch']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--master", help="train on Spark, on this master")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--page", default="digits.html", help="where the page is left")
    parser.add_argument("--tensorboard", help="folder of event files")
    options = parser.parse_args()

    digits = load_digits()
    x, y = digits.images[:, None].astype("float32") / 16, digits.target.astype("int64")
    nn.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 32), nn.ReLU(),
        nn.Linear(32, 10), nn.LogSoftmax(),
    )  # fmt: skip
    boards = [optim.TensorBoard(options.tensorboard, histograms=50)] if options.tensorboard else []
    trainer = optim.Trainer(
        model, nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), batch_size=32, max_epochs=options.epochs, seed=1,
        watch=optim.LivePage(options.page, histograms=50), callbacks=[Best(), *boards],
    )  # fmt: skip
    metrics = [optim.Loss(), optim.Top1Accuracy()]
    if options.master:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.master(options.master).getOrCreate()
        rows = [(each.ravel().tolist(), int(label)) for each, label in zip(x, y, strict=True)]
        schema = "image array<float>, label int"
        train, test = (spark.createDataFrame(part, schema) for part in (rows[:1500], rows[1500:]))
        trainer.model = nn.Sequential(nn.Reshape((1, 8, 8)), *model)
        history = trainer.fit(train, features="image", label="label", validation=test, metrics=metrics)
        spark.stop()
    else:
        history = trainer.fit((x[:1500], y[:1500]), validation=(x[1500:], y[1500:]), metrics=metrics)
    print(history.costs)
    history.to_csv(os.path.splitext(options.page)[0] + ".csv")


if __name__ == "__main__":
    main()
