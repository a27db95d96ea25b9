// Behind gtest/gtest.h: the list of tests, what they say, and the exports by which
// tests/wasm/run.mjs drives them.
#include <gtest/gtest.h>

#include "base/text.h"
#include "exec/cpu/thread_pool.h"
#include "wasm/abi.h"
#include "wasm/state.h"

namespace testing {
namespace {

std::vector<Entry>& entries() {
  static std::vector<Entry> entries;
  return entries;
}
std::vector<std::function<void()>>& expansions() {
  static std::vector<std::function<void()>> expansions;
  return expansions;
}
std::vector<std::string> traces;
std::string failures, skipped;

}  // namespace

void append(std::string& out, int64_t value) { sluice::text_detail::append(out, value); }
void append(std::string& out, uint64_t value) { sluice::text_detail::append(out, value); }
void append(std::string& out, double value) { sluice::text_detail::append(out, value); }

void Failure::operator=(const Message& message) const {
  if (skip_) {
    skipped = message.text().empty() ? "skipped" : message.text();
    return;
  }
  // The first few tell; a sweep may have thousands.
  if (failures.size() > 4000) return;
  failures += (Message() << file_ << ":" << line_ << ": " << what_ << message).text();
  for (const std::string& trace : traces) failures += "\n  in " + trace;
  failures += "\n";
}

Trace::Trace(const char*, int, const Message& message) { traces.push_back(message.text()); }
Trace::~Trace() { traces.pop_back(); }

bool Test::HasFailure() { return !failures.empty(); }

void add(Entry entry) { entries().push_back(std::move(entry)); }
void later(std::function<void()> expand) { expansions().push_back(std::move(expand)); }

}  // namespace testing

using namespace sluice::wasm;

// The names of all tests, as a list.
extern "C" SLUICE_EXPORT(sluice_test_list) int32_t sluice_test_list() {
  for (const auto& expand : testing::expansions()) expand();
  testing::expansions().clear();
  sluice::Json names = sluice::Json::array();
  for (const testing::Entry& entry : testing::entries()) names.push_back(entry.name);
  return reply(names);
}

// Runs one: {"failures", "skipped", "workerAllocations"}.
extern "C" SLUICE_EXPORT(sluice_test_run) int32_t sluice_test_run(int32_t index) {
  testing::failures.clear();
  testing::skipped.clear();
  const uint32_t before = sluice_worker_allocations();
  const auto test = testing::entries()[static_cast<size_t>(index)].make();
  test->SetUp();
  if (testing::failures.empty() && testing::skipped.empty()) test->TestBody();
  test->TearDown();
  return reply({{"failures", testing::failures},
                {"skipped", testing::skipped},
                {"workerAllocations", sluice_worker_allocations() - before}});
}
