// The wall around the YAML parser: limits, bytes that no spec may hold, what scalars mean, and that
// what is printed reads back.
#include "ReadText.h"

#include "compiler/import/Yaml.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

/// The only problem of a text, as "line:column: text"; "" where it is fine.
std::string problemOf(llvm::StringRef text) {
  Problems problems;
  std::optional<Node> node = parseYaml(text, {1, 1}, problems);
  EXPECT_EQ(problems.empty(), node.has_value());
  if (problems.empty())
    return "";
  const Problem &first = problems.kept().front();
  return std::to_string(first.mark.line) + ":" + std::to_string(first.mark.column) + ": " +
         first.text;
}

std::string times(size_t count, const std::string &text) {
  std::string all;
  for (size_t i = 0; i < count; ++i)
    all += text;
  return all;
}

TEST(YamlBytes, ControlCharactersAreRefused) {
  EXPECT_EQ(problemOf(std::string("a: b\0c", 6)),
            "1:5: control character 0x00 in the text; remove it");
  EXPECT_EQ(problemOf("a: b\nc: \x04"), "2:4: control character 0x04 in the text; remove it");
  EXPECT_EQ(problemOf("a: b\x7f"), "1:5: control character 0x7f in the text; remove it");
  EXPECT_EQ(problemOf("a: b\rc: d"), "1:5: control character 0x0d in the text; remove it");
  EXPECT_EQ(problemOf("a: b\r\nc:\td\r\n"), "");
}

TEST(YamlBytes, OnlyUtf8) {
  EXPECT_EQ(problemOf("a: b\nb: \xff"), "2:4: byte 0xff is not UTF-8; save the file as UTF-8");
  EXPECT_EQ(problemOf("a: \xc3"), "1:4: byte 0xc3 is not UTF-8; save the file as UTF-8");
  EXPECT_EQ(problemOf("a: \xc3\xa9 \"\xe2\x82\xac\""), "");
  EXPECT_EQ(problemOf("\xEF\xBB\xBF"
                      "a: [1, &x 2, *y]"),
            "1:17: not valid YAML: the referenced anchor is not defined");
}

TEST(YamlLimits, Bytes) {
  EXPECT_EQ(problemOf("a: b\n#" + std::string(YamlLimits::bytes - 6, 'x')), "");
  EXPECT_EQ(problemOf("a: b\n#" + std::string(YamlLimits::bytes - 5, 'x')),
            "1:1: the spec has 1048577 bytes; at most 1048576 are read");
}

TEST(YamlLimits, Nodes) {
  EXPECT_EQ(problemOf("[" + times(YamlLimits::nodes - 1, "1,") + "]"), "");
  EXPECT_EQ(problemOf("[\n" + times(YamlLimits::nodes, "1,") + "]"),
            "2:199999: the spec has more than 100000 values (every alias counts as what it stands "
            "for)");
}

TEST(YamlLimits, Depth) {
  EXPECT_EQ(problemOf(times(64, "[") + times(64, "]")), "");
  EXPECT_EQ(problemOf(times(65, "[") + times(65, "]")),
            "1:65: lists and maps are nested more than 64 levels deep");
  EXPECT_EQ(problemOf(times(100'000, "- ")),
            "1:129: lists and maps are nested more than 64 levels deep");
}

TEST(YamlLimits, AliasBomb) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    std::string last = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [" + times(9, last + ", ") + last + "]\n";
  }
  EXPECT_NE(problemOf(bomb).find("values"), std::string::npos) << problemOf(bomb);
  EXPECT_EQ(problemOf(bomb).substr(0, 2), "5:");
}

TEST(YamlLimits, AnchorsInsideAnchors) {
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "&a" + std::to_string(i) + " [";
  text += times(50'000, "1,") + times(60, "]");
  EXPECT_NE(problemOf(text).find("the values with anchors (&name) are too large together"),
            std::string::npos);
}

TEST(YamlLimits, AliasesDoNotDeepenUnnoticed) {
  std::string text =
      "a: &a " + times(40, "[") + times(40, "]") + "\nb: " + times(30, "[") + "*a" + times(30, "]");
  EXPECT_EQ(problemOf(text), "2:34: lists and maps are nested more than 64 levels deep");
}

TEST(Yaml, AnAliasIsACopyWithThePlacesOfTheAnchor) {
  Problems problems;
  std::optional<Node> node = parseYaml("a: &x {b: 1}\nc: *x\n", {1, 1}, problems);
  ASSERT_TRUE(node);
  EXPECT_EQ(printFlow(*node), "{a: {b: 1}, c: {b: 1}}");
  EXPECT_EQ(node->items[1].items[0].mark.line, 1u);
  EXPECT_EQ(node->items[1].items[0].mark.column, 11u);
}

TEST(Yaml, QuotesAreClosed) {
  EXPECT_EQ(problemOf("a: \"b"), "1:6: the text ends inside a quote that is never closed");
  EXPECT_EQ(problemOf("a: \"b\\\"\n"), "1:4: this quote is never closed");
  EXPECT_EQ(problemOf("a: &x 'b''\n"), "1:4: this quote is never closed");
  EXPECT_EQ(problemOf("a: 'it''s'\nb: \"\\\"\"\nc: &x 'y'\nd: |\n  \"text\ne: >\n  'more\n"), "");
}

TEST(Yaml, MeaningsOfScalars) {
  auto all = [](Meaning meaning, std::vector<const char *> texts) {
    for (const char *text : texts)
      EXPECT_EQ(meaningOf(text), meaning) << text;
  };
  all(Meaning::Integer, {"0", "-0", "1", "-12", "99999999999999999999"});
  all(Meaning::Number, {"1.0", "1e-3", "1.0e-3", "-.5", "5.", "1E+9", "0.5", "-0.0"});
  all(Meaning::BadNumber, {"010", "00", "0x1F", "0o17", "0b1", "1_000", "+1", "+1.5", ".nan",
                           ".NaN", ".inf", "-.Inf", "nan", "inf", "-infinity", "01.5"});
  all(Meaning::Bool, {"true", "false"});
  all(Meaning::BadBool, {"yes", "No", "ON", "off", "True", "FALSE"});
  all(Meaning::Text, {"", "a", ".", "-", "e5", "1.2.3", "1e", "x1", "--1", "truely", "3/4"});
}

TEST(Yaml, WhatIsPrintedReadsBack) {
  Node root = Node::map();
  for (const char *text :
       {"plain", "",   "12", "true", "no",    "~",  "null", "a: b",     "- x",  "#",  "[",
        "é",     "\"", "\\", "a\nb", "tab\t", "*x", "&x",   "hidden.*", "0x10", "<<", " x "})
    root.append(text, Node::scalar(text, true));
  Node list = Node::list();
  list.items = {root, Node::scalar("-1"), Node::scalar("1.0e-5"), Node::list(), Node::map(), root};
  Node top = Node::map();
  top.append("list", list);
  top.append("long", root);

  Problems problems;
  std::string text = printYaml(top);
  std::optional<Node> again = parseYaml(text, {1, 1}, problems);
  ASSERT_TRUE(again) << text;
  EXPECT_EQ(printFlow(*again).size(), printFlow(top).size());
  EXPECT_EQ(printYaml(*again), text);
}

TEST(Messages, AtMostTwentyAreShown) {
  std::string text = "[" + times(25, "{b: 1}, ") + "]";
  std::string messages =
      readText("name: m\nmodel: {input: {shape: [4]}, layers: " + text + "}\ndata: {name: mnist}\n")
          .messages;
  size_t errors = 0;
  for (size_t at = 0; (at = messages.find(" error: ", at)) != std::string::npos; ++at)
    ++errors;
  EXPECT_EQ(errors, Problems::limit);
  EXPECT_NE(messages.find("note: 5 more errors are not shown"), std::string::npos) << messages;
}

} // namespace
} // namespace danaus::spec
