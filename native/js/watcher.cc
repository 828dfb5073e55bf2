#include "watcher.h"

#include <utility>
#include <uv.h>

#include "exports.h"
#include "instance.h"
#include "values.h"

namespace ringbell::js {

int Watcher::open(Instance& instance, int descriptor, Napi::Function callback, std::shared_ptr<Watcher>& watcher) {
  watcher = std::make_shared<Watcher>(instance);
  watcher->poll_ = new uv_poll_t;
  if (const int error = uv_poll_init(instance.running().loop(), watcher->poll_, descriptor); error != 0) {
    delete std::exchange(watcher->poll_, nullptr);
    return error;
  }
  watcher->poll_->data = watcher.get();
  napi_create_reference(instance.env, callback, 1, &watcher->callback_);
  instance.watchers.emplace(watcher.get(), watcher);
  return 0;
}

void Watcher::set(int events) {
  if (poll_ == nullptr) return;
  if (events == 0) {
    uv_poll_stop(poll_);
    return;
  }
  events_ = events;
  uv_poll_start(poll_, events, [](uv_poll_t* handle, int status, int found) {
    auto* watcher = static_cast<Watcher*>(handle->data);
    if (watcher != nullptr) watcher->heard(status, found);
  });
}

void Watcher::heard(int status, int events) {
  // libuv stops the handle when the socket has an error. Bytes may stand before the error, which is read after them.
  if (status < 0) set(events_);
  // The reader finds out what an error or a hang-up is.
  const bool failed = status < 0 || (events & UV_DISCONNECT) != 0;
  tell(failed || (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

void Watcher::set_ref(bool ref) {
  if (poll_ == nullptr) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(poll_);
  ref ? uv_ref(handle) : uv_unref(handle);
}

void Watcher::close() {
  if (poll_ == nullptr) return;
  poll_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  poll_ = nullptr;
  napi_delete_reference(instance_.env, callback_);
  instance_.watchers.erase(this);
}

void Watcher::tell(bool readable, bool writable) {
  // The callback may close the watcher: nothing of `this` is used after the call.
  Instance& instance = instance_;
  napi_handle_scope scope;
  if (napi_open_handle_scope(instance.env, &scope) != napi_ok) return;
  napi_value arguments[2];
  napi_get_boolean(instance.env, readable, &arguments[0]);
  napi_get_boolean(instance.env, writable, &arguments[1]);
  call_back(instance, callback_, 2, arguments);
  napi_close_handle_scope(instance.env, scope);
}

namespace {

bool is_true(napi_env env, napi_value value) {
  bool result = false;
  return napi_get_value_bool(env, value, &result) == napi_ok && result;
}

napi_value watcher_set(napi_env env, napi_callback_info info) {
  const CallOnHandle<Watcher, 2> call(env, info);
  if (call.value() == nullptr) return nullptr;
  const auto& [readable, writable] = call.arguments;
  call.value()->set((is_true(env, readable) ? UV_READABLE | UV_DISCONNECT : 0) |
                         (is_true(env, writable) ? UV_WRITABLE : 0));
  return nullptr;
}

template <bool Ref>
napi_value watcher_ref(napi_env env, napi_callback_info info) {
  if (Watcher* watcher = CallOnHandle<Watcher>(env, info).value(); watcher != nullptr) watcher->set_ref(Ref);
  return nullptr;
}

napi_value watcher_close(napi_env env, napi_callback_info info) {
  if (Watcher* watcher = CallOnHandle<Watcher>(env, info).value(); watcher != nullptr) watcher->close();
  return nullptr;
}

constexpr Method kWatcherMethods[] = {
    {"set", watcher_set},
    {"ref", watcher_ref<true>},
    {"unref", watcher_ref<false>},
    {"close", watcher_close},
};

napi_value watch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto* holder = new Holder<Watcher>;
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  const int error = Watcher::open(instance_of(env), int_at(info, 0), info[1].As<Napi::Function>(), holder->value);
  if (error != 0) return throw_error(env, -error, "uv_poll_init");
  return make_of_kind(env, instance_of(env).watchers_kind, "Watcher", kWatcherMethods, external);
}

}  // namespace

void export_watchers(Napi::Object exports) { export_function(exports, "watch", watch); }

}  // namespace ringbell::js
