// Inputs of a model from command-line specifications: NAME=FILE.npy, NAME=random:SEED, NAME=zeros,
// NAME=16000 (every element), NAME=FILE.png (or another picture) for image inputs.
#pragma once

#include <string>
#include <vector>

#include "session/session.h"

namespace sluice::cli {

// Inputs without a specification get random values (seed 0). `options.input_shapes` fixes symbolic
// extents; those left open become 1.
Result<session::NamedValues> make_feeds(const std::vector<session::IoInfo>& inputs,
                                        const std::vector<std::string>& specs,
                                        const session::Options& options);

// Element i takes h = ((i+1+seed) * 2654435761) mod 2^32, u = floor(h/256)/2^24; float32 and
// float64: 2u-1; float16: floor(512u)/256-1; int8: floor(256u)-128; uint8: floor(256u); int16:
// floor(65536u)-32768; int32, int64: floor(2u); bool: u >= 0.5.
Result<Tensor> generated_input(DType dtype, const Shape& shape, uint64_t seed);

}  // namespace sluice::cli
