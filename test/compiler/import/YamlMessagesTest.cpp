// Each way in which a text is not one strict YAML document, and values of the wrong type.
// What is expected is all that a user sees: place, text, line and caret.
#include "ReadText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

const MessageCase cases[] = {
    {"EmptyFile", 0, "# nothing\n",
     R"~(bad.yaml:1:1: error: the spec is empty
# nothing
^
)~"},
    {"Tab", 0, "name: m\nmodel:\n\tinput: 3\n",
     R"~(bad.yaml:3:1: error: a tab in the indentation; indent with spaces
        input: 3
^^^^^^^^
)~"},
    {"OpenMap", 5, "    - linear: {out: 2",
     R"~(bad.yaml:6:5: error: this is not the end of a map that was opened with '{': is a ',' or '}' missing?
data: {name: mnist}
    ^
)~"},
    {"OpenList", 3, "  input: {shape: [4}",
     R"~(bad.yaml:3:20: error: this closes nothing that is open: do '[' and ']', '{' and '}' match?
  input: {shape: [4}
                   ^
)~"},
    {"OpenSingleQuote", 6, "data: {name: 'mnist}",
     R"~(bad.yaml:6:14: error: this quote is never closed
data: {name: 'mnist}
             ^
)~"},
    {"OpenQuote", 1, "name: \"m",
     R"~(bad.yaml:1:7: error: this quote is never closed
name: "m
      ^
)~"},
    {"BadIndentation", 7, "   train: {epochs: 1}",
     R"~(bad.yaml:7:4: error: this does not belong to the map above it: check the indentation and the ':'
   train: {epochs: 1}
   ^
)~"},
    {"UnknownAnchor", 1, "name: *nobody",
     R"~(bad.yaml:1:7: error: not valid YAML: the referenced anchor is not defined
name: *nobody
      ^
)~"},
    {"AliasInItself", 5, "    - &a [*a]",
     R"~(bad.yaml:5:11: error: this alias stands inside the value that it names
    - &a [*a]
          ^
)~"},
    {"SeveralDocuments", 7, "---\nname: n",
     R"~(bad.yaml:7:1: error: a spec is one YAML document, but something follows its end here
---
^
)~"},
    {"TextAfterTheEnd", 0, "{name: m} x",
     R"~(bad.yaml:1:11: error: a spec is one YAML document, but something follows its end here
{name: m} x
          ^
)~"},
    {"MergeKey", 7, "train:\n  <<: {epochs: 1}",
     R"~(bad.yaml:8:3: error: merge keys (<<) are not supported; write the keys out, or use an alias for a whole value
  <<: {epochs: 1}
  ^
)~"},
    {"TagOnAValue", 1, "name: !!str m",
     R"~(bad.yaml:1:7: error: tags such as !!int have no meaning in a spec; remove this one
name: !!str m
      ^
)~"},
    {"KeyTwice", 7, "name: n",
     R"~(bad.yaml:7:1: error: key 'name' is written twice in one map
name: n
^
bad.yaml:1:1: note: first written here
name: m
^
)~"},
    {"KeyTwiceInFlow", 5, "    - linear: {out: 2, bias: true, out: 3}",
     R"~(bad.yaml:5:36: error: key 'out' is written twice in one map
    - linear: {out: 2, bias: true, out: 3}
                                   ^
bad.yaml:5:16: note: first written here
    - linear: {out: 2, bias: true, out: 3}
               ^
)~"},
    {"KeyIsAList", 7, "? [a, b]\n: 1",
     R"~(bad.yaml:7:3: error: a key must be a name, not a list or a map
? [a, b]
  ^
)~"},
    {"KeyIsEmpty", 7, ": 1",
     R"~(bad.yaml:7:1: error: a key must be a name; this one is empty
: 1
^
)~"},
    {"KeyIsAnAlias", 0, "name: &a m\n*a : 2",
     R"~(bad.yaml:2:1: error: a key must be a name, not an alias
*a : 2
^
)~"},
    {"Octal", 7, "train: {epochs: 010}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '010' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {epochs: 010}
                ^
)~"},
    {"OctalNew", 7, "train: {epochs: 0o10}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '0o10' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {epochs: 0o10}
                ^
)~"},
    {"Hexadecimal", 7, "train: {epochs: 0x10}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '0x10' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {epochs: 0x10}
                ^
)~"},
    {"Underscore", 7, "train: {epochs: 1_000}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '1_000' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {epochs: 1_000}
                ^
)~"},
    {"Plus", 7, "train: {epochs: +1}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '+1' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {epochs: +1}
                ^
)~"},
    {"IntegerTooBig", 7, "train: {epochs: 99999999999999999999}",
     R"~(bad.yaml:7:17: error: train.epochs: 99999999999999999999 is out of range: expected an integer from 1 to 1000000
train: {epochs: 99999999999999999999}
                ^
)~"},
    {"IntegerAsFloat", 7, "train: {epochs: 3.0}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '3.0'
train: {epochs: 3.0}
                ^
)~"},
    {"IntegerAsExponent", 7, "train: {epochs: 1e3}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found '1e3'
train: {epochs: 1e3}
                ^
)~"},
    {"IntegerInQuotes", 7, "train: {epochs: \"3\"}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found the text "3" (in quotes it is a text; leave them out)
train: {epochs: "3"}
                ^
)~"},
    {"IntegerIsText", 7, "train: {epochs: many}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found 'many'
train: {epochs: many}
                ^
)~"},
    {"IntegerIsList", 7, "train: {epochs: [1]}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found a list
train: {epochs: [1]}
                ^
)~"},
    {"IntegerIsMap", 7, "train: {epochs: {a: 1, b: 2, c: 3, d: 4}}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found a map with the keys a, b, c, ...
train: {epochs: {a: 1, b: 2, c: 3, d: 4}}
                ^
)~"},
    {"IntegerMissing", 7, "train:\n  epochs:\n  batch_size: 1",
     R"~(bad.yaml:8:3: error: train.epochs: expected an integer from 1 to 1000000, found nothing
  epochs:
  ^
)~"},
    {"IntegerIsNull", 7, "train: {epochs: ~}",
     R"~(bad.yaml:7:17: error: train.epochs: expected an integer from 1 to 1000000, found nothing
train: {epochs: ~}
                ^
)~"},
    {"NotANumber", 7, "train: {clip_grad_norm: .nan}",
     R"~(bad.yaml:7:25: error: train.clip_grad_norm: expected a number of at least 0.0, found '.nan' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {clip_grad_norm: .nan}
                        ^
)~"},
    {"Infinite", 7, "train: {clip_grad_norm: -.inf}",
     R"~(bad.yaml:7:25: error: train.clip_grad_norm: expected a number of at least 0.0, found '-.inf' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', no inf or nan)
train: {clip_grad_norm: -.inf}
                        ^
)~"},
    {"NumberTooBig", 7, "train: {clip_grad_norm: 1e999}",
     R"~(bad.yaml:7:25: error: train.clip_grad_norm: 1e999 does not fit in a double: expected a number of at least 0.0
train: {clip_grad_norm: 1e999}
                        ^
)~"},
    {"NumberIsText", 7, "optimizer: {lr: fast}",
     R"~(bad.yaml:7:17: error: optimizer.lr: expected a number above 0.0, found 'fast'
optimizer: {lr: fast}
                ^
)~"},
    {"YesForTrue", 5, "    - linear: {out: 2, bias: yes}",
     R"~(bad.yaml:5:30: error: model.layers.0.linear.bias: expected true or false, found 'yes' (truth values are written true or false)
    - linear: {out: 2, bias: yes}
                             ^
)~"},
    {"CapitalTrue", 5, "    - linear: {out: 2, bias: True}",
     R"~(bad.yaml:5:30: error: model.layers.0.linear.bias: expected true or false, found 'True' (truth values are written true or false)
    - linear: {out: 2, bias: True}
                             ^
)~"},
    {"BoolIsNumber", 5, "    - linear: {out: 2, bias: 1}",
     R"~(bad.yaml:5:30: error: model.layers.0.linear.bias: expected true or false, found '1'
    - linear: {out: 2, bias: 1}
                             ^
)~"},
    {"TextIsNumber", 1, "name: 12",
     R"~(bad.yaml:1:7: error: name: expected a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.', found '12'; if it is meant as a text, write "12"
name: 12
      ^
)~"},
    {"TextIsBool", 1, "name: no",
     R"~(bad.yaml:1:7: error: name: expected a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.', found 'no'; if it is meant as a text, write "no"
name: no
      ^
)~"},
};

class YamlMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(YamlMessages, AreExact) {
  ReadResult result = readText(GetParam().spec());
  EXPECT_TRUE(mlir::failed(result.spec));
  EXPECT_EQ(result.messages, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Specs, YamlMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace danaus::spec
