#include "api/uuid.h"

#include <openssl/evp.h>

#include <array>

#include "core/base/check.h"

namespace nightmill {
namespace {

// Our namespace, chosen once at random.
constexpr std::array<unsigned char, 16> kNamespace = {
    0x3f, 0x0c, 0x91, 0x5e, 0x7a, 0x26, 0x4d, 0x1b, 0xa8, 0x54, 0x0e, 0xd7, 0x62, 0xb9, 0x33, 0xc1};

}  // namespace

std::string Uuid5(std::string_view name) {
  std::string input(reinterpret_cast<const char*>(kNamespace.data()), kNamespace.size());
  input += name;
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  CHECK(EVP_Digest(input.data(), input.size(), hash.data(), nullptr, EVP_sha1(), nullptr) == 1);
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0f) | 0x50);
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3f) | 0x80);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[hash[i] >> 4];
    text += kDigits[hash[i] & 15];
  }
  return text;
}

}  // namespace nightmill
