// Turns an input into what an HTTP/2 client sends: the preface, SETTINGS, then the frames that the
// input lists, with their lengths and stream ids right unless it says otherwise, so that mutations
// get past the framing.
//
// The input is a list of records: a kind, flags, a stream, a size, and so many bytes of payload.
//   kind (mod 16)  0 to 9: the frame of that type, HEADERS (1) from a template (below);
//                  10: HEADERS with the payload as field block; 11: PRIORITY_UPDATE;
//                  12: the payload as it is, without a frame; 13: a turn of the server in between;
//                  14: trailers from "name:value" lines; 15: a frame of the type of the first byte
//   flags          as on the wire; 0x10: without END_HEADERS; 0x40: the payload 16 times; 0x80: the
//                  length is one too large
//   stream         HEADERS: the next one; else one of those that were opened. From 0x80 on: the
//                  other seven bits are the id
// The template: a byte for the method, one for the path (pipeline.hpp), one of bits (1: extended
// CONNECT, 2: no :scheme, 4: Host in the place of :authority, 8: :path twice, 16: a pseudo-field
// behind the others, 32: upper case), then "name:value" lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::fuzz {

struct H2Script {
  /// One turn of the server after each.
  std::vector<std::string> pieces;
  /// Part of the query of every path from a template, with the stream's id in front of it. No input
  /// can hold its own, so a path that has it says on which stream it came.
  std::string mark;
};

[[nodiscard]] H2Script make_h2_script(std::string_view input);

}  // namespace millrace::fuzz
