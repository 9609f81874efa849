// See Ptx.h: a parser by recursive descent over words.
#include "runtime/vgpu/Ptx.h"

#include "runtime/vgpu/PtxWords.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace danaus::vgpu {

bool PtxInstruction::has(const std::string &part) const {
  return std::ranges::find(parts, part) != parts.end();
}

unsigned bytesOfType(const std::string &type) {
  static const std::map<std::string, unsigned> bytes = {
      {"pred", 1}, {"b8", 1},  {"u8", 1},    {"s8", 1},   {"b16", 2},    {"u16", 2},  {"s16", 2},
      {"f16", 2},  {"b32", 4}, {"u32", 4},   {"s32", 4},  {"f32", 4},    {"b64", 8},  {"u64", 8},
      {"s64", 8},  {"f64", 8}, {"f16x2", 4}, {"bf16", 2}, {"bf16x2", 4}, {"tf32", 4}, {"b128", 16}};
  auto found = bytes.find(type);
  return found == bytes.end() ? 0 : found->second;
}

namespace {

class Parser {
public:
  explicit Parser(const std::string &text) : words(splitIntoWords(text)) {}

  Expected<PtxFile> parse() {
    while (!failure && at < words.size())
      parseTopLevel();
    if (failure)
      return std::move(*failure);
    return std::move(file);
  }

private:
  // --- words -------------------------------------------------------------------------------------

  std::string_view peek(size_t ahead = 0) const {
    return at + ahead < words.size() ? words[at + ahead].text : std::string_view();
  }
  std::string_view next() { return at < words.size() ? words[at++].text : std::string_view(); }
  bool accept(std::string_view text) {
    if (peek() != text)
      return false;
    ++at;
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text))
      fail("expected '" + std::string(text) + "', found '" + std::string(peek()) + "'");
  }
  void fail(const std::string &what) {
    unsigned line = at < words.size() ? words[at].line : words.empty() ? 0 : words.back().line;
    if (!failure)
      failure = Error(ExitCode::Usage, format("PTX line %u: ", line) + what);
    at = words.size();
  }
  void skipPast(std::string_view text) {
    while (at < words.size() && next() != text) {
    }
  }
  uint64_t number() {
    std::string text(next());
    char *end = nullptr;
    uint64_t value = std::strtoull(text.c_str(), &end, 0);
    if (end == text.c_str())
      fail("'" + text + "' is no number");
    return value;
  }

  // --- declarations ------------------------------------------------------------------------------

  void parseTopLevel() {
    std::string_view word = peek();
    if (word == ".version" || word == ".address_size") {
      at += 2;
    } else if (word == ".target") {
      ++at;
      std::string_view name = next();
      file.target =
          unsigned(std::atoi(std::string(name.substr(std::min<size_t>(3, name.size()))).c_str()));
      while (accept(","))
        ++at;
    } else if (word == ".visible" || word == ".weak" || word == ".extern") {
      ++at;
      isExtern = word == ".extern";
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      ++at;
      PtxVariable variable = parseVariable();
      (word == ".global"  ? file.globals
       : word == ".const" ? file.constants
                          : file.externShared)
          .push_back(std::move(variable));
      expect(";");
    } else if (word == ".entry") {
      ++at;
      parseKernel();
    } else if (word == ".file") {
      ++at;
      ++at;
      ++at;
      while (accept(","))
        ++at;
    } else if (word == ".section") {
      skipPast("}");
    } else {
      fail("'" + std::string(word) + "' is not known here");
    }
  }

  /// `.align 4 .b8 name[16] = {1, 2}` up to and with the semicolon.
  PtxVariable parseVariable() {
    PtxVariable variable;
    unsigned element = 0;
    for (;;) {
      std::string_view word = peek();
      if (word == ".align") {
        ++at;
        variable.align = number();
      } else if (word == ".ptr") { // of a parameter
        ++at;
      } else if (word.starts_with(".")) {
        element = std::max(element, bytesOfType(std::string(next().substr(1))));
      } else {
        break;
      }
    }
    variable.align = std::max<uint64_t>(variable.align, element);
    variable.name = next();
    uint64_t count = 1;
    while (accept("[")) {
      count *= peek() == "]" ? 0 : number();
      expect("]");
    }
    variable.bytes = element * count;
    if (accept("="))
      parseInitial(variable, element);
    return variable;
  }

  void parseInitial(PtxVariable &variable, unsigned element) {
    auto add = [&] {
      bool negative = accept("-");
      uint64_t value = number();
      value = negative ? 0 - value : value;
      const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
      variable.initial.insert(variable.initial.end(), bytes, bytes + element);
    };
    if (!accept("{"))
      return add();
    while (!failure && !accept("}")) {
      add();
      accept(",");
    }
  }

  void parseKernel() {
    PtxFunction function;
    function.name = next();
    expect("(");
    while (!failure && !accept(")")) {
      expect(".param");
      function.parameters.push_back(parseVariable());
      accept(",");
    }
    while (!failure && peek() != "{") {
      bool isLimit = accept(".maxntid");
      if (!isLimit)
        ++at; // .minnctapersm and its kind
      uint32_t threads = uint32_t(number());
      while (accept(","))
        threads *= uint32_t(number());
      if (isLimit)
        function.maxThreads = threads;
    }
    kernel = &function;
    scopes.clear();
    sourceLine = 0;
    parseBlock();
    file.kernels.push_back(std::move(function));
  }

  // --- statements --------------------------------------------------------------------------------

  void parseBlock() {
    expect("{");
    scopes.push_back(scopeCount++);
    while (!failure && !accept("}"))
      parseStatement();
    scopes.pop_back();
  }

  void parseStatement() {
    std::string_view word = peek();
    if (word == "{")
      return parseBlock();
    if (word == ".reg")
      return parseRegisters();
    if (word == ".loc")
      return parseLocation();
    if (word == ".shared" || word == ".local") {
      ++at;
      PtxVariable variable = parseVariable();
      (word == ".shared" ? kernel->shared : kernel->local).push_back(std::move(variable));
      return expect(";");
    }
    if (word.starts_with(".pragma"))
      return skipPast(";");
    if (peek(1) == ":") {
      kernel->labels[scoped(word)] = kernel->body.size();
      at += 2;
      return;
    }
    if (word.starts_with("."))
      return fail("'" + std::string(word) + "' is not known here");
    parseInstruction();
  }

  /// A name declared in an inner block gets the block's number, so that two blocks do not share it.
  std::string declared(std::string_view name) const {
    return scopes.size() == 1 ? std::string(name)
                              : std::string(name) + "#" + std::to_string(scopes.back());
  }
  /// The innermost declaration of a register; the name itself for all else.
  std::string scoped(std::string_view name) const {
    for (size_t i = scopes.size(); i-- > 1;)
      if (std::string inner = std::string(name) + "#" + std::to_string(scopes[i]);
          kernel->registers.contains(inner))
        return inner;
    return std::string(name);
  }

  void parseRegisters() {
    ++at;
    std::string type(next().substr(1));
    do {
      std::string name(next());
      if (accept("<")) {
        uint64_t count = number();
        expect(">");
        for (uint64_t i = 0; i < count && i < 1000000; ++i)
          kernel->registers[declared(name + std::to_string(i))] = type;
      } else {
        kernel->registers[declared(name)] = type;
      }
    } while (accept(","));
    expect(";");
  }

  /// `.loc file line column` and, for inlined code, what it was inlined into.
  void parseLocation() {
    at += 2;
    sourceLine = unsigned(number());
    ++at;
    while (accept(",")) {
      if (accept("function_name")) {
        ++at;
        while (accept("+"))
          ++at;
      } else if (accept("inlined_at")) {
        at += 3;
      }
    }
  }

  void parseInstruction() {
    PtxInstruction instruction;
    instruction.line = words[at].line;
    instruction.sourceLine = sourceLine;
    if (accept("@")) {
      instruction.guardNegated = accept("!");
      instruction.guard = scoped(next());
    }
    instruction.opcode = next();
    instruction.parts = splitAtDots(instruction.opcode);
    if (peek() != ";")
      do
        parseOperands(instruction.operands);
      while (!failure && accept(","));
    expect(";");
    kernel->body.push_back(std::move(instruction));
  }

  /// One operand, or two of the form a|b.
  void parseOperands(std::vector<PtxOperand> &operands) {
    operands.push_back(parseOperand());
    if (accept("|"))
      operands.push_back(parseOperand());
  }

  PtxOperand parseOperand() {
    PtxOperand operand;
    if (accept("{")) {
      operand.kind = PtxOperand::Vector;
      do
        operand.elements.push_back(parseOperand());
      while (!failure && accept(","));
      expect("}");
    } else if (accept("[")) {
      operand.kind = PtxOperand::Address;
      if (std::isdigit((unsigned char)peek().front()))
        operand.offset = int64_t(number());
      else
        operand.name = scoped(next());
      while (peek() == "+" || peek() == "-") {
        int64_t sign = next() == "-" ? -1 : 1;
        sign = accept("-") ? -sign : sign;
        operand.offset += sign * int64_t(number());
      }
      expect("]");
    } else if (accept("!")) {
      operand.negated = true;
      operand.name = scoped(next());
    } else if (accept("-")) {
      operand = parseNumber();
      operand.bits = 0 - operand.bits;
    } else if (!peek().empty() && std::isdigit((unsigned char)peek().front())) {
      operand = parseNumber();
    } else if (isWordCharacter(peek().empty() ? ' ' : peek().front())) {
      operand.name = scoped(next());
    } else {
      fail("'" + std::string(peek()) + "' is no operand");
    }
    return operand;
  }

  /// Integers, 0f3F800000 and 0d....
  PtxOperand parseNumber() {
    PtxOperand operand;
    operand.kind = PtxOperand::Number;
    std::string_view text = peek();
    if (text.size() > 2 && text[0] == '0' && std::strchr("fFdD", text[1])) {
      operand.bits = std::strtoull(std::string(text.substr(2)).c_str(), nullptr, 16);
      ++at;
    } else {
      operand.bits = number();
    }
    return operand;
  }

  std::vector<PtxWord> words;
  size_t at = 0;
  PtxFile file;
  PtxFunction *kernel = nullptr;
  std::vector<unsigned> scopes;
  unsigned scopeCount = 0, sourceLine = 0;
  bool isExtern = false;
  std::optional<Error> failure;
};

} // namespace

Expected<PtxFile> parsePtx(const std::string &text) { return Parser(text).parse(); }

} // namespace danaus::vgpu
