#include "scheduler/daemon/alerts/http_post.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <thread>

namespace nightmill {
namespace {

constexpr time_t kConnectSeconds = 5;
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr int kReceiveBuffer = 64 << 10;  // what the kernel takes before the watchdog sees it
constexpr std::chrono::milliseconds kLook{50};

std::string_view Words(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "the connection was refused";
    case httplib::Error::ConnectionTimeout:
      return "no connection within 5s";
    case httplib::Error::Read:
      return "the connection ended before an answer";
    case httplib::Error::Write:
      return "the connection ended before the message was sent";
    case httplib::Error::SSLConnection:
      return "TLS could not be agreed on";
    case httplib::Error::SSLLoadingCerts:
      return "the certificates of ca_file cannot be loaded";
    case httplib::Error::SSLServerVerification:
      return "the certificate is not valid for this host";
    default:
      return "the answer is no HTTP";
  }
}

void SetUp(httplib::Client& client, const Target& target, const IpAddress& address,
           const std::string& ca_file, Watchdog::Flight& flight) {
  client.set_hostname_addr_map({{target.at.host, address.ToString()}});
  client.set_connection_timeout(kConnectSeconds, 0);
  client.set_read_timeout(std::chrono::ceil<std::chrono::seconds>(kPostBudget));
  client.set_write_timeout(std::chrono::ceil<std::chrono::seconds>(kPostBudget));
  client.set_follow_location(false);
  client.set_keep_alive(false);
  client.set_decompress(false);
  client.set_tcp_nodelay(true);
  if (target.tls) {
    client.enable_server_certificate_verification(true);
    if (!ca_file.empty()) client.set_ca_cert_path(ca_file.c_str());
  }
  client.set_socket_options([&flight](socket_t socket) {
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    flight.Watch(socket);
  });
}

HttpAnswer Exchange(httplib::Client& client, const Target& target, const HttpMessage& message) {
  HttpAnswer answer;
  std::size_t received = 0;
  httplib::Request request;
  request.method = "POST";
  request.path = target.path;
  request.body = message.body;
  request.headers = {{"Content-Type", "application/json"},
                     {"User-Agent", "nightmill"},
                     {"Accept-Encoding", "identity"}};
  for (const auto& [name, value] : message.headers) request.headers.emplace(name, value);
  const auto heard = [&answer](const httplib::Response& response) {
    answer.status = response.status;
    answer.retry_after = response.get_header_value("Retry-After");
    return true;
  };
  request.response_handler = heard;
  request.content_receiver = [&received](const char*, std::size_t size, std::uint64_t,
                                         std::uint64_t) {
    received += size;
    return received <= kMaxAnswer;
  };
  const httplib::Result result = client.send(request);
  // The handler is not asked for answers without a body (204).
  if (result) heard(*result);
  if (answer.status == 0) answer.error = Words(result.error());
  return answer;
}

}  // namespace

Result<IpAddress> Locate(const Target& target, std::span<const HostPort> allow, int turn,
                         const Watchdog::Flight& flight) {
  // The system's resolver cannot be interrupted; left alone, it ends by its own timeouts.
  auto found = std::make_shared<std::promise<std::vector<IpAddress>>>();
  std::future<std::vector<IpAddress>> future = found->get_future();
  std::thread([found, host = target.at.host] { found->set_value(ResolveHost(host)); }).detach();
  while (future.wait_for(kLook) != std::future_status::ready) {
    if (flight.over()) return Unavailable(flight.why());
  }
  return ChooseAddress(target, future.get(), OwnAddresses(), allow, turn);
}

HttpAnswer Post(const Target& target, const IpAddress& address, const HttpMessage& message,
                const std::string& ca_file, Watchdog::Flight& flight) {
  HttpAnswer answer;
  try {
    httplib::Client client(target.Origin());
    SetUp(client, target, address, ca_file, flight);
    answer = Exchange(client, target, message);
  } catch (const std::exception&) {
    // cpp-httplib throws on some answers that are no HTTP; its text may quote them.
    if (answer.status == 0) answer.error = Words(httplib::Error::Unknown);
  }
  if (answer.status == 0 && flight.over()) answer.error = flight.why();
  return answer;
}

}  // namespace nightmill
