// Reading the spec of a native operator: one function per operator, from JSON to a struct, serves
// both `nightmill dag validate` (templates not rendered, every fault wanted) and the worker
// (rendered, any fault ends the attempt), so that the two cannot disagree. Free of Arrow.
//
// A reader stands on one object. Asking for a member makes its name known; members nobody asked for
// are faults. Absent and null members are the same, and leave what they would set as it is; so do
// those of another type, which are faults, and before rendering texts with a template, which are
// not: whatever is said about a value must allow for a member that is there but not known.
// Thread rule: one reader, one thread; nothing is shared.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/operator_catalog.h"
#include "operators/op_result.h"

namespace nightmill {

// Codes of faults; `nightmill explain` has a page for each.
namespace spec_code {
inline constexpr std::string_view kUnknownField = "NM201";
inline constexpr std::string_view kMissing = "NM202";
inline constexpr std::string_view kType = "NM203";
inline constexpr std::string_view kWord = "NM204";
inline constexpr std::string_view kRange = "NM205";
inline constexpr std::string_view kForm = "NM206";
inline constexpr std::string_view kNotYet = "NM210";
inline constexpr std::string_view kTimeZone = "NM308";
inline constexpr std::string_view kSize = "NM317";
inline constexpr std::string_view kExpression = "NM327";
inline constexpr std::string_view kMismatch = "NM328";  // fields that do not go together
inline constexpr std::string_view kTwice = "NM329";
inline constexpr std::string_view kColumnType = "NM330";
inline constexpr std::string_view kNoColumn = "NM331";
inline constexpr std::string_view kWindowName = "NM332";  // warning
}  // namespace spec_code

enum class SpecStage : std::uint8_t { kWritten, kRendered };

class SpecReader {
 public:
  // `object` (which must be one) and `faults` outlive the reader.
  SpecReader(const nlohmann::json& object, SpecStage stage, std::vector<SpecFault>& faults);

  const nlohmann::json& json() const { return *object_; }
  bool rendered() const { return stage_ == SpecStage::kRendered; }
  // Of this object, or of a member.
  const std::string& pointer() const { return pointer_; }
  std::string At(std::string_view name) const;

  // There, whether its value is known or not.
  bool Has(std::string_view name);
  // Its value if it is known, else null.
  const nlohmann::json* Find(std::string_view name);
  // True for a text whose template is not rendered yet.
  bool IsUnknown(const nlohmann::json& value) const;
  void Require(std::string_view name, std::string hint = {});
  // Makes a name known without reading it; without a name, all of them.
  void Allow(std::string_view name) { known_.emplace(name); }
  void AllowAll() { closed_ = false; }

  // These return true if `out` was set.
  bool Text(std::string_view name, std::string& out);     // not empty
  bool AnyText(std::string_view name, std::string& out);  // may be empty
  bool Bool(std::string_view name, bool& out);
  bool Integer(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t& out);
  // Texts that are not empty. Before rendering `out` has templates as they are written: whether
  // there are any, and how many, can be relied on only as far as rendered() goes.
  enum class Form : std::uint8_t { kList, kTextOrList };
  bool Texts(std::string_view name, Form form, std::vector<std::string>& out);
  // The member must be one of the words; its position.
  std::optional<std::size_t> Word(std::string_view name, std::span<const std::string_view> words);
  // As Word, for a table of words and values; true if `out` was set.
  template <class Value, std::size_t kSize>
  bool Word(std::string_view name,
            const std::array<std::pair<std::string_view, Value>, kSize>& table, Value& out) {
    std::array<std::string_view, kSize> words;
    for (std::size_t i = 0; i < kSize; ++i) words[i] = table[i].first;
    const auto at = Word(name, std::span<const std::string_view>(words));
    if (at) out = table[*at].second;
    return at.has_value();
  }

  // Calls `read` with a reader of the member, which must be an object.
  void Object(std::string_view name, const std::function<void(SpecReader&)>& read);
  // Calls `read` for each object of a list of `least` to `most` objects.
  void Objects(std::string_view name, std::size_t least, std::size_t most,
               const std::function<void(SpecReader&)>& read);

  // A fault of a member, or with name "" of the object; the second form of any place.
  void Fail(std::string_view code, std::string_view name, std::string message,
            std::string hint = {});
  void FailAt(std::string_view code, std::string pointer, std::string message,
              std::string hint = {});
  void Warn(std::string_view code, std::string_view name, std::string message);
  // Reports the members that nobody asked for. Object, Objects and the functions below call it.
  void Done();

 private:
  SpecReader(const SpecReader& parent, const nlohmann::json& object, std::string pointer);
  void WrongType(std::string_view name, std::string_view wanted, const nlohmann::json& value);

  const nlohmann::json* object_;
  SpecStage stage_;
  std::vector<SpecFault>* faults_;
  std::string pointer_;
  std::set<std::string, std::less<>> known_;
  bool closed_ = true;
};

// Reads the text of a rendered spec. kBadSpec for the first fault, with all of them as JSON in
// OperatorError::report; warnings are no faults. Never throws.
OpStatus ReadSpecText(std::string_view text, const std::function<void(SpecReader&)>& read);
std::vector<SpecFault> CheckSpecAsWritten(const nlohmann::json& spec,
                                          const std::function<void(SpecReader&)>& read);

// What an operator does with its spec: `read` is the function that its entry's check uses too.
template <class Spec>
OpResult<Spec> ParseSpec(std::string_view text, Spec (*read)(SpecReader&)) {
  Spec spec;
  const OpStatus status = ReadSpecText(text, [&](SpecReader& reader) { spec = read(reader); });
  if (!status.ok()) return status.error();
  return spec;
}

// The check of an entry: FaultsOf<ReadConvert>.
template <auto kRead>
std::vector<SpecFault> FaultsOf(const nlohmann::json& spec) {
  return CheckSpecAsWritten(spec, [](SpecReader& reader) { (void)kRead(reader); });
}

// The object of a spec text, or kBadSpec. Never throws.
OpResult<nlohmann::json> ParseSpecText(std::string_view text);
// Errors in one form: "/out/partition: <what>", reason "spec".
OperatorError SpecError(std::string_view pointer, std::string_view what, std::string hint = {});

}  // namespace nightmill
