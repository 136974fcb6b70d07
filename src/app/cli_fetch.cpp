#include "app/cli_fetch.hpp"

#include "config/units.hpp"
#include "endpoints/batch_limits.hpp"
#include "endpoints/batch_select.hpp"
#include "endpoints/fetch_fields.hpp"
#include "http/ascii.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string_view>

#include <CLI/CLI.hpp>

namespace millrace::app {
namespace {

using std::chrono::milliseconds;
template <class T>
using Parsed = std::expected<T, std::string>;

constexpr milliseconds kTimeMax = std::chrono::hours(24);
constexpr std::size_t kDataBytesMax = std::size_t{64} << 20;

void add_request_options(CLI::App& command, FetchArguments& arguments) {
  FetchCommand& to = arguments.command;
  command
      .add_option("-H,--header", arguments.headers,
                  "A field to send, as in -H \"Accept: text/html\"; may be given several times")
      ->type_name("\"NAME: VALUE\"")
      ->allow_extra_args(false);
  command.add_option("-X,--method", arguments.method, "Default: GET, or POST with --data")
      ->type_name("METHOD");
  command.add_option("-d,--data", to.data, "The body to send; @FILE reads it from a file")
      ->type_name("TEXT|@FILE");
  command
      .add_option("--max-redirects", to.redirects_max,
                  "Redirects to follow; 0 takes them as answers")
      ->type_name("N")
      ->check(CLI::Range(0, 50))
      ->capture_default_str();
  command.add_option("--cacert", to.ca_file, "Certificate authorities to trust (PEM)")
      ->type_name("FILE");
  command.add_flag("-k,--insecure", to.insecure, "Do not verify certificates");
}

void add_limit_options(CLI::App& command, FetchArguments& arguments) {
  FetchCommand& to = arguments.command;
  command.add_option("-P,--parallel", to.parallel, "URLs that are fetched side by side")
      ->type_name("N")
      ->check(CLI::Range(1U, endpoints::kBatchParallelMax))
      ->capture_default_str();
  command
      .add_option("--retries", to.retries,
                  "How often a request that may be sent twice is tried again: after 429, 502, 503, "
                  "504, and connections that failed")
      ->type_name("N")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      .add_option(
          "-m,--timeout", arguments.timeout,
          "For each try, body included, as in 30s or 30 (default: none, but 60s of silence)")
      ->type_name("TIME");
  command
      .add_option("--connect-timeout", arguments.connect_timeout,
                  "For TCP, and for TLS (default: 5s)")
      ->type_name("TIME");
}

/// "5s", "250ms", or seconds.
Parsed<milliseconds> parse_time(std::string_view option, std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  Parsed<milliseconds> time;
  if (error == std::errc() && end == text.data() + text.size() && seconds < 1e9)
    time = milliseconds(static_cast<std::int64_t>(seconds * 1000));
  else
    time = config::parse_duration(text);
  if (!time) return std::unexpected(std::string(option) + ": " + time.error());
  if (*time >= milliseconds(1) && *time <= kTimeMax) return time;
  return std::unexpected(std::string(option) + ": expected 1ms to " +
                         config::format_duration(kTimeMax));
}

Parsed<http::Method> parse_method(std::string_view text) {
  const http::Method method = http::parse_method(text);
  if (method != http::Method::kOther && method != http::Method::kConnect &&
      method != http::Method::kTrace)
    return method;
  return std::unexpected("--method: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, got " +
                         config::quote(text));
}

Parsed<std::string> read_data(const std::string& text) {
  if (!text.starts_with('@')) return text;
  std::ifstream file(text.substr(1), std::ios::binary);
  std::string data{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad())
    return std::unexpected("--data: cannot read " + config::quote(text.substr(1)));
  if (data.size() > kDataBytesMax)
    return std::unexpected("--data: more than " + config::format_size(kDataBytesMax));
  return data;
}

}  // namespace

std::expected<std::pair<std::string, std::string>, std::string> parse_header(
    std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view value =
      colon == std::string_view::npos ? "" : http::trim_ows(text.substr(colon + 1));
  if (colon == std::string_view::npos || name.empty() || !http::all_are(name, http::kTchar) ||
      !http::all_are(value, http::kValueByte))
    return std::unexpected("--header: expected \"NAME: VALUE\", got " + config::quote(text));
  return std::pair(std::string(name), std::string(value));
}

CLI::App* add_fetch(CLI::App& app, FetchArguments& arguments) {
  CLI::App* command = app.add_subcommand("fetch", "Fetch URLs, many side by side");
  FetchCommand& to = arguments.command;
  command
      ->add_option("url", to.urls,
                   "What to fetch; without any, or in the place of -, lines of standard input")
      ->type_name("URL");
  auto* out = command
                  ->add_option("-o,--out", to.out,
                               "Bodies go into files of this folder, and what was cut off is "
                               "resumed; else into the lines that are printed")
                  ->type_name("DIR");
  command
      ->add_option("--select", to.select,
                   "Print only these values of JSON answers: /items/0/id, $.items[*].id")
      ->type_name("PATH")
      ->excludes(out);
  add_limit_options(*command, arguments);
  add_request_options(*command, arguments);
  command->add_flag("-q,--quiet", to.quiet, "No progress and no summary on standard error");
  command->footer(
      "Prints a line of JSON for each URL as it is done.\n"
      "Exit codes: 0 all answered with a status below 400, 1 one was not, 2 usage, 130 "
      "interrupted.");
  return command;
}

Parsed<FetchCommand> to_fetch_command(FetchArguments arguments) {
  FetchCommand command = std::move(arguments.command);
  if (!arguments.timeout.empty()) {
    const auto time = parse_time("--timeout", arguments.timeout);
    if (!time) return std::unexpected(time.error());
    command.timeout = *time;
  }
  if (!arguments.connect_timeout.empty()) {
    const auto time = parse_time("--connect-timeout", arguments.connect_timeout);
    if (!time) return std::unexpected(time.error());
    command.connect_timeout = *time;
  }
  for (const std::string& text : arguments.headers) {
    auto header = parse_header(text);
    if (!header) return std::unexpected(header.error());
    if (!endpoints::may_be_chosen(header->first))
      return std::unexpected("--header: " + config::quote(header->first) +
                             " is not a field that may be chosen");
    command.headers.push_back(std::move(*header));
  }
  if (command.data) {
    auto data = read_data(*command.data);
    if (!data) return std::unexpected(data.error());
    command.data = std::move(*data);
    command.method = http::Method::kPost;
  }
  if (!arguments.method.empty()) {
    const auto method = parse_method(arguments.method);
    if (!method) return std::unexpected(method.error());
    command.method = *method;
  }
  if (command.select)
    if (const auto good = endpoints::check_select(*command.select); !good)
      return std::unexpected("--select: " + good.error());
  return command;
}

}  // namespace millrace::app
