// Lanes, as objects.
#pragma once

#include <napi.h>

#include "../lane.h"

namespace ringbell::js {

// `owner`: what keeps the lane in memory, as a value of JavaScript.
napi_value make_lane(napi_env env, Lane* lane, napi_value owner);

}  // namespace ringbell::js
