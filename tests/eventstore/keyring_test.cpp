// Goal: keys stay the same from start to start, nothing but the right root key opens them, a crash
// at any moment leaves a keyring that opens, and every refusal names the file and what to do. Claim
// nonces are the same from start to start and other ones in another directory. Method: the real
// file system; files that fail from the N-th call on for every N; every bit of the keyring flipped.

#include "eventstore/keyring.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/nonces.h"
#include "eventstore/root_key.h"
#include "tests/support/dying_files.h"
#include "tests/support/temporary_directory.h"

namespace eventstore {
namespace {

using schemas::Digest;
using testing::AllOf;
using testing::HasSubstr;

class DataDirectory : public testing::Test {
 protected:
  std::string directory() const { return directory_.path(); }
  std::string path(std::string_view name) const { return directory_.path() / name; }
  schemas::Result<Keyring> open(FileSystem& files = posix_files()) const {
    return Keyring::open_or_create(files, {directory(), std::nullopt});
  }
  schemas::Result<Keyring> open_with(const std::string& root_key) const {
    return Keyring::open_or_create(posix_files(), {directory(), root_key});
  }
  std::string refusal() const {
    auto opened = open();
    return opened ? "" : opened.error().detail;
  }
  static void write(const std::string& file, std::string_view content) {
    std::ofstream(file, std::ios::binary) << content;
    std::filesystem::permissions(file, std::filesystem::perms(0600));
  }
  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static unsigned mode(const std::string& file) {
    struct stat status{};
    EXPECT_EQ(stat(file.c_str(), &status), 0);
    return status.st_mode & 0777;
  }
  std::set<std::string> content() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      names.insert(entry.path().filename());
    }
    return names;
  }

 private:
  TemporaryDirectory directory_;
};

using KeyringFile = DataDirectory;
using RootKeyFile = DataDirectory;
using NoncesFile = DataDirectory;

Digest signs(const NamedKey& key) {
  return key.key.sign(schemas::bytes_of("message"));
}

TEST_F(KeyringFile, IsMadeOnceAndOpensToTheSameKeys) {
  auto first = open();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->root_key_made(), path("root.key"));
  EXPECT_NE(signs(first->mark_key()), signs(first->hmac_key()));
  EXPECT_NE(first->mark_key().id, first->hmac_key().id);
  EXPECT_EQ(mode(path("root.key")), 0600);
  EXPECT_EQ(mode(path("keyring")), 0600);
  const auto bytes = read(path("keyring"));
  auto second = open();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->root_key_made(), std::nullopt);
  EXPECT_EQ(second->mark_key().id, first->mark_key().id);
  EXPECT_EQ(signs(second->mark_key()), signs(first->mark_key()));
  EXPECT_EQ(signs(second->hmac_key()), signs(first->hmac_key()));
  EXPECT_EQ(read(path("keyring")), bytes);
  EXPECT_EQ(content(), (std::set<std::string>{"keyring", "root.key", "service.keys"}));
  EXPECT_EQ(mode(path("service.keys")), 0600);
}

TEST_F(KeyringFile, OpensAfterACrashAtEveryCall) {
  for (int calls = 0;; ++calls) {
    std::filesystem::remove(path("keyring"));
    std::filesystem::remove(path("root.key"));
    DyingFiles files(calls);
    auto opened = open(files);
    auto again = open();
    ASSERT_TRUE(again) << "after " << calls << " calls: " << again.error().detail;
    if (opened) {
      EXPECT_FALSE(files.died());
      EXPECT_EQ(signs(again->mark_key()), signs(opened->mark_key()));
      EXPECT_GT(calls, 8) << "the calls were not counted";
      break;
    }
  }
}

TEST_F(KeyringFile, ThatIsDamagedIsNamedAndNotTouched) {
  ASSERT_TRUE(open());
  auto bytes = read(path("keyring"));
  bytes[60] = static_cast<char>(bytes[60] ^ 1);
  write(path("keyring"), bytes);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(path("keyring")), HasSubstr("checksum"),
                               HasSubstr("put back the one from a backup")));
  EXPECT_EQ(read(path("keyring")), bytes);
}

TEST_F(KeyringFile, WithAKeyThatDoesNotOpenOrIsMissingIsDamaged) {
  auto root = make_root_key(posix_files(), path("root.key"));
  ASSERT_TRUE(root);
  const auto key = [&](std::uint32_t id, KeyPurpose purpose) {
    return make_key({id, purpose, schemas::platform_organization}, root->view());
  };
  StoredKeys stored{fingerprint_of(root->view()), {key(1, KeyPurpose::mark)}};
  const auto put = [&] { write(path("keyring"), schemas::text_of(encode_keys(stored))); };
  put();
  EXPECT_THAT(refusal(), HasSubstr("is missing"));
  stored.keys.push_back(key(2, KeyPurpose::hmac));
  put();
  EXPECT_EQ(refusal(), "");
  stored.keys[1].sealed[0] ^= 1;
  put();
  EXPECT_THAT(refusal(), HasSubstr("key 2 does not open"));
}

TEST_F(KeyringFile, OfANewerVersionIsNotTouched) {
  ASSERT_TRUE(open());
  auto bytes = read(path("keyring"));
  bytes[8] = 2;
  write(path("keyring"), bytes);
  EXPECT_THAT(refusal(), HasSubstr("newer version"));
  EXPECT_EQ(read(path("keyring")), bytes);
}

TEST_F(KeyringFile, DoesNotOpenWithAnotherRootKeyAndNoServiceKeys) {
  ASSERT_TRUE(open());
  std::filesystem::remove(path("service.keys"));
  write(path("root.key"), std::string(64, 'a') + '\n');
  EXPECT_THAT(refusal(), AllOf(HasSubstr("another root key"), HasSubstr(path("root.key")),
                               HasSubstr(path("keyring"))));
}

TEST_F(KeyringFile, WithoutItsRootKeyIsNotMadeAnew) {
  ASSERT_TRUE(open());
  std::filesystem::remove(path("service.keys"));
  std::filesystem::remove(path("root.key"));
  EXPECT_THAT(refusal(), AllOf(HasSubstr(path("root.key")), HasSubstr("missing")));
  EXPECT_EQ(content(), std::set<std::string>{"keyring"});
}

TEST_F(KeyringFile, TakesTheRootKeyThatIsNamed) {
  const auto named = path("elsewhere");
  write(named, std::string(32, 'A') + std::string(32, '1'));  // as some tools write it
  auto opened = open_with(named);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->root_key_made(), std::nullopt);
  EXPECT_TRUE(open_with(named));
  EXPECT_EQ(content(), (std::set<std::string>{"elsewhere", "keyring", "service.keys"}));
}

TEST_F(KeyringFile, MakesNoRootKeyAtANamedPlace) {
  auto opened = open_with(path("elsewhere"));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, AllOf(HasSubstr(path("elsewhere")), HasSubstr("openssl")));
  EXPECT_EQ(content(), std::set<std::string>{});
}

TEST_F(RootKeyFile, IsRefusedWhenOthersMayReadIt) {
  ASSERT_TRUE(open());
  for (const unsigned open_mode : {0640u, 0604u, 0620u, 0666u}) {
    std::filesystem::permissions(path("root.key"), std::filesystem::perms(open_mode));
    EXPECT_THAT(refusal(), HasSubstr("chmod 600 " + path("root.key")));
  }
  std::filesystem::permissions(path("root.key"), std::filesystem::perms(0400));
  EXPECT_TRUE(open());
}

TEST_F(RootKeyFile, IsSixtyFourHexadecimalDigits) {
  for (const std::string& content :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(63, 'a') + 'g',
        std::string(64, '\0'), ' ' + std::string(64, 'a')}) {
    write(path("root.key"), content);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(path("root.key")), HasSubstr("hexadecimal")));
  }
}

TEST_F(RootKeyFile, IsReadAsItWasMade) {
  auto made = make_root_key(posix_files(), path("root.key"));
  ASSERT_TRUE(made);
  auto back = read_root_key(posix_files(), path("root.key"));
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->bytes.reveal(), made->bytes.reveal());
  EXPECT_NE(made->bytes.reveal(), std::string(32, '\0'));
}

TEST(KeyringFormat, KeepsEveryField) {
  const std::array<std::uint8_t, 32> root{9};
  const schemas::OrganizationId organization(schemas::Uuid{{5, 6}});
  StoredKeys stored{fingerprint_of(root), {}};
  stored.keys.push_back(make_key({7, KeyPurpose::data, organization}, root));
  stored.keys.push_back({9, KeyPurpose::mark, KeyState::destroyed, organization, {}, {}});
  auto back = decode_keys(encode_keys(stored));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->root, stored.root);
  ASSERT_EQ(back->keys.size(), 2);
  EXPECT_EQ(back->keys[0].id, 7);
  EXPECT_EQ(back->keys[0].organization, organization);
  EXPECT_EQ(back->keys[0].sealed, stored.keys[0].sealed);
  EXPECT_EQ(back->keys[1].state, KeyState::destroyed);
  EXPECT_TRUE(open_key(back->keys[0], root));
}

TEST(KeyringFormat, RefusesEveryFlippedBitAndEveryPiece) {
  const std::array<std::uint8_t, 32> root{9};
  const auto key = make_key({1, KeyPurpose::mark, schemas::platform_organization}, root);
  auto bytes = encode_keys({fingerprint_of(root), {key}});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto changed = bytes;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_keys(changed)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_keys(schemas::Bytes(bytes).first(size))) << "size " << size;
  }
  bytes.push_back(0);
  EXPECT_FALSE(decode_keys(bytes));
}

TEST(KeyringFormat, BindsAKeyToItsIdPurposeAndOrganization) {
  const std::array<std::uint8_t, 32> root{9};
  const auto key = make_key({7, KeyPurpose::data, schemas::platform_organization}, root);
  EXPECT_TRUE(open_key(key, root));
  auto other = key;
  other.id = 8;
  EXPECT_FALSE(open_key(other, root));
  other = key;
  other.purpose = KeyPurpose::hmac;
  EXPECT_FALSE(open_key(other, root));
  other = key;
  other.organization = schemas::OrganizationId(schemas::Uuid{{1}});
  EXPECT_FALSE(open_key(other, root));
  const std::array<std::uint8_t, 32> other_root{8};
  EXPECT_FALSE(open_key(key, other_root));
  EXPECT_NE(fingerprint_of(root), fingerprint_of(other_root));
}

TEST(KeyringFormat, RefusesAnIdThatIsGivenTwice) {
  const std::array<std::uint8_t, 32> root{9};
  const auto key = [&](std::uint32_t id) {
    return make_key({id, KeyPurpose::mark, schemas::platform_organization}, root);
  };
  auto bytes = encode_keys({fingerprint_of(root), {key(1), key(2)}});
  bytes[24 + 84] = 1;  // the second id
  const auto crc = schemas::crc32c(schemas::Bytes(bytes).first(bytes.size() - 4));
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[bytes.size() - 4 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  }
  const auto decoded = decode_keys(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().detail, HasSubstr("no version writes"));
}

// ---- nonces ----

constexpr schemas::LogId log{schemas::TopicId{3}, 17};

TEST_F(NoncesFile, GivesTheSameNoncesFromStartToStart) {
  const auto nonce = [&] {
    auto nonces = Nonces::open_or_create(posix_files(), directory());
    EXPECT_TRUE(nonces);
    return nonces->nonce(log, {4, 5});
  };
  const auto first = nonce();
  EXPECT_EQ(nonce(), first);
  EXPECT_EQ(mode(path("nonces")), 0600);
  EXPECT_EQ(read(path("nonces")).size(), 32);
  std::filesystem::remove(path("nonces"));  // as a restore does
  EXPECT_NE(nonce(), first);
}

TEST_F(NoncesFile, DependOnLogAndPredecessor) {
  auto nonces = Nonces::open_or_create(posix_files(), directory());
  ASSERT_TRUE(nonces);
  const std::set<std::uint64_t> all = {
      nonces->nonce(log, {4, 5}),
      nonces->nonce(log, {4, 6}),
      nonces->nonce(log, {5, 5}),
      nonces->nonce(log, {-1, 0}),
      nonces->nonce({schemas::TopicId{3}, 18}, {4, 5}),
      nonces->nonce({schemas::TopicId{4}, 17}, {4, 5}),
  };
  EXPECT_EQ(all.size(), 6);
}

// Nonces stand in logs for ever; this one was computed with Python's hmac.
TEST_F(NoncesFile, AreDerivedAsWritten) {
  write(path("nonces"), std::string(32, 's'));
  auto nonces = Nonces::open_or_create(posix_files(), directory());
  ASSERT_TRUE(nonces);
  EXPECT_EQ(nonces->nonce(log, {4, 5}), 3124965699824786039u);
}

TEST_F(NoncesFile, OfAnotherLengthIsRefused) {
  write(path("nonces"), "short");
  auto nonces = Nonces::open_or_create(posix_files(), directory());
  ASSERT_FALSE(nonces);
  EXPECT_THAT(nonces.error().detail, AllOf(HasSubstr("nonces"), HasSubstr("remove it")));
}

}  // namespace
}  // namespace eventstore
