"""The live page in a real browser: its curves move while training runs, and the file left behind shows the same."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from sparkdl import optim
from sparkdl.optim.watch.page import PAUSE
from tests.optim.watch.browser import chromium, until
from tests.optim.watch.runs import data, trainer

EVIL = "<img src=x onerror=alert(1)></script><script>document.title='broken in'</script>"


class Pause(optim.Callback):
    """Training goes on, step by step, only as far as the test has let it."""

    every_step = True

    def __init__(self):
        self.until, self.held, self.changed = 0, 0, threading.Condition()

    def let(self, step):
        """Lets training go on to the end of this step and returns when it is held in the next one."""
        with self.changed:
            self.until = step
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.held > step, timeout=120)

    def free(self):
        """Holds it no more."""
        with self.changed:
            self.until = sys.maxsize
            self.changed.notify_all()

    def on_step(self, progress, figures):
        with self.changed:
            self.held = progress.iteration
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.until >= progress.iteration, timeout=120)


class Evil(optim.Top1Accuracy):
    """A metric whose name would like to be markup."""

    def __init__(self):
        super().__init__(name=EVIL)


def curve(page, chart, series):
    """The number of points of a drawn curve; 0 where there is none."""
    found = page.locator(f'svg[data-chart="{chart}"] path[data-series="{series}"]')
    return int(found.get_attribute("data-points")) if found.count() else 0


def fact(page, name):
    """A figure in the page's head; 0 where there is none yet."""
    found = page.locator(f'dd[data-fact="{name}"]')
    return float(found.inner_text()) if found.count() else 0


def numbers(page, table):
    """The cells of a table by column, as the numbers that stand behind them."""
    heads = page.locator(f"#{table} thead th").all_inner_texts()
    rows = page.locator(f"#{table} tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.dataset.value ?? null))"
    )
    return {name: [row[i] and float(row[i]) for row in rows] for i, name in enumerate(heads)}


def same_as(page, history):
    """The page's table of epochs is the history, to the last digit."""
    shown = numbers(page, "epochs")
    assert list(shown) == history.names
    for name in set(history.names) - {"exactly_once"}:
        np.testing.assert_array_equal(shown[name], history[name], err_msg=name)


@pytest.fixture
def training(tmp_path):
    """A run of 2 x 75 steps in a thread, its page, what holds it, and what it returned."""
    live, pause, done = optim.LivePage(tmp_path / "run.html", histograms=5), Pause(), {}
    x, y = data(1200)
    one = trainer(batch_size=16, max_epochs=2, callbacks=pause, watch=live)

    def work():
        done["history"] = one.fit((x, y), validation=(x[:200], y[:200]), metrics=[optim.Loss(), Evil()])

    thread = threading.Thread(target=work)
    thread.start()
    yield live, pause, thread, done
    pause.free()
    thread.join(60)


def test_curves_move_and_the_file_shows_the_same(training):
    live, pause, thread, done = training
    with chromium() as page:
        while live.url is None:
            thread.join(0.01)
        host = live.url.split("?")[0]
        page.goto(live.url)
        seen = []
        for step in (20, 60, 110):
            for most in range(step - 15, step + 1, 5):
                pause.let(most)
                page.wait_for_timeout(1.2e3 * PAUSE)  # a step so long after the look before is looked at
            pause.let(step + 1)
            until(page, lambda step=step: fact(page, "step") > step)
            seen.append(curve(page, "loss", "batches"))
            assert page.locator("#state").inner_text() == "training"
        assert 0 < seen[0] < seen[1] < seen[2]
        assert curve(page, "loss", "training") == 1  # one epoch has ended
        pause.free()
        until(page, lambda: page.locator("#state").inner_text() == "finished")
        thread.join(60)
        same_as(page, done["history"])
        live_text = page.locator("main").inner_text()
        assert page.errors == [] and all(url.startswith(host) for url in page.asked)
        assert live.url is None and live.path is not None

        page.errors.clear(), page.asked.clear()
        page.goto(live.path.as_uri())
        assert page.locator("#state").inner_text() == "finished"
        same_as(page, done["history"])
        assert page.locator("main").inner_text() == live_text
        for chart in ("loss", f"metric:{EVIL}", "throughput", "lr", "phases", "memory", "cpu", "traffic", "starved"):
            assert page.locator("svg").evaluate_all("(all, id) => all.some(s => s.dataset.chart === id)", chart), chart
        assert page.locator("#histograms svg").count() == 2 * 2 * 6  # bands and bars of weights and gradients
        assert page.locator("svg:not([aria-label])").count() == 0
        assert page.locator("img").count() == 0 and page.title() == "Sequential: finished"
        assert page.errors == [] and page.asked == [live.path.as_uri()]


def test_the_file_of_a_failed_run_says_why(tmp_path):
    class Broken(optim.Callback):
        def on_epoch(self, progress, line):
            raise RuntimeError(EVIL)

    live = optim.LivePage(tmp_path / "failed.html")
    with pytest.raises(RuntimeError):
        trainer(callbacks=Broken(), watch=live).fit(data())
    with chromium(color_scheme="dark", viewport={"width": 360, "height": 700}) as page:
        page.goto(live.path.as_uri())
        assert page.locator("#state").inner_text() == "failed"
        assert EVIL in page.locator("#error").inner_text() and page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360  # a phone need not scroll sideways
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert page.errors == [] and page.asked == [live.path.as_uri()]
