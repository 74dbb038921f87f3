#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>

#include "core/base/time.h"
#include "operators/expr/bind.h"

namespace nightmill::expr {
namespace {

// Owns the values of one computed vector, and the vectors its strings point into.
struct Storage {
  std::vector<std::uint8_t> valid;
  std::vector<std::int64_t> ints;
  std::vector<double> doubles;
  std::vector<std::string_view> strings;
  std::deque<std::string> texts;
  std::vector<std::shared_ptr<const void>> sources;
};

// A vector being filled; every row starts as null.
class Output {
 public:
  Output(DataType type, std::int64_t rows) : type_(type), storage_(std::make_shared<Storage>()) {
    const auto n = static_cast<std::size_t>(rows);
    storage_->valid.assign(n, 0);
    if (type == DataType::kDouble) {
      storage_->doubles.resize(n);
    } else if (type == DataType::kString) {
      storage_->strings.resize(n);
    } else {
      storage_->ints.resize(n);
    }
  }
  void Set(std::size_t i, std::int64_t v) { storage_->valid[i] = 1, storage_->ints[i] = v; }
  void Set(std::size_t i, double v) { storage_->valid[i] = 1, storage_->doubles[i] = v; }
  void Set(std::size_t i, std::string_view v) { storage_->valid[i] = 1, storage_->strings[i] = v; }
  void SetOwned(std::size_t i, std::string text) {
    Set(i, std::string_view(storage_->texts.emplace_back(std::move(text))));
  }
  // Takes the value of row `i` from a vector of the same type; nulls stay null.
  void Copy(std::size_t i, const Vector& from) {
    const auto row = static_cast<std::int64_t>(i);
    if (!from.IsValid(row)) return;
    if (type_ == DataType::kDouble) {
      Set(i, from.doubles[from.At(row)]);
    } else if (type_ == DataType::kString) {
      Set(i, from.strings[from.At(row)]);
    } else {
      Set(i, from.ints[from.At(row)]);
    }
  }
  void Keep(const Vector& source) { storage_->sources.push_back(source.owner); }
  bool IsSet(std::size_t i) const { return storage_->valid[i] != 0; }

  Vector Finish() {
    Vector v;
    v.type = type_;
    v.size = static_cast<std::int64_t>(storage_->valid.size());
    v.valid = storage_->valid.data();
    v.ints = storage_->ints.data();
    v.doubles = storage_->doubles.data();
    v.strings = storage_->strings.data();
    v.owner = std::move(storage_);
    return v;
  }

 private:
  DataType type_;
  std::shared_ptr<Storage> storage_;
};

using Mask = std::vector<std::uint8_t>;

bool IsActive(const std::uint8_t* active, std::size_t i) {
  return active == nullptr || active[i] != 0;
}

int CompareAt(const Vector& a, const Vector& b, std::int64_t row) {
  const std::size_t i = a.At(row);
  const std::size_t j = b.At(row);
  if (a.type == DataType::kDouble) return CompareDoubles(a.doubles[i], b.doubles[j]);
  if (a.type == DataType::kString) {
    const int order = a.strings[i].compare(b.strings[j]);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  return a.ints[i] < b.ints[j] ? -1 : a.ints[i] > b.ints[j] ? 1 : 0;
}

bool Holds(Op op, int order) {
  switch (op) {
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    case Op::kLess:
      return order < 0;
    case Op::kLessEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Error DivisionByZero(const Bound& node) {
  Error error = Invalid(fmt::format("column {}: division by zero", node.position));
  error.hint = "guard it: if(b != 0, a / b, 0.0) or div(a, b, 0.0)";
  return error;
}

Status IntegerOp(const Bound& node, std::int64_t a, std::int64_t b, std::int64_t* out) {
  bool overflow = false;
  switch (node.op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, out);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, out);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, out);
      break;
    default:
      if (b == 0) return DivisionByZero(node);
      *out = b == -1 ? 0 : a % b;
  }
  if (!overflow) return Ok();
  return Invalid(fmt::format("column {}: '{}' overflows int64", node.position, ToString(node.op)));
}

Status DoubleOp(const Bound& node, double a, double b, double* out) {
  switch (node.op) {
    case Op::kAdd:
      *out = a + b;
      return Ok();
    case Op::kSubtract:
      *out = a - b;
      return Ok();
    case Op::kMultiply:
      *out = a * b;
      return Ok();
    default:
      break;
  }
  if (b == 0) return DivisionByZero(node);
  *out = node.op == Op::kDivide ? a / b : std::fmod(a, b);
  return Ok();
}

Result<std::int64_t> DoubleToInt(double v, int position) {
  const double cut = std::trunc(v);
  if (!(cut >= -9223372036854775808.0 && cut < 9223372036854775808.0)) {
    return Invalid(fmt::format("column {}: {} does not fit int64", position, v));
  }
  return static_cast<std::int64_t>(cut);
}

class Evaluator {
 public:
  explicit Evaluator(const Batch& batch)
      : batch_(batch), n_(static_cast<std::size_t>(batch.rows)) {}

  Result<Vector> Eval(const Bound& node, const std::uint8_t* active) {
    switch (node.op) {
      case Op::kLiteral:
        return ConstantVector(node.literal, batch_.rows);
      case Op::kColumn:
        return batch_.columns[static_cast<std::size_t>(node.field)];
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kModulo:
        return Arithmetic(node, active);
      case Op::kNegate:
      case Op::kAbs:
        return Sign(node, active);
      case Op::kAnd:
      case Op::kOr:
        return Logic(node, active);
      case Op::kNot:
      case Op::kIsNull:
        return NotOrIsNull(node, active);
      case Op::kBetween:
        return Between(node, active);
      case Op::kIn:
        return In(node, active);
      case Op::kIf:
        return If(node, active);
      case Op::kCoalesce:
        return Coalesce(node, active);
      case Op::kCast:
        return Cast(node, active);
      case Op::kDateDiff:
        return DateDiff(node, active);
      case Op::kDivOr:
        return DivOr(node, active);
      case Op::kLeast:
      case Op::kGreatest:
        return Extreme(node, active);
      case Op::kLower:
        return Lower(node, active);
      default:
        return Compare(node, active);
    }
  }

 private:
  Result<std::vector<Vector>> Children(const Bound& node, const std::uint8_t* active) {
    std::vector<Vector> all;
    for (const Bound& child : node.children) {
      NM_ASSIGN_OR_RETURN(Vector v, Eval(child, active));
      all.push_back(std::move(v));
    }
    return all;
  }
  // Calls f(i) for active rows in which all children have a value.
  template <class F>
  Status EachValid(const std::vector<Vector>& args, const std::uint8_t* active, F f) {
    for (std::size_t i = 0; i < n_; ++i) {
      if (!IsActive(active, i)) continue;
      bool valid = true;
      for (const Vector& arg : args) valid = valid && arg.IsValid(static_cast<std::int64_t>(i));
      if (valid) NM_RETURN_IF_ERROR(f(i));
    }
    return Ok();
  }
  static std::int64_t IntAt(const Vector& v, std::size_t i) {
    return v.ints[v.At(static_cast<std::int64_t>(i))];
  }
  static double DoubleAt(const Vector& v, std::size_t i) {
    return v.doubles[v.At(static_cast<std::int64_t>(i))];
  }
  static bool IsTrue(const Vector& v, std::size_t i) {
    return v.IsValid(static_cast<std::int64_t>(i)) && IntAt(v, i) != 0;
  }
  static bool IsFalse(const Vector& v, std::size_t i) {
    return v.IsValid(static_cast<std::int64_t>(i)) && IntAt(v, i) == 0;
  }

  Result<Vector> Arithmetic(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(node.type, batch_.rows);
    const Status done = EachValid(args, active, [&](std::size_t i) -> Status {
      if (node.type == DataType::kDouble) {
        double v = 0;
        NM_RETURN_IF_ERROR(DoubleOp(node, DoubleAt(args[0], i), DoubleAt(args[1], i), &v));
        out.Set(i, v);
      } else {
        std::int64_t v = 0;
        NM_RETURN_IF_ERROR(IntegerOp(node, IntAt(args[0], i), IntAt(args[1], i), &v));
        out.Set(i, v);
      }
      return Ok();
    });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  Result<Vector> Sign(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(node.type, batch_.rows);
    const Status done = EachValid(args, active, [&](std::size_t i) -> Status {
      if (node.type == DataType::kDouble) {
        const double v = DoubleAt(args[0], i);
        out.Set(i, node.op == Op::kAbs ? std::fabs(v) : -v);
        return Ok();
      }
      const std::int64_t v = IntAt(args[0], i);
      if (v == std::numeric_limits<std::int64_t>::min()) {
        return Invalid(
            fmt::format("column {}: '{}' overflows int64", node.position, ToString(node.op)));
      }
      out.Set(i, node.op == Op::kAbs && v >= 0 ? v : -v);
      return Ok();
    });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  Result<Vector> Compare(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(DataType::kBool, batch_.rows);
    const Status done = EachValid(args, active, [&](std::size_t i) {
      const int order = CompareAt(args[0], args[1], static_cast<std::int64_t>(i));
      out.Set(i, std::int64_t{Holds(node.op, order)});
      return Ok();
    });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  // a between b and c is a >= b and a <= c: false if either side is, else null if either is null.
  Result<Vector> Between(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(DataType::kBool, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      const auto row = static_cast<std::int64_t>(i);
      if (!IsActive(active, i) || !args[0].IsValid(row)) continue;
      const bool low = args[1].IsValid(row);
      const bool high = args[2].IsValid(row);
      const bool outside = (low && CompareAt(args[0], args[1], row) < 0) ||
                           (high && CompareAt(args[0], args[2], row) > 0);
      if (outside || (low && high)) out.Set(i, std::int64_t{!outside});
    }
    return out.Finish();
  }

  Result<Vector> Logic(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const Vector left, Eval(node.children[0], active));
    const bool is_and = node.op == Op::kAnd;
    Mask open(n_);  // rows that the left side does not decide
    for (std::size_t i = 0; i < n_; ++i) {
      open[i] = IsActive(active, i) && !(is_and ? IsFalse(left, i) : IsTrue(left, i));
    }
    NM_ASSIGN_OR_RETURN(const Vector right, Eval(node.children[1], open.data()));
    Output out(DataType::kBool, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      if (!IsActive(active, i)) continue;
      const bool decided = open[i] == 0 || (is_and ? IsFalse(right, i) : IsTrue(right, i));
      const auto row = static_cast<std::int64_t>(i);
      if (decided) {
        out.Set(i, std::int64_t{!is_and});
      } else if (left.IsValid(row) && right.IsValid(row)) {
        out.Set(i, std::int64_t{is_and});
      }
    }
    return out.Finish();
  }

  Result<Vector> NotOrIsNull(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const Vector arg, Eval(node.children[0], active));
    Output out(DataType::kBool, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      if (!IsActive(active, i)) continue;
      const bool valid = arg.IsValid(static_cast<std::int64_t>(i));
      if (node.op == Op::kIsNull) {
        out.Set(i, std::int64_t{!valid});
      } else if (valid) {
        out.Set(i, std::int64_t{IntAt(arg, i) == 0});
      }
    }
    return out.Finish();
  }

  Result<Vector> In(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const Vector arg, Eval(node.children[0], active));
    Output out(DataType::kBool, batch_.rows);
    std::string text;
    for (std::size_t i = 0; i < n_; ++i) {
      if (!IsActive(active, i) || !arg.IsValid(static_cast<std::int64_t>(i))) continue;
      bool found = false;
      if (arg.type == DataType::kString) {
        text.assign(arg.strings[arg.At(static_cast<std::int64_t>(i))]);
        found = node.set->texts.contains(text);
      } else if (arg.type == DataType::kDouble) {
        found = node.set->bits.contains(
            std::bit_cast<std::uint64_t>(CanonicalDouble(DoubleAt(arg, i))));
      } else {
        found = node.set->bits.contains(static_cast<std::uint64_t>(IntAt(arg, i)));
      }
      if (found || !node.set->has_null) out.Set(i, std::int64_t{found});
    }
    return out.Finish();
  }

  Result<Vector> If(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const Vector condition, Eval(node.children[0], active));
    Mask yes(n_), no(n_);
    for (std::size_t i = 0; i < n_; ++i) {
      yes[i] = IsActive(active, i) && IsTrue(condition, i);
      no[i] = IsActive(active, i) && yes[i] == 0;
    }
    NM_ASSIGN_OR_RETURN(const Vector then, Eval(node.children[1], yes.data()));
    NM_ASSIGN_OR_RETURN(const Vector otherwise, Eval(node.children[2], no.data()));
    Output out(node.type, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      if (yes[i] != 0) out.Copy(i, then);
      if (no[i] != 0) out.Copy(i, otherwise);
    }
    out.Keep(then);
    out.Keep(otherwise);
    return out.Finish();
  }

  Result<Vector> Coalesce(const Bound& node, const std::uint8_t* active) {
    Output out(node.type, batch_.rows);
    Mask open(n_);
    for (std::size_t i = 0; i < n_; ++i) open[i] = IsActive(active, i);
    for (const Bound& child : node.children) {
      NM_ASSIGN_OR_RETURN(const Vector v, Eval(child, open.data()));
      for (std::size_t i = 0; i < n_; ++i) {
        if (open[i] != 0) out.Copy(i, v);
        open[i] = open[i] != 0 && !out.IsSet(i);
      }
      out.Keep(v);
    }
    return out.Finish();
  }

  Result<Vector> Extreme(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(node.type, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const Vector* best = nullptr;
      for (const Vector& arg : args) {
        if (!IsActive(active, i) || !arg.IsValid(row)) continue;
        const int order = best == nullptr ? 0 : CompareAt(arg, *best, row);
        if (best == nullptr || (node.op == Op::kLeast ? order < 0 : order > 0)) best = &arg;
      }
      if (best != nullptr) out.Copy(i, *best);
    }
    for (const Vector& arg : args) out.Keep(arg);
    return out.Finish();
  }

  Result<Vector> DateDiff(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(DataType::kInt64, batch_.rows);
    const Status done = EachValid(args, active, [&](std::size_t i) {
      out.Set(i, IntAt(args[0], i) - IntAt(args[1], i));
      return Ok();
    });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  Result<Vector> DivOr(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(DataType::kDouble, batch_.rows);
    for (std::size_t i = 0; i < n_; ++i) {
      const auto row = static_cast<std::int64_t>(i);
      if (!IsActive(active, i) || !args[1].IsValid(row)) continue;
      if (DoubleAt(args[1], i) == 0) {
        out.Copy(i, args[2]);
      } else if (args[0].IsValid(row)) {
        out.Set(i, DoubleAt(args[0], i) / DoubleAt(args[1], i));
      }
    }
    return out.Finish();
  }

  Result<Vector> Lower(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(const std::vector<Vector> args, Children(node, active));
    Output out(DataType::kString, batch_.rows);
    const Status done = EachValid(args, active, [&](std::size_t i) {
      std::string text(args[0].strings[args[0].At(static_cast<std::int64_t>(i))]);
      for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      out.SetOwned(i, std::move(text));
      return Ok();
    });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  Result<Vector> Cast(const Bound& node, const std::uint8_t* active) {
    NM_ASSIGN_OR_RETURN(std::vector<Vector> args, Children(node, active));
    if (args[0].type == node.type) return std::move(args[0]);
    Output out(node.type, batch_.rows);
    const Status done =
        EachValid(args, active, [&](std::size_t i) { return CastOne(node, args[0], i, out); });
    NM_RETURN_IF_ERROR(done);
    return out.Finish();
  }

  Status CastOne(const Bound& node, const Vector& from, std::size_t i, Output& out) {
    if (node.type == DataType::kString) {
      out.SetOwned(i, ToText(ValueAt(from, static_cast<std::int64_t>(i))));
      return Ok();
    }
    if (from.type == DataType::kString) {
      const std::string_view text = from.strings[from.At(static_cast<std::int64_t>(i))];
      const auto value = ConvertText(text, node.type);
      if (!value.ok()) {
        return Invalid(fmt::format("column {}: {}", node.position, value.error().message));
      }
      if (node.type == DataType::kDouble) {
        out.Set(i, value->d);
      } else {
        out.Set(i, value->i);
      }
      return Ok();
    }
    if (from.type == DataType::kDouble) {
      if (node.type == DataType::kBool) {
        out.Set(i, std::int64_t{DoubleAt(from, i) != 0});
        return Ok();
      }
      NM_ASSIGN_OR_RETURN(const std::int64_t v, DoubleToInt(DoubleAt(from, i), node.position));
      out.Set(i, v);
      return Ok();
    }
    const std::int64_t v = IntAt(from, i);
    if (node.type == DataType::kDouble) {
      out.Set(i, static_cast<double>(v));
    } else if (node.type == DataType::kBool) {
      out.Set(i, std::int64_t{v != 0});
    } else if (node.type == DataType::kInt64) {
      out.Set(i, v);
    } else {
      out.Set(i, CastTime(from.type, node.type, v, node.zone.get()));
    }
    return Ok();
  }

  static std::int64_t CastTime(DataType from, DataType to, std::int64_t v,
                               const LocalTimeMap* zone) {
    static const LocalTimeMap kUtc;
    const LocalTimeMap& map = zone == nullptr ? kUtc : *zone;
    if (to == DataType::kDate) {
      return from == DataType::kTimestamp ? map.DayOf(v) : FloorDays(v);
    }
    if (from == DataType::kDate) {
      if (to == DataType::kLocalTimestamp) return v * kDayMicros;
      return map.StartOfDay(static_cast<std::int32_t>(v));
    }
    return to == DataType::kLocalTimestamp ? v + map.OffsetAt(v) : map.FromLocal(v);
  }

  const Batch& batch_;
  const std::size_t n_;
};

}  // namespace

Result<Vector> Evaluate(const Bound& bound, const Batch& batch, const std::uint8_t* active) {
  NM_ASSIGN_OR_RETURN(Vector v, Evaluator(batch).Eval(bound, active));
  v.size = batch.rows;
  return v;
}

Status EvaluatePredicate(const Bound& bound, const Batch& batch, std::uint8_t* passed,
                         const std::uint8_t* active) {
  NM_ASSIGN_OR_RETURN(const Vector v, Evaluate(bound, batch, active));
  for (std::int64_t i = 0; i < batch.rows; ++i) {
    const bool reached = active == nullptr || active[i] != 0;
    passed[i] = reached && v.IsValid(i) && v.ints[v.At(i)] != 0 ? 1 : 0;
  }
  return Ok();
}

}  // namespace nightmill::expr
