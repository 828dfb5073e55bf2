#include "buffers.h"

#include "../long_memory.h"
#include "exports.h"
#include "values.h"

namespace ringbell::js {

napi_value make_buffer(napi_env env, const std::shared_ptr<Memory>& memory) {
  if (napi_value buffer = view_of(env, memory->bytes, memory->size, memory); buffer != nullptr) return buffer;
  napi_value buffer = nullptr;
  void* bytes = nullptr;
  if (napi_create_arraybuffer(env, memory->size, &bytes, &buffer) == napi_ok) memory->lend(static_cast<std::byte*>(bytes));
  return buffer;
}

namespace {

bool has_external_buffers(napi_env env) {
  static std::byte probe[1];
  napi_value buffer = nullptr;
  return napi_create_external_arraybuffer(env, probe, sizeof probe, nullptr, nullptr, &buffer) == napi_ok;
}

napi_value keep_freed_memory(const Napi::CallbackInfo&) {
  ringbell::keep_freed_memory();
  return nullptr;
}

napi_value advise_huge_pages(const Napi::CallbackInfo& info) {
  ringbell::advise_huge_pages(bytes_at(info, 0));
  return nullptr;
}

}  // namespace

void export_buffers(Napi::Object exports) {
  const Napi::Env env = exports.Env();
  export_function(exports, "keepFreedMemory", keep_freed_memory);
  export_function(exports, "adviseHugePages", advise_huge_pages);
  set(env, exports, "externalBuffers", boolean(env, has_external_buffers(env)));
}

}  // namespace ringbell::js
