#include "core/model/sla.h"

#include <fmt/format.h>

#include <array>

namespace nightmill {
namespace {

constexpr std::array<std::string_view, 4> kKinds{"deadline", "within", "duration", "stale_after"};
constexpr std::array<std::string_view, 4> kFroms{"logical", "interval_end", "queued", "start"};

template <class Enum, class Words>
std::optional<Enum> ValueOf(const Words& words, std::string_view word) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(SlaKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view ToString(SlaFrom from) { return kFroms[static_cast<std::size_t>(from)]; }
std::optional<SlaKind> ParseSlaKind(std::string_view word) {
  return ValueOf<SlaKind>(kKinds, word);
}
std::optional<SlaFrom> ParseSlaFrom(std::string_view word) {
  return ValueOf<SlaFrom>(kFroms, word);
}

std::string RuleText(const SlaSpec& spec) {
  switch (spec.kind) {
    case SlaKind::kDeadline:
      return spec.zone == nullptr || spec.zone->name() == "UTC"
                 ? spec.deadline
                 : fmt::format("{} {}", spec.deadline, spec.zone->name());
    case SlaKind::kWithin:
      return fmt::format("{} from {}", FormatDuration(spec.length), ToString(spec.from));
    case SlaKind::kDuration:
      if (!spec.average) break;
      return fmt::format("{} x mean of {}", spec.average->factor, spec.average->runs);
    case SlaKind::kStaleAfter:
      break;
  }
  return FormatDuration(spec.length);
}

}  // namespace nightmill
