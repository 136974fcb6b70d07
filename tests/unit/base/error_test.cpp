#include "base/error.hpp"

#include <set>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(ErrorTable, EveryEnumeratorHasACompleteRow) {
  std::set<std::string_view> codes;
  for (const ErrcInfo& row : all_errc_info()) {
    EXPECT_EQ(&info(row.errc), &row);
    EXPECT_FALSE(row.code.empty());
    EXPECT_TRUE(codes.insert(row.code).second) << row.code << " stands twice";
    EXPECT_FALSE(row.text.empty()) << row.code;
    EXPECT_FALSE(row.text.ends_with('.')) << row.code;
    EXPECT_TRUE(row.status == 0 || (row.status >= 400 && row.status < 600)) << row.code;
    if (row.fault == Fault::kUpstream) EXPECT_GE(row.status, 500) << row.code;
    // Beside what is not implemented (501) and a version that is none of ours (505).
    if (row.fault == Fault::kClient && row.status != 501 && row.errc != Errc::kBadVersion)
      EXPECT_LT(row.status, 500) << row.code;
  }
}

TEST(Error, DescribesTheCauseAndTheErrno) {
  EXPECT_EQ(Error(Errc::kConnectRefused, ECONNREFUSED).describe(),
            "the upstream refused the connection (ECONNREFUSED)");
  EXPECT_EQ(Error(Errc::kNotFound).describe(), "there is nothing at this path");
}

}  // namespace
}  // namespace millrace
