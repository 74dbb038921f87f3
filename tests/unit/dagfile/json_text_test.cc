// The text level: grammar, numbers, canonical form, and places.
#include "core/dagfile/json_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/rng.h"
#include "core/dagfile/canonical_json.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/suggest.h"

namespace nightmill {
namespace {

std::string Canonical(const std::string& text) {
  const auto result = ParseStrictJson(text, true);
  return result.ok() ? *result : "error: " + result.error().message;
}

TEST(StrictJsonTest, CanonicalForm) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"b": 1, "a": [true, null, {}]})", R"({"a":[true,null,{}],"b":1})"},
      {"// c\n[1, /* two */ 2]", "[1,2]"},
      {R"("A\u00e9\n\/\\\u001f")", "\"A\u00e9\\n/\\\\\\u001f\""},
      {R"("\ud83d\ude00")", "\"\U0001F600\""},
      {"[]", "[]"},
      {"{}", "{}"},
      {"\xEF\xBB\xBF 1", "1"},
      // RFC 8785, 3.2.3: the example of sorting by UTF-16 code units.
      {R"({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5,)"
       R"( "\u0080": 6, "\u00f6": 7})",
       "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"\u00f6\":7,\"\u20ac\":1,\"\U0001F600\":5,\"\uFB33\":3}"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Canonical(text), expected) << text;
}

// Numbers of RFC 8785, appendix B, and integers that a double cannot hold.
TEST(StrictJsonTest, Numbers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "0"},
      {"1.0", "1"},
      {"1e2", "100"},
      {"0.1", "0.1"},
      {"1e21", "1e+21"},
      {"123456789012345680000.0", "123456789012345680000"},
      {"9007199254740993", "9007199254740993"},
      {"9223372036854775807", "9223372036854775807"},
      {"9223372036854775808", "9223372036854776000"},
      {"5e-324", "5e-324"},
      {"1e-400", "0"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"333333333.33333329", "333333333.3333333"},
      {"1E30", "1e+30"},
      {"4.50", "4.5"},
      {"2e-3", "0.002"},
      {"0.000001", "0.000001"},
      {"1e-7", "1e-7"},
      {"1e-27", "1e-27"},
      {"-1.5e-9", "-1.5e-9"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Canonical(text), expected) << text;
}

TEST(StrictJsonTest, RefusesWithLineAndColumn) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "line 1, column 1: the file is empty"},
      {"{", "line 1, column 2: expected a key in double quotes, found the end"},
      {"[1,\n 2,\n]", "line 2, column 3: a comma before the closing ']'"},
      {R"({"ä": 1, "ä": 2})", "line 1, column 10: key \"ä\" is there twice"},
      {"[01]", "line 1, column 2: \"01\" is not a JSON number"},
      {"[1.]", "line 1, column 2: \"1.\" is not a JSON number"},
      {"[.5]", "line 1, column 2: expected a value, found '.'"},
      {"[+1]", "line 1, column 2: expected a value, found '+'"},
      {"[1e]", "line 1, column 2: \"1e\" is not a JSON number"},
      {"[-]", "line 1, column 2: \"-\" is not a JSON number"},
      {"[-01]", "line 1, column 2: \"-01\" is not a JSON number"},
      {"1e400", "line 1, column 1: number 1e400 is out of range"},
      {"nul", "line 1, column 1: expected a value, found 'n'"},
      {"truex", "line 1, column 5: expected the end of the file, found 'x'"},
      {"[1 2]", "line 1, column 4: expected ',' or ']', found '2'"},
      {R"({"a" 1})", "line 1, column 6: expected ':', found '1'"},
      {R"({a: 1})", "line 1, column 2: expected a key in double quotes, found 'a'"},
      {"\"a\tb\"", "line 1, column 3: control character 0x09 in a string"},
      {"\"ab", "line 1, column 1: a string without its closing quote"},
      {"\"a\nb\"", "line 1, column 1: a string without its closing quote"},
      {R"("\x")", "line 1, column 2: a backslash that starts no JSON escape"},
      {R"("\u12g4")", "line 1, column 2: a backslash that starts no JSON escape"},
      {R"("\ud800")", "line 1, column 2: half of a surrogate pair"},
      {R"("\ud800\u0041")", "line 1, column 2: half of a surrogate pair"},
      {R"("\udc00")", "line 1, column 2: half of a surrogate pair"},
      {R"("\u0000")", "line 1, column 2: a NUL character in a string"},
      {"1 /* open", "line 1, column 3: a comment without its end */"},
      {"1 / 2", "line 1, column 3: expected a value, found '/'"},
      {"\"\xC0\x80\"", "line 1, column 2: byte 0xC0 is not valid UTF-8"},
      {"\"\xED\xA0\x80\"", "line 1, column 2: byte 0xED is not valid UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "line 1, column 2: byte 0xF4 is not valid UTF-8"},
      {"\"\xE2\x82\"", "line 1, column 2: byte 0xE2 is not valid UTF-8"},
      {std::string("1 \0", 3), "line 1, column 3: a NUL byte"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(Canonical(text), "error: " + expected) << text;
  const auto comment = ParseStrictJson("1 // c", false);
  ASSERT_FALSE(comment.ok());
  EXPECT_EQ(comment.error().message, "line 1, column 3: comments are not allowed here");
  const auto twice = ParseStrictJson(R"({"a/b": [{"~": 1, "~": 1}]})", false);
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().pointer, "/a~1b/0/~0");
}

// Every prefix, and every text with one byte changed, is read or refused, never more.
TEST(StrictJsonTest, SurvivesDamage) {
  const std::string text =
      "{\"a\": [1, -2.5e3, \"x\\u00e9\\n\", true, null], /* c */ \"b\": {\"é\": \"\"}}";
  for (std::size_t i = 0; i <= text.size(); ++i) (void)ParseStrictJson(text.substr(0, i), true);
  Rng rng(7);
  for (int round = 0; round < 5'000; ++round) {
    std::string damaged = text;
    damaged[rng.Below(text.size())] = static_cast<char>(rng.Below(256));
    const auto result = ParseStrictJson(damaged, true);
    if (!result.ok()) continue;
    EXPECT_EQ(Canonical(*result), *result);
  }
}

TEST(StrictJsonTest, AgreesWithNlohmannOnRandomValues) {
  Rng rng(42);
  const std::function<nlohmann::json(int)> value = [&](int depth) -> nlohmann::json {
    switch (rng.Below(depth > 3 ? 4 : 6)) {
      case 0:
        return static_cast<std::int64_t>(rng.Next());
      case 1:
        return static_cast<double>(rng.Next()) / 1e6;
      case 2:
        return rng.Chance(1, 2);
      case 3:
        return std::string(rng.Below(5), static_cast<char>('a' + rng.Below(26))) + "\n\"é";
      case 4: {
        nlohmann::json list = nlohmann::json::array();
        for (std::uint64_t i = rng.Below(5); i-- > 0;) list.push_back(value(depth + 1));
        return list;
      }
      default: {
        nlohmann::json object = nlohmann::json::object();
        for (std::uint64_t i = rng.Below(5); i-- > 0;) {
          object[std::string(1, static_cast<char>('a' + rng.Below(26)))] = value(depth + 1);
        }
        return object;
      }
    }
  };
  for (int round = 0; round < 500; ++round) {
    const nlohmann::json original = value(0);
    const std::string canonical = Canonical(original.dump(2));
    ASSERT_EQ(nlohmann::json::parse(canonical), original) << original.dump();
    ASSERT_EQ(Canonical(canonical), canonical);
  }
}

TEST(LocateTest, FindsKeysAndValues) {
  const std::string text = "{ // c\n  \"a\": [10, {\"b/c\": \"x\"}],\n  \"\": null }";
  dagfile::Places places = {
      {"", {}},  {"/a", {}},   {"/a/0", {}}, {"/a/1/b~1c", {}}, {"\x01/a/1/b~1c", {}},
      {"/", {}}, {"/none", {}}};
  dagfile::Locate(text, places);
  const auto cut = [&](const std::string& pointer) {
    const dagfile::Span span = places[pointer];
    return text.substr(span.begin, span.end - span.begin);
  };
  EXPECT_EQ(cut(""), "{");
  EXPECT_EQ(cut("/a"), "[");
  EXPECT_EQ(cut("/a/0"), "10");
  EXPECT_EQ(cut("/a/1/b~1c"), "\"x\"");
  EXPECT_EQ(cut("\x01/a/1/b~1c"), "\"b/c\"");
  EXPECT_EQ(cut("/"), "null");
  EXPECT_EQ(places["/none"].end, 0u);
}

TEST(SuggestTest, NearestWord) {
  const std::vector<std::string_view> words = {"gate", "load", "features", "ab"};
  EXPECT_EQ(dagfile::DidYouMean("gats", words), "did you mean \"gate\"?");
  EXPECT_EQ(dagfile::DidYouMean("agte", words), "did you mean \"gate\"?");  // swap
  EXPECT_EQ(dagfile::DidYouMean("featurs", words), "did you mean \"features\"?");
  EXPECT_EQ(dagfile::DidYouMean("fetaur", words), "");
  EXPECT_EQ(dagfile::DidYouMean("xy", words), "");
  EXPECT_EQ(dagfile::DidYouMean("", words), "");
  EXPECT_EQ(dagfile::DidYouMean(std::string(1000, 'a'), words), "");
}

}  // namespace
}  // namespace nightmill
