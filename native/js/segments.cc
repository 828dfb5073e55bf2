// Segments, as objects: memory for blocks, made at once or on another thread.
#include "../segment.h"

#include <cerrno>
#include <utility>

#include "buffers.h"
#include "exports.h"
#include "instance.h"
#include "values.h"

namespace ringbell::js {

namespace {

constexpr double kLargestInteger = 9007199254740991.0;  // Number.MAX_SAFE_INTEGER

// An ArrayBuffer over a part of the segment. The buffer keeps the memory mapped until it is detached or collected, so that no
// view ever looks at memory that has gone.
napi_value segment_view(napi_env env, napi_callback_info info) {
  const Call<Holder<Segment>, 2> call(env, info);
  const std::shared_ptr<Segment>& segment = call.data().value;
  int64_t offset = -1;
  int64_t length = -1;
  napi_get_value_int64(env, call.arguments[0], &offset);
  napi_get_value_int64(env, call.arguments[1], &length);
  if (segment == nullptr || offset < 0 || length < 0 || static_cast<uint64_t>(offset) > segment->bytes() ||
      static_cast<uint64_t>(length) > segment->bytes() - static_cast<uint64_t>(offset)) {
    throw_error(env, EINVAL, "view");
    return nullptr;
  }
  napi_value buffer = view_of(env, segment->memory() + offset, static_cast<size_t>(length), segment);
  if (buffer == nullptr) throw_error(env, ENOTSUP, "napi_create_external_arraybuffer");
  else segment->view_made();
  return buffer;
}

napi_value segment_detach(napi_env env, napi_callback_info info) {
  const Call<Holder<Segment>, 1> call(env, info);
  const napi_value buffer = call.arguments[0];
  const auto is_detached = [&] {
    bool detached = false;
    (void)napi_is_detached_arraybuffer(env, buffer, &detached);
    return detached;
  };
  // A buffer without memory here was taken, and its memory lives in another one.
  if (is_detached()) return nullptr;
  (void)napi_detach_arraybuffer(env, buffer);
  if (is_detached() && call.data().value != nullptr) call.data().value->view_detached();
  return nullptr;
}

napi_value segment_make_immutable(napi_env env, napi_callback_info info) {
  const auto& segment = Call<Holder<Segment>>(env, info).data().value;
  Failure failure{EINVAL, "fcntl"};
  if (segment == nullptr || !segment->make_immutable(failure)) throw_error(env, failure.error, failure.syscall);
  return nullptr;
}

napi_value segment_discard(napi_env env, napi_callback_info info) {
  const auto& segment = Call<Holder<Segment>>(env, info).data().value;
  if (segment != nullptr) segment->discard();
  return nullptr;
}

napi_value segment_close_descriptor(napi_env env, napi_callback_info info) {
  const auto& segment = Call<Holder<Segment>>(env, info).data().value;
  if (segment != nullptr) segment->close_descriptor();
  return nullptr;
}

napi_value segment_close(napi_env env, napi_callback_info info) {
  auto& segment = Call<Holder<Segment>>(env, info).data().value;
  if (segment != nullptr) segment->close();
  segment.reset();
  return nullptr;
}

napi_value make_segment(napi_env env, std::shared_ptr<Segment> segment) {
  auto* holder = new Holder<Segment>{std::move(segment)};
  napi_value external = make_external(env, holder);
  if (external == nullptr) return nullptr;
  napi_value object = make_object(env);
  set(env, object, "bytes", number(env, static_cast<double>(holder->value->bytes())));
  set(env, object, "handle", external);
  set_method(env, object, "view", segment_view, holder, external);
  set_method(env, object, "detach", segment_detach, holder, external);
  set_method(env, object, "makeImmutable", segment_make_immutable, holder, external);
  set_method(env, object, "discard", segment_discard, holder, external);
  set_method(env, object, "closeDescriptor", segment_close_descriptor, holder, external);
  set_method(env, object, "close", segment_close, holder, external);
  return object;
}

// The length of a segment; 0 for a number that is not a length.
uint64_t segment_bytes_at(const Napi::CallbackInfo& info, size_t index) {
  const double bytes = double_at(info, index);
  return bytes >= 1 && bytes <= kLargestInteger ? static_cast<uint64_t>(bytes) : 0;
}

napi_value segment_create(const Napi::CallbackInfo& info) {
  Failure failure{EINVAL, "mmap"};
  const uint64_t bytes = segment_bytes_at(info, 0);
  std::shared_ptr<Segment> segment;
  if (bytes > 0) segment = Segment::create(bytes, string_at(info, 1), failure);
  if (segment == nullptr) return throw_error(info.Env(), failure.error, failure.syscall);
  return make_segment(info.Env(), std::move(segment));
}

// Whether JavaScript can still be called: not in a worker that is being terminated.
bool can_call(napi_env env) {
  napi_value object;
  return napi_create_object(env, &object) == napi_ok && napi_set_named_property(env, object, "self", object) == napi_ok;
}

// Makes a segment on another thread: getting a gigabyte from the kernel takes tenths of a second.
class SegmentWorker final : public Napi::AsyncWorker {
 public:
  SegmentWorker(Napi::Env env, uint64_t bytes, std::string name)
      : AsyncWorker(env, "ringbell"), deferred_(Napi::Promise::Deferred::New(env)), bytes_(bytes), name_(std::move(name)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { segment_ = Segment::create(bytes_, name_, failure_); }
  void OnOK() override {
    const Napi::Env env = Env();
    if (!can_call(env)) return;
    if (segment_ != nullptr) {
      if (napi_value segment = make_segment(env, std::move(segment_)); segment != nullptr) deferred_.Resolve(segment);
      return;
    }
    throw_error(env, failure_.error, failure_.syscall);
    deferred_.Reject(env.GetAndClearPendingException().Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  uint64_t bytes_;
  std::string name_;
  Failure failure_;
  std::shared_ptr<Segment> segment_;
};

napi_value segment_create_soon(const Napi::CallbackInfo& info) {
  const uint64_t bytes = segment_bytes_at(info, 0);
  if (bytes == 0) return throw_error(info.Env(), EINVAL, "mmap");
  auto* worker = new SegmentWorker(info.Env(), bytes, string_at(info, 1));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

napi_value segment_open(const Napi::CallbackInfo& info) {
  const int descriptor = int_at(info, 0);
  instance_of(info.Env()).disown(descriptor);
  Failure failure;
  std::shared_ptr<Segment> segment =
      Segment::open(descriptor, segment_bytes_at(info, 1), bool_at(info, 2), bool_at(info, 3), failure);
  if (segment == nullptr) return throw_error(info.Env(), failure.error, failure.syscall);
  return make_segment(info.Env(), std::move(segment));
}

}  // namespace

void export_segments(Napi::Object exports) {
  export_function(exports, "segmentCreate", segment_create);
  export_function(exports, "segmentCreateSoon", segment_create_soon);
  export_function(exports, "segmentOpen", segment_open);
}

}  // namespace ringbell::js
