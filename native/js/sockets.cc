// Sockets and descriptors as numbers, the lock on a file, the start of a process.
#include "../socket.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

#include "exports.h"
#include "instance.h"
#include "values.h"

namespace ringbell::js {

namespace {

// Gives JavaScript a descriptor that the environment owns.
napi_value hand_out(Napi::Env env, int descriptor) {
  return number(env, instance_of(env).own(descriptor));
}

napi_value socket_listen(const Napi::CallbackInfo& info) {
  const char* syscall = "";
  const std::string path = string_at(info, 0);
  const int descriptor = ringbell::socket_listen(path, static_cast<mode_t>(int_at(info, 1)), int_at(info, 2), &syscall);
  if (descriptor < 0) return throw_error(info.Env(), errno, syscall, path);
  return hand_out(info.Env(), descriptor);
}

napi_value socket_accept(const Napi::CallbackInfo& info) {
  const int descriptor = ringbell::socket_accept(int_at(info, 0));
  if (descriptor == -1) return throw_error(info.Env(), errno, "accept");
  if (descriptor == kWouldBlock) return number(info.Env(), -1);
  return hand_out(info.Env(), descriptor);
}

napi_value socket_connect(const Napi::CallbackInfo& info) {
  const char* syscall = "";
  const std::string path = string_at(info, 0);
  const int descriptor = ringbell::socket_connect(path, &syscall);
  if (descriptor < 0) return throw_error(info.Env(), errno, syscall, path);
  return hand_out(info.Env(), descriptor);
}

napi_value socket_credentials(const Napi::CallbackInfo& info) {
  Credentials credentials{};
  if (!ringbell::socket_credentials(int_at(info, 0), credentials)) return throw_error(info.Env(), errno, "getsockopt");
  const Napi::Env env = info.Env();
  napi_value object = make_object(env);
  set(env, object, "pid", number(env, static_cast<double>(credentials.pid)));
  set(env, object, "uid", number(env, static_cast<double>(credentials.uid)));
  set(env, object, "gid", number(env, static_cast<double>(credentials.gid)));
  return object;
}

napi_value socket_send(const Napi::CallbackInfo& info) {
  const std::span<std::byte> bytes = bytes_at(info, 1);
  const auto offset = std::min(static_cast<size_t>(std::max(double_at(info, 2), 0.0)), bytes.size());
  const ssize_t sent =
      ringbell::socket_send(int_at(info, 0), bytes.data() + offset, bytes.size() - offset, int_at(info, 3));
  if (sent == -1) return throw_error(info.Env(), errno, "sendmsg");
  return number(info.Env(), sent == kWouldBlock ? -1 : static_cast<double>(sent));
}

napi_value socket_receive(const Napi::CallbackInfo& info) {
  Instance& instance = instance_of(info.Env());
  if (instance.passed >= 0) ::close(instance.passed);
  const std::span<std::byte> into = bytes_at(info, 1);
  const ssize_t received = ringbell::socket_receive(int_at(info, 0), into.data(), into.size(), instance.passed);
  if (received == -1) return throw_error(info.Env(), errno, "recvmsg");
  return number(info.Env(), received == kWouldBlock ? -1 : static_cast<double>(received));
}

napi_value socket_take_descriptor(const Napi::CallbackInfo& info) {
  const int descriptor = std::exchange(instance_of(info.Env()).passed, -1);
  return descriptor < 0 ? number(info.Env(), -1) : hand_out(info.Env(), descriptor);
}

napi_value close_descriptor(const Napi::CallbackInfo& info) {
  const int descriptor = int_at(info, 0);
  instance_of(info.Env()).disown(descriptor);
  ::close(descriptor);
  return nullptr;
}

napi_value lock_file(const Napi::CallbackInfo& info) {
  const std::string path = string_at(info, 0);
  const char* syscall = "";
  const int descriptor = ringbell::lock_file(path, &syscall);
  if (descriptor == -1) return throw_error(info.Env(), errno, syscall, path);
  if (descriptor == kWouldBlock) return number(info.Env(), -1);
  return hand_out(info.Env(), descriptor);
}

napi_value process_start(const Napi::CallbackInfo& info) {
  return number(info.Env(), static_cast<double>(ringbell::process_start(int_at(info, 0))));
}

}  // namespace

void export_sockets(Napi::Object exports) {
  export_function(exports, "socketListen", socket_listen);
  export_function(exports, "socketAccept", socket_accept);
  export_function(exports, "socketConnect", socket_connect);
  export_function(exports, "socketCredentials", socket_credentials);
  export_function(exports, "socketSend", socket_send);
  export_function(exports, "socketReceive", socket_receive);
  export_function(exports, "socketTakeDescriptor", socket_take_descriptor);
  export_function(exports, "closeDescriptor", close_descriptor);
  export_function(exports, "lockFile", lock_file);
  export_function(exports, "processStart", process_start);
}

}  // namespace ringbell::js
