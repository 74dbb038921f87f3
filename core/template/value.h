// Values of template expressions: JSON plus dates, with the texts, truth and order that Python
// gives them, since templates are written for Jinja. Immutable once made; copies share lists and
// objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill::tmpl {

class Value;
using List = std::vector<Value>;
using Object = std::vector<std::pair<std::string, Value>>;  // in order of insertion

// The result of a name or member that is not there. It may be tested (`is defined`) and replaced
// (`default`); every other use is an error with this text.
struct Undefined {
  std::string what;
  std::string hint = {};
  std::size_t offset = 0;  // of the expression in the template, for the error's column
};
struct None {};
struct DateTime {  // always UTC
  Instant at;
};
struct Date {
  std::int32_t days = 0;  // since 1970-01-01
};
struct TimeDelta {
  std::int64_t us = 0;
};
// A thing with named members that is no value itself: dag, dag_run, macros, var.value, outputs.
struct Namespace {
  std::string name;
};

class Value {
 public:
  using Variant =
      std::variant<None, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
                   std::shared_ptr<const Object>, DateTime, Date, TimeDelta, Namespace, Undefined>;

  Value() = default;                                                     // none
  Value(bool v) : v_(v) {}                                               // NOLINT: implicit
  Value(std::int64_t v) : v_(v) {}                                       // NOLINT: implicit
  Value(int v) : v_(std::int64_t{v}) {}                                  // NOLINT: implicit
  Value(double v) : v_(v) {}                                             // NOLINT: implicit
  Value(std::string v) : v_(std::move(v)) {}                             // NOLINT: implicit
  Value(std::string_view v) : v_(std::string(v)) {}                      // NOLINT: implicit
  Value(const char* v) : v_(std::string(v)) {}                           // NOLINT: implicit
  Value(List v) : v_(std::make_shared<const List>(std::move(v))) {}      // NOLINT: implicit
  Value(Object v) : v_(std::make_shared<const Object>(std::move(v))) {}  // NOLINT: implicit
  Value(DateTime v) : v_(v) {}                                           // NOLINT: implicit
  Value(Date v) : v_(v) {}                                               // NOLINT: implicit
  Value(TimeDelta v) : v_(v) {}                                          // NOLINT: implicit
  Value(Namespace v) : v_(std::move(v)) {}                               // NOLINT: implicit
  Value(Undefined v) : v_(std::move(v)) {}                               // NOLINT: implicit

  template <class T>
  const T* As() const {
    return std::get_if<T>(&v_);
  }
  const List* list() const {
    const auto* p = As<std::shared_ptr<const List>>();
    return p ? p->get() : nullptr;
  }
  const Object* object() const {
    const auto* p = As<std::shared_ptr<const Object>>();
    return p ? p->get() : nullptr;
  }
  std::size_t kind() const { return v_.index(); }  // index in Variant
  bool is_none() const { return As<None>() != nullptr; }
  bool is_undefined() const { return As<Undefined>() != nullptr; }

 private:
  Variant v_;
};

// The word for messages: "text", "list", "datetime", ...
std::string_view TypeName(const Value& value);
// Member of an object, or null.
const Value* Find(const Object& object, std::string_view key);

// A number as Python sees it: bool counts as int.
struct Number {
  bool is_float = false;
  std::int64_t i = 0;
  double d = 0;  // always set

  static Number Int(std::int64_t v) { return {false, v, static_cast<double>(v)}; }
};
bool ToNumber(const Value& value, Number* out);

// str(value) and repr(value). Errors: undefined values and namespaces.
Result<std::string> ToText(const Value& value);
std::string FloatText(double value);  // repr: shortest form that reads back, "1.0", "1e+16"
Result<std::string> Repr(const Value& value);

// bool(value). Errors: undefined, namespaces.
Result<bool> Truth(const Value& value);
// ==; values of different types are unequal, 1 == 1.0 == true.
Result<bool> Equal(const Value& a, const Value& b);
// < 0, 0, > 0; kInvalid for types without a common order.
Result<int> Order(const Value& a, const Value& b);

// JSON text to a value; kInvalid for malformed text and for integers beyond 64 bits.
Result<Value> ParseJsonValue(std::string_view json);
// Value to compact JSON text, order of members kept; dates as their str() form. kInvalid for
// undefined, namespaces, nan and infinity.
Result<std::string> ToJsonText(const Value& value);
// Jinja's `tojson`: sorted keys, ASCII, safe inside HTML. Dates are an error, as there.
Result<std::string> ToPythonJson(const Value& value, int indent);

// Code points of UTF-8 text, and the text of a range of them.
std::vector<std::string_view> CodePoints(std::string_view text);
void AppendUtf8(std::uint32_t code, std::string* out);
std::uint32_t DecodeUtf8(std::string_view one_code_point);

}  // namespace nightmill::tmpl
