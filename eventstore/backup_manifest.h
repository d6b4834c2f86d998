#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/file.h"
#include "eventstore/journal_segments.h"
#include "schemas/crypto.h"

// clang-format off
/// A backup's directory, and the file `manifest` that makes it one. It is written last and replaced
/// as a whole, and what it names is never changed before the next one stands: a crash leaves the
/// backup before, or none.
///
///     manifest              a line of JSON, then the CRC32C of that line in hexadecimal digits
///     manifest.lock         held while a backup is made
///     keyring-<digest>      the keyring; its name begins its SHA-256
///     segments/<base>       a sealed segment, perhaps the very file of the data directory
///     segments/<base>.tail  the beginning of the segment that was written to; always a copy
// clang-format on
namespace eventstore::journal {

struct BackupManifest {
  struct Sealed {
    std::uint64_t base;
    std::uint64_t size_bytes;  // of the file
    friend bool operator==(const Sealed&, const Sealed&) = default;
  };
  JournalId journal;
  std::uint64_t position;  // everything before is in the backup
  schemas::Time taken;
  std::vector<Sealed> sealed;  // in journal order
  std::uint64_t tail_base;
  schemas::Digest keyring;

  std::uint64_t tail_size_bytes() const { return segment_header_size + position - tail_base; }
  std::string keyring_name() const;
  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

std::string encode(const BackupManifest& manifest);
std::optional<BackupManifest> decode_manifest(std::string_view text);

std::string manifest_path(const std::string& backup);
std::string segments_path(const std::string& backup);
std::string tail_path(const std::string& backup, std::uint64_t base);

/// not_found when there is none, read_only when it cannot be read as one.
schemas::Result<BackupManifest> read_manifest(FileSystem& files, const std::string& backup);

/// A whole backup, to be read like a journal up to the manifest's position.
struct OpenedBackup {
  BackupManifest manifest;
  std::unique_ptr<SegmentFolder> folder;  // of what the manifest names, and nothing else
  std::shared_ptr<File> tail;             // the folder finds it by this
  std::vector<std::uint8_t> keyring;

  std::uint32_t seed() const { return crc_seed(manifest.journal); }
};
/// Looks whether everything that the manifest names is there, in its size; not at what is in the
/// segments. A backup into the same directory may be at work: where one has ended meanwhile, what
/// is missing may be what only the one before needed, and the new one is opened.
schemas::Result<OpenedBackup> open_backup(FileSystem& files, const std::string& backup);

}  // namespace eventstore::journal
