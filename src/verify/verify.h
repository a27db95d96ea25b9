// verify: holds every value that a run makes against reference activations: a folder that `sluice
// dump` or an outside oracle has written (manifest.json and .npy files), or the reference backend.
// The tolerance belongs to the reference value, element by element: |e| <= atol + rtol * |r|.
// Non-finite values are found on their bits.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "session/session.h"
#include "tensor/value.h"

namespace sluice::verify {

struct Tolerance {
  double atol = 1e-4;
  double rtol = 1e-3;
};

struct Check {
  std::string name;  // of the value
  std::string node;  // that makes it; empty for whole-run checks of values without one
  std::string op;
  Type type;
  int64_t elements = 0;
  int64_t wrong = 0;         // elements outside the tolerance; integers: unequal
  int64_t first_wrong = -1;  // index in row-major order
  double got = 0, want = 0;  // at first_wrong
  double max_abs = 0, max_rel = 0;
  double nmse = 0;         // sum of squared errors over sum of squared reference values
  int64_t non_finite = 0;  // in the run, where the reference is finite
  std::string problem;     // another shape or dtype than the reference
  std::vector<double> first_got, first_want;  // up to 20 elements, when wrong
  bool ok() const { return problem.empty() && wrong == 0; }
};

struct Report {
  std::vector<Check> checks;           // in the order in which the run makes the values
  std::vector<std::string> unmatched;  // values of the run that the reference does not have
  int first_failure() const;           // index into checks; -1 when all agree
  // Whether an input of the first failing value was itself wrong already.
  bool failure_inherited = false;
  // Where the values were made. Of several runs (layers): the islands and failovers of all, the
  // largest figures of any, and whatever was bound in the place of the backend asked for.
  session::Binding binding;
  // Empty when the run was finished on the backend that was asked for; a sentence otherwise.
  std::string not_where_asked() const;
};

Check compare(const Tensor& got, const Tensor& want, const Tolerance& tolerance);

// Reference activations by value name, loaded when asked for.
class Activations {
 public:
  static Result<Activations> open(const std::string& folder);
  bool has(const std::string& name) const { return files_.contains(name); }
  Result<Tensor> load(const std::string& name) const;
  const std::vector<std::string>& inputs() const { return inputs_; }

 private:
  std::string folder_;
  std::map<std::string, std::string, std::less<>> files_;
  std::vector<std::string> inputs_;
};

// Runs the model whole on the inputs in `against` and checks every value both know.
Result<Report> verify_run(const std::string& model, const Activations& against,
                          const session::Options& options, const Tolerance& tolerance);

// Runs every node by itself on the reference's own inputs, so that no error is carried on: for
// models whose quantization amplifies last-bit differences.
Result<Report> verify_layers(const std::string& model, const Activations& against,
                             const session::Options& options, const Tolerance& tolerance);

// Runs the model on the reference backend with `feeds` and checks every value.
Result<Report> verify_reference(const std::string& model, const session::NamedValues& feeds,
                                const session::Options& options, const Tolerance& tolerance);

}  // namespace sluice::verify
