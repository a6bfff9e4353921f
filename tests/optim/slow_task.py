"""What a slow task runs in the tests of stragglers: a layer that takes its time in one task, and counts its uses."""

from __future__ import annotations

import os
import time

from sparkdl import nn


class Slow(nn.Layer):
    """``y = x``; in the task of the last shards, after a while. Each use is a line in a file of the task."""

    def __init__(self, folder: str, seconds: float, after: int) -> None:
        super().__init__()
        self.folder, self.seconds, self.after = folder, seconds, after

    def forward(self, x, ctx):
        if ctx.training:
            slow = ctx.run.first > 0
            if slow and ctx.step >= self.after:
                time.sleep(self.seconds)
            with open(os.path.join(self.folder, "slow" if slow else "fast"), "a") as file:
                file.write(f"{ctx.step} {time.time()}\n")
        return x

    def backward(self, dy, ctx):
        return dy
