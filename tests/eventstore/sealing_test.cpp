// Goal: what is sealed opens at its own place with its own keyring, and nowhere else; a data key is
// durable before it is used; a lost root key shuts what is sealed and nothing else; a rotation
// keeps everything readable whatever call of it is the last one. Method: real files in a directory;
// files that fail from the N-th call on, for every N; every bit of a sealed field flipped.

#include "eventstore/sealing.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/key_rotation.h"
#include "tests/support/dying_files.h"
#include "tests/support/temporary_directory.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using testing::AllOf;
using testing::HasSubstr;

const schemas::Entity password{schemas::Uuid{{7}}, "secrets/DB_PASSWORD"};
const schemas::Entity other_name{schemas::Uuid{{7}}, "secrets/DB_PASSWORDS"};
const schemas::Entity other_project{schemas::Uuid{{8}}, "secrets/DB_PASSWORD"};
const schemas::OrganizationId acme(schemas::Uuid{{1}});
const schemas::OrganizationId globex(schemas::Uuid{{2}});
const FieldPlace place{acme, schemas::Space::live, "secret", password, "value"};

class Sealed : public testing::Test {
 protected:
  std::string path(std::string_view name) const { return directory_.path() / name; }
  KeyringPlace keyring_place() const { return {directory_.path(), std::nullopt}; }
  schemas::Result<Keyring> open(FileSystem& files = posix_files()) const {
    return Keyring::open_or_create(files, keyring_place());
  }
  Keyring keyring() const {
    auto opened = open();
    EXPECT_TRUE(opened) << opened.error().detail;
    return std::move(*opened);
  }
  static std::string sealed_in(const Keyring& keyring, std::string_view text) {
    auto sealed = keyring.sealing().seal(place, text);
    EXPECT_TRUE(sealed) << sealed.error().detail;
    return *sealed;
  }
  static std::string opened_in(const Keyring& keyring, std::string_view sealed,
                               const FieldPlace& where = place) {
    auto opened = keyring.sealing().open(where, sealed);
    return opened ? std::string(opened->reveal()) : "! " + opened.error().detail;
  }
  std::set<std::string> content() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      names.insert(entry.path().filename());
    }
    return names;
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(Sealed, OpensAgainAlsoAfterAStart) {
  const auto sealed = sealed_in(keyring(), "hunter2");
  EXPECT_EQ(sealed.find("hunter2"), std::string::npos);
  EXPECT_EQ(opened_in(keyring(), sealed), "hunter2");
  EXPECT_EQ(opened_in(keyring(), sealed_in(keyring(), "")), "");
  EXPECT_NE(sealed_in(keyring(), "hunter2"), sealed);
}

TEST_F(Sealed, OpensAtItsOwnPlaceOnly) {
  const auto keys = keyring();
  const auto sealed = sealed_in(keys, "hunter2");
  ASSERT_TRUE(keys.sealing().seal({globex, place.space, place.kind, password, "value"}, "x"));
  const std::vector<FieldPlace> elsewhere{
      {globex, schemas::Space::live, "secret", password, "value"},
      {acme, schemas::Space::test, "secret", password, "value"},
      {acme, schemas::Space::live, "secre", password, "value"},
      {acme, schemas::Space::live, "secret", other_name, "value"},
      {acme, schemas::Space::live, "secret", other_project, "value"},
      {acme, schemas::Space::live, "secret", password, "valu"}};
  for (const auto& where : elsewhere) {
    EXPECT_THAT(opened_in(keys, sealed, where), testing::StartsWith("! "));
  }
}

TEST_F(Sealed, EqualTextsOfOneFieldHaveOneBlindIndexAndNothingElseHas) {
  const auto keys = keyring();
  const auto blind = [&](const FieldPlace& where, std::string_view text) {
    auto made = keys.sealing().blind(where, text);
    EXPECT_TRUE(made);
    return schemas::blind_text(made.value_or(schemas::BlindHash{}));
  };
  const auto one = blind(place, "hunter2");
  EXPECT_EQ(blind({acme, place.space, place.kind, other_name, place.field}, "hunter2"), one);
  sealed_in(keys, "x");  // the organization's key is there by now
  EXPECT_EQ(blind(place, "hunter2"), one);
  EXPECT_EQ(*keyring().sealing().blind(place, "hunter2"), *keys.sealing().blind(place, "hunter2"));
  std::set<std::string> all{
      one,
      blind(place, "hunter3"),
      blind({globex, place.space, place.kind, password, place.field}, "hunter2"),
      blind({acme, schemas::Space::test, place.kind, password, place.field}, "hunter2"),
      blind({acme, place.space, "secre", password, place.field}, "hunter2"),
      blind({acme, place.space, place.kind, password, "valu"}, "hunter2")};
  EXPECT_EQ(all.size(), 6u);
}

TEST_F(Sealed, DoesNotOpenWithAnyBitFlippedNorCut) {
  const auto keys = keyring();
  const auto sealed = sealed_in(keys, "hunter2");
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(opened_in(keys, changed), testing::StartsWith("! ")) << "bit " << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_THAT(opened_in(keys, sealed.substr(0, size)), testing::StartsWith("! "));
  }
}

TEST_F(Sealed, EachOrganizationHasAKeyOfItsOwnThatIsMadeOnce) {
  const auto keys = keyring();
  sealed_in(keys, "a");
  sealed_in(keys, "b");
  ASSERT_TRUE(keys.sealing().seal({globex, place.space, place.kind, password, "value"}, "c"));
  const auto stored = decode_keys(*read_whole(posix_files(), path("keyring")));
  ASSERT_TRUE(stored);
  ASSERT_EQ(stored->keys.size(), 4);
  EXPECT_EQ(stored->keys[2].organization, acme);
  EXPECT_EQ(stored->keys[3].organization, globex);
}

TEST_F(Sealed, OpensWithAKeyThatAnotherProcessMade) {
  const auto one = keyring();
  const auto other = keyring();
  const auto sealed = sealed_in(other, "hunter2");
  EXPECT_EQ(opened_in(one, sealed), "hunter2");
}

TEST_F(Sealed, IsNotSealedWithAKeyThatIsNotDurable) {
  ASSERT_TRUE(open());
  for (int calls = 0;; ++calls) {
    DyingFiles files(1'000);
    auto keys = open(files);
    ASSERT_TRUE(keys);
    files.die_after(calls);
    const auto sealed = keys->sealing().seal(place, "hunter2");
    if (sealed) EXPECT_EQ(opened_in(keyring(), *sealed), "hunter2");
    EXPECT_TRUE(open());
    if (sealed) {
      EXPECT_GT(calls, 3) << "the calls were not counted";
      break;
    }
  }
}

TEST_F(Sealed, StaysShutWithoutTheRootKeyWhileMarksGoOn) {
  std::string sealed;
  schemas::Digest mark;
  {
    const auto keys = keyring();
    sealed = sealed_in(keys, "hunter2");
    mark = keys.mark_key().key.sign(schemas::bytes_of("x"));
    EXPECT_EQ(keys.sealing().refusal(), "");
  }
  const auto shut = [&](const std::string& because) {
    const auto keys = keyring();
    EXPECT_EQ(keys.mark_key().key.sign(schemas::bytes_of("x")), mark);
    EXPECT_THAT(keys.sealing().refusal(), AllOf(HasSubstr(because), HasSubstr(path("root.key"))));
    const auto opened = keys.sealing().open(place, sealed);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::root_key_missing);
    EXPECT_FALSE(keys.sealing().seal(place, "x"));
    EXPECT_FALSE(keys.sealing().digest_key(acme));
  };
  std::filesystem::rename(path("root.key"), path("away"));
  shut("is missing");
  std::ofstream(path("root.key")) << std::string(64, 'a');
  std::filesystem::permissions(path("root.key"), std::filesystem::perms(0600));
  shut("another root key");
  std::filesystem::rename(path("away"), path("root.key"));
  EXPECT_EQ(opened_in(keyring(), sealed), "hunter2");
}

TEST_F(Sealed, OfAnotherKeyringAreNoServiceKeys) {
  ASSERT_TRUE(open());
  TemporaryDirectory elsewhere;
  ASSERT_TRUE(Keyring::open_or_create(posix_files(), {elsewhere.path(), std::nullopt}));
  std::filesystem::copy_file(elsewhere.path() / "service.keys", path("service.keys"),
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(path("root.key"));
  EXPECT_FALSE(open());
}

TEST_F(Sealed, DigestsAreTheSameFromStartToStartAndBeforeAndAfterARotation) {
  const auto digest = [&] {
    auto key = keyring().sealing().digest_key(acme);
    EXPECT_TRUE(key);
    return key->sign(schemas::bytes_of("x"));
  };
  const auto first = digest();
  EXPECT_EQ(digest(), first);
  ASSERT_TRUE(rotate_root_key(posix_files(), keyring_place()));
  EXPECT_EQ(digest(), first);
}

TEST_F(Sealed, ARotationTakesANewRootKeyAndKeepsTheOldOne) {
  const auto before = sealed_in(keyring(), "hunter2");
  const auto mark = keyring().mark_key().key.sign(schemas::bytes_of("x"));
  const auto old_root = *read_whole(posix_files(), path("root.key"));
  const auto rotated = rotate_root_key(posix_files(), keyring_place());
  ASSERT_TRUE(rotated) << rotated.error().detail;
  EXPECT_EQ(rotated->keys, 3);
  EXPECT_EQ(rotated->data_keys, 1);
  EXPECT_EQ(*read_whole(posix_files(), rotated->old_root_key), old_root);
  EXPECT_NE(*read_whole(posix_files(), path("root.key")), old_root);
  const auto after = keyring();
  EXPECT_EQ(opened_in(after, before), "hunter2");
  EXPECT_EQ(after.mark_key().key.sign(schemas::bytes_of("x")), mark);
  const auto sealed = sealed_in(after, "hunter3");
  EXPECT_NE(sealed.substr(1, 4), before.substr(1, 4)) << "sealed with the key from before";
  EXPECT_EQ(opened_in(keyring(), sealed), "hunter3");
}

TEST_F(Sealed, ARotationMayBeCutOffAtEveryCall) {
  const auto sealed = sealed_in(keyring(), "hunter2");
  for (int calls = 0;; ++calls) {
    DyingFiles files(calls);
    const auto rotated = rotate_root_key(files, keyring_place());
    ASSERT_EQ(opened_in(keyring(), sealed), "hunter2") << "after " << calls << " calls";
    if (rotated) {
      EXPECT_GT(calls, 10) << "the calls were not counted";
      break;
    }
  }
  EXPECT_FALSE(content().contains("root.key.new"));
}

TEST_F(Sealed, ARotationWithAnotherRootKeyChangesNothing) {
  const auto sealed = sealed_in(keyring(), "hunter2");
  std::filesystem::rename(path("root.key"), path("away"));
  std::ofstream(path("root.key")) << std::string(64, 'a');
  std::filesystem::permissions(path("root.key"), std::filesystem::perms(0600));
  const auto rotated = rotate_root_key(posix_files(), keyring_place());
  ASSERT_FALSE(rotated);
  EXPECT_THAT(rotated.error().detail,
              AllOf(HasSubstr("1, 2, 3"), HasSubstr("nothing was changed")));
  std::filesystem::rename(path("away"), path("root.key"));
  EXPECT_EQ(opened_in(keyring(), sealed), "hunter2");
}

}  // namespace
}  // namespace eventstore
