#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace sluice {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "sluice_file_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, WritesAndReadsBack) {
  const std::string path = folder_ + "/a.txt";
  ASSERT_TRUE(write_file_atomic(path, "one"));
  ASSERT_TRUE(write_file_atomic(path, "two and more"));
  auto text = read_file(path);
  ASSERT_TRUE(text) << text.error().text();
  EXPECT_EQ(*text, "two and more");
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  EXPECT_EQ((*mapped)->size(), 12u);
  // Nothing temporary stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  EXPECT_FALSE(read_file(path, 11));
}

TEST_F(FileTest, EmptyFileIsEmptySpan) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/e", ""));
  auto mapped = MappedFile::open(folder_ + "/e");
  ASSERT_TRUE(mapped);
  EXPECT_TRUE((*mapped)->bytes().empty());
}

TEST_F(FileTest, RefusesWhatIsNotARegularFile) {
  EXPECT_FALSE(MappedFile::open(folder_));
  EXPECT_FALSE(MappedFile::open(folder_ + "/missing"));
  EXPECT_FALSE(MappedFile::open("/dev/zero"));
  ASSERT_EQ(::mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  auto pipe = MappedFile::open(folder_ + "/pipe");
  ASSERT_FALSE(pipe);
  EXPECT_NE(pipe.error().message.find("a pipe"), std::string::npos);
  EXPECT_FALSE(write_file_atomic(folder_ + "/no/such/folder", "x"));
}

TEST_F(FileTest, ExternalFilesStayInside) {
  ASSERT_EQ(::mkdir((folder_ + "/sub").c_str(), 0700), 0);
  ASSERT_TRUE(write_file_atomic(folder_ + "/sub/w.bin", "weights"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/plain.bin", "weights"));
  ASSERT_EQ(::symlink("plain.bin", (folder_ + "/soft").c_str()), 0);
  ASSERT_EQ(::symlink("sub", (folder_ + "/softdir").c_str()), 0);
  ASSERT_TRUE(write_file_atomic(folder_ + "/hard.bin", "weights"));
  ASSERT_EQ(::link((folder_ + "/hard.bin").c_str(), (folder_ + "/hard2.bin").c_str()), 0);
  EXPECT_TRUE(MappedFile::open_inside(folder_, "plain.bin"));
  EXPECT_TRUE(MappedFile::open_inside(folder_, "./sub/w.bin"));
  for (const char* bad : {"", "/etc/passwd", "../x", "sub/../../x", "sub/..", "sub\\w.bin", "C:x",
                          "soft", "softdir/w.bin", "hard.bin", "missing", "sub", "sub/"}) {
    auto opened = MappedFile::open_inside(folder_, bad);
    ASSERT_FALSE(opened) << bad;
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidModel)
        << bad << ": " << opened.error().text();
  }
  EXPECT_FALSE(MappedFile::open_inside(folder_, std::string_view("plain.bin\0x", 11)));
}

TEST_F(FileTest, FolderOfPath) {
  EXPECT_EQ(folder_of("a/b/c"), "a/b");
  EXPECT_EQ(folder_of("c"), ".");
  EXPECT_EQ(folder_of("/c"), "/");
}

}  // namespace
}  // namespace sluice
