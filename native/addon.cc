// The addon: the only file that knows JavaScript. lib/native/binding.ts is its other half.
//
// What is called for every message or batch is plain C Node-API without arguments: the numbers travel through the lane's
// ControlWords. The rest uses node-addon-api for its frame (functions, promises, the environment's data), without C++ exceptions.

#include <napi.h>
#include <uv.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "connection.h"
#include "long_memory.h"
#include "reactor.h"
#include "segment.h"
#include "socket.h"

namespace {

using namespace ringbell;

class Watcher;

// What belongs to one environment: the main thread, or a worker.
struct Instance {
  explicit Instance(napi_env env);
  napi_env env;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  Reactor* reactor = nullptr;
  std::unordered_map<Watcher*, std::shared_ptr<Watcher>> watchers;  // the open ones
  int passed = -1;
  // Descriptors that JavaScript holds as numbers. A worker may be terminated at any time; they must not outlive it.
  std::unordered_set<int> descriptors;

  ~Instance();
  int own(int descriptor) {
    descriptors.insert(descriptor);
    return descriptor;
  }
  void disown(int descriptor) { descriptors.erase(descriptor); }

  // The reactor starts with the first connection, so that an environment that never connects is left alone.
  Reactor& running();
};

Instance& instance_of(napi_env env) { return *Napi::Env(env).GetInstanceData<Instance>(); }

// ---- values
//
// In a worker that is being terminated, everything that could run JavaScript fails, from one moment to the next. What fails here
// leaves undefined, or does nothing; the worker ends when it returns. node-addon-api would end the process.

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  if (object != nullptr && value != nullptr) (void)napi_set_named_property(env, object, name, value);
}

napi_value number(napi_env env, double value) {
  napi_value made = nullptr;
  (void)napi_create_double(env, value, &made);
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

// Throws, and returns undefined.
Napi::Value throw_error(Napi::Env env, int error, const char* syscall, const std::string& path = "") {
  const char* code = uv_err_name(-error);
  std::string message = std::string(code) + ": " + uv_strerror(-error) + ", " + syscall;
  if (!path.empty()) message += " '" + path + "'";
  napi_value thrown = nullptr;
  if (napi_create_error(env, nullptr, text(env, message), &thrown) != napi_ok) return {env, nullptr};
  set(env, thrown, "code", text(env, code));
  set(env, thrown, "errno", number(env, -error));
  set(env, thrown, "syscall", text(env, syscall));
  if (!path.empty()) set(env, thrown, "path", text(env, path));
  (void)napi_throw(env, thrown);
  return {env, nullptr};
}

// Arguments. 0, false or "" for one of another type.
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

// ---- calling back

// Calls from the event loop, then runs microtasks and ticks, as Node does after its own callbacks. An exception becomes an
// uncaughtException.
void call(Instance& instance, napi_ref function, size_t count, napi_value* arguments) {
  const napi_env env = instance.env;
  napi_value callee;
  napi_value receiver;
  if (function == nullptr) return;
  if (napi_get_reference_value(env, function, &callee) != napi_ok || callee == nullptr) return;
  if (napi_get_global(env, &receiver) != napi_ok) return;
  const napi_status status =
      napi_make_callback(env, instance.context, receiver, callee, count, arguments, nullptr);
  if (status != napi_pending_exception) return;
  napi_value exception;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

class JsEvents final : public Events {
 public:
  JsEvents(Instance& instance, napi_value handlers) : instance_(instance) {
    static constexpr const char* names[] = {"onRecords", "onRoom", "onTaken", "onEnd"};
    for (size_t i = 0; i < 4; ++i) {
      napi_value function = nullptr;
      if (napi_get_named_property(instance.env, handlers, names[i], &function) != napi_ok) continue;
      (void)napi_create_reference(instance.env, function, 1, &functions_[i]);
    }
  }
  ~JsEvents() override {
    for (napi_ref function : functions_) {
      if (function != nullptr) napi_delete_reference(instance_.env, function);
    }
  }
  void records(uint32_t lane) override { call_with(0, static_cast<int32_t>(lane)); }
  void room(uint32_t lane) override { call_with(1, static_cast<int32_t>(lane)); }
  void taken(uint32_t lane) override { call_with(2, static_cast<int32_t>(lane)); }
  void ended(End why) override { call_with(3, static_cast<int32_t>(why)); }

 private:
  void call_with(size_t which, int32_t value) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(instance_.env, &scope) != napi_ok) return;
    napi_value argument;
    if (napi_create_int32(instance_.env, value, &argument) == napi_ok) {
      call(instance_, functions_[which], 1, &argument);
    }
    napi_close_handle_scope(instance_.env, scope);
  }

  Instance& instance_;
  napi_ref functions_[4] = {};
};

// Watches a descriptor for JavaScript: sockets before they are a connection, and those of streams. The environment owns it
// until it is closed.
class Watcher {
 public:
  explicit Watcher(Instance& instance) : instance_(instance) {}

  // Returns 0 or a libuv error.
  static int open(Instance& instance, int descriptor, Napi::Function callback, std::shared_ptr<Watcher>& watcher) {
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
  void set(int events) {
    if (poll_ == nullptr) return;
    if (events == 0) {
      uv_poll_stop(poll_);
      return;
    }
    events_ = events;
    uv_poll_start(poll_, events, [](uv_poll_t* handle, int status, int events) {
      auto* watcher = static_cast<Watcher*>(handle->data);
      if (watcher == nullptr) return;
      // libuv stops the handle when the socket has an error. There may be bytes before it: the error is read after them.
      if (status < 0) watcher->set(watcher->events_);
      // An error or a hang-up is for the reader to find.
      const bool failed = status < 0 || (events & UV_DISCONNECT) != 0;
      watcher->tell(failed || (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
    });
  }
  void set_ref(bool ref) {
    if (poll_ == nullptr) return;
    auto* handle = reinterpret_cast<uv_handle_t*>(poll_);
    ref ? uv_ref(handle) : uv_unref(handle);
  }
  void close() {
    if (poll_ == nullptr) return;
    poll_->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(poll_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    poll_ = nullptr;
    napi_delete_reference(instance_.env, callback_);
    instance_.watchers.erase(this);
  }

 private:
  void tell(bool readable, bool writable) {
    // The callback may close the watcher; nothing of it is used after the call.
    Instance& instance = instance_;
    napi_handle_scope scope;
    if (napi_open_handle_scope(instance.env, &scope) != napi_ok) return;
    napi_value arguments[2];
    napi_get_boolean(instance.env, readable, &arguments[0]);
    napi_get_boolean(instance.env, writable, &arguments[1]);
    call(instance, callback_, 2, arguments);
    napi_close_handle_scope(instance.env, scope);
  }

  Instance& instance_;
  uv_poll_t* poll_ = nullptr;
  int events_ = 0;
  napi_ref callback_ = nullptr;
};

// ---- the environment

Instance::Instance(napi_env env) : env(env) {}

Instance::~Instance() {
  if (passed >= 0) ::close(passed);
  for (const int descriptor : descriptors) ::close(descriptor);
}

void remove_hook(void* data) {
  auto* instance = static_cast<Instance*>(data);
  delete instance->reactor;
  instance->reactor = nullptr;
  napi_remove_async_cleanup_hook(instance->hook);
}

Reactor& Instance::running() {
  if (reactor != nullptr) return *reactor;
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  const char* watchdog = std::getenv("RINGBELL_WATCHDOG");
  reactor = new Reactor(loop, watchdog != nullptr && *watchdog != '\0' && std::strcmp(watchdog, "0") != 0);
  napi_value name;
  napi_create_string_utf8(env, "ringbell", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &context);
  // Asynchronous, because libuv lets go of handles only in a turn of the loop.
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* data) {
        auto* instance = static_cast<Instance*>(data);
        while (!instance->watchers.empty()) instance->watchers.begin()->second->close();
        instance->reactor->shut_down(remove_hook, instance);
      },
      this, &hook);
  return *reactor;
}

// ---- sockets

Napi::Value SocketListen(const Napi::CallbackInfo& info) {
  const char* syscall = "";
  const std::string path = string_at(info, 0);
  const int descriptor = socket_listen(path, static_cast<mode_t>(int_at(info, 1)), int_at(info, 2), &syscall);
  if (descriptor < 0) return throw_error(info.Env(), errno, syscall, path);
  return Napi::Number::New(info.Env(), instance_of(info.Env()).own(descriptor));
}

Napi::Value SocketAccept(const Napi::CallbackInfo& info) {
  const int descriptor = socket_accept(int_at(info, 0));
  if (descriptor == -1) return throw_error(info.Env(), errno, "accept");
  if (descriptor == kWouldBlock) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), instance_of(info.Env()).own(descriptor));
}

Napi::Value SocketConnect(const Napi::CallbackInfo& info) {
  const char* syscall = "";
  const std::string path = string_at(info, 0);
  const int descriptor = socket_connect(path, &syscall);
  if (descriptor < 0) return throw_error(info.Env(), errno, syscall, path);
  return Napi::Number::New(info.Env(), instance_of(info.Env()).own(descriptor));
}

Napi::Value SocketCredentials(const Napi::CallbackInfo& info) {
  Credentials credentials{};
  if (!socket_credentials(int_at(info, 0), credentials)) return throw_error(info.Env(), errno, "getsockopt");
  const Napi::Env env = info.Env();
  napi_value object = make_object(env);
  set(env, object, "pid", number(env, static_cast<double>(credentials.pid)));
  set(env, object, "uid", number(env, static_cast<double>(credentials.uid)));
  set(env, object, "gid", number(env, static_cast<double>(credentials.gid)));
  return {env, object};
}

Napi::Value SocketSend(const Napi::CallbackInfo& info) {
  const std::span<std::byte> bytes = bytes_at(info, 1);
  const auto offset = std::min(static_cast<size_t>(std::max(double_at(info, 2), 0.0)), bytes.size());
  const ssize_t sent = socket_send(int_at(info, 0), bytes.data() + offset, bytes.size() - offset, int_at(info, 3));
  if (sent == -1) return throw_error(info.Env(), errno, "sendmsg");
  return Napi::Number::New(info.Env(), sent == kWouldBlock ? -1 : static_cast<double>(sent));
}

Napi::Value SocketReceive(const Napi::CallbackInfo& info) {
  Instance& instance = instance_of(info.Env());
  if (instance.passed >= 0) ::close(instance.passed);
  const std::span<std::byte> into = bytes_at(info, 1);
  const ssize_t received = socket_receive(int_at(info, 0), into.data(), into.size(), instance.passed);
  if (received == -1) return throw_error(info.Env(), errno, "recvmsg");
  return Napi::Number::New(info.Env(), received == kWouldBlock ? -1 : static_cast<double>(received));
}

Napi::Value SocketTakeDescriptor(const Napi::CallbackInfo& info) {
  Instance& instance = instance_of(info.Env());
  const int descriptor = std::exchange(instance.passed, -1);
  return Napi::Number::New(info.Env(), descriptor < 0 ? -1 : instance.own(descriptor));
}

Napi::Value SocketWait(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), socket_wait(int_at(info, 0), bool_at(info, 1), int_at(info, 2)));
}

void CloseDescriptor(const Napi::CallbackInfo& info) {
  const int descriptor = int_at(info, 0);
  instance_of(info.Env()).disown(descriptor);
  ::close(descriptor);
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const std::string path = string_at(info, 0);
  const int descriptor = lock_file(path);
  if (descriptor == -1) return throw_error(info.Env(), errno, "open", path);
  if (descriptor == kWouldBlock) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), instance_of(info.Env()).own(descriptor));
}

Napi::Value ProcessStart(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(process_start(int_at(info, 0))));
}

// An object whose methods act on a shared pointer of type T, which the object owns.
template <typename T>
struct Holder {
  std::shared_ptr<T> value;
};

// Hands the holder to JavaScript, which deletes it with the last reference. Null, and it is deleted, where that can't be.
template <typename T>
napi_value make_external(napi_env env, Holder<T>* holder) {
  napi_value external = nullptr;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Holder<T>*>(data); };
  if (napi_create_external(env, holder, finalize, nullptr, &external) == napi_ok) return external;
  delete holder;
  return nullptr;
}

// The holder of an object that carries it as `handle`; null if it carries none.
template <typename T>
Holder<T>* held_by(napi_env env, napi_value object) {
  napi_value handle = nullptr;
  void* data = nullptr;
  if (napi_get_named_property(env, object, "handle", &handle) != napi_ok) return nullptr;
  if (napi_get_value_external(env, handle, &data) != napi_ok) return nullptr;
  return static_cast<Holder<T>*>(data);
}

// Gives the object a method that finds `data`. It keeps the owner alive: a native function has no other tie to what it acts on.
void set_method(napi_env env, napi_value object, const char* name, napi_callback callback, void* data, napi_value owner) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) != napi_ok) return;
  napi_property_descriptor property{};
  property.utf8name = "owner";
  property.value = owner;
  if (napi_define_properties(env, function, 1, &property) == napi_ok) set(env, object, name, function);
}

Watcher* watcher_of(napi_env env, napi_callback_info info, bool (&events)[2]) {
  void* data;
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  for (size_t i = 0; i < 2; ++i) {
    if (napi_get_value_bool(env, arguments[i], &events[i]) != napi_ok) events[i] = false;
  }
  return static_cast<Holder<Watcher>*>(data)->value.get();
}

napi_value watcher_set(napi_env env, napi_callback_info info) {
  bool events[2];
  Watcher* watcher = watcher_of(env, info, events);
  watcher->set((events[0] ? UV_READABLE | UV_DISCONNECT : 0) | (events[1] ? UV_WRITABLE : 0));
  return nullptr;
}

template <bool Ref>
napi_value watcher_ref(napi_env env, napi_callback_info info) {
  bool events[2];
  watcher_of(env, info, events)->set_ref(Ref);
  return nullptr;
}

napi_value watcher_close(napi_env env, napi_callback_info info) {
  bool events[2];
  watcher_of(env, info, events)->close();
  return nullptr;
}

Napi::Value Watch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto* holder = new Holder<Watcher>;
  napi_value external = make_external(env, holder);
  if (external == nullptr) return {env, nullptr};
  const int error =
      Watcher::open(instance_of(env), int_at(info, 0), info[1].As<Napi::Function>(), holder->value);
  if (error != 0) return throw_error(env, -error, "uv_poll_init");
  napi_value object = make_object(env);
  set_method(env, object, "set", watcher_set, holder, external);
  set_method(env, object, "ref", watcher_ref<true>, holder, external);
  set_method(env, object, "unref", watcher_ref<false>, holder, external);
  set_method(env, object, "close", watcher_close, holder, external);
  return {env, object};
}

// ---- regions

bool capacities_at(const Napi::CallbackInfo& info, size_t index, std::vector<uint64_t>& capacities) {
  if (info[index].IsArray()) {
    const auto array = info[index].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length() && i <= kMaxLanes; ++i) {
      napi_value element = nullptr;
      double capacity = 0;
      if (napi_get_element(info.Env(), array, i, &element) == napi_ok) {
        (void)napi_get_value_double(info.Env(), element, &capacity);
      }
      capacities.push_back(capacity >= 0 && capacity <= static_cast<double>(kMaxCapacity) ? static_cast<uint64_t>(capacity) : 0);
    }
  }
  return !capacities.empty() && capacities.size() <= kMaxLanes &&
         std::all_of(capacities.begin(), capacities.end(), is_capacity);
}

napi_value region_close_descriptor(napi_env env, napi_callback_info info) {
  void* data;
  napi_value self;
  napi_get_cb_info(env, info, nullptr, nullptr, &self, &data);
  auto* owned = static_cast<Holder<Region>*>(data);
  if (owned->value != nullptr) owned->value->close_descriptor();
  set(env, self, "descriptor", number(env, -1));
  return nullptr;
}

napi_value region_close(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  static_cast<Holder<Region>*>(data)->value.reset();
  return nullptr;
}

Napi::Value make_region(Napi::Env env, std::shared_ptr<Region> region) {
  auto* holder = new Holder<Region>{std::move(region)};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return {env, nullptr};
  napi_value object = make_object(env);
  set(env, object, "nonce", text(env, holder->value->nonce()));
  set(env, object, "bytes", number(env, static_cast<double>(holder->value->bytes())));
  set(env, object, "descriptor", number(env, holder->value->descriptor()));
  set(env, object, "handle", external);
  set_method(env, object, "closeDescriptor", region_close_descriptor, holder, external);
  set_method(env, object, "close", region_close, holder, external);
  return {env, object};
}

Napi::Value RegionCreate(const Napi::CallbackInfo& info) {
  std::vector<uint64_t> capacities;
  const std::string name = string_at(info, 1);
  if (!capacities_at(info, 0, capacities)) return throw_error(info.Env(), EINVAL, "regionCreate");
  Failure failure;
  std::shared_ptr<Region> region = Region::create(capacities, name, failure);
  if (region == nullptr) return throw_error(info.Env(), failure.error, failure.syscall, name);
  return make_region(info.Env(), std::move(region));
}

Napi::Value RegionOpen(const Napi::CallbackInfo& info) {
  std::vector<uint64_t> capacities;
  const std::string name = string_at(info, 1);
  const int descriptor = int_at(info, 2);
  instance_of(info.Env()).disown(descriptor);
  if (!capacities_at(info, 0, capacities)) {
    if (name.empty()) ::close(descriptor);
    return throw_error(info.Env(), EINVAL, "regionOpen");
  }
  Failure failure;
  std::shared_ptr<Region> region = Region::open(capacities, name, descriptor, failure);
  if (region == nullptr) return throw_error(info.Env(), failure.error, failure.syscall, name);
  return make_region(info.Env(), std::move(region));
}

Napi::Value RegionUnlink(const Napi::CallbackInfo& info) {
  const std::string name = string_at(info, 0);
  if (shm_unlink(name.c_str()) != 0 && errno != ENOENT) return throw_error(info.Env(), errno, "shm_unlink", name);
  return info.Env().Undefined();
}

// ---- segments

Segment* segment_of(napi_env env, napi_callback_info info, size_t count, napi_value* arguments) {
  void* data;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  return static_cast<Holder<Segment>*>(data)->value.get();
}

// An ArrayBuffer over a part of the segment. It keeps the memory mapped until it is detached or collected, so that no view ever
// looks at what is no more.
napi_value segment_view(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void* data;
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  const auto& segment = static_cast<Holder<Segment>*>(data)->value;
  int64_t offset = -1;
  int64_t length = -1;
  napi_get_value_int64(env, arguments[0], &offset);
  napi_get_value_int64(env, arguments[1], &length);
  if (segment == nullptr || offset < 0 || length < 0 || static_cast<uint64_t>(offset) > segment->bytes() ||
      static_cast<uint64_t>(length) > segment->bytes() - static_cast<uint64_t>(offset)) {
    throw_error(env, EINVAL, "view");
    return nullptr;
  }
  auto* owned = new std::shared_ptr<Segment>(segment);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, segment->memory() + offset, static_cast<size_t>(length),
      [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Segment>*>(hint); }, owned, &buffer);
  if (status == napi_ok) return buffer;
  delete owned;
  throw_error(env, ENOTSUP, "napi_create_external_arraybuffer");
  return nullptr;
}

napi_value segment_make_immutable(napi_env env, napi_callback_info info) {
  Segment* segment = segment_of(env, info, 0, nullptr);
  Failure failure{EINVAL, "fcntl"};
  if (segment == nullptr || !segment->make_immutable(failure)) throw_error(env, failure.error, failure.syscall);
  return nullptr;
}

napi_value segment_discard(napi_env env, napi_callback_info info) {
  if (Segment* segment = segment_of(env, info, 0, nullptr); segment != nullptr) segment->discard();
  return nullptr;
}

napi_value segment_close_descriptor(napi_env env, napi_callback_info info) {
  if (Segment* segment = segment_of(env, info, 0, nullptr); segment != nullptr) segment->close_descriptor();
  return nullptr;
}

napi_value segment_close(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  auto& segment = static_cast<Holder<Segment>*>(data)->value;
  // Views may keep the memory for long; they have no use for the descriptor.
  if (segment != nullptr) segment->close_descriptor();
  segment.reset();
  return nullptr;
}

napi_value make_segment(napi_env env, std::shared_ptr<Segment> segment) {
  auto* holder = new Holder<Segment>{std::move(segment)};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  napi_value object = make_object(env);
  set(env, object, "bytes", number(env, static_cast<double>(holder->value->bytes())));
  set(env, object, "handle", external);
  set_method(env, object, "view", segment_view, holder, external);
  set_method(env, object, "makeImmutable", segment_make_immutable, holder, external);
  set_method(env, object, "discard", segment_discard, holder, external);
  set_method(env, object, "closeDescriptor", segment_close_descriptor, holder, external);
  set_method(env, object, "close", segment_close, holder, external);
  return object;
}

// The length of a segment, or 0 if it can't be one.
uint64_t segment_bytes_at(const Napi::CallbackInfo& info, size_t index) {
  const double bytes = double_at(info, index);
  return bytes >= 1 && bytes <= 9007199254740991.0 ? static_cast<uint64_t>(bytes) : 0;
}

Napi::Value SegmentCreate(const Napi::CallbackInfo& info) {
  Failure failure{EINVAL, "mmap"};
  const uint64_t bytes = segment_bytes_at(info, 0);
  std::shared_ptr<Segment> segment;
  if (bytes > 0) segment = Segment::create(bytes, string_at(info, 1), failure);
  if (segment == nullptr) return throw_error(info.Env(), failure.error, failure.syscall);
  return {info.Env(), make_segment(info.Env(), std::move(segment))};
}

// Whether JavaScript can still be called here: not in a worker that is being terminated.
bool can_call(napi_env env) {
  napi_value object;
  return napi_create_object(env, &object) == napi_ok && napi_set_named_property(env, object, "self", object) == napi_ok;
}

// Makes a segment on another thread: getting a gigabyte from the kernel takes tenths of a second.
class SegmentWorker final : public Napi::AsyncWorker {
 public:
  SegmentWorker(Napi::Env env, uint64_t bytes, std::string name)
      : AsyncWorker(env, "ringbell"), deferred_(Napi::Promise::Deferred::New(env)), bytes_(bytes), name_(std::move(name)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { segment_ = Segment::create(bytes_, name_, failure_); }
  void OnOK() override {
    const Napi::Env env = Env();
    if (!can_call(env)) return;
    if (segment_ != nullptr) {
      if (napi_value segment = make_segment(env, std::move(segment_)); segment != nullptr) deferred_.Resolve(segment);
      return;
    }
    throw_error(env, failure_.error, failure_.syscall);
    deferred_.Reject(env.GetAndClearPendingException().Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  uint64_t bytes_;
  std::string name_;
  Failure failure_;
  std::shared_ptr<Segment> segment_;
};

Napi::Value SegmentCreateSoon(const Napi::CallbackInfo& info) {
  const uint64_t bytes = segment_bytes_at(info, 0);
  if (bytes == 0) return throw_error(info.Env(), EINVAL, "mmap");
  auto* worker = new SegmentWorker(info.Env(), bytes, string_at(info, 1));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value SegmentOpen(const Napi::CallbackInfo& info) {
  const int descriptor = int_at(info, 0);
  instance_of(info.Env()).disown(descriptor);
  Failure failure;
  std::shared_ptr<Segment> segment =
      Segment::open(descriptor, segment_bytes_at(info, 1), bool_at(info, 2), bool_at(info, 3), failure);
  if (segment == nullptr) return throw_error(info.Env(), failure.error, failure.syscall);
  return {info.Env(), make_segment(info.Env(), std::move(segment))};
}

void Detach(const Napi::CallbackInfo& info) { (void)napi_detach_arraybuffer(info.Env(), info[0]); }

// ---- long memory

void KeepFreedMemory(const Napi::CallbackInfo&) { keep_freed_memory(); }

void AdviseHugePages(const Napi::CallbackInfo& info) { advise_huge_pages(bytes_at(info, 0)); }

// ---- connections

using ConnectionHolder = Holder<Connection>;

// Whether ArrayBuffers can look at memory that is not the engine's own. Electron forbids it.
bool has_external_buffers(napi_env env) {
  static std::byte probe[1];
  napi_value buffer = nullptr;
  return napi_create_external_arraybuffer(env, probe, sizeof probe, nullptr, nullptr, &buffer) == napi_ok;
}

// An ArrayBuffer over the memory, which both own. Where the runtime forbids external memory (Electron), the ArrayBuffer owns
// it alone: the lane's object in JavaScript holds the buffers for as long as native code may use them.
napi_value make_buffer(napi_env env, const std::shared_ptr<Memory>& memory) {
  auto* owned = new std::shared_ptr<Memory>(memory);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, memory->bytes, memory->size, [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Memory>*>(hint); },
      owned, &buffer);
  if (status == napi_ok) return buffer;
  delete owned;
  void* bytes = nullptr;
  if (napi_create_arraybuffer(env, memory->size, &bytes, &buffer) == napi_ok) memory->lend(static_cast<std::byte*>(bytes));
  return buffer;
}

// The hot path: a call without arguments and without a result.
template <void (Lane::*Method)()>
napi_value lane_call(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  (static_cast<Lane*>(data)->*Method)();
  return nullptr;
}

template <const std::shared_ptr<Memory>& (Lane::*Method)(size_t)>
napi_value lane_grow(napi_env env, napi_callback_info info) {
  void* data;
  size_t count = 1;
  napi_value argument;
  double bytes = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  if (count > 0) napi_get_value_double(env, argument, &bytes);
  return make_buffer(env, (static_cast<Lane*>(data)->*Method)(static_cast<size_t>(bytes)));
}

double* doubles_of(napi_env env, napi_callback_info info, size_t wanted, void** data) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, data);
  napi_typedarray_type type;
  size_t length = 0;
  void* doubles = nullptr;
  if (count < 1 || napi_get_typedarray_info(env, argument, &type, &length, &doubles, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array || length < wanted) {
    return nullptr;
  }
  return static_cast<double*>(doubles);
}

napi_value lane_stats(napi_env env, napi_callback_info info) {
  void* data;
  double* into = doubles_of(env, info, 9, &data);
  if (into == nullptr) return nullptr;
  const LaneStats stats = static_cast<Lane*>(data)->stats();
  const double values[] = {static_cast<double>(stats.sent_messages), static_cast<double>(stats.sent_bytes),
                           static_cast<double>(stats.received_messages), static_cast<double>(stats.received_bytes),
                           static_cast<double>(stats.send_fill), static_cast<double>(stats.receive_fill),
                           static_cast<double>(stats.full_count), stats.blocked_since, stats.idle_since};
  std::copy(std::begin(values), std::end(values), into);
  return nullptr;
}

napi_value make_lane(napi_env env, Lane* lane, napi_value owner) {
  napi_value object = make_object(env);
  set(env, object, "control", make_buffer(env, lane->control()));
  set(env, object, "outbox", make_buffer(env, lane->outbox()));
  set(env, object, "inbox", make_buffer(env, lane->inbox()));
  const std::pair<const char*, napi_callback> methods[] = {
      {"send", lane_call<&Lane::send>},
      {"sendBatch", lane_call<&Lane::send_batch>},
      {"drain", lane_call<&Lane::drain>},
      {"drainMore", lane_call<&Lane::drain_more>},
      {"watch", lane_call<&Lane::watch>},
      {"wantRoom", lane_call<&Lane::want_room>},
      {"wantTaken", lane_call<&Lane::want_taken>},
      {"sendWait", lane_call<&Lane::send_wait>},
      {"drainWait", lane_call<&Lane::drain_wait>},
      {"growOutbox", lane_grow<&Lane::grow_outbox>},
      {"growInbox", lane_grow<&Lane::grow_inbox>},
      {"stats", lane_stats},
  };
  for (const auto& [name, callback] : methods) set_method(env, object, name, callback, lane, owner);
  return object;
}

ConnectionHolder* connection_of(napi_env env, napi_callback_info info, napi_value* argument = nullptr) {
  void* data;
  size_t count = argument == nullptr ? 0 : 1;
  napi_get_cb_info(env, info, &count, argument, nullptr, &data);
  return static_cast<ConnectionHolder*>(data);
}

napi_value connection_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  int32_t why = 0;
  auto* holder = connection_of(env, info, &argument);
  napi_get_value_int32(env, argument, &why);
  holder->value->close(why == 0 ? End::peer_closed : End::corrupt);
  return nullptr;
}

template <bool Ref>
napi_value connection_ref(napi_env env, napi_callback_info info) {
  connection_of(env, info)->value->set_ref(Ref);
  return nullptr;
}

napi_value connection_stats(napi_env env, napi_callback_info info) {
  void* data;
  double* into = doubles_of(env, info, 4, &data);
  if (into == nullptr) return nullptr;
  const Connection& connection = *static_cast<ConnectionHolder*>(data)->value;
  into[0] = static_cast<double>(connection.bells);
  into[1] = static_cast<double>(connection.parks);
  into[2] = static_cast<double>(connection.rescues);
  into[3] = static_cast<double>(connection.end());
  return nullptr;
}

napi_value connection_pass(napi_env env, napi_callback_info info) {
  napi_value argument;
  auto* holder = connection_of(env, info, &argument);
  const Holder<Segment>* held = held_by<Segment>(env, argument);
  const Segment* segment = held == nullptr ? nullptr : held->value.get();
  int error = EBADF;
  if (segment != nullptr && segment->descriptor() >= 0) {
    // From here on the file is in other hands, too.
    memory_file_close_seals(segment->descriptor());
    error = holder->value->pass(segment->descriptor());
  }
  if (error != 0 && error != EAGAIN) {
    throw_error(env, error, "sendmsg");
    return nullptr;
  }
  return Napi::Boolean::New(env, error == 0);
}

napi_value connection_take_descriptor(napi_env env, napi_callback_info info) {
  const int descriptor = connection_of(env, info)->value->take_descriptor();
  if (descriptor == kLost) {
    throw_error(env, EMFILE, "recvmsg");
    return nullptr;
  }
  return Napi::Number::New(env, descriptor < 0 ? -1 : instance_of(env).own(descriptor));
}

napi_value connection_ring(napi_env env, napi_callback_info info) {
  connection_of(env, info)->value->ring();
  return nullptr;
}

napi_value connection_fail(napi_env env, napi_callback_info info) {
  connection_of(env, info)->value->fail();
  return nullptr;
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Instance& instance = instance_of(env);
  const int descriptor = int_at(info, 0);
  const Holder<Region>* region = held_by<Region>(env, info[1]);
  if (region == nullptr || region->value == nullptr) return throw_error(env, EINVAL, "connect");
  const double spin = double_at(info, 3);
  instance.disown(descriptor);
  auto* holder = new ConnectionHolder{std::make_shared<Connection>(
      instance.running(), descriptor, region->value, bool_at(info, 2),
      spin < 0 ? -1 : static_cast<int64_t>(spin * 1000), std::make_unique<JsEvents>(instance, info[5]))};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return {env, nullptr};
  const int passed = info[6].IsNumber() ? int_at(info, 6) : -1;
  instance.disown(passed);
  if (const int error = holder->value->start(bytes_at(info, 4), passed); error != 0) {
    holder->value->close(End::none);
    holder->value->release();
    return throw_error(env, -error, "uv_poll_start");
  }
  napi_value object = make_object(env);
  auto& lanes = holder->value->lanes();
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, lanes.size(), &array) == napi_ok) {
    for (uint32_t i = 0; i < lanes.size(); ++i) {
      (void)napi_set_element(env, array, i, make_lane(env, lanes[i].get(), external));
    }
  }
  set(env, object, "lanes", array);
  set_method(env, object, "close", connection_close, holder, external);
  set_method(env, object, "ref", connection_ref<true>, holder, external);
  set_method(env, object, "unref", connection_ref<false>, holder, external);
  set_method(env, object, "stats", connection_stats, holder, external);
  set_method(env, object, "pass", connection_pass, holder, external);
  set_method(env, object, "takeDescriptor", connection_take_descriptor, holder, external);
  set_method(env, object, "ring", connection_ring, holder, external);
  set_method(env, object, "fail", connection_fail, holder, external);
  return {env, object};
}

}  // namespace

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<Instance>(new Instance(env));
  const std::pair<const char*, Napi::Value (*)(const Napi::CallbackInfo&)> functions[] = {
      {"socketListen", SocketListen},   {"socketAccept", SocketAccept},
      {"socketConnect", SocketConnect}, {"socketCredentials", SocketCredentials},
      {"socketSend", SocketSend},       {"socketReceive", SocketReceive},
      {"socketWait", SocketWait},       {"socketTakeDescriptor", SocketTakeDescriptor},
      {"lockFile", LockFile},           {"processStart", ProcessStart},
      {"watch", Watch},                 {"regionCreate", RegionCreate},
      {"regionOpen", RegionOpen},       {"regionUnlink", RegionUnlink},
      {"connect", Connect},             {"segmentCreate", SegmentCreate},
      {"segmentOpen", SegmentOpen},     {"segmentCreateSoon", SegmentCreateSoon},
  };
  for (const auto& [name, function] : functions) exports.Set(name, Napi::Function::New(env, function, name));
  exports.Set("closeDescriptor", Napi::Function::New(env, CloseDescriptor, "closeDescriptor"));
  exports.Set("detach", Napi::Function::New(env, Detach, "detach"));
  exports.Set("keepFreedMemory", Napi::Function::New(env, KeepFreedMemory, "keepFreedMemory"));
  exports.Set("adviseHugePages", Napi::Function::New(env, AdviseHugePages, "adviseHugePages"));
  exports.Set("cores", usable_cores());
  exports.Set("externalBuffers", has_external_buffers(env));
  exports.Set("abiVersion", kAbiVersion);
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
