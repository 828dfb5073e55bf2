// Lanes, as objects.
#pragma once

#include <napi.h>

#include "../lane.h"

namespace ringbell::js {

struct Instance;

// `table_number`: the lane's in the table of the instance. `owner`: what keeps the lane in memory, as a value of JavaScript.
napi_value make_lane(Instance& instance, Lane* lane, uint32_t table_number, napi_value owner);

}  // namespace ringbell::js
