// sluice cutout: pictures in, foregrounds out.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/cutout/batch.h"
#include "apps/cutout/locate.h"
#include "apps/cutout/model.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/telemetry_options.h"

namespace sluice::cli {

namespace {

namespace cut = apps::cutout;

struct CutoutArgs {
  std::vector<std::string> images;
  std::string out, model = "fast", background, format = "png", json;
  BackendOptions backend;
  TelemetryOptions telemetry;
  bool mask = false, force = false, no_refine = false, no_clean = false, lossy = false,
       offline = false, list = false, quiet = false;
  int png_level = 3;
  double quality = 90, max_megapixels = 268.435456;
};

std::string milliseconds(double seconds) {
  char text[32];
  if (seconds < 0.0995) {
    std::snprintf(text, sizeof text, "%.1f ms", seconds * 1e3);
  } else if (seconds < 0.9995) {
    std::snprintf(text, sizeof text, "%.0f ms", seconds * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.2f s", seconds);
  }
  return text;
}

std::string phases(const cut::PhaseTimes& times) {
  return cat("decode ", milliseconds(times.decode), ", prepare ", milliseconds(times.prepare),
             ", run ", milliseconds(times.run), ", refine ", milliseconds(times.refine),
             ", encode ", milliseconds(times.encode));
}

std::string file_name(const std::string& path) {
  const std::string text = quoted(std::filesystem::path(path).filename().string(), 40);
  return text.substr(1, text.size() - 2);
}

// One line on stderr: rewritten in place on a terminal, else a line per finished picture.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet) : terminal_(isatty(STDERR_FILENO) != 0), quiet_(quiet) {}
  ~ProgressLine() { clear(); }

  void update(const cut::Progress& progress) {
    if (quiet_) return;
    if (start_ == 0) start_ = cut::now_seconds();
    if (progress.record != nullptr) ++finished_;
    if (!terminal_) {
      if (progress.record == nullptr) return;
      const cut::Record& record = *progress.record;
      const std::string head = cat("[", progress.index + 1, "/", progress.count, "] ",
                                   file_name(record.job.input), ": ");
      switch (record.status) {
        case cut::Status::kDone:
          note(cat(head, "done in ", milliseconds(record.times.total())));
          break;
        case cut::Status::kKept:
          note(cat(head, "kept, it is already there"));
          break;
        case cut::Status::kFailed:
          break;  // the error line says it
      }
      return;
    }
    constexpr int kBar = 24;
    const auto filled = static_cast<int>(finished_ * kBar / progress.count);
    std::string bar;
    for (int i = 0; i < kBar; ++i) bar += i < filled ? "\u2588" : "\u2591";
    std::string line = cat("\r", bar, " ", finished_, "/", progress.count);
    if (progress.record == nullptr)
      line += cat("  ", file_name(progress.job->input), "  ", progress.phase);
    if (finished_ > 0 && finished_ < progress.count) {
      const double per_picture = (cut::now_seconds() - start_) / static_cast<double>(finished_);
      line +=
          cat("  about ",
              milliseconds(per_picture * static_cast<double>(progress.count - finished_)), " left");
    }
    std::fprintf(stderr, "%s\x1b[K", line.c_str());
    std::fflush(stderr);
    shown_ = true;
  }
  // A line of its own above the bar.
  void note(const std::string& line) {
    clear();
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  void clear() {
    if (shown_) std::fprintf(stderr, "\r\x1b[K");
    shown_ = false;
  }

 private:
  bool terminal_, quiet_, shown_ = false;
  size_t finished_ = 0;
  double start_ = 0;
};

void list_models() {
  for (const cut::Manifest& model : cut::catalogue()) {
    const char* alias = model.name == "selfie" ? " (fast)" : model.name == "isnet" ? " (best)" : "";
    std::printf("%s%s\n  %s, %dx%d\n  licence: %s\n  %s\n", model.name.c_str(), alias,
                model.title.c_str(), model.input.width, model.input.height, model.licence.c_str(),
                model.sha256.empty() ? "not pinned: name the file with --model FILE"
                : model.url.empty()  ? cat("from ", model.source).c_str()
                                     : model.url.c_str());
    if (!model.notes.empty()) std::printf("  %s\n", model.notes.c_str());
  }
}

int run_cutout(const CutoutArgs& args) {
  if (args.list) {
    list_models();
    return kOk;
  }
  if (args.images.empty()) return report(usage_error("No picture is named"));
  if (args.out.empty())
    return report(usage_error("The folder for the results is not named (--out DIR)"));
  const auto max_pixels = static_cast<uint64_t>(args.max_megapixels * 1e6);

  cut::BatchOptions options;
  options.max_pixels = max_pixels;
  options.force = args.force;
  options.png_level = args.png_level;
  options.lossy = args.lossy;
  options.quality = static_cast<float>(args.quality);
  options.format = args.format == "webp" ? cut::OutputFormat::kWebp : cut::OutputFormat::kPng;
  options.cut.mask = args.mask;
  options.cut.refine = !args.no_refine;
  options.cut.clean_edges = !args.no_clean;
  auto background = cut::parse_background(args.background, max_pixels);
  if (!background) return report(background.error());
  options.cut.background = std::move(background).value();
  auto session_options = args.backend.parse();
  if (!session_options) return report(session_options.error());

  auto jobs = cut::plan_jobs(args.images, args.out, options.format, args.mask);
  if (!jobs) return report(jobs.error());
  std::error_code error;
  std::filesystem::create_directories(args.out, error);
  if (!std::filesystem::is_directory(args.out, error)) {
    return report(usage_error(cat("The folder ", quoted(args.out, 300), " cannot be made")));
  }

  ProgressLine progress(args.quiet);
  // Found and checked before the first picture is touched; bound only when one needs it.
  cut::LocateOptions places = cut::default_locations();
  if (args.offline) places.cache_folder.clear();
  places.on_download = [&](const cut::Manifest& manifest, const std::string& target) {
    progress.note(
        cat("fetching ", manifest.title, " (licence: ", manifest.licence, ") to ", target));
  };
  auto located = cut::locate(args.model, places);
  if (!located) return report(located.error());

  std::unique_ptr<cut::Model> model;
  std::unique_ptr<TelemetryScope> watch;
  double load_seconds = 0;
  const cut::OpenModel open = [&](const cut::Manifest** manifest) -> Result<const cut::RunModel*> {
    if (!model) {
      const double start = cut::now_seconds();
      SLUICE_ASSIGN(cut::Model opened, cut::open_model(*located, *session_options));
      model = std::make_unique<cut::Model>(std::move(opened));
      load_seconds = cut::now_seconds() - start;
      if (!model->note.empty()) progress.note(model->note);
      watch = std::make_unique<TelemetryScope>(
          args.telemetry.start(model->manifest.name,
                               [&](const std::string& line) { progress.note(line); }),
          model->session->binding());
    }
    *manifest = &model->manifest;
    return &model->run;
  };
  std::vector<cut::Record> records;
  auto batch = cut::run_batch(*jobs, options, open, [&](const cut::Progress& news) {
    if (news.record != nullptr && news.record->status == cut::Status::kFailed) {
      progress.note(cat("sluice: ", file_name(news.record->job.input), ": ", news.record->error));
    }
    progress.update(news);
    if (watch) watch->update();
  });
  progress.clear();
  if (!batch) return report(batch.error());
  records = std::move(batch).value();

  size_t done = 0, kept = 0, failed = 0;
  cut::PhaseTimes sum;
  for (const cut::Record& record : records) {
    switch (record.status) {
      case cut::Status::kDone:
        ++done;
        sum.decode += record.times.decode;
        sum.prepare += record.times.prepare;
        sum.run += record.times.run;
        sum.refine += record.times.refine;
        sum.encode += record.times.encode;
        std::printf("%s  %dx%d  %s\n", record.job.output.c_str(), record.width, record.height,
                    phases(record.times).c_str());
        break;
      case cut::Status::kKept:
        ++kept;
        std::printf("%s  kept (--force makes it again)\n", record.job.output.c_str());
        break;
      case cut::Status::kFailed:
        ++failed;
        break;
    }
  }
  if (done > 0) {
    const session::Binding& binding = model->session->binding();
    std::printf("%s on %s: loaded in %s", model->manifest.title.c_str(),
                std::string(session::backend_name(binding.bound)).c_str(),
                milliseconds(load_seconds).c_str());
    if (done > 1) {
      std::printf("; %zu pictures in %s (%s)", done, milliseconds(sum.total()).c_str(),
                  phases(sum).c_str());
    }
    std::printf("\n");
  }
  if (records.size() > 1 && (failed > 0 || kept > 0)) {
    std::printf("%zu done, %zu kept, %zu failed\n", done, kept, failed);
  }
  if (!args.json.empty()) {
    std::vector<std::pair<std::string, std::string>> facts = {
        {"model", located->manifest.name},
        {"file", located->path},
        {"licence", located->manifest.licence}};
    if (model) {
      const session::Binding& binding = model->session->binding();
      facts.emplace_back("requested", std::string(session::backend_name(binding.requested)));
      facts.emplace_back("bound", std::string(session::backend_name(binding.bound)));
      facts.emplace_back("reason", binding.reason);
      facts.emplace_back("model_sha256", binding.model_sha256);
    }
    if (auto written =
            write_file_atomic(args.json, std::string_view(cut::records_json(facts, records)));
        !written) {
      return report(written.error());
    }
  }
  if (failed == 0) return kOk;
  return records.size() == 1 ? kBadInput : kNo;
}

}  // namespace

void add_cutout(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<CutoutArgs>();
  CLI::App* command = app.add_subcommand("cutout", "cut out the foreground of pictures");
  command->add_option("images", args->images,
                      "pictures (PNG, JPEG, WebP, BMP, PNM, TIFF) or folders");
  command->add_option("--out,-o", args->out, "folder for the results");
  command->add_option("--model,-m", args->model, "fast, best, a name of --list, or a model file")
      ->capture_default_str();
  command->add_option("--background,-b", args->background,
                      "a colour (CSS name or #rrggbb[aa]) or a picture; default: transparent");
  command->add_option("--format", args->format, "png or webp")
      ->check(CLI::IsMember({"png", "webp"}))
      ->capture_default_str();
  command->add_flag("--mask", args->mask, "write alpha alone, as grey");
  command->add_flag("--force,-f", args->force, "make results again that are already there");
  command->add_flag("--no-refine", args->no_refine,
                    "only enlarge the matte, do not fit it to the picture");
  command->add_flag("--no-clean-edges", args->no_clean,
                    "keep the background's colour on soft edges");
  command->add_option("--png-level", args->png_level, "zlib level")->check(CLI::Range(0, 9));
  command->add_flag("--lossy", args->lossy, "WebP with loss");
  command->add_option("--quality", args->quality, "of lossy WebP")->check(CLI::Range(0.0, 100.0));
  command->add_option("--max-megapixels", args->max_megapixels, "refuse larger pictures")
      ->check(CLI::Range(0.001, 1073.0));
  command->add_option("--json", args->json, "write a record of every picture to this file");
  command->add_flag("--offline", args->offline, "never download a model");
  command->add_flag("--list", args->list, "list the known models and their licences");
  command->add_flag("--quiet,-q", args->quiet, "no progress");
  args->telemetry.add_to(*command);
  args->backend.add_to(*command);
  command->callback([args, &exit_code] { exit_code = run_cutout(*args); });
}

}  // namespace sluice::cli
