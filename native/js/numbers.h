// Numbers that JavaScript and the addon pass each other beyond those of the lanes. `layout` (layout.cc) names them all.
#pragma once

#include <cstdint>

#include "../connection.h"
#include "../lane.h"

namespace ringbell::js {

// Goes up when lib/native/binding.ts needs something that an older addon lacks or does otherwise. The version that two peers compare is
// kAbiVersion (layout.h).
inline constexpr uint32_t kInterfaceVersion = 6;

// Why JavaScript closes a connection.
enum class Close : int32_t { closed = 0, corrupt = 1 };

// The counters that `stats` of a lane and of a connection write, in this order.
struct LaneCounter {
  const char* name;
  double (*of)(const LaneStats&);
};
inline constexpr LaneCounter kLaneCounters[] = {
    {"sentMessages", [](const LaneStats& stats) { return static_cast<double>(stats.sent_messages); }},
    {"sentBytes", [](const LaneStats& stats) { return static_cast<double>(stats.sent_bytes); }},
    {"receivedMessages", [](const LaneStats& stats) { return static_cast<double>(stats.received_messages); }},
    {"receivedBytes", [](const LaneStats& stats) { return static_cast<double>(stats.received_bytes); }},
    {"sendFill", [](const LaneStats& stats) { return static_cast<double>(stats.send_fill); }},
    {"receiveFill", [](const LaneStats& stats) { return static_cast<double>(stats.receive_fill); }},
    {"fullCount", [](const LaneStats& stats) { return static_cast<double>(stats.full_count); }},
    {"blockedSince", [](const LaneStats& stats) { return stats.blocked_since; }},
    {"idleSince", [](const LaneStats& stats) { return stats.idle_since; }},
};

struct ConnectionCounter {
  const char* name;
  double (*of)(const Connection&);
};
inline constexpr ConnectionCounter kConnectionCounters[] = {
    {"bells", [](const Connection& connection) { return static_cast<double>(connection.bells); }},
    {"parks", [](const Connection& connection) { return static_cast<double>(connection.parks); }},
    {"rescues", [](const Connection& connection) { return static_cast<double>(connection.rescues); }},
    {"end", [](const Connection& connection) { return static_cast<double>(connection.end()); }},
};

}  // namespace ringbell::js
