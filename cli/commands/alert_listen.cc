#include "cli/commands/alert_listen.h"

#include <fmt/format.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <iostream>

#include "core/base/json.h"
#include "scheduler/daemon/alerts/signature.h"
#include "scheduler/daemon/clock.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBody = 64u << 10;
constexpr std::size_t kKeyBytes = 32;

Result<std::string> SecretOf(const ListenOptions& options) {
  if (options.secret_file.empty()) return NewSecret();
  NM_ASSIGN_OR_RETURN(std::string text, ReadFile(options.secret_file));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void PrintMessage(const Cli& cli, const std::string& id, const json& body) {
  if (cli.json()) {
    // One line each, so that a program can follow.
    std::cout << json{{"id", id}, {"body", body}}.dump() << '\n';
  } else {
    const json data = body.value("data", json::object());
    const std::string message = Text(data, "message");
    std::cout << fmt::format("{}  {}  {} {}{}  {}\n", ShortTime(Text(body, "timestamp")),
                             Text(body, "type"), Text(data, "dag_id"), Text(data, "dag_run_id"),
                             message.empty() ? "" : "  " + message, id);
  }
  std::cout << std::flush;
}

// True if the message is ours and was printed.
bool Receive(const Cli& cli, const std::vector<std::string>& keys, const httplib::Request& request,
             httplib::Response& response) {
  const std::string id = request.get_header_value("webhook-id");
  const std::string timestamp = request.get_header_value("webhook-timestamp");
  const std::string signature = request.get_header_value("webhook-signature");
  const Status verified =
      VerifySignature(keys, {id, timestamp, signature, request.body}, WallNow());
  const json body = json::parse(request.body, nullptr, false);
  if (!verified.ok() || !body.is_object()) {
    response.status = verified.ok() ? 400 : 401;
    Say(fmt::format("refused a message: {}",
                    verified.ok() ? "it is no JSON object" : verified.error().message));
    return false;
  }
  response.status = 204;
  PrintMessage(cli, id, body);
  return true;
}

}  // namespace

Result<std::string> NewSecret() {
  std::array<unsigned char, kKeyBytes> key{};
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
    return Internal("no random bytes are to be had");
  }
  std::array<unsigned char, 4 * ((kKeyBytes + 2) / 3) + 1> text{};
  const int size = EVP_EncodeBlock(text.data(), key.data(), static_cast<int>(key.size()));
  return "whsec_" +
         std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size));
}

int Listen(Cli& cli, const ListenOptions& options) {
  const Result<std::string> secret = SecretOf(options);
  if (!secret.ok()) return Fail(secret.error());
  Result<std::string> key = DecodeSecret(*secret);
  if (!key.ok()) return Fail(key.error());
  const std::vector<std::string> keys{*std::move(key)};
  httplib::Server server;
  server.set_payload_max_length(kMaxBody);
  // One message at a time: they are printed.
  server.new_task_queue = [] { return std::make_unique<httplib::ThreadPool>(1).release(); };
  int received = 0;
  server.Post("/.*", [&](const httplib::Request& request, httplib::Response& response) {
    if (!Receive(cli, keys, request, response)) return;
    received += 1;
    if (options.count > 0 && received >= options.count) server.stop();
  });
  constexpr const char* kHost = "127.0.0.1";
  const int port = options.port == 0 ? server.bind_to_any_port(kHost) : options.port;
  const bool bound = port > 0 && (options.port == 0 || server.bind_to_port(kHost, port));
  if (!bound) {
    return Fail(Conflict(fmt::format("port {} is taken", options.port), "choose one with --port"));
  }
  Say(fmt::format("listening   http://{}:{}/   (\"outgoing\": {{\"allow\": [\"{}:{}\"]}})", kHost,
                  port, kHost, port));
  if (options.secret_file.empty()) Say(fmt::format("secret      {}", *secret));
  return server.listen_after_bind() ? 0 : Fail(Internal("the port was taken away"));
}

}  // namespace nightmill
