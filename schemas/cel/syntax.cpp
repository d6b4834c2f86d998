#include "schemas/cel/syntax.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "schemas/cel/lexer.h"
#include "schemas/cel/text.h"
#include "schemas/json.h"

namespace schemas::cel {
namespace {

using Kind = Syntax::Kind;

constexpr std::array<std::string_view, 17> reserved{
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

struct Operator {
  std::string_view symbol;
  std::string_view name;
  int precedence;
};
constexpr std::array<Operator, 13> binary_operators{{
    {"<", "_<_", 1},
    {"<=", "_<=_", 1},
    {">", "_>_", 1},
    {">=", "_>=_", 1},
    {"==", "_==_", 1},
    {"!=", "_!=_", 1},
    {"in", "@in", 1},
    {"+", "_+_", 2},
    {"-", "_-_", 2},
    {"*", "_*_", 3},
    {"/", "_/_", 3},
    {"%", "_%_", 3},
    {"", "", 0},
}};

/// One function per line of the grammar. After the first fault all of them return null.
class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source), lexer_(source) { advance(); }

  Result<SyntaxNode> parse() {
    auto whole = expression();
    if (!fault_ && token_.kind != Token::Kind::end) fault("is not expected here");
    if (fault_) return std::unexpected(std::move(*fault_));
    return whole;
  }

 private:
  /// One level of nesting; its end is the level's.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.level_ > depth_max) parser_.fault("nests too deep");
    }
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  void advance() {
    if (fault_) return;
    auto next = lexer_.next();
    if (next) {
      token_ = std::move(*next);
    } else {
      fault_ = std::move(next).error();
      token_ = {};
    }
  }
  SyntaxNode fault(std::string_view what) {
    if (!fault_) fault_ = fault_at(source_, token_.at, what);
    token_ = {};
    return nullptr;
  }
  bool take(std::string_view symbol) {
    if (!token_.is(symbol)) return false;
    advance();
    return true;
  }
  void expect(std::string_view symbol) {
    if (!take(symbol)) fault(fmt::format("'{}' is expected here", symbol));
  }

  SyntaxNode make(Kind kind, std::size_t at) {
    auto node = std::make_unique<Syntax>();
    node->kind = kind;
    node->at = static_cast<std::uint32_t>(at);
    return node;
  }
  template <typename... Nodes>
  SyntaxNode call(std::string_view name, std::size_t at, Nodes... operands) {
    auto node = make(Kind::call, at);
    node->text = name;
    (node->operands.push_back(std::move(operands)), ...);
    return close(std::move(node));
  }
  /// How deep it is, now that it has its operands.
  SyntaxNode close(SyntaxNode node) {
    for (const auto& operand : node->operands) {
      if (!operand) return nullptr;
      node->depth = std::max(node->depth, operand->depth + 1);
    }
    if (node->depth > depth_max) return fault("is too deep in operators");
    return node;
  }

  SyntaxNode expression() {
    const Level level(*this);
    auto condition = all_of(
        "||", "_||_", [this] { return all_of("&&", "_&&_", [this] { return operations(1); }); });
    const auto at = token_.at;
    if (!take("?")) return condition;
    auto yes = all_of("||", "_||_",
                      [this] { return all_of("&&", "_&&_", [this] { return operations(1); }); });
    expect(":");
    auto no = fault_ ? nullptr : expression();
    return call("_?_:_", at, std::move(condition), std::move(yes), std::move(no));
  }

  /// a || b || c is one call, so that long ones are not deep.
  template <typename Part>
  SyntaxNode all_of(std::string_view symbol, std::string_view name, Part part) {
    auto first = part();
    if (!token_.is(symbol)) return first;
    auto node = make(Kind::call, token_.at);
    node->text = name;
    node->operands.push_back(std::move(first));
    while (take(symbol)) node->operands.push_back(part());
    return close(std::move(node));
  }

  const Operator& infix() const {
    const bool may_be = token_.kind == Token::Kind::symbol || token_.source == "in";
    const auto found = std::ranges::find(binary_operators, token_.source, &Operator::symbol);
    return may_be && found != binary_operators.end() ? *found : binary_operators.back();
  }

  SyntaxNode operations(int precedence) {
    auto left = unary();
    while (!fault_ && infix().precedence >= precedence) {
      const auto& which = infix();
      const auto at = token_.at;
      advance();
      auto right = operations(which.precedence + 1);
      left = call(which.name, at, std::move(left), std::move(right));
    }
    return left;
  }

  SyntaxNode unary() {
    const auto at = token_.at;
    if (token_.is("!")) {
      const Level level(*this);
      advance();
      return call("!_", at, unary());
    }
    if (!take("-")) return member();
    const bool is_number = token_.kind == Token::Kind::integer || token_.kind == Token::Kind::real;
    if (is_number) return members(number(true));
    const Level level(*this);
    return call("-_", at, unary());
  }

  SyntaxNode member() { return members(primary()); }

  SyntaxNode members(SyntaxNode node) {
    while (!fault_) {
      if (take(".")) {
        node = field(std::move(node));
      } else if (take("[")) {
        const auto at = token_.at;
        const bool optional = take("?");
        auto index = make(Kind::index, at);
        index->optional = optional;
        index->operands.push_back(std::move(node));
        index->operands.push_back(expression());
        expect("]");
        node = close(std::move(index));
      } else {
        return node;
      }
    }
    return nullptr;
  }

  SyntaxNode field(SyntaxNode of) {
    const auto at = token_.at;
    const bool optional = take("?");
    const bool quoted = token_.kind == Token::Kind::quoted;
    if (!quoted && token_.kind != Token::Kind::identifier) return fault("a name is expected here");
    if (!quoted && is_word(token_.source)) return fault("is a word of the language");
    auto node = make(Kind::select, at);
    node->text = token_.source;
    node->optional = optional;
    node->operands.push_back(std::move(of));
    advance();
    if (!quoted && !optional && take("(")) {
      node->kind = Kind::call;
      node->has_receiver = true;
      list_until(")", *node);
    }
    return close(std::move(node));
  }

  static bool is_word(std::string_view name) {
    return name == "in" || name == "true" || name == "false" || name == "null";
  }

  void list_until(std::string_view end, Syntax& node) {
    while (!fault_ && !token_.is(end)) {
      if (node.kind == Kind::list) node.optionals.push_back(take("?"));
      node.operands.push_back(expression());
      if (!take(",")) break;
      if (node.kind == Kind::call && token_.is(end)) fault("an argument is missing");
    }
    expect(end);
  }

  SyntaxNode map(std::size_t at) {
    auto node = make(Kind::map, at);
    while (!fault_ && !token_.is("}")) {
      node->optionals.push_back(take("?"));
      node->operands.push_back(expression());
      expect(":");
      node->operands.push_back(fault_ ? nullptr : expression());
      if (!take(",")) break;
    }
    expect("}");
    return close(std::move(node));
  }

  SyntaxNode primary() {
    const auto at = token_.at;
    if (take("(")) {
      auto inner = expression();
      expect(")");
      return inner;
    }
    if (take("[")) {
      auto node = make(Kind::list, at);
      list_until("]", *node);
      return close(std::move(node));
    }
    if (take("{")) return map(at);
    if (take(".")) {
      if (token_.kind != Token::Kind::identifier) return fault("a name is expected here");
      auto node = identifier();
      if (node) node->of_root = true;
      return node;
    }
    switch (token_.kind) {
      case Token::Kind::identifier:
        return identifier();
      case Token::Kind::integer:
      case Token::Kind::unsigned_integer:
      case Token::Kind::real:
        return number(false);
      case Token::Kind::string:
      case Token::Kind::bytes: {
        auto node = make(token_.kind == Token::Kind::string ? Kind::string : Kind::bytes, at);
        node->text = std::move(token_.text);
        advance();
        return node;
      }
      case Token::Kind::end:
        return fault("the expression ends too early");
      default:
        return fault("is not expected here");
    }
  }

  SyntaxNode identifier() {
    const auto name = token_.source;
    const auto at = token_.at;
    if (std::ranges::find(reserved, name) != reserved.end() || name == "in") {
      return fault(fmt::format("'{}' is reserved", name));
    }
    advance();
    if (name == "null") return make(Kind::null, at);
    if (name == "true" || name == "false") {
      auto node = make(Kind::boolean, at);
      node->integer = name == "true" ? 1 : 0;
      return node;
    }
    auto node = make(Kind::identifier, at);
    node->text = name;
    if (!take("(")) return node;
    node->kind = Kind::call;
    list_until(")", *node);
    return close(std::move(node));
  }

  SyntaxNode number(bool negative) {
    const auto at = token_.at;
    auto digits = std::string(token_.source);
    const auto kind = token_.kind;
    const bool hex = kind != Token::Kind::real && digits.size() > 1 && (digits[1] | 0x20) == 'x';
    if (hex) digits.erase(0, 2);
    if (negative) digits.insert(0, 1, '-');
    const auto *begin = digits.data(), *end = begin + digits.size();
    auto node = make(Kind::integer, at);
    std::from_chars_result read{};
    if (kind == Token::Kind::real) {
      node->kind = Kind::real;
      read = std::from_chars(begin, end, node->real);
      // Too large is infinite and too small is zero, as everywhere in CEL.
      if (read.ec == std::errc::result_out_of_range) node->real = std::strtod(begin, nullptr);
      read.ec = {};
    } else if (kind == Token::Kind::unsigned_integer) {
      node->kind = Kind::unsigned_integer;
      std::uint64_t value = 0;
      read = std::from_chars(begin, end, value, hex ? 16 : 10);
      node->integer = static_cast<std::int64_t>(value);
    } else {
      read = std::from_chars(begin, end, node->integer, hex ? 16 : 10);
    }
    if (read.ec != std::errc()) return fault("a number that 64 bits do not hold");
    advance();
    return node;
  }

  std::string_view source_;
  Lexer lexer_;
  Token token_;
  std::optional<Error> fault_;
  std::size_t level_ = 0;
};

}  // namespace

Error fault_at(std::string_view source, std::size_t at, std::string_view what) {
  auto found = source.substr(at, 12);
  found = found.substr(
      0, static_cast<std::size_t>(
             std::ranges::find_if(found, [](char c) { return (c & 0x80) != 0; }) - found.begin()));
  return {ErrorCode::invalid_request,
          fmt::format("character {}{}: {}", count_characters(source.substr(0, at)) + 1,
                      found.empty() ? "" : fmt::format(" ('{}')", found), what),
          {},
          {}};
}

Result<SyntaxNode> parse(std::string_view source) {
  if (source.size() > source_max) {
    return fail(ErrorCode::invalid_request,
                fmt::format("has {} bytes, of which {} are allowed", source.size(), source_max));
  }
  if (!json::valid_utf8(source)) return fail(ErrorCode::invalid_request, "is no valid UTF-8");
  return Parser(source).parse();
}

}  // namespace schemas::cel
