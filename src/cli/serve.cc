// sluice serve: a folder over HTTP on this machine, as a page that runs models wants it:
// cross-origin isolation, right types, byte ranges, revalidation. For local use; docs/hosting.md
// has the headers for real hosts.
//
// A path reaches regular files below the folder only: every component is opened in turn without
// following symbolic links, so that neither ".." nor a link, encoded or not, leads out.

// The library is built so, and the layout of its types depends on it.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <fcntl.h>
#include <httplib.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include "base/text.h"
#include "cli/command.h"

namespace sluice::cli {

namespace {

constexpr size_t kChunkBytes = 256 << 10;
// A browser keeps six connections and more open, and each idle one holds a thread.
constexpr size_t kConnections = 64;
constexpr int kDefaultPort = 8080, kPortsTried = 20;

// No inline script, no eval, no worker from a blob. https: and the local machine, for models and
// for a telemetry collector that the user names.
constexpr const char* kContentSecurityPolicy =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src "
    "'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' blob: https: http://localhost:* http://127.0.0.1:*; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Args {
  std::string folder, host = "127.0.0.1", csp;
  int port = -1;  // -1: kDefaultPort or one of the next; 0: any that is free
  bool no_isolation = false, log = false;
};

struct Descriptor {
  int number = -1;
  explicit Descriptor(int value) : number(value) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

using File = std::shared_ptr<const Descriptor>;

const char* type_of(std::string_view name) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {
      {"html", "text/html; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"wasm", "application/wasm"},
      {"wgsl", "text/plain; charset=utf-8"},
      {"txt", "text/plain; charset=utf-8"},
      {"md", "text/plain; charset=utf-8"},
      {"ts", "text/plain; charset=utf-8"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"webp", "image/webp"},
      {"avif", "image/avif"},
      {"gif", "image/gif"},
      {"ico", "image/x-icon"},
      {"mp4", "video/mp4"},
      {"webm", "video/webm"},
      {"woff2", "font/woff2"},
      {"zip", "application/zip"},
      {"pdf", "application/pdf"},
  };
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    std::string extension(name.substr(dot + 1));
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto& [known, type] : kTypes) {
      if (known == extension) return type;
    }
  }
  return "application/octet-stream";  // .onnx, .tflite, .npy and whatever else
}

// A byte range of a file, half open.
struct Span {
  uint64_t begin = 0, end = 0;
};

enum class RangeKind { kWhole, kPart, kUnsatisfiable };

std::optional<uint64_t> digits(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes=a-b", "bytes=a-" or "bytes=-n". Several ranges, and what is not understood, mean the whole
// file, as RFC 9110 (14.2) allows.
RangeKind parse_range(std::string_view header, uint64_t size, Span& out) {
  out = {0, size};
  if (!header.starts_with("bytes=")) return RangeKind::kWhole;
  header.remove_prefix(6);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return RangeKind::kWhole;
  const std::string_view first = header.substr(0, dash), last = header.substr(dash + 1);
  if (first.empty()) {
    const auto suffix = digits(last);
    if (!suffix) return RangeKind::kWhole;
    if (*suffix == 0 || size == 0) return RangeKind::kUnsatisfiable;
    out.begin = size - std::min(*suffix, size);
    return RangeKind::kPart;
  }
  const auto begin = digits(first);
  const auto end = last.empty() ? std::optional(UINT64_MAX) : digits(last);
  if (!begin || !end || *begin > *end) return RangeKind::kWhole;
  if (*begin >= size) return RangeKind::kUnsatisfiable;
  out = {*begin, *end < size ? *end + 1 : size};
  return RangeKind::kPart;
}

class Site {
 public:
  Site(int folder, const Args& args) : root_(folder), isolated_(!args.no_isolation) {
    if (args.csp != "none") csp_ = args.csp.empty() ? kContentSecurityPolicy : args.csp;
  }

  void answer(const httplib::Request& request, httplib::Response& response) const {
    common_headers(response);
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      response.set_header("Connection", "close");  // its body is not read
      return refuse(response, 405, "Only GET and HEAD are answered.");
    }
    struct stat status{};
    std::string name;
    bool folder = false;
    const File file = open(request.path, name, folder, status);
    if (folder) {
      // What is relative in its page is relative to the folder.
      const size_t query = request.target.find('?');
      response.set_header(
          "Location",
          request.target.substr(0, query) + "/" +
              (query == std::string::npos ? std::string() : request.target.substr(query)));
      return refuse(response, 301, "This is a folder.");
    }
    if (file == nullptr) return refuse(response, 404, "There is no such file.");
    send(request, response, file, name, status);
  }

 private:
  void common_headers(httplib::Response& response) const {
    if (isolated_) {
      response.set_header("Cross-Origin-Opener-Policy", "same-origin");
      response.set_header("Cross-Origin-Embedder-Policy", "require-corp");
    }
    response.set_header("Cross-Origin-Resource-Policy", "same-origin");
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_header("Referrer-Policy", "no-referrer");
    response.set_header("Cache-Control", "no-cache");  // kept, but asked for again each time
    if (!csp_.empty()) response.set_header("Content-Security-Policy", csp_);
  }

  static void refuse(httplib::Response& response, int status, const char* sentence) {
    response.status = status;
    response.set_content(std::string(sentence) + "\n", "text/plain; charset=utf-8");
  }

  // The regular file that `path` (decoded) names, index.html for one that ends in "/". Null if
  // there is none; `folder` is set where a "/" is missing. Names that begin with a dot are not
  // served.
  File open(const std::string& path, std::string& name, bool& folder, struct stat& status) const {
    if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) return nullptr;
    std::vector<std::string> parts = split(std::string_view(path).substr(1), '/');
    if (parts.empty() || parts.back().empty()) {
      if (!parts.empty()) parts.pop_back();
      parts.push_back("index.html");
    }
    File at;
    for (const std::string& part : parts) {
      if (part.empty() || part[0] == '.' || part.find('\\') != std::string::npos) return nullptr;
      if (at != nullptr && !S_ISDIR(status.st_mode)) return nullptr;
      // O_NONBLOCK: a named pipe must not hold this thread.
      const int next = ::openat(at == nullptr ? root_ : at->number, part.c_str(),
                                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
      if (next < 0) return nullptr;
      at = std::make_shared<const Descriptor>(next);
      if (::fstat(next, &status) != 0) return nullptr;
    }
    folder = S_ISDIR(status.st_mode);
    name = parts.back();
    return S_ISREG(status.st_mode) ? at : nullptr;
  }

  static void send(const httplib::Request& request, httplib::Response& response, const File& file,
                   const std::string& name, const struct stat& status) {
    const auto size = static_cast<uint64_t>(status.st_size);
    char tag[64];
    std::snprintf(tag, sizeof tag, "\"%llx-%llx\"", static_cast<unsigned long long>(size),
                  static_cast<unsigned long long>(status.st_mtim.tv_sec) * 1000000000ULL +
                      static_cast<unsigned long long>(status.st_mtim.tv_nsec));
    response.set_header("ETag", tag);
    response.set_header("Accept-Ranges", "bytes");
    const std::string known = request.get_header_value("If-None-Match");
    if (known == "*" || known.find(tag) != std::string::npos) {
      response.status = 304;
      return;
    }
    Span span{0, size};
    RangeKind kind = RangeKind::kWhole;
    const std::string condition = request.get_header_value("If-Range");
    if (request.has_header("Range") && (condition.empty() || condition == tag)) {
      kind = parse_range(request.get_header_value("Range"), size, span);
    }
    if (kind == RangeKind::kUnsatisfiable) {
      response.set_header("Content-Range", cat("bytes */", size));
      return refuse(response, 416, "The range begins behind the file's end.");
    }
    response.status = 200;
    if (kind == RangeKind::kPart) {
      response.status = 206;
      response.set_header("Content-Range", cat("bytes ", span.begin, "-", span.end - 1, "/", size));
    }
    if (span.begin == span.end) {
      response.set_content("", type_of(name));
      return;
    }
    response.set_content_provider(
        span.end - span.begin, type_of(name),
        [file, span](size_t offset, size_t length, httplib::DataSink& sink) {
          thread_local std::vector<char> chunk(kChunkBytes);
          const ssize_t got = ::pread(file->number, chunk.data(), std::min(length, kChunkBytes),
                                      static_cast<off_t>(span.begin + offset));
          // A file that has shrunk meanwhile ends the connection: the client sees a short answer.
          return got > 0 && sink.write(chunk.data(), static_cast<size_t>(got));
        });
  }

  int root_;
  bool isolated_;
  std::string csp_;
};

// A port that somebody else listens on is refused; the library would share it.
void own_port(int socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

Result<int> bind(httplib::Server& server, const Args& args) {
  if (args.port == 0) {
    const int port = server.bind_to_any_port(args.host);
    if (port > 0) return port;
  } else {
    const int first = args.port > 0 ? args.port : kDefaultPort;
    const int tried = args.port > 0 ? 1 : kPortsTried;
    for (int port = first; port < first + tried; ++port) {
      if (server.bind_to_port(args.host, port)) return port;
    }
  }
  return resource_error(
      args.port == 0
          ? cat("No port of ", sluice::quoted(args.host), " can be listened on")
          : cat("Port ", args.port > 0 ? args.port : kDefaultPort, " of ",
                sluice::quoted(args.host),
                " can't be listened on: somebody else does, or it is no address of this machine"));
}

Result<void> serve(const Args& args) {
  const Descriptor root(::open(args.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.number < 0) return usage_error(cat(sluice::quoted(args.folder), " is no folder"));
  const Site site(root.number, args);

  // Signals are waited for by a thread of their own. Blocked before any thread starts.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
  server.set_keep_alive_max_count(1 << 20);
  server.set_tcp_nodelay(true);
  server.set_socket_options(own_port);
  server.set_payload_max_length(1 << 16);
  server.set_pre_routing_handler([&](const httplib::Request& request, httplib::Response& response) {
    // Ranges are ours: the library would apply them a second time.
    const_cast<httplib::Request&>(request).ranges.clear();
    site.answer(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
  if (args.log) {
    server.set_logger([](const httplib::Request& request, const httplib::Response& response) {
      std::printf("%s %s %d %s\n", request.method.c_str(),
                  sluice::quoted(request.target, 1000).c_str(), response.status,
                  sluice::quoted(request.get_header_value("Range")).c_str());
      std::fflush(stdout);
    });
  }
  SLUICE_ASSIGN(const int port, bind(server, args));

  std::thread([&server, signals] {
    int number = 0;
    sigwait(&signals, &number);
    server.stop();
    // Idle connections keep their threads for seconds; nothing here needs to be saved.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::_Exit(kOk);
  }).detach();

  const bool everywhere = args.host == "0.0.0.0" || args.host == "::";
  const std::string shown = everywhere ? "127.0.0.1" : args.host;
  std::printf("serving %s at http://%s:%d/ (%s; Ctrl+C ends it)\n", args.folder.c_str(),
              shown.find(':') == std::string::npos ? shown.c_str() : cat("[", shown, "]").c_str(),
              port, args.no_isolation ? "not cross-origin isolated" : "cross-origin isolated");
  if (shown != "127.0.0.1" && shown != "localhost") {
    std::printf("A browser gives WebGPU and threads to https and to its own machine only.\n");
  }
  std::fflush(stdout);
  if (!server.listen_after_bind()) return resource_error("Listening fails");
  return {};
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<Args>();
  CLI::App* sub = app.add_subcommand(
      "serve", "serve a folder over HTTP: cross-origin isolation, right types, byte ranges");
  sub->add_option("folder", args->folder, "the folder")->required();
  sub->add_option("--port", args->port,
                  "port (0: any that is free; default 8080 or one of the next)")
      ->check(CLI::Range(0, 65535));
  sub->add_option("--host", args->host, "address to listen on")->capture_default_str();
  sub->add_flag("--no-isolation", args->no_isolation,
                "without COOP and COEP, as on a host that can't send them");
  sub->add_flag("--log", args->log, "print a line for each request");
  sub->add_option("--csp", args->csp, "another Content-Security-Policy, or none");
  sub->callback([args, &exit_code] {
    if (auto done = serve(*args); !done) exit_code = report(done.error());
  });
}

}  // namespace sluice::cli
