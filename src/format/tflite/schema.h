// The TFLite schema as data: which fields a FlatBuffers table has, in field-id order, and of what
// kind. The verifier walks a file along these tables, and operator options are decoded into
// attributes by them, so that a new option type costs one row. No code is generated from a .fbs.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::format::tflite {

enum class Kind : uint8_t {
  kUnused,  // a deprecated field: its id is taken
  kBool,
  kInt8,  // also enums stored in a byte
  kUInt8,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kFloat,
  kString,
  kTable,
  kUnionType,  // the tag, always one id before its kUnion
  kUnion,
  kBools,  // vectors
  kBytes,
  kUInt16s,
  kInt32s,
  kUInt32s,
  kInt64s,
  kFloats,
  kTables,
};

struct TableDef;
// Names of an enum's values, first value 0.
using EnumNames = std::span<const std::string_view>;

struct FieldDef {
  std::string_view name;
  Kind kind = Kind::kUnused;
  int64_t fallback = 0;             // integers and enums: the value of an absent field
  const TableDef* table = nullptr;  // kTable, kTables
  std::span<const TableDef* const> members = {};  // kUnion: tag 1 is members[0]
  EnumNames names = {};                           // enums
};

// fields[id]. The nesting of tables in the schema is finite (no table holds itself), which bounds
// the depth of every walk.
struct TableDef {
  std::string_view name;
  std::span<const FieldDef> fields;
};

extern const TableDef kModel;

// Field ids of the tables that the reader takes apart itself.
namespace model {
enum : int {
  kVersion,
  kOperatorCodes,
  kSubgraphs,
  kDescription,
  kBuffers,
  kMetadataBuffer,
  kMetadata,
  kSignatureDefs
};
}
namespace operator_code {
enum : int { kDeprecatedBuiltinCode, kCustomCode, kVersion, kBuiltinCode };
}
namespace subgraph {
enum : int { kTensors, kInputs, kOutputs, kOperators, kName };
}
namespace tensor {
enum : int {
  kShape,
  kType,
  kBuffer,
  kName,
  kQuantization,
  kIsVariable,
  kSparsity,
  kShapeSignature,
  kHasRank,
  kVariantTensors,
  kExternalBuffer
};
}
namespace quantization {
enum : int { kMin, kMax, kScale, kZeroPoint, kDetailsType, kDetails, kQuantizedDimension };
}
namespace blockwise {
enum : int { kScales, kZeroPoints, kBlockSize, kQuantizedDimensions };
}
namespace sparsity {
enum : int { kTraversalOrder, kBlockMap, kDimMetadata };
}
namespace dim_metadata {
enum : int {
  kFormat,
  kDenseSize,
  kArraySegmentsType,
  kArraySegments,
  kArrayIndicesType,
  kArrayIndices
};
}
namespace op {
enum : int {
  kOpcodeIndex,
  kInputs,
  kOutputs,
  kBuiltinOptionsType,
  kBuiltinOptions,
  kCustomOptions,
  kCustomOptionsFormat,
  kMutatingVariableInputs,
  kIntermediates,
  kLargeCustomOptionsOffset,
  kLargeCustomOptionsSize,
  kBuiltinOptions2Type,
  kBuiltinOptions2
};
}
namespace buffer {
enum : int { kData, kOffset, kSize };
}
namespace metadata {
enum : int { kName, kBuffer };
}
namespace tensor_map {
enum : int { kName, kTensorIndex };
}
namespace signature {
enum : int { kInputs, kOutputs, kSignatureKey, kDeprecatedTag, kSubgraphIndex };
}

// "CONV_2D" for 3; empty when the number is newer than this table.
std::string_view builtin_name(int64_t code);
inline constexpr int64_t kBuiltinCustom = 32;
inline constexpr int64_t kBuiltinPlaceholder = 127;  // codes from here on live in the wide field

// Members of Quantization details and of the sparse index union.
enum : int { kDetailsNone, kDetailsCustom, kDetailsBlockwise, kDetailsMultiAxis };
enum : int { kIndexNone, kIndexInt32, kIndexUInt16, kIndexUInt8 };

}  // namespace sluice::format::tflite
