#include "lanes.h"

#include <utility>

#include "buffers.h"
#include "numbers.h"
#include "values.h"

namespace ringbell::js {

namespace {

// The hot path, once a message or a batch: no argument and no result, since the numbers travel through the lane's ControlWords.
template <void (Lane::*Method)()>
napi_value lane_call(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  (static_cast<Lane*>(data)->*Method)();
  return nullptr;
}

template <const std::shared_ptr<Memory>& (Lane::*Method)(size_t)>
napi_value lane_grow(napi_env env, napi_callback_info info) {
  const Call<Lane, 1> call(env, info);
  double bytes = 0;
  napi_get_value_double(env, call.arguments[0], &bytes);
  return make_buffer(env, (call.data().*Method)(static_cast<size_t>(bytes)));
}

napi_value lane_stats(napi_env env, napi_callback_info info) {
  const Call<Lane, 1> call(env, info);
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (into.size() < std::size(kLaneCounters)) return nullptr;
  const LaneStats stats = call.data().stats();
  for (size_t i = 0; i < std::size(kLaneCounters); ++i) into[i] = kLaneCounters[i].of(stats);
  return nullptr;
}

// Writes the buckets of the messages received, and behind them those of the messages sent.
napi_value lane_latencies(napi_env env, napi_callback_info info) {
  const Call<Lane, 1> call(env, info);
  const std::span<double> into = doubles_of(env, call.arguments[0]);
  if (into.size() < 2 * size_t{kLatencyBuckets}) return nullptr;
  for (unsigned i = 0; i < kLatencyBuckets; ++i) {
    into[i] = call.data().received_latency(i);
    into[kLatencyBuckets + i] = call.data().sent_latency(i);
  }
  return nullptr;
}

}  // namespace

napi_value make_lane(napi_env env, Lane* lane, napi_value owner) {
  napi_value object = make_object(env);
  set(env, object, "control", make_buffer(env, lane->control()));
  lane->control_moved();
  set(env, object, "outbox", make_buffer(env, lane->outbox()));
  set(env, object, "inbox", make_buffer(env, lane->inbox()));
  const std::pair<const char*, napi_callback> methods[] = {
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
      {"growOutbox", lane_grow<&Lane::grow_outbox>},
      {"growInbox", lane_grow<&Lane::grow_inbox>},
      {"stats", lane_stats},
      {"latencies", lane_latencies},
  };
  for (const auto& [name, callback] : methods) set_method(env, object, name, callback, lane, owner);
  return object;
}

}  // namespace ringbell::js
