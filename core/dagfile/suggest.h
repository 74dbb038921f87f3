// "Did you mean": the nearest word at an edit distance of at most 2 (insertion, deletion,
// replacement, swap of neighbours), and less than half the length of the word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nightmill::dagfile {

// `did you mean "gate"?`, or "" if nothing is near. The first of equally near candidates wins.
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace nightmill::dagfile
