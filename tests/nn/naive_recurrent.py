"""Recurrent layers the naive way: sample by sample, step by step, in NumPy."""

import numpy as np

FUNCTIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "exponential": np.exp,
}


def weights(layer, number, suffix, name):
    p = getattr(layer, f"{name}_l{number}{suffix}", None)
    return 0.0 if p is None else p.value


def rnn_step(layer, w, x, state):
    (h,) = state
    h = FUNCTIONS[layer.nonlinearity](w("weight_ih") @ x + w("bias_ih") + w("weight_hh") @ h + w("bias_hh"))
    return (h,)


def lstm_step(layer, w, x, state):
    (h, c), f, g = state, FUNCTIONS[layer.recurrent_activation], FUNCTIONS[layer.activation]
    i, forget, new, o = np.split(w("weight_ih") @ x + w("bias_ih") + w("weight_hh") @ h + w("bias_hh"), 4)
    peep = w("weight_ch") if layer.further else np.zeros((3, 1))
    c_new = f(forget + peep[1] * c) * c + f(i + peep[0] * c) * g(new)
    return f(o + peep[2] * c_new) * g(c_new), c_new


def gru_step(layer, w, x, state):
    (h,), f, g = state, FUNCTIONS[layer.recurrent_activation], FUNCTIONS[layer.activation]
    size = len(h)
    xr, xz, xn = np.split(w("weight_ih") @ x + w("bias_ih"), 3)
    inside = w("bias_hh") + np.zeros(3 * size)
    hr, hz, hn = np.split(w("weight_hh") @ h + inside, 3)
    r, z = f(xr + hr), f(xz + hz)
    if layer.reset_after:
        n = g(xn + r * hn)
    else:
        n = g(xn + w("weight_hh")[2 * size :] @ (r * h) + inside[2 * size :])
    return ((1 - z) * n + z * h,)


def reference(step):
    """What the layer should return for ``x`` and, if given, a mask or lengths and states at the start."""

    def run(layer, x, *others):
        states = [o for o in others if o.ndim == 3]
        masks = [o for o in others if o.ndim != 3]
        mask = np.ones(x.shape[:2]) if not masks else masks[0]
        if mask.ndim == 1:
            mask = np.arange(x.shape[1]) < mask[:, None]
        if layer.go_backwards:
            x, mask = x[:, ::-1], mask[:, ::-1]
        suffixes = ("", "_reverse") if layer.bidirectional else ("",)
        deep = (len(x), layer.num_layers * len(suffixes), layer.hidden_size)
        states = states or [np.zeros(deep)] * layer.carried
        ends = [np.zeros(deep) for _ in range(layer.carried)]
        for number in range(layer.num_layers):
            parts, lasts = [], []
            for d, suffix in enumerate(suffixes):
                place = number * len(suffixes) + d
                ys = np.zeros((*x.shape[:2], layer.hidden_size))
                for b in range(len(x)):
                    state = tuple(s[b, place] for s in states)
                    for t in range(x.shape[1])[:: -1 if d else 1]:
                        if mask[b, t]:
                            state = step(
                                layer, lambda name, n=number, s=suffix: weights(layer, n, s, name), x[b, t], state
                            )
                        ys[b, t] = 0 if layer.zero_output_for_mask and not mask[b, t] else state[0]
                    for end, s in zip(ends, state, strict=True):
                        end[b, place] = s
                parts.append(ys)
                lasts.append(ends[0][:, place])
            if number < layer.num_layers - 1:
                x = merge(parts, "concat" if layer.merge_mode is None else layer.merge_mode)
        tops = parts if layer.return_sequences else lasts
        outputs = list(tops) if layer.merge_mode is None and len(tops) == 2 else [merge(tops, layer.merge_mode)]
        return outputs + (ends if layer.return_state else [])

    return run


def merge(parts, mode):
    if len(parts) == 1:
        return parts[0]
    a, b = parts
    return {"concat": np.concatenate(parts, -1), "sum": a + b, "mul": a * b, "ave": (a + b) / 2}[mode]
