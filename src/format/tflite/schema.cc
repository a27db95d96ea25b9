#include "format/tflite/schema.h"

namespace sluice::format::tflite {
namespace {

constexpr std::string_view kTensorTypeNames[] = {
    "FLOAT32",  "FLOAT16",  "INT32",     "UINT8",         "INT64",      "STRING",
    "BOOL",     "INT16",    "COMPLEX64", "INT8",          "FLOAT64",    "COMPLEX128",
    "UINT64",   "RESOURCE", "VARIANT",   "UINT32",        "UINT16",     "INT4",
    "BFLOAT16", "INT2",     "UINT4",     "FLOAT8_E4M3FN", "FLOAT8_E5M2"};
constexpr std::string_view kDimensionTypeNames[] = {"DENSE", "SPARSE_CSR"};
constexpr std::string_view kPaddingNames[] = {"SAME", "VALID"};
constexpr std::string_view kActivationFunctionTypeNames[] = {"NONE",  "RELU", "RELU_N1_TO_1",
                                                             "RELU6", "TANH", "SIGN_BIT"};
constexpr std::string_view kLSHProjectionTypeNames[] = {"UNKNOWN", "SPARSE", "DENSE"};
constexpr std::string_view kWeightsFormatNames[] = {"DEFAULT", "SHUFFLED4x16INT8"};
constexpr std::string_view kLSTMKernelTypeNames[] = {"FULL", "BASIC"};
constexpr std::string_view kCombinerTypeNames[] = {"SUM", "MEAN", "SQRTN"};
constexpr std::string_view kMirrorPadModeNames[] = {"REFLECT", "SYMMETRIC"};
constexpr std::string_view kRngAlgorithmNames[] = {"DEFAULT", "PHILOX", "THREEFRY"};
constexpr std::string_view kComparisonDirectionNames[] = {"EQ", "NE", "GE", "GT", "LE", "LT"};
constexpr std::string_view kComparisonTypeNames[] = {"NOTYPE", "FLOAT", "FLOAT_TOTAL_ORDER",
                                                     "SIGNED", "UNSIGNED"};
constexpr std::string_view kReduceWindowFunctionNames[] = {"UNSUPPORTED", "ADD", "MUL", "MINIMUM",
                                                           "MAXIMUM",     "ALL", "ANY"};

constexpr std::string_view kBuiltinNames[] = {"ADD",
                                              "AVERAGE_POOL_2D",
                                              "CONCATENATION",
                                              "CONV_2D",
                                              "DEPTHWISE_CONV_2D",
                                              "DEPTH_TO_SPACE",
                                              "DEQUANTIZE",
                                              "EMBEDDING_LOOKUP",
                                              "FLOOR",
                                              "FULLY_CONNECTED",
                                              "HASHTABLE_LOOKUP",
                                              "L2_NORMALIZATION",
                                              "L2_POOL_2D",
                                              "LOCAL_RESPONSE_NORMALIZATION",
                                              "LOGISTIC",
                                              "LSH_PROJECTION",
                                              "LSTM",
                                              "MAX_POOL_2D",
                                              "MUL",
                                              "RELU",
                                              "RELU_N1_TO_1",
                                              "RELU6",
                                              "RESHAPE",
                                              "RESIZE_BILINEAR",
                                              "RNN",
                                              "SOFTMAX",
                                              "SPACE_TO_DEPTH",
                                              "SVDF",
                                              "TANH",
                                              "CONCAT_EMBEDDINGS",
                                              "SKIP_GRAM",
                                              "CALL",
                                              "CUSTOM",
                                              "EMBEDDING_LOOKUP_SPARSE",
                                              "PAD",
                                              "UNIDIRECTIONAL_SEQUENCE_RNN",
                                              "GATHER",
                                              "BATCH_TO_SPACE_ND",
                                              "SPACE_TO_BATCH_ND",
                                              "TRANSPOSE",
                                              "MEAN",
                                              "SUB",
                                              "DIV",
                                              "SQUEEZE",
                                              "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                              "STRIDED_SLICE",
                                              "BIDIRECTIONAL_SEQUENCE_RNN",
                                              "EXP",
                                              "TOPK_V2",
                                              "SPLIT",
                                              "LOG_SOFTMAX",
                                              "DELEGATE",
                                              "BIDIRECTIONAL_SEQUENCE_LSTM",
                                              "CAST",
                                              "PRELU",
                                              "MAXIMUM",
                                              "ARG_MAX",
                                              "MINIMUM",
                                              "LESS",
                                              "NEG",
                                              "PADV2",
                                              "GREATER",
                                              "GREATER_EQUAL",
                                              "LESS_EQUAL",
                                              "SELECT",
                                              "SLICE",
                                              "SIN",
                                              "TRANSPOSE_CONV",
                                              "SPARSE_TO_DENSE",
                                              "TILE",
                                              "EXPAND_DIMS",
                                              "EQUAL",
                                              "NOT_EQUAL",
                                              "LOG",
                                              "SUM",
                                              "SQRT",
                                              "RSQRT",
                                              "SHAPE",
                                              "POW",
                                              "ARG_MIN",
                                              "FAKE_QUANT",
                                              "REDUCE_PROD",
                                              "REDUCE_MAX",
                                              "PACK",
                                              "LOGICAL_OR",
                                              "ONE_HOT",
                                              "LOGICAL_AND",
                                              "LOGICAL_NOT",
                                              "UNPACK",
                                              "REDUCE_MIN",
                                              "FLOOR_DIV",
                                              "REDUCE_ANY",
                                              "SQUARE",
                                              "ZEROS_LIKE",
                                              "FILL",
                                              "FLOOR_MOD",
                                              "RANGE",
                                              "RESIZE_NEAREST_NEIGHBOR",
                                              "LEAKY_RELU",
                                              "SQUARED_DIFFERENCE",
                                              "MIRROR_PAD",
                                              "ABS",
                                              "SPLIT_V",
                                              "UNIQUE",
                                              "CEIL",
                                              "REVERSE_V2",
                                              "ADD_N",
                                              "GATHER_ND",
                                              "COS",
                                              "WHERE",
                                              "RANK",
                                              "ELU",
                                              "REVERSE_SEQUENCE",
                                              "MATRIX_DIAG",
                                              "QUANTIZE",
                                              "MATRIX_SET_DIAG",
                                              "ROUND",
                                              "HARD_SWISH",
                                              "IF",
                                              "WHILE",
                                              "NON_MAX_SUPPRESSION_V4",
                                              "NON_MAX_SUPPRESSION_V5",
                                              "SCATTER_ND",
                                              "SELECT_V2",
                                              "DENSIFY",
                                              "SEGMENT_SUM",
                                              "BATCH_MATMUL",
                                              "PLACEHOLDER_FOR_GREATER_OP_CODES",
                                              "CUMSUM",
                                              "CALL_ONCE",
                                              "BROADCAST_TO",
                                              "RFFT2D",
                                              "CONV_3D",
                                              "IMAG",
                                              "REAL",
                                              "COMPLEX_ABS",
                                              "HASHTABLE",
                                              "HASHTABLE_FIND",
                                              "HASHTABLE_IMPORT",
                                              "HASHTABLE_SIZE",
                                              "REDUCE_ALL",
                                              "CONV_3D_TRANSPOSE",
                                              "VAR_HANDLE",
                                              "READ_VARIABLE",
                                              "ASSIGN_VARIABLE",
                                              "BROADCAST_ARGS",
                                              "RANDOM_STANDARD_NORMAL",
                                              "BUCKETIZE",
                                              "RANDOM_UNIFORM",
                                              "MULTINOMIAL",
                                              "GELU",
                                              "DYNAMIC_UPDATE_SLICE",
                                              "RELU_0_TO_1",
                                              "UNSORTED_SEGMENT_PROD",
                                              "UNSORTED_SEGMENT_MAX",
                                              "UNSORTED_SEGMENT_SUM",
                                              "ATAN2",
                                              "UNSORTED_SEGMENT_MIN",
                                              "SIGN",
                                              "BITCAST",
                                              "BITWISE_XOR",
                                              "RIGHT_SHIFT",
                                              "STABLEHLO_LOGISTIC",
                                              "STABLEHLO_ADD",
                                              "STABLEHLO_DIVIDE",
                                              "STABLEHLO_MULTIPLY",
                                              "STABLEHLO_MAXIMUM",
                                              "STABLEHLO_RESHAPE",
                                              "STABLEHLO_CLAMP",
                                              "STABLEHLO_CONCATENATE",
                                              "STABLEHLO_BROADCAST_IN_DIM",
                                              "STABLEHLO_CONVOLUTION",
                                              "STABLEHLO_SLICE",
                                              "STABLEHLO_CUSTOM_CALL",
                                              "STABLEHLO_REDUCE",
                                              "STABLEHLO_ABS",
                                              "STABLEHLO_AND",
                                              "STABLEHLO_COSINE",
                                              "STABLEHLO_EXPONENTIAL",
                                              "STABLEHLO_FLOOR",
                                              "STABLEHLO_LOG",
                                              "STABLEHLO_MINIMUM",
                                              "STABLEHLO_NEGATE",
                                              "STABLEHLO_OR",
                                              "STABLEHLO_POWER",
                                              "STABLEHLO_REMAINDER",
                                              "STABLEHLO_RSQRT",
                                              "STABLEHLO_SELECT",
                                              "STABLEHLO_SUBTRACT",
                                              "STABLEHLO_TANH",
                                              "STABLEHLO_SCATTER",
                                              "STABLEHLO_COMPARE",
                                              "STABLEHLO_CONVERT",
                                              "STABLEHLO_DYNAMIC_SLICE",
                                              "STABLEHLO_DYNAMIC_UPDATE_SLICE",
                                              "STABLEHLO_PAD",
                                              "STABLEHLO_IOTA",
                                              "STABLEHLO_DOT_GENERAL",
                                              "STABLEHLO_REDUCE_WINDOW",
                                              "STABLEHLO_SORT",
                                              "STABLEHLO_WHILE",
                                              "STABLEHLO_GATHER",
                                              "STABLEHLO_TRANSPOSE",
                                              "DILATE",
                                              "STABLEHLO_RNG_BIT_GENERATOR",
                                              "REDUCE_WINDOW",
                                              "STABLEHLO_COMPOSITE",
                                              "COMPLEX"};

// Options without fields share this definition.
constexpr TableDef kEmptyOptions = {"options", {}};

constexpr FieldDef kCustomQuantizationFields[] = {{"custom", Kind::kBytes}};
constexpr TableDef kCustomQuantization = {"CustomQuantization", kCustomQuantizationFields};
constexpr FieldDef kBlockwiseQuantizationFields[] = {
    {"scales", Kind::kInt32}, {"zero_points", Kind::kInt32}, {"block_size", Kind::kInt32}};
constexpr TableDef kBlockwiseQuantization = {"BlockwiseQuantization", kBlockwiseQuantizationFields};
constexpr FieldDef kMultiAxisQuantizationFields[] = {{"scales", Kind::kInt32},
                                                     {"zero_points", Kind::kInt32},
                                                     {"block_size", Kind::kInt32},
                                                     {"quantized_dimensions", Kind::kInt32s}};
constexpr TableDef kMultiAxisQuantization = {"MultiAxisQuantization", kMultiAxisQuantizationFields};
constexpr const TableDef* kQuantizationDetailsMembers[] = {
    &kCustomQuantization, &kBlockwiseQuantization, &kMultiAxisQuantization};
constexpr FieldDef kQuantizationParametersFields[] = {
    {"min", Kind::kFloats},
    {"max", Kind::kFloats},
    {"scale", Kind::kFloats},
    {"zero_point", Kind::kInt64s},
    {"details_type", Kind::kUnionType},
    {"details", Kind::kUnion, 0, nullptr, kQuantizationDetailsMembers},
    {"quantized_dimension", Kind::kInt32}};
constexpr TableDef kQuantizationParameters = {"QuantizationParameters",
                                              kQuantizationParametersFields};
constexpr FieldDef kInt32VectorFields[] = {{"values", Kind::kInt32s}};
constexpr TableDef kInt32Vector = {"Int32Vector", kInt32VectorFields};
constexpr FieldDef kUint16VectorFields[] = {{"values", Kind::kUInt16s}};
constexpr TableDef kUint16Vector = {"Uint16Vector", kUint16VectorFields};
constexpr FieldDef kUint8VectorFields[] = {{"values", Kind::kBytes}};
constexpr TableDef kUint8Vector = {"Uint8Vector", kUint8VectorFields};
constexpr const TableDef* kSparseIndexVectorMembers[] = {&kInt32Vector, &kUint16Vector,
                                                         &kUint8Vector};
constexpr FieldDef kDimensionMetadataFields[] = {
    {"format", Kind::kInt8, 0, nullptr, {}, kDimensionTypeNames},
    {"dense_size", Kind::kInt32},
    {"array_segments_type", Kind::kUnionType},
    {"array_segments", Kind::kUnion, 0, nullptr, kSparseIndexVectorMembers},
    {"array_indices_type", Kind::kUnionType},
    {"array_indices", Kind::kUnion, 0, nullptr, kSparseIndexVectorMembers}};
constexpr TableDef kDimensionMetadata = {"DimensionMetadata", kDimensionMetadataFields};
constexpr FieldDef kSparsityParametersFields[] = {
    {"traversal_order", Kind::kInt32s},
    {"block_map", Kind::kInt32s},
    {"dim_metadata", Kind::kTables, 0, &kDimensionMetadata}};
constexpr TableDef kSparsityParameters = {"SparsityParameters", kSparsityParametersFields};
constexpr FieldDef kVariantSubTypeFields[] = {
    {"shape", Kind::kInt32s},
    {"type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames},
    {"has_rank", Kind::kBool}};
constexpr TableDef kVariantSubType = {"VariantSubType", kVariantSubTypeFields};
constexpr FieldDef kTensorFields[] = {{"shape", Kind::kInt32s},
                                      {"type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames},
                                      {"buffer", Kind::kUInt32},
                                      {"name", Kind::kString},
                                      {"quantization", Kind::kTable, 0, &kQuantizationParameters},
                                      {"is_variable", Kind::kBool},
                                      {"sparsity", Kind::kTable, 0, &kSparsityParameters},
                                      {"shape_signature", Kind::kInt32s},
                                      {"has_rank", Kind::kBool},
                                      {"variant_tensors", Kind::kTables, 0, &kVariantSubType},
                                      {"external_buffer", Kind::kUInt32}};
constexpr TableDef kTensor = {"Tensor", kTensorFields};
constexpr FieldDef kConv2DOptionsFields[] = {
    {"padding", Kind::kInt8, 0, nullptr, {}, kPaddingNames},
    {"stride_w", Kind::kInt32},
    {"stride_h", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"dilation_w_factor", Kind::kInt32, 1},
    {"dilation_h_factor", Kind::kInt32, 1},
    {"quantized_bias_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kConv2DOptions = {"Conv2DOptions", kConv2DOptionsFields};
constexpr FieldDef kDepthwiseConv2DOptionsFields[] = {
    {"padding", Kind::kInt8, 0, nullptr, {}, kPaddingNames},
    {"stride_w", Kind::kInt32},
    {"stride_h", Kind::kInt32},
    {"depth_multiplier", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"dilation_w_factor", Kind::kInt32, 1},
    {"dilation_h_factor", Kind::kInt32, 1}};
constexpr TableDef kDepthwiseConv2DOptions = {"DepthwiseConv2DOptions",
                                              kDepthwiseConv2DOptionsFields};
constexpr FieldDef kConcatEmbeddingsOptionsFields[] = {
    {"num_channels", Kind::kInt32},
    {"num_columns_per_channel", Kind::kInt32s},
    {"embedding_dim_per_channel", Kind::kInt32s}};
constexpr TableDef kConcatEmbeddingsOptions = {"ConcatEmbeddingsOptions",
                                               kConcatEmbeddingsOptionsFields};
constexpr FieldDef kLSHProjectionOptionsFields[] = {
    {"type", Kind::kInt8, 0, nullptr, {}, kLSHProjectionTypeNames}};
constexpr TableDef kLSHProjectionOptions = {"LSHProjectionOptions", kLSHProjectionOptionsFields};
constexpr FieldDef kPool2DOptionsFields[] = {
    {"padding", Kind::kInt8, 0, nullptr, {}, kPaddingNames},
    {"stride_w", Kind::kInt32},
    {"stride_h", Kind::kInt32},
    {"filter_width", Kind::kInt32},
    {"filter_height", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames}};
constexpr TableDef kPool2DOptions = {"Pool2DOptions", kPool2DOptionsFields};
constexpr FieldDef kSVDFOptionsFields[] = {
    {"rank", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kSVDFOptions = {"SVDFOptions", kSVDFOptionsFields};
constexpr FieldDef kRNNOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kRNNOptions = {"RNNOptions", kRNNOptionsFields};
constexpr FieldDef kFullyConnectedOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"weights_format", Kind::kInt8, 0, nullptr, {}, kWeightsFormatNames},
    {"keep_num_dims", Kind::kBool},
    {"asymmetric_quantize_inputs", Kind::kBool},
    {"quantized_bias_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kFullyConnectedOptions = {"FullyConnectedOptions", kFullyConnectedOptionsFields};
constexpr FieldDef kSoftmaxOptionsFields[] = {{"beta", Kind::kFloat}};
constexpr TableDef kSoftmaxOptions = {"SoftmaxOptions", kSoftmaxOptionsFields};
constexpr FieldDef kConcatenationOptionsFields[] = {
    {"axis", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames}};
constexpr TableDef kConcatenationOptions = {"ConcatenationOptions", kConcatenationOptionsFields};
constexpr FieldDef kAddOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"pot_scale_int16", Kind::kBool, 1}};
constexpr TableDef kAddOptions = {"AddOptions", kAddOptionsFields};
constexpr FieldDef kL2NormOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames}};
constexpr TableDef kL2NormOptions = {"L2NormOptions", kL2NormOptionsFields};
constexpr FieldDef kLocalResponseNormalizationOptionsFields[] = {{"radius", Kind::kInt32},
                                                                 {"bias", Kind::kFloat},
                                                                 {"alpha", Kind::kFloat},
                                                                 {"beta", Kind::kFloat}};
constexpr TableDef kLocalResponseNormalizationOptions = {"LocalResponseNormalizationOptions",
                                                         kLocalResponseNormalizationOptionsFields};
constexpr FieldDef kLSTMOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"cell_clip", Kind::kFloat},
    {"proj_clip", Kind::kFloat},
    {"kernel_type", Kind::kInt8, 0, nullptr, {}, kLSTMKernelTypeNames},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kLSTMOptions = {"LSTMOptions", kLSTMOptionsFields};
constexpr FieldDef kResizeBilinearOptionsFields[] = {
    {}, {}, {"align_corners", Kind::kBool}, {"half_pixel_centers", Kind::kBool}};
constexpr TableDef kResizeBilinearOptions = {"ResizeBilinearOptions", kResizeBilinearOptionsFields};
constexpr FieldDef kCallOptionsFields[] = {{"subgraph", Kind::kUInt32}};
constexpr TableDef kCallOptions = {"CallOptions", kCallOptionsFields};
constexpr FieldDef kReshapeOptionsFields[] = {{"new_shape", Kind::kInt32s}};
constexpr TableDef kReshapeOptions = {"ReshapeOptions", kReshapeOptionsFields};
constexpr FieldDef kSkipGramOptionsFields[] = {{"ngram_size", Kind::kInt32},
                                               {"max_skip_size", Kind::kInt32},
                                               {"include_all_ngrams", Kind::kBool}};
constexpr TableDef kSkipGramOptions = {"SkipGramOptions", kSkipGramOptionsFields};
constexpr FieldDef kSpaceToDepthOptionsFields[] = {{"block_size", Kind::kInt32}};
constexpr TableDef kSpaceToDepthOptions = {"SpaceToDepthOptions", kSpaceToDepthOptionsFields};
constexpr FieldDef kEmbeddingLookupSparseOptionsFields[] = {
    {"combiner", Kind::kInt8, 0, nullptr, {}, kCombinerTypeNames}};
constexpr TableDef kEmbeddingLookupSparseOptions = {"EmbeddingLookupSparseOptions",
                                                    kEmbeddingLookupSparseOptionsFields};
constexpr FieldDef kMulOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames}};
constexpr TableDef kMulOptions = {"MulOptions", kMulOptionsFields};
constexpr FieldDef kGatherOptionsFields[] = {{"axis", Kind::kInt32}, {"batch_dims", Kind::kInt32}};
constexpr TableDef kGatherOptions = {"GatherOptions", kGatherOptionsFields};
constexpr FieldDef kReducerOptionsFields[] = {{"keep_dims", Kind::kBool}};
constexpr TableDef kReducerOptions = {"ReducerOptions", kReducerOptionsFields};
constexpr FieldDef kSubOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"pot_scale_int16", Kind::kBool, 1}};
constexpr TableDef kSubOptions = {"SubOptions", kSubOptionsFields};
constexpr FieldDef kDivOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames}};
constexpr TableDef kDivOptions = {"DivOptions", kDivOptionsFields};
constexpr FieldDef kSqueezeOptionsFields[] = {{"squeeze_dims", Kind::kInt32s}};
constexpr TableDef kSqueezeOptions = {"SqueezeOptions", kSqueezeOptionsFields};
constexpr FieldDef kSequenceRNNOptionsFields[] = {
    {"time_major", Kind::kBool},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kSequenceRNNOptions = {"SequenceRNNOptions", kSequenceRNNOptionsFields};
constexpr FieldDef kStridedSliceOptionsFields[] = {
    {"begin_mask", Kind::kInt32},       {"end_mask", Kind::kInt32},
    {"ellipsis_mask", Kind::kInt32},    {"new_axis_mask", Kind::kInt32},
    {"shrink_axis_mask", Kind::kInt32}, {"offset", Kind::kBool}};
constexpr TableDef kStridedSliceOptions = {"StridedSliceOptions", kStridedSliceOptionsFields};
constexpr FieldDef kSplitOptionsFields[] = {{"num_splits", Kind::kInt32}};
constexpr TableDef kSplitOptions = {"SplitOptions", kSplitOptionsFields};
constexpr FieldDef kCastOptionsFields[] = {
    {"in_data_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames},
    {"out_data_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kCastOptions = {"CastOptions", kCastOptionsFields};
constexpr FieldDef kArgMaxOptionsFields[] = {
    {"output_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kArgMaxOptions = {"ArgMaxOptions", kArgMaxOptionsFields};
constexpr FieldDef kTransposeConvOptionsFields[] = {
    {"padding", Kind::kInt8, 0, nullptr, {}, kPaddingNames},
    {"stride_w", Kind::kInt32},
    {"stride_h", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"quantized_bias_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kTransposeConvOptions = {"TransposeConvOptions", kTransposeConvOptionsFields};
constexpr FieldDef kSparseToDenseOptionsFields[] = {{"validate_indices", Kind::kBool}};
constexpr TableDef kSparseToDenseOptions = {"SparseToDenseOptions", kSparseToDenseOptionsFields};
constexpr FieldDef kShapeOptionsFields[] = {
    {"out_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kShapeOptions = {"ShapeOptions", kShapeOptionsFields};
constexpr FieldDef kArgMinOptionsFields[] = {
    {"output_type", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kArgMinOptions = {"ArgMinOptions", kArgMinOptionsFields};
constexpr FieldDef kFakeQuantOptionsFields[] = {{"min", Kind::kFloat},
                                                {"max", Kind::kFloat},
                                                {"num_bits", Kind::kInt32},
                                                {"narrow_range", Kind::kBool}};
constexpr TableDef kFakeQuantOptions = {"FakeQuantOptions", kFakeQuantOptionsFields};
constexpr FieldDef kPackOptionsFields[] = {{"values_count", Kind::kInt32}, {"axis", Kind::kInt32}};
constexpr TableDef kPackOptions = {"PackOptions", kPackOptionsFields};
constexpr FieldDef kOneHotOptionsFields[] = {{"axis", Kind::kInt32}};
constexpr TableDef kOneHotOptions = {"OneHotOptions", kOneHotOptionsFields};
constexpr FieldDef kUnpackOptionsFields[] = {{"num", Kind::kInt32}, {"axis", Kind::kInt32}};
constexpr TableDef kUnpackOptions = {"UnpackOptions", kUnpackOptionsFields};
constexpr FieldDef kBidirectionalSequenceLSTMOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"cell_clip", Kind::kFloat},
    {"proj_clip", Kind::kFloat},
    {"merge_outputs", Kind::kBool},
    {"time_major", Kind::kBool, 1},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kBidirectionalSequenceLSTMOptions = {"BidirectionalSequenceLSTMOptions",
                                                        kBidirectionalSequenceLSTMOptionsFields};
constexpr FieldDef kBidirectionalSequenceRNNOptionsFields[] = {
    {"time_major", Kind::kBool},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"merge_outputs", Kind::kBool},
    {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kBidirectionalSequenceRNNOptions = {"BidirectionalSequenceRNNOptions",
                                                       kBidirectionalSequenceRNNOptionsFields};
constexpr FieldDef kUnidirectionalSequenceLSTMOptionsFields[] = {
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"cell_clip", Kind::kFloat},
    {"proj_clip", Kind::kFloat},
    {"time_major", Kind::kBool},
    {"asymmetric_quantize_inputs", Kind::kBool},
    {"diagonal_recurrent_tensors", Kind::kBool}};
constexpr TableDef kUnidirectionalSequenceLSTMOptions = {"UnidirectionalSequenceLSTMOptions",
                                                         kUnidirectionalSequenceLSTMOptionsFields};
constexpr FieldDef kResizeNearestNeighborOptionsFields[] = {{"align_corners", Kind::kBool},
                                                            {"half_pixel_centers", Kind::kBool}};
constexpr TableDef kResizeNearestNeighborOptions = {"ResizeNearestNeighborOptions",
                                                    kResizeNearestNeighborOptionsFields};
constexpr FieldDef kLeakyReluOptionsFields[] = {{"alpha", Kind::kFloat}};
constexpr TableDef kLeakyReluOptions = {"LeakyReluOptions", kLeakyReluOptionsFields};
constexpr FieldDef kMirrorPadOptionsFields[] = {
    {"mode", Kind::kInt8, 0, nullptr, {}, kMirrorPadModeNames}};
constexpr TableDef kMirrorPadOptions = {"MirrorPadOptions", kMirrorPadOptionsFields};
constexpr FieldDef kSplitVOptionsFields[] = {{"num_splits", Kind::kInt32}};
constexpr TableDef kSplitVOptions = {"SplitVOptions", kSplitVOptionsFields};
constexpr FieldDef kUniqueOptionsFields[] = {
    {"idx_out_type", Kind::kInt8, 2, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kUniqueOptions = {"UniqueOptions", kUniqueOptionsFields};
constexpr FieldDef kReverseSequenceOptionsFields[] = {{"seq_dim", Kind::kInt32},
                                                      {"batch_dim", Kind::kInt32}};
constexpr TableDef kReverseSequenceOptions = {"ReverseSequenceOptions",
                                              kReverseSequenceOptionsFields};
constexpr FieldDef kIfOptionsFields[] = {{"then_subgraph_index", Kind::kInt32},
                                         {"else_subgraph_index", Kind::kInt32}};
constexpr TableDef kIfOptions = {"IfOptions", kIfOptionsFields};
constexpr FieldDef kWhileOptionsFields[] = {{"cond_subgraph_index", Kind::kInt32},
                                            {"body_subgraph_index", Kind::kInt32}};
constexpr TableDef kWhileOptions = {"WhileOptions", kWhileOptionsFields};
constexpr FieldDef kDepthToSpaceOptionsFields[] = {{"block_size", Kind::kInt32}};
constexpr TableDef kDepthToSpaceOptions = {"DepthToSpaceOptions", kDepthToSpaceOptionsFields};
constexpr FieldDef kBatchMatMulOptionsFields[] = {
    {"adj_x", Kind::kBool}, {"adj_y", Kind::kBool}, {"asymmetric_quantize_inputs", Kind::kBool}};
constexpr TableDef kBatchMatMulOptions = {"BatchMatMulOptions", kBatchMatMulOptionsFields};
constexpr FieldDef kCumsumOptionsFields[] = {{"exclusive", Kind::kBool}, {"reverse", Kind::kBool}};
constexpr TableDef kCumsumOptions = {"CumsumOptions", kCumsumOptionsFields};
constexpr FieldDef kCallOnceOptionsFields[] = {{"init_subgraph_index", Kind::kInt32}};
constexpr TableDef kCallOnceOptions = {"CallOnceOptions", kCallOnceOptionsFields};
constexpr FieldDef kConv3DOptionsFields[] = {
    {"padding", Kind::kInt8, 0, nullptr, {}, kPaddingNames},
    {"stride_d", Kind::kInt32},
    {"stride_w", Kind::kInt32},
    {"stride_h", Kind::kInt32},
    {"fused_activation_function", Kind::kInt8, 0, nullptr, {}, kActivationFunctionTypeNames},
    {"dilation_d_factor", Kind::kInt32, 1},
    {"dilation_w_factor", Kind::kInt32, 1},
    {"dilation_h_factor", Kind::kInt32, 1}};
constexpr TableDef kConv3DOptions = {"Conv3DOptions", kConv3DOptionsFields};
constexpr FieldDef kHashtableOptionsFields[] = {
    {"table_id", Kind::kInt32},
    {"key_dtype", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames},
    {"value_dtype", Kind::kInt8, 0, nullptr, {}, kTensorTypeNames}};
constexpr TableDef kHashtableOptions = {"HashtableOptions", kHashtableOptionsFields};
constexpr FieldDef kVarHandleOptionsFields[] = {{"container", Kind::kString},
                                                {"shared_name", Kind::kString}};
constexpr TableDef kVarHandleOptions = {"VarHandleOptions", kVarHandleOptionsFields};
constexpr FieldDef kRandomOptionsFields[] = {{"seed", Kind::kInt64}, {"seed2", Kind::kInt64}};
constexpr TableDef kRandomOptions = {"RandomOptions", kRandomOptionsFields};
constexpr FieldDef kBucketizeOptionsFields[] = {{"boundaries", Kind::kFloats}};
constexpr TableDef kBucketizeOptions = {"BucketizeOptions", kBucketizeOptionsFields};
constexpr FieldDef kGeluOptionsFields[] = {{"approximate", Kind::kBool}};
constexpr TableDef kGeluOptions = {"GeluOptions", kGeluOptionsFields};
constexpr FieldDef kStablehloConcatenateOptionsFields[] = {{"dimension", Kind::kInt64}};
constexpr TableDef kStablehloConcatenateOptions = {"StablehloConcatenateOptions",
                                                   kStablehloConcatenateOptionsFields};
constexpr FieldDef kStablehloBroadcastInDimOptionsFields[] = {
    {"broadcast_dimensions", Kind::kInt64s}};
constexpr TableDef kStablehloBroadcastInDimOptions = {"StablehloBroadcastInDimOptions",
                                                      kStablehloBroadcastInDimOptionsFields};
constexpr FieldDef kStablehloSliceOptionsFields[] = {
    {"start_indices", Kind::kInt64s}, {"limit_indices", Kind::kInt64s}, {"strides", Kind::kInt64s}};
constexpr TableDef kStablehloSliceOptions = {"StablehloSliceOptions", kStablehloSliceOptionsFields};
constexpr FieldDef kStablehloConvolutionOptionsFields[] = {
    {"window_strides", Kind::kInt64s},
    {"padding", Kind::kInt64s},
    {"lhs_dilation", Kind::kInt64s},
    {"rhs_dilation", Kind::kInt64s},
    {"window_reversal", Kind::kBools},
    {"input_batch_dimension", Kind::kInt64},
    {"input_feature_dimension", Kind::kInt64},
    {"input_spatial_dimensions", Kind::kInt64s},
    {"kernel_input_feature_dimension", Kind::kInt64},
    {"kernel_output_feature_dimension", Kind::kInt64},
    {"kernel_spatial_dimensions", Kind::kInt64s},
    {"output_batch_dimension", Kind::kInt64},
    {"output_feature_dimension", Kind::kInt64},
    {"output_spatial_dimensions", Kind::kInt64s},
    {"feature_group_count", Kind::kInt64},
    {"batch_group_count", Kind::kInt64},
    {"precision_config", Kind::kUInt32s}};
constexpr TableDef kStablehloConvolutionOptions = {"StablehloConvolutionOptions",
                                                   kStablehloConvolutionOptionsFields};
constexpr FieldDef kStablehloCustomCallOptionsFields[] = {
    {"call_target_name", Kind::kString},    {"has_side_effect", Kind::kBool},
    {"backend_config", Kind::kString},      {"api_version", Kind::kInt32},
    {"called_computations", Kind::kInt32s}, {"custom_attributes", Kind::kBytes}};
constexpr TableDef kStablehloCustomCallOptions = {"StablehloCustomCallOptions",
                                                  kStablehloCustomCallOptionsFields};
constexpr FieldDef kStablehloReduceOptionsFields[] = {{"dimensions", Kind::kInt64s},
                                                      {"body_subgraph_index", Kind::kInt32}};
constexpr TableDef kStablehloReduceOptions = {"StablehloReduceOptions",
                                              kStablehloReduceOptionsFields};
constexpr FieldDef kStablehloScatterOptionsFields[] = {
    {"indices_are_sorted", Kind::kBool},
    {"update_window_dims", Kind::kInt64s},
    {"inserted_window_dims", Kind::kInt64s},
    {"scatter_dims_to_operand_dims", Kind::kInt64s},
    {"index_vector_dim", Kind::kInt64},
    {"unique_indices", Kind::kBool},
    {"update_computation_subgraph_index", Kind::kInt32}};
constexpr TableDef kStablehloScatterOptions = {"StablehloScatterOptions",
                                               kStablehloScatterOptionsFields};
constexpr FieldDef kStablehloCompareOptionsFields[] = {
    {"comparison_direction", Kind::kUInt32, 0, nullptr, {}, kComparisonDirectionNames},
    {"compare_type", Kind::kUInt32, 0, nullptr, {}, kComparisonTypeNames}};
constexpr TableDef kStablehloCompareOptions = {"StablehloCompareOptions",
                                               kStablehloCompareOptionsFields};
constexpr FieldDef kStablehloDynamicSliceOptionsFields[] = {{"slice_sizes", Kind::kInt64s}};
constexpr TableDef kStablehloDynamicSliceOptions = {"StablehloDynamicSliceOptions",
                                                    kStablehloDynamicSliceOptionsFields};
constexpr FieldDef kStablehloPadOptionsFields[] = {{"edge_padding_low", Kind::kInt64s},
                                                   {"edge_padding_high", Kind::kInt64s},
                                                   {"interior_padding", Kind::kInt64s}};
constexpr TableDef kStablehloPadOptions = {"StablehloPadOptions", kStablehloPadOptionsFields};
constexpr FieldDef kStablehloIotaOptionsFields[] = {{"iota_dimension", Kind::kInt64}};
constexpr TableDef kStablehloIotaOptions = {"StablehloIotaOptions", kStablehloIotaOptionsFields};
constexpr FieldDef kStablehloDotGeneralOptionsFields[] = {
    {"lhs_batching_dimensions", Kind::kInt64s},
    {"rhs_batching_dimensions", Kind::kInt64s},
    {"lhs_contracting_dimensions", Kind::kInt64s},
    {"rhs_contracting_dimensions", Kind::kInt64s},
    {"precision_config", Kind::kUInt32s}};
constexpr TableDef kStablehloDotGeneralOptions = {"StablehloDotGeneralOptions",
                                                  kStablehloDotGeneralOptionsFields};
constexpr FieldDef kStablehloReduceWindowOptionsFields[] = {
    {"window_dimensions", Kind::kInt64s}, {"window_strides", Kind::kInt64s},
    {"base_dilations", Kind::kInt64s},    {"window_dilations", Kind::kInt64s},
    {"padding", Kind::kInt64s},           {"body_subgraph_index", Kind::kInt32}};
constexpr TableDef kStablehloReduceWindowOptions = {"StablehloReduceWindowOptions",
                                                    kStablehloReduceWindowOptionsFields};
constexpr FieldDef kStablehloSortOptionsFields[] = {{"dimension", Kind::kInt64},
                                                    {"is_stable", Kind::kBool},
                                                    {"comparator_subgraph_index", Kind::kInt32}};
constexpr TableDef kStablehloSortOptions = {"StablehloSortOptions", kStablehloSortOptionsFields};
constexpr FieldDef kStablehloWhileOptionsFields[] = {{"cond_subgraph_index", Kind::kInt32},
                                                     {"body_subgraph_index", Kind::kInt32}};
constexpr TableDef kStablehloWhileOptions = {"StablehloWhileOptions", kStablehloWhileOptionsFields};
constexpr FieldDef kStablehloGatherOptionsFields[] = {
    {"offset_dims", Kind::kInt64s},     {"collapsed_slice_dims", Kind::kInt64s},
    {"start_index_map", Kind::kInt64s}, {"index_vector_dim", Kind::kInt64},
    {"slice_sizes", Kind::kInt64s},     {"indices_are_sorted", Kind::kBool}};
constexpr TableDef kStablehloGatherOptions = {"StablehloGatherOptions",
                                              kStablehloGatherOptionsFields};
constexpr FieldDef kStablehloTransposeOptionsFields[] = {{"permutation", Kind::kInt64s}};
constexpr TableDef kStablehloTransposeOptions = {"StablehloTransposeOptions",
                                                 kStablehloTransposeOptionsFields};
constexpr FieldDef kStablehloRngBitGeneratorOptionsFields[] = {
    {"algorithm", Kind::kInt8, 0, nullptr, {}, kRngAlgorithmNames}};
constexpr TableDef kStablehloRngBitGeneratorOptions = {"StablehloRngBitGeneratorOptions",
                                                       kStablehloRngBitGeneratorOptionsFields};
constexpr FieldDef kReduceWindowOptionsFields[] = {
    {"reduce_function", Kind::kInt32, 0, nullptr, {}, kReduceWindowFunctionNames}};
constexpr TableDef kReduceWindowOptions = {"ReduceWindowOptions", kReduceWindowOptionsFields};
constexpr FieldDef kStableHLOCompositeOptionsFields[] = {
    {"name", Kind::kString},
    {"decomposition_subgraph_index", Kind::kInt32},
    {"composite_attributes", Kind::kBytes},
    {"composite_attributes_format", Kind::kInt8},
    {"version", Kind::kInt32}};
constexpr TableDef kStableHLOCompositeOptions = {"StableHLOCompositeOptions",
                                                 kStableHLOCompositeOptionsFields};
constexpr FieldDef kOperatorCodeFields[] = {{"deprecated_builtin_code", Kind::kInt8},
                                            {"custom_code", Kind::kString},
                                            {"version", Kind::kInt32, 1},
                                            {"builtin_code", Kind::kInt32}};
constexpr TableDef kOperatorCode = {"OperatorCode", kOperatorCodeFields};
constexpr const TableDef* kBuiltinOptionsMembers[] = {&kConv2DOptions,
                                                      &kDepthwiseConv2DOptions,
                                                      &kConcatEmbeddingsOptions,
                                                      &kLSHProjectionOptions,
                                                      &kPool2DOptions,
                                                      &kSVDFOptions,
                                                      &kRNNOptions,
                                                      &kFullyConnectedOptions,
                                                      &kSoftmaxOptions,
                                                      &kConcatenationOptions,
                                                      &kAddOptions,
                                                      &kL2NormOptions,
                                                      &kLocalResponseNormalizationOptions,
                                                      &kLSTMOptions,
                                                      &kResizeBilinearOptions,
                                                      &kCallOptions,
                                                      &kReshapeOptions,
                                                      &kSkipGramOptions,
                                                      &kSpaceToDepthOptions,
                                                      &kEmbeddingLookupSparseOptions,
                                                      &kMulOptions,
                                                      &kEmptyOptions,
                                                      &kGatherOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kReducerOptions,
                                                      &kSubOptions,
                                                      &kDivOptions,
                                                      &kSqueezeOptions,
                                                      &kSequenceRNNOptions,
                                                      &kStridedSliceOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kSplitOptions,
                                                      &kEmptyOptions,
                                                      &kCastOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kArgMaxOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kTransposeConvOptions,
                                                      &kSparseToDenseOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kShapeOptions,
                                                      &kEmptyOptions,
                                                      &kArgMinOptions,
                                                      &kFakeQuantOptions,
                                                      &kPackOptions,
                                                      &kEmptyOptions,
                                                      &kOneHotOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kUnpackOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kBidirectionalSequenceLSTMOptions,
                                                      &kBidirectionalSequenceRNNOptions,
                                                      &kUnidirectionalSequenceLSTMOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kResizeNearestNeighborOptions,
                                                      &kLeakyReluOptions,
                                                      &kEmptyOptions,
                                                      &kMirrorPadOptions,
                                                      &kEmptyOptions,
                                                      &kSplitVOptions,
                                                      &kUniqueOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kReverseSequenceOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kIfOptions,
                                                      &kWhileOptions,
                                                      &kDepthToSpaceOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kBatchMatMulOptions,
                                                      &kCumsumOptions,
                                                      &kCallOnceOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kConv3DOptions,
                                                      &kHashtableOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kVarHandleOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kRandomOptions,
                                                      &kBucketizeOptions,
                                                      &kGeluOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions,
                                                      &kEmptyOptions};
constexpr const TableDef* kBuiltinOptions2Members[] = {&kStablehloConcatenateOptions,
                                                       &kStablehloBroadcastInDimOptions,
                                                       &kStablehloSliceOptions,
                                                       &kStablehloConvolutionOptions,
                                                       &kStablehloCustomCallOptions,
                                                       &kStablehloReduceOptions,
                                                       &kStablehloScatterOptions,
                                                       &kStablehloCompareOptions,
                                                       &kStablehloDynamicSliceOptions,
                                                       &kStablehloPadOptions,
                                                       &kStablehloIotaOptions,
                                                       &kStablehloDotGeneralOptions,
                                                       &kStablehloReduceWindowOptions,
                                                       &kStablehloSortOptions,
                                                       &kStablehloWhileOptions,
                                                       &kStablehloGatherOptions,
                                                       &kStablehloTransposeOptions,
                                                       &kEmptyOptions,
                                                       &kStablehloRngBitGeneratorOptions,
                                                       &kReduceWindowOptions,
                                                       &kStableHLOCompositeOptions};
constexpr FieldDef kOperatorFields[] = {
    {"opcode_index", Kind::kUInt32},
    {"inputs", Kind::kInt32s},
    {"outputs", Kind::kInt32s},
    {"builtin_options_type", Kind::kUnionType},
    {"builtin_options", Kind::kUnion, 0, nullptr, kBuiltinOptionsMembers},
    {"custom_options", Kind::kBytes},
    {"custom_options_format", Kind::kInt8},
    {"mutating_variable_inputs", Kind::kBools},
    {"intermediates", Kind::kInt32s},
    {"large_custom_options_offset", Kind::kUInt64},
    {"large_custom_options_size", Kind::kUInt64},
    {"builtin_options_2_type", Kind::kUnionType},
    {"builtin_options_2", Kind::kUnion, 0, nullptr, kBuiltinOptions2Members}};
constexpr TableDef kOperator = {"Operator", kOperatorFields};
constexpr FieldDef kSubGraphFields[] = {{"tensors", Kind::kTables, 0, &kTensor},
                                        {"inputs", Kind::kInt32s},
                                        {"outputs", Kind::kInt32s},
                                        {"operators", Kind::kTables, 0, &kOperator},
                                        {"name", Kind::kString}};
constexpr TableDef kSubGraph = {"SubGraph", kSubGraphFields};
constexpr FieldDef kBufferFields[] = {
    {"data", Kind::kBytes}, {"offset", Kind::kUInt64}, {"size", Kind::kUInt64}};
constexpr TableDef kBuffer = {"Buffer", kBufferFields};
constexpr FieldDef kMetadataFields[] = {{"name", Kind::kString}, {"buffer", Kind::kUInt32}};
constexpr TableDef kMetadata = {"Metadata", kMetadataFields};
constexpr FieldDef kTensorMapFields[] = {{"name", Kind::kString}, {"tensor_index", Kind::kUInt32}};
constexpr TableDef kTensorMap = {"TensorMap", kTensorMapFields};
constexpr FieldDef kSignatureDefFields[] = {{"inputs", Kind::kTables, 0, &kTensorMap},
                                            {"outputs", Kind::kTables, 0, &kTensorMap},
                                            {"signature_key", Kind::kString},
                                            {},
                                            {"subgraph_index", Kind::kUInt32}};
constexpr TableDef kSignatureDef = {"SignatureDef", kSignatureDefFields};
constexpr FieldDef kModelFields[] = {{"version", Kind::kUInt32},
                                     {"operator_codes", Kind::kTables, 0, &kOperatorCode},
                                     {"subgraphs", Kind::kTables, 0, &kSubGraph},
                                     {"description", Kind::kString},
                                     {"buffers", Kind::kTables, 0, &kBuffer},
                                     {"metadata_buffer", Kind::kInt32s},
                                     {"metadata", Kind::kTables, 0, &kMetadata},
                                     {"signature_defs", Kind::kTables, 0, &kSignatureDef}};

}  // namespace

constexpr TableDef kModel = {"Model", kModelFields};

std::string_view builtin_name(int64_t code) {
  if (code < 0 || static_cast<size_t>(code) >= std::size(kBuiltinNames)) return {};
  return kBuiltinNames[static_cast<size_t>(code)];
}

}  // namespace sluice::format::tflite
