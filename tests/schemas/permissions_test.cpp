// Goal: what a key grants is exactly what API.md says, and wildcards open nothing by accident.
// Method: each rule as a line of granted permissions against asked ones.
#include "schemas/permissions.h"

#include <gtest/gtest.h>

namespace schemas {
namespace {

using Granted = std::vector<std::string>;

TEST(Permissions, TextIsAFamilyAndAnActionOrStandsAlone) {
  for (const auto* good :
       {"*", "projects:read", "projects:*", "organization:write", "products:read",
        "products.git:write", "products.a-b:*", "secrets:reveal", "resources:report"}) {
    EXPECT_TRUE(is_permission(good)) << good;
  }
  for (const auto* bad :
       {"", "projects", "projects:", ":read", "projects:reveal", "secrets:report", "project:read",
        "*:read", "*:*", "products.:read", "products.Git:read", "products.git", "projects:read ",
        "Projects:read", "resources:reveal", "products.1a:read"}) {
    EXPECT_FALSE(is_permission(bad)) << bad;
  }
}

TEST(Permissions, AFamilyOpensItselfOnly) {
  EXPECT_TRUE(permits(Granted{"projects:read"}, "projects:read"));
  EXPECT_FALSE(permits(Granted{"projects:read"}, "projects:write"));
  EXPECT_FALSE(permits(Granted{"projects:write"}, "projects:read"));
  EXPECT_TRUE(permits(Granted{"projects:*"}, "projects:write"));
  EXPECT_FALSE(permits(Granted{"projects:*"}, "keys:write"));
  EXPECT_TRUE(permits(Granted{"keys:read", "*"}, "projects:write"));
  EXPECT_FALSE(permits(Granted{}, "projects:read"));
}

TEST(Permissions, ProductsOpensEveryProduct) {
  EXPECT_TRUE(permits(Granted{"products:write"}, "products.git:write"));
  EXPECT_TRUE(permits(Granted{"products:*"}, "products.git:read"));
  EXPECT_FALSE(permits(Granted{"products.git:*"}, "products.hg:read"));
  EXPECT_FALSE(permits(Granted{"products.git:*"}, "products:read"));
}

TEST(Permissions, WhatStandsAloneIsOpenedByItselfAndByAll) {
  EXPECT_FALSE(permits(Granted{"secrets:*"}, "secrets:reveal"));
  EXPECT_TRUE(permits(Granted{"secrets:reveal"}, "secrets:reveal"));
  EXPECT_TRUE(permits(Granted{"*"}, "resources:report"));
}

TEST(Permissions, AWildcardIsCoveredByAllThatItOpens) {
  EXPECT_TRUE(covers(Granted{"*"}, "*"));
  EXPECT_FALSE(covers(Granted{"projects:*"}, "*"));
  EXPECT_TRUE(covers(Granted{"projects:read", "projects:write"}, "projects:*"));
  EXPECT_FALSE(covers(Granted{"projects:read"}, "projects:*"));
  EXPECT_TRUE(covers(Granted{"products:read", "products.git:write"}, "products.git:*"));
  EXPECT_FALSE(covers(Granted{"products.git:*"}, "products:*"));
}

}  // namespace
}  // namespace schemas
