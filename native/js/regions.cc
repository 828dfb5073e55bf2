// Regions, as objects: the shared memory of a connection before there is one.
#include "../region.h"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "exports.h"
#include "instance.h"
#include "values.h"

namespace ringbell::js {

namespace {

// An array of lengths. Whatever is no length counts as 0, which is no capacity.
std::vector<uint64_t> capacities_at(const Napi::CallbackInfo& info, size_t index) {
  std::vector<uint64_t> capacities;
  if (!info[index].IsArray()) return capacities;
  const auto array = info[index].As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length() && i <= kMaxLanes; ++i) {
    napi_value element = nullptr;
    double capacity = 0;
    if (napi_get_element(info.Env(), array, i, &element) == napi_ok) {
      (void)napi_get_value_double(info.Env(), element, &capacity);
    }
    const bool is_length = capacity >= 0 && capacity <= static_cast<double>(kMaxCapacity);
    capacities.push_back(is_length ? static_cast<uint64_t>(capacity) : 0);
  }
  return capacities;
}

bool are_capacities(const std::vector<uint64_t>& capacities) {
  return !capacities.empty() && capacities.size() <= kMaxLanes &&
         std::all_of(capacities.begin(), capacities.end(), is_capacity);
}

napi_value region_close_descriptor(napi_env env, napi_callback_info info) {
  const CallOnHandle<Region> call(env, info);
  if (call.value() != nullptr) call.value()->close_descriptor();
  set(env, call.self, "descriptor", number(env, -1));
  return nullptr;
}

napi_value region_close(napi_env env, napi_callback_info info) {
  Holder<Region>* holder = CallOnHandle<Region>(env, info).holder;
  if (holder != nullptr) holder->value.reset();
  return nullptr;
}

constexpr Method kRegionMethods[] = {{"closeDescriptor", region_close_descriptor}, {"close", region_close}};

napi_value make_region(Napi::Env env, std::shared_ptr<Region> region) {
  auto* holder = new Holder<Region>{std::move(region)};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  napi_value object = make_of_kind(env, instance_of(env).regions_kind, "Region", kRegionMethods, external);
  set(env, object, "nonce", text(env, holder->value->nonce()));
  set(env, object, "bytes", number(env, static_cast<double>(holder->value->bytes())));
  set(env, object, "descriptor", number(env, holder->value->descriptor()));
  return object;
}

napi_value region_create(const Napi::CallbackInfo& info) {
  const std::vector<uint64_t> capacities = capacities_at(info, 0);
  const std::string name = string_at(info, 1);
  if (!are_capacities(capacities)) return throw_error(info.Env(), EINVAL, "regionCreate");
  Failure failure;
  std::shared_ptr<Region> region = Region::create(capacities, name, failure);
  if (region == nullptr) return throw_error(info.Env(), failure.error, failure.syscall, name);
  return make_region(info.Env(), std::move(region));
}

napi_value region_open(const Napi::CallbackInfo& info) {
  const std::vector<uint64_t> capacities = capacities_at(info, 0);
  const std::string name = string_at(info, 1);
  const int descriptor = int_at(info, 2);
  instance_of(info.Env()).disown(descriptor);
  if (!are_capacities(capacities)) {
    if (name.empty()) ::close(descriptor);
    return throw_error(info.Env(), EINVAL, "regionOpen");
  }
  Failure failure;
  std::shared_ptr<Region> region = Region::open(capacities, name, descriptor, failure);
  if (region == nullptr) return throw_error(info.Env(), failure.error, failure.syscall, name);
  return make_region(info.Env(), std::move(region));
}

napi_value region_unlink(const Napi::CallbackInfo& info) {
  const std::string name = string_at(info, 0);
  if (shm_unlink(name.c_str()) != 0 && errno != ENOENT) return throw_error(info.Env(), errno, "shm_unlink", name);
  return nullptr;
}

}  // namespace

void export_regions(Napi::Object exports) {
  export_function(exports, "regionCreate", region_create);
  export_function(exports, "regionOpen", region_open);
  export_function(exports, "regionUnlink", region_unlink);
}

}  // namespace ringbell::js
