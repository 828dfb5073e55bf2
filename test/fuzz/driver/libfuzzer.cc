// libFuzzer for functions of JavaScript, as an addon: `fuzz(call, counters, entries, used, options)`.
//
// `call` gets each input as a Buffer that it may not keep, and throws if it found something. `counters` is a Uint8Array in which instrumented
// code counts, `entries` says which counters stand at the beginning of a function, and `used` how many there are. `options` are those of
// libFuzzer's command line, after the command that starts this program again. The call returns when libFuzzer has done its work; a finding ends the process.
// jazzer.js does as much, and more; its binaries want a newer C library (glibc 2.38) than Debian 12 has.
#include <node_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
int LLVMFuzzerRunDriver(int* count, char*** options, int (*call)(const uint8_t* bytes, size_t length));
void __sanitizer_cov_8bit_counters_init(uint8_t* begin, uint8_t* end);
void __sanitizer_cov_pcs_init(const uintptr_t* begin, const uintptr_t* end);
}

namespace {

napi_env env;
napi_value function;

void must(napi_status status, const char* what) {
  if (status == napi_ok) return;
  std::fprintf(stderr, "the addon of the fuzzer failed: %s (%d)\n", what, static_cast<int>(status));
  std::abort();
}

void print_thrown() {
  napi_value error;
  must(napi_get_and_clear_last_exception(env, &error), "exception");
  napi_value text;
  bool is_error = false;
  must(napi_is_error(env, error, &is_error), "is_error");
  if (is_error) must(napi_get_named_property(env, error, "stack", &text), "stack");
  else must(napi_coerce_to_string(env, error, &text), "text");
  size_t length = 0;
  must(napi_get_value_string_utf8(env, text, nullptr, 0, &length), "length");
  std::string copy(length, '\0');
  must(napi_get_value_string_utf8(env, text, copy.data(), length + 1, &length), "copy");
  std::fprintf(stderr, "\n%s\n", copy.c_str());
}

int one(const uint8_t* bytes, size_t length) {
  napi_handle_scope scope;
  must(napi_open_handle_scope(env, &scope), "scope");
  napi_value input, receiver, result;
  must(napi_create_buffer_copy(env, length, bytes, nullptr, &input), "input");
  must(napi_get_undefined(env, &receiver), "undefined");
  if (napi_call_function(env, receiver, function, 1, &input, &result) != napi_ok) {
    print_thrown();
    // libFuzzer keeps the input.
    std::abort();
  }
  must(napi_close_handle_scope(env, scope), "scope");
  return 0;
}

std::vector<std::string> texts(napi_value array) {
  uint32_t count = 0;
  must(napi_get_array_length(env, array, &count), "options");
  std::vector<std::string> all;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    size_t length = 0;
    must(napi_get_element(env, array, i, &element), "option");
    must(napi_get_value_string_utf8(env, element, nullptr, 0, &length), "option");
    std::string text(length, '\0');
    must(napi_get_value_string_utf8(env, element, text.data(), length + 1, &length), "option");
    all.push_back(text);
  }
  return all;
}

// libFuzzer counts places in the code by their addresses. These have made-up ones; the second word says that a function begins there.
void tell_counters(napi_value counters, napi_value entries, napi_value used) {
  static std::vector<uintptr_t> places;
  void* memory = nullptr;
  void* is_entry = nullptr;
  size_t length = 0;
  uint32_t count = 0;
  must(napi_get_typedarray_info(env, entries, nullptr, &length, &is_entry, nullptr, nullptr), "entries");
  must(napi_get_typedarray_info(env, counters, nullptr, &length, &memory, nullptr, nullptr), "counters");
  must(napi_get_value_uint32(env, used, &count), "used");
  if (count > length) must(napi_generic_failure, "too few counters");
  for (uint32_t i = 0; i < count; ++i) {
    places.push_back(0x10000 + i);
    places.push_back(static_cast<uint8_t*>(is_entry)[i]);
  }
  auto* first = static_cast<uint8_t*>(memory);
  __sanitizer_cov_8bit_counters_init(first, first + count);
  __sanitizer_cov_pcs_init(places.data(), places.data() + places.size());
}

napi_value fuzz(napi_env given, napi_callback_info info) {
  env = given;
  size_t count = 5;
  napi_value arguments[5];
  must(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr), "arguments");
  function = arguments[0];
  tell_counters(arguments[1], arguments[2], arguments[3]);
  // libFuzzer keeps pointers to them until the process ends.
  static std::vector<std::string> options = texts(arguments[4]);
  static std::vector<char*> pointers;
  for (std::string& option : options) pointers.push_back(option.data());
  int options_count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  char** first = pointers.data();
  LLVMFuzzerRunDriver(&options_count, &first, one);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  (void)exports;
  napi_value exported;
  must(napi_create_function(env, "fuzz", NAPI_AUTO_LENGTH, fuzz, nullptr, &exported), "fuzz");
  return exported;
}
