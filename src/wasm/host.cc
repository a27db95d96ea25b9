// What the module asks of its host, and nothing else: four functions, imported from "env".
// wasi-libc wants the system calls of WASI; they are answered here, so that no host has to bring
// them: there are two clocks and a place for messages, and no files.
#include <wasi/api.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "base/check.h"
#include "exec/cpu/thread_pool.h"
#include "wasm/abi.h"

#define SLUICE_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

extern "C" {

SLUICE_IMPORT(sluice_now) double sluice_now();    // milliseconds, steady
SLUICE_IMPORT(sluice_wall) double sluice_wall();  // milliseconds since 1970
SLUICE_IMPORT(sluice_message) void sluice_message(const char* text, uint32_t bytes);

// --- system calls
int32_t __imported_wasi_snapshot_preview1_clock_time_get(int32_t clock, int64_t, int32_t to) {
  const double milliseconds = clock == __WASI_CLOCKID_REALTIME ? sluice_wall() : sluice_now();
  *reinterpret_cast<uint64_t*>(to) = static_cast<uint64_t>(milliseconds * 1e6);
  return 0;
}

// Lines on stdout and stderr go to the host, without the newline.
int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t fd, int32_t list, int32_t count,
                                                   int32_t written) {
  static std::string line;
  if (fd != 1 && fd != 2) return __WASI_ERRNO_BADF;
  const auto* parts = reinterpret_cast<const __wasi_ciovec_t*>(list);
  uint32_t total = 0;
  for (int32_t i = 0; i < count; ++i) {
    line.append(reinterpret_cast<const char*>(parts[i].buf), parts[i].buf_len);
    total += parts[i].buf_len;
  }
  for (size_t end; (end = line.find('\n')) != std::string::npos; line.erase(0, end + 1)) {
    sluice_message(line.data(), static_cast<uint32_t>(end));
  }
  *reinterpret_cast<uint32_t*>(written) = total;
  return 0;
}

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t) { return __WASI_ERRNO_BADF; }
int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t, int64_t, int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
// No files: whatever would open one learns that there is none.
int32_t __imported_wasi_snapshot_preview1_fd_fdstat_set_flags(int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
int32_t __imported_wasi_snapshot_preview1_fd_prestat_get(int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
int32_t __imported_wasi_snapshot_preview1_fd_prestat_dir_name(int32_t, int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
int32_t __imported_wasi_snapshot_preview1_fd_read(int32_t, int32_t, int32_t, int32_t) {
  return __WASI_ERRNO_BADF;
}
int32_t __imported_wasi_snapshot_preview1_path_open(int32_t, int32_t, int32_t, int32_t, int32_t,
                                                    int64_t, int64_t, int32_t, int32_t) {
  return __WASI_ERRNO_NOENT;
}
// Names of traces only, so clocks are random enough: splitmix64 over both.
int32_t __imported_wasi_snapshot_preview1_random_get(int32_t to, int32_t bytes) {
  static uint64_t state = 0;
  state += static_cast<uint64_t>(sluice_wall() * 1e3) ^ static_cast<uint64_t>(sluice_now() * 1e6);
  auto* out = reinterpret_cast<uint8_t*>(to);
  for (int32_t i = 0; i < bytes; ++i) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    out[i] = static_cast<uint8_t>(z >> 56);
  }
  return 0;
}
[[noreturn]] void __imported_wasi_snapshot_preview1_proc_exit(int32_t) { __builtin_trap(); }

}  // extern "C"
