// MD5 against the test suite of RFC 1321 (appendix A.5), whole and in pieces.
#include "runtime/base/Md5.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

std::string md5(const std::string &text) {
  Md5 hash;
  hash.add(text.data(), text.size());
  return hash.finish();
}

TEST(Md5, TestSuiteOfTheRfc) {
  EXPECT_EQ(md5(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(md5("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(md5("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(md5("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, PiecesAreTheWhole) {
  for (size_t size : {55u, 56u, 63u, 64u, 65u, 119u, 120u, 128u, 1000u}) {
    std::string text(size, 'x');
    for (size_t piece : {1u, 3u, 63u, 64u, 65u}) {
      Md5 hash;
      for (size_t at = 0; at < size; at += piece)
        hash.add(text.data() + at, std::min(piece, size - at));
      EXPECT_EQ(hash.finish(), md5(text)) << size << ' ' << piece;
    }
  }
  EXPECT_EQ(md5(std::string(1000000, 'a')), "7707d6ae4e027c70eea2a935c2296f21");
}

} // namespace
