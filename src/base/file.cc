#include "base/file.h"

#ifndef __wasm__
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/text.h"

namespace sluice {

MappedFile::~MappedFile() {
  if (data_ == nullptr || owner_ != nullptr) return;
#ifndef __wasm__
  if (mapped_) {
    ::munmap(const_cast<std::byte*>(data_), size_);
    return;
  }
#endif
  std::free(const_cast<std::byte*>(data_));
}

void MappedFile::release_pages() const {
#ifndef __wasm__
  if (mapped_) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
#endif
}

#ifdef __wasm__

namespace {
Error no_files(std::string_view path) {
  return unsupported(
      cat("The file ", quoted(path, 200), " cannot be opened: WebAssembly has no files"));
}
}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  return no_files(path);
}
Result<std::shared_ptr<const MappedFile>> MappedFile::open_inside(const std::string&,
                                                                  std::string_view relative) {
  return no_files(relative);
}
Result<void> write_file_atomic(const std::string& path, std::span<const std::byte>) {
  return no_files(path);
}

#else

namespace {

// Closes a descriptor at the end of a scope.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

Error cannot(std::string_view verb, std::string_view path, int number) {
  const ErrorCode code =
      number == ENOSPC || number == ENOMEM || number == EMFILE || number == EDQUOT
          ? ErrorCode::kResource
      // An input that is not there is a bad input; an output that can't be made is wrong usage.
      : verb == "opened" || verb == "examined" || verb == "read" ? ErrorCode::kInvalidModel
                                                                 : ErrorCode::kUsage;
  return {code,
          cat("The file ", quoted(path, 200), " cannot be ", verb, ": ", std::strerror(number)),
          {}};
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "of an unknown kind";
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::map_descriptor(int descriptor,
                                                                     std::string path,
                                                                     bool refuse_links) {
  const Descriptor file(descriptor);
  struct stat info = {};
  if (::fstat(file.fd, &info) != 0) return cannot("examined", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return invalid_model(cat("The file ", quoted(path, 200), " is ", kind_of(info.st_mode),
                             " (a regular file is needed)"));
  }
  if (refuse_links && info.st_nlink > 1) {
    return invalid_model(cat("The file ", quoted(path, 200), " has ", info.st_nlink,
                             " hard links (external data may have 1)"));
  }
  std::shared_ptr<MappedFile> out(new MappedFile());
  out->path_ = std::move(path);
  if (info.st_size <= 0) return std::shared_ptr<const MappedFile>(std::move(out));
  if (static_cast<uint64_t>(info.st_size) > SIZE_MAX / 2) {
    return resource_error(cat("The file ", quoted(out->path_, 200), " has ", info.st_size,
                              " bytes, more than can be addressed"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (memory == MAP_FAILED) return cannot("mapped", out->path_, errno);
  out->data_ = static_cast<const std::byte*>(memory);
  out->size_ = size;
  out->mapped_ = true;
  return std::shared_ptr<const MappedFile>(std::move(out));
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe without a writer must not wait; it has no effect on regular files.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cannot("opened", path, errno);
  return map_descriptor(fd, path, false);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open_inside(const std::string& folder,
                                                                  std::string_view relative) {
  const auto refuse = [&](std::string_view why) {
    return invalid_model(cat("The external data location ", quoted(relative, 200), " ", why,
                             " (it must name a file in the model's own folder)"));
  };
  if (relative.empty()) return refuse("is empty");
  if (relative.size() > 4096) return refuse("is longer than 4096 bytes");
  if (relative.find('\0') != std::string_view::npos) return refuse("contains a NUL byte");
  if (relative.find('\\') != std::string_view::npos) return refuse("contains a backslash");
  if (relative.front() == '/') return refuse("is absolute");
  if (relative.size() >= 2 && relative[1] == ':') return refuse("names a drive");
  std::vector<std::string> parts;
  for (const std::string& part : split(relative, '/')) {
    if (part == "..") return refuse("climbs out of the folder");
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  if (parts.empty() || relative.back() == '/') return refuse("names no file");

  const std::string start = folder.empty() ? "." : folder;
  int at = ::open(start.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return cannot("opened", start, errno);
  // One component at a time, so that no link on the way can lead elsewhere.
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
    const int next = ::openat(at, parts[i].c_str(), flags);
    const int number = errno;
    ::close(at);
    if (next < 0) {
      if (number == ELOOP || number == EMLINK) return refuse("passes through a symbolic link");
      // With O_DIRECTORY a link to a folder is reported as "not a directory".
      if (number == ENOTDIR) return refuse("passes through something that is not a folder");
      {
        Error failure = cannot("opened", cat(start, "/", relative), number);
        failure.code = ErrorCode::kInvalidModel;
        return failure;
      }
    }
    at = next;
  }
  auto opened = map_descriptor(at, cat(start, "/", relative), true);
  if (!opened && opened.error().code == ErrorCode::kUsage) {
    return invalid_model(opened.error().message);  // what the file names, not what the user typed
  }
  return opened;
}

Result<void> write_file_atomic(const std::string& path, std::span<const std::byte> bytes) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) return cannot("written", path, errno);
  int failure = 0;
  {
    const Descriptor file(fd);
    size_t done = 0;
    while (done < bytes.size() && failure == 0) {
      const ssize_t wrote = ::write(fd, bytes.data() + done, bytes.size() - done);
      if (wrote >= 0) {
        done += static_cast<size_t>(wrote);
      } else if (errno != EINTR) {
        failure = errno;
      }
    }
    if (failure == 0 && ::fsync(fd) != 0) failure = errno;
    // mkstemp makes it 0600; an output file is an ordinary file.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (failure == 0 && ::fchmod(fd, 0666 & ~mask) != 0) failure = errno;
  }
  if (failure == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failure = errno;
  if (failure != 0) {
    ::unlink(temporary.c_str());
    return cannot("written", path, failure);
  }
  return {};
}

#endif  // __wasm__

std::shared_ptr<const MappedFile> MappedFile::from_bytes(std::span<const std::byte> bytes) {
  std::shared_ptr<MappedFile> out(new MappedFile());
  if (!bytes.empty()) {
    auto* memory = static_cast<std::byte*>(std::malloc(bytes.size()));
    if (memory != nullptr) {
      std::memcpy(memory, bytes.data(), bytes.size());
      out->data_ = memory;
      out->size_ = bytes.size();
    }
  }
  return out;
}

std::shared_ptr<const MappedFile> MappedFile::adopt(std::span<const std::byte> bytes,
                                                    std::shared_ptr<const void> owner,
                                                    std::string path) {
  std::shared_ptr<MappedFile> out(new MappedFile());
  out->data_ = bytes.data();
  out->size_ = bytes.size();
  out->owner_ = std::move(owner);
  out->path_ = std::move(path);
  return out;
}

Result<std::string> read_file(const std::string& path, uint64_t max_bytes) {
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  if (file->size() > max_bytes) {
    return resource_error(cat("The file ", quoted(path, 200), " has ", file->size(),
                              " bytes (limit ", max_bytes, ")"));
  }
  return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->size());
}

Result<void> write_file_atomic(const std::string& path, std::string_view text) {
  return write_file_atomic(path, std::as_bytes(std::span(text.data(), text.size())));
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace sluice
