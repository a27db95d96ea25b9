// Files: whole-file reading, read-only mapping and atomic writing (POSIX). Only regular files are
// opened: a model path that names a pipe, a device or a folder is refused before it can block or
// answer without end. A MappedFile is shared, so that weights viewing it keep it alive. In
// WebAssembly there are no files: bytes come from the host, and every path is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice {

class MappedFile {
 public:
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Maps a regular file read-only. An empty file gives an empty span.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  // Like `open`, for a file named by the contents of `folder/model`: `relative` must stay below
  // `folder`. Absolute paths, "..", backslashes, NUL, symbolic links in any component, hard links
  // and anything but a regular file are refused.
  static Result<std::shared_ptr<const MappedFile>> open_inside(const std::string& folder,
                                                               std::string_view relative);
  // The same ownership for bytes that are already in memory (tests, downloads).
  static std::shared_ptr<const MappedFile> from_bytes(std::span<const std::byte> bytes);
  // Bytes that lie in memory already and live as long as `owner`; nothing is copied.
  static std::shared_ptr<const MappedFile> adopt(std::span<const std::byte> bytes,
                                                 std::shared_ptr<const void> owner,
                                                 std::string path);

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  size_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // The bytes are not needed soon: a mapped file's pages leave the process's memory, and come back
  // from the file when they are read. Nothing happens to bytes that lie in memory anyhow.
  void release_pages() const;

 private:
  MappedFile() = default;
  static Result<std::shared_ptr<const MappedFile>> map_descriptor(int descriptor, std::string path,
                                                                  bool refuse_links);
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  [[maybe_unused]] bool mapped_ = false;
  std::shared_ptr<const void> owner_;  // of adopted bytes
  std::string path_;
};

// The whole contents of a regular file of at most `max_bytes`.
Result<std::string> read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);
// Writes a temporary file beside `path`, flushes it and renames it over `path`: a reader sees the
// old contents or the new, never a part.
Result<void> write_file_atomic(const std::string& path, std::span<const std::byte> bytes);
Result<void> write_file_atomic(const std::string& path, std::string_view text);

// "a/b" of "a/b/c.onnx"; "." when there is no slash.
std::string folder_of(const std::string& path);

}  // namespace sluice
