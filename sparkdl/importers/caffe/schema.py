"""The messages of Caffe's files that importing needs: field names, numbers, types and defaults, in a notation of our own.

``Message: field number type`` with ``*`` for repeated fields and ``=`` for defaults; ``enum Name: A=0 B=1``. Number 0
marks fields of forks that collide with each other in binary files: they are known in text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_TEXT = """
enum Phase: TRAIN=0 TEST=1
enum Pool: MAX=0 AVE=1 STOCHASTIC=2
enum Eltwise: PROD=0 SUM=1 MAX=2
enum Region: ACROSS_CHANNELS=0 WITHIN_CHANNEL=1
enum Reduction: SUM=1 ASUM=2 SUMSQ=3 MEAN=4
enum Normalization: FULL=0 VALID=1 BATCH_SIZE=2 NONE=3
enum Variance: FAN_IN=0 FAN_OUT=1 AVERAGE=2
enum Check: STRICT=0 PERMISSIVE=1
enum Hinge: L1=1 L2=2
enum Code: CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
enum Solver: SGD=0 NESTEROV=1 ADAGRAD=2 RMSPROP=3 ADADELTA=4 ADAM=5
enum Mode: CPU=0 GPU=1
enum Snapshot: HDF5=0 BINARYPROTO=1
enum Round: CEIL=0 FLOOR=1
enum Raw: DOUBLE=0 FLOAT=1 FLOAT16=2 INT=3 UINT=4
enum BNMode: LEARN=0 INFERENCE=1
enum V1Type: NONE=0 ACCURACY=1 BNLL=2 CONCAT=3 CONVOLUTION=4 DATA=5 DROPOUT=6 EUCLIDEAN_LOSS=7 FLATTEN=8 HDF5_DATA=9 HDF5_OUTPUT=10 IM2COL=11 IMAGE_DATA=12 INFOGAIN_LOSS=13 INNER_PRODUCT=14 LRN=15 MULTINOMIAL_LOGISTIC_LOSS=16 POOLING=17 RELU=18 SIGMOID=19 SOFTMAX=20 SOFTMAX_LOSS=21 SPLIT=22 TANH=23 WINDOW_DATA=24 ELTWISE=25 POWER=26 SIGMOID_CROSS_ENTROPY_LOSS=27 HINGE_LOSS=28 MEMORY_DATA=29 ARGMAX=30 THRESHOLD=31 DUMMY_DATA=32 SLICE=33 MVN=34 ABSVAL=35 SILENCE=36 CONTRASTIVE_LOSS=37 EXP=38 DECONVOLUTION=39

BlobShape: dim 1 int*
BlobProto: shape 7 BlobShape, data 5 float*, diff 6 float*, double_data 8 double*, double_diff 9 double*, num 1 int=0, channels 2 int=0, height 3 int=0, width 4 int=0, raw_data_type 10 Raw=DOUBLE, raw_data 12 bytes
FillerParameter: type 1 string=constant, value 2 float=0, min 3 float=0, max 4 float=1, mean 5 float=0, std 6 float=1, sparse 7 int=-1, variance_norm 8 Variance=FAN_IN
NetParameter: name 1 string, input 3 string*, input_shape 8 BlobShape*, input_dim 4 int*, force_backward 5 bool, state 6 NetState, debug_info 7 bool, layer 100 LayerParameter*, layers 2 V1LayerParameter*
NetState: phase 1 Phase=TEST, level 2 int=0, stage 3 string*
NetStateRule: phase 1 Phase, min_level 2 int, max_level 3 int, stage 4 string*, not_stage 5 string*
ParamSpec: name 1 string, share_mode 2 Check, lr_mult 3 float=1, decay_mult 4 float=1
SolverParameter: net 24 string, net_param 25 NetParameter, train_net 1 string, test_net 2 string*, train_net_param 21 NetParameter, test_net_param 22 NetParameter*, train_state 26 NetState, test_state 27 NetState*, test_iter 3 int*, test_interval 4 int=0, test_compute_loss 19 bool, test_initialization 32 bool=true, base_lr 5 float, display 6 int, average_loss 33 int=1, max_iter 7 int, iter_size 36 int=1, lr_policy 8 string, gamma 9 float, power 10 float, momentum 11 float, weight_decay 12 float, regularization_type 29 string=L2, stepsize 13 int, stepvalue 34 int*, clip_gradients 35 float=-1, snapshot 14 int=0, snapshot_prefix 15 string, snapshot_diff 16 bool, snapshot_format 37 Snapshot=BINARYPROTO, solver_mode 17 Mode=GPU, device_id 18 int=0, random_seed 20 int=-1, type 40 string=SGD, delta 31 float=1e-8, momentum2 39 float=0.999, rms_decay 38 float=0.99, debug_info 23 bool, snapshot_after_train 28 bool=true, solver_type 30 Solver=SGD, layer_wise_reduce 41 bool=true, weights 42 string*, stagelr 0 float*, stageiter 0 int*

LayerParameter: name 1 string, type 2 string, bottom 3 string*, top 4 string*, phase 10 Phase, loss_weight 5 float*, param 6 ParamSpec*, blobs 7 BlobProto*, propagate_down 11 bool*, include 8 NetStateRule*, exclude 9 NetStateRule*, transform_param 100 TransformationParameter, loss_param 101 LossParameter, accuracy_param 102 AccuracyParameter, argmax_param 103 ArgMaxParameter, batch_norm_param 139 BatchNormParameter, bias_param 141 BiasParameter, clip_param 148 ClipParameter, concat_param 104 ConcatParameter, contrastive_loss_param 105 ContrastiveLossParameter, convolution_param 106 ConvolutionParameter, crop_param 144 CropParameter, data_param 107 DataParameter, dropout_param 108 DropoutParameter, dummy_data_param 109 DummyDataParameter, eltwise_param 110 EltwiseParameter, elu_param 140 ELUParameter, embed_param 137 EmbedParameter, exp_param 111 ExpParameter, flatten_param 135 FlattenParameter, hdf5_data_param 112 HDF5DataParameter, hdf5_output_param 113 HDF5OutputParameter, hinge_loss_param 114 HingeLossParameter, image_data_param 115 ImageDataParameter, infogain_loss_param 116 InfogainLossParameter, inner_product_param 117 InnerProductParameter, input_param 143 InputParameter, log_param 134 LogParameter, lrn_param 118 LRNParameter, memory_data_param 119 MemoryDataParameter, mvn_param 120 MVNParameter, parameter_param 145 ParameterParameter, pooling_param 121 PoolingParameter, power_param 122 PowerParameter, prelu_param 131 PReLUParameter, python_param 130 PythonParameter, recurrent_param 146 RecurrentParameter, reduction_param 136 ReductionParameter, relu_param 123 ReLUParameter, reshape_param 133 ReshapeParameter, scale_param 142 ScaleParameter, sigmoid_param 124 EngineParameter, softmax_param 125 SoftmaxParameter, spp_param 132 SPPParameter, slice_param 126 SliceParameter, swish_param 147 SwishParameter, tanh_param 127 EngineParameter, threshold_param 128 ThresholdParameter, tile_param 138 TileParameter, window_data_param 129 WindowDataParameter, permute_param 202 PermuteParameter, norm_param 206 NormalizeParameter, prior_box_param 203 PriorBoxParameter, detection_output_param 204 DetectionOutputParameter, annotated_data_param 200 AnnotatedDataParameter, interp_param 0 InterpParameter, shuffle_channel_param 0 ShuffleChannelParameter, upsample_param 0 UpsampleParameter, roi_pooling_param 0 ROIPoolingParameter, psroi_pooling_param 0 PSROIPoolingParameter, roi_align_param 0 ROIAlignParameter, bn_param 0 BNParameter, relu6_param 0 EngineParameter, crelu_param 0 EngineParameter, reorg_param 0 ReorgParameter

TransformationParameter: scale 1 float=1, mirror 2 bool, crop_size 3 int=0, mean_file 4 string, mean_value 5 float*, force_color 6 bool, force_gray 7 bool, resize_param 8 ResizeParameter, crop_h 11 int=0, crop_w 12 int=0, std_value 0 float*, noise_param 9 EngineParameter, distort_param 0 EngineParameter, expand_param 0 EngineParameter, emit_constraint 10 EngineParameter
ResizeParameter: prob 1 float=1, height 3 int=0, width 4 int=0
LossParameter: ignore_label 1 int, normalization 3 Normalization=VALID, normalize 2 bool
AccuracyParameter: top_k 1 int=1, axis 2 int=1, ignore_label 3 int
ArgMaxParameter: out_max_val 1 bool, top_k 2 int=1, axis 3 int
BatchNormParameter: use_global_stats 1 bool, moving_average_fraction 2 float=0.999, eps 3 float=1e-5, scale_bias 7 bool, scale_filler 0 FillerParameter, bias_filler 0 FillerParameter, engine 0 any
BiasParameter: axis 1 int=1, num_axes 2 int=1, filler 3 FillerParameter
ClipParameter: min 1 float, max 2 float
ConcatParameter: axis 2 int=1, concat_dim 1 int=1
ContrastiveLossParameter: margin 1 float=1, legacy_version 2 bool
ConvolutionParameter: num_output 1 int=0, bias_term 2 bool=true, pad 3 int*, kernel_size 4 int*, stride 6 int*, dilation 18 int*, pad_h 9 int=0, pad_w 10 int=0, kernel_h 11 int=0, kernel_w 12 int=0, stride_h 13 int=0, stride_w 14 int=0, group 5 int=1, weight_filler 7 FillerParameter, bias_filler 8 FillerParameter, engine 15 any, axis 16 int=1, force_nd_im2col 17 bool
CropParameter: axis 1 int=2, offset 2 int*
DataParameter: source 1 string, batch_size 4 int, scale 2 float=1, mean_file 3 string, crop_size 5 int=0, mirror 6 bool, rand_skip 7 int, backend 8 any, force_encoded_color 9 bool, prefetch 10 int
DropoutParameter: dropout_ratio 1 float=0.5, scale_train 2 bool=true
DummyDataParameter: data_filler 1 FillerParameter*, shape 6 BlobShape*, num 2 int*, channels 3 int*, height 4 int*, width 5 int*
EltwiseParameter: operation 1 Eltwise=SUM, coeff 2 float*, stable_prod_grad 3 bool
ELUParameter: alpha 1 float=1
EmbedParameter: num_output 1 int=0, input_dim 2 int=0, bias_term 3 bool=true, weight_filler 4 FillerParameter, bias_filler 5 FillerParameter
EngineParameter: engine 1 any
ExpParameter: base 1 float=-1, scale 2 float=1, shift 3 float=0
FlattenParameter: axis 1 int=1, end_axis 2 int=-1
HDF5DataParameter: source 1 string, batch_size 2 int, shuffle 3 bool
HDF5OutputParameter: file_name 1 string
HingeLossParameter: norm 1 Hinge=L1
ImageDataParameter: source 1 string, batch_size 4 int=1, scale 2 float=1, mean_file 3 string, crop_size 5 int=0, mirror 6 bool, rand_skip 7 int, shuffle 8 bool, new_height 9 int=0, new_width 10 int=0, is_color 11 bool=true, root_folder 12 string
InfogainLossParameter: source 1 string, axis 2 int=1
InnerProductParameter: num_output 1 int=0, bias_term 2 bool=true, weight_filler 3 FillerParameter, bias_filler 4 FillerParameter, axis 5 int=1, transpose 6 bool
InputParameter: shape 1 BlobShape*
LogParameter: base 1 float=-1, scale 2 float=1, shift 3 float=0
LRNParameter: local_size 1 int=5, alpha 2 float=1, beta 3 float=0.75, norm_region 4 Region=ACROSS_CHANNELS, k 5 float=1, engine 6 any
MemoryDataParameter: batch_size 1 int, channels 2 int=0, height 3 int=0, width 4 int=0
MVNParameter: normalize_variance 1 bool=true, across_channels 2 bool, eps 3 float=1e-9
ParameterParameter: shape 1 BlobShape
PoolingParameter: pool 1 Pool=MAX, pad 4 int=0, pad_h 9 int=0, pad_w 10 int=0, kernel_size 2 int=0, kernel_h 5 int=0, kernel_w 6 int=0, stride 3 int=1, stride_h 7 int=0, stride_w 8 int=0, engine 11 any, global_pooling 12 bool, round_mode 13 Round=CEIL, ceil_mode 0 bool=true
PowerParameter: power 1 float=1, scale 2 float=1, shift 3 float=0
PReLUParameter: filler 1 FillerParameter, channel_shared 2 bool
PythonParameter: module 1 string, layer 2 string, param_str 3 string, share_in_parallel 4 bool
RecurrentParameter: num_output 1 int=0, weight_filler 2 FillerParameter, bias_filler 3 FillerParameter, debug_info 4 bool, expose_hidden 5 bool
ReductionParameter: operation 1 Reduction=SUM, axis 2 int=0, coeff 3 float=1
ReLUParameter: negative_slope 1 float=0, engine 2 any
ReshapeParameter: shape 1 BlobShape, axis 2 int=0, num_axes 3 int=-1
ScaleParameter: axis 1 int=1, num_axes 2 int=1, filler 3 FillerParameter, bias_term 4 bool, bias_filler 5 FillerParameter
SoftmaxParameter: engine 1 any, axis 2 int=1
SPPParameter: pyramid_height 1 int=1, pool 2 Pool=MAX, engine 6 any
SliceParameter: axis 3 int=1, slice_point 2 int*, slice_dim 1 int=1
SwishParameter: beta 1 float=1
ThresholdParameter: threshold 1 float=0
TileParameter: axis 1 int=1, tiles 2 int=1
WindowDataParameter: source 1 string, scale 2 float=1, mean_file 3 string, batch_size 4 int, crop_size 5 int=0, mirror 6 bool, fg_threshold 7 float, bg_threshold 8 float, fg_fraction 9 float, context_pad 10 int, crop_mode 11 string, cache_images 12 bool, root_folder 13 string

PermuteParameter: order 1 int*
NormalizeParameter: across_spatial 1 bool=true, scale_filler 2 FillerParameter, channel_shared 3 bool=true, eps 4 float=1e-10
PriorBoxParameter: min_size 1 float*, max_size 2 float*, aspect_ratio 3 float*, flip 4 bool=true, clip 5 bool, variance 6 float*, img_size 7 int=0, img_h 8 int=0, img_w 9 int=0, step 10 float=0, step_h 11 float=0, step_w 12 float=0, offset 13 float=0.5
DetectionOutputParameter: num_classes 1 int=0, share_location 2 bool=true, background_label_id 3 int=0, nms_param 4 NonMaximumSuppressionParameter, save_output_param 5 any, code_type 6 Code=CORNER, variance_encoded_in_target 8 bool, keep_top_k 7 int=-1, confidence_threshold 9 float, visualize 10 bool, visualize_threshold 11 float, save_file 12 string, clip 1000 bool
NonMaximumSuppressionParameter: nms_threshold 1 float=0.3, top_k 2 int=-1, eta 3 float=1
AnnotatedDataParameter: label_map_file 2 string
InterpParameter: height 1 int=0, width 2 int=0, zoom_factor 3 int=1, shrink_factor 4 int=1, pad_beg 5 int=0, pad_end 6 int=0
ShuffleChannelParameter: group 1 int=1
UpsampleParameter: scale 1 int=2, scale_h 2 int=0, scale_w 3 int=0, pad_out_h 4 bool, pad_out_w 5 bool, upsample_h 6 int=0, upsample_w 7 int=0
ROIPoolingParameter: pooled_h 1 int=0, pooled_w 2 int=0, spatial_scale 3 float=1
PSROIPoolingParameter: spatial_scale 1 float, output_dim 2 int=0, group_size 3 int=0
ROIAlignParameter: pooled_h 1 int=0, pooled_w 2 int=0, spatial_scale 3 float=1, sampling_ratio 4 int=-1
BNParameter: slope_filler 1 FillerParameter, bias_filler 2 FillerParameter, momentum 3 float=0.9, eps 4 float=1e-5, frozen 5 bool, engine 6 any, bn_mode 0 BNMode=LEARN, scale_filler 0 FillerParameter, shift_filler 0 FillerParameter, var_eps 0 float
ReorgParameter: stride 1 int=2, reverse 2 bool

V1LayerParameter: bottom 2 string*, top 3 string*, name 4 string, include 32 NetStateRule*, exclude 33 NetStateRule*, type 5 V1Type=NONE, blobs 6 BlobProto*, param 1001 string*, blob_share_mode 1002 Check*, blobs_lr 7 float*, weight_decay 8 float*, loss_weight 35 float*, accuracy_param 27 AccuracyParameter, argmax_param 23 ArgMaxParameter, concat_param 9 ConcatParameter, contrastive_loss_param 40 ContrastiveLossParameter, convolution_param 10 ConvolutionParameter, data_param 11 DataParameter, dropout_param 12 DropoutParameter, dummy_data_param 26 DummyDataParameter, eltwise_param 24 EltwiseParameter, exp_param 41 ExpParameter, hdf5_data_param 13 HDF5DataParameter, hdf5_output_param 14 HDF5OutputParameter, hinge_loss_param 29 HingeLossParameter, image_data_param 15 ImageDataParameter, infogain_loss_param 16 InfogainLossParameter, inner_product_param 17 InnerProductParameter, lrn_param 18 LRNParameter, memory_data_param 22 MemoryDataParameter, mvn_param 34 MVNParameter, pooling_param 19 PoolingParameter, power_param 21 PowerParameter, relu_param 30 ReLUParameter, sigmoid_param 38 EngineParameter, softmax_param 39 SoftmaxParameter, slice_param 31 SliceParameter, tanh_param 37 EngineParameter, threshold_param 25 ThresholdParameter, window_data_param 20 WindowDataParameter, transform_param 36 TransformationParameter, loss_param 42 LossParameter, layer 1 V0LayerParameter
V0LayerParameter: name 1 string, type 2 string, num_output 3 int=0, biasterm 4 bool=true, weight_filler 5 FillerParameter, bias_filler 6 FillerParameter, pad 7 int=0, kernelsize 8 int=0, group 9 int=1, stride 10 int=1, pool 11 Pool=MAX, dropout_ratio 12 float=0.5, local_size 13 int=5, alpha 14 float=1, beta 15 float=0.75, k 22 float=1, source 16 string, scale 17 float=1, meanfile 18 string, batchsize 19 int=0, cropsize 20 int=0, mirror 21 bool, blobs 50 BlobProto*, blobs_lr 51 float*, weight_decay 52 float*, rand_skip 53 int, det_fg_threshold 54 float, det_bg_threshold 55 float, det_fg_fraction 56 float, det_context_pad 58 int, det_crop_mode 59 string, new_num 60 int=0, new_channels 61 int=0, new_height 62 int=0, new_width 63 int=0, shuffle_images 64 bool, concat_dim 65 int=1, hdf5_output_param 1001 HDF5OutputParameter
"""


@dataclass(frozen=True)
class Field:
    name: str
    number: int
    type: str  # int, float, double, bool, string, any, an enum or a message
    repeated: bool
    default: Any


def _default(type: str, text: str | None, enums: dict[str, dict[str, int]]) -> Any:
    if type in ("int", "float", "double"):
        return None if text is None else int(text) if type == "int" else float(text)
    if type == "bool":
        return text == "true"
    return "" if text is None and type == "string" else text


def parse(text: str) -> tuple[dict[str, dict[str, Field]], dict[str, dict[str, int]]]:
    messages: dict[str, dict[str, Field]] = {}
    enums: dict[str, dict[str, int]] = {}
    for line in filter(None, text.splitlines()):
        head, _, body = line.partition(": ")
        if head.startswith("enum "):
            enums[head[5:]] = {name: int(n) for name, _, n in (item.partition("=") for item in body.split())}
            continue
        fields = messages.setdefault(head, {})
        for item in body.split(", "):
            name, number, kind = item.split(" ", 2)
            kind, _, default = kind.partition("=")
            repeated = kind.endswith("*")
            kind = kind.rstrip("*")
            fields[name] = Field(name, int(number), kind, repeated, _default(kind, default or None, enums))
    return messages, enums


MESSAGES, ENUMS = parse(_TEXT)
NUMBERS = {m: {f.number: f for f in fields.values() if f.number} for m, fields in MESSAGES.items()}
