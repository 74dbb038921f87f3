// When an answer is compressed, and that its ETag finds back to the handler.
#include "api/encoding.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace nightmill {
namespace {

HttpRequest Asking(const std::string& encodings, const std::string& known = "") {
  HttpRequest request;
  request.headers = {{"accept-encoding", encodings}, {"if-none-match", known}};
  return request;
}

HttpResponse Answer(std::size_t size, const std::string& tag) {
  HttpResponse response;
  response.body = std::string(size, 'x');
  response.headers = {{"ETag", tag}};
  return response;
}

TEST(EncodingTest, WhoTakesGzip) {
  for (const char* yes : {"gzip", "br, gzip", "gzip;q=0.5", "deflate,gzip ; q=1", "\tgzip\t"}) {
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  }
  for (const char* no : {"", "identity", "*", "br", "gzip;q=0", "gzip; q=0.000", "xgzip", ",,"}) {
    EXPECT_FALSE(AcceptsGzip(no)) << no;
  }
}

TEST(EncodingTest, OnlyWhatIsWorthIt) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{999}}) {
    HttpResponse small = Answer(size, "\"a\"");
    Encode(Asking("gzip"), false, small);
    EXPECT_EQ(small.body.size(), size);
    EXPECT_EQ(small.Header("Content-Encoding"), "");
    EXPECT_EQ(small.Header("ETag"), "\"a\"");
    EXPECT_EQ(small.Header("Vary"), "Accept-Encoding");
  }
  HttpResponse refused = Answer(5'000, "\"a\"");
  Encode(Asking("identity"), false, refused);
  EXPECT_EQ(refused.body.size(), 5'000u);
  HttpResponse noise = Answer(5'000, "\"a\"");
  std::mt19937 random(7);
  for (char& c : noise.body) c = static_cast<char>(random() & 0xFF);
  const std::string before = noise.body;
  Encode(Asking("gzip"), false, noise);
  EXPECT_EQ(noise.body, before);
  EXPECT_EQ(noise.Header("Content-Encoding"), "");
}

TEST(EncodingTest, ATagOfCompressedBytesIsAnother) {
  HttpResponse strong = Answer(5'000, "\"a\"");
  Encode(Asking("gzip"), false, strong);
  EXPECT_LT(strong.body.size(), 1'000u);
  EXPECT_EQ(strong.Header("Content-Encoding"), "gzip");
  EXPECT_EQ(strong.Header("ETag"), "\"a-gzip\"");
  HttpResponse weak = Answer(5'000, "W/\"e7\"");
  Encode(Asking("gzip"), false, weak);
  EXPECT_EQ(weak.Header("ETag"), "W/\"e7\"");
}

TEST(EncodingTest, TagsComeBackWithoutTheMark) {
  HttpRequest request = Asking("gzip", "\"a\", \"b-gzip\", \"c-gzip\"");
  request.headers.emplace_back("if-match", "\"v1-text-gzip\"");
  EXPECT_TRUE(UnmarkTags(request));
  EXPECT_EQ(request.Header("if-none-match"), "\"a\", \"b\", \"c\"");
  EXPECT_EQ(request.Header("if-match"), "\"v1-text\"");
  EXPECT_FALSE(UnmarkTags(request));
  // What is not changed is named as the caller knows it.
  HttpResponse same;
  same.status = 304;
  same.headers = {{"ETag", "\"a\""}};
  Encode(request, true, same);
  EXPECT_EQ(same.Header("ETag"), "\"a-gzip\"");
}

}  // namespace
}  // namespace nightmill
