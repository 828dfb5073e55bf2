// The parts of the addon, each of which puts its functions and values on `exports`. addon.cc says what stands where.
#pragma once

#include <napi.h>

namespace ringbell::js {

void export_sockets(Napi::Object exports);
void export_watchers(Napi::Object exports);
void export_regions(Napi::Object exports);
void export_segments(Napi::Object exports);
void export_buffers(Napi::Object exports);
void export_connections(Napi::Object exports);
void export_layout(Napi::Object exports);

}  // namespace ringbell::js
