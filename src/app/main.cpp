#include "app/check.hpp"
#include "app/cli.hpp"
#include "app/control.hpp"
#include "app/explain.hpp"
#include "app/fetch.hpp"
#include "app/serve.hpp"

#include <exception>
#include <iostream>

namespace {

struct Run {
  int operator()(const millrace::app::Exit& exit) const { return exit.code; }
  int operator()(const millrace::app::ServeCommand& c) const { return millrace::app::serve(c); }
  int operator()(const millrace::app::ProxyCommand& c) const { return millrace::app::proxy(c); }
  int operator()(const millrace::app::RunCommand& c) const { return millrace::app::run_command(c); }
  int operator()(const millrace::app::FetchCommand& c) const { return millrace::app::fetch(c); }
  int operator()(const millrace::app::ControlCommand& c) const { return millrace::app::control(c); }
  int operator()(const millrace::app::CheckCommand& c) const { return millrace::app::check(c); }
  int operator()(const millrace::app::ExplainCommand& c) const { return millrace::app::explain(c); }
};

}  // namespace

int main(int argc, char** argv) {
  try {
    return std::visit(Run{}, millrace::app::parse_command_line(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "millrace: " << error.what() << '\n';
    return 1;
  }
}
