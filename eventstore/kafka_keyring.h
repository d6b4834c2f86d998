#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eventstore/kafka_client.h"
#include "eventstore/kafka_options.h"
#include "eventstore/key_rotation.h"
#include "eventstore/keyring.h"

/// The keyring where the log is on Kafka: the compacted topic `tm.keyring`, one partition, whose
/// records are keyrings as in the file (keyring_format.h), of one key or several.
///
///     offset   0            1             2          3
///     name     1,2.<uuid A> 1,2.<uuid B>  (none)     3.<uuid C>
///     value    keys 1, 2    keys 1, 2     B deleted  key 3
///              └ count      └ do not: keys 1 and 2 are there
///
/// The rule: of several records that hold a key of the same id, the one with the lowest offset
/// counts, for every reader and for ever. Why it cannot change, though compaction keeps the last
/// record of a name:
/// - A name holds a random UUID and is sent once (no retries; a further try has a further name), so
///   there is one record with a value of each name, and compaction never moves it to a higher
///   offset nor replaces it.
/// - A deletion is sent only by a record's own writer, having read one that counts before it. The
///   record with the lowest offset of all has none before it, so it is never deleted.
/// - Readers see a prefix of the topic: who sees any record of an id sees that one too.
/// So a process that was paused between reading an empty topic and writing to it is just another
/// loser, however late; deletions keep the topic short, nothing rests on them.
///
/// A new root key comes with one record that holds every key, wrapped anew, and is named after what
/// it was made of: `rotated.<fingerprint of the root key before>.<last id>.<uuid>`. It counts if
/// that is what counts where it stands, so nobody's key is lost; from there on records under the
/// root key before count no more.
///
/// A key is durable before it is used: who writes waits until all replicas in sync have it, or
/// something behind it, and then reads back. (Who only reads may see it a moment before on brokers
/// before 3.7, as of all records.)
namespace eventstore::kafka {

/// A record of the topic; no value: a deletion.
struct KeyringRecord {
  std::string name;
  std::vector<std::uint8_t> value;
};

/// What counts of records in the order of their offsets.
struct KeyringReading {
  std::optional<StoredKeys> keys;  // by id; none: there are no keys yet
  /// Of the records that counted where they stand. Others' counting may rest on them, so they stay
  /// for ever, those too whose keys a rotation wrapped anew since.
  std::vector<std::string> names;
};
schemas::Result<KeyringReading> judge(std::span<const KeyringRecord> records);

/// Reads and writes the topic. Not thread-safe; blocks.
class KeyringTopic {
 public:
  enum class Missing : std::uint8_t { is_an_error, is_made };
  static schemas::Result<std::unique_ptr<KeyringTopic>> open(const Options& options,
                                                             Missing missing = Missing::is_made);

  const std::string& name() const { return name_; }
  /// To the end of what the brokers have.
  schemas::Result<KeyringReading> read();
  /// Once. Success: all replicas in sync have it. An error: perhaps some have it, or will.
  schemas::Result<void> write(const KeyringRecord& record);
  /// Puts the first keys there, or finds those of another process: gives what counts.
  schemas::Result<StoredKeys> found(const StoredKeys& candidate);
  /// Puts a key of the next free id there; of several processes that do so at once, each gets an id
  /// of its own. Success: what counts then.
  /// `make` wraps it with the root key of this fingerprint.
  schemas::Result<StoredKeys> add(const Fingerprint& root, const KeyPlace::Make& make);
  /// Puts `after` in the place of `before`, which was read; an error when others have written
  /// since, or when it may not be there: whoever asks again then finds out.
  schemas::Result<void> rotate(const StoredKeys& before, const StoredKeys& after);
  /// Whether the log that belongs to this keyring has records, in tm.log or, if that was lost, in a
  /// product's topic.
  schemas::Result<bool> log_has_records();

 private:
  explicit KeyringTopic(const Options& options);

  const Options options_;
  const std::string name_;
  Handle admin_;
  Handle sender_;
  TopicHandle to_;  // of the sender
};

/// Opens the keyring with the root key of `place`, or makes both. Errors name the file and say what
/// to do.
schemas::Result<Keyring> open_or_create_keyring(const Options& options, FileSystem& files,
                                                const KeyringPlace& place);

/// A new root key, beside the one of `place`. No process may use the log meanwhile; all need the
/// new one afterwards.
schemas::Result<KeyRotation> rotate_root_key(const Options& options, FileSystem& files,
                                             const KeyringPlace& place);

}  // namespace eventstore::kafka
