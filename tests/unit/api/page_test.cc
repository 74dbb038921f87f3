// What is the page's and what is not, and the headers that keep it harmless (docs/page.md). Built
// only with the page: without it there is nothing to serve.
#include "api/page.h"

#include <gtest/gtest.h>

#include "web/assets.h"

namespace nightmill {
namespace {

HttpRequest Get(const std::string& path, const std::string& encoding = "gzip") {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  for (std::size_t at = 1; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    request.segments.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  request.headers = {{"accept-encoding", encoding}};
  return request;
}

TEST(PageTest, OtherMethodsAndPathsOfTheApiAreNotThePage) {
  for (const char* path : {"/api", "/api/v2/nothing", "/ui/nothing", "/auth/nothing"}) {
    EXPECT_FALSE(PageResponse(Get(path)).has_value()) << path;
  }
  HttpRequest post = Get("/dags");
  post.method = "POST";
  EXPECT_FALSE(PageResponse(post).has_value());
}

TEST(PageTest, TheShellIsForEveryOtherAddress) {
  std::string etag;
  for (const char* path : {"/", "/dags", "/dags/x/runs/y", "/login", "/backfills/1"}) {
    const auto page = PageResponse(Get(path));
    ASSERT_TRUE(page.has_value()) << path;
    EXPECT_EQ(page->status, 200);
    EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
    EXPECT_EQ(page->Header("Cache-Control"), "no-cache");
    EXPECT_EQ(page->Header("Content-Encoding"), "gzip");
    EXPECT_EQ(page->Header("Content-Security-Policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
              "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'");
    etag = page->Header("ETag");
  }
  HttpRequest again = Get("/dags");
  again.headers.emplace_back("if-none-match", "W/" + etag);
  const auto same = PageResponse(again);
  EXPECT_EQ(same->status, 304);
  EXPECT_TRUE(same->body.empty());
  EXPECT_EQ(same->Header("ETag"), etag);
}

TEST(PageTest, FilesNeverChangeAndComeAlsoUncompressed) {
  ASSERT_FALSE(WebAssets().empty());
  for (const WebAsset& asset : WebAssets()) {
    const std::string path(asset.path);
    const auto packed = PageResponse(Get(path));
    const auto plain = PageResponse(Get(path, "identity"));
    ASSERT_TRUE(packed && plain) << path;
    EXPECT_EQ(packed->body, asset.gzip);
    EXPECT_EQ(plain->Header("Content-Encoding"), "");
    EXPECT_GT(plain->body.size(), 0u);
    const bool kept = packed->Header("Cache-Control").find("immutable") != std::string::npos;
    EXPECT_EQ(kept, path.starts_with("/assets/")) << path;
  }
  EXPECT_EQ(PageResponse(Get("/assets/nothing.js"))->status, 404);
  EXPECT_EQ(PageResponse(Get("/assets"))->status, 404);
}

}  // namespace
}  // namespace nightmill
