#include "apps/cutout/locate.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

extern char** environ;

namespace sluice::apps::cutout {

namespace fs = std::filesystem;

namespace {

bool is_file(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string program_folder() {
  char buffer[4096];
  const ssize_t size = readlink("/proc/self/exe", buffer, sizeof buffer);
  if (size <= 0 || static_cast<size_t>(size) >= sizeof buffer) return {};
  return folder_of(std::string(buffer, static_cast<size_t>(size)));
}

std::string catalogue_names() {
  std::string out = "fast, best";
  for (const Manifest& manifest : catalogue()) out += cat(", ", manifest.name);
  return out;
}

// A catalogue file is what its manifest says, or it is not used.
Result<void> check_hash(const std::string& path, const Manifest& manifest) {
  SLUICE_ASSIGN(const std::string found, file_sha256(path));
  if (found == manifest.sha256) return {};
  return invalid_model(cat("The model file ", sluice::quoted(path, 300), " is not ", manifest.title,
                           ": its SHA-256 is ", found, " (expected ", manifest.sha256, ")"));
}

Result<Located> locate_in_catalogue(const Manifest& manifest, const LocateOptions& options) {
  const auto unpinned = [&](std::string_view where) {
    Error error = usage_error(cat("The model ", manifest.name, where,
                                  " is not used, since its "
                                  "SHA-256 is not known to the catalogue"));
    error.hint = cat("fetch ", manifest.url,
                     " yourself and name it: --model FILE (licence: ", manifest.licence, ")");
    return error;
  };
  for (const std::string& folder : options.folders) {
    const std::string path = cat(folder, "/", manifest.file);
    if (!is_file(path)) continue;
    if (manifest.sha256.empty()) return unpinned(cat(" in ", folder));
    SLUICE_TRY(check_hash(path, manifest));
    return Located{manifest, true, path};
  }
  if (manifest.sha256.empty()) return unpinned(" cannot be fetched and");
  if (manifest.url.empty()) {
    Error error =
        usage_error(cat("The model ", manifest.name, " (", manifest.file,
                        ") is in none of the model folders (", join(options.folders, ", "), ")"));
    error.hint = cat("it comes from ", manifest.source,
                     "; ./demo and ./check put it there, or name a folder in SLUICE_MODELS");
    return error;
  }
  if (options.cache_folder.empty()) {
    return usage_error(cat("The model ", manifest.name, " (", manifest.file,
                           ") is in none of the model folders, and downloads are not allowed"));
  }
  const std::string path = cat(options.cache_folder, "/", manifest.file);
  std::error_code ignored;
  fs::create_directories(options.cache_folder, ignored);
  if (options.on_download) options.on_download(manifest, path);
  SLUICE_TRY(download(manifest.url, path, manifest.sha256, manifest.size_bytes));
  return Located{manifest, true, path};
}

}  // namespace

LocateOptions default_locations() {
  LocateOptions out;
  if (const std::string models = environment("SLUICE_MODELS"); !models.empty()) {
    out.folders.push_back(models);
  }
  if (const std::string program = program_folder(); !program.empty()) {
    out.folders.push_back(program + "/models");
  }
  out.folders.emplace_back("build/models");
  std::string cache = environment("XDG_CACHE_HOME");
  if (cache.empty()) {
    const std::string home = environment("HOME");
    if (!home.empty()) cache = home + "/.cache";
  }
  if (!cache.empty()) {
    out.cache_folder = cache + "/sluice";
    out.folders.push_back(out.cache_folder);
  }
  return out;
}

Result<Located> locate(const std::string& choice, const LocateOptions& options) {
  if (const Manifest* manifest = find_in_catalogue(choice)) {
    return locate_in_catalogue(*manifest, options);
  }
  if (!is_file(choice)) {
    return usage_error(cat("There is no model file ", sluice::quoted(choice, 300),
                           " and no model of that name (known: ", catalogue_names(), ")"));
  }
  Located out;
  out.path = choice;
  const std::string beside[] = {choice + ".json",
                                fs::path(choice).replace_extension(".json").string()};
  for (const std::string& path : beside) {
    if (path == choice || !is_file(path)) continue;
    SLUICE_ASSIGN(const std::string text, read_file(path, size_t{1} << 20));
    auto manifest = parse_manifest(text);
    if (!manifest) {
      return std::move(manifest).error().while_doing(cat("reading ", sluice::quoted(path, 300)));
    }
    out.manifest = std::move(manifest).value();
    out.has_manifest = true;
    if (!out.manifest.sha256.empty()) SLUICE_TRY(check_hash(choice, out.manifest));
    return out;
  }
  const std::string name = fs::path(choice).filename().string();
  for (const Manifest& manifest : catalogue()) {
    if (manifest.sha256.empty()) continue;
    std::error_code ignored;
    const uint64_t size = fs::file_size(choice, ignored);
    if (manifest.file != name && manifest.size_bytes != size) continue;
    SLUICE_ASSIGN(const std::string found, file_sha256(choice));
    if (found == manifest.sha256) return Located{manifest, true, choice};
  }
  // An unpinned catalogue file that the user fetched: the name is all there is to go by.
  for (const Manifest& manifest : catalogue()) {
    if (manifest.sha256.empty() && (manifest.file == name || manifest.url.ends_with("/" + name))) {
      return Located{manifest, true, choice};
    }
  }
  return out;
}

Result<std::string> file_sha256(const std::string& path) {
  SLUICE_ASSIGN(const auto file, MappedFile::open(path));
  return sha256_hex(file->bytes());
}

namespace {

// Runs a program without a shell; returns its exit status, or -1 when it can't be started.
int run_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Result<void> download(const std::string& url, const std::string& target, const std::string& sha256,
                      std::optional<uint64_t> size_bytes) {
  if (!url.starts_with("https://")) {
    return usage_error(
        cat("The address ", sluice::quoted(url, 300), " is not used: only https is"));
  }
  if (sha256.empty()) return usage_error("A download without a known SHA-256 is refused");
  const std::string part = target + ".part";
  const std::string limit = cat(size_bytes.value_or(uint64_t{4} << 30));
  const auto fetch = [&](bool resume) {
    std::vector<std::string> command = {"curl",
                                        "--fail",
                                        "--location",
                                        "--silent",
                                        "--show-error",
                                        "--proto",
                                        "=https",
                                        "--proto-redir",
                                        "=https",
                                        "--connect-timeout",
                                        "15",
                                        "--retry",
                                        "2",
                                        "--max-filesize",
                                        limit,
                                        "--output",
                                        part};
    if (resume) {
      command.emplace_back("--continue-at");
      command.emplace_back("-");
    }
    command.emplace_back("--");
    command.push_back(url);
    return run_program(command);
  };
  const auto complete = [&] {
    if (!is_file(part)) return false;
    const auto hash = file_sha256(part);
    return hash && *hash == sha256;
  };
  const bool had_part = is_file(part);
  int status = complete() ? 0 : fetch(had_part);
  // A part that does not continue (another file, a server without ranges): once more from the
  // start.
  if (had_part && !complete()) {
    std::remove(part.c_str());
    status = fetch(false);
  }
  if (!complete()) {
    Error error;
    error.code = ErrorCode::kResource;
    if (status == 0) {
      error.message =
          cat("The download of ", url, " is not the expected file (SHA-256 ", sha256, ")");
      std::remove(part.c_str());
    } else if (status == -1 || status == 127) {
      error.message =
          cat("The model cannot be fetched: the program curl is not there to load ", url);
    } else {
      error.message = cat("The model cannot be fetched from ", url, " (curl's exit status ", status,
                          "): is there a network?");
    }
    error.hint = "put the file into a folder named by SLUICE_MODELS, or name it with --model FILE";
    return error;
  }
  if (std::rename(part.c_str(), target.c_str()) != 0) {
    return resource_error(cat("The file ", sluice::quoted(target, 300), " cannot be written"));
  }
  return {};
}

}  // namespace sluice::apps::cutout
