// Numbers and tables of the program.
#include "tools/danaus/command/Text.h"

#include <gtest/gtest.h>

using namespace danaus::tool;

TEST(Text, Thousands) {
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(118666), "118,666");
  EXPECT_EQ(thousands(9888884736), "9,888,884,736");
}

TEST(Text, Rates) {
  EXPECT_EQ(formatRate(1e-3), "1e-03");
  EXPECT_EQ(formatRate(1e-3 * 0.1 * 0.1), "1e-05");
  EXPECT_EQ(formatRate(5.5e-4), "5.5e-04");
  EXPECT_EQ(formatRate(0), "0e+00");
}

TEST(Text, Seconds) {
  EXPECT_EQ(formatSeconds(0.61), "0.6s");
  EXPECT_EQ(formatSeconds(75.25), "75.2s");
  EXPECT_EQ(formatSeconds(245.4), "4m05s");
  EXPECT_EQ(formatSeconds(7805), "2h10m");
}

TEST(Text, JsonStringsAreEscaped) {
  EXPECT_EQ(jsonString("a\"b\\c\n"), R"("a\"b\\c\n")");
  EXPECT_EQ(jsonString("\xff"), "\"\xef\xbf\xbd\"");
}

TEST(Text, TableAlignsItsColumns) {
  Table table({Table::Left, Table::Right, Table::Left});
  table.row({"name", "n", "why"});
  table.row({"a", "1,000"});
  EXPECT_EQ(table.text(), "name       n   why\n"
                          "a      1,000\n");
}
