#include <algorithm>

#include "base/text.h"
#include "format/onnx/reader.h"
#include "format/tflite/reader.h"
#include "session/session.h"

namespace sluice::session {

// The format is told by content, never by the file's name.
Result<format::Model> read_model(std::shared_ptr<const MappedFile> file,
                                 const ExternalData& external, bool movable) {
  const auto bytes = file->bytes();
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 4));
  if (format::tflite::is_tflite(bytes)) {
    return format::tflite::read_tflite(bytes, file, file->path());
  }
  if (head.starts_with("GGUF")) {
    return unsupported(
        cat(quoted(file->path()), " is a GGUF file, which this version does not read"));
  }
  if (head.starts_with("PK")) {
    return unsupported(
        cat(quoted(file->path()),
            " is a zip archive (a .task bundle?): unpack it and give the model inside"));
  }
  format::onnx::ReadOptions how;
  how.external = external;
  how.movable = movable;
  if (!how.external) {
    how.external = [&](std::string_view location) {
      return MappedFile::open_inside(folder_of(file->path()), location);
    };
  }
  return format::onnx::read_onnx(bytes, file, file->path(), how);
}

}  // namespace sluice::session
