// Golden dialogues: what a client sends, and every byte that must come back.
//
// One case per file, <sentence_with_underscores>.wire, made of lines:
//
//   # a comment
//   limit head 1024        limits of the connection: head, fields, target, body
//   whole                  not byte by byte: the case is too long for that
//   each TEXT              the case runs once with each TEXT in place of every {}
//   > TEXT                 a line that the client sends, CRLF added;  >| TEXT without CRLF
//   eof                    the client ends its side
//   < TEXT                 a line that it gets;  <| TEXT without CRLF
//   <*                     whatever comes until the connection ends
//   <+ BODY                a whole 200 answer of the pipeline;  <! CODE a whole refusal, which says
//   close = open                 the connection lives and answers the next request = closed it was
//   closed cleanly;  = reset  it was not outcome CODE           how the last exchange ended for the
//   server ("ok" or an error's code)
//
// In TEXT: \r \n \t \0 \\ \xHH, \(N:TEXT) for N times TEXT, and in there \# for the number of the
// repetition from 0000. `<date>` is the value of a Date field. Lines follow each other in time:
// what a client sends after a
// `<` line is sent when that line has arrived.
#pragma once

#include "millrace/pipeline.hpp"
#include "support/wire_client.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace millrace::test {

struct Dialogue {
  enum class Kind { kSend, kEndOfSending, kExpect, kIgnore };
  struct Step {
    Kind kind = Kind::kSend;
    std::string bytes;
  };
  std::string variant;  // the TEXT of `each`
  ConnectionLimits limits;
  std::vector<Step> steps;
  Ending ending = Ending::kOpen;
  std::string outcome;
  bool whole_only = false;
};

/// The variants of a file. Throws std::runtime_error for what it does not understand.
[[nodiscard]] std::vector<Dialogue> read_dialogues(const std::filesystem::path& file);

}  // namespace millrace::test
