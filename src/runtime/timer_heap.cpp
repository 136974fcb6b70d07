#include "runtime/timer_heap.hpp"

#include <utility>

namespace millrace {

TimerEntry::~TimerEntry() {
  if (armed()) heap_->disarm(*this);
}

TimePoint TimerHeap::earliest() const noexcept {
  return heap_.empty() ? Deadline::kNever : heap_.front()->when_;
}

void TimerHeap::place(std::size_t i, TimerEntry* e) noexcept {
  heap_[i] = e;
  e->index_ = i;
}

void TimerHeap::sift_up(std::size_t i) noexcept {
  TimerEntry* e = heap_[i];
  while (i > 0) {
    const std::size_t parent = (i - 1) / 2;
    if (heap_[parent]->when_ <= e->when_) break;
    place(i, heap_[parent]);
    i = parent;
  }
  place(i, e);
}

void TimerHeap::sift_down(std::size_t i) noexcept {
  TimerEntry* e = heap_[i];
  for (;;) {
    std::size_t child = 2 * i + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->when_ < heap_[child]->when_) ++child;
    if (e->when_ <= heap_[child]->when_) break;
    place(i, heap_[child]);
    i = child;
  }
  place(i, e);
}

void TimerHeap::arm(TimerEntry& entry, TimePoint when) {
  if (entry.armed()) disarm(entry);
  heap_.push_back(&entry);
  entry.when_ = when;
  entry.heap_ = this;
  sift_up(heap_.size() - 1);
}

void TimerHeap::disarm(TimerEntry& entry) noexcept {
  if (!entry.armed()) return;
  const std::size_t i = std::exchange(entry.index_, TimerEntry::kNotInHeap);
  TimerEntry* last = heap_.back();
  heap_.pop_back();
  if (last == &entry) return;
  heap_[i] = last;
  last->index_ = i;
  sift_down(i);
  sift_up(last->index_);
}

void TimerHeap::advance(TimePoint now) noexcept {
  while (!heap_.empty() && heap_.front()->when_ <= now) {
    TimerEntry& due = *heap_.front();
    disarm(due);
    due.expired();
  }
}

}  // namespace millrace
