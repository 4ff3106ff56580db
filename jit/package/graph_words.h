// The words of graph.json for Kiln's enumerations, in their order.
#pragma once

#include <array>
#include <string_view>

#include "tracer/procedure.h"

namespace kiln::jit::package {

using tracer::CallKind, tracer::Constraint, tracer::ScalarForm, tracer::SymbolicNumber;

inline constexpr std::array<std::string_view, 3> kCallKinds{"call", "in_place", "write"};
inline constexpr std::array<std::string_view, 6> kComparisons{"==", "!=", "<", "<=", ">", ">="};
inline constexpr std::array<std::string_view, 3> kScalarForms{"product", "quotient", "ratio"};
inline constexpr std::array<std::string_view, 2> kPlaces{"operand", "attribute"};
inline constexpr std::array<std::string_view, 2> kLeafKinds{"input", "state"};
static_assert(static_cast<size_t>(CallKind::write) + 1 == kCallKinds.size());
static_assert(static_cast<size_t>(Constraint::Op::greater_equal) + 1 == kComparisons.size());
static_assert(static_cast<size_t>(ScalarForm::ratio) + 1 == kScalarForms.size());
static_assert(static_cast<size_t>(SymbolicNumber::Place::attribute) + 1 == kPlaces.size());
static_assert(static_cast<size_t>(tracer::Leaf::Kind::state) + 1 == kLeafKinds.size());

inline constexpr size_t kMaxExpressionText = 4096;  // characters of an expression over shapes
inline constexpr size_t kMaxExpressions = 65536, kMaxSymbols = 1024;
inline constexpr int kMaxTreeDepth = 64;

}  // namespace kiln::jit::package
