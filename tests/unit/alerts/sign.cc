// sign SECRET[,SECRET] ID TIMESTAMP < body: prints the header webhook-signature.
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "scheduler/daemon/alerts/signature.h"

int main(int argc, char** argv) {
  CHECK(argc == 4);
  std::vector<std::string> keys;
  std::string secrets = argv[1];
  while (!secrets.empty()) {
    const std::size_t end = std::min(secrets.find(','), secrets.size());
    auto key = nightmill::DecodeSecret(secrets.substr(0, end));
    CHECK(key.ok());
    keys.push_back(*std::move(key));
    secrets.erase(0, end + 1);
  }
  const std::string body(std::istreambuf_iterator<char>(std::cin), {});
  std::cout << nightmill::SignatureOf(keys, argv[2], argv[3], body) << '\n';
  return 0;
}
