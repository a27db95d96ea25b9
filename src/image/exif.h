// EXIF: the one fact needed from a photo's metadata, which way is up (TIFF tag 0x0112). The parser
// reads hostile bytes: every offset is checked against the block, and only the first directory is
// looked at. Anything odd means "as it lies": a broken tag never spoils a good picture.
#pragma once

#include <cstddef>
#include <span>

#include "image/image.h"

namespace sluice::image {

// `tiff` starts with the byte order mark ("II*\0" or "MM\0*"); a leading "Exif\0\0" is skipped.
// Returns 1 to 8; 1 when the tag is absent or unusable.
int exif_orientation(std::span<const std::byte> tiff);

// Turns a picture stored with `orientation` upright. 1 (and anything out of range) is the identity;
// 2 mirrored left to right, 3 by 180 degrees, 4 mirrored top to bottom, 5 transposed, 6 by 90
// degrees clockwise, 7 transverse, 8 by 90 degrees counterclockwise. 5 to 8 swap the extents.
Result<Image> upright(Image image, int orientation);

}  // namespace sluice::image
