#include "apps/cutout/batch.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

namespace sluice::apps::cutout {

namespace fs = std::filesystem;
using image::Array;
using image::Image;

namespace {

bool looks_like_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view known : {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm",
                                       ".pbm", ".pnm", ".tif", ".tiff"}) {
    if (extension == known) return true;
  }
  return false;
}

// The same file under any spelling of its path.
std::string identity(const fs::path& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal().string() : canonical.string();
}

}  // namespace

Result<std::vector<Job>> plan_jobs(const std::vector<std::string>& inputs,
                                   const std::string& out_folder, OutputFormat format, bool mask) {
  std::vector<Job> jobs;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      jobs.push_back({input, {}});
      continue;
    }
    std::vector<std::string> found;
    for (fs::directory_iterator at(input, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (looks_like_picture(at->path()) && at->is_regular_file(ignored)) {
        found.push_back(at->path().string());
      }
    }
    if (error)
      return usage_error(cat("The folder ", sluice::quoted(input, 300), " cannot be read"));
    if (found.empty())
      return usage_error(cat("The folder ", sluice::quoted(input, 300), " holds no pictures"));
    std::sort(found.begin(), found.end());
    for (std::string& path : found) jobs.push_back({std::move(path), {}});
  }
  std::set<std::string> taken, sources;
  for (const Job& job : jobs) sources.insert(identity(job.input));
  const std::string extension = format == OutputFormat::kPng ? ".png" : ".webp";
  for (Job& job : jobs) {
    std::string stem = fs::path(job.input).stem().string();
    if (stem.empty() || stem == "." || stem == "..") stem = "picture";
    if (mask) stem += "-mask";
    const auto path_of = [&](const std::string& name) {
      return (fs::path(out_folder) / (name + extension)).string();
    };
    if (sources.contains(identity(path_of(stem)))) stem += "-cutout";
    std::string name = stem;
    for (int n = 2; taken.contains(name) || sources.contains(identity(path_of(name))); ++n) {
      name = cat(stem, "-", n);
    }
    taken.insert(name);
    job.output = path_of(name);
  }
  return jobs;
}

namespace {

Result<void> run_one(const Job& job, const BatchOptions& options, const OpenModel& open,
                     Record& record, bool& fatal,
                     const std::function<void(std::string_view)>& phase) {
  phase("decode");
  double start = now_seconds();
  Image picture;
  {
    SLUICE_ASSIGN(const auto file, MappedFile::open(job.input));
    SLUICE_ASSIGN(image::Decoded decoded,
                  image::decode(file->bytes(), {.max_pixels = options.max_pixels}));
    picture = std::move(decoded.image);
  }
  record.width = picture.width();
  record.height = picture.height();
  record.times.decode = now_seconds() - start;

  const Manifest* manifest = nullptr;
  auto model = open(&manifest);
  if (!model) {
    fatal = true;
    return std::move(model).error();
  }
  phase("cut");
  SLUICE_ASSIGN(const Image result,
                cut_out(picture, *manifest, **model, options.cut, record.times));

  phase("encode");
  start = now_seconds();
  Array<uint8_t> bytes;
  if (options.format == OutputFormat::kPng) {
    SLUICE_ASSIGN(bytes, encode_png(result, {.level = options.png_level}));
  } else {
    SLUICE_ASSIGN(bytes,
                  encode_webp(result, {.lossless = !options.lossy, .quality = options.quality}));
  }
  SLUICE_TRY(write_file_atomic(job.output, std::as_bytes(bytes.span())));
  record.times.encode = now_seconds() - start;
  return {};
}

}  // namespace

Result<std::vector<Record>> run_batch(const std::vector<Job>& jobs, const BatchOptions& options,
                                      const OpenModel& open,
                                      const std::function<void(const Progress&)>& on_progress) {
  std::vector<Record> records;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Job& job = jobs[i];
    Record record;
    record.job = job;
    std::error_code ignored;
    if (!options.force && fs::is_regular_file(job.output, ignored)) {
      record.status = Status::kKept;
    } else {
      bool fatal = false;
      const auto phase = [&](std::string_view name) {
        if (on_progress) on_progress({i, jobs.size(), &job, name, nullptr});
      };
      auto done = run_one(job, options, open, record, fatal, phase);
      if (!done && fatal) return std::move(done).error();
      if (done) {
        record.status = Status::kDone;
      } else {
        record.error = done.error().text();
      }
    }
    records.push_back(std::move(record));
    if (on_progress) on_progress({i, jobs.size(), &job, {}, &records.back()});
  }
  return records;
}

std::string records_json(const std::vector<std::pair<std::string, std::string>>& facts,
                         const std::vector<Record>& records) {
  const auto milliseconds = [](double seconds) {
    return static_cast<double>(static_cast<int64_t>(seconds * 1e6 + 0.5)) / 1e3;
  };
  Json root = Json::object();
  for (const auto& [key, value] : facts) root[key] = value;
  Json images = Json::array();
  for (const Record& record : records) {
    Json one = Json::object();
    one["input"] = record.job.input;
    one["status"] = record.status == Status::kDone   ? "done"
                    : record.status == Status::kKept ? "kept"
                                                     : "failed";
    if (record.status == Status::kFailed) {
      one["error"] = record.error;
    } else {
      one["output"] = record.job.output;
    }
    if (record.status == Status::kDone) {
      one["width"] = record.width;
      one["height"] = record.height;
      one["milliseconds"] = {{"decode", milliseconds(record.times.decode)},
                             {"prepare", milliseconds(record.times.prepare)},
                             {"run", milliseconds(record.times.run)},
                             {"refine", milliseconds(record.times.refine)},
                             {"encode", milliseconds(record.times.encode)},
                             {"total", milliseconds(record.times.total())}};
    }
    images.push_back(std::move(one));
  }
  root["images"] = std::move(images);
  // Paths need not be UTF-8; anything else is replaced rather than refused.
  return json_text(root, 2) + "\n";
}

}  // namespace sluice::apps::cutout
