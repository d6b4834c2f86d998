#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/result.h"

namespace schemas::cel {

struct Token {
  enum class Kind : std::uint8_t {
    end,
    identifier,
    quoted,  // `between back quotes`, where a field is named
    integer,
    unsigned_integer,
    real,
    string,
    bytes,
    symbol,  // an operator or bracket
  };

  Kind kind = Kind::end;
  std::string_view source;  // as written; digits of a number without its u
  std::string text;         // of a string or bytes: what it stands for
  std::size_t at = 0;

  bool is(std::string_view symbol) const { return kind == Kind::symbol && source == symbol; }
};

/// Cuts a source, which is valid UTF-8, into tokens. White space and // comments go.
class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  Result<Token> next();

 private:
  void skip_blanks();
  Token token(Token::Kind kind, std::size_t size);
  Token number();
  Result<Token> quoted_name();
  Result<Token> text(bool raw, bool bytes, std::size_t prefix);
  /// Appends what one escape stands for; at_ is behind its backslash.
  Result<void> escape(std::string& out, bool bytes);
  std::unexpected<Error> fault(std::string_view what) const;

  std::string_view source_;
  std::size_t at_ = 0;
};

}  // namespace schemas::cel
