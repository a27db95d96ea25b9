#include "exec/webgpu/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/text.h"

namespace sluice::exec::webgpu {

namespace {

constexpr std::string_view kPackageFile =
    "webgpu/node_modules/bun-webgpu-linux-x64/libwebgpu_wrapper.so";

Error device_error(std::string message, std::string hint = {}) {
  return {ErrorCode::kDevice, std::move(message), std::move(hint)};
}

std::string executable_folder() {
  std::array<char, 4096> buffer = {};
  const ssize_t length = readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (length <= 0 || static_cast<size_t>(length) >= buffer.size()) return {};
  const std::string path(buffer.data(), static_cast<size_t>(length));
  return path.substr(0, path.find_last_of('/'));
}

// A null member means that the function is missing.
template <class Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

Result<Library> bind(void* handle, const std::string& path) {
  Library library;
  library.path = path;
#define SLUICE_WEBGPU_FIND(name)                                                  \
  if (!find(handle, "wgpu" #name, library.name)) {                                \
    return device_error(cat("The WebGPU library ", quoted(path),                  \
                            " has no function wgpu" #name " (Sluice needs it)")); \
  }
  SLUICE_WEBGPU_FUNCTIONS(SLUICE_WEBGPU_FIND)
#undef SLUICE_WEBGPU_FIND
#define SLUICE_WEBGPU_FIND(name) find(handle, "wgpu" #name, library.name);
  SLUICE_WEBGPU_OPTIONAL_FUNCTIONS(SLUICE_WEBGPU_FIND)
#undef SLUICE_WEBGPU_FIND
  if (dlsym(handle, "wgpuGetInstanceCapabilities") != nullptr) {
    library.features = {.shader_f16 = 0x0A, .subgroups = 0x11, .timestamp_query = 0x03};
  }
  return library;
}

Result<Library> search_and_open() {
  // Mesa's device-selection layer looks for a Wayland display and, where there is no session at
  // all, complains about it on stderr.
  if (std::getenv("XDG_RUNTIME_DIR") == nullptr) setenv("NODEVICE_SELECT", "1", 0);
  std::vector<std::string> places;
  const char* wanted = std::getenv("SLUICE_WEBGPU_LIBRARY");
  if (wanted != nullptr && *wanted != 0) {
    places = {wanted};
  } else {
    const std::string folder = executable_folder();
    if (!folder.empty()) places.push_back(cat(folder, "/", kPackageFile));
    if (!folder.empty()) places.push_back(cat(folder, "/../build/", kPackageFile));
    places.push_back(cat("build/", kPackageFile));
    for (const char* name : {"libwebgpu_dawn.so", "libwebgpu.so", "libwgpu_native.so"}) {
      places.emplace_back(name);
    }
  }
  std::string last;
  for (const std::string& place : places) {
    // A path that is not there would only hide the loader's more telling message for another.
    if (place.find('/') != std::string::npos && access(place.c_str(), R_OK) != 0) continue;
    // RTLD_LOCAL: the library brings its own copies of common C++ libraries along.
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return bind(handle, place);
    const char* why = dlerror();
    last = cat(": ", why == nullptr ? "unknown reason" : why);
  }
  return device_error(cat("No WebGPU library can be opened (tried ", join(places, ", "), ")", last),
                      "tools/setup installs one; SLUICE_WEBGPU_LIBRARY names another");
}

}  // namespace

Result<Library> load_library(const std::string& path) {
  // RTLD_LOCAL: the library brings its own copies of common C++ libraries along.
  if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return bind(handle, path);
  const char* why = dlerror();
  return device_error(cat("The WebGPU library ", quoted(path),
                          " can't be opened: ", why == nullptr ? "unknown reason" : why));
}

Result<const Library*> open_library() {
  static const Result<Library> library = search_and_open();
  if (!library) return Error(library.error());
  return &*library;
}

}  // namespace sluice::exec::webgpu
