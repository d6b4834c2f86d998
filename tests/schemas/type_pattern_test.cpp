#include "schemas/type_pattern.h"

#include <gtest/gtest.h>

namespace schemas {
namespace {

TEST(TypePattern, IsATypeOrTheBeginningOfOne) {
  for (const std::string_view right : {"*", "project.*", "project.created", "pro*", "a_b-C.9"}) {
    EXPECT_TRUE(is_type_pattern(right)) << right;
  }
  for (const std::string_view wrong : {"", "**", "*.created", "a*b", "a b", "ä.*"}) {
    EXPECT_FALSE(is_type_pattern(wrong)) << wrong;
  }
  EXPECT_TRUE(is_type_pattern(std::string(100, 'a')));
  EXPECT_FALSE(is_type_pattern(std::string(101, 'a')));
}

TEST(TypePattern, FitsWhatBeginsAsItDoes) {
  EXPECT_TRUE(type_fits("*", "project.created"));
  EXPECT_TRUE(type_fits("project.*", "project.created"));
  EXPECT_TRUE(type_fits("project.created", "project.created"));
  EXPECT_FALSE(type_fits("project.*", "projects"));
  EXPECT_FALSE(type_fits("project.created", "project.created.again"));
}

}  // namespace
}  // namespace schemas
