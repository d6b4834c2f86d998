#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.h"

/// An expression as it is written (langdef.md "Syntax"), before anybody asked what names mean.
namespace schemas::cel {

/// How deep a written expression may nest; langdef.md asks for 12 to 32 of each kind.
inline constexpr std::size_t depth_max = 100;
/// Bytes of a written expression.
inline constexpr std::size_t source_max = std::size_t{64} << 10;

struct Syntax;
using SyntaxNode = std::unique_ptr<Syntax>;

struct Syntax {
  enum class Kind : std::uint8_t {
    null,
    boolean,  // integer: 0 or 1
    integer,
    unsigned_integer,  // integer's bits
    real,
    string,  // text
    bytes,
    identifier,  // text
    select,      // operands[0] . text
    index,       // operands[0] [ operands[1] ]
    call,        // text ( operands ), or with a receiver operands[0] . text ( the rest )
    list,
    map,  // keys and values in turns
  };

  Kind kind = Kind::null;
  bool has_receiver = false;  // of a call
  bool optional = false;      // of select and index: .? and [?
  bool of_root = false;       // of an identifier: .name, which is no local
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<SyntaxNode> operands;
  std::vector<bool> optionals;  // of a list's elements and a map's entries: with a ? before them
  std::size_t depth = 1;
  std::uint32_t at = 0;  // the byte where it begins
};

/// Operators are calls of "_+_", "-_", "!_", "_&&_", "_?_:_", "@in" and so on, as cel-spec names
/// them. An error is invalid_request, its detail says what is wrong and at which character.
Result<SyntaxNode> parse(std::string_view source);

/// "character 12: " and what is wrong there.
Error fault_at(std::string_view source, std::size_t at, std::string_view what);

}  // namespace schemas::cel
