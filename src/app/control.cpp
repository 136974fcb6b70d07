#include "app/control.hpp"

#include "app/admin_client.hpp"
#include "app/check.hpp"
#include "app/status_text.hpp"
#include "config/load.hpp"

#include <chrono>
#include <cstdio>
#include <expected>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace millrace::app {
namespace {

using Action = ControlCommand::Action;
using Json = nlohmann::ordered_json;
using http::Method;

constexpr int kUsageError = 2;
constexpr auto kPollInterval = std::chrono::milliseconds(100);

int fail_with(const std::string& why, int code) {
  std::cerr << "millrace: " << why << '\n';
  return code;
}

/// Null where it is no JSON.
Json parse(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    char escape[4];
    std::snprintf(escape, sizeof(escape), "%%%02X", static_cast<unsigned char>(c));
    out += plain ? std::string(1, c) : escape;
  }
  return out;
}

std::expected<config::Address, std::string> admin_of(const ControlCommand& command) {
  if (command.admin) {
    auto address = config::parse_address(*command.admin);
    if (!address) return std::unexpected("--admin: " + address.error());
    return std::move(*address);
  }
  const std::string file = config_file(command.config);
  if (file.empty()) return *config::Admin().listen;
  const auto admin = config::load_admin(file);
  if (!admin) return std::unexpected(admin.error().text());
  if (!admin->listen) return std::unexpected(file + ": admin.listen is \"none\"");
  return *admin->listen;
}

/// One command, with the admin address that it is for.
class Control {
 public:
  Control(const ControlCommand& command, config::Address admin)
      : command_(command),
        admin_(std::move(admin)),
        json_(command.json || ::isatty(STDOUT_FILENO) != 1) {}

  int status();
  int reload();
  int drain();
  int restart();

 private:
  using Asked = std::expected<AdminAnswer, std::string>;

  [[nodiscard]] Asked ask(Method method, const std::string& path) const {
    return ask_admin(admin_, method, path);
  }
  /// The JSON of a page that may not be there.
  [[nodiscard]] Json page(const std::string& path) const;
  [[nodiscard]] int wait_for_end() const;
  /// Says what an answer says that is no success.
  [[nodiscard]] int refused(const AdminAnswer& answer, std::string_view hint = {}) const;
  void say(const std::string& text, const Json& json) const {
    std::cout << (json_ ? json.dump(2) : text) << '\n';
  }

  const ControlCommand& command_;
  const config::Address admin_;
  const bool json_;
};

Json Control::page(const std::string& path) const {
  const Asked asked = ask(Method::kGet, path);
  return asked && asked->status == 200 ? parse(asked->body) : Json();
}

int Control::refused(const AdminAnswer& answer, std::string_view hint) const {
  const Json problem = parse(answer.body);
  std::string why = "the admin address says " + std::to_string(answer.status);
  if (problem.is_object() && problem.contains("detail") && problem["detail"].is_string())
    why += ": " + problem["detail"].get<std::string>();
  return fail_with(why + std::string(hint), 1);
}

int Control::status() {
  const Asked asked = ask(Method::kGet, "/status");
  if (!asked) return fail_with(asked.error(), 1);
  if (asked->status != 200) return refused(*asked);
  Json status = parse(asked->body);
  if (!status.is_object()) return fail_with("the admin address answers something else", 1);
  for (const char* name : {"upstreams", "processes"})
    if (Json more = page(std::string("/") + name); !more.is_null()) status[name] = std::move(more);
  if (json_)
    std::cout << status.dump(2) << '\n';
  else
    std::cout << status_text(status);
  return 0;
}

int Control::reload() {
  const Asked asked = ask(Method::kPost, "/reload");
  if (!asked) return fail_with(asked.error(), 1);
  const Json outcome = parse(asked->body);
  if (!outcome.is_object() || !outcome.contains("generation")) return refused(*asked);
  for (const char* kind : {"errors", "warnings"}) {
    if (!outcome.contains(kind)) continue;
    for (const Json& message : outcome[kind])
      std::cerr << message.value("text", std::string()) << '\n';
  }
  const std::string generation = std::to_string(outcome.value("generation", 0));
  const bool done = asked->status == 200;
  say(done ? "reloaded: generation " + generation
           : "not reloaded: generation " + generation + " goes on serving",
      outcome);
  return done ? 0 : 1;
}

int Control::wait_for_end() const {
  const auto give_up_at = std::chrono::steady_clock::now() + command_.timeout;
  while (ask(Method::kGet, "/livez")) {
    if (std::chrono::steady_clock::now() >= give_up_at)
      return fail_with("it is still there, draining; --timeout is over", 1);
    std::this_thread::sleep_for(kPollInterval);
  }
  return 0;
}

int Control::drain() {
  const Asked asked = ask(Method::kPost, "/drain");
  if (!asked) return fail_with(asked.error(), 1);
  if (asked->status >= 300) return refused(*asked);
  if (command_.wait)
    if (const int code = wait_for_end(); code != 0) return code;
  say(command_.wait ? "drained" : "draining", {{"draining", true}, {"ended", command_.wait}});
  return 0;
}

int Control::restart() {
  const Asked asked =
      ask(Method::kPost, "/processes/" + percent_encoded(command_.name) + "/restart");
  if (!asked) return fail_with(asked.error(), 1);
  if (asked->status < 300) {
    const Json answer = parse(asked->body);
    say("restarting " + command_.name,
        answer.is_null() ? Json{{"restarting", command_.name}} : answer);
    return 0;
  }
  std::string names;
  for (const std::string& name : process_names(page("/processes")))
    names += (names.empty() ? " Processes: " : ", ") + name;
  return refused(*asked, names);
}

}  // namespace

int control(const ControlCommand& command) {
  auto admin = admin_of(command);
  if (!admin) return fail_with(admin.error(), kUsageError);
  if (!admin->is_unix() && admin->port == 0)
    return fail_with("admin.listen has port 0: name the address that it has with --admin",
                     kUsageError);
  Control run(command, std::move(*admin));
  switch (command.action) {
    case Action::kStatus:
      return run.status();
    case Action::kReload:
      return run.reload();
    case Action::kDrain:
      return run.drain();
    case Action::kRestart:
      return run.restart();
  }
  return kUsageError;
}

}  // namespace millrace::app
