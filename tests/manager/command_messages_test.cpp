// Goal: what decides on an answer, and the answer, come out of a message between processes as they
// went in; foreign bytes are refused or read, never trusted. Method: members are visited by
// reflection (Boost.PFR), so that a member nobody thought of is filled and compared too.
#include "manager/command_messages.h"

#include <random>

#include <boost/pfr.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace manager {
namespace {

using schemas::ErrorCode;

template <typename T>
constexpr bool is_optional = false;
template <typename T>
constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
constexpr bool is_sequence_of = false;
template <typename T>
constexpr bool is_sequence_of<std::vector<T>> = true;
template <typename T>
constexpr bool is_id = false;
template <typename T>
constexpr bool is_id<schemas::Id<T>> = true;

/// References to all members. Those that cannot be made without a value are bound by hand: counting
/// their members takes the library half a minute, and one that is missing here does not compile.
template <typename T>
auto members(T& value) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, CommandContext>) {
    auto& [organization, space, actor, rights, correlation, traceparent, idempotency, if_match,
           sequence, replay, hops, causation] = value;
    return std::tie(organization, space, actor, rights, correlation, traceparent, idempotency,
                    if_match, sequence, replay, hops, causation);
  } else if constexpr (std::is_same_v<Plain, WrittenEvent>) {
    auto& [id, kind, entity, version] = value;
    return std::tie(id, kind, entity, version);
  } else {
    return boost::pfr::structure_tie(value);
  }
}

/// Fills values with what the seed says: nothing is left as it was by chance, and everything that
/// may be absent is so every third time.
class Filler {
 public:
  explicit Filler(unsigned seed) : random_(seed) {}

  template <typename T>
  void fill(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = random_() % 2 == 0;
    } else if constexpr (std::is_same_v<T, Space>) {
      value = Space{random_() % 2 == 0};
    } else if constexpr (std::is_same_v<T, schemas::ActorKind>) {
      value = schemas::ActorKind{random_() % 2 == 0};
    } else if constexpr (std::is_same_v<T, Expected::Case>) {
      value = static_cast<Expected::Case>(random_() % 6);
    } else if constexpr (std::is_same_v<T, schemas::Role>) {
      value = static_cast<schemas::Role>(random_() % 4);
    } else if constexpr (std::is_same_v<T, schemas::Per>) {
      value = static_cast<schemas::Per>(random_() % 2);
    } else if constexpr (std::is_same_v<T, schemas::Health>) {
      value = static_cast<schemas::Health>(random_() % 4);
    } else if constexpr (std::is_same_v<T, Reported>) {
      value = static_cast<Reported>(random_() % 3);
    } else if constexpr (std::is_same_v<T, schemas::DeliveryState>) {
      value = static_cast<schemas::DeliveryState>(random_() % 5);
    } else if constexpr (std::is_same_v<T, schemas::FieldError::In>) {
      value = static_cast<schemas::FieldError::In>(random_() % 3);
    } else if constexpr (std::is_same_v<T, ErrorCode>) {
      value = static_cast<ErrorCode>(random_() % 40);
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      value = static_cast<T>(random_());
    } else if constexpr (std::is_same_v<T, Time>) {
      value = Time(std::chrono::milliseconds(random_() % 4'000'000'000'000));
    } else if constexpr (std::is_same_v<T, std::chrono::seconds>) {
      value = std::chrono::seconds(random_() % 1'000'000);
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
      value = std::chrono::milliseconds(random_() % 1'000'000);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value.resize(random_() % 20);
      for (auto& character : value) character = static_cast<char>(random_());
    } else if constexpr (std::is_same_v<T, std::shared_ptr<Sequence>>) {
      value = nullptr;  // its place in a message is a number
    } else if constexpr (std::is_same_v<T, std::shared_ptr<const projections::Access>>) {
      if (absent()) return;
      projections::Access access;
      fill(access);
      value = std::make_shared<const projections::Access>(std::move(access));
    } else if constexpr (is_id<T>) {
      Uuid uuid;
      fill(uuid);
      value = T(uuid);
    } else {
      fill_many(value);
    }
  }

 private:
  template <typename T>
  void fill_many(T& value) {
    if constexpr (is_optional<T>) {
      if (absent()) return value.reset();
      if constexpr (is_id<typename T::value_type>) {
        fill(value.emplace(Uuid{}));
      } else {
        fill(value.emplace());
      }
    } else if constexpr (is_sequence_of<T>) {
      value.clear();
      for (auto count = random_() % 4; count > 0; --count) {
        if constexpr (std::is_same_v<T, std::vector<WrittenEvent>>) {
          value.push_back({.id = schemas::EventId(Uuid{})});
        } else {
          value.emplace_back();
        }
        fill(value.back());
      }
    } else if constexpr (requires { value.first; }) {
      fill(value.first);
      fill(value.second);
    } else if constexpr (requires { std::tuple_size<T>::value; }) {
      for (auto& item : value) fill(item);
    } else {
      std::apply([this](auto&... member) { (this->fill(member), ...); }, members(value));
    }
  }
  bool absent() { return random_() % 3 == 0; }

  std::mt19937_64 random_;
};

/// Equality of whatever has members, however deep.
template <typename T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, std::shared_ptr<const projections::Access>>) {
    return (a == nullptr) == (b == nullptr) && (a == nullptr || same(*a, *b));
  } else if constexpr (is_optional<T>) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
  } else if constexpr (is_sequence_of<T>) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same(x, y); });
  } else if constexpr (requires { a == b; }) {
    return a == b;
  } else {
    bool all = true;
    const auto left = members(a);
    const auto right = members(b);
    [&]<std::size_t... at>(std::index_sequence<at...>) {
      ((all = all && same(std::get<at>(left), std::get<at>(right))), ...);
    }(std::make_index_sequence<std::tuple_size_v<decltype(left)>>());
    return all;
  }
}
bool same(const Command& a, const Command& b) {
  return a.index() == b.index() &&
         std::visit(
             [&b](const auto& left) {
               return same(left, std::get<std::decay_t<decltype(left)>>(b));
             },
             a);
}

template <std::size_t at = 0>
Command command_of(std::size_t index, Filler& filler) {
  if constexpr (at < std::variant_size_v<Command>) {
    if (index > at) return command_of<at + 1>(index, filler);
    std::variant_alternative_t<at, Command> command;
    filler.fill(command);
    return command;
  } else {
    return {};
  }
}

CommandContext context_of(Filler& filler) {
  CommandContext context{.organization = schemas::platform_organization};
  filler.fill(context);
  return context;
}

Submission submission_of(unsigned seed) {
  Filler filler(seed);
  Submission submission{.call = seed,
                        .sequence = {},
                        .left = {},
                        .context = context_of(filler),
                        .command = command_of(seed % std::variant_size_v<Command>, filler),
                        .seen = {}};
  filler.fill(submission.sequence);
  filler.fill(submission.left);
  filler.fill(submission.seen);
  return submission;
}

Answered answered_of(unsigned seed) {
  Filler filler(seed);
  if (seed % 2 == 0) {
    schemas::Error error{};
    filler.fill(error);
    return {seed, schemas::fail(std::move(error))};
  }
  Outcome outcome;
  filler.fill(outcome);
  return {seed, std::move(outcome)};
}

constexpr unsigned rounds = 20 * std::variant_size_v<Command>;

TEST(CommandMessages, EveryCommandComesOutAsItWentIn) {
  Questions questions;
  for (unsigned seed = 0; seed < rounds; ++seed) {
    questions.submissions.push_back(submission_of(seed));
  }
  questions.over = {1, 77, 0xffff'ffff'ffff'ffff};
  const auto back = decode_questions(encode(questions));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->over, questions.over);
  ASSERT_EQ(back->submissions.size(), rounds);
  for (unsigned seed = 0; seed < rounds; ++seed) {
    const auto& sent = questions.submissions[seed];
    const auto& got = back->submissions[seed];
    EXPECT_EQ(got.call, sent.call);
    EXPECT_EQ(got.sequence, sent.sequence);
    EXPECT_EQ(got.left, sent.left);
    EXPECT_TRUE(same(got.context, sent.context)) << seed;
    ASSERT_TRUE(got.command);
    EXPECT_TRUE(same(*got.command, *sent.command)) << seed << ": a " << sent.command->index();
    EXPECT_TRUE(same(got.seen, sent.seen));
  }
}

TEST(CommandMessages, EveryAnswerComesOutAsItWentIn) {
  Answers answers{.taken = 7};
  for (unsigned seed = 0; seed < rounds; ++seed) answers.answers.push_back(answered_of(seed));
  const auto back = decode_answers(encode(answers));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->taken, 7);
  EXPECT_FALSE(decode_answers(encode(Answers{}))->taken);
  ASSERT_EQ(back->answers.size(), rounds);
  for (unsigned seed = 0; seed < rounds; ++seed) {
    const auto& sent = answers.answers[seed];
    const auto& got = back->answers[seed];
    EXPECT_EQ(got.call, sent.call);
    ASSERT_EQ(got.result.has_value(), sent.result.has_value());
    if (sent.result) {
      EXPECT_TRUE(same(*got.result, *sent.result)) << seed;
    } else {
      EXPECT_TRUE(same(got.result.error(), sent.result.error())) << seed;
    }
  }
}

/// Whoever adds a code adds it at the end: processes of two versions talk to each other.
TEST(CommandMessages, CodesKeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(ErrorCode::malformed_json), 0);
  EXPECT_EQ(static_cast<int>(ErrorCode::precondition_failed), 23);
  EXPECT_EQ(static_cast<int>(ErrorCode::outcome_unknown), 35);
  EXPECT_EQ(static_cast<int>(ErrorCode::disk_full), 37);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_owner), 38);
}

TEST(CommandMessages, ACodeOfANewerVersionIsAnUnknownOutcome) {
  const Answers answers{{{1, schemas::fail(static_cast<ErrorCode>(200), "of tomorrow")}}, {}};
  const auto back = decode_answers(encode(answers));
  ASSERT_TRUE(back);
  const auto& error = back->answers.front().result.error();
  EXPECT_EQ(error.code, ErrorCode::outcome_unknown);
  EXPECT_EQ(error.detail, "of tomorrow");
}

TEST(CommandMessages, NumbersThatNameNothingAreRefused) {
  const auto refused = [](auto change) {
    Questions questions{{submission_of(0)}, {}};
    questions.submissions[0].command = AppendEvents{.conditions = {{}}};
    change(questions.submissions[0]);
    return !decode_questions(encode(questions));
  };
  EXPECT_FALSE(refused([](Submission&) {}));
  EXPECT_TRUE(refused([](Submission& s) { s.context.space = Space{2}; }));
  EXPECT_TRUE(refused([](Submission& s) { s.context.actor.kind = schemas::ActorKind{2}; }));
  EXPECT_TRUE(refused([](Submission& s) {
    std::get<AppendEvents>(*s.command).conditions[0].expected.is = static_cast<Expected::Case>(6);
  }));
  EXPECT_TRUE(refused([](Submission& s) {
    s.context.rights =
        std::make_shared<projections::Access>(projections::Access{.space = Space{9}});
  }));
}

/// gRPC puts messages anywhere.
TEST(CommandMessages, BytesMayStandAnywhere) {
  const Questions questions{{submission_of(3)}, {}};
  for (std::size_t at = 0; at < 8; ++at) {
    auto bytes = encode(questions);
    bytes.insert(bytes.begin(), at, 0);
    const auto back = decode_questions(std::span(bytes).subspan(at));
    ASSERT_TRUE(back);
    EXPECT_TRUE(same(*back->submissions[0].command, *questions.submissions[0].command));
  }
}

TEST(CommandMessages, NumbersAreReadWhereTheyMayStandOnly) {
  Questions questions;
  questions.over = {1, 1, 1};  // four bytes further the same bytes are a vector too: of 1 << 32
  const auto whole = encode(questions);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto bytes = whole;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto read = decode_questions(bytes);
    if (read) EXPECT_THAT(read->over, testing::Not(testing::Contains(std::uint64_t{1} << 32)));
  }
}

/// Runs under the address sanitizer too: no byte outside is read, whatever the bytes say.
TEST(CommandMessages, DamagedBytesAreRefusedOrRead) {
  std::mt19937 random(5);
  Questions questions;
  Answers answers{.taken = 7};
  for (unsigned seed = 0; seed < 2 * std::variant_size_v<Command>; ++seed) {
    questions.submissions.push_back(submission_of(seed));
    answers.answers.push_back(answered_of(seed));
  }
  std::size_t refused = 0;
  for (const auto& whole : {encode(questions), encode(answers)}) {
    for (int round = 0; round < 3000; ++round) {
      auto bytes = whole;
      for (auto flips = 1 + random() % 4; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
      }
      if (round % 4 == 0) bytes.resize(random() % bytes.size());
      const std::vector<std::uint8_t> exact(bytes);  // nothing readable behind it
      if (!decode_questions(exact)) ++refused;
      if (!decode_answers(exact)) ++refused;
    }
  }
  EXPECT_GT(refused, 6000);
  EXPECT_FALSE(decode_questions({}));
  EXPECT_FALSE(decode_answers({}));
}

}  // namespace
}  // namespace manager
