// Many pictures: outputs named without clashes, one picture in memory at a time, a bad one skipped,
// finished ones kept, and a record of each.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cutout/cutout.h"
#include "base/result.h"

namespace sluice::apps::cutout {

enum class OutputFormat : uint8_t { kPng, kWebp };

struct Job {
  std::string input, output;
};

// One job per input, in order; a folder stands for the pictures in it, by name. Outputs are
// FOLDER/<stem>.png (or .webp, and <stem>-mask for masks); a name already taken gets -2, -3 ...;
// one that would overwrite an input gets -cutout. The same inputs always give the same names.
Result<std::vector<Job>> plan_jobs(const std::vector<std::string>& inputs,
                                   const std::string& out_folder, OutputFormat format, bool mask);

enum class Status : uint8_t { kDone, kKept, kFailed };

struct Record {
  Job job;
  Status status = Status::kFailed;
  int width = 0, height = 0;  // of the upright picture
  PhaseTimes times;
  std::string error;
};

struct BatchOptions {
  CutOptions cut;
  OutputFormat format = OutputFormat::kPng;
  int png_level = 3;
  bool lossy = false;  // WebP only
  float quality = 90;  // WebP only
  uint64_t max_pixels = image::kDefaultMaxPixels;
  bool force = false;  // redo what is already there
};

// What is going on, for a progress bar.
struct Progress {
  size_t index = 0, count = 0;  // of the picture at hand
  const Job* job = nullptr;
  std::string_view phase;          // "decode", "cut", "encode"; empty when the picture is finished
  const Record* record = nullptr;  // when it is finished
};

// `open` gives the model when the first picture needs it; its failure ends the batch. Outputs are
// written atomically, so a file that is there is whole.
using OpenModel = std::function<Result<const RunModel*>(const Manifest** manifest)>;
Result<std::vector<Record>> run_batch(const std::vector<Job>& jobs, const BatchOptions& options,
                                      const OpenModel& open,
                                      const std::function<void(const Progress&)>& on_progress);

// The machine-readable record: model facts given as (key, JSON text) pairs, then the pictures.
std::string records_json(const std::vector<std::pair<std::string, std::string>>& facts,
                         const std::vector<Record>& records);

}  // namespace sluice::apps::cutout
