// Which URLs and addresses may be called (reliability.md 6.4, S17): forms of one address that
// parsers read differently, every special block at its borders, names that resolve to a mixture.
#include "scheduler/daemon/alerts/target.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "scheduler/daemon/alerts/address.h"

namespace nightmill {
namespace {

IpAddress Ip(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  CHECK_MSG(address.has_value(), text);
  return *address;
}

// Whether the URL may be called when its host resolves to `addresses`.
bool MayCall(std::string_view url, const std::vector<IpAddress>& addresses,
             const std::vector<HostPort>& allow = {}) {
  const Result<Target> target = ParseTarget(url);
  if (!target.ok() || !CheckTarget(*target, allow).ok()) return false;
  return ChooseAddress(*target, addresses, {}, allow, 0).ok();
}

TEST(Target, ReadsWhatItIs) {
  const Target target = *ParseTarget("https://Ops.Example/nm/hook?x=1&y=%2F");
  EXPECT_TRUE(target.tls);
  EXPECT_EQ(target.at, (HostPort{"ops.example", 443}));
  EXPECT_EQ(target.path, "/nm/hook?x=1&y=%2F");
  EXPECT_EQ(target.Origin(), "https://ops.example");
  EXPECT_EQ(ParseTarget("https://a.example?q")->path, "/?q");
  EXPECT_EQ(ParseTarget("https://a.example")->path, "/");
  EXPECT_EQ(ParseTarget("http://127.0.0.1:9000/x")->Origin(), "http://127.0.0.1:9000");
  EXPECT_EQ(ParseTarget("http://[::1]:9000/")->Origin(), "http://[::1]:9000");
  EXPECT_EQ(ParseTarget("http://[0:0::1]/")->Origin(), "http://[::1]");
}

// None of these may be called, wherever they lead: their host alone is refused, or the whole form.
constexpr std::string_view kBadUrls[] = {
    // Not https, or no URL.
    "",
    "h",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "http://ops.example/",
    "http://ops.example:443/",
    "HTTPS://ops.example/",
    "Https://ops.example",
    "ftp://ops.example/",
    "file:///etc/passwd",
    "gopher://ops.example/",
    "ws://ops.example/",
    "wss://ops.example/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:/run/docker.sock",
    "//ops.example/",
    "ops.example",
    "ops.example/hook",
    " https://ops.example/",
    "\thttps://ops.example/",
    "https ://ops.example/",
    "https:ops.example/",
    "https:/ops.example/",
    "https:\\\\ops.example\\",
    "https:////ops.example/",
    "https://?x",
    "https://#x",
    "https://:443/",
    "https:// /",
    // Other ports.
    "https://ops.example:80/",
    "https://ops.example:8443/",
    "https://ops.example:22/",
    "https://ops.example:0/",
    "https://ops.example:65536/",
    "https://ops.example:99999999999/",
    "https://ops.example:/",
    "https://ops.example:443x/",
    "https://ops.example:+443/",
    "https://ops.example:-443/",
    "https://ops.example:0443/",
    "https://ops.example: 443/",
    "https://ops.example:443 /",
    "https://ops.example:0x1bb/",
    "https://ops.example:443:443/",
    "https://ops.example::443/",
    // User, fragment, backslash, whitespace, control characters, escapes in the host.
    "https://user@ops.example/",
    "https://user:pw@ops.example/",
    "https://@ops.example/",
    "https://:@ops.example/",
    "https://ops.example@127.0.0.1/",
    "https://127.0.0.1@ops.example/",
    "https://ops.example%40127.0.0.1/",
    "https://ops.example#@127.0.0.1/",
    "https://ops.example/#frag",
    "https://ops.example#",
    "https://ops.example\\@127.0.0.1/",
    "https://ops.example\\.evil.example/",
    "https://127.0.0.1\\@ops.example/",
    "https://ops.example\\",
    "https://ops.example/\\x",
    "https://ops example/",
    "https://ops.example /",
    "https://ops.exam\tple/",
    "https://ops.exam\nple/",
    "https://ops.example\r\n/",
    "https://ops.example/\r\nHost: x",
    "https://ops.example/ x",
    "https://ops.example/\x01",
    "https://ops.example/\x7f",
    "https://ops.%65xample/",
    "https://%6fps.example/",
    "https://ops.example%00.evil.example/",
    "https://ops.example%2f/",
    "https://ops.example%/",
    "https://ops.example/%",
    "https://ops.example/%4",
    "https://ops.example/%zz",
    "https://ops.example/%4g",
    "https://ops.example/\"",
    "https://ops.example/<x>",
    "https://ops.example/{x}",
    "https://ops.example/x|y",
    "https://ops.example/x^y",
    "https://ops.example/`",
    "https://ops.example/\xc3\xa9",
    // Names that are none.
    "https://./",
    "https://../",
    "https://.ops.example/",
    "https://ops.example./",
    "https://ops.example../",
    "https://ops..example/",
    "https://localhost./",
    "https://-ops.example/",
    "https://ops-.example/",
    "https://ops.example-/",
    "https://ops_x.example/",
    "https://ops.ex!ample/",
    "https://ops.ex$ample/",
    "https://ops.ex&ample/",
    "https://ops.ex'ample/",
    "https://ops.ex(ample/",
    "https://ops.ex*ample/",
    "https://*.example/",
    "https://ops.ex,ample/",
    "https://ops.ex;ample/",
    "https://ops.ex=ample/",
    "https://ops.ex~ample/",
    "https://\xc3\xb6ps.example/",
    "https://ops.example\xe3\x80\x82"
    "evil/",
    "https://\xe2\x93\x9bocalhost/",
    "https://\xef\xbd\x8cocalhost/",
    "https://127\xe3\x80\x82"
    "0.0.1/",
    "https://\xe2\x91\xa0.1.1.1/",
    "https://\xef\xbc\x91.1.1.1/",
    // Addresses, as every parser writes them, and as only some do.
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://8.8.8.8/",
    "https://1.1.1.1/",
    "https://0.0.0.0/",
    "https://255.255.255.255/",
    "https://169.254.169.254/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://172.16.0.1/",
    "https://100.64.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127/",
    "https://0/",
    "https://1/",
    "https://2130706433/",
    "https://3232235521/",
    "https://2852039166/",
    "https://4294967295/",
    "https://4294967296/",
    "https://0x7f000001/",
    "https://0x7F000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://0x0/",
    "https://0x/",
    "https://0X7F.1/",
    "https://127.0x1/",
    "https://127.0.0.0x1/",
    "https://1.0x/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://017700000001/",
    "https://010.0.0.1/",
    "https://127.0.0.01/",
    "https://127.000.000.001/",
    "https://00127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.1../",
    "https://127.0.0/",
    "https://127.0.0.0.1/",
    "https://127.0.0.1.1/",
    "https://256.0.0.1/",
    "https://1.256/",
    "https://999.999.999.999/",
    "https://1.2.3.4.5/",
    "https://1..2/",
    "https://08.8.8.8/",
    "https://8.8.8.08/",
    "https://8.8.2056/",
    "https://134744072/",
    "https://a.1/",
    "https://evil.0x7f/",
    "https://ops.example.127/",
    "https://x.2130706433/",
    "https://127.0.0.1.0x/",
    "https://1e2/",
    "https://0b1/1",
    "https://127.0.0.1%25lo/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::1]:443/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fc00::1]/",
    "https://[fd00::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[2606:4700:4700::1111]/",
    "https://[::1/",
    "https://::1/",
    "https://::1]/",
    "https://[]/",
    "https://[127.0.0.1]/",
    "https://[ops.example]/",
    "https://[::1]x/",
    "https://[::1].ops.example/",
    "https://ops.example[::1]/",
    "https://[[::1]]/",
    "https://[:::1]/",
    "https://[1:2:3:4:5:6:7:8:9]/",
    "https://[v1.x]/",
    "https://[::ffff:127.1]/",
    "https://[::1]:80/",
    "https://[0::1",
    "https://[g::1]/",
};

TEST(Target, NoneOfTheseMayBeCalled) {
  static_assert(std::size(kBadUrls) >= 190);
  for (const std::string_view url : kBadUrls) {
    const bool one_e2 = url == "https://1e2/" || url == "https://0b1/1";  // names, if odd ones
    EXPECT_EQ(MayCall(url, {Ip("8.8.8.8")}), one_e2) << url;
  }
  const std::string zero("https://ops.example\0.evil.example/", 33);
  EXPECT_FALSE(MayCall(zero, {Ip("8.8.8.8")}));
  EXPECT_FALSE(MayCall("https://" + std::string(64, 'a') + ".example/", {Ip("8.8.8.8")}));
  EXPECT_TRUE(MayCall("https://" + std::string(63, 'a') + ".example/", {Ip("8.8.8.8")}));
  std::string labels;
  for (int i = 0; i < 127; ++i) labels += "a.";
  EXPECT_FALSE(MayCall("https://" + labels + "a/", {Ip("8.8.8.8")}));
  EXPECT_FALSE(MayCall("https://ops.example/" + std::string(2'000, 'x'), {Ip("8.8.8.8")}));
}

TEST(Target, TheseMayBeCalled) {
  for (const std::string_view url :
       {"https://ops.example", "https://ops.example/", "https://ops.example:443/",
        "https://OPS.EXAMPLE/hook", "https://xn--ps-fka.example/", "https://a/", "https://a-b.c-d/",
        "https://1.a/", "https://0x7f.a/", "https://127.0.0.1.example/", "https://a1.b2/?x=y",
        "https://hooks.slack.example/services/T0/B0/x%20y",
        "https://ops.example/a:b@c/;d=1,2!$'()*+"}) {
    EXPECT_TRUE(MayCall(url, {Ip("8.8.8.8")})) << url;
  }
}

struct Range {
  const char* first;
  const char* last;
};
// What IANA's registries call special: first and last address; with the neighbours outside.
constexpr Range kForbidden4[] = {
    {"0.0.0.0", "0.255.255.255"},       {"10.0.0.0", "10.255.255.255"},
    {"100.64.0.0", "100.127.255.255"},  {"127.0.0.0", "127.255.255.255"},
    {"169.254.0.0", "169.254.255.255"}, {"172.16.0.0", "172.31.255.255"},
    {"192.0.0.0", "192.0.0.255"},       {"192.0.2.0", "192.0.2.255"},
    {"192.31.196.0", "192.31.196.255"}, {"192.52.193.0", "192.52.193.255"},
    {"192.88.99.0", "192.88.99.255"},   {"192.168.0.0", "192.168.255.255"},
    {"192.175.48.0", "192.175.48.255"}, {"198.18.0.0", "198.19.255.255"},
    {"198.51.100.0", "198.51.100.255"}, {"203.0.113.0", "203.0.113.255"},
    {"224.0.0.0", "239.255.255.255"},   {"240.0.0.0", "255.255.255.255"},
};
constexpr const char* kPublic4[] = {
    "1.0.0.0",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
    "172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.0.1.255",    "192.0.3.0",
    "192.31.195.255",  "192.31.197.0",    "192.52.192.255",  "192.52.194.0",   "192.88.98.255",
    "192.88.100.0",    "192.167.255.255", "192.169.0.0",     "192.175.47.255", "192.175.49.0",
    "198.17.255.255",  "198.20.0.0",      "198.51.99.255",   "198.51.101.0",   "203.0.112.255",
    "203.0.114.0",     "223.255.255.255", "8.8.8.8",         "1.1.1.1",        "93.184.216.34",
};
constexpr Range kForbidden6[] = {
    {"::", "::"},
    {"::1", "::1"},
    {"::2", "::ffff:ffff"},                                         // v4-compatible
    {"::ffff:0:0", "::ffff:ffff:ffff"},                             // v4-mapped
    {"::ffff:8.8.8.8", "::ffff:1.1.1.1"},                           // also of public ones
    {"64:ff9b::", "64:ff9b::ffff:ffff"},                            // NAT64
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},          // local NAT64
    {"100::", "100::ffff:ffff:ffff:ffff"},                          // discard
    {"1fff:ffff::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},     // below global unicast
    {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"},             // Teredo
    {"2001:1::1", "2001:1::2"},                                     // anycast
    {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"},              // benchmarks
    {"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"},         // ORCHID
    {"2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"},         // ORCHIDv2
    {"2001:1ff:ffff::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},  // assignments
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},       // documentation
    {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},          // 6to4
    {"2002:7f00:1::", "2002:a00:1::"},
    {"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"},  // AS112
    {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},         // documentation
    {"4000::", "5fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},        // not assigned, SRv6
    {"8000::", "bfff::1"},
    {"fc00::", "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},  // unique local
    {"fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"fe80::", "fe80::ffff:ffff:ffff:ffff"},                // link-local
    {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},  // site-local
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},  // multicast
};
constexpr const char* kPublic6[] = {
    "2000::",       "2001:200::",           "2001:db7:ffff::1", "2001:db9::1",
    "2003::1",      "2606:4700:4700::1111", "2620:4f:7fff::1",  "2620:4f:8001::1",
    "2a00:1450::1", "3ffe:ffff::1",         "3fff:1000::1",     "2001:4860:4860::8888",
};

TEST(Address, SpecialBlocksAreNotPublicTheirNeighboursAre) {
  for (const Range& range : kForbidden4) {
    EXPECT_FALSE(Ip(range.first).IsPublic()) << range.first;
    EXPECT_FALSE(Ip(range.last).IsPublic()) << range.last;
  }
  for (const Range& range : kForbidden6) {
    EXPECT_FALSE(Ip(range.first).IsPublic()) << range.first;
    EXPECT_FALSE(Ip(range.last).IsPublic()) << range.last;
  }
  for (const char* address : kPublic4) EXPECT_TRUE(Ip(address).IsPublic()) << address;
  for (const char* address : kPublic6) EXPECT_TRUE(Ip(address).IsPublic()) << address;
  static_assert(std::size(kBadUrls) + 2 * std::size(kForbidden4) + 2 * std::size(kForbidden6) +
                    std::size(kPublic4) + std::size(kPublic6) >=
                300);
}

TEST(Address, OneForbiddenAddressOfManyIsEnough) {
  for (const Range& range : kForbidden4) {
    for (const bool last : {false, true}) {
      std::vector<IpAddress> mixed{Ip("8.8.8.8"), Ip("2606:4700:4700::1111")};
      mixed.insert(last ? mixed.end() : mixed.begin(), Ip(range.first));
      EXPECT_FALSE(MayCall("https://ops.example/", mixed)) << range.first;
    }
  }
  EXPECT_TRUE(MayCall("https://ops.example/", {Ip("8.8.8.8"), Ip("2606:4700:4700::1111")}));
}

TEST(Address, OwnAddressesAreForbiddenAlsoPublicOnes) {
  const Target target = *ParseTarget("https://ops.example/");
  const std::vector<IpAddress> own{Ip("93.184.216.34")};
  EXPECT_FALSE(ChooseAddress(target, own, own, {}, 0).ok());
  EXPECT_TRUE(ChooseAddress(target, own, {}, {}, 0).ok());
  const std::vector<IpAddress> ours = OwnAddresses();
  EXPECT_NE(std::find(ours.begin(), ours.end(), Ip("127.0.0.1")), ours.end());
}

TEST(Address, ForbiddenAndMissingHostsGetTheSameWords) {
  const Target target = *ParseTarget("https://ops.example/");
  const std::vector<IpAddress> loopback{Ip("127.0.0.1")};
  EXPECT_EQ(ChooseAddress(target, {}, {}, {}, 0).error(),
            ChooseAddress(target, loopback, {}, {}, 0).error());
}

TEST(Address, EachTryTakesTheNextOne) {
  const Target target = *ParseTarget("https://ops.example/");
  const std::vector<IpAddress> two{Ip("8.8.8.8"), Ip("1.1.1.1")};
  EXPECT_EQ(ChooseAddress(target, two, {}, {}, 0)->ToString(), "8.8.8.8");
  EXPECT_EQ(ChooseAddress(target, two, {}, {}, 1)->ToString(), "1.1.1.1");
  EXPECT_EQ(ChooseAddress(target, two, {}, {}, 2)->ToString(), "8.8.8.8");
  EXPECT_EQ(ChooseAddress(target, two, {}, {}, -1)->ToString(), "8.8.8.8");
}

TEST(Allow, IsExact) {
  const std::vector<HostPort> allow{*ParseHostPort("127.0.0.1:9000"), *ParseHostPort("[::1]:9000"),
                                    *ParseHostPort("receiver.example:8443")};
  const std::vector<IpAddress> loopback{Ip("127.0.0.1")};
  for (const std::string_view url :
       {"http://127.0.0.1:9000/", "https://127.0.0.1:9000/x", "http://[::1]:9000/",
        "https://receiver.example:8443/", "http://Receiver.Example:8443/"}) {
    EXPECT_TRUE(MayCall(url, loopback, allow)) << url;
  }
  for (const std::string_view url :
       {"http://127.0.0.1:9001/", "http://127.0.0.1/", "http://127.0.0.2:9000/",
        "http://127.1:9000/", "http://0x7f000001:9000/", "http://localhost:9000/",
        "http://[::ffff:127.0.0.1]:9000/", "https://receiver.example/",
        "https://a.receiver.example:8443/", "http://127.0.0.1:9000@evil.example/",
        "http://127.0.0.1:9000.evil.example/", "http://127.0.0.1:09000/"}) {
    EXPECT_FALSE(MayCall(url, loopback, allow)) << url;
  }
}

TEST(Allow, AnEntryIsHostAndPort) {
  for (const std::string_view bad :
       {"", "127.0.0.1", ":9000", "127.0.0.1:", "127.0.0.1:0", "http://127.0.0.1:9000",
        "127.0.0.1:9000/", "*:9000", "10.0.0.0/8:80", "127.1:80", "[::1]", "::1:80", "a b:80"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

TEST(Target, ARefusalSaysHowToAllowIt) {
  EXPECT_EQ(CheckTarget(*ParseTarget("http://127.0.0.1:9000/"), {}).error().hint,
            "to allow it all the same, add \"127.0.0.1:9000\" to outgoing.allow");
  EXPECT_EQ(CheckTarget(*ParseTarget("http://[::1]:9000/"), {}).error().hint,
            "to allow it all the same, add \"[::1]:9000\" to outgoing.allow");
}

}  // namespace
}  // namespace nightmill
