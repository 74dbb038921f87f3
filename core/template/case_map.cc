// Case by tables in code: the C library's functions depend on a locale, which a daemon has none of.
#include "core/template/case_map.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/template/value.h"

namespace nightmill::tmpl {
namespace {

bool In(std::uint32_t c, std::uint32_t low, std::uint32_t high) { return c >= low && c <= high; }

// Latin Extended-A pairs an even capital with the odd letter after it, but in two stretches where
// the capital is odd.
bool IsOddCapitalStretch(std::uint32_t c) { return In(c, 0x139, 0x148) || In(c, 0x179, 0x17e); }
bool IsPaired(std::uint32_t c) {
  return In(c, 0x100, 0x12f) || In(c, 0x132, 0x137) || In(c, 0x14a, 0x177) ||
         IsOddCapitalStretch(c) || In(c, 0x460, 0x481) || In(c, 0x48a, 0x4bf) ||
         In(c, 0x4d0, 0x52f);
}
bool IsPairedCapital(std::uint32_t c) {
  return IsPaired(c) && (c % 2 == 1) == IsOddCapitalStretch(c);
}

// Simple one-to-one mappings of the Unicode character database for these blocks.
std::uint32_t UpperPoint(std::uint32_t c) {
  if (In(c, 'a', 'z')) return c - 32;
  if (c == 0xb5) return 0x39c;  // micro sign
  if (c == 0xff) return 0x178;
  if (In(c, 0xe0, 0xfe) && c != 0xf7) return c - 32;
  if (IsPaired(c)) return IsPairedCapital(c) ? c : c - 1;
  if (c == 0x3c2) return 0x3a3;  // final sigma
  if (In(c, 0x3b1, 0x3cb)) return c - 32;
  if (c == 0x3ac) return 0x386;
  if (In(c, 0x3ad, 0x3af)) return c - 37;
  if (c == 0x3cc) return 0x38c;
  if (In(c, 0x3cd, 0x3ce)) return c - 63;
  if (In(c, 0x430, 0x44f)) return c - 32;
  if (In(c, 0x450, 0x45f)) return c - 80;
  return c;
}

std::uint32_t LowerPoint(std::uint32_t c) {
  if (In(c, 'A', 'Z')) return c + 32;
  if (In(c, 0xc0, 0xde) && c != 0xd7) return c + 32;
  if (c == 0x178) return 0xff;
  if (IsPaired(c)) return IsPairedCapital(c) ? c + 1 : c;
  if (In(c, 0x391, 0x3ab) && c != 0x3a2) return c + 32;
  if (c == 0x386) return 0x3ac;
  if (In(c, 0x388, 0x38a)) return c + 37;
  if (c == 0x38c) return 0x3cc;
  if (In(c, 0x38e, 0x38f)) return c + 63;
  if (In(c, 0x410, 0x42f)) return c + 32;
  if (In(c, 0x400, 0x40f)) return c + 80;
  return c;
}

}  // namespace

std::string ToUpper(std::string_view text) {
  std::string out;
  for (std::string_view point : CodePoints(text)) {
    const std::uint32_t c = DecodeUtf8(point);
    if (c == 0xdf) {  // sharp s
      out += "SS";
    } else {
      AppendUtf8(UpperPoint(c), &out);
    }
  }
  return out;
}

std::string ToLower(std::string_view text) {
  std::string out;
  for (std::string_view point : CodePoints(text)) AppendUtf8(LowerPoint(DecodeUtf8(point)), &out);
  return out;
}

std::string StripCharacters(std::string_view text, std::string_view characters) {
  const std::vector<std::string_view> points = CodePoints(text);
  const std::vector<std::string_view> set = CodePoints(characters);
  const auto stripped = [&](std::string_view point) {
    return std::find(set.begin(), set.end(), point) != set.end();
  };
  std::size_t begin = 0;
  std::size_t end = points.size();
  while (begin < end && stripped(points[begin])) ++begin;
  while (end > begin && stripped(points[end - 1])) --end;
  std::string out;
  for (std::size_t i = begin; i < end; ++i) out += points[i];
  return out;
}

}  // namespace nightmill::tmpl
