// What concurrency costs: starting and joining a task, switching over a channel, parking.
//
// The yardsticks are goroutines; loadtest/runtime_vs_go runs both side by side. Everything runs
// inside an IoThread, so that its turns (a look at epoll every 256 resumes) are part of the price.
#include "runtime/channel.hpp"
#include "runtime/io_thread.hpp"

#include <cstdint>
#include <cstdio>

#include <benchmark/benchmark.h>
#include <unistd.h>

namespace millrace {
namespace {

Task<void> then_stop(Task<void> task, IoThread& io) {
  co_await std::move(task);
  io.stop();
}

void run(Task<void> task) {
  IoThread io(0);
  TaskGroup group;
  io.post([&] { group.spawn(then_stop(std::move(task), io)); });
  io.run();
}

/// Registers a coroutine as a benchmark.
#define TASK_BENCHMARK(name)                   \
  Task<void> name(benchmark::State& state);    \
  void name##_bench(benchmark::State& state) { \
    run(name(state));                          \
  }                                            \
  BENCHMARK(name##_bench)->Name(#name);        \
  Task<void> name(benchmark::State& state)

std::int64_t resident_bytes() {
  long total = 0, resident = 0;
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr) return 0;
  const int fields = std::fscanf(f, "%ld %ld", &total, &resident);
  std::fclose(f);
  return fields == 2 ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

constexpr int kParked = 1'000'000;

Task<void> wait_for(Event& e) {
  (void)co_await e.wait();
}

/// A million tasks, one frame deep, wait for an event; then all are woken and end.
Task<void> parked(benchmark::State& state) {
  for (auto _ : state) {
    Event event;
    TaskGroup group;
    const std::int64_t before = resident_bytes();
    for (int i = 0; i < kParked; ++i) group.spawn(wait_for(event));
    co_await yield_now();  // behind all of them
    state.counters["bytes_per_task"] =
        static_cast<double>(resident_bytes() - before) / static_cast<double>(kParked);
    event.set();
    co_await group.join();
  }
  state.SetItemsProcessed(state.iterations() * kParked);
}
void parked_bench(benchmark::State& state) {
  run(parked(state));
}
// First and once: later benchmarks leave free memory behind, which would flatter it.
BENCHMARK(parked_bench)->Name("parked")->Iterations(1)->Unit(benchmark::kMillisecond);

Task<void> nothing() {
  co_return;
}

TASK_BENCHMARK(spawn_join) {
  TaskGroup group;
  for (auto _ : state) {
    group.spawn(nothing());
    co_await group.join();
  }
  state.SetItemsProcessed(state.iterations());
}

TASK_BENCHMARK(spawn_join_1000) {
  constexpr int kTasks = 1000;
  TaskGroup group;
  for (auto _ : state) {
    for (int i = 0; i < kTasks; ++i) group.spawn(nothing());
    co_await group.join();
  }
  state.SetItemsProcessed(state.iterations() * kTasks);
}

TASK_BENCHMARK(await_child) {
  for (auto _ : state) co_await nothing();
  state.SetItemsProcessed(state.iterations());
}

using Numbers = Channel<std::int64_t>;

Task<void> echo(Numbers& in, Numbers& out) {
  for (;;) {
    const auto item = co_await in.receive();
    if (!item || !*item || !co_await out.send(**item)) co_return;
  }
}

/// There and back over two rendezvous channels: two switches.
TASK_BENCHMARK(rendezvous_switch) {
  Numbers there(0), back(0);
  TaskGroup group;
  group.spawn(echo(there, back));
  for (auto _ : state) {
    (void)co_await there.send(1);
    benchmark::DoNotOptimize(co_await back.receive());
  }
  there.close();
  co_await group.join();
  state.SetItemsProcessed(state.iterations() * 2);
}

Task<void> drain(Numbers& in) {
  for (;;) {
    auto item = co_await in.receive();
    benchmark::DoNotOptimize(item);
    if (!item || !*item) co_return;
  }
}

TASK_BENCHMARK(buffered_item) {
  Numbers channel(64);
  TaskGroup group;
  group.spawn(drain(channel));
  for (auto _ : state) (void)co_await channel.send(1);
  channel.close();
  co_await group.join();
  state.SetItemsProcessed(state.iterations());
}

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
