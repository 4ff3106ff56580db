#include "jit/package/manifest.h"

#include "codegen/hash.h"
#include "jit/package/json_reader.h"
#include "jit/package/json_writer.h"

namespace kiln::jit::package {

std::string write_manifest(const std::vector<Listed>& members) {
  JsonWriter json;
  json.open('{');
  json.key("format");
  json.integer(kFormat);
  json.key("kiln");
  json.text(KILN_VERSION);
  json.key("members");
  json.open('[');
  for (const Listed& m : members) {
    json.line();
    json.open('{');
    json.key("name");
    json.text(m.name);
    json.key("size");
    json.integer(static_cast<int64_t>(m.size));
    json.key("xxh3_128");
    json.text(m.hash);
    json.close('}');
  }
  json.close(']');
  json.close('}');
  return json.str() + "\n";
}

namespace {

// Only what all formats have in common has been read when the format is looked at.
std::vector<Listed> read_manifest(std::string_view text) {
  Budget budget(text.size() + 4096);
  JsonReader json(text, budget);
  json.open('{');
  json.key("format");
  const int64_t format = json.integer();
  json.key("kiln");
  const std::string writer = json.text();
  if (format > kFormat)
    fail(ErrorCode::value, "the file has format " + std::to_string(format) + " and was written by Kiln " + writer + "; this is Kiln " +
                               KILN_VERSION + ", which reads format " + std::to_string(kFormat) + ". Load it with Kiln " + writer +
                               " or newer");
  if (format < 1) json.bad("format " + std::to_string(format) + " does not exist");
  json.key("members");
  std::vector<Listed> members;
  json.list(members, [&](Listed& m) {
    json.open('{');
    json.key("name");
    m.name = json.text();
    json.key("size");
    m.size = static_cast<uint64_t>(json.integer());
    json.key("xxh3_128");
    m.hash = json.text();
    json.close('}');
  });
  json.close('}');
  json.end();
  return members;
}

[[noreturn]] void corrupt(const std::string& what) { fail(ErrorCode::io, what); }

}  // namespace

void check_manifest(Bytes file, const ZipLayout& zip) {
  const std::vector<Member>& members = zip.members();
  if (members[0].name != kManifest) corrupt("its first member is " + members[0].name + ", not " + kManifest + ": this is not a .kiln file");
  const Bytes manifest = member_bytes(file, zip, 0);
  if (crc32(manifest) != members[0].crc) corrupt(std::string(kManifest) + " is corrupt: its CRC-32 is not the archive's");
  std::vector<Listed> listed;
  try {
    listed = read_manifest(as_text(manifest));
  } catch (const Error& e) { fail(e.code(), std::string(kManifest) + ": " + e.what()); }
  if (listed.size() + 1 != members.size())
    corrupt(std::string(kManifest) + " lists " + std::to_string(listed.size()) + " members, there are " +
            std::to_string(members.size() - 1));
  for (size_t i = 0; i < listed.size(); ++i) {
    const Listed& l = listed[i];
    const Member& m = members[i + 1];
    if (l.name != m.name) corrupt(std::string(kManifest) + " lists " + l.name + " where " + m.name + " stands");
    if (l.size != m.size)
      corrupt(m.name + " is " + std::to_string(m.size) + " bytes long; " + kManifest + " says " + std::to_string(l.size));
    if (const std::string found = codegen::hash_of(member_bytes(file, zip, i + 1)); found != l.hash)
      corrupt(m.name + " is corrupt: the hash of its bytes is " + found + ", " + kManifest + " says " + l.hash);
  }
}

}  // namespace kiln::jit::package
