"""A codec that keeps something: error feedback."""

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec


class Feedback(Codec):
    """Rounds to whole hundredths in a byte, and adds what it left out to the next vector of the series."""

    name = "feedback"
    rest = None

    def nbytes(self, count, dtype):
        return count

    def encode(self, values, out):
        wanted = values + (0 if self.rest is None else self.rest)
        out[: values.size].view(np.int8)[:] = np.clip(np.rint(100 * wanted), -127, 127)
        sent = np.empty_like(values)
        self.decode(out, sent)
        self.rest = wanted - sent
        return values.size

    def decode(self, data, out):
        out[:] = data[: out.size].view(np.int8) / out.dtype.type(100)

    def state(self):
        return {} if self.rest is None else {"rest": self.rest}

    def load_state(self, state):
        self.rest = state["rest"].copy() if state else None
