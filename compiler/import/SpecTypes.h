// The values of a spec that have more than one form: `rank: 16`, `0.25` or `auto`, `loss:
// cross_entropy` or with options, `normalize: mnist` or numbers, and the parameters of an ops
// block.
#pragma once

#include "compiler/import/Record.h"

namespace danaus::spec {

/// A number of rows, a ratio of the smaller side, or how weights choose it.
class RankType : public TypeFor<Structure> {
public:
  explicit RankType(const Record<RankByWeights> *byWeights) : byWeights(byWeights) {}
  void read(const Node &node, Structure &rule, Reader &reader) const override;
  Node print(const Structure &rule) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  void visit(const std::string &path, Visitor visitor) const override;

private:
  const Record<RankByWeights> *byWeights;
  IntegerType rows{1, 1 << 24};
  NumberType ratio{Range::between(0, 1)};
};

/// dense, or rules as of the section `structure`.
class PhaseStructureType : public TypeFor<Phase> {
public:
  explicit PhaseStructureType(const ListType<Structure> *rules) : rules(rules) {}
  void read(const Node &node, Phase &phase, Reader &reader) const override;
  Node print(const Phase &phase) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;

private:
  const ListType<Structure> *rules;
};

/// A number of a phase that need not be written.
class PhaseNumberType : public TypeFor<Phase> {
public:
  PhaseNumberType(std::optional<double> Phase::*member, Range range)
      : member(member), number(range) {}
  void read(const Node &node, Phase &phase, Reader &reader) const override;
  Node print(const Phase &phase) const override;
  std::string describe() const override { return number.describe(); }
  llvm::json::Value jsonSchema() const override { return number.jsonSchema(); }

private:
  std::optional<double> Phase::*member;
  NumberType number;
};

/// cross_entropy, or {cross_entropy: {options}}.
class LossType : public TypeFor<Train> {
public:
  explicit LossType(const Record<Train> *options) : options(options) {}
  void read(const Node &node, Train &train, Reader &reader) const override;
  Node print(const Train &train) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  void visit(const std::string &path, Visitor visitor) const override;

private:
  const Record<Train> *options;
};

/// The name of a known mean and deviation, or {mean: [...], std: [...]}.
class NormalizeType : public TypeFor<Data> {
public:
  explicit NormalizeType(const Record<Data> *numbers) : numbers(numbers) {}
  void read(const Node &node, Data &data, Reader &reader) const override;
  Node print(const Data &data) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  void visit(const std::string &path, Visitor visitor) const override;

private:
  const Record<Data> *numbers;
};

/// {V: [16, 128], b: [128]}: in the order written.
class ParametersType : public TypeFor<std::vector<OpsBlock::Parameter>> {
public:
  explicit ParametersType(const Type *shape) : shape(shape) {}
  void read(const Node &node, std::vector<OpsBlock::Parameter> &slot,
            Reader &reader) const override;
  Node print(const std::vector<OpsBlock::Parameter> &slot) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;

private:
  TextType name{TextForm::Identifier};
  const Type *shape;
};

} // namespace danaus::spec
