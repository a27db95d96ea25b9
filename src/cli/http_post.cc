#include "cli/http_post.h"

#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/json.h"
#include "base/text.h"

namespace sluice::cli {

namespace {

using Clock = std::chrono::steady_clock;

// A collector's answer is small; more than this is not read.
constexpr size_t kMaxAnswerBytes = 64 << 10;

struct Url {
  std::string origin;  // "https://host:port"
  std::string path;    // "/v1/metrics"
};

Result<Url> parse_url(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t path = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
  Url out{url.substr(0, path), path == std::string::npos ? "/" : url.substr(path)};
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const bool bad = url.find_first_of(" \t\r\n") != std::string::npos ||
                   out.origin.find('@') != std::string::npos;
  if (!known || bad || out.origin.size() <= scheme + 3) {
    return usage_error(cat(sluice::quoted(url), " is no http:// or https:// address"));
  }
  return out;
}

struct Answer {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  int status = 0;  // 0: no answer
  std::string body, failure;
};

// One attempt. The library's time limits are for each read and write, so a server that sends a byte
// now and then could hold it for ever: the attempt runs on a thread of its own, which is left
// behind when the time is up. It holds on to `answer` itself.
void attempt(const Url& url, const session::Pairs& headers, const std::string& body, double seconds,
             const std::shared_ptr<Answer>& answer) {
  std::thread([=] {
    std::string failure, text;
    int status = 0;
    try {
      httplib::Client client(url.origin);
      const auto limit = std::chrono::duration<double>(seconds);
      client.set_connection_timeout(limit);
      client.set_read_timeout(limit);
      client.set_write_timeout(limit);
      client.set_follow_location(false);  // data goes where the user said, nowhere else
      httplib::Request request;
      request.method = "POST";
      request.path = url.path;
      request.body = body;
      for (const auto& [name, value] : headers) request.headers.emplace(name, value);
      request.headers.emplace("Content-Type", "application/json");
      request.headers.emplace("User-Agent", "sluice/0.1.0");
      request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
        text.append(data, std::min(size, kMaxAnswerBytes - std::min(kMaxAnswerBytes, text.size())));
        return text.size() < kMaxAnswerBytes;
      };
      const auto result = client.send(request);
      if (result) {
        status = result->status;
      } else {
        failure = httplib::to_string(result.error());
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    const std::lock_guard lock(answer->mutex);
    answer->status = status;
    answer->body = std::move(text);
    answer->failure = std::move(failure);
    answer->finished = true;
    answer->done.notify_all();
  }).detach();
}

// What a collector says of an error (google.rpc.Status in JSON), or of data it left out.
std::string message_of(const std::string& body) {
  const auto json = parse_json(body);
  if (json.is_object()) {
    if (const auto at = json.find("message"); at != json.end() && at->is_string()) {
      return at->get<std::string>();
    }
    if (const auto at = json.find("partialSuccess"); at != json.end() && at->is_object()) {
      if (const auto why = at->find("errorMessage"); why != at->end() && why->is_string()) {
        return why->get<std::string>();
      }
    }
  }
  return {};
}

}  // namespace

Result<void> http_post(const std::string& url, const session::Pairs& headers,
                       const std::string& body, double timeout_seconds) {
  SLUICE_ASSIGN(const Url where, parse_url(url));
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_seconds));
  for (int round = 0;; ++round) {
    const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
    const auto answer = std::make_shared<Answer>();
    attempt(where, headers, body, std::max(left, 0.001), answer);
    std::unique_lock lock(answer->mutex);
    if (!answer->done.wait_until(lock, deadline, [&] { return answer->finished; })) {
      return resource_error(cat("there is no answer within ", timeout_seconds, " s"));
    }
    const int status = answer->status;
    if (status == 200) {
      const std::string partial = message_of(answer->body);
      if (!partial.empty()) {
        return resource_error(cat("the receiver took only a part: ", sluice::quoted(partial, 200)));
      }
      return {};
    }
    const bool again = status == 0 || status == 429 || (status >= 502 && status <= 504);
    const auto pause = std::chrono::milliseconds(100 + 100 * round);
    if (again && round == 0 && Clock::now() + 2 * pause < deadline) {
      lock.unlock();
      std::this_thread::sleep_for(pause);
      continue;
    }
    if (status == 0) return resource_error(cat("the connection fails: ", answer->failure));
    const std::string message = message_of(answer->body);
    return resource_error(cat("the receiver answers with status ", status,
                              message.empty() ? "" : ": ",
                              message.empty() ? "" : sluice::quoted(message, 200)));
  }
}

}  // namespace sluice::cli
