#include "lanes.h"

#include <utility>

#include "buffers.h"
#include "instance.h"
#include "numbers.h"
#include "values.h"

namespace ringbell::js {

namespace {

// The lane that JavaScript has selected. There is one for each of its calls: its objects keep their lanes.
Lane* lane_of(void* table) { return static_cast<LaneTable*>(table)->selected(); }

// The hot path, once a message or a batch: no argument and no result, since the numbers travel through the lane's ControlWords.
template <void (Lane::*Method)()>
napi_value lane_call(napi_env env, napi_callback_info info) {
  void* table;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &table);
  if (Lane* lane = lane_of(table); lane != nullptr) [[likely]] (lane->*Method)();
  return nullptr;
}

template <const std::shared_ptr<Memory>& (Lane::*Method)(size_t)>
napi_value lane_grow(napi_env env, napi_callback_info info) {
  const Call<LaneTable, 1> call(env, info);
  Lane* lane = call.data().selected();
  double bytes = 0;
  napi_get_value_double(env, call.arguments[0], &bytes);
  return lane == nullptr ? nullptr : make_buffer(env, (lane->*Method)(static_cast<size_t>(bytes)));
}

napi_value lane_stats(napi_env env, napi_callback_info info) {
  const Call<LaneTable, 1> call(env, info);
  const Lane* lane = call.data().selected();
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (lane == nullptr || into.size() < std::size(kLaneCounters)) return nullptr;
  const LaneStats stats = lane->stats();
  for (size_t i = 0; i < std::size(kLaneCounters); ++i) into[i] = kLaneCounters[i].of(stats);
  return nullptr;
}

// Writes the buckets of the messages received, and behind them those of the messages sent.
napi_value lane_latencies(napi_env env, napi_callback_info info) {
  const Call<LaneTable, 1> call(env, info);
  const Lane* lane = call.data().selected();
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (lane == nullptr || into.size() < 2 * size_t{kLatencyBuckets}) return nullptr;
  for (unsigned i = 0; i < kLatencyBuckets; ++i) {
    into[i] = lane->received_latency(i);
    into[kLatencyBuckets + i] = lane->sent_latency(i);
  }
  return nullptr;
}

constexpr std::pair<const char*, napi_callback> kLaneCalls[] = {
    {"send", lane_call<&Lane::send>},
    {"sendBatch", lane_call<&Lane::send_batch>},
    {"drain", lane_call<&Lane::drain>},
    {"wakePeer", lane_call<&Lane::wake_peer>},
    {"drainMore", lane_call<&Lane::drain_more>},
    {"watch", lane_call<&Lane::watch>},
    {"wantRoom", lane_call<&Lane::want_room>},
    {"wantTaken", lane_call<&Lane::want_taken>},
    {"sendWait", lane_call<&Lane::send_wait>},
    {"drainWait", lane_call<&Lane::drain_wait>},
    {"giveBackInbox", lane_call<&Lane::give_back_inbox>},
    {"growOutbox", lane_grow<&Lane::grow_outbox>},
    {"growInbox", lane_grow<&Lane::grow_inbox>},
    {"stats", lane_stats},
    {"latencies", lane_latencies},
};

// One object for all lanes of the environment. The functions find the table: it goes with the environment, as they do.
napi_value calls_of(Instance& instance) {
  const napi_env env = instance.env;
  napi_value object = nullptr;
  if (instance.lane_calls != nullptr) {
    (void)napi_get_reference_value(env, instance.lane_calls, &object);
    return object;
  }
  object = make_object(env);
  set(env, object, "selected", make_buffer(env, instance.lanes->word));
  for (const auto& [name, callback] : kLaneCalls) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, instance.lanes.get(), &function) == napi_ok) {
      set(env, object, name, function);
    }
  }
  if (object != nullptr) (void)napi_create_reference(env, object, 1, &instance.lane_calls);
  return object;
}

void set_part(napi_env env, napi_value object, const char* at, const char* bytes, const Scratch& scratch) {
  set(env, object, at, number(env, static_cast<double>(scratch.at)));
  set(env, object, bytes, number(env, static_cast<double>(scratch.size)));
}

}  // namespace

napi_value make_lane(Instance& instance, Lane* lane, uint32_t table_number, napi_value owner) {
  const napi_env env = instance.env;
  napi_value object = make_object(env);
  set(env, object, "number", number(env, table_number));
  set(env, object, "calls", calls_of(instance));
  set(env, object, "control", make_buffer(env, lane->control()));
  lane->control_moved();
  set_part(env, object, "outboxAt", "outboxBytes", lane->outbox());
  set_part(env, object, "inboxAt", "inboxBytes", lane->inbox());
  // Whoever has the lane keeps the connection.
  set(env, object, "handle", owner);
  return object;
}

}  // namespace ringbell::js
