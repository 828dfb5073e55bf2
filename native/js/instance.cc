#include "instance.h"

#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <uv.h>

#include "watcher.h"

namespace ringbell::js {

namespace {

bool wants_watchdog() {
  const char* set = std::getenv("RINGBELL_WATCHDOG");
  return set != nullptr && *set != '\0' && std::strcmp(set, "0") != 0;
}

void remove_hook(void* data) {
  auto* instance = static_cast<Instance*>(data);
  delete instance->reactor;
  instance->reactor = nullptr;
  napi_remove_async_cleanup_hook(instance->hook);
}

void shut_down(napi_async_cleanup_hook_handle, void* data) {
  auto* instance = static_cast<Instance*>(data);
  while (!instance->watchers.empty()) instance->watchers.begin()->second->close();
  instance->reactor->shut_down(remove_hook, instance);
}

}  // namespace

uint32_t LaneTable::add(Lane* lane) {
  if (free_.empty()) {
    lanes_.push_back(lane);
    return static_cast<uint32_t>(lanes_.size() - 1);
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  lanes_[number] = lane;
  return number;
}

void LaneTable::remove(uint32_t number) {
  lanes_[number] = nullptr;
  free_.push_back(number);
}

Instance::~Instance() {
  if (passed >= 0) ::close(passed);
  for (const int descriptor : descriptors) ::close(descriptor);
}

Reactor& Instance::running() {
  if (reactor != nullptr) return *reactor;
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  reactor = new Reactor(loop, wants_watchdog());
  napi_value name;
  napi_create_string_utf8(env, "ringbell", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &context);
  // Asynchronous, because libuv lets go of handles only in a turn of the loop.
  napi_add_async_cleanup_hook(env, shut_down, this, &hook);
  return *reactor;
}

Instance& instance_of(napi_env env) { return *Napi::Env(env).GetInstanceData<Instance>(); }

void call_back(Instance& instance, napi_ref function, size_t count, napi_value* arguments) {
  const napi_env env = instance.env;
  napi_value callee;
  napi_value receiver;
  if (function == nullptr) return;
  if (napi_get_reference_value(env, function, &callee) != napi_ok || callee == nullptr) return;
  if (napi_get_global(env, &receiver) != napi_ok) return;
  const napi_status status = napi_make_callback(env, instance.context, receiver, callee, count, arguments, nullptr);
  if (status != napi_pending_exception) return;
  napi_value exception;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

}  // namespace ringbell::js
