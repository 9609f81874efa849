// See NameMap.h.
#include "runtime/structure/NameMap.h"

#include "runtime/base/File.h"
#include "runtime/base/Nearest.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace danaus {

namespace {

struct BuiltIn {
  const char *name, *rules;
};
constexpr BuiltIn builtIns[] = {
    {"timm-vit", R"(cls_token class_token 3
pos_embed position_embedding 3
patch_embed.proj.* patch_embed.*
blocks.*.norm1.* blocks.*.layer_norm_0.*
blocks.*.norm2.* blocks.*.layer_norm_1.*
blocks.*.attn.qkv.* blocks.*.attn.{q,k,v}.*
norm.* layer_norm.*
)"},
    {"timm-mixer", R"(stem.proj.* patch_embed.*
blocks.*.norm1.* blocks.*.layer_norm_0.*
blocks.*.norm2.* blocks.*.layer_norm_1.*
blocks.*.mlp_tokens.*.* blocks.*.token_mlp.*.*
blocks.*.mlp_channels.*.* blocks.*.channel_mlp.*.*
norm.* layer_norm.*
)"},
    {"torchvision-vit", R"(class_token class_token 3
encoder.pos_embedding position_embedding 3
conv_proj.* patch_embed.*
encoder.layers.encoder_layer_*.ln_1.* blocks.*.layer_norm_0.*
encoder.layers.encoder_layer_*.ln_2.* blocks.*.layer_norm_1.*
encoder.layers.encoder_layer_*.self_attention.in_proj_weight blocks.*.attn.{q,k,v}.weight
encoder.layers.encoder_layer_*.self_attention.in_proj_bias blocks.*.attn.{q,k,v}.bias
encoder.layers.encoder_layer_*.self_attention.out_proj.* blocks.*.attn.proj.*
encoder.layers.encoder_layer_*.mlp.0.* blocks.*.mlp.fc1.*
encoder.layers.encoder_layer_*.mlp.3.* blocks.*.mlp.fc2.*
encoder.ln.* layer_norm.*
heads.head.* head.*
)"},
};

/// What each star of the pattern stands for; false where the name does not match.
bool match(std::string_view pattern, std::string_view name, std::vector<std::string> &stars) {
  if (pattern.empty())
    return name.empty();
  if (pattern.front() != '*')
    return !name.empty() && name.front() == pattern.front() &&
           match(pattern.substr(1), name.substr(1), stars);
  for (size_t length = 1; length <= name.size() && name[length - 1] != '.'; ++length) {
    stars.emplace_back(name.substr(0, length));
    if (match(pattern.substr(1), name.substr(length), stars))
      return true;
    stars.pop_back();
  }
  return false;
}

/// The pattern with its stars filled in.
std::string fill(const std::string &pattern, const std::vector<std::string> &stars) {
  std::string name;
  size_t next = 0;
  for (char character : pattern)
    name += character == '*' ? stars[next++] : std::string(1, character);
  return name;
}

/// "a.{q,k}.b" as "a.q.b", "a.k.b"; empty where braces are not closed, nested or come twice.
std::vector<std::string> alternatives(const std::string &text) {
  size_t open = text.find('{'), close = text.find('}');
  if (open == std::string::npos && close == std::string::npos)
    return {text};
  if (open == std::string::npos || close == std::string::npos || close < open ||
      text.find('{', open + 1) != std::string::npos ||
      text.find('}', close + 1) != std::string::npos)
    return {};
  std::vector<std::string> result;
  std::istringstream parts(text.substr(open + 1, close - open - 1));
  for (std::string part; std::getline(parts, part, ',');)
    result.push_back(text.substr(0, open) + part + text.substr(close + 1));
  return result;
}

uint64_t product(const std::vector<uint64_t> &shape) {
  uint64_t count = 1;
  for (uint64_t size : shape)
    count *= size;
  return count;
}

} // namespace

std::vector<std::string> NameMap::builtIn() {
  std::vector<std::string> names;
  for (const BuiltIn &each : builtIns)
    names.push_back(each.name);
  return names;
}

Expected<NameMap> NameMap::open(const std::string &nameOrPath) {
  for (const BuiltIn &each : builtIns)
    if (nameOrPath == each.name)
      return parse(each.rules, each.name);
  if (!pathExists(nameOrPath)) {
    std::string known;
    for (const std::string &name : builtIn())
      known += (known.empty() ? "" : ", ") + name;
    auto nearest = nearestName(nameOrPath, builtIn());
    return Error(ExitCode::Usage, "'" + nameOrPath + "' is neither a file nor one of " + known +
                                      (nearest ? "; did you mean '" + *nearest + "'?" : ""));
  }
  auto text = readFile(nameOrPath, 1 << 20, ExitCode::Usage);
  if (!text)
    return text.takeError();
  return parse(*text, nameOrPath);
}

Expected<NameMap> NameMap::parse(std::string_view text, const std::string &origin) {
  NameMap map;
  std::istringstream lines{std::string(text)};
  unsigned number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    Rule rule;
    std::string ours, rank, more;
    if (!(words >> rule.theirs))
      continue;
    auto wrong = [&](const std::string &what) {
      return Error(ExitCode::Usage, format("%s:%u: ", origin.c_str(), number) + what +
                                        " (THEIRS OURS [RANK], as: blocks.*.attn.qkv.* "
                                        "blocks.*.attn.{q,k,v}.*)");
    };
    if (!(words >> ours))
      return wrong("'" + rule.theirs + "' has no name of ours behind it");
    if (words >> rank && (rank.find_first_not_of("0123456789") != std::string::npos ||
                          rank.size() > 1 || rank == "0"))
      return wrong("the rank '" + rank + "' is not a number from 1 to 9");
    if (words >> more)
      return wrong("'" + more + "' is one word too many");
    rule.rank = rank.empty() ? 0 : uint64_t(rank[0] - '0');
    rule.ours = alternatives(ours);
    if (rule.ours.empty())
      return wrong("'" + ours + "' needs one pair of braces with names between");
    if (std::ranges::count(rule.theirs, '*') != std::ranges::count(rule.ours[0], '*'))
      return wrong("both names must have equally many *");
    map.rules.push_back(std::move(rule));
  }
  return map;
}

Expected<WeightSource> NameMap::toOurs(const WeightSource &source) const {
  struct Part {
    TensorInfo whole;
    uint64_t index = 0, parts = 1;
  };
  std::map<std::string, Part> origins;
  WeightSource renamed{source.origin, {}, {}};
  for (const TensorInfo &tensor : source.tensors) {
    std::vector<std::string> names{tensor.name}, stars;
    for (const Rule &rule : rules)
      if (stars.clear(); match(rule.theirs, tensor.name, stars)) {
        names.clear();
        for (const std::string &ours : rule.ours)
          names.push_back(fill(ours, stars));
        break;
      }
    TensorInfo own = tensor;
    if (names.size() > 1 && (own.shape.empty() || own.shape[0] % names.size() != 0))
      return Error(ExitCode::CheckpointInvalid,
                   format("'%s': %s of shape %s cannot be split into %zu equal parts",
                          source.origin.c_str(), tensor.name.c_str(),
                          shapeText(tensor.shape).c_str(), names.size()));
    if (names.size() > 1)
      own.shape[0] /= names.size();
    for (size_t i = 0; i < names.size(); ++i) {
      own.name = names[i];
      renamed.tensors.push_back(own);
      if (!origins.insert({names[i], Part{tensor, i, names.size()}}).second)
        return Error(ExitCode::CheckpointInvalid, "'" + source.origin + "': two tensors become " +
                                                      names[i] + " by the table of names");
    }
  }
  renamed.read = [origins, &source](const std::string &name, float *values, size_t count) {
    auto found = origins.find(name);
    if (found == origins.end())
      return source.read(name, values, count);
    const Part &part = found->second;
    if (part.parts == 1)
      return source.read(part.whole.name, values, count);
    std::vector<float> whole(count * part.parts);
    if (Status status = source.read(part.whole.name, whole.data(), whole.size()); !status)
      return status;
    std::copy_n(whole.begin() + ptrdiff_t(part.index * count), count, values);
    return Status::ok();
  };
  return renamed;
}

Expected<std::vector<TensorRef>> NameMap::toTheirs(std::span<const TensorRef> tensors,
                                                   std::vector<std::vector<float>> &values) const {
  struct Joined {
    std::vector<const TensorRef *> parts;
    uint64_t rank = 0;
  };
  std::map<std::string, Joined> all;
  for (const TensorRef &tensor : tensors) {
    std::string name = tensor.name;
    size_t index = 0, count = 1;
    uint64_t rank = 0;
    for (bool isFound = false; const Rule &rule : rules) {
      for (size_t i = 0; i < rule.ours.size() && !isFound; ++i)
        if (std::vector<std::string> stars; match(rule.ours[i], tensor.name, stars)) {
          name = fill(rule.theirs, stars);
          index = i, count = rule.ours.size(), rank = rule.rank;
          isFound = true;
        }
      if (isFound)
        break;
    }
    Joined &joined = all[name];
    joined.parts.resize(std::max(joined.parts.size(), count));
    joined.parts[index] = &tensor;
    joined.rank = rank;
  }
  std::vector<TensorRef> result;
  for (const auto &[name, joined] : all) {
    std::vector<float> &content = values.emplace_back();
    std::vector<uint64_t> shape;
    for (const TensorRef *part : joined.parts) {
      if (!part || (!shape.empty() && part->shape != joined.parts[0]->shape))
        return Error(ExitCode::CheckpointInvalid,
                     "the parts of " + name +
                         " are not all there, or not equally large: give all of "
                         "them one structure");
      shape = part->shape;
      auto *from = static_cast<const float *>(part->data);
      content.insert(content.end(), from, from + product(part->shape));
    }
    if (!shape.empty())
      shape[0] *= joined.parts.size();
    while (shape.size() < joined.rank)
      shape.insert(shape.begin(), 1);
    result.push_back({name, shape, content.data()});
  }
  return result;
}

} // namespace danaus
