#include "values.h"

#include <uv.h>
#include <vector>

namespace ringbell::js {

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  if (object != nullptr && value != nullptr) (void)napi_set_named_property(env, object, name, value);
}

napi_value number(napi_env env, double value) {
  napi_value made = nullptr;
  (void)napi_create_double(env, value, &made);
  return made;
}

napi_value boolean(napi_env env, bool value) {
  napi_value made = nullptr;
  (void)napi_get_boolean(env, value, &made);
  return made;
}

napi_value text(napi_env env, const std::string& value) {
  napi_value made = nullptr;
  (void)napi_create_string_utf8(env, value.data(), value.size(), &made);
  return made;
}

napi_value make_object(napi_env env) {
  napi_value made = nullptr;
  (void)napi_create_object(env, &made);
  return made;
}

napi_value throw_error(napi_env env, int error, const char* syscall, const std::string& path) {
  const char* code = uv_err_name(-error);
  std::string message = std::string(code) + ": " + uv_strerror(-error) + ", " + syscall;
  if (!path.empty()) message += " '" + path + "'";
  napi_value thrown = nullptr;
  if (napi_create_error(env, nullptr, text(env, message), &thrown) != napi_ok) return nullptr;
  set(env, thrown, "code", text(env, code));
  set(env, thrown, "errno", number(env, -error));
  set(env, thrown, "syscall", text(env, syscall));
  if (!path.empty()) set(env, thrown, "path", text(env, path));
  (void)napi_throw(env, thrown);
  return nullptr;
}

namespace {

// One trampoline for all functions: `data` is the function to call.
napi_value enter(napi_env env, napi_callback_info info) {
  const Napi::CallbackInfo arguments(env, info);
  return reinterpret_cast<Function>(arguments.Data())(arguments);
}

}  // namespace

void export_function(Napi::Object exports, const char* name, Function function) {
  const napi_env env = exports.Env();
  napi_value made = nullptr;
  (void)napi_create_function(env, name, NAPI_AUTO_LENGTH, enter, reinterpret_cast<void*>(function), &made);
  set(env, exports, name, made);
}

double double_at(const Napi::CallbackInfo& info, size_t index) {
  double value = 0;
  (void)napi_get_value_double(info.Env(), info[index], &value);
  return value;
}

int int_at(const Napi::CallbackInfo& info, size_t index) {
  int32_t value = 0;
  (void)napi_get_value_int32(info.Env(), info[index], &value);
  return value;
}

bool bool_at(const Napi::CallbackInfo& info, size_t index) {
  bool value = false;
  (void)napi_get_value_bool(info.Env(), info[index], &value);
  return value;
}

std::string string_at(const Napi::CallbackInfo& info, size_t index) {
  size_t length = 0;
  if (napi_get_value_string_utf8(info.Env(), info[index], nullptr, 0, &length) != napi_ok) return "";
  std::string value(length, '\0');
  (void)napi_get_value_string_utf8(info.Env(), info[index], value.data(), length + 1, &length);
  return value;
}

std::span<std::byte> bytes_at(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray()) return {};
  auto array = info[index].As<Napi::Uint8Array>();
  return {reinterpret_cast<std::byte*>(array.Data()), array.ByteLength()};
}

void set_method(napi_env env, napi_value object, const char* name, napi_callback callback, void* data, napi_value owner) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) != napi_ok) return;
  napi_property_descriptor property{};
  property.utf8name = "owner";
  property.value = owner;
  if (napi_define_properties(env, function, 1, &property) == napi_ok) set(env, object, name, function);
}

napi_value make_of_kind(napi_env env, napi_ref& kind, const char* name, std::span<const Method> methods, napi_value handle) {
  napi_value constructor = nullptr;
  if (kind == nullptr) {
    std::vector<napi_property_descriptor> properties;
    for (const Method& method : methods) {
      properties.push_back({method.name, nullptr, method.callback, nullptr, nullptr, nullptr, napi_default_method, nullptr});
    }
    const auto construct = [](napi_env environment, napi_callback_info info) { return Call<void>(environment, info).self; };
    if (napi_define_class(env, name, NAPI_AUTO_LENGTH, construct, nullptr, properties.size(), properties.data(),
                          &constructor) != napi_ok) {
      return nullptr;
    }
    (void)napi_create_reference(env, constructor, 1, &kind);
  } else {
    (void)napi_get_reference_value(env, kind, &constructor);
  }
  napi_value object = nullptr;
  if (constructor == nullptr || napi_new_instance(env, constructor, 0, nullptr, &object) != napi_ok) return nullptr;
  set(env, object, "handle", handle);
  return object;
}

std::span<double> doubles_of(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* doubles = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &doubles, nullptr, nullptr) != napi_ok) return {};
  return type == napi_float64_array ? std::span<double>(static_cast<double*>(doubles), length) : std::span<double>();
}

}  // namespace ringbell::js
