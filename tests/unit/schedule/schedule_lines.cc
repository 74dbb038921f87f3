// Answers schedule lines on standard input, one per line, as `nightmill schedule next --jsonl`
// does.
#include <cstdio>
#include <iostream>
#include <string>

#include "core/schedule/cron.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::puts(nightmill::AnswerScheduleLine(line).c_str());
  return 0;
}
