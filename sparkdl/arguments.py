"""Arguments of constructors, checked by their names: a name means the same thing in every layer, loss, rule and metric.

So one table says what ``in_channels`` or ``lr`` may be, and a wrong value gets one message, whoever takes it. It looks
at kinds of values; what a class asks beyond that (``p`` in [0, 1], groups that divide channels) it checks itself.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Kind(NamedTuple):
    """What a value must be, in words and as a function."""

    says: str
    fits: Callable[[Any], bool]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_whole(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, int | np.integer) and not _is_flag(value) and bool(value >= least)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not _is_flag(value) and not math.isnan(value)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A list, tuple, range or array of what ``fits``."""

    def all_fit(value: Any) -> bool:
        if isinstance(value, np.ndarray):
            return all(map(fits, value.ravel().tolist()))
        return isinstance(value, list | tuple | range) and all(map(fits, value))

    return all_fit


def _or_all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """What ``fits``, or several of it, or pairs of these."""
    several = _all(lambda value: fits(value) or _all(fits)(value))
    return lambda value: fits(value) or several(value)


def _weights(value: Any) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return False
    return array.dtype.kind in "biuf" and not np.isnan(array).any()


def _choice(*values: str) -> Kind:
    return Kind(f"one of {values}", lambda value: isinstance(value, str) and value in values)


FLAG = Kind("True or False", _is_flag)
WHOLE = Kind("a whole number >= 1", functools.partial(_is_whole, least=1))
COUNT = Kind("a whole number >= 0", functools.partial(_is_whole, least=0))
INTEGER = Kind("a whole number", _is_whole)
NUMBER = Kind("a number", _is_number)
NOT_NEGATIVE = Kind("a number >= 0", lambda value: _is_number(value) and value >= 0)
SHARE = Kind("a number in [0, 1]", lambda value: _is_number(value) and 0 <= value <= 1)
TEXT = Kind("a text", lambda value: isinstance(value, str))
WHOLES = Kind("a whole number or several", _or_all(_is_whole))
RAGGED = Kind("a whole number or several, of which None keeps the size", _or_all(lambda n: n is None or _is_whole(n)))
PLACES = Kind("several whole numbers, as in (2, 3)", _all(_is_whole))
PADDING = Kind(
    "whole numbers, 'same' or 'valid'", lambda value: value in ("same", "valid") or _or_all(_is_whole)(value)
)
NUMBERS = Kind("a number or several", _or_all(_is_number))
VALUES = Kind("a number or several", _or_all(lambda value: isinstance(value, float) or _is_number(value)))  # NaN too
WEIGHTS = Kind("numbers", _weights)
MODULE = Kind("a module", lambda value: hasattr(value, "named_modules") and not isinstance(value, type))
ACTIVATION = Kind("an activation's name or a module", lambda value: TEXT.fits(value) or MODULE.fits(value))
LOSS = Kind("a loss", lambda value: hasattr(value, "terms") and not isinstance(value, type))
LOSSES = Kind("a list of losses", _all(LOSS.fits))
METRIC = Kind("a metric", lambda value: hasattr(value, "merge") and not isinstance(value, type))
SCHEDULE = Kind("a schedule", lambda value: callable(value) and not isinstance(value, type))
SCHEDULES = Kind("a list of schedules", _all(SCHEDULE.fits))
REGULARIZER = Kind("a regularizer", lambda value: hasattr(value, "add_slope") and not isinstance(value, type))
GROUPS = Kind("a dict of options or rules by pattern", lambda value: isinstance(value, Mapping))

_NAMES: dict[Kind, str] = {
    FLAG: """added affine align_corners aligned bias bidirectional causal ceil_mode centered centre clip
        count_include_pad elementwise_affine fixed flip full go_backwards keepdim keras log_input log_target nesterov
        norm_first of_vectors peephole repeat_target reset_after restore_best return_sequences return_state
        return_weights reverse share_location size_average squared staircase swap sync three_phase
        track_running_stats transpose transpose_a transpose_b values variance variance_encoded_in_target vectors
        zero_infinity zero_output_for_mask""",
    WHOLE: """T_0 T_max T_mult base_size bins channels classes count d_model decay_step dim_feedforward downscale_factor
        embed_dim embedding_dim group_size groups hidden_channels hidden_size history_size in1_features in2_features
        in_channels in_features input_size k kdim length max_boxes max_eval max_iter max_per_image max_steps multiplier
        n nhead num_channels num_classes num_embeddings num_features num_groups num_heads num_layers num_parameters
        out_channels out_features output_dim pieces post_nms pre_nms representation resolution step_size steps times
        total_iters total_steps upscale_factor vdim window""",
    COUNT: "blank cooldown patience restarts sampling_ratio top_blocks",
    INTEGER: """background_label dim dim0 dim1 end_dim ignore_index ignore_label index keep_top_k nms_top_k padding_idx
        start start_dim""",
    NUMBER: """alpha b base base_momentum beta confidence_threshold constant dampening decay delta div_factor
        divisor_override end_factor eta_min exponent factor fill final_div_factor gamma high init
        initial_accumulator_value iou_threshold l1 l2 l2_shrinkage label_smoothing lambd low lower lr lr_decay lr_power
        margin mask_value max_lr max_momentum max_norm max_val min_delta min_lr min_size min_val momentum momentum_decay
        negative_slope nms_eta nms_threshold offset p padding_value pct_start power rho score score_threshold seconds
        sigma smooth spatial_scale start_factor std steepness threshold tolerance_change tolerance_grad trust upper
        value weight_decay""",
    NOT_NEGATIVE: "eps layer_norm_eps",
    SHARE: "dropout",
    TEXT: """anneal_strategy approximate code_type equation interpolation line_search_fn merge_mode message mode monitor
        name nonlinearity normalization recurrent_activation rule style threshold_mode unit""",
    _choice("NCHW", "NHWC"): "data_format",
    _choice("zeros", "reflect", "replicate", "circular"): "padding_mode",
    _choice("mean", "sum", "none"): "reduction",
    WHOLES: """cropping dilation kernel_size normalized_shape output_padding output_size padding recurrent_kernel_size
        size stride""",
    PLACES: "dims image_size layers offsets places shape shared sizes",
    NUMBERS: """aspect_ratios betas boundaries etas iou max_sizes milestones min_sizes ratios scale_factor scales step
        step_sizes strides variances weights""",
    WEIGHTS: "connections kernel matrix pos_weight weight",
    MODULE: """backward_layer body cell condition decoder_layer encoder_layer forward_layer input_transform layer module
        norm otherwise predicate target_transform then""",
    ACTIVATION: "activation",
    LOSS: "loss",
    LOSSES: "losses",
    METRIC: "metric",
    SCHEDULES: "schedules",
    REGULARIZER: "regularizer",
}

KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}

ELSEWHERE: dict[str, Kind | None] = {  # names that mean something else in some classes; None: these check it themselves
    "AddConstant.constant": VALUES,
    "AxisNorm.scale": FLAG,
    "AxisNorm.shift": FLAG,
    "CountCategories.mode": _choice("one_hot", "multi_hot", "count"),
    "EpochDecayLR.exponent": None,
    "FPN.in_channels": WHOLES,
    "HingeLoss.p": WHOLE,
    "Hashes.mask": NUMBER,
    "Hashes.salt": PLACES,
    "Highway.activation": MODULE,
    "Highway.size": WHOLE,
    "Determinant.log": FLAG,
    "Lookup.keys": PLACES,
    "Lookup.others": NUMBER,
    "Lookup.start": NUMBER,
    "Lookup.values": VALUES,
    "Quantile.q": NUMBER,
    "KLDivLoss.reduction": _choice("mean", "sum", "none", "batchmean"),
    "LBFGS.line_search_fn": Kind("'strong_wolfe' or None", lambda value: value is None or value == "strong_wolfe"),
    "LearnedEncoding.features": WHOLE,
    "LocalResponseNorm.k": NUMBER,
    "LocalResponseNorm.size": WHOLE,
    "MaskedSelect.size": WHOLE,
    "MulConstant.constant": VALUES,
    "Narrow.length": INTEGER,
    "NarrowInputs.length": INTEGER,
    "NormalizeScale.scale": NUMBER,
    "OfOutput.output": COUNT,
    "OfOutput.target": COUNT,
    "Power.scale": NUMBER,
    "Power.shift": NUMBER,
    "Resample.kernel": TEXT,
    "ScaleShift.scale": FLAG,
    "ScaleShift.shift": FLAG,
    "ScaledDotProductAttention.scale": NUMBER,
    "SinusoidalEncoding.scale": NUMBER,
    "SparseConcat.features": PLACES,
    "SReLU.shape": WHOLES,
    "Unbind.size": WHOLE,
    "WithinChannelLRN.size": WHOLE,
    "max_epoch.n": COUNT,
    "max_iteration.n": COUNT,
    "min_loss.loss": NUMBER,
    "LinearWarmup.then": SCHEDULE,
    "WarmupLR.then": SCHEDULE,
}
for _rank in (1, 2, 3):
    ELSEWHERE |= {f"Adaptive{kind}Pool{_rank}d.output_size": RAGGED for kind in ("Avg", "Max")}
    ELSEWHERE |= {f"{kind}{_rank}d.padding": PADDING for kind in ("Conv", "ConvLSTM", "SeparableConv")}
    ELSEWHERE[f"LocallyConnected{_rank}d.input_size"] = WHOLES
for _class in ("SamePad", "SameMeanCorrection"):
    ELSEWHERE[f"{_class}.rule"] = _choice("tensorflow", "half", "most")


def check(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raises ValueError for the first argument of ``cls(*args, **kwargs)`` of a wrong kind; classes of users are left
    alone.
    """
    if not (_ours(cls) and (args or kwargs)):
        return
    parameters = _parameters(cls)
    try:
        bound = _signature(cls).bind_partial(*args, **kwargs)
    except TypeError:
        return  # Python itself says what is wrong with it
    given = dict(bound.arguments)
    for name, parameter in _signature(cls).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    for name, value in given.items():
        kind, optional = parameters.get(name, (None, False))
        if kind is None or (value is None and optional) or kind.fits(value):
            continue
        none = " or None" if optional else ""
        raise ValueError(f"{cls.__name__}: {name} must be {kind.says}{none}, got {value!r}.")


class Checked:
    """Base of classes whose constructor's arguments are checked."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        check(cls, args, kwargs)
        return super().__new__(cls)


def _homes(cls: type) -> tuple[str, str]:
    """The modules of class and constructor; classes made by ``exec`` have none."""
    init = cls.__init__  # type: ignore[misc]
    return cls.__module__ or "", getattr(init, "__module__", None) or ""


@functools.cache
def _ours(cls: type) -> bool:
    return all(each.startswith("sparkdl.") for each in _homes(cls))


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    whole = inspect.signature(cls.__init__)  # type: ignore[misc]
    return whole.replace(parameters=list(whole.parameters.values())[1:])


@functools.cache
def _parameters(cls: type) -> dict[str, tuple[Kind | None, bool]]:
    """Per argument, its kind and whether it may be None; those of ``**shared`` come from the next class."""
    found: dict[str, tuple[Kind | None, bool]] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for parameter in own:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in found:
                continue
            kind = ELSEWHERE.get(f"{cls.__name__}.{parameter.name}", KINDS.get(parameter.name))
            if parameter.name == "groups" and parameter.default is None:  # of a rule, not of a convolution
                kind = GROUPS
            optional = parameter.default is None or "None" in str(parameter.annotation)
            found[parameter.name] = kind, optional
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    return found
