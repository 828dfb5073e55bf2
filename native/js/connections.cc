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

using ConnectionHolder = Holder<Connection>;

class JsEvents final : public Events {
 public:
  JsEvents(Instance& instance, napi_value handlers) : instance_(instance) {
    static constexpr const char* names[] = {"onRecords", "onRoom", "onTaken", "onEnd"};
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
  napi_ref functions_[4] = {};
};

Connection& connection_of(napi_env env, napi_callback_info info) {
  return *Call<ConnectionHolder>(env, info).data().value;
}

napi_value connection_close(napi_env env, napi_callback_info info) {
  const Call<ConnectionHolder, 1> call(env, info);
  int32_t why = 0;
  napi_get_value_int32(env, call.arguments[0], &why);
  call.data().value->close(why == static_cast<int32_t>(Close::closed) ? End::peer_closed : End::corrupt);
  return nullptr;
}

template <bool Ref>
napi_value connection_ref(napi_env env, napi_callback_info info) {
  connection_of(env, info).set_ref(Ref);
  return nullptr;
}

napi_value connection_stats(napi_env env, napi_callback_info info) {
  const Call<ConnectionHolder, 1> call(env, info);
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (into.size() < std::size(kConnectionCounters)) return nullptr;
  for (size_t i = 0; i < std::size(kConnectionCounters); ++i) into[i] = kConnectionCounters[i].of(*call.data().value);
  return nullptr;
}

napi_value connection_pass(napi_env env, napi_callback_info info) {
  const Call<ConnectionHolder, 1> call(env, info);
  const Holder<Segment>* held = held_by<Segment>(env, call.arguments[0]);
  const Segment* segment = held == nullptr ? nullptr : held->value.get();
  int error = EBADF;
  if (segment != nullptr && segment->descriptor() >= 0) {
    // From here on the file is in other hands, too.
    memory_file_close_seals(segment->descriptor());
    error = call.data().value->pass(segment->descriptor());
  }
  if (error != 0 && error != EAGAIN) {
    throw_error(env, error, "sendmsg");
    return nullptr;
  }
  return boolean(env, error == 0);
}

napi_value connection_take_descriptor(napi_env env, napi_callback_info info) {
  const int descriptor = connection_of(env, info).take_descriptor();
  if (descriptor == kLost) {
    throw_error(env, EMFILE, "recvmsg");
    return nullptr;
  }
  return number(env, descriptor < 0 ? -1 : instance_of(env).own(descriptor));
}

napi_value connection_look(napi_env env, napi_callback_info info) {
  connection_of(env, info).look();
  return nullptr;
}

napi_value connection_ring(napi_env env, napi_callback_info info) {
  connection_of(env, info).ring();
  return nullptr;
}

napi_value connection_throw_failure(napi_env env, napi_callback_info info) {
  const Failure& failure = connection_of(env, info).failure();
  if (failure) throw_error(env, failure.error, failure.syscall);
  return nullptr;
}

// An ArrayBuffer over the cells of both sides, which keeps the region mapped until it is detached or collected. Undefined where the
// runtime forbids such buffers, and after the end.
napi_value connection_cells(napi_env env, napi_callback_info info) {
  const std::shared_ptr<Region>& region = connection_of(env, info).shared_region();
  if (region == nullptr) return nullptr;
  const std::span<std::byte> cells = region->cells();
  return view_of(env, cells.data(), cells.size(), region);
}

// An ArrayBuffer over the whole region, as for the cells.
napi_value connection_memory(napi_env env, napi_callback_info info) {
  const std::shared_ptr<Region>& region = connection_of(env, info).shared_region();
  if (region == nullptr) return nullptr;
  const std::span<std::byte> memory = region->memory();
  return view_of(env, memory.data(), memory.size(), region);
}

napi_value connection_drop_view(napi_env env, napi_callback_info info) {
  const Call<ConnectionHolder, 1> call(env, info);
  (void)napi_detach_arraybuffer(env, call.arguments[0]);
  return nullptr;
}

napi_value connection_fail(napi_env env, napi_callback_info info) {
  connection_of(env, info).fail();
  return nullptr;
}

napi_value make_lanes(napi_env env, Connection& connection, napi_value owner) {
  const auto& lanes = connection.lanes();
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, lanes.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < lanes.size(); ++i) {
    (void)napi_set_element(env, array, i, make_lane(env, lanes[i].get(), owner));
  }
  return array;
}

napi_value make_connection(napi_env env, ConnectionHolder* holder, napi_value owner) {
  napi_value object = make_object(env);
  set(env, object, "lanes", make_lanes(env, *holder->value, owner));
  set_method(env, object, "close", connection_close, holder, owner);
  set_method(env, object, "ref", connection_ref<true>, holder, owner);
  set_method(env, object, "unref", connection_ref<false>, holder, owner);
  set_method(env, object, "stats", connection_stats, holder, owner);
  set_method(env, object, "pass", connection_pass, holder, owner);
  set_method(env, object, "takeDescriptor", connection_take_descriptor, holder, owner);
  set_method(env, object, "look", connection_look, holder, owner);
  set_method(env, object, "ring", connection_ring, holder, owner);
  set_method(env, object, "cells", connection_cells, holder, owner);
  set_method(env, object, "memory", connection_memory, holder, owner);
  set_method(env, object, "dropView", connection_drop_view, holder, owner);
  set_method(env, object, "fail", connection_fail, holder, owner);
  set_method(env, object, "throwFailure", connection_throw_failure, holder, owner);
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
  auto* holder = new ConnectionHolder{std::make_shared<Connection>(
      instance.running(), descriptor, region->value, bool_at(info, 2),
      spin < 0 ? -1 : static_cast<int64_t>(spin * 1000), std::make_unique<JsEvents>(instance, info[5]))};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  const int passed = info[6].IsNumber() ? int_at(info, 6) : -1;
  instance.disown(passed);
  if (const int error = holder->value->start(bytes_at(info, 4), passed); error != 0) {
    holder->value->close(End::none);
    holder->value->release();
    return throw_error(env, -error, "uv_poll_start");
  }
  return make_connection(env, holder, external);
}

}  // namespace

void export_connections(Napi::Object exports) { export_function(exports, "connect", connect); }

}  // namespace ringbell::js
