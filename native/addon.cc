// The addon: the only file that knows JavaScript. lib/native/binding.ts is its other half.
//
// What is called for every message or batch is plain C Node-API without arguments: the numbers travel through the lane's
// ControlWords. The rest uses node-addon-api, without C++ exceptions.

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
#include "reactor.h"
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

// ---- errors

Napi::Value throw_error(Napi::Env env, int error, const char* syscall, const std::string& path = "") {
  const char* code = uv_err_name(-error);
  std::string text = std::string(code) + ": " + uv_strerror(-error) + ", " + syscall;
  if (!path.empty()) text += " '" + path + "'";
  Napi::Error thrown = Napi::Error::New(env, text);
  thrown.Set("code", code);
  thrown.Set("errno", static_cast<double>(error));
  thrown.Set("syscall", syscall);
  if (!path.empty()) thrown.Set("path", path);
  thrown.ThrowAsJavaScriptException();
  return env.Undefined();
}

int int_at(const Napi::CallbackInfo& info, size_t index) { return info[index].ToNumber().Int32Value(); }
std::string string_at(const Napi::CallbackInfo& info, size_t index) { return info[index].ToString().Utf8Value(); }

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
  JsEvents(Instance& instance, Napi::Object handlers) : instance_(instance) {
    static constexpr const char* names[] = {"onRecords", "onRoom", "onTaken", "onEnd"};
    for (size_t i = 0; i < 4; ++i) napi_create_reference(instance.env, handlers.Get(names[i]), 1, &functions_[i]);
  }
  ~JsEvents() override {
    for (napi_ref function : functions_) napi_delete_reference(instance_.env, function);
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
  napi_ref functions_[4];
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
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("pid", static_cast<double>(credentials.pid));
  object.Set("uid", static_cast<double>(credentials.uid));
  object.Set("gid", static_cast<double>(credentials.gid));
  return object;
}

Napi::Value SocketSend(const Napi::CallbackInfo& info) {
  const std::span<std::byte> bytes = bytes_at(info, 1);
  const auto offset = std::min(static_cast<size_t>(info[2].ToNumber().Uint32Value()), bytes.size());
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
  return Napi::Boolean::New(info.Env(), socket_wait(int_at(info, 0), info[1].ToBoolean(), int_at(info, 2)));
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

// A method that finds `T` in its data. It keeps the owner alive: a native function has no other tie to what it acts on.
Napi::Function make_method(Napi::Env env, const char* name, napi_callback callback, void* data, Napi::Value owner) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function);
  Napi::Function method(env, function);
  method.DefineProperty(Napi::PropertyDescriptor::Value("owner", owner, napi_default));
  return method;
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
  const auto external =
      Napi::External<Holder<Watcher>>::New(env, holder, [](Napi::Env, Holder<Watcher>* owned) { delete owned; });
  const int error =
      Watcher::open(instance_of(env), int_at(info, 0), info[1].As<Napi::Function>(), holder->value);
  if (error != 0) return throw_error(env, -error, "uv_poll_init");
  Napi::Object object = Napi::Object::New(env);
  object.Set("set", make_method(env, "set", watcher_set, holder, external));
  object.Set("ref", make_method(env, "ref", watcher_ref<true>, holder, external));
  object.Set("unref", make_method(env, "unref", watcher_ref<false>, holder, external));
  object.Set("close", make_method(env, "close", watcher_close, holder, external));
  return object;
}

// ---- regions

bool capacities_at(const Napi::CallbackInfo& info, size_t index, std::vector<uint64_t>& capacities) {
  if (info[index].IsArray()) {
    const auto array = info[index].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length() && i <= kMaxLanes; ++i) {
      const double capacity = array.Get(i).ToNumber().DoubleValue();
      capacities.push_back(capacity >= 0 && capacity <= static_cast<double>(kMaxCapacity) ? static_cast<uint64_t>(capacity) : 0);
    }
  }
  return !capacities.empty() && capacities.size() <= kMaxLanes &&
         std::all_of(capacities.begin(), capacities.end(), is_capacity);
}

Napi::Value make_region(Napi::Env env, std::shared_ptr<Region> region) {
  auto* holder = new Holder<Region>{std::move(region)};
  Napi::Object object = Napi::Object::New(env);
  object.Set("nonce", holder->value->nonce());
  object.Set("bytes", static_cast<double>(holder->value->bytes()));
  object.Set("descriptor", holder->value->descriptor());
  const auto external = Napi::External<Holder<Region>>::New(env, holder, [](Napi::Env, Holder<Region>* owned) { delete owned; });
  object.Set("handle", external);
  object.Set("closeDescriptor", make_method(env, "closeDescriptor", [](napi_env env, napi_callback_info info) -> napi_value {
               void* data;
               napi_value self;
               napi_get_cb_info(env, info, nullptr, nullptr, &self, &data);
               auto* owned = static_cast<Holder<Region>*>(data);
               if (owned->value != nullptr) owned->value->close_descriptor();
               Napi::Object(env, self).Set("descriptor", -1);
               return nullptr;
             }, holder, external));
  object.Set("close", make_method(env, "close", [](napi_env env, napi_callback_info info) -> napi_value {
               void* data;
               napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
               static_cast<Holder<Region>*>(data)->value.reset();
               return nullptr;
             }, holder, external));
  return object;
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

// ---- connections

using ConnectionHolder = Holder<Connection>;

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

Napi::Object make_lane(Napi::Env env, Lane* lane, Napi::Value owner) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("control", make_buffer(env, lane->control()));
  object.Set("outbox", make_buffer(env, lane->outbox()));
  object.Set("inbox", make_buffer(env, lane->inbox()));
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
  for (const auto& [name, callback] : methods) object.Set(name, make_method(env, name, callback, lane, owner));
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

Napi::Value Connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Instance& instance = instance_of(env);
  const int descriptor = int_at(info, 0);
  const auto* region =
      info[1].ToObject().Get("handle").As<Napi::External<Holder<Region>>>().Data();
  if (region->value == nullptr) return throw_error(env, EINVAL, "connect");
  const double spin = info[3].ToNumber().DoubleValue();
  instance.disown(descriptor);
  auto* holder = new ConnectionHolder{std::make_shared<Connection>(
      instance.running(), descriptor, region->value, info[2].ToBoolean(),
      spin < 0 ? -1 : static_cast<int64_t>(spin * 1000), std::make_unique<JsEvents>(instance, info[5].ToObject()))};
  const auto external = Napi::External<ConnectionHolder>::New(
      env, holder, [](Napi::Env, ConnectionHolder* owned) { delete owned; });
  if (const int error = holder->value->start(bytes_at(info, 4)); error != 0) {
    holder->value->close(End::none);
    holder->value->release();
    return throw_error(env, -error, "uv_poll_start");
  }
  Napi::Object object = Napi::Object::New(env);
  auto& lanes = holder->value->lanes();
  Napi::Array array = Napi::Array::New(env, lanes.size());
  for (uint32_t i = 0; i < lanes.size(); ++i) array.Set(i, make_lane(env, lanes[i].get(), external));
  object.Set("lanes", array);
  object.Set("close", make_method(env, "close", connection_close, holder, external));
  object.Set("ref", make_method(env, "ref", connection_ref<true>, holder, external));
  object.Set("unref", make_method(env, "unref", connection_ref<false>, holder, external));
  object.Set("stats", make_method(env, "stats", connection_stats, holder, external));
  return object;
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
      {"connect", Connect},
  };
  for (const auto& [name, function] : functions) exports.Set(name, Napi::Function::New(env, function, name));
  exports.Set("closeDescriptor", Napi::Function::New(env, CloseDescriptor, "closeDescriptor"));
  exports.Set("cores", usable_cores());
  exports.Set("abiVersion", kAbiVersion);
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
