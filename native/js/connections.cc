// Connections, as objects, and what they tell JavaScript.
#include "../connection.h"

#include <cerrno>
#include <utility>

#include "../segment.h"
#include "../socket.h"
#include "buffers.h"
#include "exports.h"
#include "instance.h"
#include "lanes.h"
#include "numbers.h"
#include "values.h"

namespace ringbell::js {

namespace {

// The lanes of a connection have their numbers for as long as JavaScript has the connection.
struct ConnectionHolder : Holder<Connection> {
  explicit ConnectionHolder(std::shared_ptr<LaneTable> lanes) : table(std::move(lanes)) {}
  ~ConnectionHolder() {
    for (const uint32_t lane_number : numbers) table->remove(lane_number);
  }
  ConnectionHolder(const ConnectionHolder&) = delete;
  ConnectionHolder& operator=(const ConnectionHolder&) = delete;

  std::shared_ptr<LaneTable> table;
  std::vector<uint32_t> numbers;
};

class JsEvents final : public Events {
 public:
  JsEvents(Instance& instance, napi_value handlers) : instance_(instance) {
    static constexpr const char* names[] = {"onRecords", "onRoom", "onTaken", "onEnd", "onQuiet"};
    for (size_t i = 0; i < std::size(names); ++i) {
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
  void quiet(uint32_t lane) override { call_with(4, static_cast<int32_t>(lane)); }
  void ended(End why) override { call_with(3, static_cast<int32_t>(why)); }

 private:
  void call_with(size_t which, int32_t value) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(instance_.env, &scope) != napi_ok) return;
    napi_value argument;
    if (napi_create_int32(instance_.env, value, &argument) == napi_ok) {
      call_back(instance_, functions_[which], 1, &argument);
    }
    napi_close_handle_scope(instance_.env, scope);
  }

  Instance& instance_;
  napi_ref functions_[5] = {};
};

// A call of a method: `connection` is null only where the method was called on another object.
template <size_t Count = 0>
struct ConnectionCall : CallOnHandle<Connection, Count> {
  ConnectionCall(napi_env env, napi_callback_info info) : CallOnHandle<Connection, Count>(env, info), connection(this->value()) {}
  Connection* connection;
};

napi_value connection_close(napi_env env, napi_callback_info info) {
  const ConnectionCall<1> call(env, info);
  if (call.connection == nullptr) return nullptr;
  int32_t why = 0;
  napi_get_value_int32(env, call.arguments[0], &why);
  call.connection->close(why == static_cast<int32_t>(Close::closed) ? End::peer_closed : End::corrupt);
  return nullptr;
}

template <bool Ref>
napi_value connection_ref(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  connection->set_ref(Ref);
  return nullptr;
}

napi_value connection_stats(napi_env env, napi_callback_info info) {
  const ConnectionCall<1> call(env, info);
  if (call.connection == nullptr) return nullptr;
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (into.size() < std::size(kConnectionCounters)) return nullptr;
  for (size_t i = 0; i < std::size(kConnectionCounters); ++i) into[i] = kConnectionCounters[i].of(*call.connection);
  return nullptr;
}

napi_value connection_pass(napi_env env, napi_callback_info info) {
  const ConnectionCall<1> call(env, info);
  if (call.connection == nullptr) return nullptr;
  const Holder<Segment>* held = held_by<Segment>(env, call.arguments[0]);
  const Segment* segment = held == nullptr ? nullptr : held->value.get();
  int error = EBADF;
  if (segment != nullptr && segment->descriptor() >= 0) {
    // From here on the file is in other hands, too.
    memory_file_close_seals(segment->descriptor());
    error = call.connection->pass(segment->descriptor());
  }
  if (error != 0 && error != EAGAIN) {
    throw_error(env, error, "sendmsg");
    return nullptr;
  }
  return boolean(env, error == 0);
}

napi_value connection_take_descriptor(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  const int descriptor = connection->take_descriptor();
  if (descriptor == kLost) {
    throw_error(env, EMFILE, "recvmsg");
    return nullptr;
  }
  return number(env, descriptor < 0 ? -1 : instance_of(env).own(descriptor));
}

napi_value connection_look(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  connection->look();
  return nullptr;
}

napi_value connection_ring(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  connection->ring();
  return nullptr;
}

napi_value connection_throw_failure(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  const Failure& failure = connection->failure();
  if (failure) throw_error(env, failure.error, failure.syscall);
  return nullptr;
}

// An ArrayBuffer over the cells of both sides, which keeps the region mapped until it is detached or collected. Undefined where the
// runtime forbids such buffers, and after the end.
napi_value connection_cells(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  const std::shared_ptr<Region>& region = connection->shared_region();
  if (region == nullptr) return nullptr;
  const std::span<std::byte> cells = region->cells();
  return view_of(env, cells.data(), cells.size(), region);
}

// An ArrayBuffer over the whole region, as for the cells.
napi_value connection_memory(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  const std::shared_ptr<Region>& region = connection->shared_region();
  if (region == nullptr) return nullptr;
  const std::span<std::byte> memory = region->memory();
  return view_of(env, memory.data(), memory.size(), region);
}

napi_value connection_drop_view(napi_env env, napi_callback_info info) {
  const ConnectionCall<1> call(env, info);
  if (call.connection == nullptr) return nullptr;
  (void)napi_detach_arraybuffer(env, call.arguments[0]);
  return nullptr;
}

napi_value connection_fail(napi_env env, napi_callback_info info) {
  Connection* connection = ConnectionCall<>(env, info).connection;
  if (connection == nullptr) return nullptr;
  connection->fail();
  return nullptr;
}

napi_value make_lanes(Instance& instance, ConnectionHolder& holder, napi_value owner) {
  const napi_env env = instance.env;
  const auto& lanes = holder.value->lanes();
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, lanes.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < lanes.size(); ++i) {
    const uint32_t table_number = holder.table->add(lanes[i].get());
    holder.numbers.push_back(table_number);
    (void)napi_set_element(env, array, i, make_lane(instance, lanes[i].get(), table_number, owner));
  }
  return array;
}

constexpr Method kConnectionMethods[] = {
    {"close", connection_close},
    {"ref", connection_ref<true>},
    {"unref", connection_ref<false>},
    {"stats", connection_stats},
    {"pass", connection_pass},
    {"takeDescriptor", connection_take_descriptor},
    {"look", connection_look},
    {"ring", connection_ring},
    {"cells", connection_cells},
    {"memory", connection_memory},
    {"dropView", connection_drop_view},
    {"fail", connection_fail},
    {"throwFailure", connection_throw_failure},
};

napi_value make_connection(Instance& instance, ConnectionHolder& holder, napi_value owner) {
  napi_value object = make_of_kind(instance.env, instance.connections_kind, "NativeConnection", kConnectionMethods, owner);
  set(instance.env, object, "lanes", make_lanes(instance, holder, owner));
  return object;
}

napi_value connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Instance& instance = instance_of(env);
  const int descriptor = int_at(info, 0);
  const Holder<Region>* region = held_by<Region>(env, info[1]);
  if (region == nullptr || region->value == nullptr) return throw_error(env, EINVAL, "connect");
  const double spin = double_at(info, 3);
  instance.disown(descriptor);
  auto* holder = new ConnectionHolder(instance.lanes);
  holder->value = std::make_shared<Connection>(instance.running(), descriptor, region->value, bool_at(info, 2),
                                               spin < 0 ? -1 : static_cast<int64_t>(spin * 1000),
                                               std::make_unique<JsEvents>(instance, info[5]));
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  const int passed = info[6].IsNumber() ? int_at(info, 6) : -1;
  instance.disown(passed);
  if (const int error = holder->value->start(bytes_at(info, 4), passed); error != 0) {
    holder->value->close(End::none);
    holder->value->release();
    return throw_error(env, -error, "uv_poll_start");
  }
  return make_connection(instance, *holder, external);
}

}  // namespace

void export_connections(Napi::Object exports) { export_function(exports, "connect", connect); }

}  // namespace ringbell::js
