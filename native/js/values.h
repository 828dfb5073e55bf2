// Values that go to JavaScript and come from it, and objects with methods, for all files of native/js/.
//
// Terminated workers: from one moment to the next, every call that could run JavaScript fails there. A function of native/js/
// whose call fails leaves undefined, or does nothing, and returns; then the worker ends. node-addon-api would end the process
// instead. It is used for its frame only: arguments, promises, the data of the environment; without C++ exceptions.
#pragma once

#include <memory>
#include <napi.h>
#include <span>
#include <string>

namespace ringbell::js {

// ---- to JavaScript

// Does nothing where one of them could not be made.
void set(napi_env env, napi_value object, const char* name, napi_value value);
napi_value number(napi_env env, double value);
napi_value boolean(napi_env env, bool value);
napi_value text(napi_env env, const std::string& value);
napi_value make_object(napi_env env);
// Throws an Error with `code`, `errno`, `syscall` and, unless it is empty, `path`. `error`: an errno. Returns null.
napi_value throw_error(napi_env env, int error, const char* syscall, const std::string& path = "");

// A function of JavaScript. Where it returns null, JavaScript gets undefined.
using Function = napi_value (*)(const Napi::CallbackInfo&);
void export_function(Napi::Object exports, const char* name, Function function);

// ---- arguments

// An argument of another type counts as 0, false, "" or no bytes.
double double_at(const Napi::CallbackInfo& info, size_t index);
int int_at(const Napi::CallbackInfo& info, size_t index);
bool bool_at(const Napi::CallbackInfo& info, size_t index);
std::string string_at(const Napi::CallbackInfo& info, size_t index);
std::span<std::byte> bytes_at(const Napi::CallbackInfo& info, size_t index);

// ---- objects with methods

// The data of a method, and up to `Count` arguments; an argument that was not given is undefined.
template <typename T, size_t Count = 0>
struct Call {
  Call(napi_env env, napi_callback_info info) {
    size_t count = Count;
    (void)napi_get_cb_info(env, info, &count, Count > 0 ? arguments : nullptr, &self, &data_);
  }
  // (A template, so that a call without data is one, too.)
  template <typename U = T>
  U& data() const { return *static_cast<U*>(data_); }

  napi_value arguments[Count > 0 ? Count : 1] = {};
  napi_value self = nullptr;

 private:
  void* data_ = nullptr;
};

// A C++ object that methods of a JavaScript object act on. The latter owns the holder.
template <typename T>
struct Holder {
  using Base = Holder;
  std::shared_ptr<T> value;
};

// Hands the holder, or what is derived from one, to JavaScript, which deletes it with the last reference. On failure the holder is
// deleted, and null returned.
template <typename H>
napi_value make_external(napi_env env, H* holder) {
  using Base = typename H::Base;
  napi_value external = nullptr;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<H*>(static_cast<Base*>(data)); };
  if (napi_create_external(env, static_cast<Base*>(holder), finalize, nullptr, &external) == napi_ok) return external;
  delete holder;
  return nullptr;
}

// The holder of an object that carries it as `handle`; null if the object carries none.
template <typename T>
Holder<T>* held_by(napi_env env, napi_value object) {
  napi_value handle = nullptr;
  void* data = nullptr;
  if (napi_get_named_property(env, object, "handle", &handle) != napi_ok) return nullptr;
  if (napi_get_value_external(env, handle, &data) != napi_ok) return nullptr;
  return static_cast<Holder<T>*>(data);
}

// Gives the object a method that finds `data`, and that keeps `owner` alive: a native function has no other tie to its data.
void set_method(napi_env env, napi_value object, const char* name, napi_callback callback, void* data, napi_value owner);

// A function takes V8 some 700 bytes. So objects of which there are many, and which live long, share their methods by a prototype.
struct Method {
  const char* name;
  napi_callback callback;
};
// An object that has the methods and carries `handle`. `kind` keeps the class of such objects, and is null before the first one.
napi_value make_of_kind(napi_env env, napi_ref& kind, const char* name, std::span<const Method> methods, napi_value handle);

// The holder that the object of the call carries as `handle`, and up to `Count` arguments, for methods on a prototype.
template <typename T, size_t Count = 0>
struct CallOnHandle : Call<void, Count> {
  CallOnHandle(napi_env env, napi_callback_info info) : Call<void, Count>(env, info), holder(held_by<T>(env, this->self)) {}
  // Null where the function was called on another object, and after the end of the value.
  T* value() const { return holder == nullptr ? nullptr : holder->value.get(); }
  Holder<T>* holder;
};

// The numbers of a Float64Array; none if the value is something else.
std::span<double> doubles_of(napi_env env, napi_value value);

}  // namespace ringbell::js
