// `layout`: every number that JavaScript and the addon must both know, as one frozen object. lib/native/layout.ts types it and says
// what each of them means.
#include "../layout.h"

#include <cstddef>
#include <initializer_list>
#include <utility>

#include "exports.h"
#include "numbers.h"
#include "values.h"

namespace ringbell::js {

namespace {

using Number = std::pair<const char*, double>;

template <typename Numbers>
napi_value frozen(napi_env env, const Numbers& numbers) {
  napi_value object = make_object(env);
  for (const auto& [name, value] : numbers) set(env, object, name, number(env, value));
  (void)napi_object_freeze(env, object);
  return object;
}

napi_value frozen(napi_env env, std::initializer_list<Number> numbers) {
  return frozen<std::initializer_list<Number>>(env, numbers);
}

template <typename Enum>
constexpr double of(Enum value) {
  return static_cast<double>(value);
}

// The index of a control word, as 32-bit integers are counted.
constexpr double word(size_t offset) { return static_cast<double>(offset / sizeof(int32_t)); }

// The index of each counter, and their number.
template <typename Counter, size_t Count>
napi_value order_of(napi_env env, const Counter (&counters)[Count]) {
  Number numbers[Count + 1];
  for (size_t i = 0; i < Count; ++i) numbers[i] = {counters[i].name, static_cast<double>(i)};
  numbers[Count] = {"count", static_cast<double>(Count)};
  return frozen(env, numbers);
}

napi_value control(napi_env env) {
  return frozen(env, {{"argument", word(offsetof(ControlWords, argument))},
                      {"result", word(offsetof(ControlWords, result))},
                      {"demand", word(offsetof(ControlWords, demand))},
                      {"needed", word(offsetof(ControlWords, needed))},
                      {"watching", word(offsetof(ControlWords, watching))},
                      {"kind", word(offsetof(ControlWords, kind))},
                      {"timeout", static_cast<double>(offsetof(ControlWords, timeout) / sizeof(double))},
                      {"producer", word(offsetof(ControlWords, producer))},
                      {"consumer", word(offsetof(ControlWords, consumer))}});
}

napi_value end(napi_env env) {
  return frozen(env, {{"position", word(offsetof(EndWords, position))},
                      {"limit", word(offsetof(EndWords, limit))},
                      {"messages", word(offsetof(EndWords, messages))},
                      {"bytesEach", word(offsetof(EndWords, bytes_each))},
                      {"words", word(sizeof(EndWords))}});
}

napi_value record(napi_env env) {
  napi_value object = make_object(env);
  const Number numbers[] = {{"headerBytes", of(kHeaderBytes)},
                            {"alignment", of(kAlignment)},
                            {"published", of(kPublished)},
                            {"lengthMask", of(kLengthMask)},
                            {"kindWord", of(kKindShift / 32)},
                            {"kindShift", of(kKindShift % 32)},
                            {"scratchKindShift", of(kScratchKindShift)}};
  for (const auto& [name, value] : numbers) set(env, object, name, number(env, value));
  set(env, object, "kinds",
      frozen(env, {{"message", of(kMessage)},
                   {"padding", of(kPadding)},
                   {"withBlocks", of(kWithBlocks)},
                   {"inBlock", of(kInBlock)}}));
  (void)napi_object_freeze(env, object);
  return object;
}

napi_value ring(napi_env env) {
  return frozen(env, {{"smallestCapacity", of(kMinCapacity)},
                      {"largestCapacity", of(kMaxCapacity)},
                      {"recordShare", of(kRecordShare)},
                      {"reportShare", of(kReportShare)}});
}

napi_value region(napi_env env) {
  return frozen(env, {{"version", of(kAbiVersion)},
                      {"mostLanes", of(kMaxLanes)},
                      {"headerBytes", of(sizeof(RegionHeader))},
                      {"controlBytes", of(sizeof(RingControl))},
                      {"ringsALane", of(kRingsALane)},
                      {"dataAlignment", of(kDataAlignment)},
                      {"versionAt", of(offsetof(RegionHeader, version))},
                      {"lanesAt", of(offsetof(RegionHeader, lanes))},
                      {"consumed", of(offsetof(RingControl, consumed))},
                      {"consumerState", of(offsetof(RingControl, consumer_state))},
                      {"producerState", of(offsetof(RingControl, producer_state))},
                      {"limit", of(offsetof(RingControl, limit))},
                      {"anchor", of(offsetof(RingControl, anchor))},
                      {"anchorMessages", of(offsetof(RingControl, anchor_messages))},
                      {"anchorLimit", of(offsetof(RingControl, anchor_limit))},
                      {"marked", of(offsetof(RingControl, marked))}});
}

}  // namespace

void export_layout(Napi::Object exports) {
  const Napi::Env env = exports.Env();
  napi_value layout = make_object(env);
  set(env, layout, "control", control(env));
  set(env, layout, "endWords", end(env));
  set(env, layout, "demand",
      frozen(env, {{"none", of(kNoDemand)}, {"records", of(kDemand)}, {"atTheBell", of(kAtTheBell)}}));
  set(env, layout, "sent",
      frozen(env, {{"sent", of(Sent::sent)},
                   {"full", of(Sent::full)},
                   {"ended", of(Sent::ended)},
                   {"tooLarge", of(Sent::too_large)}}));
  set(env, layout, "batch", frozen(env, {{"most", of(kMostRecords)}, {"polled", of(kPolledRecords)}}));
  set(env, layout, "close", frozen(env, {{"closed", of(Close::closed)}, {"corrupt", of(Close::corrupt)}}));
  set(env, layout, "end",
      frozen(env, {{"none", of(End::none)},
                   {"peerClosed", of(End::peer_closed)},
                   {"peerDied", of(End::peer_died)},
                   {"corrupt", of(End::corrupt)},
                   {"accused", of(End::accused)},
                   {"failed", of(End::failed)}}));
  set(env, layout, "laneStats", order_of(env, kLaneCounters));
  set(env, layout, "connectionStats", order_of(env, kConnectionCounters));
  set(env, layout, "record", record(env));
  set(env, layout, "ring", ring(env));
  set(env, layout, "region", region(env));
  set(env, layout, "latency", frozen(env, {{"buckets", of(kLatencyBuckets)}, {"firstBits", of(kFirstLatencyBits)}}));
  set(env, layout, "parked",
      frozen(env, {{"awake", of(Parked::awake)}, {"loop", of(Parked::loop)}, {"futex", of(Parked::futex)}}));
  (void)napi_object_freeze(env, layout);
  set(env, exports, "layout", layout);
}

}  // namespace ringbell::js
