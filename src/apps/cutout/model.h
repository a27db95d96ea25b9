// A matting model bound to a session, ready to cut.
#pragma once

#include <memory>
#include <string>

#include "apps/cutout/cutout.h"
#include "apps/cutout/locate.h"
#include "base/result.h"
#include "session/session.h"

namespace sluice::apps::cutout {

struct Model {
  Manifest manifest;
  RunModel run;
  std::shared_ptr<session::Session> session;
  std::string note;  // what had to be guessed; empty when a manifest said everything
};

// Only the output that is used is computed. `options.outputs` and `options.input_shapes` are set
// here.
Result<Model> open_model(const Located& located, session::Options options);

}  // namespace sluice::apps::cutout
