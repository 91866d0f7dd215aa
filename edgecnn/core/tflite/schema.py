"""Facts of the TFLite schema (version 3) as tables: op names, tensor types, builtin options.

The numbers come from the public schema.fbs; the tests compare every row with the ``tflite``
package. Options are listed by their union code (the position in the text), fields by slot (the
position after the class): ``name:type=default``; ``_`` is a slot that no longer exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgecnn.core.tflite.model import DType

IDENTIFIER = b"TFL3"
VERSION = 3

_OPS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM
CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE
SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK
REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS
WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG
REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD
UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR
RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY
STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL
STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL
STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER
STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH
STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE
STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE
DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT
STABLEHLO_CBRT STABLEHLO_CASE
"""

_OPTIONS = """
Conv2DOptions padding:Padding stride_w:i4 stride_h:i4 fused_activation_function:Activation
  dilation_w_factor:i4=1 dilation_h_factor:i4=1 quantized_bias_type:TensorType
DepthwiseConv2DOptions padding:Padding stride_w:i4 stride_h:i4 depth_multiplier:i4
  fused_activation_function:Activation dilation_w_factor:i4=1 dilation_h_factor:i4=1
ConcatEmbeddingsOptions num_channels:i4 num_columns_per_channel:i4[]
  embedding_dim_per_channel:i4[]
LSHProjectionOptions type:LshProjection
Pool2DOptions padding:Padding stride_w:i4 stride_h:i4 filter_width:i4 filter_height:i4
  fused_activation_function:Activation
SVDFOptions rank:i4 fused_activation_function:Activation asymmetric_quantize_inputs:bool
RNNOptions fused_activation_function:Activation asymmetric_quantize_inputs:bool
FullyConnectedOptions fused_activation_function:Activation weights_format:WeightsFormat
  keep_num_dims:bool asymmetric_quantize_inputs:bool quantized_bias_type:TensorType
  quant_spec:u1[]
SoftmaxOptions beta:f4
ConcatenationOptions axis:i4 fused_activation_function:Activation
AddOptions fused_activation_function:Activation pot_scale_int16:bool=1
L2NormOptions fused_activation_function:Activation
LocalResponseNormalizationOptions radius:i4 bias:f4 alpha:f4 beta:f4
LSTMOptions fused_activation_function:Activation cell_clip:f4 proj_clip:f4
  kernel_type:LstmKernel asymmetric_quantize_inputs:bool
ResizeBilinearOptions _ _ align_corners:bool half_pixel_centers:bool
CallOptions subgraph:u4
ReshapeOptions new_shape:i4[]
SkipGramOptions ngram_size:i4 max_skip_size:i4 include_all_ngrams:bool
SpaceToDepthOptions block_size:i4
EmbeddingLookupSparseOptions combiner:Combiner
MulOptions fused_activation_function:Activation
PadOptions
GatherOptions axis:i4 batch_dims:i4
BatchToSpaceNDOptions SpaceToBatchNDOptions TransposeOptions
ReducerOptions keep_dims:bool
SubOptions fused_activation_function:Activation pot_scale_int16:bool=1
DivOptions fused_activation_function:Activation
SqueezeOptions squeeze_dims:i4[]
SequenceRNNOptions time_major:bool fused_activation_function:Activation
  asymmetric_quantize_inputs:bool
StridedSliceOptions begin_mask:i4 end_mask:i4 ellipsis_mask:i4 new_axis_mask:i4
  shrink_axis_mask:i4 offset:bool
ExpOptions TopKV2Options
SplitOptions num_splits:i4
LogSoftmaxOptions
CastOptions in_data_type:TensorType out_data_type:TensorType
DequantizeOptions MaximumMinimumOptions
ArgMaxOptions output_type:TensorType
LessOptions NegOptions PadV2Options GreaterOptions GreaterEqualOptions LessEqualOptions
SelectOptions SliceOptions
TransposeConvOptions padding:Padding stride_w:i4 stride_h:i4
  fused_activation_function:Activation quantized_bias_type:TensorType
SparseToDenseOptions validate_indices:bool
TileOptions ExpandDimsOptions EqualOptions NotEqualOptions
ShapeOptions out_type:TensorType
PowOptions
ArgMinOptions output_type:TensorType
FakeQuantOptions min:f4 max:f4 num_bits:i4 narrow_range:bool
PackOptions values_count:i4 axis:i4
LogicalOrOptions
OneHotOptions axis:i4
LogicalAndOptions LogicalNotOptions
UnpackOptions num:i4 axis:i4
FloorDivOptions SquareOptions ZerosLikeOptions FillOptions
BidirectionalSequenceLSTMOptions fused_activation_function:Activation cell_clip:f4 proj_clip:f4
  merge_outputs:bool time_major:bool=1 asymmetric_quantize_inputs:bool
BidirectionalSequenceRNNOptions time_major:bool fused_activation_function:Activation
  merge_outputs:bool asymmetric_quantize_inputs:bool
UnidirectionalSequenceLSTMOptions fused_activation_function:Activation cell_clip:f4 proj_clip:f4
  time_major:bool asymmetric_quantize_inputs:bool diagonal_recurrent_tensors:bool
FloorModOptions RangeOptions
ResizeNearestNeighborOptions align_corners:bool half_pixel_centers:bool
LeakyReluOptions alpha:f4
SquaredDifferenceOptions
MirrorPadOptions mode:MirrorPad
AbsOptions
SplitVOptions num_splits:i4
UniqueOptions idx_out_type:TensorType=2
ReverseV2Options AddNOptions GatherNdOptions CosOptions WhereOptions RankOptions
ReverseSequenceOptions seq_dim:i4 batch_dim:i4
MatrixDiagOptions QuantizeOptions MatrixSetDiagOptions HardSwishOptions
IfOptions then_subgraph_index:i4 else_subgraph_index:i4
WhileOptions cond_subgraph_index:i4 body_subgraph_index:i4
DepthToSpaceOptions block_size:i4
NonMaxSuppressionV4Options NonMaxSuppressionV5Options ScatterNdOptions SelectV2Options
DensifyOptions SegmentSumOptions
BatchMatMulOptions adj_x:bool adj_y:bool asymmetric_quantize_inputs:bool
CumsumOptions exclusive:bool reverse:bool
CallOnceOptions init_subgraph_index:i4
BroadcastToOptions Rfft2dOptions
Conv3DOptions padding:Padding stride_d:i4 stride_w:i4 stride_h:i4
  fused_activation_function:Activation dilation_d_factor:i4=1 dilation_w_factor:i4=1
  dilation_h_factor:i4=1
HashtableOptions table_id:i4 key_dtype:TensorType value_dtype:TensorType
HashtableFindOptions HashtableImportOptions HashtableSizeOptions
VarHandleOptions container:str shared_name:str
ReadVariableOptions AssignVariableOptions
RandomOptions seed:i8 seed2:i8
BucketizeOptions boundaries:f4[]
GeluOptions approximate:bool
DynamicUpdateSliceOptions UnsortedSegmentProdOptions UnsortedSegmentMaxOptions
UnsortedSegmentMinOptions UnsortedSegmentSumOptions ATan2Options SignOptions BitcastOptions
BitwiseXorOptions RightShiftOptions
"""

# Classes whose name is not that of their only op.
_SHARED = {
    "Pool2DOptions": "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
    "L2NormOptions": "L2_NORMALIZATION",
    "ReducerOptions": "MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL",
    "SequenceRNNOptions": "UNIDIRECTIONAL_SEQUENCE_RNN",
    "MaximumMinimumOptions": "MAXIMUM MINIMUM",
    "RandomOptions": "RANDOM_UNIFORM RANDOM_STANDARD_NORMAL MULTINOMIAL",
    "Conv3DOptions": "CONV_3D CONV_3D_TRANSPOSE",
}

ENUMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Padding": ("SAME", "VALID"),
        "Activation": ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"),
        "MirrorPad": ("REFLECT", "SYMMETRIC"),
        "LstmKernel": ("FULL", "BASIC"),
        "WeightsFormat": ("DEFAULT", "SHUFFLED4x16INT8"),
        "Combiner": ("SUM", "MEAN", "SQRTN"),
        "LshProjection": ("UNKNOWN", "SPARSE", "DENSE"),
        "TensorType": tuple(dtype.name for dtype in DType),
    }
)


@dataclass(frozen=True)
class Field:
    """One field of an options table.

    Attributes:
        name: as in the schema, snake case.
        slot: position in the vtable.
        kind: ``i4``, ``u4``, ``i8``, ``f4``, ``bool``, ``str``, ``i4[]``, ``u1[]``, ``f4[]``, or a
            key of :data:`ENUMS` (stored as one signed byte).
        default: as a number; an enum's code.
    """

    name: str
    slot: int
    kind: str
    default: int = 0


def _parse_options() -> tuple[tuple[str, tuple[Field, ...]], ...]:
    rows: list[tuple[str, list[Field]]] = []
    slot = 0
    for token in _OPTIONS.split():
        if token == "_":
            slot += 1
        elif ":" not in token:
            rows.append((token, []))
            slot = 0
        else:
            name, _, rest = token.partition(":")
            kind, _, default = rest.partition("=")
            rows[-1][1].append(Field(name, slot, kind, int(default or 0)))
            slot += 1
    return tuple((name, tuple(fields)) for name, fields in rows)


def _options_of_ops(classes: tuple[str, ...]) -> dict[str, str]:
    by_name = {name.removesuffix("Options").lower(): name for name in classes}
    plain = {op: by_name.get(op.replace("_", "").lower()) for op in OP_NAMES}
    shared = {op: name for name, ops in _SHARED.items() for op in ops.split()}
    return {op: name for op, name in (plain | shared).items() if name is not None}


OP_NAMES: tuple[str, ...] = tuple(_OPS.split())
"""BuiltinOperator: the code is the position."""

TENSOR_TYPES: tuple[DType, ...] = tuple(DType)
"""TensorType: the code is the position."""

_ROWS = _parse_options()

OPTION_CLASSES: tuple[str, ...] = ("NONE", *(name for name, _ in _ROWS))
"""The BuiltinOptions union: the code is the position."""

OPTION_FIELDS: Mapping[str, tuple[Field, ...]] = MappingProxyType(dict(_ROWS))
"""Class → its fields."""

OP_OPTIONS: Mapping[str, str] = MappingProxyType(_options_of_ops(OPTION_CLASSES[1:]))
"""Op → the class that its options have; ops without options are absent."""


def op_name(code: int) -> str:
    """The BuiltinOperator name; codes newer than this table read ``BUILTIN_<code>``.

    >>> op_name(3), op_name(9999)
    ('CONV_2D', 'BUILTIN_9999')
    """
    return OP_NAMES[code] if code < len(OP_NAMES) else f"BUILTIN_{code}"
