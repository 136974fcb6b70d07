#include "http/negotiate.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

struct WeightCase {
  std::string_view accept;
  std::string_view wanted;
  int weight;
};

TEST(Negotiate, TheMostSpecificRangeDecides) {
  const std::vector<WeightCase> cases{
      {"", "text/html", 1000},
      {" , ", "text/html", 1000},
      {"*/*", "text/html", 1000},
      {"text/html", "text/html", 1000},
      {"TEXT/HTML;Q=0.5", "text/html", 500},
      {"text/plain", "text/html", 0},
      {"text/*;q=0.3, text/html;q=0.7, */*;q=0.9", "text/html", 700},
      {"text/*;q=0.3, text/html;q=0.7, */*;q=0.9", "text/plain", 300},
      {"text/*;q=0.3, text/html;q=0.7, */*;q=0.9", "image/png", 900},
      {"*/*, text/html;q=0", "text/html", 0},
      {"text/html ; level=1 ; q=0.4", "text/html", 400},
      {"text/plain;a=\"x,text/html\", image/png", "text/html", 0},
      {"text/plain;a=\"x\\\",text/html\"", "text/html", 0},
      {"text/html;q=1.000", "text/html", 1000},
      {"text/html;q=0.001", "text/html", 1},
      {"text/html;q=0.", "text/html", 0},
      {"text/htm*", "text/html", 0},
      {"tex/*", "text/html", 0},
      // Malformed weights: the element is left out.
      {"text/html;q=1.001, */*;q=0.2", "text/html", 200},
      {"text/html;q=2, */*;q=0.2", "text/html", 200},
      {"text/html;q=-1, */*;q=0.2", "text/html", 200},
      {"text/html;q=0.1234, */*;q=0.2", "text/html", 200},
      {"text/html;q=, */*;q=0.2", "text/html", 200},
      {"text/html;q=0x1, */*;q=0.2", "text/html", 200},
      {"text/html;q=.5, */*;q=0.2", "text/html", 200},
      {"text/html;q=\"0.5\", */*;q=0.2", "text/html", 200},
  };
  for (const WeightCase& one : cases)
    EXPECT_EQ(media_weight(one.accept, one.wanted), one.weight)
        << one.accept << " / " << one.wanted;
}

TEST(Negotiate, BestOfTakesTheFirstOfEquals) {
  const std::vector<std::string_view> offered{"application/json", "text/html", "image/png"};
  EXPECT_EQ(best_of("", offered), 0U);
  EXPECT_EQ(best_of("*/*", offered), 0U);
  EXPECT_EQ(best_of("text/html, application/json;q=0.9", offered), 1U);
  EXPECT_EQ(best_of("image/*, */*;q=0.1", offered), 2U);
  EXPECT_EQ(best_of("audio/ogg", offered), std::nullopt);
  EXPECT_EQ(best_of("*/*;q=0", offered), std::nullopt);
  EXPECT_EQ(best_of("*/*", {}), std::nullopt);
}

TEST(Negotiate, EncodingsMustBeNamed) {
  const std::vector<WeightCase> cases{
      {"", "gzip", 0},
      {"", "identity", 1},
      {"gzip, deflate, br", "gzip", 1000},
      {"GZIP;q=0.5", "gzip", 500},
      {"x-gzip", "gzip", 1000},
      {"gzip;q=0", "gzip", 0},
      {"*", "gzip", 1000},
      {"*;q=0.5, gzip;q=0", "gzip", 0},
      {"gzip;q=0, *", "gzip", 0},
      {"br", "gzip", 0},
      {"gzipx", "gzip", 0},
      {"*;q=0", "identity", 0},
      {"identity;q=0", "identity", 0},
      {"*;q=0, identity;q=0.5", "identity", 500},
      {"gzip", "identity", 1},
      {"gzip;q=9", "gzip", 0},
  };
  for (const WeightCase& one : cases) {
    EXPECT_EQ(encoding_weight(one.accept, one.wanted), one.weight)
        << one.accept << " / " << one.wanted;
    EXPECT_EQ(accepts_encoding(one.accept, one.wanted), one.weight > 0);
  }
}

TEST(Negotiate, BestEncodingMayBeNone) {
  const std::vector<std::string_view> offered{"br", "gzip"};
  EXPECT_EQ(best_encoding("gzip, br", offered), 0U);
  EXPECT_EQ(best_encoding("gzip, br;q=0.9", offered), 1U);
  EXPECT_EQ(best_encoding("zstd", offered), std::nullopt);
  EXPECT_EQ(best_encoding("", offered), std::nullopt);
  EXPECT_EQ(best_encoding("gzip;q=0.5, identity", offered), std::nullopt);
  EXPECT_EQ(best_encoding("gzip;q=0.001", offered), 1U);
}

}  // namespace
}  // namespace millrace::http
