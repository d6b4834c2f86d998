#include "eventstore/backup_manifest.h"

#include <charconv>

#include <fmt/format.h>

#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
namespace json = schemas::json;

namespace {

constexpr std::uint64_t manifest_format = 1;

std::string hex(schemas::Bytes bytes) {
  std::string text;
  for (const auto byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

template <std::size_t size>
bool read_hex(std::optional<json::Value> value, std::array<std::uint8_t, size>& out) {
  const auto text = value ? value->as_string() : std::nullopt;
  if (!text || text->size() != 2 * size) return false;
  for (std::size_t i = 0; i < size; ++i) {
    unsigned byte = 0;
    const auto* at = text->data() + 2 * i;
    if (std::from_chars(at, at + 2, byte, 16).ptr != at + 2) return false;
    out[i] = static_cast<std::uint8_t>(byte);
  }
  return true;
}

bool read_number(std::optional<json::Value> value, std::uint64_t& out) {
  const auto number = value ? value->as_uint64() : std::nullopt;
  if (!number) return false;
  out = *number;
  return true;
}

std::string crc_of(std::string_view line) {
  return fmt::format("{:08x}", schemas::crc32c(schemas::bytes_of(line)));
}

std::unexpected<schemas::Error> damaged(const std::string& how) {
  return fail(ErrorCode::read_only,
              "the backup is damaged: " + how + "; take a new one into another directory");
}

Result<std::shared_ptr<File>> open_sized(FileSystem& files, const std::string& path,
                                         std::uint64_t size_min) {
  auto file = files.open(path, FileSystem::Open::existing_for_reading);
  if (!file && file.error().code == ErrorCode::not_found) return damaged(path + " is missing");
  if (!file) return fail(std::move(file).error());
  auto size = (*file)->size();
  if (!size) return fail(std::move(size).error());
  if (*size >= size_min) return std::shared_ptr<File>(std::move(*file));
  return damaged(fmt::format("{} has {} bytes, {} are missing", path, *size, size_min - *size));
}

}  // namespace

std::string BackupManifest::keyring_name() const {
  return "keyring-" + hex(schemas::Bytes(keyring).first(8));
}

std::string encode(const BackupManifest& manifest) {
  std::string line;
  json::Writer writer(line);
  writer.begin_object().member("format", manifest_format);
  writer.member("journal", hex(manifest.journal)).member("position", manifest.position);
  writer.member("taken", manifest.taken).member("tail", manifest.tail_base);
  writer.member("keyring", hex(manifest.keyring)).name("sealed").begin_array();
  for (const auto& segment : manifest.sealed) {
    writer.begin_object().member("base", segment.base).member("size_bytes", segment.size_bytes);
    writer.end_object();
  }
  writer.end_array().end_object();
  return line + "\n" + crc_of(line) + "\n";
}

std::optional<BackupManifest> decode_manifest(std::string_view text) {
  const auto end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  const auto line = text.substr(0, end);
  if (text.substr(end) != "\n" + crc_of(line) + "\n") return std::nullopt;
  const auto document = json::parse(line);
  if (!document) return std::nullopt;
  const auto root = document->root();
  BackupManifest manifest{};
  std::uint64_t format = 0;
  const auto taken = root.find("taken");
  const auto taken_text = taken ? taken->as_string() : std::nullopt;
  const auto time = taken_text ? schemas::parse_time(*taken_text) : std::nullopt;
  const auto sealed = root.find("sealed");
  const bool whole = read_number(root.find("format"), format) && format == manifest_format &&
                     read_hex(root.find("journal"), manifest.journal) &&
                     read_number(root.find("position"), manifest.position) &&
                     read_number(root.find("tail"), manifest.tail_base) &&
                     read_hex(root.find("keyring"), manifest.keyring) && time && sealed &&
                     manifest.tail_base <= manifest.position && manifest.position <= position_max;
  if (!whole) return std::nullopt;
  manifest.taken = *time;
  for (const auto element : sealed->elements()) {
    BackupManifest::Sealed segment{};
    if (!read_number(element.find("base"), segment.base) ||
        !read_number(element.find("size_bytes"), segment.size_bytes)) {
      return std::nullopt;
    }
    const bool ordered = manifest.sealed.empty() || manifest.sealed.back().base < segment.base;
    if (!ordered || segment.base >= manifest.tail_base) return std::nullopt;
    manifest.sealed.push_back(segment);
  }
  return manifest;
}

std::string manifest_path(const std::string& backup) {
  return backup + "/manifest";
}
std::string segments_path(const std::string& backup) {
  return backup + "/segments";
}
std::string tail_path(const std::string& backup, std::uint64_t base) {
  return segments_path(backup) + "/" + segment_name(base) + ".tail";
}

Result<BackupManifest> read_manifest(FileSystem& files, const std::string& backup) {
  auto bytes = read_whole(files, manifest_path(backup));
  if (!bytes) return fail(std::move(bytes).error());
  auto manifest = decode_manifest(schemas::text_of(*bytes));
  if (manifest) return std::move(*manifest);
  return fail(ErrorCode::read_only,
              fmt::format("{} is damaged or of a later version; take a new backup into another "
                          "directory",
                          manifest_path(backup)));
}

namespace {

Result<BackupManifest> read_finished(FileSystem& files, const std::string& backup) {
  auto manifest = read_manifest(files, backup);
  if (manifest || manifest.error().code != ErrorCode::not_found) return manifest;
  return fail(ErrorCode::not_found,
              fmt::format("{} holds no finished backup: there is no {}; `tidemark backup` "
                          "finishes one that was interrupted",
                          backup, manifest_path(backup)));
}

Result<OpenedBackup> open_named(FileSystem& files, const std::string& backup,
                                const BackupManifest& manifest) {
  OpenedBackup opened{.manifest = manifest,
                      .folder = std::make_unique<SegmentFolder>(files, segments_path(backup)),
                      .tail = {},
                      .keyring = {}};
  const auto& named = opened.manifest;
  for (const auto& segment : named.sealed) {
    auto file = open_sized(files, opened.folder->path_of(segment.base), segment.size_bytes);
    if (!file) return fail(std::move(file).error());
    opened.folder->add(segment.base, *file);
  }
  auto tail = open_sized(files, tail_path(backup, named.tail_base), named.tail_size_bytes());
  if (!tail) return fail(std::move(tail).error());
  opened.tail = std::move(*tail);
  opened.folder->add(named.tail_base, opened.tail);
  auto keyring = read_whole(files, backup + "/" + named.keyring_name());
  if (!keyring && keyring.error().code != ErrorCode::not_found) {
    return fail(std::move(keyring).error());
  }
  if (!keyring || schemas::sha256(*keyring) != named.keyring) {
    return damaged(fmt::format("{}/{} is not the keyring that the manifest names", backup,
                               named.keyring_name()));
  }
  opened.keyring = std::move(*keyring);
  return opened;
}

}  // namespace

Result<OpenedBackup> open_backup(FileSystem& files, const std::string& backup) {
  constexpr int backups_meanwhile_max = 10;
  auto manifest = read_finished(files, backup);
  for (int i = 0; manifest && i < backups_meanwhile_max; ++i) {
    auto opened = open_named(files, backup, *manifest);
    if (opened || opened.error().code != ErrorCode::read_only) return opened;
    auto now = read_finished(files, backup);
    if (!now || *now == *manifest) return opened;
    manifest = std::move(now);
  }
  if (!manifest) return fail(std::move(manifest).error());
  return fail(ErrorCode::in_use,
              fmt::format("backups into {} end faster than they can be opened; try again when none "
                          "is at work",
                          backup));
}

}  // namespace eventstore::journal
