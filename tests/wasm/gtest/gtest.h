// As much of GoogleTest's interface as our unit tests use, so that the same sources run inside the
// WebAssembly module: no exceptions, no processes, no output but texts. tests/wasm/run.mjs lists
// and runs the tests one by one; a trap ends one test, not the run.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace testing {

void append(std::string& out, int64_t value);
void append(std::string& out, uint64_t value);
void append(std::string& out, double value);

// A text put together with <<. What can't be printed is left out.
class Message {
 public:
  template <class T>
  Message& operator<<(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      text_ += std::string_view(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      text_ += value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
      text_ += value;
    } else if constexpr (std::is_floating_point_v<T>) {
      append(text_, static_cast<double>(value));
    } else if constexpr (std::is_enum_v<T>) {
      append(text_, static_cast<int64_t>(value));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      append(text_, static_cast<int64_t>(value));
    } else if constexpr (std::is_integral_v<T>) {
      append(text_, static_cast<uint64_t>(value));
    } else if constexpr (requires {
                           { value.text() } -> std::convertible_to<std::string>;
                         }) {
      text_ += value.text();
    } else if constexpr (std::is_same_v<T, Message>) {
      text_ += value.text_;
    } else {
      text_ += "(a value)";
    }
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// What a comparison says: empty when it holds.
using Verdict = std::string;

class Failure {
 public:
  Failure(const char* file, int line, Verdict what, bool skip = false)
      : file_(file), line_(line), what_(std::move(what)), skip_(skip) {}
  void operator=(const Message& message) const;

 private:
  const char* file_;
  int line_;
  Verdict what_;
  bool skip_;
};

class Trace {
 public:
  Trace(const char* file, int line, const Message& message);
  ~Trace();
};

class Test {
 public:
  virtual ~Test() = default;
  virtual void SetUp() {}
  virtual void TearDown() {}
  virtual void TestBody() = 0;
  static bool HasFailure();
  static bool HasFatalFailure() { return HasFailure(); }  // stricter: any failure ends a loop
  template <class T>
  static void RecordProperty(const char*, const T&) {}
};

// --- what there is to run
struct Entry {
  std::string name;
  std::function<std::unique_ptr<Test>()> make;
};
void add(Entry entry);
// Called once, when all are known.
void later(std::function<void()> expand);

template <class T>
bool register_test(const char* suite, const char* name) {
  add({std::string(suite) + "." + name, [] { return std::make_unique<T>(); }});
  return true;
}

template <class P>
class TestWithParam : public Test {
 public:
  using ParamType = P;
  static const P& GetParam() { return *current(); }
  static const P*& current() {
    static const P* param = nullptr;
    return param;
  }
};

template <class P>
struct TestParamInfo {
  P param;
  size_t index;
};

// The tests of one TEST_P suite, by its class.
template <class Suite>
std::vector<std::pair<std::string, std::function<std::unique_ptr<Test>()>>>& tests_of() {
  static std::vector<std::pair<std::string, std::function<std::unique_ptr<Test>()>>> tests;
  return tests;
}
template <class Suite, class T>
bool register_param_test(const char* name) {
  tests_of<Suite>().emplace_back(name, [] { return std::make_unique<T>(); });
  return true;
}

template <class Container>
auto ValuesIn(const Container& values) {
  return std::vector<std::remove_cvref_t<decltype(*std::begin(values))>>(std::begin(values),
                                                                         std::end(values));
}
template <class Iterator>
auto ValuesIn(Iterator first, Iterator last) {
  return std::vector<std::remove_cvref_t<decltype(*first)>>(first, last);
}
template <class... Ts>
auto Values(Ts... values) {
  return std::vector<std::common_type_t<Ts...>>{values...};
}
inline std::vector<int> Range(int first, int last) {
  std::vector<int> out;
  for (; first < last; ++first) out.push_back(first);
  return out;
}

inline std::array<bool, 2> Bool() { return {false, true}; }
template <class A, class B>
auto Combine(const A& first, const B& second) {
  std::vector<std::tuple<typename A::value_type, typename B::value_type>> out;
  for (const auto& a : first) {
    for (const auto& b : second) out.emplace_back(a, b);
  }
  return out;
}

struct NameByIndex {
  template <class Info>
  std::string operator()(const Info& info) const {
    return std::to_string(info.index);
  }
};

template <class Suite, class Generate, class Namer = NameByIndex>
bool instantiate(const char* prefix, const char* suite, Generate generate, Namer namer = {}) {
  later([=] {
    using P = typename Suite::ParamType;
    size_t index = 0;
    for (const auto& value : generate()) {
      const auto param = std::make_shared<const P>(value);
      const std::string of = namer(TestParamInfo<P>{*param, index++});
      for (const auto& [name, make] : tests_of<Suite>()) {
        add({std::string(prefix) + "/" + suite + "." + name + "/" + of, [param, make] {
               TestWithParam<P>::current() = param.get();
               return make();
             }});
      }
    }
  });
  return true;
}

// --- comparisons
template <class A, class B>
Verdict relation(bool holds, const char* text, const A& a, const B& b) {
  if (holds) return {};
  return (Message() << text << ", which are " << a << " and " << b << "\n").text();
}
inline Verdict truth(bool holds, const char* text) {
  if (holds) return {};
  return (Message() << text << "\n").text();
}
inline Verdict near(double a, double b, double error, const char* text) {
  if (std::fabs(a - b) <= error) return {};
  return (Message() << text << ": " << a << " and " << b << "\n").text();
}
inline Verdict float_equal(double a, double b, double unit, const char* text) {
  if (a == b || std::fabs(a - b) <= 4 * unit * std::fmax(std::fabs(a), std::fabs(b))) return {};
  return (Message() << text << ": " << a << " and " << b << "\n").text();
}

}  // namespace testing

// clang-format off
#define SLUICE_TEST_EXPECT(verdict)                                                    \
  if (::testing::Verdict sluice_verdict = (verdict); sluice_verdict.empty()) {         \
  } else                                                                               \
    ::testing::Failure(__FILE__, __LINE__, std::move(sluice_verdict)) = ::testing::Message()
#define SLUICE_TEST_ASSERT(verdict)                                                    \
  if (::testing::Verdict sluice_verdict = (verdict); sluice_verdict.empty()) {         \
  } else                                                                               \
    return ::testing::Failure(__FILE__, __LINE__, std::move(sluice_verdict)) = ::testing::Message()
#define SLUICE_TEST_RELATION(a, op, b)                                                 \
  [&](const auto& sluice_a, const auto& sluice_b) {                                    \
    return ::testing::relation(sluice_a op sluice_b, #a " " #op " " #b, sluice_a, sluice_b); \
  }((a), (b))
#define SLUICE_TEST_TRUE(x) ::testing::truth(static_cast<bool>(x), #x " is false")
#define SLUICE_TEST_FALSE(x) ::testing::truth(!static_cast<bool>(x), #x " is true")

#define EXPECT_TRUE(x) SLUICE_TEST_EXPECT(SLUICE_TEST_TRUE(x))
#define ASSERT_TRUE(x) SLUICE_TEST_ASSERT(SLUICE_TEST_TRUE(x))
#define EXPECT_FALSE(x) SLUICE_TEST_EXPECT(SLUICE_TEST_FALSE(x))
#define ASSERT_FALSE(x) SLUICE_TEST_ASSERT(SLUICE_TEST_FALSE(x))
#define EXPECT_EQ(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, ==, b))
#define ASSERT_EQ(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, ==, b))
#define EXPECT_NE(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, !=, b))
#define ASSERT_NE(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, !=, b))
#define EXPECT_LT(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, <, b))
#define ASSERT_LT(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, <, b))
#define EXPECT_LE(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, <=, b))
#define ASSERT_LE(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, <=, b))
#define EXPECT_GT(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, >, b))
#define ASSERT_GT(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, >, b))
#define EXPECT_GE(a, b) SLUICE_TEST_EXPECT(SLUICE_TEST_RELATION(a, >=, b))
#define ASSERT_GE(a, b) SLUICE_TEST_ASSERT(SLUICE_TEST_RELATION(a, >=, b))
#define EXPECT_NEAR(a, b, e) SLUICE_TEST_EXPECT(::testing::near((a), (b), (e), #a " is not near " #b))
#define ASSERT_NEAR(a, b, e) SLUICE_TEST_ASSERT(::testing::near((a), (b), (e), #a " is not near " #b))
#define EXPECT_FLOAT_EQ(a, b) SLUICE_TEST_EXPECT(::testing::float_equal((a), (b), 0x1p-23, #a " is not " #b))
#define EXPECT_DOUBLE_EQ(a, b) SLUICE_TEST_EXPECT(::testing::float_equal((a), (b), 0x1p-52, #a " is not " #b))
#define ADD_FAILURE() ::testing::Failure(__FILE__, __LINE__, "failed\n") = ::testing::Message()
#define FAIL() return ADD_FAILURE()
#define GTEST_SKIP() return ::testing::Failure(__FILE__, __LINE__, "skipped\n", true) = ::testing::Message()
#define SLUICE_TEST_JOIN_(a, b) a##b
#define SLUICE_TEST_JOIN(a, b) SLUICE_TEST_JOIN_(a, b)
#define SCOPED_TRACE(x) \
  const ::testing::Trace SLUICE_TEST_JOIN(sluice_trace_, __LINE__)(__FILE__, __LINE__, ::testing::Message() << (x))

#define SLUICE_TEST_CLASS(suite, name, base, registered)             \
  class suite##_##name##_Test : public base {                        \
   public:                                                           \
    void TestBody() override;                                        \
    static const bool registered_;                                   \
  };                                                                 \
  const bool suite##_##name##_Test::registered_ = registered;        \
  void suite##_##name##_Test::TestBody()
#define TEST(suite, name) \
  SLUICE_TEST_CLASS(suite, name, ::testing::Test, (::testing::register_test<suite##_##name##_Test>(#suite, #name)))
#define TEST_F(suite, name) \
  SLUICE_TEST_CLASS(suite, name, suite, (::testing::register_test<suite##_##name##_Test>(#suite, #name)))
#define TEST_P(suite, name) \
  SLUICE_TEST_CLASS(suite, name, suite, (::testing::register_param_test<suite, suite##_##name##_Test>(#name)))
#define INSTANTIATE_TEST_SUITE_P(prefix, suite, generator, ...)                                       \
  [[maybe_unused]] static const bool prefix##_##suite##_instantiated_ = ::testing::instantiate<suite>( \
      #prefix, #suite, [] { return generator; } __VA_OPT__(, ) __VA_ARGS__)
#define GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite) static_assert(true)
// clang-format on
