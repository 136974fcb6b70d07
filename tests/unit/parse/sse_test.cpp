// Cases of the standard's text and of the web platform tests (eventsource/format-*).
#include "parse/sse.hpp"

#include "feed.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

using namespace std::string_view_literals;
using std::chrono::milliseconds;

struct Event {
  std::string type, data, id;

  friend bool operator==(const Event&, const Event&) = default;
};
std::ostream& operator<<(std::ostream& out, const Event& e) {
  return out << e.type << '<' << e.data << '>' << e.id;
}
using Events = std::vector<Event>;

Event message(std::string data, std::string id = "") {
  return {"message", std::move(data), std::move(id)};
}

auto parse(std::string_view text, std::size_t event_bytes_max = 1000) {
  return give<Event>(SseParser(event_bytes_max), text, [](const SseEvent& e) {
    return Event{std::string(e.type), std::string(e.data), std::string(e.last_event_id)};
  });
}

Events events_of(std::string_view text) {
  const auto given = parse(text);
  EXPECT_FALSE(given.fault) << text;
  return given.items;
}

/// After all of the text.
SseParser parsed(std::string_view text) {
  SseParser parser;
  parser.feed(text);
  while (*parser.next()) {
  }
  return parser;
}

TEST(Sse, DataIsJoinedByLf) {
  EXPECT_EQ(events_of("data: YHOO\ndata: +2\ndata: 10\n\n"), Events{message("YHOO\n+2\n10")});
  EXPECT_EQ(events_of("data\n\ndata\ndata\n\ndata:"), (Events{message(""), message("\n")}));
  EXPECT_EQ(events_of("data:test\n\ndata: test\n\n"), (Events{message("test"), message("test")}));
  EXPECT_EQ(events_of("data:  two spaces\ndata:\ttab\n\n"), Events{message(" two spaces\n\ttab")});
}

TEST(Sse, CommentsAndIds) {
  EXPECT_EQ(
      events_of(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  "
                "third event\n\n"),
      (Events{message("first event", "1"), message("second event"), message(" third event")}));
  EXPECT_EQ(events_of("data:1\n:\n:x\r\n:data:2\ndata:3\n\n"), Events{message("1\n3")});
}

TEST(Sse, LinesEndWithLfCrOrBoth) {
  EXPECT_EQ(events_of("data:a\rdata:b\r\ndata:c\n\rdata:d\r\r\ndata:e\r\n\r\n"),
            (Events{message("a\nb\nc"), message("d"), message("e")}));
  EXPECT_EQ(events_of("data:a\r\r"), Events{message("a")});
  EXPECT_EQ(events_of("data:a\n\n\n\n\r\n\r\rdata:b\n\n"), (Events{message("a"), message("b")}));
}

TEST(Sse, AnEventIsThereWithTheCrThatEndsIt) {
  SseParser parser;
  parser.feed("data:a\r\n\r");
  EXPECT_EQ((*parser.next())->data, "a");
  parser.feed("\ndata:b\r\r");
  EXPECT_EQ((*parser.next())->data, "b");
  EXPECT_EQ(*parser.next(), std::nullopt);
}

TEST(Sse, OneByteOrderMarkIsSkipped) {
  EXPECT_EQ(events_of("\xef\xbb\xbf"
                      "data:1\n\n"),
            Events{message("1")});
  EXPECT_EQ(events_of("\xef\xbb\xbf\xef\xbb\xbf"
                      "data:1\n\ndata:2\n\n"),
            Events{message("2")});
  EXPECT_EQ(events_of("data:1\n\n\xef\xbb\xbf"
                      "data:2\n\n"),
            Events{message("1")});
  EXPECT_EQ(events_of("\xef\xbb"
                      "data:1\n\ndata:\xef\xbb\xbf\n\n"),
            Events{message("\xef\xbb\xbf")});
}

TEST(Sse, TypesLastForOneEvent) {
  EXPECT_EQ(events_of("event: add\ndata: 1\n\ndata: 2\n\nevent:\ndata: 3\n\n"),
            (Events{{"add", "1", ""}, message("2"), message("3")}));
  EXPECT_EQ(events_of("event:a\n\ndata:1\n\n"), Events{message("1")})
      << "no data, no event, no type";
  EXPECT_EQ(events_of("event:a\nevent:b\ndata:x\n\n"), (Events{{"b", "x", ""}}));
}

TEST(Sse, IdsLastUntilTheNext) {
  EXPECT_EQ(events_of("id: 7\ndata:1\n\ndata:2\n\nid\ndata:3\n\n"),
            (Events{message("1", "7"), message("2", "7"), message("3")}));
  EXPECT_EQ(events_of("id:1\n\ndata:x\n\n"), Events{message("x", "1")})
      << "taken without an event too";
  EXPECT_EQ(events_of("id:1\nid:a\0b\ndata:x\n\n"sv), Events{message("x", "1")}) << "NUL";
  EXPECT_EQ(parsed("id:1\n\nid:2\ndata:y\n").last_event_id(), "1")
      << "that event was not dispatched";
}

TEST(Sse, UnknownFieldsAreIgnored) {
  EXPECT_EQ(
      events_of(
          "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacomment\ndata a:b\nDATA:1\n"
          "data :1\nid : 2\n\n"),
      Events{message("test\n")});
}

TEST(Sse, RetryIsDigitsAlone) {
  EXPECT_EQ(parsed("data:x\n\n").retry(), std::nullopt);
  EXPECT_EQ(parsed("retry:03000\ndata:x\n").retry(), milliseconds(3000));
  EXPECT_EQ(parsed("retry: 1\nretry:2x\nretry:-3\nretry:\nretry\nretry:1.5\nretry:  4\n").retry(),
            milliseconds(1));
  EXPECT_EQ(parsed("retry:99999999999999999999999\n").retry(), milliseconds::max());
}

TEST(Sse, AnEventWithoutItsEndIsDropped) {
  EXPECT_EQ(events_of("data:1\n\ndata:2\n"), Events{message("1")});
  EXPECT_EQ(events_of("data:1\n\ndata:2"), Events{message("1")});
  EXPECT_EQ(events_of(""), Events{});
}

TEST(Sse, WhatIsNoUtf8IsReplaced) {
  EXPECT_EQ(events_of("data:a\xff"
                      "b\xe2\x82\ndata:\xf0\x9f\x98\x80\xed\xa0\x80\nevent:\xc3\nid:\x80\n\n"),
            (Events{{"\xef\xbf\xbd",
                     "a\xef\xbf\xbd"
                     "b\xef\xbf\xbd\n\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
                     "\xef\xbf\xbd"}}));
}

TEST(Sse, NulIsData) {
  EXPECT_EQ(events_of("data:\0\n\n"sv), Events{message(std::string(1, '\0'))});
}

TEST(Sse, TheLimitIsExact) {
  // "data:123456" is a line of 11; two such lines are 7 bytes of data and the line.
  EXPECT_EQ(parse("data:123456\n\n", 11).items, Events{message("123456")});
  EXPECT_EQ(parse("data:123456\n\n", 10).fault, (LineFault{1, kEventTooLong}));
  EXPECT_EQ(parse("data:123456\ndata:123456\n\n", 18).items, Events{message("123456\n123456")});
  const auto over = parse("data:1\n\ndata:123456\ndata:123456\n\n", 17);
  EXPECT_EQ(over.items, Events{message("1")});
  EXPECT_EQ(over.fault, (LineFault{4, kEventTooLong}));
  EXPECT_EQ(parse(":234567890\n", 10).fault, std::nullopt);
  EXPECT_EQ(parse(":2345678901", 10).fault, (LineFault{1, kEventTooLong})) << "comments too";
  std::string many;
  for (int i = 0; i < 1000; ++i) many += ":23456789\nevent:1\nid:1\n\n";
  EXPECT_EQ(parse(many, 12).fault, std::nullopt) << "what an event does not keep is not counted";
}

}  // namespace
}  // namespace millrace::parse
