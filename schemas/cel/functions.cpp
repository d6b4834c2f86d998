#include "schemas/cel/functions.h"

#include <array>
#include <map>
#include <utility>

namespace schemas::cel {

const Function* find_function(std::string_view name, bool has_receiver) {
  using Key = std::pair<std::string_view, bool>;
  static const auto all = [] {
    std::map<Key, const Function*> all;
    for (const auto part : {operators(), conversions(), string_functions(), format_functions(),
                            math_functions(), time_functions(), optional_functions()}) {
      for (const auto& function : part)
        all.emplace(Key(function.name, function.has_receiver), &function);
    }
    return all;
  }();
  const auto found = all.find(Key(name, has_receiver));
  return found != all.end() ? found->second : nullptr;
}

}  // namespace schemas::cel
